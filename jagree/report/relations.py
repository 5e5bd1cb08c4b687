"""What goes with learning: effects of what was assigned, correlations of what was only measured."""

import re
from dataclasses import dataclass, field

import pandas as pd

from jagree.report.numbers import (
    LEVEL,
    adjusted_p,
    between,
    coefficient,
    measured,
    p_value,
    plain,
    rounded,
    whole,
)
from jagree.report.tables import Cell, Column, Table, by_split, number, number_between
from jagree.words import SPACE, adjective, counted, enumeration, percent

HONEST = "within_class"  # what classes differ in does not count
CURVES = "curves_v2"  # as the printed paper has it
LARGE = 0.9  # of the curves' r
WEAK = 0.1  # a rank correlation below which nobody should build on it, however clear
RANKS = {
    "within_class": "Within classes",
    "partial": "Given class and other statistics",
    "examples": "All examples",
}


@dataclass(frozen=True)
class Relations:
    """What is said of one split.

    Attributes
    ----------
    heading : str
    assigned : str
        What is to be known of the effects; "" where nothing was assigned.
    effects : list of (str, str)
        Each factor, the strongest first, and the rest of a sentence on it.
    suggested : list of (str, str)
        Each factor again, and what the statistic that it moves most would have suggested.
    honest : list of str
        Paragraphs on the correlations: the strongest over examples, and the paper's of curves.
    """

    heading: str
    assigned: str = ""
    effects: list[tuple[str, str]] = field(default_factory=list)
    suggested: list[tuple[str, str]] = field(default_factory=list)
    honest: list[str] = field(default_factory=list)


def relations(
    effects: pd.DataFrame, moves: pd.DataFrame, correlations: pd.DataFrame
) -> list[Relations]:
    """Per split that has any, in the tables' order; all three as `jagree.study.whole` has them."""
    splits = dict.fromkeys([*effects["split"], *correlations["split"]])
    found = []
    for split in map(str, splits):
        mine = effects[effects["split"] == split].sort_values(
            "effect", key=lambda effect: -effect.abs(), kind="stable"
        )
        factors = set(mine["factor"])
        statistics = correlations[
            (correlations["split"] == split) & ~correlations["statistic"].isin(factors)
        ]
        found.append(
            Relations(
                heading=f"{adjective(split).capitalize()} images",
                assigned=_assigned(split, mine),
                effects=[_effect(row) for _, row in mine.iterrows()],
                suggested=_suggested(mine, moves[moves["split"] == split]),
                honest=_honest(split, statistics),
            )
        )
    return found


def readable(column: str) -> str:
    """A column's name as words; a name that begins with an abbreviation has it in capitals."""
    return re.sub(r"^(dct|el2n)\b", lambda m: m[0].upper(), column.replace("_", " "))


def _assigned(split: str, effects: pd.DataFrame) -> str:
    if effects.empty:
        return ""
    never = float(effects["never"].iloc[0])
    late = (
        f" The effects are on the time up to the end of the run: {percent(never)} of the images "
        "are not agreed on by then and count as learned in the epoch after."
        if never > 0
        else ""
    )
    return (
        f"{counted(len(effects), 'factor').capitalize()} of the {adjective(split)} images "
        f"{'was' if len(effects) == 1 else 'were'} drawn at random for each image, independently "
        "of its class and of the others: what follows are effects. Each is on the epoch from which "
        f"on an image is agreed on for good, from the least of the factor to its most.{late}"
    )


def _effect(row: pd.Series) -> tuple[str, str]:
    """The factor, and what it does."""
    units = f" {row['units']}" if row["units"] else ""
    dose = f"({rounded(row['least'])} to {rounded(row['most'])}{units})"
    return readable(row["factor"]), f"{dose} {_does(row)}"


def clear(row: pd.Series) -> bool:
    """Whether an effect or a coefficient is called clear: by p adjusted for the number of them.

    One whose p is not known is not.
    """
    return bool(row["p_adjusted"] < LEVEL)


def _does(row: pd.Series) -> str:
    if pd.isna(row["effect"]):
        return "has no effect that could be told."
    effect, low, high = row["effect"], row["low"], row["high"]
    if not clear(row):
        does = "has no clear trend:"  # it is linear in the dose: an effect may still go up and down
    elif effect > 0:
        does = "delays agreement by"
    else:
        does = "brings agreement forward by"
        effect, low, high = -effect, -high, -low
    return (
        f"{does} {coefficient(effect)} epochs "
        f"({between(low, high, coefficient)}; {adjusted_p(row['p_adjusted'])})."
    )


