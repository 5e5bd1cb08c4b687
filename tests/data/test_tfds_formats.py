"""Ids and fingerprints of the same data, however it is stored."""

import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import tensorflow_datasets as tfds
from ml_collections import ConfigDict

from jagree.configs import default
from jagree.data.sources import cifar10, voc
from jagree.data.sources import tfds as any_set
from jagree.data.split import Split
from tests.data.pictures import encode, picture
from tests.data.prepared import rewritten, stored, write, write_records
from tests.data.toy import FEATURES


def options(folder: Path, **fields: Any) -> ConfigDict:
    options = default.get_config().data
    options.dir = str(folder)
    options.update(fields)
    return options


@pytest.fixture(scope="module")
def sources(
    real_data: Path, tmp_path_factory: pytest.TempPathFactory
) -> tuple[Path, dict[str, Callable[[Path], Split]]]:
    """Four data sets in one folder, and how each is loaded."""
    folder = tmp_path_factory.mktemp("original") / "sets"
    shutil.copytree(
        real_data / "tfds/voc", folder / "voc", ignore=shutil.ignore_patterns(".config")
    )
    small = {s: [r[:200]] for s, r in stored(real_data / "tfds/cifar10/3.0.2").items()}
    write_records(folder / "cifar10/3.0.2", small)
    for path in (real_data / "tfds/cifar10/3.0.2").glob("[fl]*[sn].[jt]*"):
        shutil.copyfile(path, folder / "cifar10/3.0.2" / path.name)
    features = tfds.features.FeaturesDict(
        {"image": tfds.features.Image(), "label": tfds.features.ClassLabel(num_classes=4)}
    )
    # Without ids, and with copies of an image under other labels and under the same.
    examples = [
        {"image": encode(picture(6 + i % 3, 7, i % 20), "JPEG"), "label": i % 4} for i in range(50)
    ]
    write(folder / "nameless/1.0.0", features, {"train": [*examples, *examples[:5]]})
    return folder, {
        "voc": lambda folder: voc.load("train", options(folder)),
        "cifar10": lambda folder: cifar10.load("test", options(folder)),
        "tfds": lambda folder: any_set.load("train", options(folder, set="cifar10")),
        "nameless": lambda folder: any_set.load("train", options(folder, set="nameless")),
    }


@pytest.mark.parametrize(
    ("file_format", "shards", "seed"),
    [
        ("array_record", 1, None),
        ("array_record", 7, 1),
        ("tfrecord", 1, 2),
        ("tfrecord", 5, 3),
        ("parquet", 2, 4),
    ],
)
def test_ids_and_fingerprint_do_not_depend_on_how_data_is_stored(
    sources: tuple[Path, dict[str, Callable[[Path], Split]]],
    tmp_path: Path,
    file_format: str,
    shards: int,
    seed: int | None,
) -> None:
    folder, loads = sources
    rewritten(folder, tmp_path / "sets", file_format, shards, seed)
    for name, load in loads.items():
        one, other = load(folder), load(tmp_path / "sets")
        np.testing.assert_array_equal(one.id, other.id, name)
        np.testing.assert_array_equal(one.label, other.label, name)
        assert one.fingerprint == other.fingerprint, name
        for key, column in one.metadata.items():
            np.testing.assert_array_equal(column.values, other.metadata[key].values, name)


def test_the_fingerprint_tells_one_pixel_and_one_label(tmp_path: Path) -> None:
    """Otherwise the test above would be passed by anything."""
    features = tfds.features.FeaturesDict(
        {"image": tfds.features.Image(shape=(6, 7, 3)), "label": FEATURES["label"]}
    )
    image = picture(6, 7, 0)
    other = image.copy()
    other[5, 6, 2] ^= 1
    found = set()
    for number, (pixels, label) in enumerate([(image, 0), (other, 0), (image, 1), (image, 0)]):
        examples = [{"image": encode(pixels), "label": label}]
        write(tmp_path / str(number) / "sets/one/1.0.0", features, {"train": examples})
        loaded = any_set.load("train", options(tmp_path / str(number) / "sets", set="one"))
        found.add(loaded.fingerprint)
    assert len(found) == 3
