"""Findings on training dynamics for which networks, or runs, are compared with one another.

Letters: E epochs, K members, N examples.
"""

from __future__ import annotations

import functools
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace

import numpy as np

from jagree.record import correct
from jagree.study.epochs import class_codes
from jagree.study.findings.dynamics import (
    FEWEST_EPOCHS,
    PRESENT_MEANS,
    RECORDING_MATTERS,
    need_epochs,
    presence,
    std_within,
)
from jagree.study.findings.evidence import CannotTellError, Run
from jagree.study.findings.recipes import NETWORK
from jagree.study.findings.verdicts import (
    HOLDS,
    UNTOLD,
    Finding,
    Judgement,
    Verdict,
    each,
    each_run,
    judged,
)
from jagree.study.pairs import pair_agreement, pair_chance, pair_counts
from jagree.words import counted

TINY_STD = 0.02  # of accuracy within an architecture, mean over epochs
LARGE_STD = 0.05  # of accuracy across architectures, mean over epochs
SIMILAR = 0.1  # difference of two mean agreements that are called similar


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
    told = "; ".join(f"{mean:.4f} ({network})" for network, mean in means.items())
    numbers = f"mean std of accuracy {told}; {run.judged_how}"
    need_epochs(len(run.observed("train").epoch), numbers)
    return max(means.values()) <= TINY_STD, numbers


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
    numbers = (
        f"mean std of accuracy over networks {std:.4f} ({counted(len(epochs), 'epoch')}; mean "
        f"accuracy {accuracy})"
    )
    need_epochs(len(epochs), numbers)
    return std >= LARGE_STD, numbers


def _networks(runs: Sequence[Run]) -> list[str]:
    networks = list(dict.fromkeys(n for run in runs for n in run.networks))
    if len(networks) < 2:
        raise CannotTellError(f"only one network, {networks[0]}, on this data")
    return networks


@dataclass(frozen=True)
class _Pairs:
    """Agreement of pairs of members and its chance level within classes, float [E, pairs]."""

    agreement: np.ndarray
    chance: np.ndarray

    @property
    def mean(self) -> float:
        return float(np.nanmean(self.agreement))

    def __str__(self) -> str:
        pairs = counted(self.agreement.shape[1], "pair")
        return f"{self.mean:.3f} (chance within classes {np.nanmean(self.chance):.3f}, {pairs})"


def _pairs(runs: Sequence[Run]) -> tuple[_Pairs, _Pairs]:
    """Pairs of one network within a run, and pairs of different networks, also across runs."""
    owner = np.repeat(np.arange(len(runs)), [len(run.networks) for run in runs])
    network = np.array([n for run in runs for n in run.networks])
    one, two = np.triu_indices(len(network), 1)
    same = (network[one] == network[two]) & (owner[one] == owner[two])
    different = network[one] != network[two]
    if not same.any():
        raise CannotTellError("no two members of the same network to compare with")
    # The true ones, the same for all members and in all runs.
    classes = np.atleast_2d(class_codes(runs[0].record["train"]))[0]
    both, chance = [], []
    for right in _together(runs):
        both.append(pair_counts(right))
        chance.append(pair_chance(right, classes)[one, two])
    agreement = pair_agreement(np.array(both))[:, one, two]
    levels = np.array(chance)
    found = [_Pairs(agreement[:, kind], levels[:, kind]) for kind in (same, different)]
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
    epochs = len(common_epochs(runs))
    numbers = (
        f"mean agreement of pairs: {across} across networks, {within} within one; "
        f"{counted(epochs, 'epoch')}"
    )
    need_epochs(epochs, numbers)
    return abs(across.mean - within.mean) <= SIMILAR, numbers


def _everywhere(runs: Sequence[Run]) -> list[Verdict]:
    """Each run by itself; but runs of one kind only cannot show that it is so for all.

    Runs on all data show that only together with others on all data.
    """
    pairs = list(zip(runs, each_run("train", presence)(runs), strict=True))
    holding = [(run, verdict) for run, verdict in pairs if verdict.word == HOLDS]
    return [
        _of_several([r for r, _ in holding if r.is_sample <= run.is_sample], verdict)
        for run, verdict in pairs
    ]


def _of_several(showing: Sequence[Run], verdict: Verdict) -> Verdict:
    """The verdict, if it holds only where runs of several kinds show it."""
    networks = {run.network for run in showing}
    batches = {run.about.batch_size for run in showing} - {None}  # not known is not another
    if verdict.word != HOLDS or len(networks) > 1 or len(batches) > 1:
        return verdict
    batch = str(batches.pop()) if batches else "not known"
    why = f"only {networks.pop()}, batch {batch}: others are needed to tell 'every'"
    return replace(verdict, word=UNTOLD, why=why)


STD_WITHIN = Finding(
    key="accuracy_std_within",
    sentence="The standard deviation of accuracy is tiny within one architecture.",
    source="v1 sec. 3, fig. 2a",
    criterion=f"of a population, mean over {FEWEST_EPOCHS} epochs or more: {TINY_STD} or less. "
    f"{RECORDING_MATTERS}",
    needs="a run with two members or more of one network",
    check=each(_std_within, "train"),
)
STD_ACROSS = Finding(
    key="accuracy_std_across",
    sentence="The standard deviation of accuracy is large across architectures.",
    source="v1 sec. 3, fig. 2c",
    criterion=f"of a population of one mean accuracy per network, mean over "
    f"{FEWEST_EPOCHS} common epochs or more: {LARGE_STD} or more",
    needs="a run that mixes networks, or runs of different networks on the same data",
    check=each_group(_std_across),
    compares=NETWORK,
)
ACROSS = Finding(
    key="agreement_across_architectures",
    sentence="Agreement across architectures is similar to agreement within one.",
    source="v1 sec. 3, fig. 2c",
    criterion=f"mean agreement of pairs of members, over pairs and {FEWEST_EPOCHS} common epochs "
    f"or more: within {SIMILAR} of one another",
    needs="members of one network and of others, in a run or in runs on the same data",
    check=each_group(_across),
    compares=NETWORK,
)
EVERYWHERE = Finding(
    key="agreement_everywhere",
    sentence="Agreement is present for every batch size and architecture.",
    source="v1 sec. 3, fig. 8, 9",
    criterion=PRESENT_MEANS,
    needs="runs with different batch sizes or networks",
    check=_everywhere,
)
