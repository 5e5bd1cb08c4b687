"""Does a statistic go with when an example is learned? Rank correlations over examples.

Two curves over epochs correlate easily, because each epoch is much like the one before. Examples
are the better unit: there are thousands of them, drawn one by one. Three questions are asked of a
statistic x and the epoch y at which an example is learned:

* plain: do high x come with late y?
* within class: do they among examples of one class? (Classes can differ in both.)
* partial: do they, given the class and the other statistics? (Statistics correlate, too.)

A resample of the bootstrap is the examples with weights, 0 for one that is not drawn. Ranks follow
from counting, so nothing is sorted again, and all statistics share a resample.

Letters: N examples, S statistics.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from scipy import stats

from jagree import seeds
from jagree.words import NO_VALUE

RESAMPLES = 400
LEVEL = 0.95
SAME = 1e-9  # share of its variance below which nothing is left of a rank: what rounding leaves


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
    p : float
        Two-sided, of independence, by Student's t as in `scipy.stats.spearmanr`; nan where `rho`
        is, or not enough examples are left for the degrees of freedom.
    """

    rho: float
    low: float
    high: float
    examples: int
    p: float = np.nan

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


@dataclass(frozen=True)
class RankCorrelations:
    """The three answers for one statistic; see the module."""

    plain: RankCorrelation
    within_class: RankCorrelation
    partial: RankCorrelation
    controls: tuple[str, ...]  # the other statistics that `partial` is given


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
    Ties get their mean rank, in every resample anew.

    Examples
    --------
    >>> import numpy as np
    >>> since = np.array([1.0, 2.0, 4.0, np.nan])
    >>> learned_rank_correlation(np.array([0.1, 0.3, 0.7, 0.9]), since).rho
    1.0
    """
    known = ~np.isnan(value)
    sample = _Sample({"value": value[known]}, _late(agreed_for_good)[known], None, ())
    return sample.correlations(resamples, seed)["value"].plain


def rank_correlations(
    values: Mapping[str, np.ndarray],
    epoch: np.ndarray,
    classes: np.ndarray,
    *,
    controls: Mapping[str, Sequence[str]],
    resamples: int = RESAMPLES,
    seed: int = 0,
) -> dict[str, RankCorrelations]:
    """The three rank correlations of each statistic with when an example is learned.

    Parameters
    ----------
    values : mapping of str to float array [N]
        Statistics by name; nan where an example has none, and is left out for that statistic.
    epoch : float array [N]
        At which an example is learned; nan, never, ranks after the last epoch.
    classes : int array [N]
        The class of each example.
    controls : mapping of str to sequence of str
        For each statistic the others that `partial` is given. Of these, one that lacks an example
        that the statistic has is left out.
    resamples, seed : int
        As for `learned_rank_correlation`.

    Returns
    -------
    dict of str to RankCorrelations
        In the order of `values`.

    Notes
    -----
    Within class, ranks are taken inside each class, centred there and divided by the size of the
    class, and pooled; in the partial correlation ranks over all examples lose what is linear in
    the class (its mean) and in the ranks of the controls. Degrees of freedom of p are N - 2, less
    one for each class but the first (both) and for each control.
    """
    groups: dict[bytes, list[str]] = {}
    for name, value in values.items():
        groups.setdefault(np.packbits(np.isnan(value)).tobytes(), []).append(name)
    found: dict[str, RankCorrelations] = {}
    for names in groups.values():
        known = ~np.isnan(values[names[0]])
        wanted = {c for name in names for c in controls.get(name, ())}
        usable = [n for n, v in values.items() if n in wanted and not np.isnan(v[known]).any()]
        sample = _Sample(
            {n: values[n][known] for n in dict.fromkeys([*names, *usable])},
            _late(epoch)[known],
            classes[known],
            {n: tuple(c for c in controls.get(n, ()) if c in usable and c != n) for n in names},
        )
        found |= sample.correlations(resamples, seed)
    return {name: found[name] for name in values}


class _Sample:
    """Statistics that all examples have, and when these are learned."""

    def __init__(
        self,
        values: Mapping[str, np.ndarray],
        epoch: np.ndarray,
        classes: np.ndarray | None,
        controls: Mapping[str, Sequence[str]] | Sequence[str],
    ) -> None:
        self._names = list(values)
        self._asked = list(controls) or self._names
        self._n = len(epoch)
        self._codes = [_codes(column) for column in (*values.values(), epoch)]
        self._classes = None if classes is None else _codes(classes)
        self._controls: Mapping[str, Sequence[str]] = {}
        if self._classes is not None:
            assert isinstance(controls, Mapping)
            self._controls = controls
            largest = max(int(codes.max(initial=0)) for codes in self._codes) + 1
            self._in_class = [_codes(self._classes * largest + codes) for codes in self._codes]

    def correlations(self, resamples: int, seed: int) -> dict[str, RankCorrelations]:
        """Of each statistic asked about, with intervals."""
        n = self._n
        found = self._estimates(np.ones(n))
        draw = seeds.generator(seed, "bootstrap of examples")
        drawn = np.full((resamples, *found.shape), np.nan)
        if np.isfinite(found).any():
            for row in drawn:
                weight = np.bincount(draw.integers(0, n, n), minlength=n)
                row[...] = self._estimates(weight.astype(np.float64))
        low, high = _percentiles(drawn)
        parts = 1 if self._classes is None else int(self._classes.max(initial=-1)) + 1
        answers = {}
        for s, name in enumerate(self._asked):
            controls = tuple(self._controls.get(name, ()))
            free = (n - 2, n - 1 - parts, n - 1 - parts - len(controls))
            three = [
                RankCorrelation(
                    float(found[s, q]),
                    float(low[s, q]) if np.isfinite(found[s, q]) else np.nan,
                    float(high[s, q]) if np.isfinite(found[s, q]) else np.nan,
                    n,
                    _p(float(found[s, q]), free[q]),
                )
                for q in range(3)
            ]
            answers[name] = RankCorrelations(three[0], three[1], three[2], controls)
        return answers

    def _estimates(self, weight: np.ndarray) -> np.ndarray:
        """The three coefficients of each statistic asked about: float [S, 3]."""
        found = np.full((len(self._asked), 3), np.nan)
        middle = (weight.sum() + 1) / 2
        rank = np.array([_mid_ranks(codes, weight) - middle for codes in self._codes])
        plain = _weighted_products(rank, weight)
        of = [self._names.index(name) for name in self._asked]
        found[:, 0] = [_coefficient(plain, s, ()) for s in of]
        if self._classes is None:
            return found
        size = np.bincount(self._classes, weight)
        share = 1 / np.maximum(size, 1)[self._classes]
        # Ranks go on from one class to the next: the mean rank of a class is in its middle.
        centre = (np.cumsum(size) - size + (size + 1) / 2)[self._classes]
        in_class = np.array([_mid_ranks(c, weight) - centre for c in self._in_class]) * share
        within = _weighted_products(in_class, weight)
        found[:, 1] = [_coefficient(within, s, ()) for s in of]
        total = plain.diagonal().copy()
        for row in rank:
            row -= (np.bincount(self._classes, weight * row) * _inverse(size))[self._classes]
        given = _weighted_products(rank, weight)
        positions = {name: s for s, name in enumerate(self._names)}
        found[:, 2] = [
            _coefficient(given, s, [positions[c] for c in self._controls[name]], total)
            for s, name in zip(of, self._asked, strict=True)
        ]
        return found


def _late(epoch: np.ndarray) -> np.ndarray:
    """Never after every epoch."""
    return np.where(np.isnan(epoch), np.inf, epoch)


def _codes(values: np.ndarray) -> np.ndarray:
    """Which of the distinct values, in ascending order, each is."""
    return np.unique(values, return_inverse=True)[1]


def _mid_ranks(codes: np.ndarray, weight: np.ndarray) -> np.ndarray:
    """Mean rank of each example among all, from 1; the same for the same code."""
    count = np.bincount(codes, weight)
    ranks: np.ndarray = (np.cumsum(count) - count + (count + 1) / 2)[codes]
    return ranks


def _inverse(size: np.ndarray) -> np.ndarray:
    return np.divide(1, size, out=np.zeros(len(size)), where=size > 0)


def _weighted_products(rank: np.ndarray, weight: np.ndarray) -> np.ndarray:
    """Sums of products of each two rows: float [S + 1, S + 1]."""
    products: np.ndarray = (rank * weight) @ rank.T
    return products


def _coefficient(
    products: np.ndarray, s: int, given: Sequence[int], total: np.ndarray | None = None
) -> float:
    """Correlation of row s with the last one, both without what is linear in the given rows.

    nan where one of the two has nothing left: less than `SAME` of its sum of squares in `total`.
    """
    both = [s, len(products) - 1]
    left = products[np.ix_(both, both)]
    if given:
        across = products[np.ix_(given, both)]
        # Controls may be linear in one another: the least squares of least length.
        solution = np.linalg.lstsq(products[np.ix_(given, given)], across, rcond=SAME)[0]
        left = left - across.T @ solution
    before = products.diagonal() if total is None else total
    if (left.diagonal() <= SAME * before[both]).any():
        return np.nan
    return float(np.clip(left[0, 1] / np.sqrt(left[0, 0] * left[1, 1]), -1, 1))


def _percentiles(drawn: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Ends of the interval over the first axis; a resample may have no value, all may not."""
    tail = (1 - LEVEL) / 2
    known = np.isfinite(drawn).any(0)
    low, high = np.full((2, *drawn.shape[1:]), np.nan)
    if known.any():
        low[known], high[known] = np.nanquantile(drawn[:, known], [tail, 1 - tail], axis=0)
    return low, high


def _p(rho: float, freedom: int) -> float:
    if np.isnan(rho) or freedom < 1:
        return np.nan
    if abs(rho) == 1:
        return 0.0
    return float(2 * stats.t.sf(abs(rho) * np.sqrt(freedom / (1 - rho**2)), freedom))
