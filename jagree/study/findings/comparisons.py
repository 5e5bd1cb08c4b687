"""Findings on training dynamics for which networks, or runs, are compared with one another."""

from __future__ import annotations

import functools
import itertools
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

import numpy as np

from jagree.record import correct
from jagree.study.findings.dynamics import PRESENT, PRESENT_MEANS, presence, std_within
from jagree.study.findings.evidence import CannotTellError, Run
from jagree.study.findings.observed import pair_agreement, pair_counts
from jagree.study.findings.verdicts import (
    FAILS,
    UNTOLD,
    Finding,
    Judgement,
    Verdict,
    each,
    each_run,
    judged,
)

TINY_STD = 0.02  # of accuracy within an architecture, mean over epochs
LARGE_STD = 0.05  # of accuracy across architectures, mean over epochs
SIMILAR = 0.1  # difference of two mean agreements that are called similar
NO_TREND = 0.01  # change of mean agreement along a series that is none
RISEN = 0.2  # accuracy or agreement that has begun to rise
ABOVE_GUESSING = 1.2  # times the share of the most frequent label: less is as good as guessed
NO_SUCH = "no such runs are given"
RANDOM = 0.7  # share of labels drawn at random, from which on labels are called random
Curve = tuple[np.ndarray, np.ndarray]  # epochs completed, values


def groups_of_runs(runs: Sequence[Run]) -> list[list[Run]]:
    """Runs on the same data, together; label noise apart, their labels are then the same, too."""
    groups: list[list[Run]] = []
    for run in runs:
        for group in groups:
            if group[0].same_data(run):
                group.append(run)
                break
        else:
            groups.append([run])
    return groups


def each_group(judge: Callable[[Sequence[Run]], Judgement]) -> Callable[..., list[Verdict]]:
    """A check that asks runs on the same data together."""

    def check(runs: Sequence[Run]) -> list[Verdict]:
        return [
            judged([run.name for run in group], "train", functools.partial(judge, group))
            for group in groups_of_runs(runs)
        ]

    return check


def common_epochs(runs: Sequence[Run]) -> np.ndarray:
    """Epochs that all of them recorded, int [E].

    Raises
    ------
    CannotTellError
        If there is none.
    """
    recorded = [run.observed("train").epoch for run in runs]
    common = functools.reduce(np.intersect1d, recorded)
    if not common.size:
        raise CannotTellError("they have no recorded epoch in common")
    return common


def _std_within(run: Run) -> Judgement:
    stds = std_within(run.observed("train"))
    if not stds:
        raise CannotTellError("no two members of the same network")
    means = {network: float(std.mean()) for network, std in stds.items()}
    return max(means.values()) <= TINY_STD, "mean std of accuracy " + "; ".join(
        f"{mean:.4f} ({network})" for network, mean in means.items()
    )


def _std_across(runs: Sequence[Run]) -> Judgement:
    networks = _networks(runs)
    epochs = common_epochs(runs)
    curves = []  # of each network: its mean accuracy over members and runs
    for network in networks:
        accuracies = [
            observed.accuracy[np.isin(observed.epoch, epochs)][:, observed.members(network)]
            for observed in (run.observed("train") for run in runs)
        ]
        curves.append(np.concatenate(accuracies, axis=1).mean(1))
    std = float(np.std(curves, axis=0).mean())
    accuracy = ", ".join(f"{n} {c.mean():.3f}" for n, c in zip(networks, curves, strict=True))
    return std >= LARGE_STD, (
        f"mean std of accuracy over networks {std:.4f} ({len(epochs)} epochs; mean accuracy "
        f"{accuracy})"
    )


def _networks(runs: Sequence[Run]) -> list[str]:
    networks = list(dict.fromkeys(n for run in runs for n in run.networks))
    if len(networks) < 2:
        raise CannotTellError(f"only one network, {networks[0]}, on this data")
    return networks


@dataclass(frozen=True)
class _Pairs:
    """Agreement of pairs of members and its chance level, float [E, pairs]."""

    agreement: np.ndarray
    chance: np.ndarray

    @property
    def mean(self) -> float:
        return float(np.nanmean(self.agreement))

    def __str__(self) -> str:
        pairs = self.agreement.shape[1]
        return f"{self.mean:.3f} (chance {np.nanmean(self.chance):.3f}, {pairs} pairs)"


def _pairs(runs: Sequence[Run]) -> tuple[_Pairs, _Pairs]:
    """Pairs of one network within a run, and pairs of different networks, also across runs."""
    owner = np.repeat(np.arange(len(runs)), [len(run.networks) for run in runs])
    network = np.array([n for run in runs for n in run.networks])
    one, two = np.triu_indices(len(network), 1)
    same = (network[one] == network[two]) & (owner[one] == owner[two])
    different = network[one] != network[two]
    if not same.any():
        raise CannotTellError("no two members of the same network to compare with")
    both = np.array([pair_counts(right) for right in _together(runs)])
    accuracy = np.diagonal(both, axis1=1, axis2=2) / runs[0].observed("train").examples
    a, b = accuracy[:, one], accuracy[:, two]
    union = a + b - a * b
    chance = np.divide(a * b, union, out=np.full(union.shape, np.nan), where=union > 0)
    agreement = pair_agreement(both)[:, one, two]
    found = [_Pairs(agreement[:, kind], chance[:, kind]) for kind in (same, different)]
    if any(np.isnan(pairs.agreement).all() for pairs in found):
        raise CannotTellError("no member gets any example right")
    return found[0], found[1]


