"""A record read once gives what its tables give one by one."""

from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import xarray as xr

from jagree.errors import UsageError
from jagree.study import agreement_table, epochs, example_table, member_table, whole
from tests.study.records import write

LABELS = {"test": np.arange(30) % 3, "train": np.arange(50) % 3}


def predictions(count: int = 8, members: int = 3) -> dict[str, np.ndarray]:
    rng = np.random.default_rng(0)
    return {
        name: np.where(rng.random((count, members, len(y))) < 0.6, y, rng.integers(0, 3, len(y)))
        for name, y in LABELS.items()
    }


def statistics(name: str) -> xr.Dataset:
    rng = np.random.default_rng(1)
    n = len(LABELS[name])
    ids = np.array([f"{name}_{i}" for i in range(n)], object)
    return xr.Dataset(
        {
            "entropy": ("example", rng.normal(size=n), {"units": "bit"}),
            "light": ("example", np.array(["left", "right"] * (n // 2), object)),
        },
        {"id": ("example", ids)},
    )


def test_tables_are_those_of_one_by_one(tmp_path: Path) -> None:
    record = write(tmp_path, LABELS, predictions(), epochs=range(1, 9))
    found = whole.study_record(record, {"train": statistics("train")}, leave_out=[1], resamples=20)
    pd.testing.assert_frame_equal(found.agreement, agreement_table(record, leave_out=[1]))
    pd.testing.assert_frame_equal(found.members, member_table(record, leave_out=[1]))
    assert list(found.examples) == ["train", "test"]
    for name, table in found.examples.items():
        alone = example_table(record[name], leave_out=[1])
        pd.testing.assert_frame_equal(table[alone.columns], alone)
    assert set(found.examples["train"].columns) - set(found.examples["test"].columns) == {
        "entropy",
        "light",
    }
    for name in ("pairs", "classes", "right_counts", "intervals"):
        assert list(getattr(found, name)["split"].unique()) == ["train", "test"], name
    for name in ("curves", "types", "correlations"):
        assert list(getattr(found, name)["split"].unique()) == ["train"], name
    assert set(found.correlations["units"]) == {"bit"}
    assert len(found.groups) == 0


def test_every_epoch_is_read_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    record = write(tmp_path, LABELS, predictions(), epochs=range(1, 9))
    read = []
    original = epochs.predictions

    def counting(split: xr.Dataset, position: int) -> np.ndarray:
        read.append(position)
        return original(split, position)

    monkeypatch.setattr(epochs, "predictions", counting)
    whole.study_record(record, {}, resamples=5)
    assert read == [*range(8), *range(8)]


def test_a_record_without_statistics_has_empty_tables_of_them(tmp_path: Path) -> None:
    record = write(tmp_path, LABELS, predictions(2), epochs=[1, 2])
    found = whole.study_record(record, {}, resamples=5)
    assert len(found.curves) == len(found.types) == len(found.correlations) == 0
    assert list(found.curves.columns) == ["split", "epoch", "statistic", "mean", "examples"]


def test_before_the_first_epoch_there_is_nothing_to_study(tmp_path: Path) -> None:
    record = write(tmp_path, LABELS, predictions(0), epochs=[])
    with pytest.raises(UsageError, match="train for at least one epoch first"):
        whole.study_record(record, {})


def test_members_with_labels_of_their_own_have_the_original_classes(tmp_path: Path) -> None:
    record = write(tmp_path, LABELS, predictions(2), epochs=[1, 2])
    split = record["train"]
    own = xr.DataArray(np.zeros((3, 50), int), dims=("member", "example"))
    split = split.assign_coords(label=own)
    np.testing.assert_array_equal(whole.common_classes(split), LABELS["train"])
