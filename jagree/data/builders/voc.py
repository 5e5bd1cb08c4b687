"""Pascal VOC 2007 and 2012 (Everingham et al.) from the official tars."""

import math
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

from jagree.data.builders.archives import Archive, Files
from jagree.data.builders.fetching import of_tfds
from jagree.data.builders.images import whole
from jagree.data.builders.writing import Content, Examples, Recipe

ARCHIVES = {
    "2007": ("VOCtrainval_06-Nov-2007.tar", "VOCtest_06-Nov-2007.tar"),
    "2012": ("VOCtrainval_11-May-2012.tar", "VOC2012test.tar"),
}
OFFICIAL = {
    "2007": {"test": 4_952, "train": 2_501, "validation": 2_510},
    "2012": {"test": 10_991, "train": 5_717, "validation": 5_823},
}
LISTS = {"test": "test", "train": "train", "validation": "val"}  # split -> its file of ids
WITHOUT_BOXES = {("2012", "test")}  # whose annotations were never published
LABELLED = 1 << 20  # bytes; annotations take some thousand


def recipes() -> list[Recipe]:
    """VOC 5.0.0, configs 2007 and 2012."""
    files = of_tfds("url_checksums/voc.txt")
    found = []
    for year, (trainval, test) in ARCHIVES.items():
        # A test set without boxes is of use to nobody here, so it may be missing.
        optional = (year, "test") in WITHOUT_BOXES
        found.append(
            Recipe(
                name="voc",
                config=year,
                version="5.0.0",
                files=(files[trainval], replace(files[test], optional=optional)),
                base=_base,
                read=partial(_content, year),
                official=OFFICIAL[year],
            )
        )
    return found


def _base() -> Any:
    import tensorflow_datasets as tfds

    return tfds.builder_cls("voc")


@contextmanager
def _content(year: str, paths: Mapping[str, Path], features: Any) -> Iterator[Content]:
    trainval, test = ARCHIVES[year]
    with ExitStack() as stack:
        archives = {name: stack.enter_context(Archive.open(path)) for name, path in paths.items()}
        splits = {}
        for split in LISTS:
            archive = archives.get(test if split == "test" else trainval)
            if archive is not None:
                splits[split] = _examples(archive, year, split, features)
        yield Content(splits)


def _examples(archive: Files, year: str, split: str, features: Any) -> Examples:
    devkit = f"VOCdevkit/VOC{year}"
    member = f"{devkit}/ImageSets/Main/{LISTS[split]}.txt"
    ids = [line.strip() for line in archive.text(member).splitlines() if line.strip()]
    if len(set(ids)) < len(ids):
        twice = next(i for i in ids if ids.count(i) > 1)
        raise archive.wrong(member, f"names '{twice}' twice")
    images = [f"{devkit}/JPEGImages/{i}.jpg" for i in ids]
    annotations = [f"{devkit}/Annotations/{i}.xml" for i in ids]
    boxes = (year, split) not in WITHOUT_BOXES
    sizes = [archive.size(name) for name in images]  # says what is missing before anything is done
    for annotation in annotations if boxes else ():
        if archive.size(annotation) > LABELLED:
            raise archive.wrong(annotation, f"has {archive.size(annotation):,} bytes")

    def read(position: int) -> dict[str, Any]:
        objects = _objects(archive, annotations[position], features) if boxes else []
        return {
            "image": whole(archive, images[position]),
            "image/filename": f"{ids[position]}.jpg",
            "objects": objects,
            "labels": sorted({o["label"] for o in objects}),
            "labels_no_difficult": sorted({o["label"] for o in objects if not o["is_difficult"]}),
        }

    return Examples(ids, sizes, read)


class _NoDoctype(ElementTree.TreeBuilder):
    """Refuses to go on where entities could be defined, whose expansion may fill the memory."""

    def doctype(self, *_: object) -> None:
        raise ValueError("it defines a document type")


def _objects(archive: Files, member: str, features: Any) -> list[dict[str, Any]]:
    """What an annotation says of the image's objects."""
    parser = ElementTree.XMLParser(target=_NoDoctype())
    try:
        parser.feed(archive.read(member))
        root = parser.close()
    except (ElementTree.ParseError, ValueError, LookupError) as error:
        raise archive.wrong(member, f"is no annotation ({error})") from error
    try:
        width, height = (_number(_text(root, f"size/{side}")) for side in ("width", "height"))
        if not (width > 0 and height > 0):
            raise ValueError(f"its image is {width:g} pixels wide and {height:g} high")
        return [_object(element, width, height, features) for element in root.findall("object")]
    except ValueError as error:
        raise archive.wrong(member, f"is not as it should be: {error}") from error


def _object(
    element: ElementTree.Element, width: float, height: float, features: Any
) -> dict[str, Any]:
    """One object; a ValueError says what is wrong with it."""
    import tensorflow_datasets as tfds

    known = features["objects"]
    label, pose = _text(element, "name").lower(), _text(element, "pose").lower()
    if label not in known["label"].names:
        raise ValueError(f"unknown class '{label}'")
    if pose not in known["pose"].names:
        raise ValueError(f"unknown pose '{pose}'")
    left, top, right, bottom = (
        _number(_text(element, f"bndbox/{edge}")) for edge in ("xmin", "ymin", "xmax", "ymax")
    )
    if not (0 <= left <= right <= width and 0 <= top <= bottom <= height):
        raise ValueError(
            f"the box of a {label}, {left:g} to {right:g} and {top:g} to {bottom:g}, is not within "
            f"{width:g} x {height:g} pixels"
        )
    return {
        "label": label,
        "pose": pose,
        "bbox": tfds.features.BBox(
            ymin=top / height, xmin=left / width, ymax=bottom / height, xmax=right / width
        ),
        "is_truncated": _text(element, "truncated") == "1",
        "is_difficult": _text(element, "difficult") == "1",
    }


def _text(element: ElementTree.Element, path: str) -> str:
    found = element.findtext(path)
    if found is None:
        raise ValueError(f"<{element.tag}> has no <{path.replace('/', '><')}>")
    return found


def _number(text: str) -> float:
    number = float(text)
    if not math.isfinite(number):
        raise ValueError(f"{text} is no number of pixels")
    return number
