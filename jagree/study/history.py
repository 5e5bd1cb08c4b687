"""The paper's correlation over epochs, with a rough guide to what its examples leave open.

Letters: E epochs, N examples, R resamples.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from jagree import seeds
from jagree.study.curves import CONSTANT, Correlation, pearson
from jagree.study.epochs import Epoch

RESAMPLES = 400
LEVEL = 0.95
BLOCK = 1 << 14  # examples that are weighted at a time


class HistoryTally:
    """Keeps, in bits, which examples all members get right in each epoch, and which any does.

    1.3 million examples over 100 epochs take 33 MB.
    """

    def __init__(self) -> None:
        self._agreed: list[np.ndarray] = []
        self._any: list[np.ndarray] = []
        self.epochs: list[int] = []
        self._examples = 0

    def add(self, epoch: Epoch) -> None:
        """Keep an epoch."""
        self._agreed.append(np.packbits(epoch.agreed))
        self._any.append(np.packbits(epoch.correct.any(0)))
        self.epochs.append(epoch.number)
        self._examples = len(epoch.agreed)

    def of(self, positions: Sequence[int]) -> "History":
        """Some of the epochs, by position."""
        size = -(-self._examples // 8)
        agreed, right = (
            np.array([bits[p] for p in positions], np.uint8).reshape(len(positions), size)
            for bits in (self._agreed, self._any)
        )
        return History(agreed, right, self._examples)


@dataclass(frozen=True)
class CurveCorrelation:
    """Pearson's r of a metric curve with the agreement curve, as the paper has it.

    Attributes
    ----------
    paper : Correlation
        r, its p, and the number of epochs.
    low, high : float
        Between the quantiles (1 - `LEVEL`) / 2 and (1 + `LEVEL`) / 2 of a bootstrap over examples:
        a rough guide to how much r rests on the examples at hand. It does not hold the r of
        infinitely many examples in 95 % of records: the curves have the noise of their examples
        already, resampling adds it a second time, and so the interval is drawn towards zero and too
        narrow where the curves rest on few examples. In simulated records it held that r in 80 % at
        the most, and in hardly any where the statistic goes with learning but weakly. Nor does it
        say that r is more than what two curves with a trend have anyway, which takes the
        correlation over examples.
    """

    paper: Correlation
    low: float
    high: float


@dataclass(frozen=True)
class History:
    """What is agreed on in E epochs: bits, uint8 [E, ceil(N / 8)] each."""

    agreed: np.ndarray
    any_right: np.ndarray
    examples: int

    def correlations(
        self, values: Mapping[str, np.ndarray], *, resamples: int = RESAMPLES, seed: int = 0
    ) -> dict[str, CurveCorrelation]:
        """The paper's r of each statistic, over these epochs; see `resampled`."""
        return self.resampled(values, resamples=resamples, seed=seed).correlations()

    def resampled(
        self, values: Mapping[str, np.ndarray], *, resamples: int = RESAMPLES, seed: int = 0
    ) -> "Resampled":
        """The curves of agreement and of each statistic, of the examples and of all resamples.

        Parameters
        ----------
        values : mapping of str to float array [N]
            Statistics; nan where an example has none.
        resamples, seed : int
            How often examples are drawn with replacement, and the seed of that. All statistics
            share a resample.

        Notes
        -----
        A resample weights the examples by how often each is drawn. Curves are ratios of weighted
        sums, so all resamples of a block of examples are one product of matrices. The weights of a
        block are drawn given how many draws fall into it: together they are drawn from all
        examples.
        """
        weights = _Weights(self.examples, resamples, seed)
        names = list(values)
        scaled = {name: _standardised(value) for name, value in values.items()}
        sums = np.zeros((2 + 2 * len(names), resamples + 1, len(self.agreed)))
        for start in range(0, self.examples, BLOCK):
            stop = min(start + BLOCK, self.examples)
            weight = weights.next(stop - start)
            agreed, union = (_bits(b, start, stop) for b in (self.agreed, self.any_right))
            in_all = weight @ agreed.T
            sums[0] += in_all
            sums[1] += weight @ union.T
            for s, name in enumerate(names):
                value = scaled[name][start:stop]
                known = ~np.isnan(value)
                sums[2 + 2 * s] += weight @ (agreed * np.where(known, value, 0)).T
                sums[3 + 2 * s] += in_all if known.all() else weight @ (agreed * known).T
        means = {name: _over(sums[2 + 2 * s], sums[3 + 2 * s]) for s, name in enumerate(names)}
        return Resampled(_over(sums[0], sums[1]), means)


