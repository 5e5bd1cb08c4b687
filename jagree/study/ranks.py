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
from jagree.study.weighted_ranks import TOGETHER, Products, WeightedRanks
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
        Two-sided; nan where `rho` is, or not enough examples are left for the degrees of freedom.
        Over all examples, of independence, by Student's t as in `scipy.stats.spearmanr`. Within
        classes and partial, of a coefficient of 0, by Student's t of `rho` over its standard error
        in the bootstrap: where classes differ in how much they vary, fewer examples than there are
        decide, and the usual p is far too small.
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
        self._parts = 1 if classes is None else len(np.unique(classes))
        self._controls: Mapping[str, Sequence[str]] | None = None
        if classes is not None:
            assert isinstance(controls, Mapping)
            self._controls = controls
        columns = (*values.values(), epoch)
        self._ranks = WeightedRanks(columns, np.zeros(self._n) if classes is None else classes)

    def correlations(self, resamples: int, seed: int) -> dict[str, RankCorrelations]:
        """Of each statistic asked about, with intervals."""
        n = self._n
        self._ranks.weigh(0, np.arange(n))
        found = self._estimates(self._ranks.products(), 0)
        draw = seeds.generator(seed, "bootstrap of examples")
        drawn = np.full((resamples, *found.shape), np.nan)
        for start in range(0, resamples if np.isfinite(found).any() else 0, TOGETHER):
            some = drawn[start : start + TOGETHER]
            for which in range(len(some)):
                self._ranks.weigh(which, draw.integers(0, n, n))
            products = self._ranks.products()
            for which, row in enumerate(some):
                row[...] = self._estimates(products, which)
        low, high = _percentiles(drawn)
        error = _deviations(drawn)
        answers = {}
        for s, name in enumerate(self._asked):
            controls = tuple((self._controls or {}).get(name, ()))
            free = (n - 2, n - 1 - self._parts, n - 1 - self._parts - len(controls))
            three = [
                RankCorrelation(
                    float(found[s, q]),
                    float(low[s, q]) if np.isfinite(found[s, q]) else np.nan,
                    float(high[s, q]) if np.isfinite(found[s, q]) else np.nan,
                    n,
                    _p(float(found[s, q]), free[q], float(error[s, q]) if q else None),
                )
                for q in range(3)
            ]
            answers[name] = RankCorrelations(three[0], three[1], three[2], controls)
        return answers

    def _estimates(self, products: Products, which: int) -> np.ndarray:
        """The three coefficients of each statistic asked about: float [S, 3]."""
        found = np.full((len(self._asked), 3), np.nan)
        plain, given = products.plain[which], products.given[which]
        positions = {name: s for s, name in enumerate(self._names)}
        for row, name in zip(found, self._asked, strict=True):
            s = positions[name]
            row[0] = _coefficient(plain, s, ())
            if self._controls is not None:
                others = [positions[control] for control in self._controls[name]]
                row[1] = _coefficient(products.within[which], s, ())
                row[2] = _coefficient(given, s, others, plain.diagonal())
        return found


def _late(epoch: np.ndarray) -> np.ndarray:
    """Never after every epoch."""
    return np.where(np.isnan(epoch), np.inf, epoch)


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


def _deviations(drawn: np.ndarray) -> np.ndarray:
    """Standard deviation over the first axis; nan where fewer than two resamples have a value."""
    known = np.isfinite(drawn).sum(0) > 1
    found = np.full(drawn.shape[1:], np.nan)
    if known.any():
        found[known] = np.nanstd(drawn[:, known], axis=0, ddof=1)
    return found


def _p(rho: float, freedom: int, error: float | None) -> float:
    """By the standard error, if there is one, else that of independent ranks."""
    if np.isnan(rho) or freedom < 1:
        return np.nan
    if abs(rho) == 1:
        return 0.0
    if error is None:
        error = np.sqrt((1 - rho**2) / freedom)
    return float(2 * stats.t.sf(abs(rho) / error, freedom)) if error > 0 else np.nan
