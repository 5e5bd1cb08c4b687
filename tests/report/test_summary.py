"""The sentences, word by word."""

import math
from typing import Any

import pandas as pd
import pytest

from jagree.report import summary
from tests.report.pages import about, agreement, diverged, examples, intervals


def said(**changes: pd.DataFrame | dict[str, Any]) -> str:
    tables: dict[str, Any] = {"about": about(), "agreement": agreement()} | changes
    known, table = tables["about"], tables["agreement"]
    parts = [summary.lead(known, table)]
    parts += summary.results(table, tables.get("intervals", intervals().iloc[:0])).values()
    return " | ".join([*parts, *summary.notes(known, table)]).replace("\N{NO-BREAK SPACE}", " ")


def test_what_was_run_and_what_came_out() -> None:
    run, train, test = said().split(" | ")
    assert run == (
        "3 networks (2 \N{MULTIPLICATION SIGN} lenet5 and 1 \N{MULTIPLICATION SIGN} vgg16) were "
        "trained on toy (6,000 training examples and 1 test example) and recorded over 4 epochs."
    )
    assert train == (
        "After epoch 4 the networks got 90.0 % of the training examples right on average (standard "
        "deviation over networks: 1.2 percentage points). Of the examples that at least one "
        "network got right, all 3 got 85.1 % right: this is their agreement. Networks with the "
        "same accuracies that err independently of each other would come to 70.0 %; networks that "
        "also have the same accuracies in each class, to 75.0 %. Agreement lies 10.1 percentage "
        "points above this second level (standard error over examples: 2.7 percentage points). It "
        "was furthest above that level after epoch 2, at a mean accuracy of 40.0 %: agreement "
        "62.0 %, chance level within classes 12.0 %."
    )  # the error: sqrt(0.75 * 0.25 / 250)
    assert "75.0 % of the test examples" in test
    assert "Agreement lies 15.0 percentage points below this second level" in test
    assert "furthest above that level after epoch 2, at a mean accuracy of 30.0 %" in test


def test_agreement_has_its_interval() -> None:
    assert "all 3 got 85.1 % right (95 % interval over examples: 84.0 to 86.2 %): this" in said(
        intervals=intervals()
    )


def test_numbers_to_look_for_first() -> None:
    found = summary.key_numbers(agreement())
    assert list(found) == ["Training, epoch 4", "Test, epoch 4"]
    assert {k: v.replace("\N{NO-BREAK SPACE}", " ") for k, v in found["Test, epoch 4"].items()} == {
        "Mean accuracy": "75.0 %",
        "Agreement": "50.0 %",
        "Chance level within classes": "65.0 %",
    }
    alone = summary.key_numbers(agreement().assign(members=1))
    assert list(alone["Test, epoch 4"]) == ["Mean accuracy"]


def test_never_above_chance() -> None:
    table = agreement().assign(chance_within_classes=0.95)
    assert "It was clearly above that level after no epoch." in said(agreement=table)


def test_the_widest_distance_is_one_that_is_clear() -> None:
    """After epoch 2 agreement is higher, but of two examples only."""
    table = agreement()
    table.loc[1, "right_by_any"] = 0.004
    table.loc[[0, 1], "true_positive_agreement"] = [0.4, 0.5]
    assert "furthest above that level after epoch 1, at" in said(agreement=table)


@pytest.mark.parametrize(("epochs", "clear"), [(1, True), (3, True), (4, False), (100, False)])
def test_the_more_epochs_are_searched_the_farther_above_chance_one_must_be(
    epochs: int, clear: bool
) -> None:
    """One epoch lies 2.45 standard errors above chance, all others at chance.

    Two-sided, at 5 % over all: 2.39 for three epochs (0.05 / 3) and 2.50 for four, from tables.
    """
    first = agreement().iloc[:1].assign(true_positive_agreement=0.2, chance_within_classes=0.2)
    table = pd.concat([first] * epochs, ignore_index=True)
    table["epoch"] = range(1, epochs + 1)
    error = math.sqrt(0.2 * 0.8 / (0.5 * 500))
    table.loc[0, "true_positive_agreement"] = 0.2 + 2.45 * error
    assert ("furthest above that level after epoch 1" in said(agreement=table)) == clear
    assert ("clearly above that level after no epoch" in said(agreement=table)) != clear


