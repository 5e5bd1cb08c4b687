"""Findings on how the statistics are distributed: the paper's words as tests of a shape.

Gaussian
    One peak; skewness below 0.5 and excess kurtosis below 1, either way.
skewed Gaussian
    One peak; skewness 0.5 or more, either way.
several peaks
    Two peaks or more.
on few values, near one value
    Half of the values lie within a tenth of the range, or 0.95 of them are one of ten numbers.
exponential
    Skewness 1 or more, either way, and a quarter of the values at most on the short side of the
    highest peak.

A peak is one of a kernel density that rises above its surroundings by a tenth of the highest.
"""

from __future__ import annotations

import functools
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from scipy import signal, stats

from jagree import seeds
from jagree.study.findings.evidence import CannotTellError, Run
from jagree.study.findings.verdicts import UNTOLD, Finding, Judgement, Verdict, judged
from jagree.words import counted

FEWEST = 1000  # values: of fewer, a kernel density has peaks by chance
SAMPLE = 5000  # values that the kernel density is of, at most
GRID = 256  # points at which it is looked at
FINEST = 2000  # part of the range that a bandwidth is at least
MARGIN = 3.0  # bandwidths on either side of the values
BANDWIDTH = 0.9  # Silverman's factor, times min(std, IQR / 1.34) n^(-1/5)
PROMINENCE = 0.1  # of the highest peak
SKEWED = 0.5  # skewness, either way
LIGHT = 1.0  # excess kurtosis, either way
FEW_VALUES = 0.5  # share of the values within a tenth of the range
FEW_NUMBERS = 10  # that hold MOST of the values
MOST = 0.95
STEEP = 1.0  # skewness of what is called exponential
AT_END = 0.25  # share of the values on the short side of its peak, which a density smooths


@dataclass(frozen=True)
class Shape:
    """How values are distributed.

    Attributes
    ----------
    skewness, kurtosis : float
        The latter is excess: 0 for a Gaussian. Both 0 for one value only.
    peaks : int
        Of a kernel density.
    mode : float
        Share of the values that lie below the highest peak: not a place within the range, for one
        odd value would move that.
    concentrated : float
        The largest share of the values that lies within a tenth of the range.
    numbers : int
        How many different ones, the most frequent first, hold 0.95 of the values.
    values : int
    """

    skewness: float
    kurtosis: float
    peaks: int
    mode: float
    concentrated: float
    numbers: int
    values: int

    def __str__(self) -> str:
        return (
            f"skewness {self.skewness:+.2f}, excess kurtosis {self.kurtosis:+.2f}, peaks "
            f"{self.peaks}, {self.mode:.2f} below the highest, {self.concentrated:.2f} within a "
            f"tenth of the range, {MOST} on {counted(self.numbers, 'number')}; "
            f"{self.values:,} values"
        )


def shape_of(values: np.ndarray, *, seed: int = 0) -> Shape:
    """Describe a distribution.

    Parameters
    ----------
    values : float array [N]
        nan where there is none.
    seed : int
        Of the sample that the kernel density is of.

    Raises
    ------
    CannotTellError
        If there are fewer than `FEWEST` values.
    """
    values = np.sort(values[~np.isnan(values)].astype(np.float64))
    if len(values) < FEWEST:
        raise CannotTellError(f"{len(values):,} values, fewer than {FEWEST:,}")
    size = values[-1] - values[0]
    if size == 0:
        return Shape(0.0, 0.0, 1, 0.0, 1.0, 1, len(values))
    within = np.searchsorted(values, values + size / 10, side="right") - np.arange(len(values))
    peaks, mode = _peaks(values, seed)
    frequent = np.sort(np.unique(values, return_counts=True)[1])[::-1]
    return Shape(
        skewness=float(stats.skew(values)),
        kurtosis=float(stats.kurtosis(values)),
        peaks=peaks,
        mode=float(np.searchsorted(values, mode) / len(values)),
        concentrated=float(within.max() / len(values)),
        numbers=int(np.searchsorted(np.cumsum(frequent), MOST * len(values)) + 1),
        values=len(values),
    )


def _peaks(values: np.ndarray, seed: int) -> tuple[int, float]:
    """Number of peaks of a kernel density, and where the highest is."""
    if len(values) > SAMPLE:
        values = seeds.generator(seed, "sample of values").choice(values, SAMPLE, replace=False)
    std = values.std(ddof=1)
    quartiles = np.quantile(values, [0.25, 0.75])
    spread = min(std, np.ptp(quartiles) / 1.34)  # 0 where half of the values are one
    width = max(BANDWIDTH * spread * len(values) ** -0.2, np.ptp(values) / FINEST)
    ends = values.min() - MARGIN * width, values.max() + MARGIN * width
    # A point per half a bandwidth at least, so that no peak falls between two.
    grid = np.linspace(*ends, max(GRID, int(2 * (ends[1] - ends[0]) / width)))
    density = stats.gaussian_kde(values, bw_method=width / std)(grid)
    found, _ = signal.find_peaks(density, prominence=PROMINENCE * density.max())
    return len(found), float(grid[density.argmax()])


