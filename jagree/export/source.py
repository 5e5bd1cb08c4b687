"""What is exported: a split of a record, with the members that are asked for.

Letters: K members, N examples, C classes.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import xarray as xr

from jagree.errors import UsageError
from jagree.paths import as_path
from jagree.record import open_record
from jagree.study.epochs import Epoch, without


@dataclass(frozen=True)
class Source:
    """A split of a run's record.

    Attributes
    ----------
    run : str
        The run folder, as it was named.
    split : xarray.Dataset
        With the members that are asked for; an epoch at least, and one label per example.
    """

    run: str
    split: xr.Dataset

    @property
    def members(self) -> list[int]:
        """Numbers of the members."""
        return [int(k) for k in self.split["member"].values]

    @property
    def epochs(self) -> list[int]:
        """The recorded epochs: numbers of epochs completed."""
        return [int(e) for e in self.split["epoch"].values]

    @property
    def class_names(self) -> list[str]:
        """One name per class."""
        return [str(name) for name in self.split.attrs["class_names"]]

    @property
    def ids(self) -> np.ndarray:
        """Names of the examples: str [N], never objects."""
        return np.array(self.split["id"].values.tolist(), dtype=str)

    @property
    def labels(self) -> np.ndarray:
        """What each member was trained on: int [K, N]."""
        label = self.split["label"].values.astype(np.int64)
        return np.broadcast_to(label, (len(self.members), label.shape[-1]))

    @property
    def common_labels(self) -> np.ndarray:
        """What all members were trained on: int [N].

        Raises
        ------
        UsageError
            If their labels differ.
        """
        labels = self.labels
        if (labels != labels[0]).any():
            raise UsageError(
                "the members were trained on labels of their own, of which no mean can be taken; "
                f"export one at a time, such as --members {self.members[0]}"
            )
        first: np.ndarray = labels[0]
        return first

    def epoch(self, number: int | None) -> Epoch:
        """The recorded epoch of that number; None: the last one.

        Raises
        ------
        UsageError
            If it is not recorded.
        """
        numbers = self.epochs
        if number is None:
            return Epoch(self.split, len(numbers) - 1)
        if number not in numbers:
            raise UsageError(
                f"epoch {number} is not recorded; recorded are {len(numbers)} epochs from "
                f"{numbers[0]} to {numbers[-1]}"
            )
        return Epoch(self.split, numbers.index(number))


def open_source(run: str, split: str, members: Sequence[int] | None) -> Source:
    """The split of a run's record that is to be exported.

    Parameters
    ----------
    run : path
        The run folder, or its URL.
    split : str
    members : sequence of int, optional
        Numbers of the members; default all.

    Raises
    ------
    UsageError
        If there is no such record, split or member, no epoch or no example is recorded, or
        examples have any number of labels, for which none of the formats has a place.
    """
    record = open_record(as_path(run) / "record.zarr")
    if split not in record:
        raise UsageError(f"the record of '{run}' has no split '{split}'; it has {sorted(record)}")
    chosen = record[split]
    if chosen.attrs["correctness"] != "single_label":
        raise UsageError(
            f"the examples of '{run}' have any number of labels; these formats have a place for "
            "one label per example only"
        )
    if members is not None:
        there = chosen["member"].values.tolist()
        unknown = sorted(set(members) - set(there))
        if unknown:
            raise UsageError(
                f"there is no member {unknown[0]}: the record has the members {there[0]} to "
                f"{there[-1]}"
            )
        chosen = without(chosen, sorted(set(there) - set(members)))
    if not chosen.sizes["epoch"]:
        raise UsageError(f"the record of '{run}' has no epoch yet; train for one at least")
    if not chosen.sizes["example"]:
        raise UsageError(f"the split '{split}' of '{run}' has no examples")
    return Source(str(run), chosen)


def told(epoch: Epoch, *names: str) -> dict[str, np.ndarray]:
    """Variables of an epoch that an export is made of: float64 [K, N], nan where not finite.

    Raises
    ------
    UsageError
        If the record lacks one, as one that was told of predicted classes alone.
    """
    split = epoch.split
    lacking = [name for name in names if name not in split]
    if not lacking:
        found = {name: epoch.values(name).astype(np.float64) for name in names}
        lacking = [n for n in names if (np.isnan(found[n]) & (epoch.prediction >= 0)).any()]
    if lacking:
        raise UsageError(
            f"the record lacks {' and '.join(lacking)} in epoch {epoch.number}, of which this "
            "format is made: record scores in place of predicted classes (docs/record.md), or "
            "export to error_consistency, which needs the predicted classes alone"
        )
    return found


def refuse_not_finite(epoch: Epoch) -> None:
    """Raise a UsageError if a member's output is not finite for any example of the epoch."""
    member, example = (found[:1] for found in np.nonzero(epoch.prediction < 0))
    if member.size:
        split = epoch.split
        number, name = (
            split["member"].values[member[0]],
            split["id"].values[example[0]],
        )
        raise UsageError(
            f"the output of member {number} is not finite in epoch {epoch.number} (first for "
            f"'{name}'), which this format cannot say; name the other members by --members"
        )
