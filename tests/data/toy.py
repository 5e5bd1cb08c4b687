"""A small data set "toy", of 20 training records in four files and 4 test records in four."""

from pathlib import Path
from typing import Any

import numpy as np
import tensorflow_datasets as tfds

from tests.data.pictures import encode
from tests.data.prepared import write

FEATURES = {
    "image": tfds.features.Image(shape=(4, 5, 3)),
    "name": tfds.features.Text(),
    "label": tfds.features.ClassLabel(names=["cat", "dog", "eel"]),
    "labels": tfds.features.Sequence(tfds.features.ClassLabel(names=["warm", "wet"])),
    "score": np.float32,
    "things": tfds.features.Sequence(
        {"box": tfds.features.BBoxFeature(), "kind": tfds.features.ClassLabel(names=["x", "y"])}
    ),
}


def example(number: int) -> dict[str, Any]:
    rng = np.random.default_rng(number)
    return {
        "image": encode(rng.integers(0, 256, (4, 5, 3), np.uint8)),
        "name": f"name {number}",
        "label": number % 3,
        "labels": [0] * (number % 4),
        "score": number / 8,
        "things": [
            {"box": tfds.features.BBox(j / 8, 0.0, 1.0, 0.5), "kind": j % 2}
            for j in range(number % 5)
        ],
    }


def write_toy(folder: Path, file_format: str) -> Path:
    """The training files hold 1, 4, 6 and 9 records, the test files one each but the first."""
    examples = [example(i) for i in range(24)]
    splits = {"train": examples[:20], "test": examples[20:]}
    write(folder / "sets/toy/1.0.0", tfds.features.FeaturesDict(FEATURES), splits, file_format, 4)
    return folder / "sets"


def files(prepared: Path, split: str = "train") -> list[Path]:
    """Those of a split, in order."""
    return sorted(prepared.rglob(f"toy-{split}.*"))
