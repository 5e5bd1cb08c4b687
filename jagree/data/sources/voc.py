"""Pascal VOC 2007 and 2012 (Everingham et al.), with any number of classes per image.

The paper's split: training on 2007's and 2012's training and validation images, testing on 2007's
test images. TensorFlow Datasets stores them as voc/2007 and voc/2012.
"""

import csv
import io
import math
import warnings
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from jagree.data.sources.boxes import edges, pixel_coordinates, union_area
from jagree.data.split import Column, Split
from jagree.data.tfds_reader import Records, TfdsImages, open_split
from jagree.errors import UsageError
from jagree.words import counted

_PARTS = {  # split -> year and TFDS split
    "train": (("2007", "train+validation"), ("2012", "train+validation")),
    "test": (("2007", "test"),),
}
_SHARE = "share of the image"


@dataclass(frozen=True)
class _Example:
    """What the annotation of an image says, apart from objects that do not count."""

    id: str
    classes: np.ndarray  # int [M], of each box that counts
    union: float  # of these boxes, as a share of the image
    total: float  # sum of their areas, the same
    difficult: int  # objects called so, whether they count or not


def load(split: str, options: Any) -> Split:
    """Read one split; the images stay encoded, their boxes are read now.

    The classes of an image are those of its objects, each box counting; TFDS's own lists of labels
    are not used. An image all of whose objects are difficult, where these do not count, stays in
    without a label: it is right where nothing is predicted.

    Parameters
    ----------
    split : {"train", "test"}
        16,551 and 4,952 images of some 500x375 pixels, 20 classes.
    options : ConfigDict
        ``config.data``: `dir` (TFDS folder, "" for TFDS's own default), `ignore_difficult` (splits
        in which objects called difficult do not count), `search_difficulty` (VSD_dataset.csv of
        Ionescu et al. 2016, "" for none).

    Returns
    -------
    Split
        Ids are year and image: ``voc2007/000005``. Metadata: ``instances``, ``labels``,
        ``box_area``, ``box_area_sum``, ``difficult_instances``, and with `search_difficulty`
        ``search_difficulty``, nan where nobody measured it; left out where that is all images, as
        it is for 2007's test images.

    Raises
    ------
    UsageError
        If data are missing or damaged, or a box is none.
    """
    _check(options.ignore_difficult)
    seconds = _seconds(Path(options.search_difficulty)) if options.search_difficulty else None
    parts = [(year, open_split(f"voc/{year}", options.dir, part)) for year, part in _PARTS[split]]
    class_names = _class_names([records for _, records in parts])
    all_count = split not in options.ignore_difficult
    read = [example for year, records in parts for example in _read(year, records, all_count)]
    order = np.argsort(np.array([example.id for example in read]))
    examples = [read[i] for i in order]
    label = np.zeros((len(examples), len(class_names)), bool)
    for row, example in zip(label, examples, strict=True):
        row[example.classes] = True
    metadata, notes = _metadata(examples, label), _unlabelled(examples)
    if seconds is not None:
        _add_difficulty(metadata, notes, examples, seconds, split, options.search_difficulty)
    return Split(
        name=split,
        id=np.array([example.id for example in examples]),
        label=label,
        image=TfdsImages.joined([records.images() for _, records in parts]).take(order),
        class_names=class_names,
        metadata=metadata,
        notes=tuple(notes),
    )


def _check(ignore_difficult: Any) -> None:
    for name in ignore_difficult:
        if name not in _PARTS:
            raise UsageError(
                f"data.ignore_difficult names the split '{name}'; allowed are {', '.join(_PARTS)}"
            )


def _class_names(parts: list[Records]) -> tuple[str, ...]:
    names = {records.class_names("objects/label") for records in parts}
    if len(names) > 1:
        raise UsageError(
            f"{' and '.join(str(r.folder) for r in parts)} name other classes; prepare both again"
        )
    return names.pop()


