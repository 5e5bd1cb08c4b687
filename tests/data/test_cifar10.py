import time
from pathlib import Path

import numpy as np
import pytest
from ml_collections import ConfigDict

from jagree.configs import default
from jagree.data.cifar10 import load
from jagree.errors import UsageError


def options(folder: Path, size: int = 0, people: Path | str = "") -> ConfigDict:
    options = default.get_config().data
    options.name = "cifar10"
    options.dir = str(folder)
    options.cifar10h = str(people)
    options.train_size = options.test_size = size
    return options


def test_the_real_test_set_is_whole_and_in_official_order(real_data: Path) -> None:
    split = load("test", options(real_data / "tfds"))
    assert split.image.shape == (10_000, 32, 32, 3)
    assert split.id[0] == "test_00000"
    assert split.id[-1] == "test_09999"
    np.testing.assert_array_equal(np.bincount(split.label), [1_000] * 10)
    # The first labels of the official test batch: cat, ship, ship, airplane, frog, frog.
    assert [split.class_names[i] for i in split.label[:6]] == [
        "cat", "ship", "ship", "airplane", "frog", "frog"
    ]  # fmt: skip


def test_people_agree_with_the_labels_so_the_order_is_right(real_data: Path) -> None:
    """CIFAR-10H is in the official order: joined by position, its argmax is the label on 99.2 %."""
    people = np.load(real_data / "cifar10h/cifar10h-probs.npy", allow_pickle=False)
    split = load("test", options(real_data / "tfds"))
    assert (people.argmax(1) == split.label).mean() == pytest.approx(0.992, abs=5e-4)


def test_a_part_is_the_beginning_of_the_whole(real_data: Path) -> None:
    part = load("test", options(real_data / "tfds", size=300))
    assert len(part) == 300
    assert part.id[-1] == "test_00299"
    whole = load("test", options(real_data / "tfds"))
    np.testing.assert_array_equal(part.image, whole.image[:300])


def test_missing_data_is_said_at_once_with_the_folder_and_the_remedy(tmp_path: Path) -> None:
    started = time.monotonic()
    with pytest.raises(UsageError, match="no 'cifar10' data in") as caught:
        load("train", options(tmp_path))
    assert time.monotonic() - started < 5
    assert str(tmp_path) in str(caught.value)
    assert "download_and_prepare" in str(caught.value)


def test_data_in_another_format_is_not_called_missing(tmp_path: Path, real_data: Path) -> None:
    folder = tmp_path / "cifar10/3.0.2"
    folder.mkdir(parents=True)
    info = (real_data / "tfds/cifar10/3.0.2/dataset_info.json").read_text()
    (folder / "dataset_info.json").write_text(info.replace("array_record", "tfrecord"))
    features = (real_data / "tfds/cifar10/3.0.2/features.json").read_text()
    (folder / "features.json").write_text(features)
    with pytest.raises(UsageError, match="not in array_record"):
        load("train", options(tmp_path))


def test_the_default_folder_is_that_of_tfds(monkeypatch: pytest.MonkeyPatch) -> None:
    from jagree.data.tfds_reader import folder_of

    monkeypatch.delenv("TFDS_DATA_DIR", raising=False)
    assert folder_of("") == Path("~/tensorflow_datasets").expanduser()
    monkeypatch.setenv("TFDS_DATA_DIR", "/data")
    assert folder_of("") == Path("/data")
    assert folder_of("/elsewhere") == Path("/elsewhere")


def test_the_entropy_of_what_people_see_is_joined_by_number(real_data: Path) -> None:
    file = real_data / "cifar10h/cifar10h-probs.npy"
    people = np.load(file, allow_pickle=False)
    split = load("test", options(real_data / "tfds", 300, file))
    column = split.metadata["human_entropy"]
    assert column.unit == "bit"
    for position, example in enumerate(split.id[:50]):
        row = people[int(example.removeprefix("test_"))]
        expected = -sum(p * np.log2(p) for p in row if p > 0)
        assert column.values[position] == pytest.approx(expected, abs=1e-12)
    assert load("train", options(real_data / "tfds", 300, file)).metadata == {}


def test_a_file_of_people_in_another_order_or_shape_is_refused(
    real_data: Path, tmp_path: Path
) -> None:
    people = np.load(real_data / "cifar10h/cifar10h-probs.npy", allow_pickle=False)
    for content, message in [
        (people[::-1], "not in the official order"),
        (people[:500], "must hold 10,000 rows of 10"),
        (people * 2, "0 or more and 1 in sum"),
        (np.where(people == people[3, 3], np.nan, people), "0 or more and 1 in sum"),
        (np.tile([2.0, -1, 0, 0, 0, 0, 0, 0, 0, 0], (10_000, 1)), "0 or more and 1 in sum"),
        (np.full((10_000, 10), "x"), "cannot read"),
    ]:
        np.save(tmp_path / "people.npy", content)
        with pytest.raises(UsageError, match=message):
            load("test", options(real_data / "tfds", 300, tmp_path / "people.npy"))
    np.savez(tmp_path / "people.npz", people)
    with pytest.raises(UsageError, match="cannot read"):
        load("test", options(real_data / "tfds", 300, tmp_path / "people.npz"))
    (tmp_path / "people.npy").write_text("rubbish")
    with pytest.raises(UsageError, match="cannot read"):
        load("test", options(real_data / "tfds", 300, tmp_path / "people.npy"))
    with pytest.raises(UsageError, match="cannot read"):
        load("test", options(real_data / "tfds", 300, tmp_path / "none.npy"))
