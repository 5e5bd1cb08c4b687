"""Prepared data sets are those that TensorFlow Datasets' own classes describe and read."""

import hashlib
import io
import json
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import tensorflow_datasets as tfds
from PIL import Image

from jagree.data.builders import prepare
from jagree.data.builders.writing import in_order
from jagree.data.tfds_reader import open_split
from tests.conftest import REPOSITORY
from tests.data import archives


def rows(name: str, folder: Path, split: str) -> list[dict[str, Any]]:
    records = open_split(name, str(folder), split)
    return list(records.rows(list(records.features)))


def described_alike(mine: Path, theirs: Path) -> None:
    """The same files, features and class names."""
    names = sorted(path.name for path in theirs.iterdir())
    assert sorted(path.name for path in mine.iterdir()) == names
    features = "features.json"
    assert json.loads((mine / features).read_text()) == json.loads((theirs / features).read_text())
    labels = [name for name in names if name.endswith(".labels.txt")]
    assert labels
    for name in labels:
        assert (mine / name).read_text() == (theirs / name).read_text()


@pytest.fixture(scope="module")
def cifar(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """CIFAR-10 of 250 and 30 images of noise."""
    folder = tmp_path_factory.mktemp("cifar")
    members = archives.cifar_members(archives.cifar_noise(250), archives.cifar_noise(30))
    archives.cifar_archive(folder, members)
    prepare("cifar10", folder / "tfds", folder, check=False)
    return folder / "tfds"


# The order in which TFDS stores examples


def stock_order(folder: Path, split: str, keys: Sequence[str] | Sequence[int]) -> list[int]:
    """Positions as TFDS's own writer stores them."""

    class Stock(tfds.core.GeneratorBasedBuilder, skip_registration=True):
        name = "stock"
        VERSION = tfds.core.Version("1.0.0")

        def _info(self) -> tfds.core.DatasetInfo:
            features = tfds.features.FeaturesDict({"position": np.int64})
            return tfds.core.DatasetInfo(builder=self, features=features)

        def _split_generators(self, dl_manager: Any) -> Any:
            return {split: self._generate_examples()}

        def _generate_examples(self) -> Any:
            for position, key in enumerate(keys):
                yield key, {"position": position}

    builder = Stock(data_dir=folder)
    builder.download_and_prepare(file_format="array_record")
    return [int(row["position"]) for row in builder.as_data_source(split)]


@pytest.mark.parametrize("keys", [list(range(200)), [f"2007_{i:06}" for i in range(200)]])
def test_the_order_is_that_of_the_writer_of_tfds(tmp_path: Path, keys: list) -> None:
    expected = stock_order(tmp_path, "train", keys)
    assert in_order("train", keys) == expected
    assert in_order("test", keys) != expected


# CIFAR-10


def test_cifar_has_every_pixel_label_and_id_where_tfds_puts_them(cifar: Path) -> None:
    for split, count in (("train", 250), ("test", 30)):
        images, labels = archives.cifar_noise(count)
        found = rows("cifar10", cifar, split)
        # Keys are the numbers of the images, not their ids.
        order = sorted(range(count), key=lambda i: hashlib.md5(f"{split}{i}".encode()).digest())
        assert [row["id"].decode() for row in found] == [f"{split}_{i:05d}" for i in order]
        for row, i in zip(found, order, strict=True):
            assert row["label"] == labels[i]
            image = Image.open(io.BytesIO(row["image"]))
            assert image.format == "PNG"
            np.testing.assert_array_equal(np.asarray(image), images[i])


def test_cifar_is_read_by_the_stock_class_and_without_it(cifar: Path) -> None:
    stock = tfds.builder("cifar10", data_dir=cifar)
    assert type(stock).__module__.startswith("tensorflow_datasets.image_classification")
    for builder in (stock, tfds.builder_from_directory(cifar / "cifar10/3.0.2")):
        assert builder.info.splits["train"].num_examples == 250
        assert builder.info.features["label"].names == list(archives.CIFAR_NAMES)
        record = builder.as_data_source("test")[0]
        number = int(record["id"].decode().removeprefix("test_"))
        np.testing.assert_array_equal(record["image"], archives.cifar_noise(30)[0][number])


def test_real_cifar_equals_the_fixture_pixel_by_pixel(real_data: Path, tmp_path: Path) -> None:
    """The first 3,000 training and 1,000 test images, through the files they came in."""
    folders = {}
    for split, count in (("train", 3_000), ("test", 1_000)):
        found = {row["id"].decode(): row for row in rows("cifar10", real_data / "tfds", split)}
        first = [found[f"{split}_{i:05d}"] for i in range(count)]
        images = np.stack([np.asarray(Image.open(io.BytesIO(row["image"]))) for row in first])
        folders[split] = images, np.array([row["label"] for row in first])
    archives.cifar_archive(tmp_path, archives.cifar_members(folders["train"], folders["test"]))
    prepare("cifar10", tmp_path, tmp_path, check=False)
    for split, (images, labels) in folders.items():
        for row in rows("cifar10", tmp_path, split):
            number = int(row["id"].decode().removeprefix(f"{split}_"))
            assert row["label"] == labels[number]
            np.testing.assert_array_equal(
                np.asarray(Image.open(io.BytesIO(row["image"]))), images[number]
            )
    described_alike(tmp_path / "cifar10/3.0.2", real_data / "tfds/cifar10/3.0.2")


def test_large_splits_are_parted_as_tfds_parts_them(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from tensorflow_datasets.core.utils.shard_utils import ShardConfig

    monkeypatch.setattr(ShardConfig, "min_shard_size", 60_000)  # 250 images of 3 kB: 8 files of 12
    members = archives.cifar_members(archives.cifar_noise(250), archives.cifar_noise(30))
    archives.cifar_archive(tmp_path, members)
    prepare("cifar10", tmp_path, tmp_path, check=False)
    builder = tfds.builder("cifar10", data_dir=tmp_path)
    lengths = [31, 31, 32, 31, 31, 32, 31, 31]
    assert builder.info.splits["train"].shard_lengths == lengths
    assert builder.info.splits["test"].shard_lengths == [30]
    ids = [row["id"].decode() for row in rows("cifar10", tmp_path, "train")]
    assert ids == [f"train_{i:05d}" for i in in_order("train", range(250))]
    files = sorted(p.name for p in (tmp_path / "cifar10/3.0.2").glob("cifar10-train*"))
    assert files == [f"cifar10-train.array_record-{i:05d}-of-00008" for i in range(8)]


BLOCKED = """
import sys
for name in ("importlib_resources", "jax", "jaxlib", "flax"):
    sys.modules[name] = None  # any import of it raises ImportError
from jagree.data.builders import prepare
prepare("cifar10", sys.argv[1], sys.argv[1], check=False)
prepare("imagenet2012", sys.argv[1], sys.argv[1], check=False)
sys.exit("tensorflow" in sys.modules)
"""


def test_nothing_is_needed_that_is_not_declared(tmp_path: Path) -> None:
    members = archives.cifar_members(archives.cifar_noise(50), archives.cifar_noise(10))
    archives.cifar_archive(tmp_path, members)
    picture = archives.picture(np.random.default_rng(0), 8, "jpeg")
    archives.imagenet_archives(tmp_path, {"n01440764": picture})
    result = subprocess.run(
        [sys.executable, "-c", BLOCKED, tmp_path], capture_output=True, text=True, cwd=REPOSITORY
    )
    assert result.returncode == 0, result.stderr
    assert len(rows("cifar10", tmp_path, "train")) == 50
    assert len(rows("imagenet2012", tmp_path, "train")) == 1


# Pascal VOC


@pytest.fixture(scope="module")
def voc(real_data: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("voc")
    for year in ("2007", "2012"):
        archives.voc_archives(folder, real_data / "tfds", year)
    prepare("voc", folder / "tfds", folder, check=False)
    return folder / "tfds"


@pytest.mark.parametrize("split", ["train", "validation", "test"])
@pytest.mark.parametrize("year", ["2007", "2012"])
def test_voc_equals_the_fixture_record_for_record(
    real_data: Path, voc: Path, year: str, split: str
) -> None:
    """In the same order, with the same bytes of the image, the same float32 of each box."""
    expected = rows(f"voc/{year}", real_data / "tfds", split)
    found = rows(f"voc/{year}", voc, split)
    assert len(found) == len(expected)
    for mine, theirs in zip(found, expected, strict=True):
        np.testing.assert_equal(mine, theirs)
        assert mine["objects"]["bbox"].dtype == np.float32
    boxes = sum(len(row["objects"]["bbox"]) for row in found)
    assert (boxes == 0) == ((year, split) == ("2012", "test"))


def test_voc_is_described_as_the_stock_class_does(real_data: Path, voc: Path) -> None:
    for year in ("2007", "2012"):
        described_alike(voc / f"voc/{year}/5.0.0", real_data / f"tfds/voc/{year}/5.0.0")
    configs = "voc/.config/metadata.json"
    assert (voc / configs).read_text() == (real_data / "tfds" / configs).read_text()
    stock = tfds.builder("voc/2012", data_dir=voc)
    assert type(stock).__module__ == "tensorflow_datasets.object_detection.voc"
    assert tfds.builder("voc", data_dir=voc).info.config_name == "2007"
    assert len(stock.as_data_source("validation")) == 75


def test_voc_2012_does_without_its_test_set_which_has_no_boxes(
    real_data: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    for year in ("2007", "2012"):
        archives.voc_archives(tmp_path, real_data / "tfds", year)
    (tmp_path / "VOC2012test.tar").unlink()
    prepare("voc", tmp_path / "tfds", tmp_path, check=False)
    assert "no 'VOC2012test.tar'" in capsys.readouterr().out
    assert set(tfds.builder("voc/2012", data_dir=tmp_path / "tfds").info.splits) == {
        "train", "validation"
    }  # fmt: skip


# KTH-TIPS2-b


def test_all_of_kth_is_there_from_the_archive_as_from_the_folder(tmp_path: Path) -> None:
    members = archives.kth_members()
    archives.kth_archive(tmp_path / "packed", members)
    tree = archives.kth_tree(tmp_path / "unpacked", members)
    (tree / "wool/sample_a/Thumbs.db").write_bytes(b"not an image")
    (tree / "wool/sample_a/._22a-scale_2_im_1_col.png").write_bytes(b"what a Mac adds")
    (tree / "README.txt").write_text("hello")
    sources = {"one": tmp_path / "packed", "two": tmp_path / "unpacked", "three": tree}
    found = {}
    for name, folder in sources.items():
        prepare("kth_tips2b", tmp_path / name, folder, check=name != "one")
        found[name] = rows("kth_tips2b", tmp_path / name, "train")
    assert len(found["one"]) == 11 * 4 * 108 - 2 * 36
    assert found["one"] == found["two"] == found["three"]
    names = open_split("kth_tips2b", str(tmp_path / "one"), "train").class_names("label")
    left = dict(members)
    for row in found["one"]:
        label, sample = names[row["label"]], row["sample"].decode()
        number = archives.CLASSES[label]
        file_name = f"{number}{sample}-scale_{row['scale']}_im_{row['number']}_col.png"
        assert row["file_name"].decode() == file_name
        assert row["image"] == left.pop(f"{label}/sample_{sample}/{file_name}")
    assert not left


# ImageNet


@pytest.fixture(scope="module")
def imagenet(real_data: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    return archives.prepared_imagenet(tmp_path_factory.mktemp("in"), real_data / "imagenet-samples")


def test_imagenet_has_every_byte_under_the_right_class(real_data: Path, imagenet: Path) -> None:
    again = imagenet.parent / "again"
    again.mkdir()
    images = archives.imagenet_samples(real_data / "imagenet-samples")
    train, validation = archives.imagenet_archives(again, images)
    assert len(train) == len(validation) == 100
    for split, expected in (("train", train), ("validation", validation)):
        names = open_split("imagenet2012", str(imagenet), split).class_names("label")
        assert len(names) == 1_000
        found = rows("imagenet2012", imagenet, split)
        assert {
            row["file_name"].decode(): (row["image"], names[row["label"]]) for row in found
        } == expected
        keys = [row["file_name"].decode() for row in found]
        assert in_order(split, keys) == list(range(100))


def test_imagenet_is_read_by_the_stock_class(imagenet: Path) -> None:
    stock = tfds.builder("imagenet2012", data_dir=imagenet)
    assert type(stock).__module__.startswith("tensorflow_datasets.datasets.imagenet2012")
    (record,) = stock.as_data_source("validation[:1]").__getitems__([0])
    assert record["image"].ndim == 3
    copy = tfds.builder_from_directory(imagenet / "imagenet2012/5.1.0")
    assert copy.info.features["label"].names == stock.info.features["label"].names
    assert copy.info.features["image"].encoding_format == "jpeg"
    described = tfds.builder_cls("imagenet2012")(data_dir=imagenet / "nowhere").info
    assert len(described.description) > 1_000
    assert copy.info.description == described.description
    assert copy.info.citation == described.citation
