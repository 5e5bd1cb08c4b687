"""Archives laid out as the official ones, of few or small images, and data sets made of them."""

import io
import tarfile
from collections.abc import Iterable, Mapping
from pathlib import Path
from xml.sax.saxutils import escape

import numpy as np
import pytest
from PIL import Image

from jagree.data.builders import prepare
from jagree.data.builders.kth_tips2b import CLASSES, SAMPLES
from jagree.data.tfds_reader import open_split
from jagree.errors import UsageError

Member = tuple[str | tarfile.TarInfo, bytes]


def tar(path: Path, members: Iterable[Member], mode: str = "w") -> Path:
    """Write a tar ("w:gz" for a packed one) of (name or TarInfo, bytes)."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with tarfile.open(path, mode) as out:  # type: ignore[call-overload]
        for about, content in members:
            info = about if isinstance(about, tarfile.TarInfo) else tarfile.TarInfo(about)
            if info.isreg():
                info.size = len(content)
            out.addfile(info, io.BytesIO(content))
    return path


def odd(name: str, kind: bytes, target: str = "") -> Member:
    """A member that is no plain file."""
    info = tarfile.TarInfo(name)
    info.type, info.linkname = kind, target
    return info, b""


def packed(members: Iterable[tuple[str, bytes]]) -> bytes:
    """The bytes of a tar."""
    content = io.BytesIO()
    with tarfile.open(fileobj=content, mode="w") as out:
        for name, data in members:
            info = tarfile.TarInfo(name)
            info.size = len(data)
            out.addfile(info, io.BytesIO(data))
    return content.getvalue()


def refused(name: str, folder: Path, message: str) -> None:
    """Preparing from the archives in a folder fails with one line, and writes nothing."""
    before = set(folder.parent.rglob("*"))
    with pytest.raises(UsageError, match=message) as caught:
        prepare(name, folder.parent / "tfds", folder, check=False)
    assert "\n" not in str(caught.value)
    left = set(folder.parent.rglob("*")) - before
    assert left <= {folder.parent / "tfds"}, left


def picture(rng: np.random.Generator, side: int, form: str = "png") -> bytes:
    """An image of noise, unlike any other."""
    content = io.BytesIO()
    Image.fromarray(rng.integers(0, 256, (side, side, 3), np.uint8)).save(content, form)
    return content.getvalue()


# CIFAR-10

CIFAR_NAMES = (
    "airplane", "automobile", "bird", "cat", "deer", "dog", "frog", "horse", "ship", "truck"
)  # fmt: skip


def cifar_batch(images: np.ndarray, labels: np.ndarray) -> bytes:
    """The official file of uint8 [N, 32, 32, 3]: byte by byte, as the data set's page has it."""
    rows = []
    for image, label in zip(images, labels, strict=True):
        planes = b"".join(image[:, :, channel].tobytes() for channel in range(3))
        rows.append(bytes([label]) + planes)
    return b"".join(rows)


def cifar_members(
    train: tuple[np.ndarray, np.ndarray], test: tuple[np.ndarray, np.ndarray]
) -> dict[str, bytes]:
    """What cifar-10-binary.tar.gz holds, of (images, labels); five equal parts of the former."""
    folder = "cifar-10-batches-bin"
    members = {f"{folder}/batches.meta.txt": "\n".join([*CIFAR_NAMES, "", ""]).encode()}
    batches = zip(np.split(train[0], 5), np.split(train[1], 5), strict=True)
    for i, (images, labels) in enumerate(batches, start=1):
        members[f"{folder}/data_batch_{i}.bin"] = cifar_batch(images, labels)
    members[f"{folder}/readme.html"] = b"<html></html>"
    members[f"{folder}/test_batch.bin"] = cifar_batch(*test)
    return members


def cifar_noise(count: int) -> tuple[np.ndarray, np.ndarray]:
    """So many random images and labels."""
    rng = np.random.default_rng(count)
    return rng.integers(0, 256, (count, 32, 32, 3), np.uint8), np.arange(count) % 10


def cifar_archive(folder: Path, members: Mapping[str, bytes]) -> Path:
    """The archive in a folder."""
    return tar(folder / "cifar-10-binary.tar.gz", members.items(), "w:gz")


# Pascal VOC

VOC_ARCHIVES = {
    "2007": ("VOCtrainval_06-Nov-2007.tar", "VOCtest_06-Nov-2007.tar"),
    "2012": ("VOCtrainval_11-May-2012.tar", "VOC2012test.tar"),
}


def annotation(name: str, width: int, height: int, objects: Iterable[Mapping[str, str]]) -> bytes:
    """An annotation of an image; objects have name, pose, truncated, difficult, xmin, ..."""
    lines = [f"<annotation><folder>VOC</folder><filename>{name}</filename>"]
    lines.append(f"<size><width>{width}</width><height>{height}</height><depth>3</depth></size>")
    for thing in objects:
        values = {k: f"<{k}>{escape(v)}</{k}>" for k, v in thing.items()}
        box = "".join(values.pop(k) for k in ("xmax", "xmin", "ymax", "ymin") if k in values)
        part = "<part><name>head</name><bndbox><xmin>1</xmin></bndbox></part>"
        lines.append(f"<object>{''.join(values.values())}<bndbox>{box}</bndbox>{part}</object>")
    return "\n".join([*lines, "</annotation>"]).encode()


def voc_members(year: str, ids: Mapping[str, list[str]], images: Mapping[str, bytes]) -> dict:
    """Lists ("train", "val", "test") and images of one of the tars, without annotations."""
    devkit = f"VOCdevkit/VOC{year}"
    members = {f"{devkit}/JPEGImages/{name}.jpg": content for name, content in images.items()}
    for split, names in ids.items():
        text = "".join(f"{name}\n" for name in names)
        members[f"{devkit}/ImageSets/Main/{split}.txt"] = text.encode()
        members[f"{devkit}/ImageSets/Main/aeroplane_{split}.txt"] = b"rubbish"
    return members


