"""Pairs of networks within runs and across them: do the networks of two runs agree as one's do?

Letters: K members (of all runs that are looked at), N examples, R resamples.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from itertools import combinations

import numpy as np
import pandas as pd

from jagree import seeds
from jagree.study.agreement import ratio
from jagree.study.bootstrap import BLOCK, LEVEL, RESAMPLES, patterns
from jagree.study.kappa import consistency_of
from jagree.study.pairs import pair_agreement, pair_counts, pair_mean

Of = Callable[[np.ndarray, np.ndarray], np.ndarray]  # `pair_counts` and N -> a value for each pair

# What is asked of a pair of networks: float [..., K, K].
PAIR_MEASURES: Mapping[str, Of] = {
    "agreement": lambda both, n: pair_agreement(both),
    "error_consistency": consistency_of,
}


@dataclass(frozen=True)
class Blocks:
    """Which pairs of networks are of which kind, for two runs.

    Attributes
    ----------
    first, second : int array
        Positions of the members of either run among all members.
    across : bool array [len(first), len(second)]
        Pairs with one network of each run that count.
    twins : bool array [len(first), len(second)]
        Pairs that began with the same weights and see the examples in the same order.
    """

    first: np.ndarray
    second: np.ndarray
    across: np.ndarray
    twins: np.ndarray


def blocks(first: np.ndarray, second: np.ndarray, start: Sequence[object]) -> Blocks:
    """The pairs of two runs, twins aside.

    Parameters
    ----------
    first, second : int array
        Positions of the members of either run among all members.
    start : sequence
        Of each member: what it began with; equal where two members began alike.

    Returns
    -------
    Blocks
        Networks that began alike do not count across runs, since no two networks of one run do; but
        where there are no others, they do.
    """
    twins = np.array([[start[i] == start[j] for j in second] for i in first], bool)
    twins = twins.reshape(len(first), len(second))
    return Blocks(first, second, np.full(twins.shape, True) if twins.all() else ~twins, twins)


def means(values: np.ndarray, pairs: Blocks) -> dict[str, np.ndarray]:
    """Mean over the pairs of each kind that have a value, nan where none has.

    Parameters
    ----------
    values : float array [..., K, K]
        Of each pair of members; symmetric.
    pairs : Blocks

    Returns
    -------
    dict of str to float array [...]
        ``within_1``, ``within_2``, ``between``, ``between_twins``, and the ``difference``
        between - (within_1 + within_2) / 2.
    """
    block = values[..., pairs.first[:, None], pairs.second]
    found = {
        "within_1": pair_mean(values[..., pairs.first[:, None], pairs.first]),
        "within_2": pair_mean(values[..., pairs.second[:, None], pairs.second]),
        "between": _mean(block[..., pairs.across]),
        "between_twins": _mean(block[..., pairs.twins]),
    }
    within = (found["within_1"] + found["within_2"]) / 2
    return found | {"difference": found["between"] - within}


def _mean(values: np.ndarray) -> np.ndarray:
    """Mean over the last axis of what is not nan; nan if all is, or nothing is there."""
    known = ~np.isnan(values)
    return ratio(np.where(known, values, 0).sum(-1), known.sum(-1))


def difference_intervals(
    correct: np.ndarray,
    pairs: Blocks,
    draw: np.random.Generator,
    *,
    resamples: int = RESAMPLES,
    level: float = LEVEL,
) -> dict[str, tuple[float, float]]:
    """Ends of the interval of the ``difference`` of `means`, for each of `PAIR_MEASURES`.

    Parameters
    ----------
    correct : bool array [K, N]
    pairs : Blocks
    draw : numpy.random.Generator
    resamples : int
        How often N examples are drawn with replacement.
    level : float
        Of the interval, between percentiles.

    Returns
    -------
    dict of str to (low, high)
        nan where the difference has no value in any resample.

    Notes
    -----
    The percentile bootstrap over examples, as in `jagree.study.bootstrap`: counts of patterns are
    drawn, not examples. Members are taken as they are, so the interval says what other examples
    would give, not other networks.
    """
    pattern, count = patterns(correct)
    n = int(count.sum())
    members = np.concatenate([pairs.first, pairs.second])
    drawn: dict[str, list[np.ndarray]] = {name: [] for name in PAIR_MEASURES}
    at_once = max(1, BLOCK // max(len(count), len(correct) ** 2, 1))
    for start in range(0, resamples if n else 0, at_once):
        size = min(at_once, resamples - start)
        both = _pair_counts(pattern, draw.multinomial(n, count / n, size=size), members)
        for name, measure in PAIR_MEASURES.items():
            drawn[name].append(means(measure(both, np.array(n)), pairs)["difference"])
    tails = (1 - level) / 2, (1 + level) / 2
    found = {}
    for name, parts in drawn.items():
        resampled = np.concatenate(parts) if parts else np.empty(0)
        known = resampled[~np.isnan(resampled)]
        low, high = np.quantile(known, tails).tolist() if known.size else (np.nan, np.nan)
        found[name] = (low, high)
    return found


def _pair_counts(pattern: np.ndarray, count: np.ndarray, members: np.ndarray) -> np.ndarray:
    """`pair_counts` of patterns that occur so often: float [R, K, K] of [P, K] and [R, P]."""
    times = count.astype(np.float64)  # exact, and multiplied fast
    both = np.zeros((len(count), pattern.shape[1], pattern.shape[1]))
    for i in members:
        both[:, i, :] = times @ (pattern & pattern[:, i, None]).astype(np.float64)
    return both


class AcrossTally:
    """Gathers, epoch by epoch, how much pairs of networks agree within runs and across them.

    Parameters
    ----------
    name : str
        Of the split.
    runs : sequence of str
        Their names.
    start : sequence of sequence
        For each run, of each member: what it began with; equal where two members began alike.
    last : int
        The epoch whose differences get an interval.
    resamples, seed : int
        Of the intervals.
    """

    def __init__(
        self,
        name: str,
        runs: Sequence[str],
        start: Sequence[Sequence[object]],
        *,
        last: int,
        resamples: int = RESAMPLES,
        seed: int = 0,
    ) -> None:
        self._name, self._last = name, last
        self._resamples, self._seed = resamples, seed
        ends = np.cumsum([0, *map(len, start)])
        every = [one for members in start for one in members]
        members = [np.arange(ends[r], ends[r + 1]) for r in range(len(runs))]
        self._pairs = [
            (runs[i], runs[j], blocks(members[i], members[j], every))
            for i, j in combinations(range(len(runs)), 2)
        ]
        self._rows: list[dict[str, object]] = []

    def add(self, epoch: int, correct: np.ndarray) -> None:
        """Measure an epoch: bool [K, N], the members of all runs after one another."""
        n = np.array(correct.shape[1])
        both = pair_counts(correct)
        values = {name: measure(both, n) for name, measure in PAIR_MEASURES.items()}
        levels = _levels(both, n)
        for position, (one, two, pairs) in enumerate(self._pairs):
            ends: Mapping[str, tuple[float, float]] = {}
            if epoch == self._last:
                purpose = f"across runs of {self._name}, pair {position}"
                draw = seeds.generator(self._seed, purpose, epoch=epoch)
                ours = np.concatenate([pairs.first, pairs.second])
                ends = difference_intervals(
                    correct[ours], _moved(pairs), draw, resamples=self._resamples
                )
            for name in PAIR_MEASURES:
                low, high = ends.get(name, (np.nan, np.nan))
                found = {k: float(v) for k, v in means(values[name], pairs).items()}
                twins = found.pop("between_twins")
                others = {k: float(means(v, pairs)["between"]) for k, v in levels[name].items()}
                self._rows.append(
                    {"run_1": one, "run_2": two, "split": self._name, "epoch": epoch}
                    | {"measure": name, **found, "low": low, "high": high}
                    | {"between_twins": twins, **others}
                )

    def table(self) -> pd.DataFrame:
        """A row per pair of runs, epoch and measure.

        ``run_1``, ``run_2``, ``split``, ``epoch``, ``measure`` (one of `PAIR_MEASURES`: agreement
        is a fraction, error consistency a kappa); its mean over pairs of networks ``within_1``,
        ``within_2`` and ``between``, twins aside (see `blocks`); ``difference``, between less the
        mean of both within, with an interval from ``low`` to ``high`` at the last epoch;
        ``between_twins``, of the pairs that began alike; and of the pairs that count in
        ``between``, the ``chance`` level that independent networks of these accuracies would have
        and the ``largest`` value that the accuracies allow. nan where no pair has a value: a run of
        one network has none within.
        """
        columns = ["run_1", "run_2", "split", "epoch", "measure", "within_1", "within_2"]
        columns += ["between", "difference", "low", "high", "between_twins", "chance", "largest"]
        return pd.DataFrame(self._rows, columns=columns)


def _moved(pairs: Blocks) -> Blocks:
    """The same pairs, where only the members of these two runs are there."""
    first = np.arange(len(pairs.first))
    second = len(first) + np.arange(len(pairs.second))
    return Blocks(first, second, pairs.across, pairs.twins)


def _levels(both: np.ndarray, n: np.ndarray) -> dict[str, dict[str, np.ndarray]]:
    """Chance level and largest value of each measure, of each pair: float [K, K]."""
    right = np.diagonal(both).astype(np.float64)
    least, most = np.minimum.outer(right, right), np.maximum.outer(right, right)
    # As if the worse of two networks got nothing right that the better one does not.
    nested = _consistency(least, right, n)
    hits = ratio(np.multiply.outer(right, right), n)  # both right, if independent
    return {
        "agreement": {
            "chance": ratio(hits, np.add.outer(right, right) - hits),
            "largest": ratio(least, most),
        },
        "error_consistency": {
            "chance": np.where(np.isnan(nested), np.nan, 0.0),
            "largest": nested,
        },
    }


def _consistency(both: np.ndarray, right: np.ndarray, n: np.ndarray) -> np.ndarray:
    """Error consistency of each pair: float [K, K].

    As `jagree.study.kappa.consistency_of`, of how many examples each pair both get right if that is
    `both`, and how many each gets right.
    """
    with_diagonal = both.copy()
    np.fill_diagonal(with_diagonal, right)
    return consistency_of(with_diagonal, n)
