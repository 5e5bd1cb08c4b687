"""One pass over the recorded epochs of a split, whoever counts what.

Letters: E epochs, K members, N examples, C classes.
"""

from collections.abc import Sequence
from functools import cached_property
from typing import Protocol

import numpy as np
import xarray as xr

from jagree.errors import UsageError
from jagree.record import judged, losses, predictions, values


class Epoch:
    """One recorded epoch of one split; each of its arrays is read when it is first asked for.

    Parameters
    ----------
    split : xarray.Dataset
        One split of `jagree.record.open_record`.
    position : int
        0 for the first recorded epoch.
    """

    def __init__(self, split: xr.Dataset, position: int) -> None:
        self.split = split
        self.position = position
        self.number = int(split["epoch"].values[position])  # of epochs completed

    @cached_property
    def prediction(self) -> np.ndarray:
        """What each member predicts, as recorded: int [K, N], or [K, N, C] for several labels."""
        return predictions(self.split, self.position)

    @cached_property
    def answer(self) -> np.ndarray:
        """A number for each member's prediction, int [K, N]; negative if it is not finite.

        The class; with several labels equal sets of labels have equal numbers within the epoch.
        """
        return sets_as_numbers(self.prediction) if self.prediction.ndim == 3 else self.prediction

    @cached_property
    def correct(self) -> np.ndarray:
        """Which examples each member gets right: bool [K, N]."""
        return judged(self.split, self.prediction)

    @cached_property
    def agreed(self) -> np.ndarray:
        """Which examples all members get right: bool [N]."""
        agreed: np.ndarray = np.all(self.correct, axis=0)
        return agreed

    @property
    def loss(self) -> np.ndarray:
        """Training loss of each member, float [K]; nan where there is none, as in other splits."""
        if "loss" in self.split:
            return losses(self.split, self.position)
        return np.full(self.split.sizes["member"], np.nan)

    def values(self, name: str) -> np.ndarray:
        """``log_prob``, ``margin`` or ``sum_sq_other`` of each member: float16 [K, N]."""
        return values(self.split, name, self.position)


class Tally(Protocol):
    """What counts something over epochs."""

    def add(self, epoch: Epoch) -> None:
        """Count an epoch; they come in ascending order."""


def walk(split: xr.Dataset, *tallies: Tally) -> None:
    """Show every recorded epoch to all tallies, one epoch in memory at a time."""
    for position in range(split.sizes["epoch"]):
        epoch = Epoch(split, position)
        for tally in tallies:
            tally.add(epoch)


def sets_as_numbers(labels: np.ndarray) -> np.ndarray:
    """A number for each set of labels: int [...] of int or bool [..., C]; -1 if any is below 0.

    Equal sets have equal numbers, in no particular order.
    """
    rows = labels.reshape(-1, labels.shape[-1])
    if not len(rows):
        return np.zeros(labels.shape[:-1], np.int64)
    packed = np.packbits(rows > 0, axis=-1)
    whole = np.ascontiguousarray(packed).view(np.dtype((np.void, packed.shape[-1])))[:, 0]
    numbers = np.unique(whole, return_inverse=True)[1]
    found: np.ndarray = np.where((rows < 0).any(-1), -1, numbers).reshape(labels.shape[:-1])
    return found


def class_codes(split: xr.Dataset) -> np.ndarray:
    """The class that each example is judged by, as a number.

    Parameters
    ----------
    split : xarray.Dataset
        One split of `jagree.record.open_record`.

    Returns
    -------
    int array [N], or [K, N] where members were trained on labels of their own
        The label trained on; with several labels per example each set of labels is a class,
        numbered in no particular order. No example: none.
    """
    label = split["label"].values
    return sets_as_numbers(label) if "class" in split["label"].dims else label


def without(split: xr.Dataset, leave_out: Sequence[int]) -> xr.Dataset:
    """The split without some members.

    Raises
    ------
    UsageError
        If one of them does not exist, or none remains.
    """
    members = split["member"].values
    unknown = sorted(set(leave_out) - set(members.tolist()))
    if unknown:
        raise UsageError(
            f"cannot leave out member {unknown[0]}: the record has the members "
            f"{members.min()} to {members.max()}"
        )
    keep = ~np.isin(members, list(leave_out))
    if not keep.any():
        raise UsageError(f"all {len(members)} members are left out; leave at least one in")
    return split if keep.all() else split.isel(member=np.flatnonzero(keep))
