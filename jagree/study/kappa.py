"""Kappas: agreement of pairs of members beyond what their habits alone would bring.

Two families. On correctness (two answers, right and wrong) they say whether members err on the same
examples; on labels whether they give the same answer, right or not. 0 is chance, 1 is always.

Letters: K members, N examples, a_k the accuracy of member k. A pair's value that is not defined is
left out of the mean over pairs; without a pair that has one (K = 1, or N = 0) the mean is nan.
"""

import numpy as np

from jagree.study.agreement import checked, count_right, ratio
from jagree.study.pairs import pair_counts, pair_mean, same_answers


def error_consistency(correct: np.ndarray) -> np.ndarray:
    """Cohen's kappa of being right, the mean over pairs of members.

    With c_obs = P[c_i = c_j] and c_exp = a_i a_j + (1 - a_i) (1 - a_j) of a pair,
    kappa = (c_obs - c_exp) / (1 - c_exp), and 1 where c_obs is 1.

    Parameters
    ----------
    correct : bool array [..., K, N]

    Returns
    -------
    float array [...]
        -1 to 1.

    References
    ----------
    Geirhos, Meding and Wichmann, "Beyond accuracy: quantifying trial-by-trial behaviour of CNNs and
    humans by measuring error consistency", NeurIPS 2020; Klein et al., arXiv 2507.06645, 2025.

    Examples
    --------
    >>> import numpy as np
    >>> correct = np.array([[1, 1, 0, 0], [1, 1, 1, 0]], bool)
    >>> float(error_consistency(correct))  # 3 of 4 alike, where chance is a half
    0.5
    """
    return pair_mean(pair_error_consistency(correct))


def pair_error_consistency(correct: np.ndarray) -> np.ndarray:
    """`error_consistency` of each pair, 1 for itself: float [..., K, K] of bool [..., K, N]."""
    correct = checked(correct)
    return consistency_of(pair_counts(correct), np.array(correct.shape[-1]))


def consistency_of(both: np.ndarray, n: np.ndarray) -> np.ndarray:
    """`pair_error_consistency` of how many examples each pair both get right, out of n.

    Parameters
    ----------
    both : int array [..., K, K]
        As `jagree.study.pairs.pair_counts` gives them; whole numbers, of whatever type.
    n : int array
        Of a shape that `both` can be divided by.
    """
    right = np.diagonal(both, axis1=-2, axis2=-1)
    i, j = right[..., :, None], right[..., None, :]
    alike = n - i - j + 2 * both
    # In whole numbers, times n and n^2, so that equal members come to exactly 1.
    expected = i * j + (n - i) * (n - j)
    kappa = ratio(alike * n - expected, n * n - expected)
    return np.where((alike == n) & (n > 0), 1.0, kappa)


def fleiss_kappa(correct: np.ndarray) -> np.ndarray:
    """Fleiss' kappa of being right.

    With S_n members right on example n, Pbar = mean_n [S (S - 1) + (K - S) (K - S - 1)] / (K (K -
    1)), p = mean_n S / K and Pe = p^2 + (1 - p)^2: (Pbar - Pe) / (1 - Pe).

    Parameters
    ----------
    correct : bool array [..., K, N]

    Returns
    -------
    float array [...]
        -1 / (K - 1) to 1. nan where all answers are right, or all wrong.

    References
    ----------
    Fleiss, "Measuring nominal scale agreement among many raters", Psychol. Bull. 76, 1971.

    Examples
    --------
    >>> import numpy as np
    >>> float(fleiss_kappa(np.array([[1, 1, 0, 0], [1, 1, 1, 0]], bool)))
    0.4666666666666667
    """
    correct = checked(correct)
    k, n = correct.shape[-2:]
    right, count = np.arange(k + 1), count_right(correct)
    differing = (count * right * (k - right)).sum(-1)  # pairs of one example, over all examples
    share = ratio((count * right).sum(-1), k * n)
    expected = 2 * share * (1 - share)  # 1 - Pe
    return 1 - ratio(ratio(2 * differing, n * k * (k - 1)), expected)


def fleiss_kappa_labels(prediction: np.ndarray) -> np.ndarray:
    """Fleiss' kappa of the predicted classes.

    As `fleiss_kappa`, with the count of each class in place of those of right and wrong.

    Parameters
    ----------
    prediction : int array [K, N]
        Negative, for outputs that are not finite, agrees with no other answer.

    Returns
    -------
    float
        At most 1. nan where all answers are of one class.

    References
    ----------
    Fleiss, Psychol. Bull. 76, 1971.

    Examples
    --------
    >>> import numpy as np
    >>> float(fleiss_kappa_labels(np.array([[0, 1, 2, 2], [0, 1, 2, 2]])))
    1.0
    """
    k, n = prediction.shape
    alike = ratio(_over_pairs(same_answers(prediction)), n * k * (k - 1) / 2)
    share = _class_counts(prediction).sum(0) / max(k * n, 1)
    expected = np.square(share).sum()
    return ratio(alike - expected, 1 - expected)


def light_kappa(prediction: np.ndarray) -> np.ndarray:
    """Light's kappa of the predicted classes: the mean over pairs of Cohen's kappa.

    With p_o = P[pred_i = pred_j] and p_e = sum over classes of the product of both members' shares,
    (p_o - p_e) / (1 - p_e). Unlike Fleiss' it takes the members for fixed, each with habits of its
    own.

    Parameters
    ----------
    prediction : int array [K, N]
        Negative, for outputs that are not finite, agrees with no other answer.

    Returns
    -------
    float
        -1 to 1. Pairs that both always give one same class have no value.

    References
    ----------
    Light, "Measures of response agreement for qualitative data", Psychol. Bull. 76, 1971; Cohen,
    Educ. Psychol. Meas. 20, 1960.

    Examples
    --------
    >>> import numpy as np
    >>> float(light_kappa(np.array([[0, 0, 1, 1], [0, 1, 1, 1]])))
    0.5
    """
    n = prediction.shape[-1]
    count = _class_counts(prediction)
    expected = count @ count.T  # times n^2
    return pair_mean(ratio(same_answers(prediction) * n - expected, n * n - expected))


def _over_pairs(values: np.ndarray) -> np.ndarray:
    """Sum over the pairs i < j."""
    return np.triu(values, 1).sum()


def _class_counts(prediction: np.ndarray) -> np.ndarray:
    """How often each member gives each class: int [K, C]; what is negative is no class."""
    classes = int(prediction.max(initial=-1)) + 2
    return np.array([np.bincount(row + 1, minlength=classes)[1:] for row in prediction.astype(int)])