def voc_archives(folder: Path, tfds: Path, year: str) -> None:
    """The two tars of a year, from the records of a prepared VOC."""
    parts: dict[str, dict[str, bytes]] = {name: {} for name in VOC_ARCHIVES[year]}
    for split, official in (("train", "train"), ("validation", "val"), ("test", "test")):
        records = open_split(f"voc/{year}", str(tfds), split)
        rows = list(records.rows(["image", "image/filename", "objects"]))
        ids = {row["image/filename"].decode().removesuffix(".jpg"): row for row in rows}
        images = {name: row["image"] for name, row in ids.items()}
        members = voc_members(year, {official: sorted(ids)}, images)
        if (year, split) != ("2012", "test"):
            for name, row in ids.items():
                members[f"VOCdevkit/VOC{year}/Annotations/{name}.xml"] = _annotation_of(
                    name, row, records
                )
        parts[VOC_ARCHIVES[year][split == "test"]] |= members
    for name, members in parts.items():
        tar(folder / name, members.items())


def _annotation_of(name: str, row: Mapping, records: object) -> bytes:
    width, height = Image.open(io.BytesIO(row["image"])).size
    labels = records.class_names("objects/label")  # type: ignore[attr-defined]
    poses = records.class_names("objects/pose")  # type: ignore[attr-defined]
    objects, boxes = row["objects"], row["objects"]["bbox"]
    things = []
    for i in range(len(boxes)):
        pixels = boxes[i].astype(np.float64) * [height, width, height, width]
        top, left, bottom, right = (f"{round(p, 3):g}" for p in pixels)
        things.append(
            {
                "name": labels[objects["label"][i]],
                "pose": poses[objects["pose"][i]].capitalize(),
                "truncated": str(int(objects["is_truncated"][i])),
                "difficult": str(int(objects["is_difficult"][i])),
                "xmin": left, "ymin": top, "xmax": right, "ymax": bottom,
            }
        )  # fmt: skip
    return annotation(f"{name}.jpg", width, height, things)


# KTH-TIPS2-b


def kth_members(scales: Iterable[int] = range(2, 11), side: int = 6) -> dict[str, bytes]:
    """All names of the data set below KTH-TIPS2-b, 12 images for each scale of each sample.

    As in the real one, some samples have 72 images in place of 108 (at most 8 a scale here).
    """
    rng = np.random.default_rng(0)
    members = {}
    for label, number in CLASSES.items():
        for sample in SAMPLES:
            few = (label, sample) in (("cork", "b"), ("wool", "d"))
            for scale in scales:
                for image in range(1, 9 if few else 13):
                    name = f"{number}{sample}-scale_{scale}_im_{image}_col.png"
                    members[f"{label}/sample_{sample}/{name}"] = picture(rng, side)
    return members


def kth_tree(folder: Path, members: Mapping[str, bytes]) -> Path:
    """The unpacked data set in a folder."""
    for name, content in members.items():
        path = folder / "KTH-TIPS2-b" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content)
    return folder / "KTH-TIPS2-b"


def kth_archive(folder: Path, members: Mapping[str, bytes]) -> Path:
    """The archive in a folder."""
    packed = [(f"KTH-TIPS2-b/{name}", content) for name, content in members.items()]
    return tar(folder / "kth-tips2-b_col_200x200.tar", packed)


def prepared_kth(folder: Path) -> Path:
    """A TFDS folder with KTH-TIPS2-b: small images of noise, 2 of the 9 scales."""
    kth_archive(folder / "archives", kth_members((2, 10)))
    prepare("kth_tips2b", folder / "tfds", folder / "archives", check=False)
    return folder / "tfds"


# ImageNet


def imagenet_samples(samples: Path) -> dict[str, bytes]:
    """Images by WordNet id, from a folder that has a folder for each, as the test data."""
    return {path.parent.name: path.read_bytes() for path in sorted(samples.glob("*/*.JPEG"))}


def imagenet_archives(folder: Path, images: Mapping[str, bytes]) -> tuple[dict, dict]:
    """Both archives in a folder, each image once in either.

    Returns
    -------
    train, validation : dict of str to (bytes, str)
        Image and WordNet id by file name.
    """
    import tensorflow_datasets as tfds

    table = tfds.core.tfds_path("datasets/imagenet2012/validation_labels.txt")
    labels = table.read_text().split()
    train, validation, parts = {}, {}, []
    for i, (wordnet, content) in enumerate(images.items()):
        name = f"{wordnet}_{10_000 + 7 * i}.JPEG"
        inner = tar(folder / f"{wordnet}.tar", [(name, content)])
        parts.append((inner.name, inner.read_bytes()))
        inner.unlink()
        train[name] = content, wordnet
        number = labels.index(wordnet) + 1
        validation[f"ILSVRC2012_val_{number:08d}.JPEG"] = content, wordnet
    tar(folder / "ILSVRC2012_img_train.tar", parts)
    found = [(name, content) for name, (content, _) in validation.items()]
    tar(folder / "ILSVRC2012_img_val.tar", found)
    return train, validation


def prepared_imagenet(folder: Path, samples: Path) -> Path:
    """A TFDS folder with ImageNet: the test data's images, in train and in validation."""
    imagenet_archives(folder / "archives", imagenet_samples(samples))
    prepare("imagenet2012", folder / "tfds", folder / "archives", check=False)
    return folder / "tfds"