def _of_kind(rows: pd.DataFrame, kind: str) -> pd.DataFrame:
    """Rows of a kind that have a value, the strongest first."""
    known = rows[(rows["kind"] == kind) & rows["coefficient"].notna()]
    return known.sort_values("coefficient", key=lambda r: -r.abs(), kind="stable")


def _suggested(effects: pd.DataFrame, moves: pd.DataFrame) -> list[tuple[str, str]]:
    """Of each factor, what who knew only the statistics would have expected of it."""
    known = moves[moves["coefficient"].notna() & moves["suggested"].notna()]
    found = []
    for _, effect in effects.iterrows():
        mine = known[known["factor"] == effect["factor"]]
        if len(mine):
            row = mine.loc[mine["coefficient"].abs().idxmax()]
            found.append((readable(effect["factor"]), _expected(row, is_clear=clear(effect))))
    return found


def _expected(row: pd.Series, *, is_clear: bool) -> str:
    interval = between(row["suggested_low"], row["suggested_high"], coefficient)
    return (
        f"moves {readable(row['statistic'])} most, by {coefficient(row['coefficient'])} standard "
        f"deviations: that suggests {coefficient(row['suggested'])} epochs ({interval})"
        f"{_right_or_wrong(row, is_clear=is_clear)}."
    )


def _right_or_wrong(row: pd.Series, *, is_clear: bool) -> str:
    """How what was suggested compares with the effect, and whether that is `clear`.

    Nothing is said where the suggestion may be of either sign and still is not the effect.
    """
    if row[["effect", "effect_low", "effect_high", "suggested_low", "suggested_high"]].isna().any():
        return ""
    if not is_clear:
        return ", where there is no clear trend"
    has_sign = row["suggested_low"] * row["suggested_high"] > 0
    if has_sign and row["suggested"] * row["effect"] < 0:
        return ", the opposite of its effect"
    if (
        row["suggested_low"] <= row["effect"] <= row["suggested_high"]
        and row["effect_low"] <= row["suggested"] <= row["effect_high"]
    ):
        return ", much as its effect"
    if row["suggested_low"] <= row["effect_high"] and row["effect_low"] <= row["suggested_high"]:
        return ", not told apart from its effect"
    if not has_sign:
        return ""
    return f", {'more' if abs(row['suggested']) > abs(row['effect']) else 'less'} than its effect"


def _in_full(row: pd.Series) -> str:
    interval = between(row["low"], row["high"], coefficient)
    return (
        f"{coefficient(row['coefficient'])} (95{SPACE}% interval {interval}; "
        f"{adjusted_p(row['p_adjusted'])})"
    )


def _honest(split: str, rows: pd.DataFrame) -> list[str]:
    """The strongest correlation within classes that is clear, and why not the paper's."""
    within = _of_kind(rows, HONEST)
    if within.empty:
        return []
    row = next((row for _, row in within.iterrows() if clear(row)), within.iloc[0])
    name, tried = readable(row["statistic"]), len(within)
    when = f"the epoch from which on {_an(adjective(split))} image is agreed on for good"
    if clear(row):
        # One that is known of few examples may have a larger coefficient by chance.
        of_clear = (
            "" if name == readable(within["statistic"].iloc[0]) else ", of those that clearly do"
        )
        told = (
            f"Of {counted(tried, 'number')} known of each image, {name} goes most closely with "
            f"{when}{of_clear}: its rank correlation within classes is {_in_full(row)}. Images "
            f"with more of it are agreed on {'slightly ' if abs(row['coefficient']) < WEAK else ''}"
            f"{'later' if row['coefficient'] > 0 else 'earlier'}."
        )
    else:
        told = (
            f"Nothing known of the images goes clearly with {when}. The closest of "
            f"{counted(tried, 'number')} is {name}: its rank correlation within classes is "
            f"{_in_full(row)}."
        )
    return [told + _beside_others(rows, row["statistic"]), *_curves(rows)]


def _an(adjective_of_split: str) -> str:
    return f"{'an' if adjective_of_split[:1] in 'aeiou' else 'a'} {adjective_of_split}"


