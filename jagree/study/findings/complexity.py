"""The finding that growing batches and growing networks change agreement alike."""

from __future__ import annotations

import functools
import itertools
import re
from collections.abc import Sequence

import numpy as np

from jagree.study.findings.comparisons import common_epochs, groups_of_runs
from jagree.study.findings.evidence import CannotTellError, Run
from jagree.study.findings.recipes import NETWORK, series
from jagree.study.findings.verdicts import (
    NO_SUCH,
    UNTOLD,
    Finding,
    Judgement,
    Verdict,
    judged,
)
from jagree.words import enumeration

NO_TREND = 0.01  # change of mean agreement along a series that is none


def depth(network: str) -> int | None:
    """The number in a network's name, its layers with weights; None where there is none.

    >>> depth("lenet5"), depth("densenet121_cifar"), depth("mine")
    (5, 121, None)
    """
    found = re.fullmatch(r"[a-z]+(\d+)(_[a-z]+)?", network)
    return int(found[1]) if found else None


def _batch_and_depth(runs: Sequence[Run]) -> list[Verdict]:
    """In each group, each series of batch sizes against each series of networks."""
    verdicts = []
    for group in groups_of_runs(runs):
        batches = series(group, ("batch_size",), lambda run: sorted(run.networks))
        networks = [
            found
            for found in series(group, NETWORK, lambda run: len(run.networks))
            if len({run.network for run in found}) > 1
        ]
        for one, other in itertools.product(batches, networks):
            names = list(dict.fromkeys(run.name for run in (*one, *other)))
            judge = functools.partial(_same_direction, one, other)
            verdicts.append(judged(names, "train", judge))
    if verdicts:
        return verdicts
    return [Verdict(tuple(run.name for run in runs), "", UNTOLD, why=NO_SUCH)]


def _same_direction(batches: Sequence[Run], networks: Sequence[Run]) -> Judgement:
    by_batch, batch_text = _change([(run.about.batch_size or 0, run) for run in batches])
    deep = [(layers, run) for run in networks if (layers := depth(run.network))]
    if len({layers for layers, _ in deep}) < 2:
        names = enumeration(list(dict.fromkeys(run.network for run in networks)))
        raise CannotTellError(
            f"no two depths are known of {names}; a depth is the number in a network's name",
            f"mean agreement by batch size: {batch_text}",
        )
    by_depth, depth_text = _change(deep)
    numbers = (
        f"mean agreement by batch size: {batch_text}; by depth: {depth_text} (from the smallest to "
        "the largest, on a line through all)"
    )
    if min(abs(by_batch), abs(by_depth)) < NO_TREND:
        raise CannotTellError(f"one of them changes agreement by less than {NO_TREND}", numbers)
    return by_batch * by_depth > 0, numbers


def _change(series: Sequence[tuple[int, Run]]) -> tuple[float, str]:
    """Change of mean agreement from the smallest to the largest, and the means, as text."""
    ordered = sorted(series, key=lambda pair: pair[0])
    epochs = common_epochs([run for _, run in ordered])
    means = []
    for _, run in ordered:
        observed = run.observed("train")
        agreement = observed.measure("true_positive_agreement")[np.isin(observed.epoch, epochs)]
        if np.isnan(agreement).all():
            raise CannotTellError(f"no member of '{run.name}' gets any example right")
        means.append(float(np.nanmean(agreement)))
    log = np.log([size for size, _ in ordered])
    change = float(np.polyfit(log, means, 1)[0] * (log[-1] - log[0]))
    pairs = [f"{size:,} {mean:.3f}" for (size, _), mean in zip(ordered, means, strict=True)]
    return change, f"{', '.join(pairs)} ({change:+.3f})"


BATCH_AND_DEPTH = Finding(
    key="batch_and_complexity",
    sentence="Agreement changes with growing batch size as it does with growing networks.",
    source="v1 sec. 3, fig. 8, 9",
    criterion="mean agreement over common epochs, on a line over the logarithm of batch size or "
    f"depth, changes in the same direction, each by {NO_TREND} or more. The paper calls LeNet5 and "
    "VGG16 simple, ResNet50 and DenseNet121 complex; depth, the number in a network's name, orders "
    "them so, and the number of parameters would not.",
    needs="runs with a run.json on the same data: some that differ in batch size alone, some in "
    "the network alone (and in nothing that decides what is trained)",
    check=_batch_and_depth,
)
