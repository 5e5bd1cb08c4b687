import logging
import os
import pickle
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import tensorflow_datasets as tfds
from tensorflow_datasets.proto import tf_example_pb2

from jagree.data.tfds_reader import TfdsImages, folder_of, open_split, split_names
from jagree.errors import UsageError
from tests.data.prepared import FORMATS, write, write_records
from tests.data.toy import FEATURES, example, files, write_toy


@pytest.fixture(params=FORMATS)
def prepared(request: pytest.FixtureRequest, tmp_path: Path) -> Path:
    return write_toy(tmp_path, request.param)


# What is read


def test_columns_are_what_was_written(prepared: Path) -> None:
    records = open_split("toy", str(prepared), "train")
    assert len(records) == 20
    columns = records.columns(("name", "label", "labels", "score", "things"))
    assert columns["name"] == [f"name {i}".encode() for i in range(20)]
    assert columns["label"] == [i % 3 for i in range(20)]
    assert columns["score"] == [i / 8 for i in range(20)]
    for i in range(20):
        assert columns["labels"][i].tolist() == [0] * (i % 4)
        assert columns["labels"][i].dtype == np.int64
        things = columns["things"][i]
        assert things["box"].shape == (i % 5, 4)
        assert things["box"].dtype == np.float32
        assert things["box"].tolist() == [[j / 8, 0, 1, 0.5] for j in range(i % 5)]
        assert things["kind"].tolist() == [j % 2 for j in range(i % 5)]


def test_images_are_the_stored_bytes_and_their_pixels(prepared: Path) -> None:
    records = open_split("toy", str(prepared), "train")
    images = records.images()
    assert len(images) == 20
    columns = records.columns(("image",))
    for i in range(20):
        assert images.encoded(i) == example(i)["image"] == columns["image"][i]
    expected = np.random.default_rng(7).integers(0, 256, (4, 5, 3), np.uint8)
    np.testing.assert_array_equal(images[7], expected)


@pytest.mark.parametrize(
    ("split", "expected"),
    [
        ("train[:30%]", range(6)),
        ("train[3:12]", range(3, 12)),
        ("train[-2:]", [18, 19]),
        ("test+train[4:6]", [20, 21, 22, 23, 4, 5]),
        ("train[12:13]+test[1:2]", [12, 21]),
    ],
)
def test_parts_and_sums_of_splits(prepared: Path, split: str, expected: Any) -> None:
    records = open_split("toy", str(prepared), split)
    assert len(records) == len(expected)
    assert records.columns(("name",))["name"] == [f"name {i}".encode() for i in expected]
    images = records.images()
    assert [images.encoded(i) for i in range(len(images))] == [
        example(i)["image"] for i in expected
    ]


@pytest.mark.parametrize("name", ["voc/2012", "cifar10"])
def test_tfds_itself_reads_the_same(real_data: Path, name: str) -> None:
    builder = tfds.builder_from_directory(
        next((real_data / "tfds" / name).glob("*/features.json")).parent
    )
    decoders = {"image": tfds.decode.SkipDecoding()}
    theirs = builder.as_data_source(
        "test[:50%]" if name == "cifar10" else "train", decoders=decoders
    )
    ours = open_split(name, str(real_data / "tfds"), theirs.split)
    assert len(ours) == len(theirs)
    images = ours.images()
    for i, row in enumerate(ours.rows([k for k in builder.info.features if k != "image"])):
        record = theirs[i]
        assert images.encoded(i) == record.pop("image")
        assert row.keys() == record.keys()
        for key, value in record.items():
            assert_same(row[key], value)


def assert_same(one: Any, other: Any) -> None:
    if isinstance(other, dict):
        assert one.keys() == other.keys()
        for key in other:
            assert_same(one[key], other[key])
    else:
        np.testing.assert_array_equal(one, np.reshape(other, np.shape(one)))


