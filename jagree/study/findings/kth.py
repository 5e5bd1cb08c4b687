"""Findings on KTH-TIPS2b: materials under known light, from known sides, at known scales."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from jagree.study.findings.dynamics import CLEAR_ERRORS, DENSENET
from jagree.study.findings.evidence import CannotTellError, Run
from jagree.study.findings.observed import Observed
from jagree.study.findings.trends import (
    ABSENT_MEANS,
    CORRELATED,
    FEWEST_NULL,
    FLAT,
    SHOWN_MEANS,
    SLIGHT,
    Trend,
    absent,
    each_column,
    falls,
    falls_slightly,
    need_null_epochs,
    shown_positions,
    trend,
)
from jagree.study.findings.verdicts import Finding, Judgement, each, each_run

FALLING = ("edge_strength", "segments", "dct_share")
APART = 0.01  # by which one type lies below, or above, all others
SPREAD = 0.05  # between the types that are agreed on most and least: less is no effect
NEEDS = "a run on KTH-TIPS2b with statistics"
BY_TYPE = f"share of a type's images that is agreed on, mean over shown epochs; {SHOWN_MEANS}"


def type_levels(observed: Observed, column: str) -> dict[str, float]:
    """Type -> share of its examples that is agreed on, mean over the shown epochs.

    Raises
    ------
    CannotTellError
        If there is no such column, one type only, or too few epochs are shown.
    """
    if column not in observed.types:
        raise CannotTellError(f"no column '{column}' in statistics of '{observed.split}'")
    curves = observed.types[column]
    if len(curves) < 2:
        raise CannotTellError(f"only one type of {column}: {', '.join(curves)}")
    here = shown_positions(observed)
    return {kind: float(curve[here].mean()) for kind, curve in curves.items()}


def lowest(levels: Mapping[str, float], kind: str) -> bool:
    """Whether a type lies clearly below all others."""
    others = [level for name, level in levels.items() if name != kind]
    return kind in levels and levels[kind] <= min(others) - APART


def highest(levels: Mapping[str, float], kind: str) -> bool:
    """Whether a type lies clearly above all others."""
    return lowest({name: -level for name, level in levels.items()}, kind)


def _told(levels: Mapping[str, float]) -> str:
    ordered = sorted(levels, key=levels.__getitem__)
    return "agreed on: " + ", ".join(f"{name} {levels[name]:.3f}" for name in ordered)


def _illumination(observed: Observed) -> Judgement:
    levels = type_levels(observed, "illumination")
    return lowest(levels, "frontal"), _told(levels)


def _rotation(observed: Observed) -> Judgement:
    levels = type_levels(observed, "rotation")
    return highest(levels, "frontal"), _told(levels)


def _test_illumination(observed: Observed) -> Judgement:
    levels = type_levels(observed, "illumination")
    return highest(levels, "ambient") and lowest(levels, "frontal"), _told(levels)


def spread_error(levels: Mapping[str, float], kind: np.ndarray) -> float:
    """Standard error of the difference between the highest and the lowest level.

    As if each example were agreed on by chance, and alike in all epochs.
    """
    ends = [max(levels, key=levels.__getitem__), min(levels, key=levels.__getitem__)]
    names = np.array([str(k) for k in kind.tolist()])
    return float(np.sqrt(sum(levels[e] * (1 - levels[e]) / (names == e).sum() for e in ends)))


def _scale(run: Run) -> Judgement:
    found = trend(run, "train", "scale")
    levels = type_levels(run.observed("train"), "scale")
    spread = max(levels.values()) - min(levels.values())
    error = spread_error(levels, run.column("train", "scale"))
    differ = f"scales differ by {spread:.3f} ± {error:.3f}"
    numbers = f"{differ}, {_told(levels)}; {found}"
    if spread >= max(SPREAD, CLEAR_ERRORS * error):
        return False, numbers
    try:
        holds = no_effect(found)
    except CannotTellError as why:
        raise CannotTellError(str(why), numbers) from why
    if holds and spread >= SPREAD:
        raise CannotTellError(f"{differ}, which may be by chance", numbers)
    return holds, numbers


def no_effect(trend: Trend) -> bool:
    """Whether a curve is flat, or does not go with agreement.

    Raises
    ------
    CannotTellError
        If too few epochs are shown to say so.
    """
    if abs(trend.change) < FLAT:
        need_null_epochs(trend)
        return True
    return absent(trend)


FINDINGS = (
    Finding(
        key="kth_fall",
        sentence="KTH-TIPS2b: edge sum, segments and DCT coefficients fall.",
        source="v1 fig. 5",
        criterion=f"r below 0 {CORRELATED}; {SHOWN_MEANS}",
        needs=NEEDS,
        check=each_column("train", dict.fromkeys(FALLING, falls)),
        data="kth_tips2b",
        network=DENSENET,
    ),
    Finding(
        key="kth_entropy",
        sentence="KTH-TIPS2b: entropy falls slightly.",
        source="v1 fig. 17a",
        criterion=f"r below 0 {CORRELATED}, and less than {SLIGHT} of its value from the first to "
        f"the last shown epoch; {SHOWN_MEANS}",
        needs=NEEDS,
        check=each_column("train", {"entropy": falls_slightly}),
        data="kth_tips2b",
        network=DENSENET,
    ),
    Finding(
        key="kth_illumination",
        sentence="KTH-TIPS2b: images lit from the front are agreed on slowest.",
        source="v1 sec. 5, fig. 5",
        criterion=f"frontal lies {APART} or more below all others: {BY_TYPE}",
        needs=NEEDS,
        check=each_run("train", _illumination),
        data="kth_tips2b",
        network=DENSENET,
    ),
    Finding(
        key="kth_rotation",
        sentence="KTH-TIPS2b: images taken from the front are agreed on fastest.",
        source="v1 sec. 5, fig. 5",
        criterion=f"frontal lies {APART} or more above all others: {BY_TYPE}",
        needs=NEEDS,
        check=each_run("train", _rotation),
        data="kth_tips2b",
        network=DENSENET,
    ),
    Finding(
        key="kth_scale",
        sentence="KTH-TIPS2b: scale has no effect.",
        source="v1 sec. 5, fig. 5",
        criterion=f"its metric curve changes by less than {FLAT} of its value over {FEWEST_NULL} "
        f"shown epochs or more, or {ABSENT_MEANS}; and scales differ by less than {SPREAD} in the "
        f"{BY_TYPE}. A larger difference counts from {CLEAR_ERRORS:g} standard errors on",
        needs=NEEDS,
        check=each(_scale, "train, scale"),
        data="kth_tips2b",
        network=DENSENET,
    ),
    Finding(
        key="kth_test_illumination",
        sentence="KTH-TIPS2b, test: agreement is highest under ambient and lowest under frontal "
        "illumination.",
        source="v1 sec. 6, fig. 7c",
        criterion=f"each {APART} or more from all others: {BY_TYPE}",
        needs="a run on KTH-TIPS2b with statistics of the test images",
        check=each_run("test", _test_illumination),
        data="kth_tips2b",
        network=DENSENET,
    ),
)
