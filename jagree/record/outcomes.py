"""What a network's scores say of each example: the variables of a record, of NumPy arrays.

The same as a training run computes of its logits; for records that other programs make.
"""

import numpy as np
from scipy import special


def single_label_outcomes(logits: np.ndarray, label: np.ndarray) -> dict[str, np.ndarray]:
    """Of one label per example.

    Parameters
    ----------
    logits : float array [B, C]
        Or log probabilities, or anything else whose softmax is the probabilities.
    label : int array [B]

    Returns
    -------
    dict of str to array [B]
        ``prediction`` (-1 where a logit is not finite), ``log_prob``, ``margin`` and
        ``sum_sq_other`` (nan there), as in docs/record.md. With one class the margin is infinite.
    """
    logits = np.asarray(logits, np.float64)
    finite = np.isfinite(logits).all(-1)
    logits = np.where(finite[:, None], logits, 0.0)
    row = np.arange(len(logits))
    log_p = special.log_softmax(logits, axis=-1)
    of_label = logits[row, label]
    others, squares = logits.copy(), np.exp(2 * log_p)
    others[row, label], squares[row, label] = -np.inf, 0.0
    margin = of_label - others.max(-1, initial=-np.inf)
    return {
        "prediction": np.where(finite, logits.argmax(-1), -1),
        "log_prob": np.where(finite, log_p[row, label], np.nan),
        "margin": np.where(finite, margin, np.nan),
        "sum_sq_other": np.where(finite, squares.sum(-1), np.nan),
    }


def multi_label_outcomes(logits: np.ndarray, label: np.ndarray) -> dict[str, np.ndarray]:
    """Of any number of labels per example, each with a sigmoid of its own.

    Parameters
    ----------
    logits : float array [B, C]
    label : bool array [B, C]

    Returns
    -------
    dict of str to array [B], ``prediction`` [B, C]
        ``prediction`` (1 where the sigmoid exceeds 0.5, -1 where a logit of the example is not
        finite), ``log_prob``, the sum over classes, and ``margin``, the smallest logit towards the
        label (nan there).
    """
    logits = np.asarray(logits, np.float64)
    finite = np.isfinite(logits).all(-1)
    towards = np.where(finite[:, None], np.where(label, logits, -logits), 0.0)
    return {
        "prediction": np.where(finite[:, None], logits > 0, -1).astype(np.int8),
        "log_prob": np.where(finite, special.log_expit(towards).sum(-1), np.nan),
        "margin": np.where(finite, towards.min(-1, initial=np.inf), np.nan),
    }
