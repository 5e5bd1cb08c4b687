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
from jagree.study.intervention import effect_table, response_table
from jagree.study.moves import move_table
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
    effects, responses : pandas.DataFrame
        See `jagree.study.intervention`; empty where no column of the statistics is assigned, that
        is, has the attribute of this name at 1.
    moves : pandas.DataFrame
        See `jagree.study.moves`: what image statistics alone would have suggested; empty as well.
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
    effects: pd.DataFrame
    responses: pd.DataFrame
    moves: pd.DataFrame
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
    correlations = [s.correlations() for s in every]
    effects = [s.effects() for s in every]
    moves = [s.moves(*two) for s, *two in zip(every, correlations, effects, strict=True)]
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
        correlations=joined(correlations),
        effects=joined(effects),
        responses=joined([s.responses() for s in every]),
        moves=joined(moves),
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
        return correlation_table(
            self._name,
            numbers(self._columns),
            self._units,
            history=self._history,
            agreement=self.agreement.table(),
            learned=self._examples.agreed_for_good,
            classes=common_classes(self.split),
            resamples=self._resamples,
            seed=self._seed,
        )

    def effects(self) -> pd.DataFrame:
        """Those of this split; no row where nothing is assigned."""
        return effect_table(
            self._name,
            self._factors,
            self._units,
            self._examples.agreed_for_good,
            common_classes(self.split),
            self._last_epoch,
            resamples=self._resamples,
            seed=self._seed,
        )

    def responses(self) -> pd.DataFrame:
        """Those of this split; no row where nothing is assigned."""
        learned = self._examples.agreed_for_good
        return response_table(self._name, self._factors, self._units, learned, self._last_epoch)

    def moves(self, correlations: pd.DataFrame, effects: pd.DataFrame) -> pd.DataFrame:
        """Those of this split, given its other tables; no row where nothing is assigned."""
        return move_table(
            self._name,
            self._factors,
            numbers(self._columns),
            self._examples.agreed_for_good,
            common_classes(self.split),
            self._last_epoch,
            correlations=correlations,
            found=effects,
            resamples=self._resamples,
            seed=self._seed,
        )

    @property
    def _units(self) -> dict[str, str]:
        known = {} if self._statistics is None else self._statistics
        return {str(name): str(v.attrs.get("units", "")) for name, v in known.items()}

    @property
    def _factors(self) -> dict[str, np.ndarray]:
        """Columns that are assigned; tables written before there was the attribute have none."""
        known = {} if self._statistics is None else self._statistics
        return {
            name: value
            for name, value in numbers(self._columns).items()
            if known[name].attrs.get("assigned", 0)
        }

    @property
    def _last_epoch(self) -> int:
        return int(self.split["epoch"].values[-1])


def common_classes(split: xr.Dataset) -> np.ndarray:
    """The class of each example, int [N]; the original one where members have labels of their own.

    As `jagree.study.epochs.class_codes` otherwise.
    """
    if "member" not in split["label"].dims:
        return class_codes(split)
    true = split["true_label"].values
    return sets_as_numbers(true) if true.ndim == 2 else true
