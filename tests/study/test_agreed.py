"""Tables of the agreed set, spelled out."""

import math
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import xarray as xr

from jagree.study.agreed import AgreedTally, curve_of, numbers, types
from jagree.study.epochs import walk
from tests.study.records import write

LABEL = np.array([0, 0, 1, 2, 2, 2])
COLUMNS = pd.DataFrame(
    {
        "entropy": [1.0, 2.0, 4.0, np.nan, 8.0, 16.0],
        "light": ["left", "left", "top", "top", "top", "left"],
        "file": list("abcdef"),
        "same": ["x"] * 6,
        "count": [1, 2, 3, 4, 5, 6],
    }
)


def tally(path: Path, predictions: np.ndarray, **options: object) -> AgreedTally:
    labels = options.pop("labels", LABEL)
    record = write(
        path,
        {"train": labels},
        {"train": predictions},
        epochs=range(1, len(predictions) + 1),
        **options,  # type: ignore[arg-type]
    )
    found = AgreedTally("train", record["train"], COLUMNS)
    walk(record["train"], found)
    return found


@pytest.fixture
def found(tmp_path: Path) -> AgreedTally:
    return tally(
        tmp_path,
        np.array([
            [[1, 1, 0, 0, 0, 0], [0, 0, 1, 2, 2, 2]],  # nobody is right with the other
            [[0, 1, 1, 2, 0, 0], [0, 0, 1, 2, 1, 2]],  # agreed on: 0, 2, 3
        ]),
    )  # fmt: skip


def test_means_over_the_agreed_set(found: AgreedTally) -> None:
    table = found.curves()
    assert list(table.columns) == ["split", "epoch", "statistic", "mean", "examples"]
    rows = {(r.epoch, r.statistic): (r.mean, r.examples) for r in table.itertuples()}
    assert rows[2, "entropy"] == (2.5, 2)  # of 1, 4 and none
    assert rows[2, "count"] == (8 / 3, 3)
    assert math.isnan(rows[1, "entropy"][0])
    assert rows[1, "entropy"][1] == 0
    assert {name for _, name in rows} == {"entropy", "count"}
    np.testing.assert_array_equal(
        curve_of(table, "entropy", np.array([2, 1, 9])), [2.5, np.nan, np.nan]
    )


def test_shares_of_types(found: AgreedTally) -> None:
    table = found.types()
    rows = {(r.epoch, r.column, r.type): r.share for r in table.itertuples()}
    assert rows[2, "light", "left"] == 1 / 3
    assert rows[2, "light", "top"] == 2 / 3
    assert rows[1, "light", "top"] == 0
    assert {column for _, column, _ in rows} == {"light", "file"}
    assert set(types(COLUMNS, most=3)) == {"light"}
    assert set(numbers(COLUMNS)) == {"entropy", "count"}


def test_shares_of_classes(found: AgreedTally) -> None:
    table = found.classes()
    second = table[table["epoch"] == 2]
    assert list(second["class_name"]) == ["cat", "dog", "eel"]
    assert list(second["examples"]) == [2, 1, 3]
    assert list(second["agreed"]) == [1, 1, 1]
    assert list(second["share"]) == [1 / 3] * 3
    assert table[table["epoch"] == 1]["share"].isna().all()


def test_how_many_members_are_right(found: AgreedTally) -> None:
    table = found.right_counts()
    second = table[table["epoch"] == 2]
    assert list(second["members_right"]) == [0, 1, 2]
    assert list(second["examples"]) == [1, 2, 3]
    a, b = 3 / 6, 5 / 6
    expected = [6 * (1 - a) * (1 - b), 6 * (a + b - 2 * a * b), 6 * a * b]
    np.testing.assert_allclose(second["expected"], expected)


def test_an_example_with_several_labels_counts_in_each_class(tmp_path: Path) -> None:
    labels = np.array([[1, 1, 0], [0, 1, 0], [0, 0, 0], [1, 0, 1], [1, 0, 0], [0, 0, 1]], bool)
    right = labels.astype(int)[None].repeat(2, 0)
    right[1, 3] = 0  # not agreed on
    found = tally(tmp_path, right[None], labels=labels)
    table = found.classes()
    assert list(table["examples"]) == [3, 2, 2]
    assert list(table["agreed"]) == [2, 2, 1]
    np.testing.assert_allclose(table["share"], [2 / 5, 2 / 5, 1 / 5])


def test_classes_are_those_of_the_labels_trained_on(tmp_path: Path) -> None:
    """Labels changed for all members alike; the original ones count where each has its own."""
    true = np.array([0, 0, 0, 0, 1, 2])
    right = np.stack([LABEL, LABEL])[None]
    record = write(
        tmp_path, {"train": LABEL}, {"train": right}, epochs=[1], true_labels={"train": true}
    )
    table = classes_of(record["train"])
    assert list(table["examples"]) == list(table["agreed"]) == [2, 1, 3]
    own = record["train"].assign_coords(label=(("member", "example"), np.stack([LABEL, LABEL])))
    table = classes_of(own)
    assert list(table["examples"]) == list(table["agreed"]) == [4, 1, 1]


def classes_of(split: xr.Dataset) -> pd.DataFrame:
    found = AgreedTally("train", split, COLUMNS)
    walk(split, found)
    return found.classes()


def test_before_the_first_epoch_tables_have_columns_alone(tmp_path: Path) -> None:
    found = tally(tmp_path, np.zeros((0, 2, 6), int))
    for table in (found.curves(), found.types(), found.classes(), found.right_counts()):
        assert len(table) == 0
        assert {"split", "epoch"} <= set(table.columns)
