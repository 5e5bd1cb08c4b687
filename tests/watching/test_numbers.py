"""The numbers of an epoch, against a slow twin, and the lines they are written in."""

import dataclasses
import json
import math
from pathlib import Path

import numpy as np
import pytest

from jagree.record import open_record
from jagree.watching.numbers import EpochNumbers, from_line, measured, of_record, to_line
from tests.record.conftest import K, make_fields, make_recorder, make_splits

WHEN = "2026-03-01T10:12:00Z"


def numbers(epoch: int = 1, multi_label: bool = False, **arrays: np.ndarray) -> EpochNumbers:
    fields = make_fields(epoch, multi_label)
    fields["train"] |= arrays
    rule = "exact_match" if multi_label else "single_label"
    return measured(epoch, fields, make_splits(multi_label), rule, time=WHEN, seconds=2.5)


@pytest.mark.parametrize("multi_label", [False, True])
def test_they_are_those_of_a_count_by_hand(multi_label: bool) -> None:
    fields, splits = make_fields(3, multi_label), make_splits(multi_label)
    fields["test"]["prediction"][:2] = splits["test"].label  # two members know everything
    rule = "exact_match" if multi_label else "single_label"
    found = measured(3, fields, splits, rule, time=WHEN, seconds=2.5)
    assert (found.epoch, found.time, found.seconds, found.diverged) == (3, WHEN, 2.5, ())
    assert list(found.splits) == ["train", "test"]
    for name, split in splits.items():
        right = [
            {n for n, label in enumerate(split.label) if np.array_equal(member[n], label)}
            for member in fields[name]["prediction"]
        ]
        accuracy = [len(member) / len(split.label) for member in right]
        mean = sum(accuracy) / K
        every, some = set.intersection(*right), set.union(*right)
        none_right = math.prod(1 - a for a in accuracy)
        of = found.splits[name]
        assert of.accuracy == pytest.approx(accuracy)
        assert of.accuracy_mean == pytest.approx(mean)
        variance = sum((a - mean) ** 2 for a in accuracy) / K
        assert of.accuracy_std == pytest.approx(math.sqrt(variance))
        assert of.agreement == pytest.approx(len(every) / len(some))
        assert of.chance == pytest.approx(math.prod(accuracy) / (1 - none_right))
    assert 0 < found.splits["test"].accuracy_mean < 1
    np.testing.assert_allclose(found.loss, fields["train"]["loss"], rtol=1e-7)


def test_members_with_labels_of_their_own_are_judged_by_these() -> None:
    splits, fields = make_splits(), make_fields(1)
    own = np.array([np.roll(splits["train"].label, k) for k in range(K)])
    fields["train"]["prediction"] = own.copy()
    noisy = {**splits, "train": dataclasses.replace(splits["train"], label=own)}
    of = measured(1, fields, noisy, "single_label", time="", seconds=1.0).splits["train"]
    assert of.accuracy == (1.0,) * K
    assert of.agreement == 1.0


@pytest.mark.parametrize("multi_label", [False, True])
def test_a_record_gives_the_same(tmp_path: Path, multi_label: bool) -> None:
    recorder = make_recorder(tmp_path / "record.zarr", multi_label)
    for epoch in (1, 4):
        recorder.append(epoch, make_fields(epoch, multi_label))
    record = open_record(recorder.path)
    for position, epoch in enumerate((1, 4)):
        expected = numbers(epoch, multi_label)._replace(time="", seconds=math.nan)
        found = of_record(record, position)
        assert repr(found) == repr(expected)  # in which nan is nan
        assert to_line(found) == to_line(expected)


@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf])
def test_a_loss_that_is_not_finite_is_a_divergence_and_null(value: float) -> None:
    found = numbers(2, loss=np.array([0.5, value, 0.25]))
    assert found.diverged == (1,)
    assert json.loads(to_line(found))["loss"] == [0.5, None, 0.25]


def test_a_member_without_a_finite_prediction_diverged_even_if_its_loss_is_finite() -> None:
    fields = make_fields(1)
    fields["test"]["prediction"][2, 3] = -1
    found = measured(4, fields, make_splits(), "single_label", time="", seconds=1.0)
    assert found.diverged == (2,)
    assert all(map(math.isfinite, found.loss))


def test_the_untrained_networks_have_no_loss_and_did_not_diverge() -> None:
    found = numbers(0, loss=np.full(K, np.nan))
    assert found.diverged == ()
    assert json.loads(to_line(found))["loss"] == [None] * K


def refuse(constant: str) -> None:
    raise AssertionError(f"{constant} is no JSON")


def test_a_line_parses_strictly_and_says_all() -> None:
    nothing_right = np.full((K, 7), 9)
    found = numbers(1, prediction=nothing_right, loss=np.array([np.nan, 1.0, np.inf]))
    line = to_line(found)
    assert "\n" not in line
    fields = json.loads(line, parse_constant=refuse)
    assert list(fields) == ["epoch", "time", "seconds", "loss", "diverged", "splits"]
    assert (fields["epoch"], fields["time"], fields["seconds"]) == (1, WHEN, 2.5)
    assert fields["loss"] == [None, 1.0, None]
    assert fields["diverged"] == [0, 2]
    train = fields["splits"]["train"]
    assert train["accuracy"] == [0.0] * K
    assert (train["agreement"], train["chance"]) == (None, None)
    assert set(fields["splits"]["test"]) == {
        "accuracy_mean", "accuracy_std", "accuracy", "agreement", "chance"
    }  # fmt: skip


def test_what_is_written_is_read_back() -> None:
    for found in (numbers(1), numbers(2)._replace(time="", seconds=math.nan)):
        again = from_line(to_line(found))
        assert again is not None
        assert repr(again) == repr(found)
    assert json.loads(to_line(found))["time"] is None
    assert json.loads(to_line(found))["seconds"] is None


def test_no_part_of_a_line_is_taken_for_one() -> None:
    line = to_line(numbers())
    assert from_line(line) is not None
    for length in range(len(line)):
        assert from_line(line[:length]) is None


GARBAGE = {
    "another value": "3",
    "another object": "{}",
    "a list": "[]",
    "splits of another kind": '"splits": {"train": 3}',
    "members of another kind": '"diverged": 3',
    "losses of another kind": '"loss": ["much"]',
    "an epoch of another kind": '"epoch": "last"',
    "no time": '"time": "yesterday"',
    "a time of no zone": '"time": "2026-03-01T10:12:00"',
}


@pytest.mark.parametrize("case", GARBAGE)
def test_what_is_no_line_is_none(case: str) -> None:
    text = GARBAGE[case]
    if text.startswith('"'):
        text = json.dumps({**json.loads(to_line(numbers())), **json.loads("{" + text + "}")})
    assert from_line(text) is None