def test_sequences_within_sequences_do_not_disturb(tmp_path: Path) -> None:
    """Without TensorFlow TFDS cannot write them, so here they are put together by hand."""
    flat = tfds.features.FeaturesDict({"label": FEATURES["label"], "name": FEATURES["name"]})
    full = tfds.features.FeaturesDict(
        {**flat, "deep": tfds.features.Sequence(tfds.features.Sequence(np.int64))}
    )
    records = []
    for i in range(4):
        addition = tf_example_pb2.Example()
        map_of = addition.features.feature
        map_of["deep/ragged_flat_values"].int64_list.value.extend(range(i))
        map_of["deep/ragged_row_lengths_0"].int64_list.value.extend([i - i // 2, i // 2])
        record = flat.serialize_example({"label": i % 3, "name": str(i)})
        records.append(record + addition.SerializeToString())  # protocol buffers merge so
    folder = tmp_path / "sets" / "deep" / "1.0.0"
    write_records(folder, {"train": [records]})
    full.save_config(folder)
    opened = open_split("deep", str(tmp_path / "sets"), "train")
    assert opened.columns(("label",)) == {"label": [0, 1, 2, 0]}
    deep = opened.columns(("deep",))["deep"]
    assert [[list(row) for row in one] for one in deep] == [
        [[], []], [[0], []], [[0], [1]], [[0, 1], [2]]
    ]  # fmt: skip


def test_a_sequence_that_is_not_in_the_record_is_empty(tmp_path: Path) -> None:
    """As other writers than TFDS's may leave it, and as TensorFlow reads it."""
    features = tfds.features.FeaturesDict({k: FEATURES[k] for k in ("label", "labels", "things")})
    folder = tmp_path / "sets" / "toy" / "1.0.0"
    only = tfds.features.FeaturesDict({"label": FEATURES["label"]})
    write_records(folder, {"train": [[only.serialize_example({"label": 2})]]})
    features.save_config(folder)
    (row,) = open_split("toy", str(tmp_path / "sets"), "train").rows(("label", "labels", "things"))
    assert row["label"] == 2
    assert row["labels"].shape == (0,)
    assert row["things"]["box"].shape == (0, 4)
    assert (row["labels"].dtype, row["things"]["box"].dtype) == (np.int64, np.float32)


def test_names_of_classes(prepared: Path) -> None:
    records = open_split("toy", str(prepared), "train")
    assert records.class_names("label") == ("cat", "dog", "eel")
    assert records.class_names("labels") == ("warm", "wet")
    assert records.class_names("things/kind") == ("x", "y")


# Images as a sequence


def test_images_may_be_taken_joined_and_sent_elsewhere(prepared: Path) -> None:
    train, test = (open_split("toy", str(prepared), s).images() for s in ("train", "test"))
    joined = TfdsImages.joined([test, train.take(np.array([19, 3])), test])
    expected = [20, 21, 22, 23, 19, 3, 20, 21, 22, 23]
    for images in (joined, pickle.loads(pickle.dumps(joined))):
        assert [images.encoded(i) for i in range(10)] == [example(i)["image"] for i in expected]
    part = joined.take(np.array([5, 0, 5]))
    assert [part.encoded(i) for i in range(3)] == [example(i)["image"] for i in (3, 20, 3)]


def test_the_name_of_an_image_is_its_file_and_record(prepared: Path) -> None:
    images = open_split("toy", str(prepared), "train[3:]").images()
    assert images.name(0) == f"{files(prepared)[1]} record 2"  # files hold 1, 4, 6 and 9
    assert images.take(np.array([5])).name(0) == f"{files(prepared)[2]} record 3"


def test_the_stamp_tells_files_features_and_positions(prepared: Path) -> None:
    def images(split: str = "train", feature: str = "image") -> TfdsImages:
        return open_split("toy", str(prepared), split).images(feature)

    stamp = images().stamp
    assert images().stamp == stamp
    assert pickle.loads(pickle.dumps(images())).stamp == stamp
    positions = np.arange(20)
    assert images().take(positions).stamp == stamp
    others = [
        images("test").stamp,
        images(feature="name").stamp,
        images().take(positions[::-1]).stamp,
        images().take(positions[1:]).stamp,
        images("train[1:]").stamp,
        images().take(np.array([1])).stamp,  # the first record of the second file,
        images().take(np.array([5])).stamp,  # the first one of the third,
        images().take(np.array([6])).stamp,  # and the second one there
    ]
    shard = files(prepared)[3]
    content, before = shard.read_bytes(), shard.stat().st_mtime_ns
    os.utime(shard, ns=(before, before + 1))
    others.append(images().stamp)
    shard.write_bytes(content + b"\0")
    os.utime(shard, ns=(before, before))
    others.append(images().stamp)
    shutil.copytree(prepared / "toy", prepared / "copy" / "toy", copy_function=shutil.copy2)
    others.append(open_split("toy", str(prepared / "copy"), "train").images().stamp)
    assert len({stamp, *others}) == 1 + len(others)
    shard.write_bytes(content)
    os.utime(shard, ns=(before, before))
    assert images().stamp == stamp


def test_an_image_that_cannot_be_read_is_an_os_error(prepared: Path) -> None:
    images = open_split("toy", str(prepared), "train").images()
    with pytest.raises(OSError, match="holds no 'picture'"):
        open_split("toy", str(prepared), "train").images("picture").encoded(0)
    files(prepared)[2].unlink()
    with pytest.raises(OSError, match="No such file") as caught:
        images.encoded(8)
    assert str(files(prepared)[1]) not in str(caught.value)


def test_reading_loads_neither_tensorflow_nor_anything_before_it_is_needed(prepared: Path) -> None:
    code = (
        "import sys, jagree.data, jagree.data.tfds_reader as r, jagree.data.sources.voc\n"
        "import jagree.data.sources.tfds, jagree.data.sources.cifar10, jagree.data.identify\n"
        "heavy = {'tensorflow_datasets', 'array_record', 'pyarrow', 'google_crc32c', 'jax'}\n"
        "assert not heavy & set(sys.modules), heavy & set(sys.modules)\n"
        f"images = r.open_split('toy', {str(prepared)!r}, 'train').images()\n"
        "assert images[3].shape == (4, 5, 3)\n"
        "assert 'tensorflow' not in sys.modules and 'jax' not in sys.modules\n"
    )
    subprocess.run([sys.executable, "-W", "error", "-c", code], check=True, timeout=60)


def test_reading_says_nothing(prepared: Path, caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.DEBUG):
        _ = open_split("toy", str(prepared), "train").images()[3]
    assert [r.getMessage() for r in caplog.records if r.levelno >= logging.WARNING] == []


# Where it is


def test_the_default_folder_is_that_of_tfds(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("TFDS_DATA_DIR", raising=False)
    assert folder_of("") == Path("~/tensorflow_datasets").expanduser()
    monkeypatch.setenv("TFDS_DATA_DIR", "/data")
    assert folder_of("") == Path("/data")
    assert folder_of("/elsewhere") == Path("/elsewhere")


def test_the_newest_complete_version_is_read_unless_one_is_named(tmp_path: Path) -> None:
    features = tfds.features.FeaturesDict({"label": FEATURES["label"]})
    versions = ["1.9.0", "1.10.0", "1.2.11", "2.0.0.incompleteA1", "incomplete.A1_3.0.0"]
    for number, version in enumerate(versions):
        write(tmp_path / "sets/toy" / version, features, {"train": [{"label": 1}] * (number + 1)})
    assert open_split("toy", str(tmp_path / "sets"), "train").folder.name == "1.10.0"
    assert len(open_split("toy", str(tmp_path / "sets"), "train")) == 2
    assert len(open_split("toy:1.9.0", str(tmp_path / "sets"), "train")) == 1
    with pytest.raises(
        UsageError, match=r"no version 2\.0\.0 of 'toy' .* 1\.10\.0, 1\.2\.11, 1\.9"
    ):
        open_split("toy:2.0.0", str(tmp_path / "sets"), "train")


def test_a_name_without_its_config_lists_the_configs(prepared: Path) -> None:
    shutil.copytree(prepared / "toy", prepared / "many" / "small")
    shutil.copytree(prepared / "toy", prepared / "many" / "large")
    assert len(open_split("many/small", str(prepared), "train")) == 20
    with pytest.raises(UsageError, match="more than one 'many': many/large, many/small; name one"):
        open_split("many", str(prepared), "train")


@pytest.mark.parametrize("name", ["cifar10", "voc/2012", "kth_tips2b", "imagenet2012"])
def test_our_own_sets_are_prepared_by_our_own_door(tmp_path: Path, name: str) -> None:
    folder = tmp_path / "a folder"
    with pytest.raises(UsageError) as caught:
        open_split(name, str(folder), "train")
    assert str(caught.value) == (
        f"no '{name}' data in '{folder}'; say where it is with --config.data.dir=FOLDER, or "
        f"prepare it once: python -m jagree.data --prepare={name.split('/')[0]} --dir='{folder}'"
    )


def test_all_others_are_prepared_by_tfds(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="no 'mnist' data in") as caught:
        open_split("mnist", str(tmp_path), "train")
    command = str(caught.value).partition('python -c "')[2] or str(caught.value)
    assert "pip install tensorflow-cpu && python -c" in str(caught.value)
    assert "tfds.builder('" in command or "tfds.builder('\"'\"'mnist" in command
    assert "array_record" in command
    assert "download_and_prepare" in command


def test_splits_are_listed_and_unknown_ones_refused(prepared: Path) -> None:
    assert split_names("toy", str(prepared)) == ("test", "train")
    for split in ("validation", "train[:", "train[:900%]", "train[", ""):
        with pytest.raises(UsageError, match=r"has no split '.*'; it has test, train, and parts"):
            open_split("toy", str(prepared), split)
    with pytest.raises(UsageError, match=r"split 'train.:0.' of 'toy' in .* holds no record"):
        open_split("toy", str(prepared), "train[:0]")


def test_an_unknown_feature_is_refused(prepared: Path) -> None:
    with pytest.raises(
        UsageError, match="has no feature 'colour'; it has image, label, labels, name"
    ):
        open_split("toy", str(prepared), "train").columns(("label", "colour"))
