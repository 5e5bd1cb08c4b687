"""Tables of a whole record: per epoch, per example, and of the members that diverged.

They read the record one epoch at a time, so a table of a large one takes the memory of one epoch.
"""

import functools
from collections.abc import Callable, Iterator, Mapping, Sequence

import numpy as np
import pandas as pd
import xarray as xr

from jagree.errors import UsageError
from jagree.record import correct, losses, predictions
from jagree.study import agreement, chance
from jagree.study.order import learning_order

MEASURES: dict[str, Callable[[np.ndarray], np.ndarray]] = {
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
# The same, of functions that take the classes, too.
CLASS_MEASURES: dict[str, Callable[[np.ndarray, np.ndarray], np.ndarray]] = {
    "chance_within_classes": chance.chance_within_classes,
}
TIE = "(tie)"  # in place of the name of the most common prediction, where there are several


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
        ``examples`` (N) and the measures of `jagree.study.agreement`, as fractions; nan where one
        is not defined. Without any recorded epoch: the same columns and no row.

    Raises
    ------
    UsageError
        If a member to leave out does not exist, or none remains.
    """
    rows = []
    for name in sorted(record, key=_train_first):
        split = _without(record[name], leave_out)
        classes = class_codes(split)
        rows += [
            {"split": name, "epoch": epoch} | _sizes(right) | measures(right, classes)
            for epoch, right in _epochs(split)
        ]
    names = [*MEASURES, *CLASS_MEASURES]
    kinds = {"split": "str", "epoch": "int64", "members": "int64", "examples": "int64"}
    table = pd.DataFrame(rows, columns=[*kinds, *names])
    return table.astype(kinds | dict.fromkeys(names, "float64"))


def _sizes(right: np.ndarray) -> dict[str, int]:
    members, examples = right.shape
    return {"members": members, "examples": examples}


def measures(right: np.ndarray, classes: np.ndarray) -> dict[str, float]:
    """All measures of one epoch, by name; nan where one is not defined.

    Parameters
    ----------
    right : bool array [K, N]
    classes : int array [N] or [K, N]
        As `class_codes` gives them.
    """
    values = {name: float(function(right)) for name, function in MEASURES.items()}
    return values | {name: float(f(right, classes)) for name, f in CLASS_MEASURES.items()}


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
    if "class" not in split["label"].dims:
        return label
    _, codes = np.unique(label.reshape(-1, label.shape[-1]), axis=0, return_inverse=True)
    return codes.reshape(label.shape[:-1])


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
    parts = [
        pd.DataFrame(
            {
                "split": name,
                "epoch": epoch,
                "member": split["member"].values,
                "network": split["network"].values,
                "accuracy": agreement.accuracies(right),
                "loss": losses(split, position) if "loss" in split else np.nan,
            }
        )
        for name in sorted(record, key=_train_first)
        for split in [_without(record[name], leave_out)]
        for position, (epoch, right) in enumerate(_epochs(split))
    ]
    kinds = {"split": "str", "epoch": "int64", "member": "int64", "network": "str"}
    kinds |= {"accuracy": "float64", "loss": "float64"}
    table = pd.concat(parts or [pd.DataFrame(columns=list(kinds))], ignore_index=True)
    return table.astype(kinds)


def example_table(split: xr.Dataset, *, leave_out: Sequence[int] = ()) -> pd.DataFrame:
    """One row per example, in the record's order.

    Parameters
    ----------
    split : xarray.Dataset
        One split of `jagree.record.open_record`.
    leave_out : sequence of int
        Members to leave out, by number; diverged ones stay in unless they are named here.

    Returns
    -------
    pandas.DataFrame
        ``id``;
        ``label``, ``label_name`` : the label trained on, or the original one where members were
        trained on different labels (each is then right or wrong by its own);
        ``true_label``, ``true_label_name`` : the original label, where all members were trained on
        the same labels and some of these differ from it;
        ``agreed_for_good``, ``ever_agreed``, ``accessibility`` : see
        `jagree.study.order.LearningOrder`;
        ``most_common_prediction``, ``most_common_prediction_name``,
        ``most_common_prediction_members`` : what most members predict in the last recorded epoch,
        and how many of them. Of several equally common none is named: -1, "(tie)", and how many
        members predict each of them. Predictions that are not finite do not count: -1, "(not
        finite)" and 0 members if there is no other.

        Multi-label records have class indices joined by spaces in place of an index, and names
        joined by ", ".

    Raises
    ------
    UsageError
        If no epoch is recorded, a member to leave out does not exist, or none remains.
    """
    split = _without(split, leave_out)
    if split.sizes["epoch"] == 0:
        raise UsageError(
            "the record has no epoch yet, so nothing can be said about its examples; "
            "train for at least one epoch first"
        )
    order = learning_order(_epochs(split))
    names = split.attrs["class_names"]
    # Members that were trained on different labels have only the original one in common.
    label = split["true_label" if "member" in split["label"].dims else "label"].values
    common, members = most_common_prediction(predictions(split, -1))
    true = split["true_label"].values
    return pd.DataFrame(
        {
            "id": split["id"].values.astype(object),
            "label": _indices(label),
            "label_name": _names(label, names),
            **(
                {}
                if np.array_equal(label, true)
                else {"true_label": _indices(true), "true_label_name": _names(true, names)}
            ),
            "agreed_for_good": order.agreed_for_good,
            "ever_agreed": order.ever_agreed,
            "accessibility": order.accessibility,
            "most_common_prediction": _indices(common),
            "most_common_prediction_name": np.where(
                tied(common, members), TIE, _names(common, names)
            ).astype(object),
            "most_common_prediction_members": members,
        }
    )


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


def most_common_prediction(prediction: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """What most members predict for each example.

    Parameters
    ----------
    prediction : int array [K, N], or [K, N, C] of 1 (present) and 0 (absent) for several labels
        -1 is not finite and does not count.

    Returns
    -------
    common : int array [N] or [N, C]
        -1 where several are equally common, or no member gave a finite prediction.
    members : int array [N]
        How many members predict that, or each of the equally common; 0 where none gave a finite
        prediction.

    Examples
    --------
    >>> import numpy as np
    >>> common, members = most_common_prediction(np.array([[2, 0, -1], [1, 3, -1], [2, 1, 5]]))
    >>> common.tolist(), members.tolist()
    ([2, -1, 5], [2, 1, 1])
    """
    if prediction.ndim == 3:
        vectors, codes = np.unique(
            prediction.reshape(-1, prediction.shape[-1]), axis=0, return_inverse=True
        )
        codes = np.where(vectors.min(-1)[codes] < 0, -1, codes)
        common, members = most_common_prediction(codes.reshape(prediction.shape[:2]))
        return np.where(common[:, None] >= 0, vectors[common], -1), members
    # Equal predictions stand together once the members are sorted; the longest run wins.
    ordered = np.sort(prediction, axis=0)
    common, previous = np.full_like(ordered[0], -1), np.full_like(ordered[0], -1)
    members = run = np.zeros(ordered.shape[1], np.int64)
    for row in ordered:
        run = np.where(row == previous, run + 1, 1) * (row >= 0)
        longer, as_long = run > members, run == members
        common = np.where(longer, row, np.where(as_long, -1, common))
        members = np.where(longer, run, members)
        previous = row
    return common, members


def tied(common: np.ndarray, members: np.ndarray) -> np.ndarray:
    """Where several predictions are equally common: bool [N] of `most_common_prediction`."""
    none = common < 0 if common.ndim == 1 else (common < 0).any(-1)
    found: np.ndarray = none & (members > 0)
    return found


def _train_first(split: str) -> tuple[bool, str]:
    return split != "train", split


def _epochs(split: xr.Dataset) -> Iterator[tuple[int, np.ndarray]]:
    """Each recorded epoch with bool [K, N], read when asked for."""
    for position, epoch in enumerate(split["epoch"].values):
        yield int(epoch), correct(split, position)


def _without(split: xr.Dataset, leave_out: Sequence[int]) -> xr.Dataset:
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


def _first_not_finite(split: xr.Dataset) -> np.ndarray:
    """Epoch of each member's first loss or prediction that is not finite, else inf: float [K]."""
    first = np.full(split.sizes["member"], np.inf)
    for position, epoch in enumerate(split["epoch"].values):
        prediction = predictions(split, position)
        bad = (prediction < 0).reshape(len(first), -1).any(-1)
        if "loss" in split:
            # Before any training (epoch 0) there is no loss yet, and that is no divergence.
            bad |= (epoch > 0) & ~np.isfinite(losses(split, position))
        first = np.where(bad & np.isinf(first), epoch, first)
    return first


def _indices(label: np.ndarray) -> np.ndarray:
    """Class indices as numbers, or as text where there can be several."""
    if label.ndim == 1:
        return label.astype(np.int64)
    words = [str(c) for c in range(label.shape[1])]
    return _joined(label, words, " ", none="", not_finite="-1")


def _names(label: np.ndarray, class_names: Sequence[str]) -> np.ndarray:
    not_finite = "(not finite)"
    if label.ndim == 1:
        return np.array([*class_names, not_finite], object)[label]  # -1 takes the last one
    return _joined(label, class_names, ", ", none="(none)", not_finite=not_finite)


def _joined(
    label: np.ndarray, words: Sequence[str], separator: str, *, none: str, not_finite: str
) -> np.ndarray:
    """The words of the classes that are present, one string per row of int or bool [N, C]."""

    def join(row: np.ndarray) -> str:
        return separator.join(words[c] for c in row.nonzero()[0].tolist()) or none

    return np.array([not_finite if row.min() < 0 else join(row) for row in label], object)
