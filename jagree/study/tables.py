"""Tables of a whole record over its epochs: of all members together, and of each.

They read the record one epoch at a time, so a table of a large one takes the memory of one epoch.
Letters: K members, N examples.
"""

import functools
from collections.abc import Callable, Mapping, Sequence

import numpy as np
import pandas as pd
import xarray as xr

from jagree.study import agreement, chance, distribution, kappa, mistakes
from jagree.study.epochs import Epoch, class_codes, walk, without

Measures = Mapping[str, Callable[..., np.ndarray]]

# What follows from who is right, bool [K, N].
MEASURES: Measures = {
    "accuracy_mean": agreement.accuracy_mean,
    "accuracy_std": agreement.accuracy_std,
    "true_positive_agreement": agreement.true_positive_agreement,
    "right_by_any": agreement.right_by_any,
    "lower_bound": agreement.lower_bound,
    "expected_random_agreement": agreement.expected_random_agreement,
    "chance_agreement": chance.chance_agreement,
    "largest_agreement": agreement.largest_agreement,
    "pabak": agreement.pabak,
}
# The same, beyond what chance brings.
KAPPA_MEASURES: Measures = {
    "corrected_agreement": chance.corrected_agreement,
    "error_consistency": kappa.error_consistency,
    "fleiss_kappa": kappa.fleiss_kappa,
}
# Of functions that take the classes, too.
CLASS_MEASURES: Measures = {"chance_within_classes": chance.chance_within_classes}
# Of functions that take each member's answer, int [K, N], and those that take who is right, too.
ANSWER_MEASURES: Measures = {
    "fleiss_kappa_labels": kappa.fleiss_kappa_labels,
    "light_kappa": kappa.light_kappa,
    "hacohen_agreement": distribution.hacohen_agreement,
    "churn": mistakes.churn,
}
MISTAKE_MEASURES: Measures = {
    "same_wrong_class": mistakes.same_wrong_class,
    "false_positive_agreement": mistakes.false_positive_agreement,
    "false_positive_share": mistakes.false_positive_share,
}
# Of the histogram of how many members are right.
SHAPE_MEASURES: Measures = {
    "sarle_bimodality": distribution.sarle_bimodality,
    "pearson_bimodality": distribution.pearson_bimodality,
}
ALL_MEASURES = (
    *MEASURES,
    *CLASS_MEASURES,
    *KAPPA_MEASURES,
    *ANSWER_MEASURES,
    *MISTAKE_MEASURES,
    *SHAPE_MEASURES,
)


def agreement_table(
    record: Mapping[str, xr.Dataset], *, leave_out: Sequence[int] = ()
) -> pd.DataFrame:
    """One row per split and epoch, the training split first.

    Parameters
    ----------
    record : mapping of str to xarray.Dataset
        As `jagree.record.open_record` gives it.
    leave_out : sequence of int
        Members to leave out, by number; diverged ones stay in unless they are named here.

    Returns
    -------
    pandas.DataFrame
        ``split``, ``epoch`` (number of epochs completed), ``members`` (K, without those left out),
        ``examples`` (N) and `ALL_MEASURES`, as fractions; nan where one is not defined. Without any
        recorded epoch: the same columns and no row.

    Raises
    ------
    UsageError
        If a member to leave out does not exist, or none remains.
    """
    names = sorted(record, key=train_first)
    tallies = {name: AgreementTally(name, without(record[name], leave_out)) for name in names}
    for tally in tallies.values():
        walk(tally.split, tally)
    return joined([tally.table() for tally in tallies.values()])


class AgreementTally:
    """A row of `agreement_table` for each epoch.

    Parameters
    ----------
    name : str
        Of the split.
    split : xarray.Dataset
        The split, with the members that count.
    """

    def __init__(self, name: str, split: xr.Dataset) -> None:
        self.split = split
        self._name = name
        self._classes = class_codes(split)
        self._rows: list[dict[str, object]] = []

    def add(self, epoch: Epoch) -> None:
        """Measure an epoch."""
        members, examples = epoch.correct.shape
        sizes = {"members": members, "examples": examples}
        where = {"split": self._name, "epoch": epoch.number} | sizes
        self._rows.append(where | all_measures(epoch, self._classes))

    def table(self) -> pd.DataFrame:
        """The rows so far."""
        kinds = {"split": "str", "epoch": "int64", "members": "int64", "examples": "int64"}
        table = pd.DataFrame(self._rows, columns=[*kinds, *ALL_MEASURES])
        return table.astype(kinds | dict.fromkeys(ALL_MEASURES, "float64"))


def measures(right: np.ndarray, classes: np.ndarray) -> dict[str, float]:
    """`MEASURES` and `CLASS_MEASURES` of one epoch, by name; nan where one is not defined.

    Parameters
    ----------
    right : bool array [K, N]
    classes : int array [N] or [K, N]
        As `jagree.study.epochs.class_codes` gives them.
    """
    values = {name: float(function(right)) for name, function in MEASURES.items()}
    return values | {name: float(f(right, classes)) for name, f in CLASS_MEASURES.items()}


