"""The paper's curves over epochs, and their correlation: arrays in, arrays out.

Letters: E epochs, N examples. ``agreed``, bool [..., N], says which examples all members get right;
leading axes, such as epochs, are kept.
"""

from dataclasses import dataclass

import numpy as np
from scipy import stats

from jagree.words import NO_VALUE

FIRST_SHOWN = 6  # epochs completed: not the first five
LEAST_SHOWN = 0.2  # mean accuracy (version 1 of the paper) or agreement (version 2)
BRACKET_P = 0.001  # two-sided; above it, r is printed in brackets
CONSTANT = 1e-12  # of the values' size: what differs by less is one value


def metric_curve(agreed: np.ndarray, value: np.ndarray) -> np.ndarray:
    """Mean of an image statistic over the examples that all members get right.

    Parameters
    ----------
    agreed : bool array [..., N]
    value : float array [N]
        In any unit; nan where an example has none, which is then left out.

    Returns
    -------
    float array [...]
        In the same unit. nan where no example that is agreed on has a value: the authors' code has
        0 there, which a figure would show as a fall.

    References
    ----------
    Pliushch et al., "When deep classifiers agree", arXiv 2105.08997, v1, fig. 4 to 7.

    Examples
    --------
    >>> import numpy as np
    >>> agreed = np.array([[False, False, False], [True, False, False], [True, True, True]])
    >>> metric_curve(agreed, np.array([1.0, 5.0, np.nan])).tolist()
    [nan, 1.0, 3.0]
    """
    counts = agreed & ~np.isnan(value)
    total = np.where(counts, value, 0.0).sum(-1)
    count = np.asarray(counts.sum(-1, dtype=np.int64))
    return np.divide(total, count, out=np.full(count.shape, np.nan), where=count > 0)[()]


def type_curves(agreed: np.ndarray, kind: np.ndarray) -> dict[str, np.ndarray]:
    """Of all examples of a type, the share that all members get right; for each type.

    Parameters
    ----------
    agreed : bool array [..., N]
    kind : str or int array [N]
        The type of each example, such as its illumination.

    Returns
    -------
    dict of str to float array [...]
        Types in ascending order; fractions, 0 to 1 (the paper draws percent). All examples of the
        type count, agreed on or not.

    References
    ----------
    Pliushch et al., arXiv 2105.08997, v1, sec. 5.

    Examples
    --------
    >>> import numpy as np
    >>> curves = type_curves(np.array([True, False, True]), np.array(["top", "top", "side"]))
    >>> {name: float(curve) for name, curve in curves.items()}
    {'side': 1.0, 'top': 0.5}
    """
    return {str(k): agreed[..., kind == k].mean(-1) for k in sorted(set(kind.tolist()))}


def shown_epochs(
    epoch: np.ndarray, level: np.ndarray, *, first: int = FIRST_SHOWN, least: float = LEAST_SHOWN
) -> np.ndarray:
    """Which epochs the paper shows in its figures of statistics.

    Parameters
    ----------
    epoch : int array [E]
        Number of epochs completed.
    level : float array [E]
        Mean accuracy (version 1 of the paper) or agreement (version 2, and the authors' code), 0 to
        1; nan, where agreement is not defined, is not shown.
    first : int
        The first epoch shown; the untrained networks' epoch 0 is not counted among the first five.
    least : float
        The least level shown.

    Returns
    -------
    bool array [E]

    References
    ----------
    Pliushch et al., arXiv 2105.08997, v1, sec. 5; v2, supplement C.

    Examples
    --------
    >>> import numpy as np
    >>> shown_epochs(np.array([5, 6, 7]), np.array([0.3, 0.2, 0.1])).tolist()
    [False, True, False]
    """
    return (epoch >= first) & (level >= least)


@dataclass(frozen=True)
class Correlation:
    """Pearson's correlation of two curves.

    Attributes
    ----------
    r : float
        -1 to 1; nan with fewer than three points, or where a curve is constant.
    p : float
        Two-sided, as if the points were independent. Epochs are not: each is much like the one
        before, so p is far too small. It is here because the paper's brackets follow it.
    points : int
        Epochs in which both curves have a value.
    """

    r: float
    p: float
    points: int

    @property
    def bracketed(self) -> bool:
        """Whether the paper would print r in brackets: p above 0.001, or r not defined."""
        return not self.p <= BRACKET_P

    def __str__(self) -> str:
        text = NO_VALUE if np.isnan(self.r) else f"{self.r:.2f}"
        return f"({text})" if self.bracketed else text


def pearson(one: np.ndarray, other: np.ndarray) -> Correlation:
    """Pearson's r of two curves over the epochs in which both have a value.

    Parameters
    ----------
    one, other : float array [E]
        nan where there is no value.

    References
    ----------
    Pliushch et al., ECCV 2022 (arXiv 2105.08997, v2), supplement C: r is in brackets where p is
    above 0.001.

    Examples
    --------
    >>> import numpy as np
    >>> str(pearson(np.array([1.0, 2.0, 3.0, np.nan]), np.array([1.0, 3.0, 2.0, 0.0])))
    '(0.50)'
    """
    both = ~(np.isnan(one) | np.isnan(other))
    one, other = one[both], other[both]
    points = int(both.sum())
    if points < 3 or _constant(one) or _constant(other):
        return Correlation(np.nan, np.nan, points)
    result = stats.pearsonr(one, other)
    return Correlation(float(result.statistic), float(result.pvalue), points)


def _constant(values: np.ndarray) -> bool:
    return bool(np.ptp(values) <= CONSTANT * np.abs(values).max())
