"""Findings on training with random labels, which tell nothing of the images."""

from __future__ import annotations

import functools
import itertools
from collections.abc import Sequence

from jagree.study.findings.dynamics import PRESENT, PRESENT_MEANS, presence
from jagree.study.findings.evidence import CannotTellError, Run
from jagree.study.findings.observed import ABOVE_GUESSING
from jagree.study.findings.rising import RISEN, rises_later
from jagree.study.findings.verdicts import (
    NO_SUCH,
    UNTOLD,
    Finding,
    Judgement,
    Verdict,
    each,
    judged,
)

RANDOM = 0.7  # share of labels drawn at random, from which on labels are called random
NOISE = ("data.label_noise", "per_member.label_noise")  # the fields that say how many


def _random_later(runs: Sequence[Run]) -> list[Verdict]:
    verdicts = []
    for noisy, clean in itertools.product(runs, runs):
        if noisy.random_labels < RANDOM or clean.label_noise or not noisy.same_data(clean):
            continue
        if sorted(noisy.networks) == sorted(clean.networks):
            for measure, what in (
                ("accuracy_mean", "mean accuracy"),
                ("true_positive_agreement", "agreement"),
            ):
                judge = functools.partial(_noisy_later, noisy, clean, measure, what)
                verdicts.append(judged([noisy.name, clean.name], what, judge))
    names = tuple(run.name for run in runs)
    return verdicts or [Verdict(names, "", UNTOLD, why=NO_SUCH)]


def _noisy_later(noisy: Run, clean: Run, measure: str, what: str) -> Judgement:
    late, early = (run.observed("train") for run in (noisy, clean))
    least = PRESENT
    if measure == "accuracy_mean":
        least = max(run.observed("train").learned for run in (noisy, clean))
    return rises_later(
        what,
        (late.epoch, late.measure(measure)),
        (early.epoch, early.measure(measure)),
        least,
    )


def _random_present(run: Run) -> Judgement:
    if not run.label_noise:
        raise CannotTellError("trained on true labels")
    if run.random_labels < RANDOM:
        raise CannotTellError(
            f"some {run.random_labels:.2f} of its labels are random; it takes {RANDOM}"
        )
    observed = run.observed("train")
    holds, numbers = presence(observed)
    accuracy, needed = observed.measure("accuracy_mean").max(), max(RISEN, observed.learned)
    if accuracy < needed:
        why = f"mean accuracy {accuracy:.3f} at most: it has not risen to {needed:.3f}"
        raise CannotTellError(why, numbers)
    return holds, f"{run.random_labels:.2f} of the labels are random; {numbers}"


RANDOM_LATER = Finding(
    key="random_labels_later",
    sentence="With random labels, accuracy and agreement rise later.",
    source="v1 sec. 3, fig. 2b",
    criterion=f"first epoch at which the curve reaches {RISEN}, or the most that both reach; of "
    f"accuracy at least {ABOVE_GUESSING} times the share of the most frequent label, of agreement "
    f"{PRESENT}",
    needs=f"a run with {RANDOM} or more of its training labels drawn at random, and one with the "
    "true labels, of the same data and networks. Fair with the same recipe otherwise: the paper's "
    "runs also differ in the learning rate, configs/cifar10_random_labels.py:0 does not",
    check=_random_later,
    compares=NOISE,
    true_labels=False,
)
RANDOM_PRESENT = Finding(
    key="random_labels_agreement",
    sentence="With random labels, agreement is still present.",
    source="v1 sec. 3, fig. 2b, against Hacohen et al. 2020",
    criterion=f"{PRESENT_MEANS}; mean accuracy {RISEN} and {ABOVE_GUESSING} times the share of the "
    "most frequent label or more in some epoch",
    needs=f"a run with {RANDOM} or more of its training labels drawn at random",
    check=each(_random_present, "train"),
    true_labels=False,
)
