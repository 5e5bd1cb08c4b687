"""The columns of a data set of the package ``datasets``: which is what, and the labels in them."""

import re
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from jagree.errors import UsageError
from jagree.words import counted

_ALLOWED = {  # kinds of columns: that are found, and that may be named
    "image": (("image",), ("image", "binary", "bytes and path", "string")),
    "label": (("class", "classes"), ("class", "classes", "integer", "string")),
}


def kind_of(datasets: Any, feature: Any) -> str:
    """What a column holds: "image", "class", "classes" (a list of them), "integer", "string" ..."""
    if isinstance(feature, datasets.Image):
        return "image"
    if isinstance(feature, datasets.ClassLabel):
        return "class"
    if isinstance(feature, dict):
        return "bytes and path" if set(feature) == {"bytes", "path"} else "fields"
    inner = _inner(feature)
    if inner is not None:
        return "classes" if isinstance(inner, datasets.ClassLabel) else "list"
    kind = str(getattr(feature, "dtype", None))
    return "integer" if re.fullmatch(r"u?int\d+", kind) else kind.removeprefix("large_")


def _inner(feature: Any) -> Any:
    """What a list is of; None if it is none."""
    return feature[0] if isinstance(feature, list) else getattr(feature, "feature", None)


def column(datasets: Any, where: str, features: Mapping[str, Any], what: str, named: str) -> str:
    """The column of the images or of the labels: the one that is named, or the only one.

    Parameters
    ----------
    datasets : module
    where : str
        What errors call the data set.
    features : mapping of str to feature
    what : {"image", "label"}
    named : str
        "" for the only one.

    Raises
    ------
    UsageError
        If there is none or several, or the named one is missing or of another kind.
    """
    kinds = {name: kind_of(datasets, feature) for name, feature in features.items()}
    to_find, to_name = _ALLOWED[what]
    found = [name for name, kind in kinds.items() if kind in to_find]
    if not named and len(found) == 1:
        return found[0]
    if kinds.get(named) in to_name:
        return named
    if named in kinds:
        wrong = f"column '{named}' of {where} is of kind {kinds[named]}, which is no {what}"
    elif named:
        wrong = f"{where} has no column '{named}'"
    else:
        wrong = f"{where} has {len(found) or 'no'} column{'s' * bool(found)} of kind "
        wrong += " or ".join(to_find)
    raise UsageError(
        f"{wrong}; name one of kind {', '.join(to_name)} with --config.data.{what}, of: "
        + ", ".join(f"{name} ({kind})" for name, kind in kinds.items())
    )


def _values(dataset: Any, name: str) -> list[Any]:
    return dataset.select_columns([name]).with_format("arrow")[:].column(0).to_pylist()


def class_names(datasets: Any, dataset: Any, label: str) -> tuple[str, ...]:
    """The classes that a column declares; of a plain one its values in ascending order."""
    feature = dataset.features[label]
    kind = kind_of(datasets, feature)
    if kind in ("class", "classes"):
        return tuple((feature if kind == "class" else _inner(feature)).names)
    return tuple(
        map(str, sorted({value for value in _values(dataset, label) if value is not None}))
    )


class Labels:
    """The labels of all rows.

    Parameters
    ----------
    datasets : module
    dataset : datasets.Dataset
    column : str
    classes : sequence of str

    Attributes
    ----------
    array : int32 array [N] or bool array [N, C]
        -1 (no class) where the column has none or one that is not known.
    notes : tuple of str
    """

    def __init__(self, datasets: Any, dataset: Any, column: str, classes: Sequence[str]) -> None:
        self._column = column
        self._classes = classes
        self._values = _values(dataset, column)
        self._kind = kind_of(datasets, dataset.features[column])
        self.notes: tuple[str, ...] = ()
        if self._kind == "classes":
            self._several()
            return
        names = range(len(classes)) if self._kind == "class" else classes
        number = {name: i for i, name in enumerate(names)}
        found = [
            -1 if value is None else number.get(value if self._kind == "class" else str(value), -1)
            for value in self._values
        ]
        self.array = np.array(found, np.int32)
        self._good = self.array >= 0

    def _several(self) -> None:
        known = range(len(self._classes))
        self.array = np.zeros((len(self._values), len(known)), bool)
        self._good = np.ones(len(self._values), bool)
        for row, labels in enumerate(self._values):
            if labels is None or not all(label in known for label in labels):
                self._good[row] = False
            else:
                self.array[row, labels] = True
        without = int((~self.array.any(axis=1)).sum())
        if without:
            self.notes = (f"{counted(without, 'example')} without any label",)

    def check(self, where: str, ids: np.ndarray, splits: Sequence[str]) -> None:
        """Raise a UsageError that names an example whose label is missing or not known."""
        if self._good.all():
            return
        row = int(np.flatnonzero(~self._good)[0])
        allowed = (
            f"0 to {len(self._classes) - 1}"
            if self._kind in ("class", "classes")
            else f"those of the train split, {', '.join(self._classes[:10])}"
            + ", ..." * (len(self._classes) > 10)
        )
        bad = counted(int((~self._good).sum()), "example")
        raise UsageError(
            f"{where}: {bad} of {len(ids):,} without a known label in "
            f"column '{self._column}', such as '{ids[row]}' ({self._values[row]}); labels must be "
            f"{allowed}; name another split, of {', '.join(splits)}, with data.train_split or "
            "data.test_split"
        )