def _beside_others(rows: pd.DataFrame, statistic: str) -> str:
    partial = rows[(rows["kind"] == "partial") & (rows["statistic"] == statistic)]
    if partial.empty or pd.isna(partial["coefficient"].iloc[0]):
        return ""
    row = partial.iloc[0]
    others = [readable(name) for name in row["controls"].split()]
    return f" Given also {enumeration(others)}, it is {_in_full(row)}." if others else ""


def _curves(rows: pd.DataFrame) -> list[str]:
    """The paper's r where it is largest, and what the examples say of the same statistic."""
    curves = _of_kind(rows, CURVES)
    if curves.empty:
        return []
    row = curves.iloc[0]
    within = _of_kind(rows, HONEST).set_index("statistic")["coefficient"]
    large = int((curves["coefficient"].abs() >= LARGE).sum())
    beside = (
        f", where the rank correlation is {coefficient(within[row['statistic']])}"
        if row["statistic"] in within
        else ""
    )
    often = f", and {LARGE} or more, either way, for {large} of {len(curves)}" if large else ""
    return [
        f"The paper's r, of curves over epochs, is largest for {readable(row['statistic'])}, "
        f"{coefficient(row['coefficient'])}{beside}{often}."
    ]


def correlation_tables(correlations: pd.DataFrame) -> list[Table]:
    """Per split a row per statistic: its rank correlations, and the paper's r."""
    return [_correlations(split, rows) for split, rows in by_split(correlations)]


def _correlations(split: str, rows: pd.DataFrame) -> Table:
    columns = [Column("Statistic", numeric=False)]
    for name in RANKS.values():
        columns += [Column(name, "Spearman's, with 95 % interval"), Column("Adjusted p")]
    columns += [
        Column("Curve r", "The paper's; not to be trusted"),
        Column("Examples"),
    ]
    lines = []
    for statistic, mine in rows.groupby("statistic", sort=False):
        kinds = {str(row["kind"]): row for row in mine.to_dict("records")}
        cells = [_named(str(statistic), str(mine["units"].iloc[0]))]
        for kind in RANKS:
            row = kinds[kind]
            cells.append(number_between(row["coefficient"], row["low"], row["high"], coefficient))
            cells.append(number(row["p_adjusted"], p_value))
        cells.append(number(kinds[CURVES]["coefficient"], plain))
        lines.append([*cells, number(kinds[HONEST]["points"], whole)])
    return Table(f"Correlations, {split}", columns, lines)


def _named(column: str, units: str) -> Cell:
    name = readable(column)
    return Cell(f"{name} ({units})" if units else name)


def move_tables(moves: pd.DataFrame) -> list[Table]:
    """Per split a row per factor and statistic."""
    columns = [
        Column("Factor", numeric=False),
        Column("Statistic", numeric=False),
        Column("Moved by", "Standard deviations of the statistic"),
        Column("Adjusted p"),
        Column("Epochs per standard deviation", "By simple regression on the statistic"),
        Column("Suggested epochs", "The product of the two"),
        Column("Effect in epochs"),
    ]
    return [
        Table(
            f"What statistics suggest of factors, {split}",
            columns,
            [
                [
                    Cell(readable(str(row["factor"]))),
                    Cell(readable(str(row["statistic"]))),
                    number_between(row["coefficient"], row["low"], row["high"], coefficient),
                    number(row["p_adjusted"], p_value),
                    number(row["slope"], coefficient),
                    number_between(
                        row["suggested"], row["suggested_low"], row["suggested_high"], coefficient
                    ),
                    number(row["effect"], coefficient),
                ]
                for _, row in rows.iterrows()
            ],
        )
        for split, rows in by_split(moves)
    ]


def effect_tables(effects: pd.DataFrame) -> list[Table]:
    """Per split a row per factor."""
    columns = [
        Column("Factor", numeric=False),
        Column("Least"),
        Column("Most"),
        Column("Effect in epochs", "Above 0: delays agreement"),
        Column("Adjusted p"),
        Column("Examples"),
        Column("Never learned", "Not agreed on for good by the end"),
    ]
    return [
        Table(
            f"Effects of factors, {split}",
            columns,
            [
                [
                    _named(str(row["factor"]), str(row["units"])),
                    number(row["least"], measured),
                    number(row["most"], measured),
                    number_between(row["effect"], row["low"], row["high"], coefficient),
                    number(row["p_adjusted"], p_value),
                    number(row["examples"], whole),
                    number(row["never"], percent),
                ]
                for _, row in rows.iterrows()
            ],
        )
        for split, rows in by_split(effects)
    ]
