"""Findings on Pascal VOC: objects of any number in a picture, learned in steps of the rate."""

from __future__ import annotations

import functools
import itertools
from collections.abc import Callable, Sequence

import numpy as np

from jagree.study.findings.dynamics import DENSENET
from jagree.study.findings.evidence import CannotTellError, Run
from jagree.study.findings.recipes import NETWORK
from jagree.study.findings.rising import RISEN, rises_later
from jagree.study.findings.trends import (
    ABSENT_MEANS,
    CORRELATED,
    SHOWN_MEANS,
    SHOWN_MEANS_V2,
    Trend,
    absent,
    each_column,
    falls,
    rises,
    shown_positions,
    trend,
)
from jagree.study.findings.verdicts import (
    NO_SUCH,
    UNTOLD,
    Check,
    Finding,
    Judgement,
    Verdict,
    each,
    judged,
)

# Low values are learned first: the curve rises with agreement. `labels` is what the paper plots as
# number of instances, distinct classes of an image.
PLAIN = ("entropy", "segments", "dct_share", "labels", "search_difficulty")
LARGE = "box_area"  # high values are learned first
DIPPING = ("segments", "dct_share", "search_difficulty")

LABELS_FROM, LABELS_TO = 1.1, 1.4  # mean labels of the images agreed on: first and last
LABELS_ABOUT = 0.1
TEST_ACCURACY, ACCURACY_ABOUT = 0.5, 0.05
JUMP = 3.0  # times the median change per epoch
DIP = 0.1  # of a curve's range, by which both ends lie above its lowest point
RESNET = "resnet50"  # with either stem


def _labels_per_image(trend: Trend) -> Judgement:
    first, last = trend.curve[0], trend.curve[-1]
    near = abs(first - LABELS_FROM) <= LABELS_ABOUT and abs(last - LABELS_TO) <= LABELS_ABOUT
    return bool(near), f"{first:.2f} labels per image at first, {last:.2f} at last; {trend}"


def dips(trend: Trend) -> Judgement:
    """Whether a curve goes down at first, and up for the remainder of the epochs."""
    bottom = int(np.argmin(trend.curve))
    ends = min(trend.curve[0], trend.curve[-1]) - trend.curve[bottom]
    early = 0 < bottom < len(trend.curve) / 2
    size = np.ptp(trend.curve)
    return bool(early and size > 0 and ends >= DIP * size), (
        f"{trend.curve[0]:.4g} in epoch {trend.epoch[0]}, {trend.curve[bottom]:.4g} at its lowest "
        f"(epoch {trend.epoch[bottom]}), {trend.curve[-1]:.4g} in epoch {trend.epoch[-1]}"
    )


def _jumps(runs: Sequence[Run]) -> list[Verdict]:
    verdicts = []
    for run in runs:
        curves = [("train", "")]
        curves += [("train", c) for c in (*PLAIN, LARGE) if c in run.statistics.get("train", ())]
        if "test" in run.record:
            curves.append(("test", ""))
        for split, column in curves:
            ask = functools.partial(_jump, run, split, column)
            verdicts.append(judged([run.name], f"{split}, {column or 'agreement'}", ask))
    return verdicts


def _jump(run: Run, split: str, column: str) -> Judgement:
    """Whether a curve changes more at each drop of the learning rate than it does as a rule.

    A statistic ("column") may go either way, agreement ("") has to rise.
    """
    if run.about.rate_drops is None:
        raise CannotTellError("its learning rate drops in no steps, or its run.json is missing")
    observed = run.observed(split)
    here = shown_positions(observed)
    curve = (observed.metrics[column] if column else observed.measure("true_positive_agreement"))[
        here
    ]
    epoch, change = observed.epoch[here][1:], np.diff(curve)
    drops = [drop for drop in run.about.rate_drops if drop in epoch]
    if not drops:
        raise CannotTellError("no shown epoch in which the learning rate drops")
    others = np.abs(change[~np.isin(epoch, drops)])
    if np.isnan(others).all():
        raise CannotTellError("no other epochs to compare with")
    usual = np.nanmedian(others)
    at = np.array([change[epoch == drop][0] for drop in drops])
    if np.isnan(at).any():
        lost = drops[int(np.flatnonzero(np.isnan(at))[0])]
        raise CannotTellError(f"the curve has a gap at epoch {lost}, where the rate drops")
    told = ", ".join(f"{value:+.3g} in epoch {drop}" for value, drop in zip(at, drops, strict=True))
    size = np.abs(at) if column else at
    jumps = (size > 0) & (size >= JUMP * usual)
    return bool(jumps.all()), f"changes by {told}; {usual:.3g} per epoch as a rule"


