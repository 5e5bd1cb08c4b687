"""A record of any training loop, in three lines; then all of the study is there for it.

    recorder = jagree.Recorder("runs/mine", train=train_labels, test=test_labels)

    for epoch in range(1, 61):
        ...                                              # train
        for index, images in batches:                    # every example once, in any order
            recorder.add("test", index, model(images))   # logits of NumPy, PyTorch, Keras, ...
        recorder.commit(epoch)

``python -m jagree.study runs/mine`` makes tables, figures and the report. Whole programs of less
than a hundred lines: examples/pytorch_loop.py, examples/sklearn_loop.py, examples/numpy_loop.py.
"""

from __future__ import annotations

import functools
import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from jagree.config import CHOICES
from jagree.errors import UsageError
from jagree.paths import as_path, make_folder
from jagree.record import EpochAssembly, RecordWriter, SplitDescription, join_records, open_record
from jagree.record.outcomes import multi_label_outcomes, single_label_outcomes

__all__ = ["Examples", "Recorder", "join_records"]

# Scores that wait to be worked on together, of each split and member: 1 MB. A call of NumPy takes
# microseconds however little it is given, and a batch is little.
_WAITING = 2**17


@dataclass(frozen=True)
class Examples:
    """What is known of the examples of a split, where it is more than their labels.

    Attributes
    ----------
    label : int array [N], or bool array [N, C] for any number of labels
        What is trained on.
    id : sequence of str, optional
        Unique names; by default ``SPLIT_0000000`` and so on, by position.
    image : uint8 array [N, H, W, 3], optional
        The pictures as they are before any crop or normalisation. With them the record's
        fingerprint is that of the data, as any other run on it has it; without, of ids and labels.
    true_label : array like `label`, optional
        The original label, under label noise.
    """

    label: Any
    id: Sequence[str] | None = None
    image: np.ndarray | None = None
    true_label: Any = None


