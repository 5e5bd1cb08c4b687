"""All that is asked of a run's record, read once: the tables of every split."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd
import xarray as xr

from jagree.errors import UsageError
from jagree.study.agreed import AgreedTally, numbers
from jagree.study.bootstrap import IntervalTally
from jagree.study.correlation import correlation_table
from jagree.study.epochs import class_codes, sets_as_numbers, walk, without
from jagree.study.examples import ExampleTally
from jagree.study.groups import GroupTally, PairTally
from jagree.study.history import HistoryTally
from jagree.study.ranks import RESAMPLES
from jagree.study.statistics import with_statistics
from jagree.study.tables import AgreementTally, MemberTally, joined, train_first


@dataclass(frozen=True)
class Study:
    """Tables of a whole record, the training split first in each.

    Attributes
    ----------
    agreement, members : pandas.DataFrame
        See `jagree.study.agreement_table` and `jagree.study.member_table`.
    intervals : pandas.DataFrame
        See `jagree.study.bootstrap.IntervalTally`.
    pairs, groups : pandas.DataFrame
        See `jagree.study.groups`.
    curves, types, classes, right_counts : pandas.DataFrame
        See `jagree.study.agreed.AgreedTally`; the first two are empty without statistics.
    correlations : pandas.DataFrame
        See `jagree.study.correlation.correlation_table`; empty without statistics.
    examples : mapping of str to pandas.DataFrame
        Of each split: `jagree.study.example_table`, and its statistics where there are any.
    """

    agreement: pd.DataFrame
    members: pd.DataFrame
    intervals: pd.DataFrame
    pairs: pd.DataFrame
    groups: pd.DataFrame
    curves: pd.DataFrame
    types: pd.DataFrame
    classes: pd.DataFrame
    right_counts: pd.DataFrame
    correlations: pd.DataFrame
    examples: Mapping[str, pd.DataFrame]


def study_record(
    record: Mapping[str, xr.Dataset],
    statistics: Mapping[str, xr.Dataset],
    *,
    leave_out: Sequence[int] = (),
    resamples: int = RESAMPLES,
    seed: int = 0,
) -> Study:
    """Read a record once, one epoch in memory at a time, and measure everything.

    Parameters
    ----------
    record : mapping of str to xarray.Dataset
        As `jagree.record.open_record` gives it.
    statistics : mapping of str to xarray.Dataset
        Of the splits that have any, as `jagree.statistics.table.open_tables` gives them.
    leave_out : sequence of int
        Members to leave out, by number.
    resamples, seed : int
        Of every bootstrap.

    Raises
    ------
    UsageError
        If no epoch is recorded, a member to leave out does not exist, or none remains; if an
        example has no statistics in a split that has some.
    """
    splits = {
        name: _Split(name, without(record[name], leave_out), statistics.get(name), resamples, seed)
        for name in sorted(record, key=train_first)
    }
    for split in splits.values():
        walk(split.split, *split.tallies)
    every = list(splits.values())
    return Study(
        agreement=joined([s.agreement.table() for s in every]),
        members=joined([s.members.table() for s in every]),
        intervals=joined([s.intervals.table() for s in every]),
        pairs=joined([s.pairs.table() for s in every]),
        groups=joined([s.groups.table() for s in every]),
        curves=joined([s.agreed.curves() for s in every]),
        types=joined([s.agreed.types() for s in every]),
        classes=joined([s.agreed.classes() for s in every]),
        right_counts=joined([s.agreed.right_counts() for s in every]),
        correlations=joined([s.correlations() for s in every]),
        examples={name: split.example_table() for name, split in splits.items()},
    )


class _Split:
    """What counts in one split."""

    def __init__(
        self,
        name: str,
        split: xr.Dataset,
        statistics: xr.Dataset | None,
        resamples: int,
        seed: int,
    ) -> None:
        if split.sizes["epoch"] == 0:
            raise UsageError(
                "the record has no epoch yet, so nothing can be said about it; "
                "train for at least one epoch first"
            )
        self.split = split
        self._name = name
        self._statistics = statistics
        self._resamples, self._seed = resamples, seed
        ids = pd.DataFrame({"id": split["id"].values.astype(object)})
        self._columns = (
            pd.DataFrame() if statistics is None else with_statistics(ids, statistics).iloc[:, 1:]
        )
        self.agreement = AgreementTally(name, split)
        self.members = MemberTally(name, split)
        self.intervals = IntervalTally(name, resamples=resamples, seed=seed)
        self.pairs = PairTally(name, split)
        self.groups = GroupTally(name, split)
        self.agreed = AgreedTally(name, split, self._columns)
        self._history = HistoryTally()
        self._examples = ExampleTally(split)
        self.tallies = (
            self.agreement,
            self.members,
            self.intervals,
            self.pairs,
            self.groups,
            self.agreed,
            self._history,
            self._examples,
        )

    def example_table(self) -> pd.DataFrame:
        """The table of examples, with their statistics."""
        return pd.concat([self._examples.table(), self._columns], axis=1)

    def correlations(self) -> pd.DataFrame:
        """Those of this split; no row without statistics."""
        units = {}
        if self._statistics is not None:
            units = {str(k): str(v.attrs.get("units", "")) for k, v in self._statistics.items()}
        return correlation_table(
            self._name,
            numbers(self._columns),
            units,
            history=self._history,
            agreement=self.agreement.table(),
            learned=self._examples.agreed_for_good,
            classes=common_classes(self.split),
            resamples=self._resamples,
            seed=self._seed,
        )


def common_classes(split: xr.Dataset) -> np.ndarray:
    """The class of each example, int [N]; the original one where members have labels of their own.

    As `jagree.study.epochs.class_codes` otherwise.
    """
    if "member" not in split["label"].dims:
        return class_codes(split)
    true = split["true_label"].values
    return sets_as_numbers(true) if true.ndim == 2 else true
