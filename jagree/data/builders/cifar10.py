"""CIFAR-10 (Krizhevsky 2009) from cifar-10-binary.tar.gz."""

import io
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from jagree.data.builders.archives import Archive, Files
from jagree.data.builders.fetching import of_tfds
from jagree.data.builders.writing import Content, Examples, Recipe
from jagree.words import counted

ARCHIVE = "cifar-10-binary.tar.gz"
FOLDER = "cifar-10-batches-bin"
CLASS_NAMES = "batches.meta.txt"
BATCHES = {
    "train": tuple(f"data_batch_{i}.bin" for i in range(1, 6)),
    "test": ("test_batch.bin",),
}
CLASSES = 10
SIDE = 32
ROW = 1 + 3 * SIDE * SIDE  # bytes: a label, then the red, green and blue plane
LARGEST = 10_000  # images of a file


def recipes() -> list[Recipe]:
    """CIFAR-10 3.0.2."""
    return [
        Recipe(
            name="cifar10",
            config="",
            version="3.0.2",
            files=(of_tfds("url_checksums/cifar10.txt")[ARCHIVE],),
            base=_base,
            read=_content,
            official={"train": 50_000, "test": 10_000},
        )
    ]


def _base() -> Any:
    import tensorflow_datasets as tfds

    return tfds.builder_cls("cifar10")


@contextmanager
def _content(paths: Mapping[str, Path], features: Any) -> Iterator[Content]:
    with Archive.open(paths[ARCHIVE]) as archive:
        yield Content(
            {split: _examples(archive, split) for split in BATCHES}, {"label": _names(archive)}
        )


def _names(archive: Files) -> list[str]:
    member = f"{FOLDER}/{CLASS_NAMES}"
    names = archive.text(member).split()
    if len(names) != CLASSES or len(set(names)) != CLASSES:
        raise archive.wrong(member, f"has {counted(len(set(names)), 'class name')}, not {CLASSES}")
    return names


def _examples(archive: Files, split: str) -> Examples:
    rows = np.concatenate([_rows(archive, f"{FOLDER}/{name}") for name in BATCHES[split]])
    # TFDS numbers the images; a number is the key, and with the split's name the id.
    images = [_png(row) for row in rows]

    def read(position: int) -> dict[str, Any]:
        return {
            "id": f"{split}_{position:05d}",
            "image": images[position],
            "label": int(rows[position, 0]),
        }

    return Examples(range(len(rows)), [len(image) for image in images], read)


def _rows(archive: Files, member: str) -> np.ndarray:
    """One file's images, uint8 [N, ROW]."""
    size = archive.size(member)
    if size % ROW or not 0 < size <= LARGEST * ROW:
        raise archive.wrong(
            member, f"has {size:,} bytes, not {ROW:,} for each of 1 to {LARGEST:,} images"
        )
    rows = np.frombuffer(archive.read(member), np.uint8).reshape(-1, ROW)
    bad = np.flatnonzero(rows[:, 0] >= CLASSES)
    if bad.size:
        raise archive.wrong(
            member, f"gives image {bad[0]:,} the label {rows[bad[0], 0]}, not 0 to {CLASSES - 1}"
        )
    return rows


def _png(row: np.ndarray) -> bytes:
    planes = row[1:].reshape(3, SIDE, SIDE)
    content = io.BytesIO()
    Image.fromarray(np.ascontiguousarray(planes.transpose(1, 2, 0))).save(content, format="png")
    return content.getvalue()
