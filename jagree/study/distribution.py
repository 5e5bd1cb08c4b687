"""How many members get an example right: the distribution over examples, and what chance makes it.

S_n is the number of members, of K, that get example n right. If networks learned examples in an
order of their own, S would be spread as by independent coins; if they learn the same ones, examples
are right by all or by none, and the distribution has two modes.

Letters: K members, N examples; leading axes, such as epochs, are kept.
"""

import numpy as np

from jagree.study.agreement import checked, count_right, ratio

BIMODAL = 5 / 9  # Sarle's coefficient of a uniform distribution; above it suggests two modes


def right_counts(correct: np.ndarray) -> np.ndarray:
    """How many examples exactly S members get right, for each S: int [..., K + 1].

    Parameters
    ----------
    correct : bool array [..., K, N]

    Examples
    --------
    >>> import numpy as np
    >>> right_counts(np.array([[1, 1, 0, 0], [1, 1, 1, 0]], bool)).tolist()
    [1, 1, 2]
    """
    return count_right(checked(correct))


def poisson_binomial(accuracy: np.ndarray) -> np.ndarray:
    """Probability that exactly S independent members are right, for each S: float [..., K + 1].

    The distribution of a sum of K coins that come up right with probabilities a_1 ... a_K, built up
    coin by coin.

    Parameters
    ----------
    accuracy : float array [..., K]
        0 to 1.

    References
    ----------
    As a comparison for such histograms: Jordan, "On the variance of neural network training with
    respect to test sets and distributions", arXiv 2304.01910, 2023.

    Examples
    --------
    >>> import numpy as np
    >>> poisson_binomial(np.array([0.5, 0.5])).tolist()
    [0.25, 0.5, 0.25]
    """
    accuracy = np.asarray(accuracy, np.float64)
    members = accuracy.shape[-1]
    found = np.zeros((*accuracy.shape[:-1], members + 1))
    found[..., 0] = 1
    for k in range(members):
        a = accuracy[..., k, None]
        moved = found[..., : k + 1] * a
        found[..., : k + 1] *= 1 - a
        found[..., 1 : k + 2] += moved
    return found


def sarle_bimodality(counts: np.ndarray) -> np.ndarray:
    """Sarle's bimodality coefficient of S / K.

    (g1^2 + 1) / (g2 + 3 (N - 1)^2 / ((N - 2) (N - 3))), with the skewness g1 and the excess
    kurtosis g2 of the sample, both corrected for bias. Above 5/9, that of a uniform distribution,
    suggests two modes (or a heavy tail to one side: the coefficient cannot tell them apart).

    Parameters
    ----------
    counts : int array [..., K + 1]
        As `right_counts` gives them.

    Returns
    -------
    float array [...]
        Above 0, to 1. nan for fewer than four examples, or where all have the same S.

    References
    ----------
    Pfister et al., "Good things peak in pairs: a note on the bimodality coefficient", Front.
    Psychol. 4, 2013.

    Examples
    --------
    >>> import numpy as np
    >>> float(sarle_bimodality(np.array([50, 0, 50]))) > BIMODAL
    True
    """
    n, m2, m3, m4 = _moments(counts)
    with np.errstate(invalid="ignore", divide="ignore"):
        g1 = m3 / m2**1.5 * np.sqrt(n * (n - 1)) / (n - 2)
        g2 = ((n + 1) * (m4 / m2**2 - 3) + 6) * (n - 1) / ((n - 2) * (n - 3))
        found = (g1**2 + 1) / (g2 + 3 * (n - 1) ** 2 / ((n - 2) * (n - 3)))
    return np.where((n > 3) & (m2 > 0), found, np.nan)[()]


def pearson_bimodality(counts: np.ndarray) -> np.ndarray:
    """Pearson's measure of S / K: kurtosis - skewness^2 - 1, of the sample's own moments.

    0 where there are two values only, which is as bimodal as can be; it grows as the distribution
    has one mode and tails (a uniform one has 0.8, a normal one 2).

    Parameters
    ----------
    counts : int array [..., K + 1]
        As `right_counts` gives them.

    Returns
    -------
    float array [...]
        0 or more. nan where all examples have the same S, or there is none.

    References
    ----------
    Pearson, "Contributions to the mathematical theory of evolution", 1894 and 1916, as in Pfister
    et al., Front. Psychol. 4, 2013.

    Examples
    --------
    >>> import numpy as np
    >>> float(pearson_bimodality(np.array([30, 0, 70]))) < 1e-12
    True
    """
    _, m2, m3, m4 = _moments(counts)
    with np.errstate(invalid="ignore", divide="ignore"):
        found = m4 / m2**2 - m3**2 / m2**3 - 1
    return np.where(m2 > 0, np.maximum(found, 0), np.nan)[()]


def hacohen_agreement(prediction: np.ndarray) -> np.ndarray:
    """Share of the members that give the most common answer, the mean over examples.

    mean_n max_j #{k : pred[k, n] = j} / K

    Parameters
    ----------
    prediction : int array [K, N]
        Negative, for outputs that are not finite, is no answer.

    Returns
    -------
    float
        1/K to 1; 0 where no output is finite; nan without examples.

    References
    ----------
    Hacohen, Choshen and Weinshall, "Let's agree to agree: neural networks share classification
    order on real datasets", ICML 2020.

    Examples
    --------
    >>> import numpy as np
    >>> float(hacohen_agreement(np.array([[0, 1], [0, 2], [1, 2]])))  # two of three, twice
    0.6666666666666666
    """
    members, n = prediction.shape
    # Each member is counted with those after it: the first of the most common answer has them all.
    most = np.zeros(n, np.min_scalar_type(members))
    for k, row in enumerate(prediction):
        alike = (prediction[k:] == row).view(np.uint8).sum(0, dtype=most.dtype)
        np.maximum(most, alike * (row >= 0), out=most)
    return ratio(most.sum(dtype=np.int64), n * members)


def _moments(counts: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
    """Number of examples and second to fourth central moment of S, of each histogram."""
    counts = np.asarray(counts, np.float64)
    s = np.arange(counts.shape[-1])
    n = counts.sum(-1)
    weight = counts / np.maximum(n, 1)[..., None]
    away = s - (weight * s).sum(-1, keepdims=True)
    return n, *((weight * away**power).sum(-1) for power in (2, 3, 4))
