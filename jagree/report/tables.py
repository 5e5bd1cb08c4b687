"""The page's tables: what stands in each cell, and what it is sorted by."""

import math
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import pandas as pd

from jagree.report.numbers import between
from jagree.report.terms import MEASURES, Term
from jagree.words import percent

DIGITS = 9  # that a cell is sorted by: more would only make the page larger


@dataclass(frozen=True)
class Cell:
    """What is read, and what it is sorted by.

    Attributes
    ----------
    text : str
    value : str
        The number that rows are sorted by, "" for one without a value; None: sorted by the text.
    link : str
        Anchor on the page, or "".
    title : str
        Shown beside the pointer, or "".
    """

    text: str
    value: str | None = None
    link: str = ""
    title: str = ""


@dataclass(frozen=True)
class Column:
    """Its heading, what it means, and whether it holds numbers."""

    name: str
    meaning: str = ""
    numeric: bool = True


@dataclass(frozen=True)
class Table:
    """One table; the first cell of each row is its heading.

    Attributes
    ----------
    name : str
        For who cannot see it.
    columns : sequence of Column
    rows : sequence of sequence of Cell
    kind : str
        A class of the style sheet, or "".
    """

    name: str
    columns: Sequence[Column]
    rows: Sequence[Sequence[Cell]] = field(default_factory=list)
    kind: str = ""


def number(value: float, written: Callable[[float], str]) -> Cell:
    """A cell that is sorted by its number."""
    value = float(value)
    return Cell(written(value), f"{value:.{DIGITS}g}" if math.isfinite(value) else "")


def number_between(value: float, low: float, high: float, written: Callable[[float], str]) -> Cell:
    """A number with its interval, where there is one."""
    cell = number(value, written)
    if math.isnan(value) or math.isnan(low):
        return cell
    return Cell(f"{cell.text} ({between(low, high, written)})", cell.value)


def by_split(agreement: pd.DataFrame) -> list[tuple[str, pd.DataFrame]]:
    """Split -> its rows, in the table's order."""
    return [(str(name), rows) for name, rows in agreement.groupby("split", sort=False)]


def measures_of(agreement: pd.DataFrame) -> list[Term]:
    """The measures that the table has; of a single network its accuracy, for others take two."""
    alone = (agreement["members"] == 1).all()
    return [
        measure
        for measure in MEASURES
        if measure.column in agreement and (not alone or measure.column == "accuracy_mean")
    ]


def last_epoch(agreement: pd.DataFrame, intervals: pd.DataFrame) -> Table:
    """Every measure after the last epoch, a column per split, with its interval if it has one."""
    splits = by_split(agreement)
    ends = interval_ends(intervals)
    rows = []
    for measure in measures_of(agreement):
        cells = [Cell(measure.name, link=measure.column, title=measure.meaning)]
        for split, table in splits:
            last = table.iloc[-1]
            low, high = ends.get((split, int(last["epoch"]), measure.column), (math.nan,) * 2)
            cells.append(number_between(last[measure.column], low, high, measure.written))
        rows.append(cells)
    columns = [Column("Measure", numeric=False)]
    columns += [Column(f"{split}, epoch {table['epoch'].iloc[-1]}") for split, table in splits]
    return Table("Measures after the last epoch", columns, rows)


def interval_ends(intervals: pd.DataFrame) -> dict[tuple[str, int, str], tuple[float, float]]:
    """(split, epoch, measure) -> low and high."""
    return {
        (str(row["split"]), int(row["epoch"]), str(row["measure"])): (
            float(row["low"]),
            float(row["high"]),
        )
        for row in intervals.to_dict("records")
    }


def networks(members: pd.DataFrame) -> Table:
    """Each network's number, name, and accuracy per split after the last epoch."""
    last = members[members["epoch"] == members["epoch"].max()]
    splits = list(dict.fromkeys(last["split"]))
    rows = []
    for (member, network), found in last.groupby(["member", "network"], sort=False):
        accuracy = dict(zip(found["split"], found["accuracy"], strict=True))
        cells = [number(member, "{:.0f}".format), Cell(str(network))]
        rows.append(cells + [number(accuracy.get(s, math.nan), percent) for s in splits])
    columns = [Column("Number"), Column("Network", numeric=False)]
    columns += [Column(f"Accuracy, {split}") for split in splits]
    return Table("Each network after the last epoch", columns, rows)


def all_epochs(split: str, rows: pd.DataFrame) -> Table:
    """Every measure after every epoch of a split."""
    measures = measures_of(rows)
    return Table(
        f"All epochs, {split}",
        [Column("Epoch"), *(Column(m.name, m.meaning) for m in measures)],
        [
            [
                number(row["epoch"], "{:.0f}".format),
                *(number(row[measure.column], measure.written) for measure in measures),
            ]
            for _, row in rows.iterrows()
        ],
    )


def parameters(members: Iterable[Mapping[str, Any]]) -> Table:
    """The networks as they were made, from run.json."""
    columns = [Column("Number"), Column("Network", numeric=False), Column("Parameters")]
    rows = []
    for member in members:
        known = member.get("parameters")
        size = Cell("", "") if known is None else number(known, "{:,.0f}".format)
        rows.append([number(member["member"], "{:.0f}".format), Cell(str(member["network"])), size])
    return Table("Networks", columns, rows)
