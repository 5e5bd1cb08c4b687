"""A record read once gives what its tables give one by one."""

from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import xarray as xr

from jagree.errors import UsageError
from jagree.statistics.table import open_tables, write_tables
from jagree.study import agreement_table, epochs, example_table, member_table, whole
from jagree.study.intervention import (
    EFFECTS,
    RESPONSES,
    effect_table,
    response_table,
)
from jagree.study.moves import MOVES, move_table
from jagree.study.ranks import rank_correlations
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


def test_correlations_within_classes_are_of_the_classes_of_the_record(tmp_path: Path) -> None:
    """Class 2 is learned late and has high entropy; within it, high entropy is learned first."""
    rng = np.random.default_rng(4)
    label = np.repeat(np.arange(3), 40)
    entropy = 10 * label + rng.normal(size=120)
    when = 1 + 2 * label - 0.7 * (entropy - 10 * label) + 0.3 * rng.normal(size=120)
    right = np.arange(1, 9)[:, None, None] >= when
    said = np.where(np.repeat(right, 2, 1), label, (label + 1) % 3)
    record = write(tmp_path, {"train": label}, {"train": said}, epochs=range(1, 9))
    ids = np.array([f"train_{i}" for i in range(120)], object)
    table = xr.Dataset({"entropy": ("example", entropy)}, {"id": ("example", ids)})
    found = whole.study_record(record, {"train": table}, resamples=20)
    rows = found.correlations.set_index("kind")["coefficient"]
    learned = found.examples["train"]["agreed_for_good"].to_numpy()
    three = rank_correlations({"entropy": entropy}, learned, label, controls={}, resamples=20)
    assert rows["within_class"] == three["entropy"].within_class.rho
    assert rows["examples"] == three["entropy"].plain.rho
    assert rows["examples"] > 0.5
    assert rows["within_class"] < -0.5


def assigned(name: str) -> xr.Dataset:
    """The statistics, and a factor."""
    dose = np.random.default_rng(2).random(len(LABELS[name]))
    attributes = {"units": "grey levels", "kind": "metadata", "assigned": 1}
    table = statistics(name).assign(noise=("example", dose, attributes))
    table["entropy"].attrs["assigned"] = 0
    return table


def test_what_is_assigned_has_effects(tmp_path: Path) -> None:
    record = write(tmp_path, LABELS, predictions(), epochs=range(3, 11))
    tables = {name: assigned(name) for name in LABELS}
    found = whole.study_record(record, tables, leave_out=[1], resamples=20, seed=3)
    effects, responses, moves = [], [], []
    for name in ("train", "test"):
        examples = example_table(record[name], leave_out=[1])
        learned, classes = examples["agreed_for_good"].to_numpy(), LABELS[name]
        assert 0 < np.isnan(learned).mean() < 1
        factors, units = {"noise": tables[name]["noise"].values}, {"noise": "grey levels"}
        effect = effect_table(name, factors, units, learned, classes, 10, resamples=20, seed=3)
        effects.append(effect)
        responses.append(response_table(name, factors, units, learned, 10))
        moves.append(
            move_table(
                name,
                factors,
                {"entropy": tables[name]["entropy"].values},
                learned,
                classes,
                10,
                correlations=found.correlations[found.correlations["split"] == name],
                found=effect,
                resamples=20,
                seed=3,
            )
        )
    for table, parts in ((found.effects, effects), (found.responses, responses)):
        pd.testing.assert_frame_equal(table, pd.concat(parts, ignore_index=True))
    pd.testing.assert_frame_equal(found.moves, pd.concat(moves, ignore_index=True))
    assert list(found.moves["statistic"]) == ["entropy", "entropy"]


def test_a_split_whose_statistics_say_nothing_of_it_has_no_effects(tmp_path: Path) -> None:
    """As those that were written before it was noted; from the disk, as a run has them."""
    record = write(tmp_path, LABELS, predictions(), epochs=range(1, 9))
    old, new = statistics("train"), assigned("test")
    for table, name in ((old, "train"), (new, "test")):
        table.attrs |= {"fingerprint": name, "split": name, "columns": list(table), "failed": "{}"}
    write_tables({"train": old, "test": new}, tmp_path / "statistics.zarr")
    read = open_tables(tmp_path / "statistics.zarr")
    found = whole.study_record(record, read, resamples=20)
    for table in (found.effects, found.responses, found.moves):
        assert set(table["split"]) == {"test"}


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
    empty = {"effects": EFFECTS, "responses": RESPONSES, "moves": MOVES}
    for with_some in ({}, {"train": statistics("train")}):  # none of which are assigned
        found = whole.study_record(record, with_some, resamples=5)
        for name, columns in empty.items():
            table = getattr(found, name)
            assert len(table) == 0
            assert list(table.columns) == list(columns)


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
