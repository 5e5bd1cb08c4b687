"""What was seen of one split: all that findings ask of one run, in one pass over its epochs.

Only pairs of members of different networks, and runs, are counted elsewhere (`comparisons`).

Letters: E epochs, K members, N examples, R groups of members.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd
import xarray as xr

from jagree.study import agreement, curves
from jagree.study.epochs import Epoch, class_codes, walk
from jagree.study.groups import GROUPED, groups_of
from jagree.study.order import LearningOrder, OrderTally
from jagree.study.pairs import pair_counts
from jagree.study.tables import measures

ABOVE_GUESSING = 1.2  # times the share of the most frequent class: less is as good as guessed
TYPES = ("illumination", "rotation", "scale")  # columns of which curves per type are drawn


class CannotTellError(Exception):
    """Why something cannot be told, and the numbers that there are all the same."""

    def __init__(self, why: str, numbers: str = "") -> None:
        super().__init__(why)
        self.numbers = numbers


@dataclass(frozen=True)
class Observed:
    """One split of a run.

    Attributes
    ----------
    split : str
    networks : tuple of str
        Of the K members.
    examples : int
        N.
    most_frequent : float
        Share of the most frequent class, which who always guesses it gets right; the largest where
        members have labels of their own. With several labels per example a set of them is a class.
    epoch : int array [E]
        Epochs completed, from 1 on.
    measures : mapping of str to float array [E]
        Those of `jagree.study.agreement_table`, by name.
    accuracy : float array [E, K]
    both : int array [E, K, K]
        Examples that two members both get right; on the diagonal, that one does.
    union : int array [E]
        Examples that any member gets right.
    groups : mapping of str to mapping of str to float array [E, R]
        Network -> measure -> its value in each of R consecutive groups of five members.
    order : LearningOrder
        When each example is agreed on.
    metrics : mapping of str to float array [E]
        The paper's metric curve of each numeric column of the statistics.
    types : mapping of str to mapping of str to float array [E]
        Column -> type -> share of the type's examples that is agreed on.
    columns : pandas.DataFrame
        The statistics, a row per example; without columns where there are none.
    """

    split: str
    networks: tuple[str, ...]
    examples: int
    most_frequent: float
    epoch: np.ndarray
    measures: Mapping[str, np.ndarray]
    accuracy: np.ndarray
    both: np.ndarray
    union: np.ndarray
    groups: Mapping[str, Mapping[str, np.ndarray]]
    order: LearningOrder
    metrics: Mapping[str, np.ndarray]
    types: Mapping[str, Mapping[str, np.ndarray]]
    columns: pd.DataFrame

    def measure(self, name: str) -> np.ndarray:
        """One measure of agreement per epoch, float [E]; it takes two members at least."""
        if len(self.networks) < 2:
            raise CannotTellError("1 member: agreement takes two")
        return self.measures[name]

    @property
    def learned(self) -> float:
        """The accuracy from which on something has been learned."""
        return ABOVE_GUESSING * self.most_frequent

    def members(self, network: str) -> np.ndarray:
        """Positions of the members of a network."""
        return np.flatnonzero(np.array(self.networks) == network)


def observe(name: str, split: xr.Dataset, columns: pd.DataFrame) -> Observed:
    """Read one split of a record once, one epoch in memory at a time.

    Parameters
    ----------
    name : str
        Of the split.
    split : xarray.Dataset
        Of an open record, without the untrained epoch 0.
    columns : pandas.DataFrame
        Statistics of its examples, in its order.

    Raises
    ------
    CannotTellError
        If no epoch is recorded, or there is no example.
    """
    if split.sizes["epoch"] == 0:
        raise CannotTellError("no epoch is recorded yet")
    if split.sizes["example"] == 0:
        raise CannotTellError(f"the split '{name}' has no example")
    networks = tuple(str(n) for n in split["network"].values)
    classes = class_codes(split)
    tally = _Tally(networks, columns, classes)
    walk(split, tally)
    both = np.array(tally.both)
    return Observed(
        split=name,
        networks=networks,
        examples=split.sizes["example"],
        most_frequent=_most_frequent(classes),
        epoch=split["epoch"].values.astype(np.int64),
        measures=_stacked(tally.measures),
        accuracy=np.diagonal(both, axis1=1, axis2=2) / split.sizes["example"],
        both=both,
        union=np.array(tally.union),
        groups={n: _stacked(rows) for n, rows in tally.groups.items()},
        order=tally.order.result(),
        metrics=_stacked(tally.metrics),
        types={c: _stacked(rows) for c, rows in tally.types.items()},
        columns=columns,
    )


class _Tally:
    """Counts of each epoch, in the order in which they are added."""

    def __init__(
        self, networks: tuple[str, ...], columns: pd.DataFrame, classes: np.ndarray
    ) -> None:
        self.order = OrderTally()
        self.measures: list[dict[str, float]] = []
        self._classes = classes
        self.both: list[np.ndarray] = []
        self.union: list[int] = []
        self.groups: dict[str, list[dict[str, np.ndarray]]] = {}
        self.metrics: list[dict[str, np.ndarray]] = []
        self._groups = groups_of(networks)
        self.types: dict[str, list[dict[str, np.ndarray]]] = {}
        self._numbers = {
            str(name): values.to_numpy(np.float64)
            for name, values in columns.items()
            if values.dtype.kind in "iufb"
        }
        self._types = {name: columns[name].to_numpy() for name in TYPES if name in columns}

    def add(self, epoch: Epoch) -> None:
        """Count one epoch."""
        right, agreed = epoch.correct, epoch.agreed
        self.order.add(epoch.number, right)
        self.measures.append(measures(right, self._classes))
        self.both.append(pair_counts(right))
        self.union.append(int(right.any(0).sum()))
        for network, groups in self._groups.items():
            in_groups = np.stack([right[group] for group in groups])  # [R, 5, N]
            row = {name: getattr(agreement, name)(in_groups) for name in GROUPED}
            self.groups.setdefault(network, []).append(row)
        self.metrics.append(
            {name: curves.metric_curve(agreed, v) for name, v in self._numbers.items()}
        )
        for name, kind in self._types.items():
            self.types.setdefault(name, []).append(curves.type_curves(agreed, kind))


def _most_frequent(classes: np.ndarray) -> float:
    """Share of the most frequent class, of int [N] or [K, N]."""
    members = np.atleast_2d(classes)
    counts = [np.unique(member, return_counts=True)[1] for member in members]
    return float(max(count.max() for count in counts) / members.shape[1])


def _stacked(rows: Sequence[Mapping[str, np.ndarray | float]]) -> dict[str, np.ndarray]:
    """Epochs of values by name -> values of epochs by name."""
    return {name: np.array([row[name] for row in rows]) for name in (rows[0] if rows else ())}
