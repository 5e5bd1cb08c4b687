"""What every registered data source must do."""

from pathlib import Path

import numpy as np
import pytest
from ml_collections import ConfigDict

from jagree import data, registry
from jagree.configs import default
from jagree.data.split import Split

SIZES = {"train_size": 120, "test_size": 40}


def options(name: str, folder: Path) -> ConfigDict:
    options = default.get_config().data
    options.update({"name": name, "dir": str(folder), **SIZES})
    return options


@pytest.fixture(scope="module", params=registry.names("source"))
def splits(request: pytest.FixtureRequest) -> tuple[dict[str, Split], dict[str, Split]]:
    """A source, loaded twice."""
    folder = Path()
    if request.param != "controlled":
        folder = request.getfixturevalue("real_data") / "tfds"
    chosen = options(request.param, folder)
    return data.load(chosen), data.load(chosen)


def test_two_loads_are_equal(splits: tuple[dict[str, Split], dict[str, Split]]) -> None:
    for name in ("train", "test"):
        one, two = (loaded[name] for loaded in splits)
        assert one.fingerprint == two.fingerprint
        np.testing.assert_array_equal(one.label, two.label)


def test_sizes_names_and_ids(splits: tuple[dict[str, Split], dict[str, Split]]) -> None:
    for name, split in splits[0].items():
        assert split.name == name
        assert len(split) == SIZES[f"{name}_size"]
        assert all(str(i) == i and i.strip() == i for i in split.id)
    assert not set(splits[0]["train"].id) & set(splits[0]["test"].id)


def test_both_splits_have_the_same_classes_and_columns(
    splits: tuple[dict[str, Split], dict[str, Split]],
) -> None:
    train, test = splits[0]["train"], splits[0]["test"]
    assert train.class_names == test.class_names
    assert len(set(train.class_names)) == len(train.class_names)
    assert train.metadata.keys() == test.metadata.keys()
    for key, column in train.metadata.items():
        assert column.description
        assert column.unit == test.metadata[key].unit


def test_images_differ_from_one_another(
    splits: tuple[dict[str, Split], dict[str, Split]],
) -> None:
    for split in splits[0].values():
        assert len(np.unique(split.image.reshape(len(split), -1), axis=0)) == len(split)
