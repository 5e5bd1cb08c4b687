"""Members that were recorded one by one, put together into one record."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import xarray as xr

from jagree.errors import UsageError
from jagree.paths import as_path, make_folder
from jagree.record.reader import open_record, values
from jagree.record.writer import RecordWriter


@dataclass(frozen=True)
class SplitDescription:
    """What a record keeps of a split, without its images; see `jagree.record.writer.Examples`.

    Attributes
    ----------
    id : str array [N]
    label, true_label : int array [N], or bool array [N, C]
    class_names : tuple of str
    fingerprint : str
    """

    id: np.ndarray
    label: np.ndarray
    true_label: np.ndarray
    class_names: tuple[str, ...]
    fingerprint: str


def join_records(path: str | Path, runs: Sequence[str | Path]) -> None:
    """Put members that were recorded one by one into one record.

    Parameters
    ----------
    path : path
        The run folder of the new record; must hold none.
    runs : sequence of path
        Run folders, of the same data, labels and epochs. Their members follow each other.

    Raises
    ------
    UsageError
        If the runs differ in what must be the same, naming it.
    """
    records = [open_record(as_path(run) / "record.zarr") for run in runs]
    if not records:
        raise UsageError("name the runs to join")
    first = records[0]
    for run, record in zip(runs[1:], records[1:], strict=True):
        _check_joins(first, record, str(runs[0]), str(run))
    place = as_path(path) / "record.zarr"
    splits = {name: _recorded(split) for name, split in first.items()}
    some = next(iter(first.values()))
    make_folder(as_path(path))
    writer = RecordWriter.create(
        place,
        splits,
        networks=[str(n) for r in records for n in next(iter(r.values()))["network"].values],
        seed=int(some["seed"].values[0]),
        correctness=some.attrs["correctness"],
        recording={name: split.attrs["recording"] for name, split in first.items()},
        data=some.attrs["data"],
        with_loss=all("loss" in r["train"] for r in records) if "train" in first else False,
    )
    for position, epoch in enumerate(some["epoch"].values):
        fields = {
            name: {
                variable: np.concatenate([values(r[name], variable, position) for r in records])
                for variable in writer.variables(name)
            }
            for name in first
        }
        writer.append(int(epoch), fields)


def _check_joins(
    one: dict[str, xr.Dataset], other: dict[str, xr.Dataset], first: str, name: str
) -> None:
    if set(one) != set(other):
        raise UsageError(
            f"'{first}' and '{name}' have different splits: {sorted(one)}, {sorted(other)}"
        )
    for split in one:
        for what in ("fingerprint", "correctness", "recording", "class_names"):
            if one[split].attrs[what] != other[split].attrs[what]:
                raise UsageError(
                    f"'{first}' and '{name}' differ in {what} of '{split}': "
                    f"{one[split].attrs[what]}, {other[split].attrs[what]}"
                )
        for what in ("epoch", "label"):
            if not np.array_equal(one[split][what].values, other[split][what].values):
                raise UsageError(f"'{first}' and '{name}' differ in {what} of '{split}'")


def _recorded(split: xr.Dataset) -> SplitDescription:
    """What a record keeps of a split, from a record."""

    def label(name: str) -> np.ndarray:
        values = split[name].values
        if "member" in split[name].dims:
            raise UsageError("members with labels of their own cannot be joined")
        found: np.ndarray = values.astype(bool if "class" in split[name].dims else np.int32)
        return found

    names = tuple(split.attrs["class_names"])
    ids = np.array(split["id"].values.tolist(), dtype=str)
    fingerprint = str(split.attrs["fingerprint"])
    return SplitDescription(ids, label("label"), label("true_label"), names, fingerprint)