def test_epochs_without_a_value_are_not_searched() -> None:
    first = agreement().iloc[:1].assign(true_positive_agreement=0.2, chance_within_classes=0.2)
    table = pd.concat([first] * 100, ignore_index=True).assign(epoch=range(1, 101))
    table.loc[2:, ["true_positive_agreement", "chance_within_classes"]] = math.nan
    table = table.iloc[::-1]  # the last has a value
    table.loc[1, "true_positive_agreement"] = 0.2 + 2.45 * math.sqrt(0.2 * 0.8 / (0.5 * 500))
    assert "furthest above that level after epoch 2" in said(agreement=table)


def test_a_gap_in_the_curve_is_no_widest_distance() -> None:
    table = agreement()
    table.loc[0, ["true_positive_agreement", "chance_within_classes"]] = math.nan
    table.index = [7] * len(table)  # whatever the table's index
    assert "furthest above that level after epoch 2" in said(agreement=table)


def test_no_value_after_the_last_epoch() -> None:
    table = agreement()
    table.loc[2, ["true_positive_agreement", "chance_agreement"]] = math.nan
    assert "No network got any of them right, so agreement has no value." in said(agreement=table)


def test_one_and_two_networks() -> None:
    table = agreement()
    one = said(about={}, agreement=table.assign(members=1))
    assert one.startswith("1 network was trained and recorded over 4 epochs.")
    assert "One network always agrees with itself" in one
    assert "chance" not in one
    two = said(about={}, agreement=table.assign(members=2))
    assert "at least one network got right, both got 85.1 % right" in two


def test_as_good_as_chance() -> None:
    table = agreement().assign(chance_within_classes=0.8507)
    assert "Agreement lies at this second level (standard" in said(agreement=table)


def test_who_diverged_is_named_with_the_epoch() -> None:
    rows = diverged((1, "vgg16", 3), (2, "lenet5", 7))
    (warning,) = summary.warnings(about(), agreement(), rows)
    assert "network 1 (vgg16) in epoch 3 and network 2 (lenet5) in epoch 7." in warning


def test_members_left_out_are_counted() -> None:
    text = said(agreement=agreement().assign(members=2))
    assert text.endswith(" | The numbers on this page are over 2 of the 3 networks.")


@pytest.mark.parametrize(
    ("changes", "expected"),
    [
        ({}, ""),
        (
            {"status": "interrupted", "epochs_planned": 1200},
            "This run is not complete (status: interrupted). Recorded so far: 4 of 1,200 epochs;",
        ),
        ({"status": "training", "epochs_planned": None}, "Recorded so far: 4 epochs;"),
        ({"epochs_planned": 5}, "This run is not complete. Recorded so far: 4 of 5 epochs;"),
        ({"epochs_planned": 5, "epochs_recorded": 5}, "Recorded so far: 4 of 5 epochs;"),
    ],
)
def test_an_incomplete_run_says_so(changes: dict[str, object], expected: str) -> None:
    found = summary.warnings(about() | changes, agreement(), diverged())
    assert expected in "".join(found)
    assert len(found) == bool(expected)


def test_a_record_alone_is_taken_for_complete() -> None:
    assert summary.warnings({}, agreement(), diverged()) == []


def test_counts_of_examples() -> None:
    text = summary.counts("train", examples()).replace("\N{NO-BREAK SPACE}", " ")
    assert text.startswith("2 of 6 training examples (33.3 %) were agreed on for good at the end")
    assert "3 (50.0 %) were never once agreed on" in text
    assert "and 1 (16.7 %) were agreed on for a time" in text
    assert text.endswith("all networks agree on the same wrong answer for 1 (16.7 %).")
    assert summary.counts("test", examples(0)) == "There are no examples."


def test_titles() -> None:
    title = summary.title(about(), agreement())
    assert title == "quickstart: agreement of 3 networks (lenet5 and vgg16)"
    alike = about() | {"members": about()["members"][::2]}
    assert summary.title(alike, agreement()) == "quickstart: agreement of 2 networks"
    assert summary.title({}, agreement()) == "Agreement of 3 networks"
    assert summary.title({}, agreement().iloc[:0]) == "Agreement"
