"""How far K networks get the same examples right, and the bounds of that; chance is in `chance`.

All functions take ``correct``, bool [..., K, N]: which of N examples each of K members gets right.
Leading axes, such as epochs, are kept; everything is a fraction, 0 to 1, but `pabak`. Letters:
c[k, n] is ``correct``, a_k = mean over n of c[k, n] the accuracy of member k. For any ``correct``

    lower_bound <= expected_random_agreement <= chance_agreement <= largest_agreement,
    lower_bound <= chance_within_classes <= largest_agreement,
    lower_bound <= true_positive_agreement <= largest_agreement

(where defined, and up to rounding); agreement may lie on either side of its chance levels.

Members and examples are counted in int64 and divided once, so values are correctly rounded wherever
they are a ratio of counts. Without any example (N = 0) nothing is defined and all values are nan.
"""

import numpy as np

LONG = 1_000  # examples, from which on rows are counted one by one


def true_positive_agreement(correct: np.ndarray) -> np.ndarray:
    """Of the examples that any member gets right, the fraction that all members get right.

    TPa = sum_n prod_k c[k, n] / sum_n max_k c[k, n]

    Parameters
    ----------
    correct : bool array [..., K, N]

    Returns
    -------
    float array [...]
        0 to 1. nan where no member gets any example right. 1 for K = 1 otherwise.

    References
    ----------
    Pliushch et al., "When deep classifiers agree", arXiv 2105.08997, v1, eq. 2.

    Examples
    --------
    >>> import numpy as np
    >>> correct = np.array([[1, 1, 0, 0], [1, 1, 1, 0]], bool)
    >>> float(true_positive_agreement(correct))  # 2 of 3
    0.6666666666666666
    """
    correct = checked(correct)
    all_right, any_right = np.all(correct, axis=-2), np.any(correct, axis=-2)
    return ratio(_total(all_right), _total(any_right))


def right_by_any(correct: np.ndarray) -> np.ndarray:
    """Fraction of all examples that at least one member gets right: the union.

    mean_n max_k c[k, n]

    Times N it is the number of examples that agreement is a fraction of, and so tells how sure
    agreement is.

    Parameters
    ----------
    correct : bool array [..., K, N]

    Returns
    -------
    float array [...]
        0 to 1.

    Examples
    --------
    >>> import numpy as np
    >>> float(right_by_any(np.array([[1, 1, 0, 0], [1, 0, 1, 0]], bool)))
    0.75
    """
    correct = checked(correct)
    return ratio(_total(np.any(correct, axis=-2)), correct.shape[-1])


def lower_bound(correct: np.ndarray) -> np.ndarray:
    """The least fraction of the examples that all members must get right, given their accuracies.

    LB = 1 - min(sum_k (1 - a_k), 1): what is left when no two members err on the same example.

    It is a fraction of all examples, agreement one of the union; so it is a bound for agreement,
    but reached only where the union holds every example (or LB is 0).

    Parameters
    ----------
    correct : bool array [..., K, N]

    Returns
    -------
    float array [...]
        0 to 1. The accuracy for K = 1.

    References
    ----------
    Pliushch et al., arXiv 2105.08997, v1, eq. 3.

    Examples
    --------
    >>> import numpy as np
    >>> correct = np.array([[1, 1, 0, 1], [1, 1, 1, 0]], bool)
    >>> float(lower_bound(correct))  # two errors on four examples
    0.5
    """
    correct = checked(correct)
    errors = _total(~correct).sum(-1)
    n = correct.shape[-1]
    return ratio(np.maximum(n - errors, 0), n)


def expected_random_agreement(correct: np.ndarray) -> np.ndarray:
    """Fraction of all examples that independent members would all get right.

    ERA = prod_k a_k. Not the chance level of agreement, which is a fraction of the union: see
    `chance_agreement`.

    Parameters
    ----------
    correct : bool array [..., K, N]

    Returns
    -------
    float array [...]
        0 to 1. The accuracy for K = 1.

    References
    ----------
    Pliushch et al., ECCV 2022 (arXiv 2105.08997, v2), supplement B.

    Examples
    --------
    >>> import numpy as np
    >>> correct = np.array([[1, 1, 0, 0], [1, 1, 1, 0]], bool)
    >>> float(expected_random_agreement(correct))  # 1/2 * 3/4
    0.375
    """
    return accuracies(correct).prod(-1)


def largest_agreement(correct: np.ndarray) -> np.ndarray:
    """The largest agreement possible at the members' accuracies.

    largest = min_k a_k / max_k a_k: reached where each member gets right what any worse one does.

    Parameters
    ----------
    correct : bool array [..., K, N]

    Returns
    -------
    float array [...]
        0 to 1. nan where no member gets any example right. 1 for equal accuracies otherwise.

    Notes
    -----
    Derived here: the intersection has at most as many examples as the worst member gets right, the
    union at least as many as the best one does.

    Examples
    --------
    >>> import numpy as np
    >>> correct = np.array([[1, 1, 0, 0], [0, 1, 1, 1]], bool)
    >>> float(largest_agreement(correct))  # 2 right against 3
    0.6666666666666666
    """
    right = _total(checked(correct))
    return ratio(right.min(-1), right.max(-1))


