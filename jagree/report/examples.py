"""The galleries: per split, the examples of each kind that are on the page, with their numbers."""

import json
from collections.abc import Hashable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
from markupsafe import Markup

from jagree.data.images import Images
from jagree.report.choice import FIRST, KINDS, Kind, in_order, wishes
from jagree.report.classes import LEARNING, Membership, numeric
from jagree.report.pictures import is_tiny, picture_uri
from jagree.report.relations import readable
from jagree.report.summary import counts
from jagree.study.examples import TIE
from jagree.words import SPACE, adjective, counted

SHOWN = 16  # of each kind at first: two rows of pictures on a desktop and in print, four on a phone
Row = Mapping[Hashable, Any]
WITHOUT_PICTURE = 200  # characters that an example counts for where it has none


@dataclass(frozen=True)
class Shown:
    """One example as it stands on the page before anything is asked of it.

    `picture` is a data URI, empty where there is no picture; `number` is its place in the data.
    """

    number: int
    id: str
    label: str
    note: str
    picture: str


@dataclass(frozen=True)
class Part:
    """The examples of one kind; `total` of them are in the split, `on_page` on the page."""

    kind: Kind
    total: int
    on_page: int
    shown: list[Shown]
    elsewhere: bool  # some that come earlier are shown under another kind


@dataclass(frozen=True)
class Gallery:
    """The examples of one split; `data` is what the page's script reads, as JSON."""

    split: str
    heading: str
    counts: str
    on_page: str
    with_pictures: bool
    tiny: bool
    parts: list[Part]
    classes: list[str]
    columns: dict[str, list[tuple[int, str]]]
    data: Markup


def gallery(
    split: str,
    examples: pd.DataFrame,
    images: Images | None,
    member: Membership,
    members: int,
    room: int,
) -> tuple[Gallery, int]:
    """The gallery of a split, and how many characters its pictures take.

    Parameters
    ----------
    split : str
    examples : pandas.DataFrame
        As `jagree.study.example_table` gives it, and its statistics.
    images : Images or None
        In the order of `examples`; None where they are not at hand.
    member : Membership
        Of the examples.
    members : int
        K.
    room : int
        Characters that its pictures may take; the first of each kind are there all the same.

    Raises
    ------
    ValueError
        If there are not as many images as examples.
    """
    if images is not None and len(images) != len(examples):
        raise ValueError(f"split '{split}' has {len(examples)} examples but {len(images)} images")
    orders = {kind.key: in_order(kind, examples) for kind in KINDS}
    pictures, per_class = _pictures(orders, images, member, room)
    positions = np.array(sorted(pictures), np.int64)
    rows = examples.iloc[positions]
    number = {int(position): place for place, position in enumerate(positions)}
    chosen = {
        key: [number[p] for p in order.tolist() if p in number] for key, order in orders.items()
    }
    known = [
        Shown(
            place, str(row["id"]), _label(row), _note(row, members), pictures[int(positions[place])]
        )
        for place, row in enumerate(rows.to_dict("records"))
    ]
    parts = list(_parts(orders, chosen, known))
    visible = {shown.number for part in parts for shown in part.shown}
    columns = numeric(examples)
    found = Gallery(
        split=split,
        heading=f"{adjective(split).capitalize()} examples",
        counts=counts(split, examples),
        on_page=_on_page(split, len(examples), len(positions), per_class, len(member.names)),
        with_pictures=images is not None,
        tiny=images is not None and len(images) > 0 and is_tiny(images[0]),
        parts=parts,
        classes=member.names,
        columns=_grouped(columns),
        data=as_json(
            {
                "split": adjective(split),
                "kinds": chosen,
                "totals": {key: _totals(order, member) for key, order in orders.items()},
                "ids": [shown.id for shown in known],
                "labels": [shown.label for shown in known],
                "notes": [shown.note for shown in known],
                "classes": member.of(positions),
                "columns": [readable(name) for name in columns],
                "values": [[_value(v) for v in rows[name].tolist()] for name in columns],
                # Those that are on the page already are found there.
                "pictures": ["" if s.number in visible else s.picture for s in known],
            }
        ),
    )
    return found, sum(map(len, pictures.values()))


