"""How members are wrong together: the false-positive side of agreement.

``prediction`` is int [K, N], a class each; what is negative, an output that is not finite, is a
mistake like no other. ``correct`` is bool [K, N]. Letters: K members, N examples.
"""

import numpy as np

from jagree.study.agreement import checked, ratio
from jagree.study.pairs import same_answers


def all_wrong(correct: np.ndarray) -> np.ndarray:
    """Fraction of the examples that all members get wrong.

    mean_n prod_k (1 - c[k, n]): what is left of 1 beyond `jagree.study.agreement.right_by_any`.

    Parameters
    ----------
    correct : bool array [..., K, N]

    Returns
    -------
    float array [...]
        0 to 1; nan without examples.
    """
    correct = checked(correct)
    return ratio((~correct.any(-2)).sum(-1, dtype=np.int64), correct.shape[-1])


def same_mistake(prediction: np.ndarray, correct: np.ndarray) -> np.ndarray:
    """Which examples all members get wrong in the same way: bool [N]."""
    alike = (prediction == prediction[:1]).all(0) & (prediction[0] >= 0)
    found: np.ndarray = alike & ~correct.any(0)
    return found


def false_positive_agreement(prediction: np.ndarray, correct: np.ndarray) -> np.ndarray:
    """Of the examples that some member gets wrong, those that all get wrong in the same way.

    #{n : all members predict the same j != y} / #{n : some member is wrong}: the mirror image of
    true-positive agreement, normalised by its union as that is.

    Parameters
    ----------
    prediction : int array [K, N]
    correct : bool array [K, N]

    Returns
    -------
    float
        0 to 1. nan where no member is wrong. The share of finite mistakes for K = 1.

    References
    ----------
    Named as future work by Pliushch et al., arXiv 2105.08997, v1.

    Examples
    --------
    >>> import numpy as np
    >>> prediction = np.array([[0, 1, 1, 0], [0, 1, 2, 1]])  # of examples of class 0
    >>> float(false_positive_agreement(prediction, prediction == 0))  # 1 of 3
    0.3333333333333333
    """
    wrong = (~checked(correct)).any(0).sum(dtype=np.int64)
    return ratio(same_mistake(prediction, correct).sum(dtype=np.int64), wrong)


def false_positive_share(prediction: np.ndarray, correct: np.ndarray) -> np.ndarray:
    """Of the examples that all members get wrong, those that all get wrong in the same way.

    #{n : all members predict the same j != y} / #{n : all members are wrong}: how alike mistakes
    are where all make one. Members that guess among the C - 1 wrong classes come to (C - 1)^(1 -
    K).

    Parameters
    ----------
    prediction : int array [K, N]
    correct : bool array [K, N]

    Returns
    -------
    float
        0 to 1. nan where no example is wrong by all.

    References
    ----------
    Named as future work by Pliushch et al., arXiv 2105.08997, v1.

    Examples
    --------
    >>> import numpy as np
    >>> prediction = np.array([[0, 1, 1, 0], [0, 1, 2, 1]])
    >>> float(false_positive_share(prediction, prediction == 0))  # 1 of 2
    0.5
    """
    wrong = (~checked(correct).any(0)).sum(dtype=np.int64)
    return ratio(same_mistake(prediction, correct).sum(dtype=np.int64), wrong)


def same_wrong_class(prediction: np.ndarray, correct: np.ndarray) -> np.ndarray:
    """Probability that two members make the same mistake, the mean over pairs.

    P[pred_i = pred_j, both wrong], of all examples.

    Parameters
    ----------
    prediction : int array [K, N]
    correct : bool array [K, N]

    Returns
    -------
    float
        0 to 1; nan for K = 1 or N = 0.

    References
    ----------
    Pliushch et al., ECCV 2022 (arXiv 2105.08997, v2), supplement B.

    Examples
    --------
    >>> import numpy as np
    >>> prediction = np.array([[0, 1, 1, 0], [0, 1, 2, 1]])
    >>> float(same_wrong_class(prediction, prediction == 0))
    0.25
    """
    return _mean_over_pairs(same_answers(prediction, ~checked(correct)), prediction.shape)


def churn(prediction: np.ndarray) -> np.ndarray:
    """Probability that two members answer differently, the mean over pairs.

    P[pred_i != pred_j]

    Parameters
    ----------
    prediction : int array [K, N]

    Returns
    -------
    float
        0 to 1; nan for K = 1 or N = 0.

    References
    ----------
    Milani Fard et al., "Launch and iterate: reducing prediction churn", NeurIPS 2016; Pliushch et
    al., ECCV 2022 (arXiv 2105.08997, v2), supplement B.

    Examples
    --------
    >>> import numpy as np
    >>> float(churn(np.array([[0, 1, 1, 0], [0, 1, 2, 1]])))
    0.5
    """
    return 1 - _mean_over_pairs(same_answers(prediction), prediction.shape)


def _mean_over_pairs(counts: np.ndarray, shape: tuple[int, ...]) -> np.ndarray:
    k, n = shape
    return ratio(np.triu(counts, 1).sum(), n * k * (k - 1) // 2)
