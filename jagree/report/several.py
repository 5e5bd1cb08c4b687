"""The page of several runs that were studied together."""

import math
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import jinja2
import pandas as pd

from jagree.figures import to_png
from jagree.figures.drawn import Drawn
from jagree.paths import write
from jagree.report.pictures import png_uri
from jagree.study.several import Several
from jagree.words import NO_VALUE, adjective, counted, enumeration, percent, points

SPELLED_OUT = 3  # pairs of runs, up to which each has a sentence


def write_several(
    path: Path, several: Several, figures: Mapping[str, Drawn], links: Sequence[str]
) -> None:
    """Write the page of several runs as one self-contained HTML file.

    Parameters
    ----------
    path : path
        Replaced in one step if it exists.
    several : Several
        From `jagree.study.several.compare`.
    figures : mapping of str to Drawn
        By name, in the order of the page.
    links : sequence of str
        For each run, in the order of ``several.runs``: where its own report is, seen from this
        page; "" for none.
    """
    page = environment().get_template("several.html")
    last = {str(s): int(of["epoch"].max()) for s, of in several.together.groupby("split")}
    html = page.render(
        title=f"{counted(len(several.runs), 'run')} together",
        paragraphs=paragraphs(several),
        notes=several.notes,
        runs=list(zip(_rows(several.runs), links, strict=True)),
        fields=_fields(several.runs),
        figures=[(one.title, one.caption, png_uri(to_png(one.figure))) for one in figures.values()],
        together=_rows(at_last(several.together)),
        pairs=_rows(at_last(several.across)),
        order=_rows(several.order),
        agreement=_rows(_last_of_each(several.agreement)),
        last=last,
    )
    write(path, html.encode())


def environment() -> jinja2.Environment:
    """What the page's template is filled in by; everything is escaped."""
    found = jinja2.Environment(
        loader=jinja2.PackageLoader("jagree.report", "."),
        autoescape=True,
        trim_blocks=True,
        lstrip_blocks=True,
        undefined=jinja2.StrictUndefined,
    )
    found.filters |= {"percent": percent, "number": number, "measured": measured}
    return found


def number(value: float, digits: int = 2) -> str:
    """A number that is no fraction.

    >>> number(0.456), number(float("nan"))
    ('0.46', 'no value')
    """
    return NO_VALUE if math.isnan(value) else f"{value:.{digits}f}"


def measured(value: float, measure: str) -> str:
    """A value of a measure of pairs: agreement in percent, a kappa as it is."""
    return percent(value) if measure == "agreement" else number(value, 3)


def at_last(table: pd.DataFrame) -> pd.DataFrame:
    """The rows of the last epoch."""
    return table[table["epoch"] == table["epoch"].max()]


def _last_of_each(agreement: pd.DataFrame) -> pd.DataFrame:
    """Each run's last epoch."""
    last = agreement.groupby("run", sort=False)["epoch"].transform("max")
    return agreement[agreement["epoch"] == last]


def _rows(table: pd.DataFrame) -> list[dict[str, Any]]:
    return [{str(k): v for k, v in row.items()} for row in table.to_dict("records")]


def _fields(runs: pd.DataFrame) -> list[str]:
    """What the runs differ in."""
    columns = [str(column) for column in runs]
    return columns[1 : columns.index("path")]


def paragraphs(several: Several) -> list[str]:
    """What the runs show together, in words: of each split, then of its pairs of runs."""
    fields = _fields(several.runs)
    differ = f", which differ in {enumeration(fields)}" if fields else ""
    lead = (
        f"{counted(len(several.runs), 'run')} on the same data{differ}. Networks agree on the "
        "examples that all of them get right, as a share of those that any of them does."
    )
    splits = several.together["split"].unique()
    return [lead, *(text for split in splits for text in _of_split(several, str(split)))]


def _of_split(several: Several, split: str) -> Iterator[str]:
    together = at_last(several.together[several.together["split"] == split]).iloc[0]
    yield (
        f"After epoch {together['epoch']}, on the {adjective(split)} examples, all "
        f"{together['members']} networks of the runs together agree on "
        f"{percent(together['true_positive_agreement'])} (chance within classes "
        f"{percent(together['chance_within_classes'])})."
    )
    across = several.across
    rows = at_last(across[(across["split"] == split) & (across["measure"] == "agreement")])
    order = several.order[several.order["split"] == split]
    if len(rows) > SPELLED_OUT:
        yield f"{many_pairs_in_words(rows)} {many_orders_in_words(order)}"
        return
    for row, orders in zip(_rows(rows), _rows(order), strict=True):
        yield f"{pair_in_words(row)} {order_in_words(orders)}"


def pair_in_words(row: Mapping[str, Any]) -> str:
    """How pairs of networks across two runs compare with those within them.

    Parameters
    ----------
    row : mapping
        Of ``Several.across``, of the measure "agreement", at the last epoch.
    """
    one, two = row["run_1"], row["run_2"]
    told = (
        f"Two networks agree on {percent(row['within_1'])} within {one}, on "
        f"{percent(row['within_2'])} within {two}, and on {percent(row['between'])} if one is of "
        f"each (at their accuracies {percent(row['largest'])} at most)"
    )
    if math.isnan(row["difference"]):
        return f"{told}."
    interval = f"95 % interval {_signed(row['low'])} to {_signed(row['high'])}"
    if row["low"] <= 0 <= row["high"]:
        return (
            f"{told}: across runs as within them, as far as these examples tell ({interval} "
            "percentage points)."
        )
    word = "less" if row["difference"] < 0 else "more"
    return f"{told}: {points(row['difference'])} {word} than within, on average ({interval})."


def _signed(difference: float) -> str:
    return f"{100 * difference:+.1f}".replace("-", "\N{MINUS SIGN}")


def order_in_words(row: Mapping[str, Any]) -> str:
    """How alike two runs' learning orders are; a row of ``Several.order``."""
    if math.isnan(row["rho"]):
        return "Whether they learn in the same order cannot be told: one of them has no order."
    return (
        f"The orders in which they learn the examples correlate by {number(row['rho'])} "
        f"[{number(row['low'])}, {number(row['high'])}] (Spearman; within classes "
        f"{number(row['rho_within_class'])})."
    )


def many_pairs_in_words(rows: pd.DataFrame) -> str:
    """The same for many pairs of runs at once."""
    known = rows.dropna(subset=["difference", "low", "high"])
    less, more = int((known["high"] < 0).sum()), int((known["low"] > 0).sum())
    told = (
        f"Of {counted(len(rows), 'pair')} of runs, networks of different runs agree less than "
        f"those of one in {less}, more in {more}, and by no difference that these examples can "
        f"tell in {len(known) - less - more}"
    )
    if len(known) < len(rows):
        told += f"; of {len(rows) - len(known)} it is not known"
    if known.empty:
        return f"{told}."
    farthest = _rows(known.sort_values("difference", kind="stable"))[0]
    return (
        f"{told}. They are farthest apart in {farthest['run_1']} and {farthest['run_2']}, by "
        f"{_signed(farthest['difference'])} percentage points."
    )


def many_orders_in_words(order: pd.DataFrame) -> str:
    """The same for many pairs of runs at once."""
    rho = order["rho"].dropna()
    if rho.empty:
        return "Whether they learn in the same order cannot be told."
    return (
        f"Their learning orders correlate by {number(rho.min())} to {number(rho.max())} "
        f"(Spearman; median {number(rho.median())})."
    )
