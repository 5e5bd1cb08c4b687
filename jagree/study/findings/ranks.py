"""Our own measure beside the paper's r: does a statistic go with when an example is learned?

Two curves over epochs correlate easily, because each epoch is much like the one before. Examples
are the better unit: there are thousands of them, drawn one by one.
"""

from dataclasses import dataclass

import numpy as np

from jagree import seeds
from jagree.words import NO_VALUE

RESAMPLES = 200
LEVEL = 0.95


@dataclass(frozen=True)
class RankCorrelation:
    """Spearman's rank correlation over examples, with an interval.

    Attributes
    ----------
    rho : float
        -1 to 1; nan if either side is constant. Above 0: the higher the value, the later learned.
    low, high : float
        Percentile bootstrap interval over examples, at `LEVEL`.
    examples : int
        Those that have a value.
    """

    rho: float
    low: float
    high: float
    examples: int

    @property
    def sign(self) -> int:
        """1 or -1 where the interval leaves 0 out, else 0."""
        if self.low > 0:
            return 1
        return -1 if self.high < 0 else 0

    def __str__(self) -> str:
        if np.isnan(self.rho):
            return NO_VALUE
        return f"{self.rho:+.2f} [{self.low:+.2f}, {self.high:+.2f}]"


def learned_rank_correlation(
    value: np.ndarray, agreed_for_good: np.ndarray, *, resamples: int = RESAMPLES, seed: int = 0
) -> RankCorrelation:
    """Rank correlation of a statistic with the epoch at which an example is agreed on for good.

    Parameters
    ----------
    value : float array [N]
        nan where an example has none; it is then left out.
    agreed_for_good : float array [N]
        See `jagree.study.order.LearningOrder`. nan, never agreed on for good, ranks after the last
        epoch: those examples are tied with one another.
    resamples : int
        Examples are drawn with replacement so often.
    seed : int
        Of these draws.

    Notes
    -----
    Ties get their mean rank, in every resample anew. A resample is the examples with weights, 0
    for one that is not drawn, so its ranks follow from counting and nothing is sorted again: 200
    resamples of 50,000 examples take half a second.

    Examples
    --------
    >>> import numpy as np
    >>> since = np.array([1.0, 2.0, 4.0, np.nan])
    >>> learned_rank_correlation(np.array([0.1, 0.3, 0.7, 0.9]), since).rho
    1.0
    """
    known = ~np.isnan(value)
    epoch = np.where(np.isnan(agreed_for_good), np.inf, agreed_for_good)
    one, other = _codes(value[known]), _codes(epoch[known])
    n = int(known.sum())
    rho = _spearman(one, other, np.ones(n))
    if np.isnan(rho):
        return RankCorrelation(np.nan, np.nan, np.nan, n)
    draw = seeds.generator(seed, "bootstrap of examples")
    drawn = np.array(
        [
            _spearman(one, other, np.bincount(draw.integers(0, n, n), minlength=n).astype(float))
            for _ in range(resamples)
        ]
    )
    tail = (1 - LEVEL) / 2
    low, high = np.nanquantile(drawn, [tail, 1 - tail])
    return RankCorrelation(rho, float(low), float(high), n)


def _codes(values: np.ndarray) -> np.ndarray:
    """Which of the distinct values, in ascending order, each is."""
    return np.unique(values, return_inverse=True)[1]


def _spearman(one: np.ndarray, other: np.ndarray, weight: np.ndarray) -> float:
    """Spearman's rho of codes, each example taken `weight` times; nan where one is constant."""
    total = weight.sum()
    x, y = (_mid_ranks(codes, weight) - (total + 1) / 2 for codes in (one, other))
    wx, wy = weight * x, weight * y
    # Sums and not @: threads of linear algebra take longer to start than this takes.
    spread = (wx * x).sum() * (wy * y).sum()
    return float((wx * y).sum() / np.sqrt(spread)) if spread > 0 else np.nan


def _mid_ranks(codes: np.ndarray, weight: np.ndarray) -> np.ndarray:
    """Mean rank of each example among all, from 1; the same for the same code."""
    count = np.bincount(codes, weight)
    return (np.cumsum(count) - count + (count + 1) / 2)[codes]
