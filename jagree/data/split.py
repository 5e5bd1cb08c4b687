"""What every data source gives: a Split, NumPy arrays in ascending order of id."""

import functools
import hashlib
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path

import numpy as np

from jagree import seeds
from jagree.data.images import Images, digests, take
from jagree.errors import UsageError
from jagree.words import counted


@dataclass(frozen=True)
class Column:
    """One metadata value per example.

    Attributes
    ----------
    values : array [N]
        Numbers, or strings for categories.
    unit : str
        Unit of the numbers, as an axis label would print it; "" for pure numbers and categories.
    description : str
        One clause saying what is measured.
    assigned : bool
        Drawn at random for each example, independently of everything else about it, so that what
        learning differs by is its effect (`jagree.study.intervention`). Only numbers, of every
        example.
    """

    values: np.ndarray
    unit: str
    description: str
    assigned: bool = False

    def __post_init__(self) -> None:
        if not self.assigned:
            return
        if self.values.dtype.kind not in "iufb" or not np.isfinite(self.values).all():
            raise ValueError(
                f"the column '{self.description}' is assigned, so every example must have a finite "
                "number"
            )


@dataclass(frozen=True)
class Split:
    """The examples of one split, in ascending order of id.

    The order is part of the contract: shuffles are permutations of positions, so two machines that
    read the same files in a different order must still hold the same example at each position.

    Attributes
    ----------
    name : str
        "train" or "test".
    id : str array [N]
        Unique and stable across machines, file formats and reading order.
    label : int array [N] (one class each) or bool array [N, C] (any number of classes)
        What is trained on; int [K, N] where K members are given different labels.
    true_label : int array [N] or bool array [N, C]
        The original label; differs from `label` under label noise only.
    image : uint8 array [N, H, W, 3], or Encoded
        In memory, or decoded one by one when they are taken out; then of any sizes.
    class_names : tuple of str
    metadata : mapping of str to Column
    notes : tuple of str
        What a person should know of how the split came about: one clause each, with its numbers.
    kept : path or None
        Folder for what is computed once of the images.
    """

    name: str
    id: np.ndarray
    label: np.ndarray
    image: Images
    class_names: tuple[str, ...]
    true_label: np.ndarray = field(default=None)  # type: ignore[arg-type]  # set below
    metadata: Mapping[str, Column] = field(default_factory=dict)
    notes: tuple[str, ...] = ()
    kept: Path | None = None

    def __post_init__(self) -> None:
        if self.true_label is None:
            object.__setattr__(self, "true_label", self.label)
        n = len(self.id)
        lengths = {
            "label": self.label.shape[1] if self.by_member else len(self.label),
            "true_label": len(self.true_label),
            "image": len(self.image),
        }
        lengths |= {f"metadata '{k}'": len(c.values) for k, c in self.metadata.items()}
        for what, length in lengths.items():
            if length != n:
                raise ValueError(f"split '{self.name}' has {n} ids but {length} rows of {what}")
        if isinstance(self.image, np.ndarray) and (
            self.image.dtype != np.uint8 or self.image.ndim != 4 or self.image.shape[-1] != 3
        ):
            raise ValueError(
                f"split '{self.name}': images must be uint8 [N, H, W, 3], "
                f"not {self.image.dtype} {list(self.image.shape)}"
            )
        if n > 1 and not (self.id[:-1] < self.id[1:]).all():
            unique, count = np.unique(self.id, return_counts=True)
            if len(unique) < n:
                twice = ", ".join(unique[count > 1][:5])
                raise UsageError(f"split '{self.name}': ids must be unique; twice or more: {twice}")
            raise ValueError(f"split '{self.name}': examples must be in ascending order of id")
        self._check_labels()

    def _check_labels(self) -> None:
        classes = len(self.class_names)
        for label in (self.label, self.true_label):
            if label.dtype == bool:
                if label.ndim != 2 or label.shape[1] != classes:
                    raise ValueError(f"multi-labels must be bool [N, {classes}]")
                continue
            bad = (label < 0) | (label >= classes)
            if bad.any():
                example = self.id[np.nonzero(bad)[-1][0]]
                raise UsageError(
                    f"split '{self.name}': labels must be 0 to {classes - 1}; "
                    f"example '{example}' has {label[bad][0]}"
                )

    def __len__(self) -> int:
        return len(self.id)

    @property
    def by_member(self) -> bool:
        """Whether members are given different labels."""
        return self.label.ndim == 2 and self.label.dtype != bool

    @property
    def multi_label(self) -> bool:
        """Whether an example may have any number of classes."""
        return self.true_label.dtype == bool

    def originals(self, positions: np.ndarray) -> Images:
        """The images that statistics are taken of: uncropped, read where they are measured."""
        return take(self.image, positions)

    def take(self, positions: np.ndarray) -> "Split":
        """The examples at these positions, which must ascend."""
        columns = {
            k: replace(column, values=column.values[positions])
            for k, column in self.metadata.items()
        }
        return replace(
            self,
            id=self.id[positions],
            label=self.label[:, positions] if self.by_member else self.label[positions],
            true_label=self.true_label[positions],
            image=take(self.image, positions),
            metadata=columns,
        )

    @functools.cached_property
    def fingerprint(self) -> str:
        """SHA-256 over ids, true labels and images, in order of id: equal exactly if the data is.

        The labels trained on are left out: label noise belongs to a run, not to the data, and runs
        that differ in it must still be comparable.
        """
        digest = hashlib.sha256()
        label = self.true_label.astype("<i4" if self.true_label.ndim == 1 else "u1")
        # Each part is preceded by its shape, so that no two different splits feed the same bytes.
        names = np.frombuffer("\n".join(self.id).encode(), np.uint8)
        for part in (names, label, digests(self.image, self.kept)):
            digest.update(repr(part.shape).encode())
            digest.update(np.ascontiguousarray(part).data)
        return digest.hexdigest()


def sample(split: Split, size: int, seed: int) -> Split:
    """So many examples, drawn by their ids; all of them for 0.

    Which ones depends on the seed and the ids alone, so a smaller sample is a part of a larger one,
    and what is sorted by class (a folder, ImageNet) is sampled from all classes.

    Raises
    ------
    UsageError
        If the split has fewer.
    """
    if size == 0 or size == len(split):
        return split
    if size > len(split):
        raise UsageError(
            f"data.{split.name}_size is {size}, but '{split.name}' has "
            f"{counted(len(split), 'example')}; 0 takes all"
        )
    drawn = np.array([seeds.of_example(seed, "sample", i) for i in split.id.tolist()], np.uint64)
    return split.take(np.sort(np.argsort(drawn, kind="stable")[:size]))
