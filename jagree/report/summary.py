"""What a run found, in sentences."""

from collections import Counter
from collections.abc import Mapping
from typing import Any

import numpy as np
import pandas as pd
from scipy.stats import norm

from jagree.report.numbers import between
from jagree.report.tables import interval_ends
from jagree.study.chance import standard_error
from jagree.words import (
    NO_VALUE,
    SPACE,
    TIMES,
    adjective,
    counted,
    enumeration,
    percent,
    points,
)

CLEARLY = 0.05  # two-sided, over all epochs that are searched
Ends = Mapping[tuple[str, int, str], tuple[float, float]]


def title(about: Mapping[str, Any], agreement: pd.DataFrame) -> str:
    """The page's title: the run's name and the number of networks, as far as known.

    Networks of several kinds are named, for the run's name may be that of one.
    """
    networks = _member_count(about, agreement)
    what = f"agreement of {counted(networks, 'network')}" if networks else "agreement"
    kinds = list(dict.fromkeys(member["network"] for member in about.get("members", ())))
    if len(kinds) > 1:
        what += f" ({enumeration(kinds)})"
    return f"{about['name']}: {what}" if about.get("name") else what.capitalize()


def lead(about: Mapping[str, Any], agreement: pd.DataFrame) -> str:
    """What was run, in a sentence."""
    if agreement.empty:
        return "No epoch is recorded yet, so there is nothing to report."
    return _what_was_run(about, agreement)


def results(agreement: pd.DataFrame, intervals: pd.DataFrame) -> dict[str, str]:
    """A heading and a paragraph per split."""
    ends = interval_ends(intervals)
    return {
        f"{adjective(str(name)).capitalize()} examples": _result(str(name), rows, ends)
        for name, rows in agreement.groupby("split", sort=False)
    }


def notes(about: Mapping[str, Any], agreement: pd.DataFrame) -> list[str]:
    """Over whom the numbers are, and what the sources said."""
    if agreement.empty:
        return []
    return [*_left_out(about, agreement), *_several_classes(about), *_notes(about)]


def key_numbers(agreement: pd.DataFrame) -> dict[str, dict[str, str]]:
    """Per split what a reader looks for first; only where there is agreement to speak of."""
    found = {}
    for split, rows in agreement.groupby("split", sort=False):
        last = rows.iloc[-1]
        numbers = {"Mean accuracy": percent(last["accuracy_mean"])}
        if last["members"] > 1 and not pd.isna(last["true_positive_agreement"]):
            numbers |= {
                "Agreement": percent(last["true_positive_agreement"]),
                "Chance level within classes": percent(last["chance_within_classes"]),
            }
        found[f"{adjective(str(split)).capitalize()}, epoch {last['epoch']}"] = numbers
    return found


def warnings(
    about: Mapping[str, Any], agreement: pd.DataFrame, diverged: pd.DataFrame
) -> list[str]:
    """What a reader must know before the numbers: an incomplete run, networks that diverged."""
    return [*_incomplete(about, agreement), *_divergence(diverged)]


def counts(split: str, examples: pd.DataFrame) -> str:
    """How many examples were agreed on for good, never, and only for a time."""
    n = len(examples)
    good = int(examples["agreed_for_good"].notna().sum())
    never = int((~examples["ever_agreed"].astype(bool)).sum())
    wrong = int(examples["same_mistake"].sum())
    lost = n - good - never
    if n == 0:
        return "There are no examples."
    return (
        f"{good:,} of {n:,} {adjective(split)} examples ({percent(good / n)}) were agreed on for "
        f"good at the end: every network gets them right from some epoch on to the last one. "
        f"{never:,} ({percent(never / n)}) were never once agreed on, and {lost:,} "
        f"({percent(lost / n)}) were agreed on for a time, but not at the end. After the last "
        f"epoch all networks agree on the same wrong answer for {wrong:,} ({percent(wrong / n)})."
    )


def _member_count(about: Mapping[str, Any], agreement: pd.DataFrame) -> int:
    if about.get("members"):
        return len(about["members"])
    return 0 if agreement.empty else int(agreement["members"].iloc[0])


def _epochs_recorded(about: Mapping[str, Any], agreement: pd.DataFrame) -> int:
    """Epochs completed by the last recorded one; the record knows it best."""
    return int(about.get("epochs_recorded", 0) if agreement.empty else agreement["epoch"].max())


def _what_was_run(about: Mapping[str, Any], agreement: pd.DataFrame) -> str:
    members = _member_count(about, agreement)
    kinds = Counter(member["network"] for member in about.get("members", ()))
    made_of = enumeration([f"{n} {TIMES} {kind}" for kind, n in kinds.items()]) if kinds else ""
    data = about.get("data", {})
    sizes = [
        counted(data[split]["examples"], f"{adjective(split)} example")
        for split in data
        if isinstance(data[split], Mapping) and "examples" in data[split]
    ]
    epochs = counted(_epochs_recorded(about, agreement), "epoch")
    return (
        (counted(members, "network") if members else "Networks")
        + (f" ({made_of})" if made_of else "")
        + (" was" if members == 1 else " were")
        + " trained"
        + (f" on {data['name']}" if "name" in data else "")
        + (f" ({enumeration(sizes)})" if sizes else "")
        + f" and recorded over {epochs}."
    )