def _test_accuracy(run: Run) -> Judgement:
    accuracy = float(run.observed("test").accuracy[-1].mean())
    return abs(accuracy - TEST_ACCURACY) <= ACCURACY_ABOUT, (
        f"exact match {accuracy:.3f} after epoch {run.observed('test').epoch[-1]}"
    )


def _of_resnet(check: Check) -> Check:
    """A check that asks runs of ResNet50 alone."""

    def only(runs: Sequence[Run]) -> list[Verdict]:
        names = tuple(run.name for run in runs)
        chosen = [run for run in runs if run.all_of(RESNET)]
        return check(chosen) if chosen else [Verdict(names, "", UNTOLD, why=NO_SUCH)]

    return only


def _with_densenet(runs: Sequence[Run], judge: Callable[[Run, Run], Judgement]) -> list[Verdict]:
    """Each run of ResNet50 against each of DenseNet121 on the same data."""
    verdicts = [
        judged([one.name, other.name], "train", functools.partial(judge, one, other))
        for one, other in itertools.product(runs, runs)
        if one.all_of(RESNET) and other.all_of(DENSENET) and one.same_data(other)
    ]
    names = tuple(run.name for run in runs)
    return verdicts or [Verdict(names, "", UNTOLD, why=NO_SUCH)]


def _slower(resnet: Run, densenet: Run) -> Judgement:
    late, early = (run.observed("train") for run in (resnet, densenet))
    name = "accuracy_mean"
    return rises_later(
        "mean accuracy", (late.epoch, late.measure(name)), (early.epoch, early.measure(name))
    )


def _weaker(resnet: Run, densenet: Run) -> Judgement:
    pairs, reason = {}, "r is not defined: the curves are constant"
    for column in (*PLAIN, LARGE):
        try:
            pairs[column] = [
                trend(run, "train", column, "v2").paper.r for run in (resnet, densenet)
            ]
        except CannotTellError as error:
            reason = str(error)
    pairs = {column: rs for column, rs in pairs.items() if not np.isnan(rs).any()}
    if not pairs:
        raise CannotTellError(f"no statistic has r in both ({reason})")
    strength = np.abs(list(pairs.values())).mean(0)
    told = ", ".join(f"{column} {a:.2f} against {b:.2f}" for column, (a, b) in pairs.items())
    return bool(strength[0] < strength[1]), (
        f"mean |r| {strength[0]:.2f} against {strength[1]:.2f}: {told}"
    )


def _absent(trend: Trend) -> Judgement:
    return absent(trend), str(trend)


