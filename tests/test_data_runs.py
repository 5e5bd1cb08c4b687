"""Whole runs on data of other kinds: several classes per image, crops, noisy labels."""

import filecmp
import json
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import xarray as xr
from ml_collections import ConfigDict

from jagree import stages
from jagree.configs import default
from jagree.data.noise import with_label_noise
from jagree.data.sources.controlled import load as controlled
from jagree.errors import UsageError
from jagree.record import correct, open_record


def assert_same_record(one: Path, other: Path) -> None:
    """File for file."""
    names = sorted(p.relative_to(one) for p in one.rglob("*") if p.is_file())
    assert names == sorted(p.relative_to(other) for p in other.rglob("*") if p.is_file())
    assert len(names) > 20
    for name in names:
        assert filecmp.cmp(one / name, other / name, shallow=False), name


@pytest.fixture
def voc(real_data: Path) -> ConfigDict:
    """Three LeNet5 on the Pascal fixture, 210 training and 40 test images."""
    config = default.get_config()
    config.name = "voc"
    config.members, config.epochs, config.batch_size = 3, 2, 48
    config.data.name = "voc"
    config.data.dir = str(real_data / "tfds")
    config.data.search_difficulty = str(real_data / "vsd" / "VSD_dataset.csv")
    config.data.train_size = config.data.test_size = 0
    config.data.resize, config.data.crop = 40, 32
    config.data.random_crop = False
    config.data.workers = config.statistics.workers = 1
    config.statistics.names = ("entropy",)
    return config


def run(config: ConfigDict, folder: Path, which: str = "train") -> dict[str, xr.Dataset]:
    assert stages.run(config, folder, which.split(","), "test") == 0
    return open_record(folder / "record.zarr")