def _several_classes(about: Mapping[str, Any]) -> list[str]:
    if about.get("correctness") != "exact_match":
        return []
    return [
        "An image may have any number of classes. A network is right about it where it predicts "
        "exactly those: a class that is missing or too many makes it wrong."
    ]


def _notes(about: Mapping[str, Any]) -> list[str]:
    """What the sources said of their data, one sentence per split."""
    return [
        f"Of the {adjective(split)} data: {'; '.join(said['notes'])}."
        for split, said in about.get("data", {}).items()
        if isinstance(said, Mapping) and said.get("notes")
    ]


def _result(split: str, rows: pd.DataFrame, ends: Ends) -> str:
    last = rows.iloc[-1]
    members = int(last["members"])
    accuracy = (
        f"After epoch {last['epoch']} the networks got {percent(last['accuracy_mean'])} of the "
        f"{adjective(split)} examples right on average (standard deviation over networks: "
        f"{points(last['accuracy_std'])})."
    )
    if members == 1:
        accuracy = (
            f"After epoch {last['epoch']} the network got {percent(last['accuracy_mean'])} of the "
            f"{adjective(split)} examples right."
        )
    if members == 1:
        return f"{accuracy} One network always agrees with itself: agreement needs two or more."
    if pd.isna(last["true_positive_agreement"]):
        return f"{accuracy} No network got any of them right, so agreement has no value."
    everyone = "both" if members == 2 else f"all {members}"
    known = ends.get((split, int(last["epoch"]), "true_positive_agreement"), (np.nan, np.nan))
    interval = between(*known, percent)
    sure = "" if interval == NO_VALUE else f" (95{SPACE}% interval over examples: {interval})"
    return (
        f"{accuracy} Of the examples that at least one network got right, {everyone} got "
        f"{percent(last['true_positive_agreement'])} right{sure}: this is their agreement. "
        "Networks with the same accuracies that err independently of each other would come to "
        f"{percent(last['chance_agreement'])}; networks that also have the same accuracies in each "
        f"class, to {percent(last['chance_within_classes'])}. Agreement lies {_above_chance(last)} "
        f"(standard error over examples: {points(float(_error(last)))}). {_widest(rows)}"
    )


def _gap(row: Any) -> Any:
    """Agreement above the chance level that knows the networks' accuracy in each class."""
    return row["true_positive_agreement"] - row["chance_within_classes"]


def _error(row: Any) -> Any:
    return standard_error(row["chance_within_classes"], row["right_by_any"] * row["examples"])


def _above_chance(row: pd.Series) -> str:
    if round(_gap(row), 3) == 0:
        return "at this second level"
    return f"{points(_gap(row))} {'above' if _gap(row) > 0 else 'below'} this second level"


def _widest(rows: pd.DataFrame) -> str:
    """Where agreement is farthest above chance, of the epochs where it clearly is.

    Of many epochs at the chance level some lie two standard errors above it. So how many standard
    errors are asked for grows with the number of epochs that have a value (Bonferroni), and a run
    at the chance level throughout is said to be above it in about 2.5 % of cases at most: fewer
    where epochs are alike.
    """
    searched = max(int(_gap(rows).notna().sum()), 1)
    errors = norm.ppf(1 - CLEARLY / 2 / searched)
    clear = _gap(rows).where(_gap(rows) > errors * _error(rows))
    if clear.isna().all():
        return "It was clearly above that level after no epoch."
    row = rows.iloc[int(np.nanargmax(clear))]
    return (
        f"It was furthest above that level after epoch {row['epoch']}, at a mean accuracy of "
        f"{percent(row['accuracy_mean'])}: agreement {percent(row['true_positive_agreement'])}, "
        f"chance level within classes {percent(row['chance_within_classes'])}."
    )


def _incomplete(about: Mapping[str, Any], agreement: pd.DataFrame) -> list[str]:
    planned, recorded = about.get("epochs_planned"), _epochs_recorded(about, agreement)
    status = about.get("status", "complete")
    if status == "complete" and (planned is None or recorded >= planned):
        return []
    why = "" if status == "complete" else f" (status: {status})"
    epochs = (
        counted(recorded, "epoch") if planned is None else f"{recorded:,} of {planned:,} epochs"
    )
    return [f"This run is not complete{why}. Recorded so far: {epochs}; this page is about these."]


def _divergence(diverged: pd.DataFrame) -> list[str]:
    if diverged.empty:
        return []
    names = [
        f"network {row.member} ({row.network}) in epoch {row.epoch}"
        for row in diverged.itertuples()
    ]
    return [
        f"Diverged, with a loss or an output that was not finite: {enumeration(names)}. "
        "While a diverged network counts, an example without a finite prediction is not agreed on. "
        f"To leave {'it' if len(names) == 1 else 'them'} out: python -m jagree.study RUN "
        f"--leave_out {' '.join(str(member) for member in diverged['member'])}"
    ]


def _left_out(about: Mapping[str, Any], agreement: pd.DataFrame) -> list[str]:
    trained, counting = _member_count(about, agreement), int(agreement["members"].iloc[0])
    if counting == trained:
        return []
    return [f"The numbers on this page are over {counting} of the {trained} networks."]
