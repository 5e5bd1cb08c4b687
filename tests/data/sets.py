"""A small set for each registered source, and how to ask for it."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from ml_collections import ConfigDict

from jagree import registry
from jagree.configs import default
from tests.data import archives
from tests.data.pictures import encode, picture

Fields = dict[str, Any]
Find = Callable[[str], Any]  # a fixture by its name


def options_of(source: str, folder: Path | str = "", **fields: Any) -> ConfigDict:
    """``config.data`` of a source's whole set in a folder."""
    options = default.get_config().data
    options.update({"name": source, "dir": str(folder), "train_size": 0, "test_size": 0})
    options.update(fields)
    return options


def _controlled(folder: Path, find: Find) -> Fields:
    return {"train_size": 120, "test_size": 40}


def _real(folder: Path, find: Find) -> Fields:
    return {"dir": str(find("real_data") / "tfds")}


def _voc(folder: Path, find: Find) -> Fields:
    scores = find("real_data") / "vsd" / "VSD_dataset.csv"
    return _real(folder, find) | {"search_difficulty": str(scores)}


def _kth(folder: Path, find: Find) -> Fields:
    return {"dir": str(archives.prepared_kth(folder))}


def _imagenet(folder: Path, find: Find) -> Fields:
    samples = find("real_data") / "imagenet-samples"
    return {"dir": str(archives.prepared_imagenet(folder, samples))}


def _tfds(folder: Path, find: Find) -> Fields:
    """The set of KTH, which is no stock one, as if nothing were known of it."""
    fields = _kth(folder, find)
    return fields | {"set": "kth_tips2b", "test_share": 0.3}


def _folder(folder: Path, find: Find) -> Fields:
    for split, images in (("train", 12), ("test", 5)):
        for k, name in enumerate(("cat", "dog")):
            (folder / split / name).mkdir(parents=True)
            for i in range(images):
                content = encode(picture(9 + i, 12, 100 * k + i + 50 * (split == "test")))
                (folder / split / name / f"{i}.png").write_bytes(content)
    return {"dir": str(folder)}


def _hf(folder: Path, find: Find) -> Fields:
    pytest.importorskip("datasets")
    from tests.data.sources.test_hf import PIXELS, rows, write

    assert len(PIXELS) == 12
    write(folder / "train.parquet", rows(range(8)))
    write(folder / "test.parquet", rows(range(8, 12)))
    return {"dir": str(folder)}


SETS: dict[str, Callable[[Path, Find], Fields]] = {
    "controlled": _controlled,
    "cifar10": _real,
    "voc": _voc,
    "kth_tips2b": _kth,
    "imagenet": _imagenet,
    "tfds": _tfds,
    "folder": _folder,
    "hf": _hf,
}


def names() -> tuple[str, ...]:
    """All registered sources; a new one needs a set above."""
    missing = set(registry.names("source")) - set(SETS)
    assert not missing, f"tests/data/sets.py has no set for {sorted(missing)}"
    return registry.names("source")


def unlike(images: Any) -> int:
    """How many different images there are."""
    return len({(np.asarray(i).shape, np.asarray(i).tobytes()) for i in images})
