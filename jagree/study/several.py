"""Several runs on the same data as one study: tables that hold all of them.

Letters: K members, N examples.
"""

import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from itertools import combinations
from typing import Any

import numpy as np
import pandas as pd
import xarray as xr

from jagree.errors import UsageError
from jagree.study import tables
from jagree.study.across import AcrossTally
from jagree.study.epochs import Epoch, class_codes, sets_as_numbers
from jagree.study.opened import OpenRun, differing, open_several
from jagree.study.order import LearningTally
from jagree.study.ranks import RESAMPLES
from jagree.study.remarks import remarks, span
from jagree.study.same_data import DifferentDataError, check_same_data, same_labels
from jagree.study.tables import AgreementTally, MemberTally
from jagree.study.two_orders import compare_orders

__all__ = ["DifferentDataError", "OpenRun", "Several", "compare", "differing", "open_several"]


@dataclass(frozen=True)
class Several:
    """What `compare` finds. Fractions are 0 to 1.

    Attributes
    ----------
    runs : pandas.DataFrame
        A row per run: ``run``, the fields of the config that differ between the runs, ``path``,
        ``networks``, ``members``, ``epochs_recorded``, how training examples are ``judged``, and
        ``labels_changed``, the share of the training labels that are not the original ones.
    agreement, members : pandas.DataFrame
        `jagree.study.agreement_table` and `jagree.study.member_table` of each run, all its epochs,
        with ``run`` and the fields that differ in front.
    together : pandas.DataFrame
        Per split and common epoch: how many ``runs``, ``members`` and ``examples``; agreement of
        the networks of all runs together, its chance levels, and the other measures of who is
        right.
    across : pandas.DataFrame
        See `jagree.study.across.AcrossTally`; each field that differs is there for both runs.
    order : pandas.DataFrame
        Per split and pair of runs: `jagree.study.two_orders.TwoOrders` of when all networks of a
        run agree on an example for good, over the common epochs.
    notes : tuple of str
        What is to be known of the comparison, a sentence each.
    """

    runs: pd.DataFrame
    agreement: pd.DataFrame
    members: pd.DataFrame
    together: pd.DataFrame
    across: pd.DataFrame
    order: pd.DataFrame
    notes: tuple[str, ...]

    def tables(self) -> dict[str, pd.DataFrame]:
        """The tables by name."""
        return {k: v for k, v in vars(self).items() if isinstance(v, pd.DataFrame)}


def compare(runs: Sequence[OpenRun], *, resamples: int = RESAMPLES, seed: int = 0) -> Several:
    """Study runs on the same data together, with one epoch of all of them in memory at a time.

    Parameters
    ----------
    runs : sequence of OpenRun
        Two or more, as `open_several` gives them. They may differ in their labels (label noise):
        each network is right or wrong by the labels of its own run. They are joined on the splits
        and epochs that all of them recorded.
    resamples, seed : int
        Of every bootstrap.

    Raises
    ------
    DifferentDataError
        If their data or their rule of correctness differ (the message names what), or they have no
        split or no epoch in common.
    UsageError
        If these are fewer than two runs, or a record is damaged.
    """
    if len(runs) < 2:
        raise UsageError("a comparison takes two runs or more")
    splits = check_same_data({run.name: run.record for run in runs})
    epochs = _common_epochs(runs)
    joint = [_Joint(split, runs, epochs, resamples, seed) for split in splits]
    for split in joint:
        split.walk()
    fields = _fields(runs)
    first = pd.DataFrame({"run": [run.name for run in runs], **fields})
    return Several(
        runs=_runs_table(runs, first),
        agreement=_with_fields(
            {
                r.name: tables.joined([j.agreement[i].table() for j in joint])
                for i, r in enumerate(runs)
            },
            first,
        ),
        members=_with_fields(
            {
                r.name: tables.joined([j.members[i].table() for j in joint])
                for i, r in enumerate(runs)
            },
            first,
        ),
        together=pd.concat([pd.DataFrame(j.together) for j in joint], ignore_index=True),
        across=_for_both(tables.joined([j.across.table() for j in joint]), first),
        order=_for_both(tables.joined([j.order() for j in joint]), first),
        notes=tuple(remarks(runs, splits, epochs, fields)),
    )


