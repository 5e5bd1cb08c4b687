"""What the examples that all members get right are like, epoch by epoch; and how many members do.

Letters: E epochs, K members, N examples, C classes.
"""

from collections.abc import Mapping

import numpy as np
import pandas as pd
import xarray as xr

from jagree.study import curves, distribution
from jagree.study.agreement import accuracies, ratio
from jagree.study.epochs import Epoch

MOST_TYPES = 30  # distinct values of a column of categories for which curves per type are told


class AgreedTally:
    """Gathers four tables of a split.

    Parameters
    ----------
    name : str
        Of the split.
    split : xarray.Dataset
        One split of a record, with the members that count.
    columns : pandas.DataFrame
        Its image statistics and metadata, a row per example of the split, in its order; without
        columns if there are none.
    """

    def __init__(self, name: str, split: xr.Dataset, columns: pd.DataFrame) -> None:
        self._name = name
        self._class_names = [str(n) for n in split.attrs["class_names"]]
        self._presence = _presence(split, len(self._class_names))
        self._numbers = numbers(columns)
        self._types = types(columns)
        self._curves: list[dict[str, object]] = []
        self._type_rows: list[dict[str, object]] = []
        self._class_parts: list[pd.DataFrame] = []
        self._count_parts: list[pd.DataFrame] = []

    def add(self, epoch: Epoch) -> None:
        """Measure an epoch."""
        where = {"split": self._name, "epoch": epoch.number}
        agreed = epoch.agreed
        for name, value in self._numbers.items():
            mean = float(curves.metric_curve(agreed, value))
            count = int((agreed & ~np.isnan(value)).sum())
            row = {"statistic": name, "mean": mean, "examples": count}
            self._curves.append(where | row)
        for name, kind in self._types.items():
            for one, share in curves.type_curves(agreed, kind).items():
                row = {"column": name, "type": one, "share": float(share)}
                self._type_rows.append(where | row)
        self._class_parts.append(self._classes(where, agreed))
        self._count_parts.append(self._counts(where, epoch.correct))

    def _classes(self, where: Mapping[str, object], agreed: np.ndarray) -> pd.DataFrame:
        count = self._presence.counted(agreed)
        return pd.DataFrame(
            {
                **where,
                "class": np.arange(len(count)),
                "class_name": self._class_names,
                "examples": self._presence.total,
                "agreed": count,
                "share": ratio(count, count.sum()),
            }
        )

    def _counts(self, where: Mapping[str, object], correct: np.ndarray) -> pd.DataFrame:
        found = distribution.right_counts(correct)
        chance = distribution.poisson_binomial(accuracies(correct))
        return pd.DataFrame(
            {
                **where,
                "members_right": np.arange(len(found)),
                "examples": found,
                "expected": correct.shape[-1] * chance,
            }
        )

    def curves(self) -> pd.DataFrame:
        """``split``, ``epoch``, ``statistic``, ``mean`` over the examples agreed on, ``examples``.

        The last is how many of those agreed on have a value; without any the mean is nan.
        """
        columns = ["split", "epoch", "statistic", "mean", "examples"]
        return pd.DataFrame(self._curves, columns=columns)

    def types(self) -> pd.DataFrame:
        """``split``, ``epoch``, ``column``, ``type``, ``share`` of its examples agreed on, 0..1."""
        return pd.DataFrame(self._type_rows, columns=["split", "epoch", "column", "type", "share"])

    def classes(self) -> pd.DataFrame:
        """A row per epoch and class.

        ``split``, ``epoch``, ``class``, ``class_name``; ``examples`` of the class, ``agreed`` of
        these, and ``share`` of the agreed set that they are (authors' code; nan if that is empty).
        With several labels an example counts in each of its classes, and ``share`` is of the labels
        of the examples agreed on, where each has several: shares sum to 1 all the same. Where
        members were trained on labels of their own, classes are the original ones.
        """
        columns = ["split", "epoch", "class", "class_name", "examples", "agreed", "share"]
        return pd.concat(self._class_parts or [pd.DataFrame(columns=columns)], ignore_index=True)

    def right_counts(self) -> pd.DataFrame:
        """A row per epoch and number of members.

        ``split``, ``epoch``, ``members_right`` (S), ``examples`` that exactly S members get right,
        and how many are ``expected`` of independent members with the same accuracies.
        """
        columns = ["split", "epoch", "members_right", "examples", "expected"]
        return pd.concat(self._count_parts or [pd.DataFrame(columns=columns)], ignore_index=True)


class _Single:
    """Counts of classes, where each example has one label."""

    def __init__(self, label: np.ndarray, classes: int) -> None:
        self._label = label
        self._classes = classes
        self.total = np.bincount(label, minlength=classes)

    def counted(self, among: np.ndarray) -> np.ndarray:
        """Examples of each class among bool [N]: int [C]."""
        return np.bincount(self._label[among], minlength=self._classes)


class _Several:
    """The same, where each example has any number of labels."""

    def __init__(self, label: np.ndarray) -> None:
        self._label = label.astype(bool)
        self.total = self._label.sum(0)

    def counted(self, among: np.ndarray) -> np.ndarray:
        """Examples of each class among bool [N]: int [C]."""
        count: np.ndarray = self._label[among].sum(0)
        return count


def _presence(split: xr.Dataset, classes: int) -> _Single | _Several:
    label = split["true_label" if "member" in split["label"].dims else "label"].values
    return _Several(label) if label.ndim == 2 else _Single(label, classes)


def numbers(columns: pd.DataFrame) -> dict[str, np.ndarray]:
    """The columns that are numbers, as float64 [N]; nan where an example has none."""
    return {
        str(name): values.to_numpy(np.float64)
        for name, values in columns.items()
        if values.dtype.kind in "iufb"
    }


def types(columns: pd.DataFrame, most: int = MOST_TYPES) -> dict[str, np.ndarray]:
    """The columns of categories with two to `most` of them: str [N] each."""
    found = {}
    for name, values in columns.items():
        if values.dtype.kind not in "iufb":
            kind = values.to_numpy().astype(str)
            if 1 < len(set(kind.tolist())) <= most:
                found[str(name)] = kind
    return found


def curve_of(table: pd.DataFrame, statistic: str, epochs: np.ndarray) -> np.ndarray:
    """The mean of a statistic over the given epochs, of `AgreedTally.curves` of one split."""
    rows = table[table["statistic"] == statistic].set_index("epoch")["mean"]
    return rows.reindex(epochs).to_numpy(np.float64)
