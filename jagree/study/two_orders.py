"""Two runs learn the same examples: do they learn them in the same order?

Letters: N examples, P cells (distinct combinations of class and of both epochs), R resamples.
"""

from collections.abc import Sequence
from dataclasses import dataclass, fields

import numpy as np

from jagree import seeds
from jagree.study.agreement import true_positive_agreement
from jagree.study.chance import chance_agreement
from jagree.study.ranks import LEVEL, RESAMPLES

FIRST = 0.1  # share of the examples that, at least, are called the first that a run learns


@dataclass(frozen=True)
class TwoOrders:
    """How two learning orders of N examples compare.

    Attributes
    ----------
    rho, low, high : float
        Spearman's rank correlation of the epochs, and its percentile bootstrap interval over
        examples; nan where one side is constant.
    rho_within_class, low_within_class, high_within_class : float
        The same, of ranks within each class: see `jagree.study.ranks.rank_correlations`.
    first_1, first_2 : float
        Share of the examples that are among the `first_learned` of either run.
    first_overlap, first_chance : float
        Of the examples that are among the first of either run, the share that are of both; and what
        it would be of independent sets of these sizes. nan where both are empty.
    never_1, never_2, never_overlap, never_chance : float
        The same of the examples that are never learned.
    """

    rho: float
    low: float
    high: float
    rho_within_class: float
    low_within_class: float
    high_within_class: float
    first_1: float
    first_2: float
    first_overlap: float
    first_chance: float
    never_1: float
    never_2: float
    never_overlap: float
    never_chance: float


def compare_orders(
    one: np.ndarray,
    two: np.ndarray,
    classes: np.ndarray,
    *,
    resamples: int = RESAMPLES,
    seed: int = 0,
) -> TwoOrders:
    """Compare when the same examples are learned in two runs.

    Parameters
    ----------
    one, two : float array [N]
        The epoch at which an example is learned in either run; nan is never, and ranks after the
        last epoch: those examples are tied with one another.
    classes : int array [N]
        The class of each example.
    resamples, seed : int
        Of the bootstrap.

    Examples
    --------
    >>> import numpy as np
    >>> one = np.array([1.0, 2.0, 4.0, np.nan])
    >>> found = compare_orders(one, one + 1, np.zeros(4, int), resamples=10)
    >>> found.rho, found.first_overlap, found.never_overlap
    (1.0, 1.0, 1.0)
    """
    found = _Cells(one, two, classes).correlations(resamples, seed)
    first = np.array([first_learned(one), first_learned(two)])
    never = np.isnan([one, two])
    names = [one.name for one in fields(TwoOrders)]
    return TwoOrders(**dict(zip(names, (*found, *_overlap(first), *_overlap(never)), strict=True)))


def first_learned(epoch: np.ndarray) -> np.ndarray:
    """The examples that are learned first: bool [N] of float [N].

    Those of whole epochs, from the first on, until they are a share of `FIRST` of all examples or
    more: examples of one epoch stay together. All that are ever learned, if these are fewer.
    """
    learned = np.sort(epoch[~np.isnan(epoch)])
    if not learned.size:
        return np.zeros(len(epoch), bool)
    until = learned[min(int(np.ceil(FIRST * len(epoch))), len(learned)) - 1]
    found: np.ndarray = epoch <= until
    return found


def _overlap(sets: np.ndarray) -> tuple[float, float, float, float]:
    """Shares of two sets, their overlap, and its chance level, of bool [2, N]."""
    if not sets.shape[1]:
        return (np.nan,) * 4
    share = sets.mean(1).tolist()
    return share[0], share[1], float(true_positive_agreement(sets)), float(chance_agreement(sets))


class _Cells:
    """Examples that are alike, counted: ranks then cost as much as there are kinds of them."""

    def __init__(self, one: np.ndarray, two: np.ndarray, classes: np.ndarray) -> None:
        late = [np.where(np.isnan(epoch), np.inf, epoch) for epoch in (one, two)]
        codes = [np.unique(v, return_inverse=True)[1].astype(np.int64) for v in (classes, *late)]
        sizes = [int(c.max(initial=-1)) + 1 for c in codes]
        mixed = (codes[0] * sizes[1] + codes[1]) * sizes[2] + codes[2]
        cell, self._count = np.unique(mixed, return_counts=True)
        self._class = cell // (sizes[1] * sizes[2])
        values = cell // sizes[2] % sizes[1], cell % sizes[2]
        self._codes = values
        self._in_class = [
            np.unique(self._class * size + value, return_inverse=True)[1]
            for value, size in zip(values, sizes[1:], strict=True)
        ]

    def correlations(self, resamples: int, seed: int) -> tuple[float, ...]:
        """Value, low and high of the correlation, and of that within classes."""
        n = int(self._count.sum())
        found = self._estimate(self._count.astype(np.float64))
        drawn = np.full((resamples, 2), np.nan)
        if n and not np.isnan(found).all():
            draw = seeds.generator(seed, "bootstrap of two orders")
            for row in drawn:
                row[:] = self._estimate(draw.multinomial(n, self._count / n).astype(np.float64))
        told: list[float] = []
        for value, column in zip(found, drawn.T, strict=True):
            known = column[~np.isnan(column)]
            ends = [np.nan, np.nan]
            if known.size and not np.isnan(value):
                ends = np.quantile(known, [(1 - LEVEL) / 2, (1 + LEVEL) / 2]).tolist()
            told += [float(value), *ends]
        return tuple(told)

    def _estimate(self, weight: np.ndarray) -> tuple[float, float]:
        middle = (weight.sum() + 1) / 2
        plain = [_mid_ranks(codes, weight) - middle for codes in self._codes]
        size = np.bincount(self._class, weight)
        # Ranks go on from one class to the next: the mean rank of a class is in its middle.
        centre = (np.cumsum(size) - size + (size + 1) / 2)[self._class]
        scale = np.maximum(size, 1)[self._class]
        within = [(_mid_ranks(codes, weight) - centre) / scale for codes in self._in_class]
        return _correlation(plain, weight), _correlation(within, weight)


def _mid_ranks(codes: np.ndarray, weight: np.ndarray) -> np.ndarray:
    """Mean rank of the examples of each cell among all, from 1; the same for the same code."""
    count = np.bincount(codes, weight)
    ranks: np.ndarray = (np.cumsum(count) - count + (count + 1) / 2)[codes]
    return ranks


def _correlation(sides: Sequence[np.ndarray], weight: np.ndarray) -> float:
    """Of centred values; nan where a side is constant."""
    one, two = sides
    squares = float(weight @ one**2) * float(weight @ two**2)
    if squares <= 0:
        return np.nan
    return float(np.clip(weight @ (one * two) / np.sqrt(squares), -1, 1))