@dataclass(frozen=True)
class Resampled:
    """Curves of the examples, the first row, and of R resamples of them: float [1 + R, E] each.

    Attributes
    ----------
    agreement : array
    means : mapping of str to array
        Of each statistic over the examples agreed on, in units of its own.
    """

    agreement: np.ndarray
    means: Mapping[str, np.ndarray]

    def correlations(self, positions: Sequence[int] | None = None) -> dict[str, CurveCorrelation]:
        """The paper's r of each statistic, over some of the epochs or all."""
        some = slice(None) if positions is None else list(positions)
        agreement = self.agreement[:, some]
        return {name: _correlation(agreement, mean[:, some]) for name, mean in self.means.items()}


class _Weights:
    """How often each example is drawn, block by block; the first row is the examples themselves."""

    def __init__(self, examples: int, resamples: int, seed: int) -> None:
        self._draw = seeds.generator(seed, "bootstrap of curves")
        self._left_examples = examples
        self._left_draws = np.full(resamples, examples)

    def next(self, size: int) -> np.ndarray:
        """Weights of the next examples: float32 [1 + R, size]."""
        share = size / self._left_examples
        here = self._draw.binomial(self._left_draws, share)
        self._left_draws = self._left_draws - here
        self._left_examples -= size
        weight = np.ones((1 + len(here), size), np.float32)
        for row, count in zip(weight[1:], here.tolist(), strict=True):
            row[:] = np.bincount(self._draw.integers(0, size, count), minlength=size)
        return weight


def _bits(packed: np.ndarray, start: int, stop: int) -> np.ndarray:
    """Examples start to stop (start in whole bytes), as float32 [E, stop - start]."""
    some = packed[:, start // 8 : -(-stop // 8)]
    return np.unpackbits(some, axis=1, count=stop - start).astype(np.float32)


def _standardised(value: np.ndarray) -> np.ndarray:
    """Shifted and scaled, which changes no correlation, to lose little in single precision."""
    known = value[~np.isnan(value)]
    if not known.size:
        return value.astype(np.float32)
    spread = known.std() or 1.0
    scaled: np.ndarray = ((value - known.mean()) / spread).astype(np.float32)
    return scaled


def _over(numerator: np.ndarray, denominator: np.ndarray) -> np.ndarray:
    out = np.full(numerator.shape, np.nan)
    return np.divide(numerator, denominator, out=out, where=denominator > 0)


def _correlation(agreement: np.ndarray, curve: np.ndarray) -> CurveCorrelation:
    """Of float [1 + R, E] each, whose first rows are not resampled; see `CurveCorrelation`."""
    paper = pearson(agreement[0], curve[0])
    drawn = _pearson_of_rows(agreement[1:], curve[1:])
    known = drawn[~np.isnan(drawn)]
    if np.isnan(paper.r) or not known.size:
        return CurveCorrelation(paper, np.nan, np.nan)
    low, high = np.quantile(known, [(1 - LEVEL) / 2, (1 + LEVEL) / 2]).tolist()
    return CurveCorrelation(paper, low, high)


def _pearson_of_rows(one: np.ndarray, other: np.ndarray) -> np.ndarray:
    """`jagree.study.curves.pearson` of each two rows of [R, E], r alone: float [R]."""
    both = ~(np.isnan(one) | np.isnan(other))
    points = both.sum(-1, keepdims=True)
    centred, constant = [], points[:, 0] < 3
    for rows in (np.where(both, one, 0), np.where(both, other, 0)):
        away = np.where(both, rows - rows.sum(-1, keepdims=True) / np.maximum(points, 1), 0)
        centred.append(away)
        largest = np.abs(rows).max(-1, initial=0)
        constant = constant | (np.abs(away).max(-1, initial=0) <= CONSTANT * largest)
    x, y = centred
    spread = np.sqrt((x * x).sum(-1) * (y * y).sum(-1))
    out = np.full(len(one), np.nan)
    return np.divide((x * y).sum(-1), spread, out=out, where=~constant & (spread > 0))