@pytest.mark.parametrize("random_crop", [pytest.param(False, marks=pytest.mark.slow), True])
def test_several_classes_end_to_end_with_both_feeds(
    voc: ConfigDict, random_crop: bool, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    voc.data.random_crop = random_crop
    for feed in ("resident", "stream"):
        voc.training.feed = feed
        record = run(voc, tmp_path / feed, "train,statistics,study,report")
    assert_same_record(*(tmp_path / feed / "record.zarr" for feed in ("resident", "stream")))
    assert capsys.readouterr().out.count("preparing 210 train images") == 1  # the second found them
    train = record["train"]
    assert train["prediction"].dims == ("epoch", "member", "example", "class")
    assert train.attrs["correctness"] == "exact_match"
    assert "sum_sq_other" not in train
    right = correct(train, -1)
    np.testing.assert_array_equal(right, train["margin"].values[-1] > 0)
    report = (tmp_path / "stream" / "report.html").read_text()
    assert len(report) > 50_000  # with its pictures
    assert "An image may have any number of classes." in report
    table = xr.open_zarr(tmp_path / "stream/statistics.zarr", group="train", consolidated=False)
    assert table["search_difficulty"].attrs["units"] == "s"
    np.testing.assert_array_equal(table["id"].values, train["id"].values)


def test_one_class_is_asked_of_several(voc: ConfigDict, tmp_path: Path) -> None:
    voc.task = "single_label"
    with pytest.raises(UsageError, match=r"any number of classes; set task=multi_label, or auto"):
        run(voc, tmp_path / "run")


def test_members_of_one_run_with_labels_of_their_own_noise(
    small: ConfigDict, tmp_path: Path
) -> None:
    small.per_member.label_noise = (0.0, 0.5, 1.0)
    small.data.seed = 4
    record = run(small, tmp_path / "own", "train,study,report")
    train, test = record["train"], record["test"]
    assert train["label"].dims == ("member", "example")
    expected = with_label_noise(controlled("train", small.data), (0.0, 0.5, 1.0), seed=4)
    np.testing.assert_array_equal(train["label"].values, expected.label)
    np.testing.assert_array_equal(train["true_label"].values, expected.true_label)
    assert test["label"].dims == ("example",)
    np.testing.assert_array_equal(test["label"].values, test["true_label"].values)
    # The member with a rate of 0.5 is the one of a run in which all have this rate.
    small.per_member.label_noise = ()
    small.data.label_noise = 0.5
    common = run(small, tmp_path / "common")["train"]
    np.testing.assert_array_equal(common["label"].values, expected.label[1])
    np.testing.assert_array_equal(
        common["prediction"].values[:, 1], train["prediction"].values[:, 1]
    )
    assert not np.array_equal(common["prediction"].values[:, 2], train["prediction"].values[:, 2])


def test_test_labels_may_be_noisy_too(small: ConfigDict, tmp_path: Path) -> None:
    small.data.label_noise, small.data.test_label_noise = 1.0, True
    small.epochs = 1
    test = run(small, tmp_path / "run")["test"]
    assert 0.7 < (test["label"] != test["true_label"]).mean() <= 1


def test_run_json_says_what_a_person_should_know_of_the_data(
    small: ConfigDict, tmp_path: Path
) -> None:
    small.data.leave_out = ("train_0000003",)
    small.epochs = 1
    record = run(small, tmp_path / "run", "train,report")
    assert "train_0000003" not in record["train"]["id"].values
    about = json.loads((tmp_path / "run" / "run.json").read_text())
    (invocation,) = about["invocations"]
    assert (invocation["from_epoch"], invocation["to_epoch"]) == (0, 1)
    note = "1 example left out, as data.leave_out says"
    assert about["data"]["train"]["notes"] == [note]
    assert about["data"]["test"]["notes"] == []
    report = (tmp_path / "run" / "report.html").read_text()
    assert f"Of the training data: {note}." in report


def test_a_config_may_be_mended_until_an_epoch_is_recorded(
    small: ConfigDict, tmp_path: Path
) -> None:
    small.data.crop = 16
    with pytest.raises(UsageError, match="LeNet5 takes images of 32x32 pixels or more"):
        run(small, tmp_path / "run")
    small.data.crop = 0
    small.data.train_size = 150
    record = run(small, tmp_path / "run")  # in the same folder, on other data
    assert record["train"].sizes["example"] == 150
    about = json.loads((tmp_path / "run" / "run.json").read_text())
    assert about["config"]["data"]["crop"] == 0
    assert about["status"] == "complete"
    small.data.train_size = 149
    with pytest.raises(UsageError, match="belongs to a run with another config"):
        run(small, tmp_path / "run")


def test_a_folder_for_prepared_images_that_cannot_be_is_refused(
    small: ConfigDict, tmp_path: Path
) -> None:
    (tmp_path / "file").write_text("")
    small.data.cache = str(tmp_path / "file" / "cache")
    run(small, tmp_path / "as they are")  # has none to keep
    small.data.resize = 40
    with pytest.raises(UsageError, match=r"choose another folder by --config.data.cache"):
        run(small, tmp_path / "run")
    small.data.cache = ""
    run(small, tmp_path / "run")


def test_a_crop_too_small_for_the_network_is_refused_before_images_are_prepared(
    small: ConfigDict, tmp_path: Path
) -> None:
    small.data.resize, small.data.crop = 40, 31
    with pytest.raises(UsageError, match="takes images of 32x32 pixels or more, not 31x31"):
        run(small, tmp_path / "run")
    assert not (tmp_path / "prepared").exists()
    small.data.crop = 32
    run(small, tmp_path / "run")
    assert (tmp_path / "prepared").exists()


def test_noise_and_several_classes_are_told(
    small: ConfigDict, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    small.data.label_noise, small.epochs = 0.5, 1
    run(small, tmp_path / "noisy", "train,study,report")
    assert "train: labels drawn at random with probability 0.5: " in capsys.readouterr().out
    report = (tmp_path / "noisy" / "report.html").read_text()
    assert "Of the training data: labels drawn at random with probability 0.5: " in report
    assert ", labelled " in report
    assert "any number of classes" not in report
    table = pd.read_csv(tmp_path / "noisy" / "results" / "examples_train.csv")
    true = controlled("train", small.data).label
    np.testing.assert_array_equal(table["true_label"], true)
    assert 0.3 < (table["label"] != true).mean() < 0.6
    assert (table["label_name"] != table["true_label_name"]).mean() > 0.3
    assert "true_label" not in pd.read_csv(tmp_path / "noisy" / "results" / "examples_test.csv")