def as_json(content: object) -> Markup:
    """JSON that may stand in a script element, whatever its strings hold.

    >>> as_json("</script>")
    Markup('"\\\\u003c/script\\\\u003e"')
    """
    text = json.dumps(content, ensure_ascii=False, allow_nan=False, separators=(",", ":"))
    for character in "<>&\u2028\u2029":
        text = text.replace(character, f"\\u{ord(character):04x}")
    return Markup(text)


def _pictures(
    orders: Mapping[str, np.ndarray], images: Images | None, member: Membership, room: int
) -> tuple[dict[int, str], int]:
    """Position -> picture of all that are on the page; and how many of each kind and class are."""
    found: dict[int, str] = {}
    used = per_class = 0
    for wish in wishes(orders, member):
        for position in wish.positions:
            if wish.per_class and used >= room:
                return found, per_class
            if position not in found:
                found[position] = "" if images is None else picture_uri(images[position])
                used += len(found[position]) or WITHOUT_PICTURE
        per_class = wish.per_class
    return found, per_class


def _parts(
    orders: Mapping[str, np.ndarray], chosen: Mapping[str, list[int]], known: list[Shown]
) -> Iterator[Part]:
    taken: set[int] = set()
    for kind in KINDS:
        fresh = [n for n in chosen[kind.key] if n not in taken][:SHOWN]
        taken.update(fresh)
        yield Part(
            kind=kind,
            total=len(orders[kind.key]),
            on_page=len(chosen[kind.key]),
            shown=[known[n] for n in fresh],
            elsewhere=fresh != chosen[kind.key][: len(fresh)],
        )


def _on_page(split: str, n: int, on_page: int, per_class: int, classes: int) -> str:
    """Which of a split's examples the page holds."""
    if on_page == n:
        return f"All {counted(n, f'{adjective(split)} example')} are on this page."
    each = (
        f"{per_class} of each kind and class"
        if per_class
        else f"as many of the {classes:,} classes' first as there is room for"
    )
    return (
        f"Of the {counted(n, f'{adjective(split)} example')} {on_page:,} are on this page: of each "
        f"kind the {FIRST} that come first, and {each}, as far as there are any."
    )


def _totals(order: np.ndarray, member: Membership) -> list[int]:
    """Examples of a kind in each class of the whole split, and last of all."""
    mine = np.isin(member.example, order)
    return [*np.bincount(member.code[mine], minlength=len(member.names)).tolist(), len(order)]


def _grouped(columns: list[str]) -> dict[str, list[tuple[int, str]]]:
    """Columns with their places, by what they are about."""
    groups: dict[str, list[tuple[int, str]]] = {}
    for place, name in enumerate(columns):
        about = "Learning" if name in LEARNING else "Image"
        groups.setdefault(about, []).append((place, readable(name)))
    return groups


def _value(value: float) -> float | None:
    return float(value) if np.isfinite(value) else None


def _label(row: Row) -> str:
    """What the example is called; under label noise also what it is."""
    name = str(row["label_name"])
    true = str(row.get("true_label_name", name))
    return name if true == name else f"{true}, labelled {name}"


def _note(row: Row, members: int) -> str:
    """Since when it is agreed on, or what most members predict instead."""
    good = float(row["agreed_for_good"])
    if not np.isnan(good):
        return f"epoch {good:.0f}"
    votes = int(row["most_common_prediction_members"])
    if votes == 0:
        return "no finite prediction"
    share = f"{votes}{SPACE}of{SPACE}{members}"
    name = row["most_common_prediction_name"]
    if name == TIE:
        return f"divided, {share} each"
    if row["most_common_prediction"] == row["label"]:
        return f"right in {share}"
    return f"no class predicted by {share}" if name == "(none)" else f"taken for {name} by {share}"