def _read(year: str, records: Records, all_count: bool) -> Iterator[_Example]:
    for row in records.rows(("image/filename", "image", "objects")):
        example = f"voc{year}/{Path(row['image/filename'].decode()).stem}"
        width, height = _size(row["image"], example)
        objects = row["objects"]
        shares = objects["bbox"][:, [1, 0, 3, 2]]  # stored are the row first, then the column
        try:
            boxes = edges(pixel_coordinates(shares, np.array([width, height] * 2)), width, height)
        except ValueError as error:
            raise UsageError(
                f"example '{example}': {error}; correct its annotation and prepare voc/{year} again"
            ) from error
        counts = all_count | ~objects["is_difficult"]
        boxes = boxes[counts]
        areas = (boxes[:, 2] - boxes[:, 0]) * (boxes[:, 3] - boxes[:, 1])
        yield _Example(
            id=example,
            classes=objects["label"][counts],
            union=union_area(boxes) / (width * height),
            total=float(areas.sum()) / (width * height),
            difficult=int(objects["is_difficult"].sum()),
        )


def _size(content: bytes, example: str) -> tuple[int, int]:
    """Width and height, from the first bytes of the image's file."""
    from PIL import Image

    try:
        with warnings.catch_warnings():
            warnings.simplefilter("error")  # of far too many pixels
            with Image.open(io.BytesIO(content), formats=("JPEG", "PNG")) as image:
                return image.size
    except Exception as error:  # whatever damaged bytes make Pillow raise
        raise UsageError(
            f"example '{example}': its image cannot be read ({error}); prepare the data again"
        ) from error


def _metadata(examples: list[_Example], label: np.ndarray) -> dict[str, Column]:
    return {
        "instances": Column(
            np.array([len(e.classes) for e in examples]), "", "objects that count, of all classes"
        ),
        "labels": Column(label.sum(1), "", "distinct classes of these objects"),
        "box_area": Column(
            np.array([e.union for e in examples]), "", f"{_SHARE} that their boxes cover together"
        ),
        "box_area_sum": Column(
            np.array([e.total for e in examples]),
            "",
            f"sum of their boxes' areas, each as a {_SHARE}",
        ),
        "difficult_instances": Column(
            np.array([e.difficult for e in examples]),
            "",
            "objects called difficult, whether they count or not",
        ),
    }


def _unlabelled(examples: list[_Example]) -> list[str]:
    without = [e for e in examples if not len(e.classes)]
    if not without:
        return []
    have, their = ("has", "its") if len(without) == 1 else ("have", "their")
    why = f"for all {their} objects are difficult"
    if not all(e.difficult for e in without):
        why = "for no object of theirs counts"
    return [
        f"{counted(len(without), 'image')} {have} no label, {why}; right where nothing is predicted"
    ]


def _add_difficulty(
    metadata: dict[str, Column],
    notes: list[str],
    examples: list[_Example],
    seconds: dict[str, float],
    split: str,
    path: str,
) -> None:
    values = np.array([seconds.get(e.id.partition("/")[2], math.nan) for e in examples])
    known = int(np.isfinite(values).sum())
    if not known and split == "train":
        raise UsageError(
            f"data.search_difficulty: '{path}' names none of the training images; it should be "
            "VSD_dataset.csv, of VOC 2012"
        )
    notes.append(f"search difficulty is known of {known:,} of {counted(len(values), 'image')}")
    if not known:
        return
    metadata["search_difficulty"] = Column(
        values, "s", "mean time that people take to find an object, or that it is absent (VSD)"
    )


def _seconds(path: Path) -> dict[str, float]:
    """Seconds by image, from a file of lines such as ``2008_000002,3.725161``."""
    hint = "it should be VSD_dataset.csv, or empty"
    seconds: dict[str, float] = {}
    try:
        with path.expanduser().open(encoding="utf-8", newline="") as file:
            for number, row in enumerate(csv.reader(file), 1):
                image, value = row
                if image in seconds or not 0 < float(value) < math.inf:
                    raise ValueError(f"line {number}: {','.join(row)}")
                seconds[image] = float(value)
    except (OSError, ValueError, csv.Error) as error:
        raise UsageError(
            f"data.search_difficulty: cannot read '{path}' ({error}); {hint}"
        ) from error
    if not seconds:
        raise UsageError(f"data.search_difficulty: '{path}' is empty; {hint}")
    return seconds