def all_measures(epoch: Epoch, classes: np.ndarray) -> dict[str, float]:
    """`ALL_MEASURES` of one epoch, by name; nan where one is not defined."""
    shape = distribution.right_counts(epoch.correct)
    values = measures(epoch.correct, classes)
    values |= {name: float(f(epoch.correct)) for name, f in KAPPA_MEASURES.items()}
    values |= {name: float(f(epoch.answer)) for name, f in ANSWER_MEASURES.items()}
    values |= {name: float(f(epoch.answer, epoch.correct)) for name, f in MISTAKE_MEASURES.items()}
    return values | {name: float(f(shape)) for name, f in SHAPE_MEASURES.items()}


def member_table(
    record: Mapping[str, xr.Dataset], *, leave_out: Sequence[int] = ()
) -> pd.DataFrame:
    """One row per split, epoch and member, the training split first.

    Parameters
    ----------
    record : mapping of str to xarray.Dataset
        As `jagree.record.open_record` gives it.
    leave_out : sequence of int
        Members to leave out, by number.

    Returns
    -------
    pandas.DataFrame
        ``split``, ``epoch``, ``member`` (its number), ``network``, ``accuracy`` (0 to 1; nan where
        there is no example) and ``loss``: mean over the training examples of the epoch, in nats,
        while it was trained; nan for other splits and before training.

    Raises
    ------
    UsageError
        If a member to leave out does not exist, or none remains.
    """
    names = sorted(record, key=train_first)
    tallies = {name: MemberTally(name, without(record[name], leave_out)) for name in names}
    for tally in tallies.values():
        walk(tally.split, tally)
    return joined([tally.table() for tally in tallies.values()])


class MemberTally:
    """Rows of `member_table` for each epoch; parameters as for `AgreementTally`."""

    def __init__(self, name: str, split: xr.Dataset) -> None:
        self.split = split
        self._name = name
        self._parts: list[pd.DataFrame] = []

    def add(self, epoch: Epoch) -> None:
        """Measure an epoch."""
        columns = {
            "split": self._name,
            "epoch": epoch.number,
            "member": self.split["member"].values,
            "network": self.split["network"].values,
            "accuracy": agreement.accuracies(epoch.correct),
            "loss": epoch.loss,
        }
        self._parts.append(pd.DataFrame(columns))

    def table(self) -> pd.DataFrame:
        """The rows so far."""
        kinds = {"split": "str", "epoch": "int64", "member": "int64", "network": "str"}
        kinds |= {"accuracy": "float64", "loss": "float64"}
        empty = pd.DataFrame(columns=list(kinds))
        return pd.concat(self._parts or [empty], ignore_index=True).astype(kinds)


def joined(tables: Sequence[pd.DataFrame]) -> pd.DataFrame:
    """Tables of the same columns below each other; without rows if all are."""
    some = [table for table in tables if len(table)]
    return pd.concat(some, ignore_index=True) if some else tables[0]


def diverged(record: Mapping[str, xr.Dataset]) -> pd.DataFrame:
    """The members that diverged, and when.

    Parameters
    ----------
    record : mapping of str to xarray.Dataset
        As `jagree.record.open_record` gives it.

    Returns
    -------
    pandas.DataFrame
        ``member``, ``network`` and ``epoch``, the first one in which the member's loss was not
        finite or it gave no finite prediction for some example of some split. No row if none did.
    """
    first = functools.reduce(np.minimum, [_first_not_finite(split) for split in record.values()])
    members = np.flatnonzero(np.isfinite(first))
    split = next(iter(record.values())).isel(member=members)  # all splits have the same members
    return pd.DataFrame(
        {
            "member": split["member"].values.astype(np.int64),
            "network": split["network"].values.astype(object),
            "epoch": first[members].astype(np.int64),
        }
    ).astype({"network": "str"})


def _first_not_finite(split: xr.Dataset) -> np.ndarray:
    tally = DivergenceTally(split)
    walk(split, tally)
    return tally.first


class DivergenceTally:
    """Epoch of each member's first loss or prediction that is not finite, else inf: float [K]."""

    def __init__(self, split: xr.Dataset) -> None:
        self.first = np.full(split.sizes["member"], np.inf)

    def add(self, epoch: Epoch) -> None:
        """Look at an epoch."""
        bad = (epoch.prediction < 0).reshape(len(self.first), -1).any(-1)
        if "loss" in epoch.split:
            # Before any training (epoch 0) there is no loss yet, and that is no divergence.
            bad |= (epoch.number > 0) & ~np.isfinite(epoch.loss)
        self.first = np.where(bad & np.isinf(self.first), epoch.number, self.first)


def train_first(split: str) -> tuple[bool, str]:
    """Sorts the training split before the others, these by name."""
    return split != "train", split
