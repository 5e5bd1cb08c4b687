import shutil
import time
from pathlib import Path

import numpy as np
import pytest
import tensorflow_datasets as tfds
from ml_collections import ConfigDict

from jagree.configs import default
from jagree.data.sources.cifar10 import load
from jagree.errors import UsageError
from tests.data.pictures import encode, picture
from tests.data.prepared import parted, stored, write, write_records


def options(folder: Path, people: Path | str = "") -> ConfigDict:
    options = default.get_config().data
    options.name = "cifar10"
    options.dir = str(folder)
    options.cifar10h = str(people)
    return options


@pytest.fixture(scope="module")
def few(real_data: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """300 real images of each split, scattered over it, in three files."""
    source = real_data / "tfds/cifar10/3.0.2"
    folder = tmp_path_factory.mktemp("few") / "sets"
    write_records(
        folder / "cifar10/3.0.2", {s: parted(r[::30][:300], 3) for s, r in stored(source).items()}
    )
    for path in source.glob("*[!0-9]"):
        if path.name != "dataset_info.json":
            shutil.copyfile(path, folder / "cifar10/3.0.2" / path.name)
    return folder


def test_the_real_test_set_is_whole_and_in_official_order(real_data: Path) -> None:
    split = load("test", options(real_data / "tfds"))
    assert split.image.shape == (10_000, 32, 32, 3)
    assert split.id.tolist() == [f"test_{i:05}" for i in range(10_000)]
    np.testing.assert_array_equal(np.bincount(split.label), [1_000] * 10)
    # The first labels of the official test batch: cat, ship, ship, airplane, frog, frog.
    assert [split.class_names[i] for i in split.label[:6]] == [
        "cat", "ship", "ship", "airplane", "frog", "frog"
    ]  # fmt: skip
    # CIFAR-10H is in the official order: joined by position, its argmax is the label on 99.2 %.
    people = np.load(real_data / "cifar10h/cifar10h-probs.npy", allow_pickle=False)
    assert (people.argmax(1) == split.label).mean() == pytest.approx(0.992, abs=5e-4)


@pytest.mark.parametrize("split", ["train", "test"])
def test_images_and_labels_go_with_their_ids(few: Path, split: str) -> None:
    found = load(split, options(few))
    assert found.name == split
    assert len(found) == 300
    builder = tfds.builder_from_directory(few / "cifar10/3.0.2")
    for record in builder.as_data_source(split):
        (position,) = np.flatnonzero(found.id == record["id"].decode())
        np.testing.assert_array_equal(found.image[position], record["image"])
        assert found.label[position] == record["label"]


def test_missing_data_is_said_at_once_with_the_folder_and_the_remedy(tmp_path: Path) -> None:
    started = time.monotonic()
    with pytest.raises(UsageError, match="no 'cifar10' data in") as caught:
        load("train", options(tmp_path))
    assert time.monotonic() - started < 5
    assert f"python -m jagree.data --prepare=cifar10 --dir={tmp_path}" in str(caught.value)


def test_an_old_version_without_ids_is_refused(tmp_path: Path) -> None:
    features = tfds.features.FeaturesDict(
        {
            "image": tfds.features.Image(shape=(32, 32, 3)),
            "label": tfds.features.ClassLabel(names=["a"]),
        }
    )
    example = {"image": encode(picture(32, 32, 0)), "label": 0}
    write(tmp_path / "sets/cifar10/1.0.0", features, {"train": [example]})
    with pytest.raises(UsageError, match="has no feature 'id'; it has image, label"):
        load("train", options(tmp_path / "sets"))


def test_the_entropy_of_what_people_see_is_joined_by_number(real_data: Path, few: Path) -> None:
    file = real_data / "cifar10h/cifar10h-probs.npy"
    people = np.load(file, allow_pickle=False)
    split = load("test", options(few, file))
    column = split.metadata["human_entropy"]
    assert column.unit == "bit"
    for position, example in enumerate(split.id[:50]):
        row = people[int(example.removeprefix("test_"))]
        expected = -sum(p * np.log2(p) for p in row if p > 0)
        assert column.values[position] == pytest.approx(expected, abs=1e-12)
    assert load("train", options(few, file)).metadata == {}


def test_a_file_of_people_in_another_order_or_shape_is_refused(
    real_data: Path, few: Path, tmp_path: Path
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
            load("test", options(few, tmp_path / "people.npy"))
    np.savez(tmp_path / "people.npz", people)
    with pytest.raises(UsageError, match="cannot read"):
        load("test", options(few, tmp_path / "people.npz"))
    (tmp_path / "people.npy").write_text("rubbish")
    with pytest.raises(UsageError, match="cannot read"):
        load("test", options(few, tmp_path / "people.npy"))
    with pytest.raises(UsageError, match="cannot read"):
        load("test", options(few, tmp_path / "none.npy"))