def gaussian(shape: Shape) -> bool:
    """One peak, about symmetric, tails about a Gaussian's."""
    return shape.peaks == 1 and abs(shape.skewness) < SKEWED and abs(shape.kurtosis) < LIGHT


def skewed(shape: Shape) -> bool:
    """One peak, not symmetric."""
    return shape.peaks == 1 and abs(shape.skewness) >= SKEWED


def several_peaks(shape: Shape) -> bool:
    """Two peaks or more."""
    return shape.peaks > 1


def few_values(shape: Shape) -> bool:
    """Half of the values, or more, close together, or nearly all on few numbers."""
    return shape.concentrated >= FEW_VALUES or shape.numbers <= FEW_NUMBERS


def exponential(shape: Shape) -> bool:
    """A peak at one end, a long tail towards the other."""
    at_end = shape.mode <= AT_END if shape.skewness > 0 else shape.mode >= 1 - AT_END
    return abs(shape.skewness) >= STEEP and at_end


Looks = Callable[[Shape], bool]
WORDS: dict[Looks, str] = {
    gaussian: "Gaussian",
    skewed: "skewed Gaussian",
    several_peaks: "several peaks",
    few_values: "on few values",
    exponential: "exponential",
}
SHAPES: dict[str, Mapping[str, Looks]] = {
    "cifar10": {
        "dct_share": gaussian,
        "edge_strength": gaussian,
        "entropy": few_values,
        "segments": few_values,
    },
    "imagenet": {"dct_share": gaussian},
    "kth_tips2b": {
        "dct_share": several_peaks,
        "edge_strength": several_peaks,
        "entropy": exponential,
        "segments": exponential,
    },
    "voc": {
        "entropy": skewed,
        "segments": skewed,
        "dct_share": skewed,
        "search_difficulty": skewed,
        "edge_strength": several_peaks,
        "labels": few_values,
        "box_area": few_values,
    },
}
SENTENCES = {
    "cifar10": "CIFAR-10: DCT coefficients and edges are Gaussian, entropy and segments on few "
    "values.",
    "imagenet": "ImageNet: DCT coefficients are Gaussian without skew, like CIFAR-10's.",
    "kth_tips2b": "KTH-TIPS2b: DCT coefficients and edges have several peaks, entropy and segments "
    "are exponential.",
    "voc": "Pascal: entropy, segments, DCT coefficients and difficulty are skewed Gaussians, edges "
    "have several peaks, labels and box area are near one value.",
}
CRITERION = (
    f"Gaussian: one peak, skewness and excess kurtosis below {SKEWED} and {LIGHT:g} either way. "
    f"Skewed: one peak, skewness {SKEWED} or more. Few values, near one value: {FEW_VALUES} of "
    f"them within a tenth of the range, or {MOST} of them one of {FEW_NUMBERS} numbers. "
    f"Exponential: skewness {STEEP:g} or more, {AT_END} of the values at most on the short side of "
    f"the highest peak. Peaks: of a kernel density, {PROMINENCE} of the highest or more; "
    f"{FEWEST:,} values or more"
)
BESIDES = {
    "imagenet": ". The paper likens ImageNet to CIFAR-10 in this, and in segments of irregular "
    "shape, which is nothing to test; it says nothing of entropy and edges there",
}


def _check(columns: Mapping[str, Looks], runs: Sequence[Run]) -> list[Verdict]:
    """Each column once for all runs whose statistics are of the same data, and the same ones."""
    verdicts = []
    groups: dict[tuple[str, ...], list[Run]] = {}
    for run in runs:
        if "train" in run.statistics:
            # Measured with other settings, one may have columns that another has not.
            there = [column for column in columns if column in run.statistics["train"]]
            group = (str(run.record["train"].attrs["fingerprint"]), *there)
            groups.setdefault(group, []).append(run)
        else:
            why = "no image statistics of 'train' beside its record"
            verdicts.append(Verdict((run.name,), "train", UNTOLD, why=why))
    for alike in groups.values():
        for column, looks in columns.items():
            ask = functools.partial(_judge, alike[0], column, looks)
            verdicts.append(judged([run.name for run in alike], f"train, {column}", ask))
    return verdicts


def _judge(run: Run, column: str, looks: Looks) -> Judgement:
    shape = shape_of(np.asarray(run.column("train", column), np.float64))
    return looks(shape), f"{WORDS[looks]}? {shape}"


FINDINGS = tuple(
    Finding(
        key=f"histograms_{data}",
        sentence=SENTENCES[data],
        source="v2 supplement E",
        criterion=CRITERION + BESIDES.get(data, ""),
        needs="a run with statistics",
        check=functools.partial(_check, SHAPES[data]),
        data=data,
        true_labels=False,
        epochs=False,
    )
    for data in ("cifar10", "imagenet", "kth_tips2b", "voc")
)