class Recorder:
    """Records what a training loop tells it, one epoch at a time.

    Parameters
    ----------
    path : path
        The run folder; the record is ``record.zarr`` in it. One that is there goes on if it is of
        the same: `epochs` says how far it is.
    class_names : sequence of str, optional
        By default "0", "1" and so on, as many as there are scores.
    networks : sequence of str
        Name of each member's network. Members that are not trained side by side are recorded
        alone, and put together by `jagree.join_records`.
    data, seed : str, int
        Name of the data, and seed of the run.
    recording : str
        When the split "train" is judged: "epoch_end" or "online", while it is trained on.
    splits : array or Examples
        ``train=``, ``test=``, or any other name: labels, int [N] or bool [N, C].

    Raises
    ------
    UsageError
        If labels or ids make no sense, or the folder's record is of other data.
    """

    def __init__(
        self,
        path: str | Path,
        *,
        class_names: Sequence[str] | None = None,
        networks: Sequence[str] = ("network",),
        data: str = "data",
        seed: int = 0,
        recording: str = "epoch_end",
        **splits: Any,
    ) -> None:
        if recording not in (known := CHOICES["recording.mode"]):
            raise UsageError(f"unknown recording '{recording}'; known: {', '.join(known)}")
        if not splits:
            raise UsageError("name the splits that are recorded, with their labels: train=labels")
        self.path = as_path(path)
        self._networks, self._data, self._seed = tuple(networks), data, seed
        self._recording = {n: recording if n == "train" else "epoch_end" for n in splits}
        self._splits = {name: _Known.of(name, told) for name, told in splits.items()}
        kinds = {known.multi_label for known in self._splits.values()}
        if len(kinds) > 1:
            raise UsageError("either all splits have one label per example, or all have several")
        self._multi_label = kinds.pop()
        self._class_names = None if class_names is None else tuple(map(str, class_names))
        self._writer: RecordWriter | None = None
        if (self.path / "record.zarr").exists():
            if self._class_names is None:
                recorded = next(iter(open_record(self.path / "record.zarr").values()))
                self._class_names = tuple(recorded.attrs["class_names"])
            self._open()
        self._begin()

    @property
    def epochs(self) -> list[int]:
        """The epochs that are recorded."""
        return [] if self._writer is None else self._writer.epochs

    def add(self, split: str, index: Any, scores: Any, *, member: int = 0) -> None:
        """Tell what a member says of some examples in this epoch.

        Parameters
        ----------
        split : str
        index : int array [B]
            Positions of the examples in the labels that were given.
        scores : float array [B, C]
            Logits, or log probabilities; of several labels the logits of sigmoids. Arrays of
            NumPy, PyTorch, JAX and TensorFlow, on whatever device. Or int [B], predicted classes
            alone: then there is agreement, but nothing that takes probabilities.
        member : int

        Raises
        ------
        ValueError
            If an example comes a second time in an epoch, or shapes do not fit; nothing of the
            call is kept then.
        """
        if split not in self._splits:
            raise ValueError(f"unknown split '{split}'; known: {', '.join(self._splits)}")
        if not 0 <= member < len(self._networks):
            raise ValueError(f"member must be 0 to {len(self._networks) - 1}, not {member}")
        known = self._splits[split]
        position, values = _as_numpy(index), _as_numpy(scores)
        sound = position.ndim == 1 and position.dtype.kind in "iu"
        if not sound or values.shape[:1] != position.shape:
            raise ValueError(
                "index must be int [B] and scores [B, C] or [B], not "
                f"{position.dtype} {list(position.shape)} and {list(values.shape)}"
            )
        if position.size and not (position.min() >= 0 and position.max() < len(known.label)):
            raise ValueError(f"index must be 0 to {len(known.label) - 1} for split '{split}'")
        self._check_scores(values, known)
        self._told[split][member].put(position, values)

    def commit(self, epoch: int) -> None:
        """Write the epoch; nothing of it can be lost from then on.

        Parameters
        ----------
        epoch : int
            Number of epochs completed; later than any recorded one.

        Raises
        ------
        ValueError
            If an example of any split and member was not told of. All may then still be added.
        """
        fields: dict[str, dict[str, np.ndarray]] = {}
        for split, members in self._told.items():
            told = [of_member.finish() for of_member in members]
            fields[split] = {k: np.concatenate([t[k] for t in told]) for k in told[0] if told[0]}
        self._open()
        assert self._writer is not None
        self._writer.append(epoch, fields)
        self._begin()

    def _begin(self) -> None:
        self._told = {
            name: [_Told(known) for _ in self._networks] for name, known in self._splits.items()
        }

    def _check_scores(self, values: np.ndarray, known: _Known) -> None:
        """Raise unless they are scores, or predictions, of these classes; the first name them."""
        if self._multi_label:
            expected = (len(values), known.label.shape[1])
            self._name_classes(expected[1])
            if values.shape != expected:
                raise ValueError(f"scores must be {list(expected)}, not {list(values.shape)}")
        elif values.ndim == 1 and values.dtype.kind in "iu":
            self._name_classes(int(values.max(initial=0)) + 1, at_least=True)
        elif values.ndim != 2:
            raise ValueError(f"scores must be [B, C], or int [B], not {list(values.shape)}")
        else:
            self._name_classes(values.shape[1])
            assert self._class_names is not None
            known.check(self._class_names)

    def _name_classes(self, count: int, *, at_least: bool = False) -> None:
        if self._class_names is None:
            largest = max(known.largest for known in self._splits.values()) + 1
            self._class_names = tuple(map(str, range(max(count, largest))))
        there = len(self._class_names)
        if there < count or (there != count and not at_least):
            raise ValueError(f"there are {there} classes, but scores of {count}")

    def _open(self) -> None:
        """Make the record, or take the one that is there."""
        if self._writer is not None:
            return
        assert self._class_names is not None
        for known in self._splits.values():
            known.check(self._class_names)
        place = self.path / "record.zarr"
        splits = {name: known.described(self._class_names) for name, known in self._splits.items()}
        if place.exists():
            writer = RecordWriter(place)
            writer.check_same_data(splits)
            self._check_goes_on(place, splits)
        else:
            make_folder(self.path)
            writer = RecordWriter.create(
                place,
                splits,
                networks=self._networks,
                seed=self._seed,
                correctness="exact_match" if self._multi_label else "single_label",
                recording=self._recording,
                data=self._data,
                with_loss=False,
            )
        self._writer = writer

    def _check_goes_on(self, place: Path, splits: dict[str, SplitDescription]) -> None:
        """Raise a UsageError unless the record is of these networks, classes and labels."""
        for name, split in open_record(place).items():
            if name not in splits:
                raise UsageError(f"'{place}' has the split '{name}', which was not named")
            told, label = splits[name], split["label"].values
            for what, recorded, now in (
                ("networks", tuple(split["network"].values.tolist()), self._networks),
                ("class_names", tuple(split.attrs["class_names"]), told.class_names),
                ("seed", int(split["seed"].values[0]), self._seed),
                ("recording", split.attrs["recording"], self._recording[name]),
            ):
                if recorded != now:
                    raise UsageError(
                        f"'{place}' was recorded with {what}={recorded}, not {now}; "
                        "go on with the same, or record into another folder"
                    )
            if not np.array_equal(label, told.label):
                raise UsageError(
                    f"labels of split '{name}' differ from those that '{place}' was recorded with; "
                    "record into another folder"
                )


