"""Run folders opened for a comparison, and what their configs differ in."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import xarray as xr

from jagree.config import MAY_CHANGE, flatten
from jagree.errors import UsageError
from jagree.record import open_record
from jagree.runfolder import RunFolder
from jagree.study.epochs import without
from jagree.study.named import named
from jagree.study.tables import ALL_MEASURES, train_first

# Columns of the tables, which a field of the config of the same name must not hide.
_TAKEN = {"run", "split", "epoch", "members", "examples", "member", "loss", "accuracy", "path"}
_TAKEN |= {"networks", "epochs_recorded", "judged", "labels_changed"} | set(ALL_MEASURES)
_NAMELESS = ("name", "network")  # the run has another name, the record tells the networks
JUDGED = {"epoch_end": "after the epoch", "online": "online"}


@dataclass(frozen=True, eq=False)
class OpenRun:
    """One run, opened for reading.

    Attributes
    ----------
    name : str
        By which it is told from the others.
    path : Path
        The folder.
    record : mapping of str to xarray.Dataset
        Per split, as `jagree.record.open_record` gives it, without members that are left out.
    config : mapping of str to value
        Every field of its config, flattened; empty if there is no run.json.
    """

    name: str
    path: Path
    record: Mapping[str, xr.Dataset]
    config: Mapping[str, Any] = field(default_factory=dict)

    @property
    def networks(self) -> list[str]:
        """Name of each member's network."""
        return [str(n) for n in self._some["network"].values]

    @property
    def network(self) -> str:
        """Name of the network, or of all of them joined by " + "."""
        return " + ".join(dict.fromkeys(self.networks))

    @property
    def seed(self) -> int:
        """The run's, as recorded."""
        return int(self._some["seed"].values[0])

    @property
    def start(self) -> list[tuple[object, ...]]:
        """What each member's first weights and the order of its examples follow from.

        Of a run by another program that is not known, and no member of another run has the same.
        """
        seed = self.seed if self.config else self.name
        numbers = self._some["member"].values.tolist()
        return [(seed, *one) for one in zip(numbers, self.networks, strict=True)]

    @property
    def judged(self) -> str:
        """How training examples are judged; "" if they are not."""
        if "train" not in self.record:
            return ""
        recording = str(self.record["train"].attrs["recording"])
        return JUDGED.get(recording, recording)

    @property
    def labels_changed(self) -> float:
        """Share of the training labels that are not the original ones; nan without any."""
        if "train" not in self.record or not self.record["train"].sizes["example"]:
            return float("nan")
        label, true = (self.record["train"][name].values for name in ("label", "true_label"))
        changed = label != true
        return float((changed.any(-1) if true.ndim == 2 else changed).mean())

    @property
    def epochs(self) -> list[int]:
        """Those recorded, in ascending order."""
        return [int(e) for e in self._some["epoch"].values]

    @property
    def _some(self) -> xr.Dataset:
        """A split; what is asked of it is the same in all."""
        return next(iter(self.record.values()))


def open_several(
    paths: Sequence[str | Path], leave_out: Sequence[int] | None = None
) -> list[OpenRun]:
    """Open run folders, each once, for `compare`.

    Parameters
    ----------
    paths : sequence of path
        Folders that hold ``record.zarr``, or their URLs; a run.json beside it says what the runs
        differ in.
    leave_out : sequence of int, optional
        Members to do without, in every run; by default what each run's config says.

    Raises
    ------
    UsageError
        If a record cannot be read or holds no epoch, a run.json is damaged, or a member to leave
        out does not exist.
    """
    return [_open(name, path, leave_out) for name, path in named(paths).items()]


def _open(name: str, path: Path, leave_out: Sequence[int] | None) -> OpenRun:
    record = open_record(path / "record.zarr")
    if not any(split.sizes["epoch"] for split in record.values()):
        raise UsageError(f"the record in '{path}' has no epoch yet; train for at least one first")
    config: dict[str, Any] = {}
    if (path / "run.json").exists():
        from jagree.configs import default

        own = RunFolder(path).about.get("config", {})
        config = flatten(default.get_config()) | flatten(own)
    if leave_out is None:
        leave_out = config.get("study.leave_out", ())
    splits = sorted(record, key=train_first)
    return OpenRun(name, path, {s: without(record[s], leave_out) for s in splits}, config)


def differing(configs: Sequence[Mapping[str, Any]]) -> dict[str, list[Any]]:
    """The fields that configs differ in, with the value that each has.

    Parameters
    ----------
    configs : sequence of mapping
        Flattened, as `jagree.config.flatten` gives them; an empty one is not known and has None
        throughout.

    Returns
    -------
    dict of str to list
        A field is called by its last part where only one that differs has that. Fields that say how
        a run is done, not what (`jagree.config.MAY_CHANGE`), and names of experiments are left out.

    Examples
    --------
    >>> differing([{"seed": 0, "data.label_noise": 0.0}, {"seed": 0, "data.label_noise": 0.2}])
    {'label_noise': [0.0, 0.2]}
    """
    known = [config for config in configs if config]
    fields = list(dict.fromkeys(field for config in known for field in config))
    different = [
        field
        for field in fields
        if field not in _NAMELESS
        and not field.startswith(MAY_CHANGE)
        and any(config.get(field) != known[0].get(field) for config in known)
    ]
    last = [field.rpartition(".")[2] for field in different]
    found = {}
    for name, end in zip(different, last, strict=True):
        short = end if last.count(end) == 1 and end not in (*_TAKEN, *_NAMELESS) else name
        column = f"config.{short}" if short in _TAKEN else short
        found[column] = [config.get(name) for config in configs]
    return found