def _together(runs: Sequence[Run]) -> Iterator[np.ndarray]:
    """Who gets what right in each common epoch: bool [members of all runs, N]."""
    for epoch in common_epochs(runs).tolist():
        rights = []
        for run in runs:
            split = run.record["train"]
            rights.append(correct(split, split["epoch"].values.tolist().index(epoch)))
        yield np.concatenate(rights)


def _across(runs: Sequence[Run]) -> Judgement:
    _networks(runs)
    within, across = _pairs(runs)
    numbers = (
        f"mean agreement of pairs: {across} across networks, {within} within one; "
        f"{len(common_epochs(runs))} epochs"
    )
    return abs(across.mean - within.mean) <= SIMILAR, numbers


def _everywhere(runs: Sequence[Run]) -> list[Verdict]:
    """Each run by itself; but runs of one kind only cannot show that it is so for all."""
    verdicts = each_run("train", presence)(runs)
    kinds = {(run.network, run.about.batch_size) for run in runs}
    if len(kinds) > 1:
        return verdicts
    network, batch = kinds.pop()
    why = f"only {network}, batch {batch or 'not known'}: others are needed to tell 'every'"
    return [
        v if v.word in (FAILS, UNTOLD) else Verdict(v.runs, v.about, UNTOLD, v.numbers, why)
        for v in verdicts
    ]


def _batch_and_size(runs: Sequence[Run]) -> list[Verdict]:
    """In each group, each series of batch sizes against each series of networks."""
    verdicts = []
    for group in groups_of_runs(runs):
        known = [run for run in group if run.about.batch_size and run.size]
        batches = _series(known, lambda run: (run.network,), lambda run: run.about.batch_size or 0)
        sizes = _series(known, lambda run: (run.about.batch_size,), lambda run: run.size or 0)
        for one, other in itertools.product(batches, sizes):
            names = list(dict.fromkeys(run.name for run in (*one, *other)))
            judge = functools.partial(_same_direction, one, other)
            verdicts.append(judged(names, "train", judge))
    if verdicts:
        return verdicts
    return [Verdict(tuple(run.name for run in runs), "", UNTOLD, why=NO_SUCH)]


def _series(
    runs: Sequence[Run], common: Callable[[Run], object], varied: Callable[[Run], int]
) -> list[list[Run]]:
    """Runs that share one thing and differ in another, which ascends."""
    found: dict[object, list[Run]] = {}
    for run in runs:
        found.setdefault(common(run), []).append(run)
    return [
        sorted(group, key=varied)
        for group in found.values()
        if len({varied(run) for run in group}) > 1
    ]


def _same_direction(batches: Sequence[Run], networks: Sequence[Run]) -> Judgement:
    by_batch, batch_text = _change(batches, [run.about.batch_size or 0 for run in batches])
    by_size, size_text = _change(networks, [run.size or 0 for run in networks])
    numbers = (
        f"mean agreement by batch size: {batch_text}; by number of parameters: {size_text} (from "
        "the smallest to the largest, on a line through all)"
    )
    if min(abs(by_batch), abs(by_size)) < NO_TREND:
        raise CannotTellError(f"one of them changes agreement by less than {NO_TREND}", numbers)
    return by_batch * by_size > 0, numbers


def _change(runs: Sequence[Run], sizes: Sequence[int]) -> tuple[float, str]:
    """Change of mean agreement from the smallest to the largest, and the means, as text."""
    epochs = common_epochs(runs)
    means = []
    for run in runs:
        observed = run.observed("train")
        agreement = observed.measure("true_positive_agreement")[np.isin(observed.epoch, epochs)]
        if np.isnan(agreement).all():
            raise CannotTellError(f"no member of '{run.name}' gets any example right")
        means.append(float(np.nanmean(agreement)))
    log = np.log(sizes)
    change = float(np.polyfit(log, means, 1)[0] * (log[-1] - log[0]))
    pairs = ", ".join(f"{size:,} {mean:.3f}" for size, mean in zip(sizes, means, strict=True))
    return change, f"{pairs} ({change:+.3f})"


def first_reaching(curve: Curve, level: float) -> int:
    """The first epoch at which a curve is at `level` or above; it must reach it."""
    return int(curve[0][np.flatnonzero(curve[1] >= level)[0]])