PLAIN_FIRST = Finding(
    key="voc_plain_first",
    sentence="Pascal: images with low entropy, few segments, few DCT coefficients, few labels and "
    "low human difficulty are learned first.",
    source="v1 fig. 4",
    criterion=f"the metric curve correlates with agreement, r above 0 {CORRELATED}; {SHOWN_MEANS}",
    needs="a run on Pascal VOC with statistics",
    check=each_column("train", dict.fromkeys(PLAIN, rises)),
    data="voc",
    network=DENSENET,
)
LARGE_FIRST = Finding(
    key="voc_large_boxes_first",
    sentence="Pascal: large boxes are learned first.",
    source="v1 fig. 4",
    criterion=f"r below 0 {CORRELATED}; {SHOWN_MEANS}",
    needs="a run on Pascal VOC with statistics",
    check=each_column("train", {LARGE: falls}),
    data="voc",
    network=DENSENET,
)
LABELS = Finding(
    key="voc_labels_per_image",
    sentence=f"Pascal: labels per image go from {LABELS_FROM} to {LABELS_TO}.",
    source="v1 sec. 5, fig. 4",
    criterion="mean over images agreed on, first and last shown epoch, each within "
    f"{LABELS_ABOUT}; {SHOWN_MEANS}",
    needs="a run on Pascal VOC with statistics",
    check=each_column("train", {"labels": _labels_per_image}),
    data="voc",
    network=DENSENET,
)
JUMPS = Finding(
    key="voc_jumps",
    sentence="Pascal: agreement and the statistics jump where the learning rate drops.",
    source="v1 sec. 5, 6, fig. 4, 7b",
    criterion=f"at each drop the curve changes by {JUMP:g} times its median change per epoch, or "
    f"more, and agreement upwards; of test examples agreement alone is asked; {SHOWN_MEANS}",
    needs='a run on Pascal VOC with the schedule "step"',
    check=_jumps,
    data="voc",
    network=DENSENET,
)
TEST_MATCH = Finding(
    key="voc_test_accuracy",
    sentence="Pascal: about half of the test set is matched exactly.",
    source="v1 sec. 5",
    criterion=f"mean accuracy after the last epoch within {ACCURACY_ABOUT} of {TEST_ACCURACY}",
    needs="a run on Pascal VOC with a test split",
    check=each(_test_accuracy, "test"),
    data="voc",
    network=DENSENET,
)
DIPS = Finding(
    key="voc_dip",
    sentence="Pascal: segments, DCT coefficients and difficulty dip first, then reverse.",
    source="v1 sec. 5",
    criterion="the metric curve is lowest inside the first half of the shown epochs, and both ends "
    f"lie {DIP} of its range above that; {SHOWN_MEANS}",
    needs="a run on Pascal VOC with statistics",
    check=each_column("train", dict.fromkeys(DIPPING, dips)),
    data="voc",
    network=DENSENET,
)
EDGES = Finding(
    key="voc_edges",
    sentence="Pascal: the sum of edge strengths rises.",
    source="v1 fig. 17b",
    criterion=f"r above 0 {CORRELATED}; {SHOWN_MEANS}",
    needs="a run on Pascal VOC with statistics",
    check=each_column("train", {"edge_strength": rises}),
    data="voc",
    network=DENSENET,
)
RESNET_SLOWER = Finding(
    key="voc_resnet50_slower",
    sentence="Pascal: ResNet50 learns more slowly than DenseNet121.",
    source="v2 supplement C, fig. 8",
    criterion=f"mean training accuracy reaches {RISEN}, or the most that both reach, later",
    needs="runs of ResNet50 and of DenseNet121 on the same images of Pascal VOC",
    check=lambda runs: _with_densenet(runs, _slower),
    compares=NETWORK,
    data="voc",
)
RESNET_DIRECTIONS = Finding(
    key="voc_resnet50_directions",
    sentence="Pascal, ResNet50: statistics go in the same directions as with DenseNet121.",
    source="v2 supplement C, fig. 9",
    criterion=f"r has the sign that the paper has for DenseNet121, {CORRELATED}, DCT apart; "
    f"{SHOWN_MEANS_V2}",
    needs="a run of ResNet50 on Pascal VOC with statistics",
    check=_of_resnet(
        each_column(
            "train",
            dict.fromkeys((c for c in PLAIN if c != "dct_share"), rises) | {LARGE: falls},
            "v2",
        )
    ),
    data="voc",
)
RESNET_WEAKER = Finding(
    key="voc_resnet50_weaker",
    sentence="Pascal, ResNet50: correlations are weaker than with DenseNet121.",
    source="v2 supplement C",
    criterion=f"mean |r| over the statistics is smaller; {SHOWN_MEANS_V2}",
    needs="runs of ResNet50 and of DenseNet121 on the same images of Pascal VOC, with statistics",
    check=lambda runs: _with_densenet(runs, _weaker),
    compares=NETWORK,
    data="voc",
)
RESNET_DCT = Finding(
    key="voc_resnet50_dct",
    sentence="Pascal, ResNet50: no correlation with the share of DCT coefficients.",
    source="v2 supplement C, fig. 9",
    criterion=f"{ABSENT_MEANS}; {SHOWN_MEANS_V2}",
    needs="a run of ResNet50 on Pascal VOC with statistics",
    check=_of_resnet(each_column("train", {"dct_share": _absent}, "v2")),
    data="voc",
)
TEST_ENTROPY = Finding(
    key="voc_test_entropy",
    sentence="Pascal, test: entropy correlates as on the training set.",
    source="v1 sec. 6, fig. 7b",
    criterion=f"r above 0 {CORRELATED}; {SHOWN_MEANS}",
    needs="a run on Pascal VOC with statistics of the test images",
    check=each_column("test", {"entropy": rises}),
    data="voc",
    network=DENSENET,
)
FINDINGS = (
    PLAIN_FIRST,
    LARGE_FIRST,
    LABELS,
    JUMPS,
    TEST_MATCH,
    DIPS,
    EDGES,
    RESNET_SLOWER,
    RESNET_DIRECTIONS,
    RESNET_WEAKER,
    RESNET_DCT,
    TEST_ENTROPY,
)
