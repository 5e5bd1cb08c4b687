"""What a reader says of a record that is not whole."""

from pathlib import Path

import numpy as np
import pytest

from jagree.errors import UsageError
from jagree.record import correct, predictions
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
    with pytest.raises(UsageError, match=r"the predictions of epoch 5 cannot be read .*damaged"):
        correct(split, 1)