def pabak(correct: np.ndarray) -> np.ndarray:
    """Prevalence- and bias-adjusted kappa of being right, the mean over pairs of members.

    PABAK = 2 P[c_i = c_j] - 1, where two members agree if both are right or both are wrong.

    Parameters
    ----------
    correct : bool array [..., K, N]

    Returns
    -------
    float array [...]
        -1 to 1, 0 where a pair agrees on half of the examples. nan for K = 1. The least possible
        value is -1 / (K - 1) for an even K and -1 / K for an odd one: three cannot all differ.

    References
    ----------
    Byrt, Bishop and Carlin, "Bias, prevalence and kappa", J. Clin. Epidemiol. 46, 1993;
    Pliushch et al., ECCV 2022 (arXiv 2105.08997, v2), supplement B.

    Examples
    --------
    >>> import numpy as np
    >>> correct = np.array([[1, 1, 0, 0], [1, 1, 1, 0]], bool)
    >>> float(pabak(correct))  # the pair agrees on 3 of 4
    0.5
    """
    correct = checked(correct)
    k, n = correct.shape[-2:]
    right = np.arange(k + 1)
    # Of the K (K - 1) / 2 pairs, those of one right and one wrong member differ.
    differing = 2 * (count_right(correct) * right * (k - right)).sum(-1)
    pairs = n * k * (k - 1)
    return ratio(pairs - 2 * differing, pairs)


def accuracy_mean(correct: np.ndarray) -> np.ndarray:
    """Mean accuracy over the members.

    mean_k a_k

    Parameters
    ----------
    correct : bool array [..., K, N]

    Returns
    -------
    float array [...]
        0 to 1.

    References
    ----------
    Pliushch et al., arXiv 2105.08997, v1, fig. 2.

    Examples
    --------
    >>> import numpy as np
    >>> float(accuracy_mean(np.array([[1, 1, 0, 0], [1, 1, 1, 0]], bool)))
    0.625
    """
    right = _total(checked(correct))
    return ratio(right.sum(-1), np.shape(correct)[-2] * np.shape(correct)[-1])


def accuracy_std(correct: np.ndarray) -> np.ndarray:
    """Standard deviation of accuracy over the members, as of a population.

    sqrt(mean_k (a_k - mean_j a_j)^2): divided by K, not K - 1.

    Parameters
    ----------
    correct : bool array [..., K, N]

    Returns
    -------
    float array [...]
        0 to 1/2. Exactly 0 for equal accuracies, and for K = 1.

    References
    ----------
    Pliushch et al., arXiv 2105.08997, v1, fig. 2.

    Examples
    --------
    >>> import numpy as np
    >>> float(accuracy_std(np.array([[1, 1, 0, 0], [1, 1, 1, 0]], bool)))
    0.125
    """
    right = _total(checked(correct))
    k, n = np.shape(correct)[-2:]
    # K times the deviations: whole numbers, so that equal accuracies deviate by exactly nothing.
    deviation = (k * right - right.sum(-1, keepdims=True)).astype(np.float64)
    return ratio(np.sqrt(np.square(deviation).mean(-1)), k * n)


def accuracies(correct: np.ndarray) -> np.ndarray:
    """Accuracy of each member, float [..., K], of ``correct`` [..., K, N]."""
    correct = checked(correct)
    return ratio(_total(correct), correct.shape[-1])


def checked(correct: np.ndarray) -> np.ndarray:
    """``correct`` as an array; a ValueError if it is no bool [..., K, N] with K > 0."""
    correct = np.asarray(correct)
    if correct.dtype != bool or correct.ndim < 2 or correct.shape[-2] == 0:
        raise ValueError(
            "correct must be bool [..., K, N] with at least one member, "
            f"not {correct.dtype} {list(correct.shape)}"
        )
    return correct


def count_right(correct: np.ndarray) -> np.ndarray:
    """How many examples exactly S members get right: int [..., K + 1] of bool [..., K, N]."""
    members = correct.shape[-2]
    right = correct.view(np.uint8).sum(-2, dtype=np.min_scalar_type(members))
    return np.stack([_total(right == s) for s in range(members + 1)], -1)


def _total(values: np.ndarray) -> np.ndarray:
    """How many of bool [..., N] are true, in int64 on every platform."""
    if values.shape[-1] < LONG:
        return values.sum(-1, dtype=np.int64)
    # Row by row: what counts a whole row is ten times as fast as a sum along an axis.
    rows = values.reshape(-1, values.shape[-1])
    counts = np.array([np.count_nonzero(row) for row in rows], np.int64)
    return counts.reshape(values.shape[:-1])


def ratio(numerator: np.ndarray, denominator: np.ndarray | int) -> np.ndarray:
    """Quotient; nan, without a warning, where the denominator is 0."""
    numerator, denominator = np.broadcast_arrays(numerator, denominator)
    out = np.full(numerator.shape, np.nan)
    return np.divide(numerator, denominator, out=out, where=denominator != 0)[()]
