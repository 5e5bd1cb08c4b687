"""What every registered data source must do."""

import os
import pickle
import shutil
from pathlib import Path

import numpy as np
import pytest
from ml_collections import ConfigDict

from jagree import data
from jagree.configs import default
from jagree.data.images import Encoded
from jagree.data.split import Split
from jagree.errors import UsageError
from tests.data import sets

Splits = dict[str, Split]


@pytest.fixture(scope="module", params=sets.names())
def options(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> ConfigDict:
    folder = tmp_path_factory.mktemp(request.param)
    options = default.get_config().data
    options.update({"name": request.param, "train_size": 0, "test_size": 0})
    options.update(sets.SETS[request.param](folder, request.getfixturevalue))
    return options


@pytest.fixture(scope="module")
def splits(options: ConfigDict) -> tuple[Splits, Splits]:
    """A source, loaded twice."""
    return data.load(options), data.load(options)


def test_two_loads_are_equal(splits: tuple[Splits, Splits]) -> None:
    for name in ("train", "test"):
        one, two = (loaded[name] for loaded in splits)
        assert one.fingerprint == two.fingerprint
        np.testing.assert_array_equal(one.id, two.id)
        np.testing.assert_array_equal(one.label, two.label)
        for key, column in one.metadata.items():
            np.testing.assert_array_equal(column.values, two.metadata[key].values)


def test_names_and_ids(splits: tuple[Splits, Splits]) -> None:
    for name, split in splits[0].items():
        assert split.name == name
        assert len(split) > 1
        assert (split.id[:-1] < split.id[1:]).all()
        assert all(i.strip() == i and i.isprintable() for i in split.id.tolist())
    assert not set(splits[0]["train"].id) & set(splits[0]["test"].id)
    assert splits[0]["train"].fingerprint != splits[0]["test"].fingerprint


def test_labels_are_of_the_classes_and_not_all_the_same(splits: tuple[Splits, Splits]) -> None:
    train, test = splits[0]["train"], splits[0]["test"]
    assert train.class_names == test.class_names
    assert len(set(train.class_names)) == len(train.class_names)
    for split in (train, test):
        label = split.label
        assert label.dtype in (np.int32, bool)
        assert split.label is split.true_label or (split.label == split.true_label).all()
        assert len(np.unique(label, axis=0)) > 1


def test_metadata_have_units_and_descriptions(splits: tuple[Splits, Splits]) -> None:
    train, test = splits[0]["train"], splits[0]["test"]
    for split in (train, test):
        for column in split.metadata.values():
            assert column.description
            assert column.values.dtype.kind in "iufbU"
    for key in train.metadata.keys() & test.metadata.keys():
        assert train.metadata[key].unit == test.metadata[key].unit
        assert train.metadata[key].description == test.metadata[key].description


def test_images_are_red_green_and_blue_and_differ(splits: tuple[Splits, Splits]) -> None:
    for split in splits[0].values():
        some = np.linspace(0, len(split) - 1, 40).astype(int)
        some = np.unique(some)
        images = list(split.originals(some))
        assert len(images) == len(some)
        for image in images:
            assert image.dtype == np.uint8
            assert image.ndim == 3
            assert image.shape[2] == 3
        assert sets.unlike(images) > 0.9 * len(images)
        # An image belongs to its id, whatever part of the split it is taken from.
        part = split.take(some[1::2])
        np.testing.assert_array_equal(part.id, split.id[some[1::2]])
        np.testing.assert_array_equal(part.image[0], images[1])
        sent = pickle.loads(pickle.dumps(part.originals(np.arange(len(part)))))
        np.testing.assert_array_equal(sent[len(part) - 1], part.image[len(part) - 1])


def test_digests_are_kept_and_found_again(
    options: ConfigDict, splits: tuple[Splits, Splits], tmp_path: Path
) -> None:
    if not isinstance(splits[0]["train"].image, Encoded):  # soon computed, so not kept
        for name, split in data.load(options, tmp_path).items():
            assert split.fingerprint == splits[0][name].fingerprint
        assert not list(tmp_path.iterdir())
        return
    kept, again = data.load(options, tmp_path), data.load(options, tmp_path)
    for name, split in kept.items():
        expected = split.fingerprint
        files = len(list(tmp_path.glob("digests/*")))
        assert again[name].fingerprint == expected
        assert len(list(tmp_path.glob("digests/*"))) == files  # the stamp is that of the first
        assert files > 0
        assert expected == splits[0][name].fingerprint


def _part(options: ConfigDict) -> str:
    """What of the folder belongs to the set."""
    return options.name if options.name in ("cifar10", "voc") else "."


def test_a_copied_folder_is_the_same_data(
    options: ConfigDict, splits: tuple[Splits, Splits], tmp_path: Path
) -> None:
    if not options.dir:
        assert options.name == "controlled"  # made, of no files
        return
    # Links suffice to give the large ones other paths; out of a folder of images none may lead.
    copy = os.symlink if options.name in ("cifar10", "voc") else shutil.copy2
    shutil.copytree(Path(options.dir, _part(options)), tmp_path / "copy" / _part(options),
                    copy_function=copy)  # fmt: skip
    moved = options.copy_and_resolve_references()
    moved.dir = str(tmp_path / "copy")
    for name, split in data.load(moved).items():
        assert split.fingerprint == splits[0][name].fingerprint


def test_what_is_not_there_is_said_in_a_sentence(options: ConfigDict, tmp_path: Path) -> None:
    nowhere = options.copy_and_resolve_references()
    nowhere.dir = str(tmp_path / "nowhere")
    if options.name == "controlled":  # made, of no files
        assert len(data.load(nowhere)["test"]) == options.test_size
        return
    with pytest.raises(UsageError, match="nowhere") as caught:
        data.load(nowhere)
    assert "\n" not in str(caught.value)
    assert not (tmp_path / "nowhere").exists()
