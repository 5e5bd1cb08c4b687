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
from jagree.report.numbers import plain
from jagree.report.pictures import png_uri
from jagree.study.several import Several
from jagree.words import NO_VALUE, SPACE, adjective, counted, enumeration, percent

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
    rows = at_last(across[across["split"] == split])
    agreement, consistency = (
        rows[rows["measure"] == measure] for measure in ("agreement", "error_consistency")
    )
    order = several.order[several.order["split"] == split]
    if len(agreement) > SPELLED_OUT:
        yield f"{many_pairs_in_words(consistency)} {many_orders_in_words(order)}"
        return
    for row, beyond, orders in zip(_rows(agreement), _rows(consistency), _rows(order), strict=True):
        yield f"{pair_in_words(row, beyond)} {order_in_words(orders)}"


def pair_in_words(agreement: Mapping[str, Any], consistency: Mapping[str, Any]) -> str:
    """How pairs of networks across two runs compare with those within them.

    Parameters
    ----------
    agreement, consistency : mapping
        Rows of ``Several.across`` of these two runs at the last epoch: of the measure "agreement",
        and of "error_consistency".

    Returns
    -------
    str
        Percentages of agreement describe. Whether it is less across runs than within them is said
        by the error consistency, since agreement differs between networks of unequal accuracy even
        where they are independent. Without a difference, or an interval of it, nothing is said.
    """
    told = (
        f"Two networks agree on {percent(agreement['within_1'])} within {agreement['run_1']}, on "
        f"{percent(agreement['within_2'])} within {agreement['run_2']}, and on "
        f"{percent(agreement['between'])} if one is of each (independent networks of these "
        f"accuracies would come to {percent(agreement['chance'])}, and "
        f"{percent(agreement['largest'])} is the most they allow)."
    )
    difference, low, high = (consistency[name] for name in ("difference", "low", "high"))
    if any(map(math.isnan, (difference, low, high))):
        return told
    within = (consistency["within_1"] + consistency["within_2"]) / 2
    if low <= 0 <= high:
        verdict = "across runs as within, as far as these examples tell"
    else:
        verdict = f"{'less' if high < 0 else 'more'} across runs than within"
    forbidden = (
        f" Their unequal accuracies allow {plain(consistency['largest'])} at most, so these "
        "alone make it less."
        if high < 0 and consistency["largest"] < within
        else ""
    )
    return (
        f"{told} With chance taken out (error consistency) they agree {verdict}: "
        f"{plain(consistency['between'])} against {plain(within)} on average, a "
        f"difference of {_signed(difference)} (95{SPACE}% interval {_signed(low)} to "
        f"{_signed(high)}).{forbidden}"
    )


def _signed(difference: float) -> str:
    return f"{difference:+.3f}".replace("-", "\N{MINUS SIGN}")


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
    """The same for many pairs of runs at once, each by its own interval.

    Parameters
    ----------
    rows : pandas.DataFrame
        Of ``Several.across``, of the measure "error_consistency", at the last epoch.
    """
    known = rows.dropna(subset=["difference", "low", "high"])
    less, more = known["high"] < 0, known["low"] > 0
    within = (known["within_1"] + known["within_2"]) / 2
    forbidden = int((less & (known["largest"] < within)).sum())
    told = (
        f"With chance taken out (error consistency), of {counted(len(rows), 'pair')} of runs, "
        f"networks of different runs agree less than those of one in {less.sum()}"
        + (f" (in {forbidden} of these, unequal accuracies allow no more)" if forbidden else "")
        + f", more in {more.sum()}, and by no difference that these examples can tell in "
        f"{len(known) - less.sum() - more.sum()}"
    )
    if len(known) < len(rows):
        told += f"; of {len(rows) - len(known)} it is not known"
    if known.empty:
        return f"{told}."
    lowest = _rows(known.sort_values("difference", kind="stable"))[0]
    return (
        f"{told}. The difference is lowest for {lowest['run_1']} and {lowest['run_2']}, "
        f"{_signed(lowest['difference'])}."
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
