"""What a reader says of a record that is not whole."""

from pathlib import Path

import numpy as np
import pytest

from jagree.errors import UsageError
from jagree.record import RecordWriter, correct, losses, open_record, predictions
from tests.study.records import write


def test_predictions_are_those_of_the_epoch(tmp_path: Path) -> None:
    given = np.random.default_rng(0).integers(-1, 3, (2, 3, 4))
    label = np.array([0, 1, 2, 0])
    split = write(tmp_path, {"train": label}, {"train": given}, epochs=[3, 5])["train"]
    np.testing.assert_array_equal(predictions(split, 0), given[0])
    np.testing.assert_array_equal(predictions(split, -1), given[1])
    np.testing.assert_array_equal(correct(split, 1), given[1] == label)


def test_a_damaged_file_is_told_with_its_epoch_and_record(tmp_path: Path) -> None:
    given = np.random.default_rng(0).integers(0, 3, (2, 3, 400))
    label = given[0, 0]
    split = write(tmp_path, {"train": label}, {"train": given}, epochs=[3, 5])["train"]
    chunk = tmp_path / "record.zarr/train/prediction/c/1/0/0"
    content = bytearray(chunk.read_bytes())
    content[-1] ^= 0xFF  # of the checksum
    chunk.write_bytes(content)
    assert predictions(split, 0).shape == (3, 400)
    with pytest.raises(UsageError, match=r"'prediction' of epoch 5 cannot be read .*damaged"):
        correct(split, 1)


@pytest.mark.parametrize("name", ["loss", "label"])
def test_so_is_that_of_a_loss_or_of_labels(tmp_path: Path, name: str) -> None:
    label = np.arange(400) % 3
    given = np.ones((1, 3, 400), int)
    write(tmp_path, {"train": label}, {"train": given}, epochs=[3])
    chunks = [f for f in (tmp_path / f"record.zarr/train/{name}/c").rglob("*") if f.is_file()]
    for chunk in chunks:
        chunk.write_bytes(chunk.read_bytes()[:-1])
    split = open_record(tmp_path / "record.zarr")["train"]
    with pytest.raises(UsageError, match=f"'{name}' of epoch 3 cannot be read"):
        losses(split, 0) if name == "loss" else correct(split, 0)


def test_a_missing_file_is_no_divergence(tmp_path: Path) -> None:
    given = np.random.default_rng(0).integers(0, 3, (2, 3, 40))
    split = write(tmp_path, {"train": given[0, 0]}, {"train": given}, epochs=[3, 5])["train"]
    (tmp_path / "record.zarr/train/prediction/c/1/0/0").unlink()
    with pytest.raises(UsageError, match=r"'prediction' of epoch 5 cannot be read \(missing\)"):
        predictions(split, 1)


def test_networks_that_all_diverged_are_read(tmp_path: Path) -> None:
    """In their last step: the loss before it was finite."""
    given = np.full((1, 3, 4), -1)
    label = {"train": np.array([0, 1, 2, 0])}
    split = write(tmp_path, label, {"train": given}, epochs=[3])["train"]
    assert np.isfinite(losses(split, 0)).all()
    assert (predictions(split, 0) == -1).all()


@pytest.mark.parametrize("content", ["", '{"zarr_format": 3', "[]"])
def test_a_record_whose_root_is_damaged_is_named(recorder: RecordWriter, content: str) -> None:
    (recorder.path / "zarr.json").write_text(content)
    with pytest.raises(UsageError, match=r"record.zarr' is damaged \(.*\); copy it anew"):
        open_record(recorder.path)