class _Joint:
    """What counts in one split, of all runs."""

    def __init__(
        self,
        name: str,
        runs: Sequence[OpenRun],
        epochs: Sequence[int],
        resamples: int,
        seed: int,
    ) -> None:
        self._name, self._common = name, set(epochs)
        self._resamples, self._seed = resamples, seed
        self._names = [run.name for run in runs]
        self._splits = [run.record[name] for run in runs]
        self.agreement = [AgreementTally(name, split) for split in self._splits]
        self.members = [MemberTally(name, split) for split in self._splits]
        self.across = AcrossTally(
            name,
            self._names,
            [run.start for run in runs],
            last=max(epochs),
            resamples=resamples,
            seed=seed,
        )
        self.together: list[dict[str, object]] = []
        self._orders = [LearningTally() for _ in runs]
        self._shared = same_labels(self._splits)
        self._classes = _classes_of_members(self._splits, self._shared)

    def walk(self) -> None:
        """Show every epoch to all that counts."""
        recorded = [split["epoch"].values.tolist() for split in self._splits]
        for number in sorted(set().union(*recorded)):
            rights = []
            for run, split in enumerate(self._splits):
                if number not in recorded[run]:
                    continue
                epoch = Epoch(split, recorded[run].index(number))
                self.agreement[run].add(epoch)
                self.members[run].add(epoch)
                rights.append(epoch.correct)
            if number in self._common:
                self._count(number, rights)

    def _count(self, number: int, rights: Sequence[np.ndarray]) -> None:
        for order, right in zip(self._orders, rights, strict=True):
            agreed: np.ndarray = np.all(right, axis=0, keepdims=True)
            order.add(number, agreed)
        correct = np.concatenate(rights)
        self.across.add(number, correct)
        members, examples = correct.shape
        where = {"split": self._name, "epoch": number, "runs": len(rights)}
        sizes = {"members": members, "examples": examples}
        self.together.append(where | sizes | tables.measures(correct, self._classes))

    def order(self) -> pd.DataFrame:
        """A row per pair of runs."""
        since = [order.result().learned_for_good[0] for order in self._orders]
        classes = class_codes(self._splits[0]) if self._shared else _true(self._splits[0])
        rows = []
        for i, j in combinations(range(len(since)), 2):
            found = compare_orders(
                since[i], since[j], classes, resamples=self._resamples, seed=self._seed
            )
            where = {"run_1": self._names[i], "run_2": self._names[j], "split": self._name}
            rows.append(where | {"examples": len(since[i])} | asdict(found))
        return pd.DataFrame(rows)


def _true(split: xr.Dataset) -> np.ndarray:
    """The original class of each example, int [N]."""
    label = split["true_label"].values
    return sets_as_numbers(label) if label.ndim == 2 else label


def _classes_of_members(splits: Sequence[xr.Dataset], shared: bool) -> np.ndarray:
    """The class that each member is judged by: int [N], or [K, N] where labels differ."""
    if shared:
        return class_codes(splits[0])
    each = [class_codes(split) for split in splits]
    rows = [
        np.broadcast_to(codes, (split.sizes["member"], codes.shape[-1]))
        for codes, split in zip(each, splits, strict=True)
    ]
    return np.concatenate(rows)


def _common_epochs(runs: Sequence[OpenRun]) -> list[int]:
    common = sorted(set.intersection(*(set(run.epochs) for run in runs)))
    if not common:
        told = "; ".join(f"{run.name}: {span(run.epochs)}" for run in runs)
        raise DifferentDataError(
            f"the runs have recorded no epoch in common ({told}); train them further, or leave one "
            "of them out"
        )
    return common


def _fields(runs: Sequence[OpenRun]) -> dict[str, list[Any]]:
    """What the runs differ in: the network as the record tells it, and fields of the config."""
    networks = [run.network for run in runs]
    found: dict[str, list[Any]] = {"network": networks} if len(set(networks)) > 1 else {}
    found |= differing([run.config for run in runs])
    seeds = [run.seed for run in runs]
    if "seed" not in found and len(set(seeds)) > 1:  # of records without a config
        found["seed"] = seeds
    return {name: [_plain(value) for value in values] for name, values in found.items()}


def _plain(value: Any) -> Any:
    """A value as a table holds it."""
    return json.dumps(value) if isinstance(value, (list, tuple, dict)) else value


def _runs_table(runs: Sequence[OpenRun], first: pd.DataFrame) -> pd.DataFrame:
    facts = [
        {
            "path": str(run.path),
            "networks": run.network,
            "members": len(run.networks),
            "epochs_recorded": run.epochs[-1],
            "judged": run.judged,
            "labels_changed": run.labels_changed,
        }
        for run in runs
    ]
    return pd.concat([first, pd.DataFrame(facts)], axis=1)


def _with_fields(by_run: Mapping[str, pd.DataFrame], first: pd.DataFrame) -> pd.DataFrame:
    """Tables of runs below each other, with what the runs differ in in front."""
    every = pd.concat([table.assign(run=name) for name, table in by_run.items()])
    # What is told of each member need not be told of its run.
    fields = first[["run", *(c for c in first if c not in every)]]
    columns = [*fields, *(c for c in every if c != "run")]
    return every.merge(fields, on="run", how="left")[columns].reset_index(drop=True)


def _for_both(table: pd.DataFrame, first: pd.DataFrame) -> pd.DataFrame:
    """A table of pairs of runs, with what these differ in behind their names."""
    fields = first.set_index("run")
    found = table[["run_1", "run_2"]].copy()
    for name in fields:
        for number in ("1", "2"):
            found[f"{name}_{number}"] = table[f"run_{number}"].map(fields[name])
    return pd.concat([found, table.drop(columns=["run_1", "run_2"])], axis=1)
