import io
import os
import shutil
from pathlib import Path

import numpy as np
import pytest
import tensorflow_datasets as tfds
from ml_collections import ConfigDict
from PIL import Image

from jagree.configs import default
from jagree.data import tfds_reader
from jagree.data.sources import imagenet
from jagree.data.sources.imagenet import load
from jagree.errors import UsageError
from tests.data import archives


def options(folder: Path) -> ConfigDict:
    options = default.get_config().data
    options.name = "imagenet"
    options.dir = str(folder)
    options.train_size = options.test_size = 0
    return options


def noise(count: int, seed: int = 0) -> dict[str, bytes]:
    """Images of the first so many classes of ImageNet."""
    rng = np.random.default_rng(seed)
    table = tfds.core.tfds_path("datasets/imagenet2012/labels.txt")
    return {name: archives.picture(rng, 8, "jpeg") for name in table.read_text().split()[:count]}


def prepared(folder: Path, images: dict[str, bytes]) -> Path:
    archives.imagenet_archives(folder, images)
    archives.prepare("imagenet2012", folder / "tfds", folder, check=False)
    return folder / "tfds"


@pytest.fixture
def small(tmp_path: Path) -> Path:
    """A data set of 12 classes."""
    return prepared(tmp_path, noise(12))


def test_the_real_samples_are_read_byte_for_byte(real_data: Path, tmp_path: Path) -> None:
    images = archives.imagenet_samples(real_data / "imagenet-samples")
    expected = dict(
        zip(("train", "test"), archives.imagenet_archives(tmp_path, images), strict=True)
    )
    folder = archives.prepared_imagenet(tmp_path, real_data / "imagenet-samples")
    for name in ("train", "test"):
        split = load(name, options(folder))
        assert split.name == name
        assert split.id.tolist() == sorted(expected[name])
        assert len(split.class_names) == 1_000
        for position, example in enumerate(split.id):
            content, wordnet = expected[name][example]
            assert split.image.encoded(position) == content
            assert split.class_names[split.label[position]] == wordnet
        pixels = np.asarray(Image.open(io.BytesIO(content)).convert("RGB"))
        np.testing.assert_array_equal(split.image[position], pixels)
    assert split.id[0].startswith("ILSVRC2012_val_000")


def test_classes_are_those_of_tfds_in_its_order(small: Path) -> None:
    table = tfds.core.tfds_path("datasets/imagenet2012/labels.txt")
    train, test = load("train", options(small)), load("test", options(small))
    assert list(train.class_names) == list(test.class_names) == table.read_text().split()
    assert train.label.dtype == np.int32
    assert sorted(train.label) == sorted(test.label) == list(range(12))


def test_records_are_read_once(small: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    first = load("train", options(small))
    monkeypatch.setattr(tfds_reader.Records, "rows", None)  # whoever calls it fails
    again = load("train", options(small))
    assert again.fingerprint == first.fingerprint
    assert again.id.tolist() == first.id.tolist()
    assert again.label.tolist() == first.label.tolist()
    with pytest.raises(TypeError):
        load("test", options(small))  # of this nothing has been kept
    assert tfds.builder("imagenet2012", data_dir=small).info.splits["train"].num_examples == 12


def test_what_is_kept_is_of_these_very_records(small: Path, tmp_path: Path) -> None:
    """Others that are put in their place are read anew."""
    old = load("train", options(small)).fingerprint
    folder = small / "imagenet2012/5.1.0"
    names = sorted(noise(12))
    images = noise(12, seed=1)
    swapped = dict(zip(names, (images[name] for name in reversed(names)), strict=True))
    other = prepared(tmp_path / "other", swapped) / "imagenet2012/5.1.0"
    (kept,) = folder.glob("jagree-train-*.npy")
    for shard in other.glob("*train*"):
        shutil.copy(shard, folder / "new")
        os.utime(folder / "new", ns=(1, 1))
        (folder / "new").replace(folder / shard.name)
    assert load("train", options(small)).fingerprint != old
    (again,) = folder.glob("jagree-train-*.npy")
    assert again != kept


@pytest.mark.parametrize("content", [b"", b"rubbish", b"\x93NUMPY\x01\x00"])
def test_a_damaged_file_is_read_anew(small: Path, content: bytes) -> None:
    first = load("train", options(small))
    (kept,) = (small / "imagenet2012/5.1.0").glob("jagree-train-*.npy")
    good = kept.read_bytes()
    kept.write_bytes(content)
    assert load("train", options(small)).fingerprint == first.fingerprint
    assert kept.read_bytes() == good
    for wrong in (np.zeros(12), np.load(kept, allow_pickle=False)[:11]):
        np.save(kept, wrong)
        assert load("train", options(small)).fingerprint == first.fingerprint
        assert kept.read_bytes() == good


def test_where_nothing_can_be_kept_it_is_read_each_time(
    small: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def read_only(*_: object) -> None:
        raise PermissionError("read-only file system")

    monkeypatch.setattr(imagenet, "write_whole", read_only)
    assert len(load("train", options(small))) == len(load("train", options(small))) == 12
    assert not list(small.rglob("jagree-*"))


def test_missing_data_is_said_with_the_remedy(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="no 'imagenet2012' data in") as caught:
        load("train", options(tmp_path))
    assert "python -m jagree.data --prepare=imagenet2012" in str(caught.value)


def test_what_is_kept_is_of_files_of_this_size(small: Path) -> None:
    """A file that was cut short, or another, may be as old."""
    folder = small / "imagenet2012/5.1.0"
    stamps = set()
    for _ in range(2):
        for shard in folder.glob("*train*array_record*"):
            os.utime(shard, ns=(1, 1))
        records = tfds_reader.open_split("imagenet2012", str(small), "train")
        stamps.add(imagenet._stamp(records))
        with next(folder.glob("*train*array_record*")).open("ab") as file:
            file.write(b"more")
    assert len(stamps) == 2
