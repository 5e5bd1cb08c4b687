"""Which class each example counts in, and a table of all examples by class."""

from dataclasses import dataclass

import numpy as np
import pandas as pd

from jagree.report.numbers import aligned, whole
from jagree.report.relations import readable
from jagree.report.tables import Cell, Column, Table, number
from jagree.words import percent

# Columns of the example table that say what was learned; all others are of the images.
LEARNING = (
    "agreed_for_good",
    "accessibility",
    "first_learned",
    "learned_for_good",
    "never_learned_by",
    "forgetting_events",
    "confidence",
    "variability",
    "aleatoric",
    "threshold_closeness",
    "area_under_margin",
    "loss",
    "el2n",
    "most_common_prediction_members",
)
LABELS = ("label", "true_label", "most_common_prediction")  # numbers that are names


@dataclass(frozen=True)
class Membership:
    """Classes of a split's examples; one with several labels counts in each of its classes.

    Attributes
    ----------
    names : list of str
        Of the classes that any example has, in alphabetical order.
    example, code : int arrays [M]
        Pairs of an example's position and its class's place in `names`, ascending by position.
    """

    names: list[str]
    example: np.ndarray
    code: np.ndarray

    def of(self, positions: np.ndarray) -> list[list[int]]:
        """The classes of some examples."""
        starts = np.searchsorted(self.example, positions)
        ends = np.searchsorted(self.example, positions, side="right")
        return [self.code[a:b].tolist() for a, b in zip(starts, ends, strict=True)]


def membership(examples: pd.DataFrame, class_names: dict[int, str]) -> Membership:
    """Who is in which class.

    Parameters
    ----------
    examples : pandas.DataFrame
        As `jagree.study.example_table` gives it: ``label`` is an index, or several joined by
        spaces.
    class_names : mapping of int to str
        A class without a name has its index for one.
    """
    label = examples["label"]
    if label.dtype.kind in "iu":
        example, index = np.arange(len(label)), label.to_numpy(np.int64)
    else:
        several = [str(text).split() for text in label]
        example = np.repeat(np.arange(len(several)), [len(words) for words in several])
        index = np.array([int(word) for words in several for word in words], np.int64)
    known = np.unique(index)
    names = [class_names.get(int(c), str(c)) for c in known]
    order = sorted(range(len(known)), key=lambda place: (names[place].casefold(), names[place]))
    rank = np.empty(len(known), np.int64)
    rank[order] = np.arange(len(known))
    code = rank[np.searchsorted(known, index)]
    return Membership([names[place] for place in order], example, code)


def numeric(examples: pd.DataFrame) -> list[str]:
    """Columns to filter and sort by: of the images first, then of what was learned."""
    found = [
        str(name)
        for name, values in examples.items()
        if values.dtype.kind in "iuf" and name not in LABELS
    ]
    return sorted(found, key=lambda name: name in LEARNING)


def class_table(split: str, examples: pd.DataFrame, member: Membership) -> Table:
    """A row per class: how its examples are learned, and the mean of each of their numbers.

    An example with several labels counts in each of its classes.
    """
    good = examples["agreed_for_good"].notna().to_numpy()
    shares = {
        "Agreed on for good": good,
        "Never agreed on": ~examples["ever_agreed"].to_numpy(bool),
        "Same mistake": examples["same_mistake"].to_numpy(bool),
    }
    size = np.bincount(member.code, minlength=len(member.names))
    columns = [Column("Class", numeric=False), Column("Examples"), *map(Column, shares)]
    values = [_means(share.astype(float), member, size) for share in shares.values()]
    means = [name for name in numeric(examples) if name != "most_common_prediction_members"]
    for name in means:
        columns.append(Column(f"Mean {readable(name)}", "Of the examples that have a value"))
        values.append(_means(examples[name].to_numpy(np.float64), member, size))
    written = [percent] * len(shares) + [aligned(value) for value in values[len(shares) :]]
    rows = []
    for c, name in enumerate(member.names):
        cells = [Cell(name), number(size[c], whole)]
        rows.append(cells + [number(v[c], as_) for v, as_ in zip(values, written, strict=True)])
    return Table(f"Examples by class, {split}", columns, rows)


def _means(value: np.ndarray, member: Membership, size: np.ndarray) -> np.ndarray:
    """The mean over each class, of the examples that have a value; nan where none has."""
    mine = value[member.example]
    known = ~np.isnan(mine)
    total = np.bincount(member.code[known], mine[known], minlength=len(size))
    count = np.bincount(member.code[known], minlength=len(size))
    found = np.full(len(size), np.nan)
    return np.divide(total, count, out=found, where=count > 0)
