"""The table of examples: when each was learned, how surely, and what it is taken for."""

from collections.abc import Sequence

import numpy as np
import pandas as pd
import xarray as xr

from jagree.errors import UsageError
from jagree.study.cartography import CartographyTally, el2n
from jagree.study.epochs import Epoch, sets_as_numbers, walk, without
from jagree.study.mistakes import same_mistake
from jagree.study.order import LearningOrder, OrderTally, middle_member

TIE = "(tie)"  # in place of the name of the most common prediction, where there are several
EARLY = 10  # epochs completed, after which EL2N is taken; the last recorded one from 1 up to it


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
        finite)" and 0 members if there is no other;
        ``same_mistake`` : whether in the last recorded epoch all members are wrong in the same way;
        where members were trained on different labels, their common answer is not the original
        label either;
        ``first_learned``, ``learned_for_good`` : of the middle member, see
        `jagree.study.order.middle_member`; nan where fewer than half of the members ever do;
        ``never_learned_by`` : how many members never get the example right;
        ``forgetting_events`` : mean over members;
        and, where the record has what they are made of, the means over members of ``confidence``,
        ``variability``, ``aleatoric``, ``threshold_closeness``, ``area_under_margin``, ``loss``
        (see `jagree.study.cartography.Cartography`; nan where a member's output was not finite) and
        of ``el2n``, taken in the last recorded epoch from 1 up to `EARLY` (the first one where all
        are later; no such column where only the untrained networks are recorded, epoch 0, or with
        several labels).

        Multi-label records have class indices joined by spaces in place of an index, and names
        joined by ", ".

    Raises
    ------
    UsageError
        If no epoch is recorded, a member to leave out does not exist, or none remains.
    """
    split = without(split, leave_out)
    if split.sizes["epoch"] == 0:
        raise UsageError(
            "the record has no epoch yet, so nothing can be said about its examples; "
            "train for at least one epoch first"
        )
    tally = ExampleTally(split)
    walk(split, tally)
    return tally.table()


class ExampleTally:
    """Gathers `example_table`.

    Parameters
    ----------
    split : xarray.Dataset
        The split, with the members that count, and an epoch at least.
    """

    def __init__(self, split: xr.Dataset) -> None:
        self._split = split
        self._order = OrderTally()
        self._map = CartographyTally() if {"log_prob", "margin"} <= set(split) else None
        epochs = split["epoch"].values
        trained = epochs[epochs > 0]
        early = trained[trained <= EARLY]
        # At epoch 0 the error is that of random weights and says nothing about an example.
        self._early = [int(e) for e in (early[-1:] if len(early) else trained[:1])]
        self._el2n: np.ndarray | None = None
        self._last: Epoch | None = None

    def add(self, epoch: Epoch) -> None:
        """Count an epoch."""
        self._order.add(epoch.number, epoch.correct)
        if self._map is not None:
            log_prob = epoch.values("log_prob")
            self._map.add(log_prob, epoch.values("margin"))
            if epoch.number in self._early and "sum_sq_other" in self._split:
                self._el2n = el2n(log_prob, epoch.values("sum_sq_other")).mean(0)
        self._last = epoch

    @property
    def agreed_for_good(self) -> np.ndarray:
        """See `jagree.study.order.LearningOrder`: float [N]."""
        return self._order.result().agreed_for_good

    def table(self) -> pd.DataFrame:
        """All that was counted."""
        assert self._last is not None
        order = self._order.result()
        return pd.DataFrame(
            _labels(self._split)
            | _agreed(order)
            | _predicted(self._last)
            | self._learned()
            | self._surely()
        )

    def _learned(self) -> dict[str, np.ndarray]:
        learning = self._order.members.result()
        return {
            "first_learned": middle_member(learning.first_learned).astype(np.float64),
            "learned_for_good": middle_member(learning.learned_for_good).astype(np.float64),
            "never_learned_by": (learning.times_right == 0).sum(0),
            "forgetting_events": learning.forgetting_events.mean(0),
        }

    def _surely(self) -> dict[str, np.ndarray]:
        if self._map is None:
            return {}
        found = self._map.result()
        columns = {
            "confidence": found.confidence.mean(0),
            "variability": found.variability.mean(0),
            "aleatoric": found.aleatoric.mean(0),
            "threshold_closeness": found.threshold_closeness.mean(0),
            "area_under_margin": found.area_under_margin.mean(0),
            "loss": found.loss.mean(0),
        }
        return columns if self._el2n is None else columns | {"el2n": self._el2n}


def _labels(split: xr.Dataset) -> dict[str, np.ndarray]:
    names = split.attrs["class_names"]
    # Members that were trained on different labels have only the original one in common.
    label = split["true_label" if "member" in split["label"].dims else "label"].values
    true = split["true_label"].values
    columns = {
        "id": split["id"].values.astype(object),
        "label": _indices(label),
        "label_name": _names(label, names),
    }
    if np.array_equal(label, true):
        return columns
    return columns | {"true_label": _indices(true), "true_label_name": _names(true, names)}


def _agreed(order: LearningOrder) -> dict[str, np.ndarray]:
    return {
        "agreed_for_good": order.agreed_for_good,
        "ever_agreed": order.ever_agreed,
        "accessibility": order.accessibility,
    }


def _predicted(last: Epoch) -> dict[str, np.ndarray]:
    common, members = most_common_prediction(last.prediction)
    names = _names(common, last.split.attrs["class_names"])
    return {
        "most_common_prediction": _indices(common),
        "most_common_prediction_name": np.where(tied(common, members), TIE, names).astype(object),
        "most_common_prediction_members": members,
        "same_mistake": _same_mistake(last),
    }


def _same_mistake(last: Epoch) -> np.ndarray:
    """See `jagree.study.mistakes.same_mistake`; bool [N]."""
    found = same_mistake(last.answer, last.correct)
    if "member" not in last.split["label"].dims:
        return found
    # Members that all give the original label are wrong by their own labels, and yet right.
    differs = last.prediction[0] != last.split["true_label"].values
    return found & (differs.any(-1) if differs.ndim == 2 else differs)


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
        answer = sets_as_numbers(prediction)
        common, members = most_common_prediction(answer)
        who = (answer == common).argmax(0)  # anybody who says so
        said = np.take_along_axis(prediction, who[None, :, None], 0)[0]
        return np.where(common[:, None] >= 0, said, -1), members
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