def rises_later(what: str, late: Curve, early: Curve, least: float = 0.0) -> Judgement:
    """Whether one curve has risen later than another.

    Risen: at `RISEN`, or `least` if that is more, or the most that both reach if that is less.

    Raises
    ------
    CannotTellError
        If one of them does not reach `least` or stays at 0, or both rise in their first recorded
        epoch.
    """
    if any(np.isnan(curve[1]).all() for curve in (late, early)):
        raise CannotTellError("no member gets any example right")
    wanted = max(RISEN, least)
    level = min(wanted, float(np.nanmax(late[1])), float(np.nanmax(early[1])))
    chosen = f"{level:.3f}" + ("" if level == wanted else ", the most that both reach")
    if level < least or level == 0:
        raise CannotTellError(f"one has learned nothing yet: {what} reaches {chosen}")
    epochs = first_reaching(late, level), first_reaching(early, level)
    numbers = f"{what} reaches {chosen}, in epoch {epochs[0]} against {epochs[1]}"
    if epochs == (late[0][0], early[0][0]):
        raise CannotTellError("both do so in the first recorded epoch", numbers)
    return epochs[0] > epochs[1], numbers


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
        least = max(_learned(run) for run in (noisy, clean))
    return rises_later(
        what,
        (late.epoch, late.measure(measure)),
        (early.epoch, early.measure(measure)),
        least,
    )


def _learned(run: Run) -> float:
    """The accuracy from which on something has been learned."""
    return ABOVE_GUESSING * _most_frequent(run)


def _most_frequent(run: Run) -> float:
    """Share of the most frequent training label: what who always guesses it gets right."""
    train = run.record["train"]
    label = train["label"].values
    if "class" in train["label"].dims:
        counts = np.unique(label, axis=0, return_counts=True)[1]
        return float(counts.max() / len(label))
    return max(float(np.bincount(row).max() / row.size) for row in np.atleast_2d(label))


def _random_present(run: Run) -> Judgement:
    if not run.label_noise:
        raise CannotTellError("trained on true labels")
    if run.random_labels < RANDOM:
        raise CannotTellError(
            f"some {run.random_labels:.2f} of its labels are random; it takes {RANDOM}"
        )
    observed = run.observed("train")
    holds, numbers = presence(observed)
    accuracy, needed = observed.measure("accuracy_mean").max(), max(RISEN, _learned(run))
    if accuracy < needed:
        why = f"mean accuracy {accuracy:.3f} at most: it has not risen to {needed:.3f}"
        raise CannotTellError(why, numbers)
    return holds, f"{run.random_labels:.2f} of the labels are random; {numbers}"


STD_WITHIN = Finding(
    key="accuracy_std_within",
    sentence="The standard deviation of accuracy is tiny within one architecture.",
    source="v1 sec. 3, fig. 2a",
    criterion=f"of a population, mean over epochs: {TINY_STD} or less",
    needs="a run with two members or more of one network",
    check=each(_std_within, "train"),
)
STD_ACROSS = Finding(
    key="accuracy_std_across",
    sentence="The standard deviation of accuracy is large across architectures.",
    source="v1 sec. 3, fig. 2c",
    criterion=f"of a population of one mean accuracy per network, mean over common epochs: "
    f"{LARGE_STD} or more",
    needs="a run that mixes networks, or runs of different networks on the same data",
    check=each_group(_std_across),
)
ACROSS = Finding(
    key="agreement_across_architectures",
    sentence="Agreement across architectures is similar to agreement within one.",
    source="v1 sec. 3, fig. 2c",
    criterion=f"mean agreement of pairs of members, over pairs and common epochs: within {SIMILAR} "
    "of one another",
    needs="members of one network and of others, in a run or in runs on the same data",
    check=each_group(_across),
)
EVERYWHERE = Finding(
    key="agreement_everywhere",
    sentence="Agreement is present for every batch size and architecture.",
    source="v1 sec. 3, fig. 8, 9",
    criterion=PRESENT_MEANS,
    needs="runs with different batch sizes or networks",
    check=_everywhere,
)
BATCH_AND_SIZE = Finding(
    key="batch_and_complexity",
    sentence="Agreement changes with growing batch size as it does with growing networks.",
    source="v1 sec. 3, fig. 8, 9",
    criterion="mean agreement over common epochs, on a line over the logarithm of batch size or "
    f"number of parameters, changes in the same direction, each by {NO_TREND} or more",
    needs="runs with a run.json on the same data: some that differ in batch size alone, some in "
    "the network alone",
    check=_batch_and_size,
)
RANDOM_LATER = Finding(
    key="random_labels_later",
    sentence="With random labels, accuracy and agreement rise later.",
    source="v1 sec. 3, fig. 2b",
    criterion=f"first epoch at which the curve reaches {RISEN}, or the most that both reach; of "
    f"accuracy at least {ABOVE_GUESSING} times the share of the most frequent label, of agreement "
    f"{PRESENT}",
    needs=f"a run with {RANDOM} or more of its training labels drawn at random, and one with the "
    "true labels, of the same data and networks",
    check=_random_later,
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
