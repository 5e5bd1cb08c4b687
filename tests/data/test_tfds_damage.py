"""What prepared data sets may suffer from, and how it is said."""

import json
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest
import tensorflow_datasets as tfds

from jagree.data.tfds_reader import open_split
from jagree.errors import UsageError
from tests.data.prepared import FORMATS, write, write_records
from tests.data.toy import FEATURES, files, write_toy


@pytest.fixture(params=FORMATS)
def prepared(request: pytest.FixtureRequest, tmp_path: Path) -> Path:
    return write_toy(tmp_path, request.param)


def test_a_missing_file_is_named_before_anything_is_read(prepared: Path) -> None:
    missing = files(prepared)[2]
    missing.unlink()
    with pytest.raises(UsageError) as caught:
        open_split("toy", str(prepared), "train")
    assert str(caught.value) == (
        f"cannot find '{missing}' (No such file or directory); copy or prepare the data set again"
    )
    assert len(open_split("toy", str(prepared), "test")) == 4


@pytest.mark.parametrize(
    "spoil",
    [
        lambda content: content[: len(content) // 2],
        lambda content: content[:-1],
        lambda content: content[:300] + bytes([content[300] ^ 1]) + content[301:],
        lambda content: b"",
    ],
)
def test_a_damaged_file_is_named(prepared: Path, spoil: Callable[[bytes], bytes]) -> None:
    damaged = files(prepared)[2]
    damaged.write_bytes(spoil(damaged.read_bytes()))
    records = open_split("toy", str(prepared), "train")
    with pytest.raises(UsageError, match=r"copy or prepare 'toy' again$") as caught:
        records.columns(("label",))
    assert str(damaged) in str(caught.value)


def test_a_file_of_the_wrong_length_is_named(prepared: Path) -> None:
    shutil.copyfile(files(prepared)[0], files(prepared)[1])
    records = open_split("toy", str(prepared), "train")
    with pytest.raises(UsageError, match=r"holds 1 record, but dataset_info.json says 4") as caught:
        records.columns(("label",))
    assert str(files(prepared)[1]) in str(caught.value)


def test_records_that_are_not_what_features_say_are_named(prepared: Path) -> None:
    """Files of another data set, or such that hold no examples at all."""
    other = tfds.features.FeaturesDict({"label": FEATURES["label"]})
    folder = prepared / "toy/1.0.0"
    write_records(folder, {"train": [[other.serialize_example({"label": 1})]]})
    with pytest.raises(UsageError, match=r"record 0 does not hold what features.json says"):
        open_split("toy", str(prepared), "train").columns(("label", "name"))
    write_records(folder, {"train": [[b"rubbish"]]})
    with pytest.raises(UsageError, match=r"record 0 does not hold what features.json says"):
        open_split("toy", str(prepared), "train").columns(("label",))


@pytest.mark.parametrize("file", ["dataset_info.json", "features.json"])
def test_descriptions_that_cannot_be_read_are_named(prepared: Path, file: str) -> None:
    path = prepared / "toy/1.0.0" / file
    for spoil in (lambda: path.write_text("{"), lambda: path.write_text("[]"), path.unlink):
        spoil()
        if file == "dataset_info.json" and not path.exists():
            continue  # then there is no data set
        with pytest.raises(UsageError, match=r"cannot read what data is in '.*toy/1.0.0'"):
            open_split("toy", str(prepared), "train")


def test_a_feature_that_needs_tensorflow_is_said(prepared: Path) -> None:
    path = prepared / "toy/1.0.0/features.json"
    text = path.read_text().replace("text_feature.Text", "video_feature.Video")
    path.write_text(text.replace('"text": {}', '"video": {"shape": {"dimensions": ["1"]}}'))
    with pytest.raises(UsageError, match=r"feature that cannot be read here .*'tensorflow'"):
        open_split("toy", str(prepared), "train")


def test_a_format_that_needs_tensorflow_is_said(prepared: Path) -> None:
    path = prepared / "toy/1.0.0/dataset_info.json"
    info = json.loads(path.read_text())
    path.write_text(json.dumps(info | {"fileFormat": "riegeli"}))
    with pytest.raises(UsageError, match="is in riegeli, which needs TensorFlow; read are array"):
        open_split("toy", str(prepared), "train")
    path.write_text(json.dumps(info | {"fileFormat": "clay"}))
    with pytest.raises(UsageError, match="cannot read what data is in"):
        open_split("toy", str(prepared), "train")


def test_no_format_means_tfrecord_as_in_old_data_sets(tmp_path: Path) -> None:
    features = tfds.features.FeaturesDict({"label": FEATURES["label"]})
    folder = tmp_path / "sets/toy/1.0.0"
    write(folder, features, {"train": [{"label": 2}]}, "tfrecord")
    info = json.loads((folder / "dataset_info.json").read_text())
    del info["fileFormat"]
    (folder / "dataset_info.json").write_text(json.dumps(info))
    assert open_split("toy", str(tmp_path / "sets"), "train").columns(("label",))["label"] == [2]
