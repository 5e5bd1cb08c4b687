"""Intervals of measures of agreement: the percentile bootstrap over examples, without resampling.

A measure of ``correct`` [K, N] depends on the examples only by how often each pattern of who is
right occurs. To draw N examples with replacement is to draw these counts from a multinomial
distribution; with few members there are few patterns, and a resample costs next to nothing.

Letters: K members, N examples, P patterns, R resamples.
"""

from collections.abc import Callable, Mapping

import numpy as np
import pandas as pd
from scipy import stats

from jagree import seeds
from jagree.study.agreement import checked, ratio
from jagree.study.chance import chance_of, corrected_of
from jagree.study.epochs import Epoch
from jagree.study.kappa import consistency_of
from jagree.study.pairs import pair_mean

RESAMPLES = 400
LEVEL = 0.95
BLOCK = 1 << 22  # counts that are drawn at a time: 32 MB
FEW = 5  # agreed on, or not agreed on, in the union: fewer have an interval by Wilson


def patterns(correct: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Who is right together, and how often.

    Parameters
    ----------
    correct : bool array [K, N]

    Returns
    -------
    pattern : bool array [P, K]
        The distinct columns.
    count : int array [P]
        Examples with each; they sum to N.

    Examples
    --------
    >>> import numpy as np
    >>> pattern, count = patterns(np.array([[1, 0, 1], [1, 1, 1]], bool))
    >>> pattern.astype(int).tolist(), count.tolist()
    ([[0, 1], [1, 1]], [1, 2])
    """
    members = len(checked(correct))
    packed = np.ascontiguousarray(np.packbits(correct, axis=0).T)  # [N, ceil(K / 8)]
    if packed.shape[1] == 1:
        count = np.bincount(packed[:, 0], minlength=256)
        there = np.flatnonzero(count).astype(np.uint8)
        return _unpacked(there[:, None], members), count[there]
    whole = packed.view(np.dtype((np.void, packed.shape[1])))[:, 0]
    found, count = np.unique(whole, return_counts=True)
    return _unpacked(found.view(np.uint8).reshape(len(found), -1), members), count


def _unpacked(packed: np.ndarray, members: int) -> np.ndarray:
    return np.unpackbits(packed, axis=1, count=members).astype(bool)


class Counted:
    """Measures of patterns that occur so often: the same as of ``correct``, for many counts.

    Parameters
    ----------
    pattern : bool array [P, K]
    count : int array [..., P]
    """

    def __init__(self, pattern: np.ndarray, count: np.ndarray) -> None:
        count = count.astype(np.float64)  # exact, and multiplied fast
        self._n = count.sum(-1)
        self._all = count @ pattern.all(1)
        self._any = count @ pattern.any(1)
        self._right = count @ pattern.astype(np.float64)
        self._pattern, self._count = pattern, count

    @property
    def accuracy(self) -> np.ndarray:
        """Of each member, float [..., K]."""
        return ratio(self._right, self._n[..., None])

    def accuracy_mean(self) -> np.ndarray:
        """See `jagree.study.agreement.accuracy_mean`."""
        mean: np.ndarray = self.accuracy.mean(-1)
        return mean

    def true_positive_agreement(self) -> np.ndarray:
        """See `jagree.study.agreement.true_positive_agreement`."""
        return ratio(self._all, self._any)

    def all_and_any(self) -> tuple[np.ndarray, np.ndarray]:
        """Examples that all members get right, and that any does: float [...] each."""
        return self._all, self._any

    def chance_agreement(self) -> np.ndarray:
        """See `jagree.study.chance.chance_agreement`."""
        return chance_of(self.accuracy)

    def corrected_agreement(self) -> np.ndarray:
        """See `jagree.study.chance.corrected_agreement`."""
        largest = ratio(self._right.min(-1), self._right.max(-1))
        return corrected_of(self.true_positive_agreement(), self.chance_agreement(), largest)

    def error_consistency(self) -> np.ndarray:
        """See `jagree.study.kappa.error_consistency`."""
        members = self._pattern.shape[1]
        pattern = self._pattern
        both = np.empty((*self._n.shape, members, members))
        for i in range(members):
            both[..., i, :] = self._count @ (pattern & pattern[:, i, None]).astype(np.float64)
        return pair_mean(consistency_of(both, self._n[..., None, None]))


MEASURES: Mapping[str, Callable[[Counted], np.ndarray]] = {
    "accuracy_mean": Counted.accuracy_mean,
    "true_positive_agreement": Counted.true_positive_agreement,
    "chance_agreement": Counted.chance_agreement,
    "corrected_agreement": Counted.corrected_agreement,
    "error_consistency": Counted.error_consistency,
}


def intervals(
    correct: np.ndarray,
    draw: np.random.Generator,
    *,
    resamples: int = RESAMPLES,
    level: float = LEVEL,
) -> dict[str, tuple[float, float, float]]:
    """Value and ends of the interval of each of `MEASURES`.

    Parameters
    ----------
    correct : bool array [K, N]
    draw : numpy.random.Generator
    resamples : int
        R.
    level : float
        Of the interval: between the quantiles (1 - level) / 2 and (1 + level) / 2 of the resamples
        in which the measure is defined. True-positive agreement has Wilson's interval where the
        union has fewer than `FEW` examples that are agreed on, or that are not, or where all
        resamples are equal; see the notes.

    Returns
    -------
    dict of str to (value, low, high)
        nan where a measure is not defined; then the ends are, too.

    Notes
    -----
    Members are taken as they are: the interval says what other examples would give, not other
    networks. Efron, "Bootstrap methods: another look at the jackknife", Ann. Statist. 7, 1979.

    Resamples of few examples hardly differ, and not at all where all members agree on the whole
    union, though other examples would. Given its union, true-positive agreement is a proportion of
    it, so that an interval for proportions serves there: Wilson, "Probable inference, the law of
    succession, and statistical inference", J. Am. Stat. Assoc. 22, 1927. The other measures are no
    proportions; near an end of their range their intervals are too narrow, and have no width where
    all resamples are equal.
    """
    pattern, count = patterns(correct)
    n = int(count.sum())
    whole = Counted(pattern, count)
    drawn: dict[str, list[np.ndarray]] = {name: [] for name in MEASURES}
    at_once = max(1, BLOCK // max(len(count), 1))
    for start in range(0, resamples if n else 0, at_once):
        size = min(at_once, resamples - start)
        some = Counted(pattern, draw.multinomial(n, count / n, size=size))
        for name, measure in MEASURES.items():
            drawn[name].append(measure(some))
    found = {}
    for name, measure in MEASURES.items():
        value = float(measure(whole))
        low = high = np.nan
        resampled = np.concatenate(drawn[name]) if drawn[name] else np.empty(0)
        known = resampled[~np.isnan(resampled)]
        if not np.isnan(value) and known.size:
            low, high = np.quantile(known, [(1 - level) / 2, (1 + level) / 2]).tolist()
            if name == "true_positive_agreement":
                agreed, union = (int(some) for some in whole.all_and_any())
                if low == high or min(agreed, union - agreed) < FEW:
                    low, high = wilson(agreed, union, level)
        found[name] = (value, low, high)
    return found


def wilson(count: int, of: int, level: float = LEVEL) -> tuple[float, float]:
    """Wilson's score interval of a proportion, without correction for continuity.

    Parameters
    ----------
    count, of : int
        `of` at least 1.
    level : float

    Returns
    -------
    low, high : float
        Within 0..1, around count / of.

    Examples
    --------
    >>> [round(end, 4) for end in wilson(10, 10)]
    [0.7225, 1.0]
    """
    z = float(stats.norm.ppf((1 + level) / 2))
    share = count / of
    middle = (share + z * z / (2 * of)) / (1 + z * z / of)
    reach = z * np.sqrt(share * (1 - share) / of + (z / (2 * of)) ** 2) / (1 + z * z / of)
    # Where all or none count, one end is the share itself, but for rounding.
    low = middle - reach if count else 0.0
    high = middle + reach if count < of else 1.0
    return float(low), float(high)


class IntervalTally:
    """Gathers the intervals of each epoch.

    Parameters
    ----------
    name : str
        Of the split.
    resamples, seed : int
        How often examples are drawn, and the seed of that; each epoch has draws of its own.
    """

    def __init__(self, name: str, *, resamples: int = RESAMPLES, seed: int = 0) -> None:
        self._name = name
        self._resamples = resamples
        self._seed = seed
        self._rows: list[dict[str, object]] = []

    def add(self, epoch: Epoch) -> None:
        """Measure an epoch."""
        draw = seeds.generator(self._seed, f"intervals of {self._name}", epoch=epoch.number)
        found = intervals(epoch.correct, draw, resamples=self._resamples)
        for measure, (value, low, high) in found.items():
            row = {"measure": measure, "value": value, "low": low, "high": high}
            self._rows.append({"split": self._name, "epoch": epoch.number} | row)

    def table(self) -> pd.DataFrame:
        """``split``, ``epoch``, ``measure``, ``value``, ``low``, ``high``: fractions."""
        columns = ["split", "epoch", "measure", "value", "low", "high"]
        return pd.DataFrame(self._rows, columns=columns)
