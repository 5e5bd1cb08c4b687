"""Which examples are on the page: of each kind, those that come first, and some of each class."""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass

import numpy as np
import pandas as pd

from jagree.report.classes import Membership

FIRST = 24  # of each kind, whatever their class
PER_CLASS = 16  # of each kind and class, at most


@dataclass(frozen=True)
class Kind:
    """Examples that have something in common.

    Attributes
    ----------
    key, heading, note : str
        The note says which examples these are, and in what order.
    holds : callable
        Table of examples -> bool [N].
    by : mapping of str to bool
        Column -> whether ascending; ties are in the order of ids.
    """

    key: str
    heading: str
    note: str
    holds: Callable[[pd.DataFrame], pd.Series]
    by: Mapping[str, bool]


# Where an example is of several kinds, the page shows it under the first: of those never agreed on
# many are mistakes that all make, and these would be missed.
KINDS = (
    Kind(
        "first",
        "Agreed on first",
        "Agreed on for good, the earliest first, with the epoch from which on; within an epoch "
        "those that the networks got right most often come first.",
        lambda table: table["agreed_for_good"].notna(),
        {"agreed_for_good": True, "accessibility": False},
    ),
    Kind(
        "last",
        "Agreed on last",
        "Agreed on for good, the latest first, with the epoch from which on; within an epoch those "
        "that the networks got right least often come first.",
        lambda table: table["agreed_for_good"].notna(),
        {"agreed_for_good": False, "accessibility": True},
    ),
    Kind(
        "mistake",
        "Agreed on, but wrongly",
        "All networks give the same wrong answer after the last epoch; those that they got right "
        "least often come first. Here labels that are wrong themselves come to light.",
        lambda table: table["same_mistake"].astype(bool),
        {"accessibility": True},
    ),
    Kind(
        "never",
        "Never agreed on",
        "Not once got right by all networks; those that they got right least often come first. "
        "With what most networks predict after the last epoch.",
        lambda table: ~table["ever_agreed"].astype(bool),
        {"accessibility": True},
    ),
)


def in_order(kind: Kind, examples: pd.DataFrame) -> np.ndarray:
    """Positions of all examples of a kind, in its order: int [M]."""
    mine = examples.assign(position=np.arange(len(examples)))[kind.holds(examples).to_numpy()]
    mine = mine.sort_values([*kind.by, "id"], ascending=[*kind.by.values(), True])
    return mine["position"].to_numpy(np.int64)


@dataclass(frozen=True)
class Wish:
    """Examples that are to be on the page together.

    Attributes
    ----------
    positions : list of int
        May name some that were named before.
    per_class : int
        So many of each kind and class are on the page with these; 0 for the first of each kind.
    """

    positions: list[int]
    per_class: int


def wishes(orders: Mapping[str, np.ndarray], member: Membership) -> Iterator[Wish]:
    """What to put on the page, the most important first, while there is room.

    Parameters
    ----------
    orders : mapping of str to int array
        Per kind as `in_order` gives them.
    member : Membership
    """
    yield Wish(_interleaved([order[:FIRST] for order in orders.values()]), 0)
    ranked = [_ranked(order, member) for order in orders.values()]
    for rank in range(PER_CLASS):
        turn = [positions[ranks == rank] for positions, ranks in ranked]
        if any(len(positions) for positions in turn):
            yield Wish(_interleaved(turn), rank + 1)


def _ranked(order: np.ndarray, member: Membership) -> tuple[np.ndarray, np.ndarray]:
    """Positions, once per class, in the order of their kind; and which of its class each is."""
    place = np.full(int(max(member.example.max(initial=-1), order.max(initial=-1))) + 1, -1)
    place[order] = np.arange(len(order))
    mine = place[member.example] >= 0
    table = pd.DataFrame({"example": member.example[mine], "code": member.code[mine]})
    table = table.assign(place=place[table["example"]]).sort_values("place", kind="stable")
    return table["example"].to_numpy(), table.groupby("code").cumcount().to_numpy()


def _interleaved(several: list[np.ndarray]) -> list[int]:
    """One of each in turn."""
    longest = max((len(one) for one in several), default=0)
    return [int(one[i]) for i in range(longest) for one in several if i < len(one)]