class _Known:
    """A split as it was told: labels in the caller's order, and where each is in the record's."""

    def __init__(self, name: str, told: Examples) -> None:
        self.name = name
        self.label = _labels(name, told.label)
        n = len(self.label)
        ids = [f"{name}_{i:07d}" for i in range(n)] if told.id is None else list(map(str, told.id))
        if len(ids) != n:
            raise UsageError(f"split '{name}' has {n} labels and {len(ids)} ids")
        order = np.argsort(np.array(ids, dtype=str), kind="stable")
        self.id = np.array(ids, dtype=str)[order]
        twice = self.id[1:][self.id[1:] == self.id[:-1]]
        if twice.size:
            raise UsageError(f"ids of split '{name}' must be unique; twice or more: {twice[0]}")
        self._order = order
        self.place = np.empty(n, np.int64)
        self.place[order] = np.arange(n)
        true = told.label if told.true_label is None else told.true_label
        self._true = _labels(name, true)
        if self._true.shape != self.label.shape or self._true.dtype != self.label.dtype:
            raise UsageError(f"true_label of split '{name}' must be like label")
        self._image = told.image

    @classmethod
    def of(cls, name: str, told: Any) -> _Known:
        """Labels alone, or `Examples`."""
        return cls(name, told if isinstance(told, Examples) else Examples(told))

    @property
    def multi_label(self) -> bool:
        """Whether an example may have any number of labels."""
        return self.label.ndim == 2

    @functools.cached_property
    def largest(self) -> int:
        """The largest class that a label names."""
        if self.multi_label:
            return self.label.shape[1] - 1
        return int(max(self.label.max(initial=-1), self._true.max(initial=-1)))

    def check(self, class_names: Sequence[str]) -> None:
        """Raise a UsageError if a label has no name."""
        if self.largest >= len(class_names):
            raise UsageError(
                f"split '{self.name}' has the label {self.largest}, but there are "
                f"{len(class_names)} classes"
            )

    def described(self, class_names: tuple[str, ...]) -> SplitDescription:
        """What a record keeps of it."""
        label, true = self.label[self._order], self._true[self._order]
        return SplitDescription(
            self.id, label, true, class_names, self._fingerprint(true, class_names)
        )

    def _fingerprint(self, true: np.ndarray, class_names: tuple[str, ...]) -> str:
        if self._image is not None:
            from jagree.data.split import Split

            image = np.asarray(self._image)[self._order]
            return Split(self.name, self.id, true, image, class_names).fingerprint
        digest = hashlib.sha256(b"without images\n" + "\n".join(self.id.tolist()).encode())
        digest.update(repr(true.shape).encode() + true.astype("<i4").tobytes())
        return digest.hexdigest()


class _Told:
    """What one member said of a split in one epoch."""

    def __init__(self, known: _Known) -> None:
        self._known = known
        self._assembly = EpochAssembly(known.id, 1)
        self._seen = np.zeros(len(known.label), bool)
        self._waiting: list[tuple[np.ndarray, np.ndarray]] = []
        self._size = 0

    def put(self, position: np.ndarray, values: np.ndarray) -> None:
        """Keep a copy of a batch; all of it is known to be sound but how often examples come."""
        ordered = np.sort(position)
        if (ordered[1:] == ordered[:-1]).any() or self._seen[position].any():
            self._settle()
            self._assembly.put(self._known.place[position], {})  # raises, naming them
        if self._waiting and self._waiting[0][1].ndim != values.ndim:  # classes, then scores
            self._settle()
        # Copies, for a loop may use the memory of a batch for the next one.
        kept = np.array(values, np.float64 if values.ndim == 2 else None)
        self._waiting.append((np.array(position, np.int64), kept))
        self._seen[position] = True
        self._size += values.size
        if self._size >= _WAITING:
            self._settle()

    def finish(self) -> dict[str, np.ndarray]:
        """The variables of the record, [1, N, ...]; a ValueError if an example is missing."""
        self._settle()
        return self._assembly.finish()

    def _settle(self) -> None:
        """Work out what waits."""
        if not self._waiting:
            return
        position, values = map(np.concatenate, zip(*self._waiting, strict=True))
        self._waiting, self._size = [], 0
        fields = _outcomes(values, self._known.label[position])
        self._assembly.put(self._known.place[position], {k: v[None] for k, v in fields.items()})


def _outcomes(values: np.ndarray, label: np.ndarray) -> dict[str, np.ndarray]:
    if values.ndim == 1:  # predicted classes alone
        names = ("log_prob", "margin", "sum_sq_other")
        return {"prediction": values} | dict.fromkeys(names, np.full(len(values), np.nan))
    return (multi_label_outcomes if label.ndim == 2 else single_label_outcomes)(values, label)


def _labels(name: str, told: Any) -> np.ndarray:
    label = _as_numpy(told)
    if label.dtype == bool and label.ndim == 2:
        return label
    if label.dtype.kind not in "iu" or label.ndim != 1:
        raise UsageError(
            f"labels of split '{name}' must be int [N], or bool [N, C] for any number of labels, "
            f"not {label.dtype} {list(label.shape)}"
        )
    if label.size and label.min() < 0:
        raise UsageError(f"labels of split '{name}' must be 0 or more, not {label.min()}")
    return label.astype(np.int32)


def _as_numpy(array: Any) -> np.ndarray:
    """An array of whatever library, on whatever device."""
    if hasattr(array, "detach"):  # PyTorch: off the tape, off the device, out of half precision
        array = array.detach()
        array = (array.float() if array.is_floating_point() else array).cpu()
    return np.asarray(array)
