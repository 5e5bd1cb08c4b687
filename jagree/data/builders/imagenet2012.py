"""ImageNet (ILSVRC 2012) from its two tars, of which the larger is a tar of tars."""

import re
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from tqdm import tqdm

from jagree.data.builders.archives import Archive
from jagree.data.builders.fetching import of_tfds
from jagree.data.builders.images import begun
from jagree.data.builders.writing import Content, Examples, Recipe

TRAIN = "ILSVRC2012_img_train.tar"
VALIDATION = "ILSVRC2012_img_val.tar"
HOW_TO_GET = (
    "ImageNet is given only to those who register at https://image-net.org/download-images; get "
    f"{TRAIN} and {VALIDATION} there and say --archives=FOLDER"
)
_TABLES = "datasets/imagenet2012"  # in TFDS's package
_VALIDATION_NAME = re.compile(r"ILSVRC2012_val_(\d{8})\.JPEG", re.ASCII)


def recipes() -> list[Recipe]:
    """ImageNet 5.1.0, its splits train and validation."""
    files = of_tfds(f"{_TABLES}/checksums.tsv")
    return [
        Recipe(
            name="imagenet2012",
            config="",
            version="5.1.0",
            files=(files[TRAIN], files[VALIDATION]),
            how_to_get=HOW_TO_GET,
            base=_base,
            read=_content,
            official={"train": 1_281_167, "validation": 50_000},
            note=(
                "images are stored as they are in the archives; TFDS with TensorFlow would have "
                "made JPEGs of RGB of the 22 in CMYK and of the one PNG"
            ),
        )
    ]


def _base() -> Any:
    import tensorflow_datasets as tfds

    return tfds.builder_cls("imagenet2012")


@contextmanager
def _content(paths: Mapping[str, Path], features: Any) -> Iterator[Content]:
    with Archive.open(paths[TRAIN]) as train, Archive.open(paths[VALIDATION]) as validation:
        yield Content(
            {
                "train": _train(train, features["label"].names),
                "validation": _validation(validation),
            }
        )


def _train(archive: Archive, classes: list[str]) -> Examples:
    names: list[str] = []
    spans: list[tuple[int, int]] = []
    labels: list[str] = []
    bar = tqdm(archive.names(), desc="classes", unit="", leave=False, disable=None, delay=0.5)
    for member in bar:
        wordnet = member.removesuffix(".tar")
        if wordnet not in classes or not member.endswith(".tar"):
            raise archive.wrong(member, "is not named after one of the 1,000 WordNet ids of TFDS")
        inner = archive.within(member)
        begin, _ = archive.span(member)
        for name in inner.names():
            if not re.fullmatch(rf"{wordnet}_\d+\.JPEG", name, re.ASCII):
                raise inner.wrong(name, f"is not named {wordnet}_NUMBER.JPEG")
            offset, size = inner.span(name)
            names.append(name)
            spans.append((begin + offset, size))
            labels.append(wordnet)
    return _examples(archive, names, spans, labels)


def _validation(archive: Archive) -> Examples:
    import tensorflow_datasets as tfds

    table = tfds.core.tfds_path(f"{_TABLES}/validation_labels.txt")
    labels = table.read_text().split()  # line 1 is that of ILSVRC2012_val_00000001.JPEG
    names = archive.names()
    numbers = []
    for name in names:
        match = _VALIDATION_NAME.fullmatch(name)
        if not match or not 1 <= int(match[1]) <= len(labels):
            raise archive.wrong(
                name, f"is not named ILSVRC2012_val_NUMBER.JPEG, of 1 to {len(labels)} in 8 digits"
            )
        numbers.append(int(match[1]))
    spans = [archive.span(name) for name in names]
    return _examples(archive, names, spans, [labels[number - 1] for number in numbers])


def _examples(
    archive: Archive, names: list[str], spans: list[tuple[int, int]], labels: list[str]
) -> Examples:
    def read(position: int) -> dict[str, Any]:
        content = archive.read_span(spans[position], names[position])
        # Not decoded, which would take an hour; the bytes are those that the checksum vouches for.
        if not begun(content):
            raise archive.wrong(names[position], "is no image")
        return {"file_name": names[position], "image": content, "label": labels[position]}

    return Examples(names, [size for _, size in spans], read)
