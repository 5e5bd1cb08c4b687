"""Writing a record: epoch by epoch, each committed by a pointer that is written last."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Protocol

import numpy as np
import zarr
from zarr.codecs import ZstdCodec

from jagree.errors import UsageError
from jagree.paths import as_path, is_remote, remove_folder, store
from jagree.record import schema
from jagree.record.correctness import RULES
from jagree.record.reader import committed_epochs


class Examples(Protocol):
    """What the record keeps of a split; `jagree.data.split.Split` is one."""

    @property
    def id(self) -> np.ndarray:
        """Unique names, str [N]."""

    @property
    def label(self) -> np.ndarray:
        """Trained on: int [N], int [K, N] where members differ, or bool [N, C] (multi-label)."""

    @property
    def true_label(self) -> np.ndarray:
        """The original label: int [N] or bool [N, C]."""

    @property
    def class_names(self) -> tuple[str, ...]:
        """One name per class."""

    @property
    def fingerprint(self) -> str:
        """Equal exactly where the data is."""


class RecordWriter:
    """Appends epochs to the record at `path`; see `create` for a new one.

    Opening repairs what a killed process left: everything behind the last committed epoch is cut.

    Raises
    ------
    UsageError
        If `path` is no record, or of a newer schema.
    """

    def __init__(self, path: str | Path) -> None:
        self.path = as_path(path)
        self._root = zarr.open_group(store(path), mode="r+")
        self._epochs = committed_epochs(self._root, path)
        if not is_remote(self.path):
            for debris in self.path.rglob("*.partial"):  # writes that a kill cut short
                debris.unlink()
        self._cut()

    @classmethod
    def create(
        cls,
        path: str | Path,
        splits: Mapping[str, Examples],
        *,
        networks: Sequence[str],
        seed: int,
        correctness: str,
        recording: Mapping[str, str],
        data: str,
        with_loss: bool = True,
    ) -> "RecordWriter":
        """Make an empty record.

        Parameters
        ----------
        path : path
            Must not hold a record yet.
        splits : mapping of str to Examples
            The splits that every epoch will record.
        networks : sequence of str
            Name of each member's network; its length is K.
        seed : int
            The run's seed, of which all members' streams are made.
        correctness : {"single_label", "exact_match"}
            Rule by which a prediction is right.
        recording : mapping of str to {"epoch_end", "online"}
            Per split, how its predictions come about.
        data : str
            Name of the data source.
        with_loss : bool
            Whether the training split has each epoch's training loss.
        """
        if correctness not in RULES:
            raise ValueError(f"unknown correctness rule '{correctness}'; known: {sorted(RULES)}")
        most = np.iinfo(np.int16).max
        for name, examples in splits.items():
            if len(examples.class_names) > most:
                raise UsageError(
                    f"'{name}' has {len(examples.class_names):,} classes, of which a record can "
                    f"tell {most:,} apart; choose data with fewer"
                )
        place = as_path(path)
        if place.exists():
            if not is_debris(place):
                raise UsageError(f"'{path}' exists already; nothing was changed")
            remove_folder(place)
        root = zarr.create_group(
            store(path), attributes={"schema": schema.NAME, "schema_version": schema.VERSION}
        )
        for name, examples in splits.items():
            attributes = {
                "split": name,
                "data": data,
                "fingerprint": examples.fingerprint,
                "class_names": list(examples.class_names),
                "correctness": correctness,
                "recording": recording[name],
                "coordinates": schema.COORDINATES,
            }
            group = root.create_group(name, attributes=attributes)
            _create_coordinates(group, examples, networks, seed)
            _create_variables(
                group, examples, len(networks), with_loss=with_loss and name == "train"
            )
        root.update_attributes({schema.COMMITTED: 0})  # last: without it the store is debris
        return cls(path)

    @property
    def epochs(self) -> list[int]:
        """The committed epochs, ascending (epoch = number of epochs completed)."""
        group = next(iter(self._root.groups()))[1]
        return [int(e) for e in np.asarray(group["epoch"])]

    def check_same_data(self, splits: Mapping[str, Examples]) -> None:
        """Raise a UsageError unless the record is of exactly these splits."""
        for name, examples in splits.items():
            recorded = self._root[name].attrs["fingerprint"]
            if recorded != examples.fingerprint:
                raise UsageError(
                    f"the '{name}' data differs from what '{self.path}' was recorded on "
                    f"(fingerprint {examples.fingerprint[:12]}, recorded {str(recorded)[:12]}); "
                    "use the same data or another --workdir"
                )

    def append(self, epoch: int, fields: Mapping[str, Mapping[str, np.ndarray]]) -> None:
        """Record one epoch of all splits, or nothing.

        Parameters
        ----------
        epoch : int
            Number of epochs completed; must be greater than all recorded ones.
        fields : mapping of split to mapping of variable to array
            Arrays [K, N], [K, N, C] for a multi-label prediction, [K] for the loss.

        Raises
        ------
        ValueError
            If a variable is missing, unknown or of another shape, or the epoch is not a new one.
        OSError
            If the disk is full, for one; the committed epochs stay as they were.
        """
        if self.epochs and epoch <= self.epochs[-1]:
            raise ValueError(f"epoch {epoch} is not after epoch {self.epochs[-1]}, the last one")
        stored = {name: self._to_stored(name, fields[name]) for name in self._splits()}
        length = self._epochs + 1
        for name, values in stored.items():
            for variable, value in {**values, "epoch": np.int32(epoch)}.items():
                # The chunks are written through a handle that is one epoch longer than the array on
                # disk: a reader sees none of it until the lengths change below.
                _longer(self._array(name, variable), length)[self._epochs] = np.asarray(value)
        try:
            self._set_length(length)
            self._root.update_attributes({schema.COMMITTED: length})
        except OSError:
            self._cut()
            raise
        self._epochs = length

    def rewind(self, epochs: int) -> None:
        """Keep the first `epochs` recorded epochs and cut the rest."""
        self._root.update_attributes({schema.COMMITTED: epochs})
        self._epochs = epochs
        self._cut()

    def _splits(self) -> list[str]:
        return sorted(self._root.group_keys())

    def _to_stored(self, split: str, fields: Mapping[str, np.ndarray]) -> dict[str, np.ndarray]:
        arrays = {v: self._array(split, v) for v in self.variables(split)}
        if set(fields) != set(arrays):
            raise ValueError(
                f"split '{split}' takes the variables {sorted(arrays)}, not {sorted(fields)}"
            )
        for name, values in fields.items():
            if np.shape(values) != arrays[name].shape[1:]:
                raise ValueError(
                    f"'{name}' of split '{split}' must have shape {list(arrays[name].shape[1:])}, "
                    f"not {list(np.shape(values))}"
                )
        multi_label = arrays["prediction"].ndim == 4  # epoch, member, example, class
        return {
            name: schema.to_stored(name, np.asarray(values), multi_label=multi_label)
            for name, values in fields.items()
        }

    def variables(self, split: str) -> list[str]:
        """Names of the variables that each epoch of a split has."""
        return [name for name in schema.VARIABLES if f"{split}/{name}" in self._root]

    def _array(self, split: str, name: str) -> zarr.Array:
        array = self._root[f"{split}/{name}"]
        assert isinstance(array, zarr.Array)
        return array

    def _set_length(self, length: int) -> None:
        for split in self._splits():
            for name in [*self.variables(split), "epoch"]:
                array = self._array(split, name)
                if array.shape[0] != length:
                    array.resize((length, *array.shape[1:]))

    def _cut(self) -> None:
        self._set_length(self._epochs)


def is_debris(path: str | Path) -> bool:
    """Whether a process died while it made a record here: nothing is recorded, all can go."""
    try:
        attributes = zarr.open_group(store(path), mode="r").attrs
    except FileNotFoundError:
        return all(p.name.endswith(".partial") for p in as_path(path).iterdir())
    return attributes.get("schema") == schema.NAME and schema.COMMITTED not in attributes


def _longer(array: zarr.Array, length: int) -> zarr.Array:
    metadata = array.metadata.update_shape((length, *array.shape[1:]))
    return zarr.Array(zarr.AsyncArray(metadata=metadata, store_path=array.store_path))


def label_dims(label: np.ndarray) -> tuple[str, ...]:
    """Dimensions of a label array: (example,), (member, example), or (example, class) if bool."""
    if label.ndim == 1:
        return ("example",)
    return ("example", "class") if label.dtype == bool else ("member", "example")


def _create_coordinates(
    group: zarr.Group, examples: Examples, networks: Sequence[str], seed: int
) -> None:
    members = len(networks)
    values: dict[str, tuple[tuple[str, ...], np.ndarray, str]] = {
        "id": (("example",), np.asarray(examples.id, object), "name of the example"),
        "member": (("member",), np.arange(members, dtype=np.int32), "member, from 0"),
        "network": (("member",), np.asarray(networks, object), "name of the member's network"),
        "seed": (("member",), np.full(members, seed, np.int64), "seed of the run"),
    }
    for name in ("label", "true_label"):
        label = np.asarray(getattr(examples, name))
        stored = label.astype(np.int8 if label.dtype == bool else np.int16)
        what = "label trained on" if name == "label" else "original label"
        values[name] = (label_dims(label), stored, what)
    for name, (dims, array, description) in values.items():
        target = group.create_array(
            name,
            shape=array.shape,
            chunks=tuple(max(1, min(n, schema.EXAMPLES_PER_CHUNK)) for n in array.shape),
            dtype=str if array.dtype == object else array.dtype,
            dimension_names=dims,
            compressors=_compressors(),
            attributes={"description": description},
        )
        target[...] = array


def _create_variables(
    group: zarr.Group, examples: Examples, members: int, *, with_loss: bool
) -> None:
    multi_label = label_dims(np.asarray(examples.label)) == ("example", "class")
    n = len(examples.id)
    group.create_array(
        "epoch",
        shape=(0,),
        chunks=(4096,),
        dtype="int32",
        fill_value=-1,
        dimension_names=("epoch",),
        attributes={"description": "number of epochs completed"},
    )
    for name in schema.VARIABLES:
        spec = schema.variable(name, multi_label=multi_label)
        if (name == "loss" and not with_loss) or (name == "sum_sq_other" and multi_label):
            continue
        shape: tuple[int, ...] = (members,)
        dims: tuple[str, ...] = ("member",)
        if spec.per_example:
            shape, dims = (members, n), ("member", "example")
        if multi_label and name == "prediction":
            shape, dims = (*shape, len(examples.class_names)), (*dims, "class")
        chunks = tuple(
            min(m, schema.EXAMPLES_PER_CHUNK) if d == "example" else m
            for m, d in zip(shape, dims, strict=True)
        )
        group.create_array(
            name,
            shape=(0, *shape),
            chunks=(1, *chunks),
            dtype=spec.dtype,
            fill_value=spec.fill,
            dimension_names=("epoch", *dims),
            compressors=_compressors(),
            attributes={"units": spec.unit, "description": spec.description},
        )


def _compressors() -> tuple[ZstdCodec]:
    # With its own checksum, so that a damaged chunk is an error and never data.
    return (ZstdCodec(level=3, checksum=True),)
