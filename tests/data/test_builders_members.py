"""Members of archives that are not what they should be: one error that names them."""

from collections.abc import Callable, Mapping
from pathlib import Path

import numpy as np
import pytest

from jagree.data.builders import prepare
from jagree.data.builders.archives import Tree
from jagree.errors import UsageError
from tests.data import archives
from tests.data.archives import packed, refused, tar

JPEG = archives.picture(np.random.default_rng(0), 8, "jpeg")


# CIFAR-10


def without(members: Mapping[str, bytes], name: str) -> dict[str, bytes]:
    return {key: value for key, value in members.items() if key != name}


FOLDER = "cifar-10-batches-bin"
CIFAR: dict[str, tuple[str, Callable[[bytes], bytes], str]] = {
    "too short": ("data_batch_2.bin", lambda b: b[:-1], "'.*data_batch_2.bin' .* has 6,145 bytes"),
    "too long": ("test_batch.bin", lambda b: b + b"1", "'.*test_batch.bin' .* has 12,293 bytes"),
    "empty": ("data_batch_5.bin", lambda b: b"", "'.*data_batch_5.bin' .* has 0 bytes"),
    "more": ("test_batch.bin", lambda b: b[:3073] * 10_001, "'.*test_batch.bin' .* has 30,733,073"),
    "label": (
        "data_batch_3.bin",
        lambda b: b[:3073] + b"\x0a" + b[3074:],
        "'.*data_batch_3.bin' .* gives image 1 the label 10, not 0 to 9",
    ),
    "names": ("batches.meta.txt", lambda b: b.replace(b"cat", b"dog"), "has 9 class names, not 10"),
    "one name": ("batches.meta.txt", lambda b: b"cat", "has 1 class name, not 10"),
    "more names": ("batches.meta.txt", lambda b: b + b"\nx", "has 11 class names, not 10"),
    "bytes": ("batches.meta.txt", lambda b: b"\xff" + b, "'.*meta.txt' .* is no text in UTF-8"),
}


@pytest.mark.parametrize("case", CIFAR)
def test_wrong_files_of_cifar_are_named(tmp_path: Path, case: str) -> None:
    name, change, message = CIFAR[case]
    members = archives.cifar_members(archives.cifar_noise(10), archives.cifar_noise(4))
    members[f"{FOLDER}/{name}"] = change(members[f"{FOLDER}/{name}"])
    archives.cifar_archive(tmp_path / "a", members)
    refused("cifar10", tmp_path / "a", message)


@pytest.mark.parametrize("name", ["data_batch_1.bin", "test_batch.bin", "batches.meta.txt"])
def test_missing_files_of_cifar_are_named(tmp_path: Path, name: str) -> None:
    members = archives.cifar_members(archives.cifar_noise(10), archives.cifar_noise(4))
    archives.cifar_archive(tmp_path / "a", without(members, f"{FOLDER}/{name}"))
    refused("cifar10", tmp_path / "a", f"cifar-10-binary.tar.gz' has no '{FOLDER}/{name}'")


# Pascal VOC

THING = {
    "name": "dog", "pose": "Left", "truncated": "0", "difficult": "1",
    "xmin": "1", "ymin": "2", "xmax": "8", "ymax": "6",
}  # fmt: skip
DEVKIT = "VOCdevkit/VOC2007"
XML = f"{DEVKIT}/Annotations/000003.xml"


def voc(folder: Path, changes: Mapping[str, bytes | None]) -> None:
    """VOC 2007 of four images, with members changed, added or (None) left out."""
    good = archives.annotation("x.jpg", 8, 6, [THING])
    lists = {"val": ["000004"], "train": ["000001", "000003"]}
    names = ["000001", "000003", "000004"]
    members = archives.voc_members("2007", lists, dict.fromkeys(names, JPEG))
    members |= {f"{DEVKIT}/Annotations/{n}.xml": good for n in names}
    test = archives.voc_members("2007", {"test": ["000002"]}, {"000002": JPEG})
    test[f"{DEVKIT}/Annotations/000002.xml"] = good
    changed = {n: c for n, c in {**members, **changes}.items() if c is not None}
    tar(folder / "VOCtrainval_06-Nov-2007.tar", changed.items())
    tar(folder / "VOCtest_06-Nov-2007.tar", test.items())


def an(width: str = "8", height: str = "6", **changes: str | None) -> bytes:
    """An annotation with fields of its one object changed or (None) left out."""
    thing = {key: value for key, value in {**THING, **changes}.items() if value is not None}
    return archives.annotation("x.jpg", width, height, [THING, thing])  # type: ignore[arg-type]


BOMB = b"""<?xml version="1.0"?><!DOCTYPE annotation [<!ENTITY a "dog">""" + b"".join(
    f'<!ENTITY {b} "{10 * f"&{a};"}">'.encode() for a, b in zip("abcdefgh", "bcdefghi", strict=True)
)
ANNOTATIONS: dict[str, tuple[bytes, str]] = {
    "cut": (an()[:-5], "is no annotation"),
    "empty": (b"", "is no annotation"),
    "binary": (bytes(range(256)), "is no annotation"),
    "unknown encoding": (b"<?xml version='1.0' encoding='x-no'?><a/>", "is no annotation"),
    "laughs": (BOMB + b"]><annotation>&i;</annotation>", "it defines a document type"),
    "laughs in 16 bits": (
        (BOMB + b"]><annotation>&i;</annotation>").decode().encode("utf-16"),
        "it defines a document type",
    ),
    "a file's content": (
        b'<!DOCTYPE a [<!ENTITY x SYSTEM "file:///etc/passwd">]><a>&x;</a>',
        "it defines a document type",
    ),
    "another root": (b"<a/>", "<a> has no <size><width>"),
    "class": (an(name="unicorn"), "unknown class 'unicorn'"),
    "pose": (an(pose="Upside"), "unknown pose 'upside'"),
    "no name": (an(name=None), "<object> has no <name>"),
    "no pose": (an(pose=None), "<object> has no <pose>"),
    "no edge": (an(ymax=None), "<object> has no <bndbox><ymax>"),
    "no truncated": (an(truncated=None), "<object> has no <truncated>"),
    "no difficult": (an(difficult=None), "<object> has no <difficult>"),
    "right of it": (
        an(xmax="8.001"),
        "the box of a dog, 1 to 8.001 and 2 to 6, is not within 8 x 6",
    ),
    "below it": (an(ymax="7"), "is not within 8 x 6"),
    "left of it": (an(xmin="-1"), "is not within"),
    "above it": (an(ymin="-0.5"), "is not within"),
    "inside out": (an(xmin="5", xmax="4"), "is not within"),
    "upside down": (an(ymin="5", ymax="4"), "is not within"),
    "nan": (an(xmin="nan"), "nan is no number of pixels"),
    "infinite": (an(ymax="inf"), "inf is no number of pixels"),
    "word": (an(ymax="six"), "could not convert string to float"),
    "no width": (an(width="0"), "its image is 0 pixels wide and 6 high"),
    "negative": (an(height="-6"), "its image is 8 pixels wide and -6 high"),
}


@pytest.mark.parametrize("case", ANNOTATIONS)
def test_wrong_annotations_are_named(tmp_path: Path, case: str) -> None:
    content, message = ANNOTATIONS[case]
    voc(tmp_path / "a", {XML: content})
    refused("voc", tmp_path / "a", f"'{XML}' in .*{message}")


def test_a_box_may_be_all_of_its_image(tmp_path: Path) -> None:
    voc(tmp_path, {XML: an(xmin="0", ymin="0")})
    with pytest.raises(UsageError, match=r"no 'VOCtrainval_11-May-2012\.tar'"):
        prepare("voc", tmp_path / "tfds", tmp_path, check=False)
    assert (tmp_path / "tfds/voc/2007/5.0.0/dataset_info.json").is_file()
    assert not (tmp_path / "tfds/voc/2012").exists()


VOC: dict[str, tuple[dict[str, bytes | None], str]] = {
    "no annotation": ({XML: None}, f"has no '{XML}'"),
    "huge annotation": ({XML: bytes(2_000_000)}, f"'{XML}' in .* has 2,000,000 bytes"),
    "no image": ({f"{DEVKIT}/JPEGImages/000004.jpg": None}, "has no '.*/000004.jpg'"),
    "text for an image": ({f"{DEVKIT}/JPEGImages/000004.jpg": b"x"}, "'.*000004.jpg' .* no image"),
    "half an image": (
        {f"{DEVKIT}/JPEGImages/000001.jpg": JPEG[: len(JPEG) // 2]},
        "'.*000001.jpg' .* is no image, or a damaged one",
    ),
    "no list": ({f"{DEVKIT}/ImageSets/Main/val.txt": None}, "has no '.*/Main/val.txt'"),
    "an empty list": ({f"{DEVKIT}/ImageSets/Main/val.txt": b"\n"}, "no image for 'validation'"),
    "twice": ({f"{DEVKIT}/ImageSets/Main/val.txt": b"000004\n000004\n"}, "names '000004' twice"),
    "a path": (
        {f"{DEVKIT}/ImageSets/Main/val.txt": b"../../../../etc/passwd\n"},
        r"has no '.*JPEGImages/\.\./\.\./\.\./\.\./etc/passwd.jpg'",
    ),
}


@pytest.mark.parametrize("case", VOC)
def test_wrong_members_of_voc_are_named(tmp_path: Path, case: str) -> None:
    changes, message = VOC[case]
    voc(tmp_path / "a", changes)
    refused("voc", tmp_path / "a", message)


# KTH-TIPS2-b

ONE = "wool/sample_a/22a-scale_2_im_1_col.png"
KTH = archives.kth_members((2,), 4)
PNG = KTH[ONE]
TWENTY_TWO = 2 * "\N{DEVANAGARI DIGIT TWO}"  # int() takes it for 22
KTH_CASES: dict[str, tuple[dict[str, bytes | None], str]] = {
    "no class": ({n: None for n in KTH if n.startswith("linen/")}, "has no image of linen; get"),
    "no sample": (
        {n: None for n in KTH if n.startswith("wood/sample_c/")},
        "has no sample c of wood; get",
    ),
    "another class": (
        {f"silk/sample_a/{ONE[14:]}": PNG},
        "'.*silk/sample_a/.*' .* is not named as",
    ),
    "scale 1": ({"wool/sample_a/22a-scale_1_im_1_col.png": PNG}, "scale_1_im_1.* is not named as"),
    "scale 11": ({"wool/sample_a/22a-scale_11_im_1_col.png": PNG}, "scale_11_.* is not named as"),
    "image 0": ({"wool/sample_a/22a-scale_2_im_0_col.png": PNG}, "im_0_col.* is not named as"),
    "image 13": ({"wool/sample_a/22a-scale_2_im_13_col.png": PNG}, "im_13_col.* is not named as"),
    "grey": ({"wool/sample_a/22a-scale_2_im_1_grey.png": PNG}, "im_1_grey.* is not named as"),
    "other digits": (
        {f"wool/sample_a/{TWENTY_TWO}a-scale_3_im_1_col.png": PNG},
        "is not named as",
    ),
    "capitals": ({"wool/sample_a/22a-scale_3_im_1_col.PNG": PNG}, "col.PNG' .* is not named as"),
    "too high": ({ONE[5:]: PNG}, "is not named as"),
    "too deep": ({f"x/{ONE}": PNG}, "is not named as"),
    "number": ({"wool/sample_a/23a-scale_3_im_1_col.png": PNG}, "lies in another folder than its"),
    "letter": ({"wool/sample_a/22b-scale_3_im_1_col.png": PNG}, "lies in another folder than its"),
    "folder": ({"wool/sample_e/22a-scale_3_im_1_col.png": PNG}, "lies in another folder than its"),
    "text": ({ONE: b"hello"}, f"'.*{ONE}' in .* is no image, or a damaged one"),
    "cut": ({ONE: PNG[:-40]}, f"'.*{ONE}' in .* is no image, or a damaged one"),
}


@pytest.mark.parametrize("form", [archives.kth_archive, archives.kth_tree])
@pytest.mark.parametrize("case", KTH_CASES)
def test_wrong_members_of_kth_are_named(tmp_path: Path, case: str, form: Callable) -> None:
    changes, message = KTH_CASES[case]
    form(tmp_path / "a", {n: c for n, c in {**KTH, **changes}.items() if c is not None})
    refused("kth_tips2b", tmp_path / "a", message)


def test_links_out_of_an_unpacked_folder_are_not_followed(tmp_path: Path) -> None:
    tree = archives.kth_tree(tmp_path / "a", KTH)
    (tmp_path / "secret.png").write_bytes(PNG)
    (tree / ONE).unlink()
    (tree / ONE).symlink_to(tmp_path / "secret.png")
    refused("kth_tips2b", tmp_path / "a", f"'{ONE}' in .* links out of it")
    with Tree(tree) as files, pytest.raises(UsageError, match="has no 'wool'"):
        files.read("wool")


# ImageNet


def imagenet(folder: Path, train: Mapping[str, bytes], validation: Mapping[str, bytes]) -> None:
    tar(folder / "ILSVRC2012_img_train.tar", train.items())
    tar(folder / "ILSVRC2012_img_val.tar", validation.items())


def inner(*members: tuple[str, bytes]) -> bytes:
    return packed(members)


GOOD = {"n01440764.tar": inner(("n01440764_1.JPEG", JPEG), ("n01440764_2.JPEG", JPEG))}
LABELLED = {"ILSVRC2012_val_00000001.JPEG": JPEG}
IMAGENET: dict[str, tuple[dict[str, bytes], dict[str, bytes], str]] = {
    "unknown class": ({"n00000000.tar": b""}, LABELLED, "'n00000000.tar' in .* is not named after"),
    "not a tar's name": ({"n01440764": b""}, LABELLED, "'n01440764' in .* is not named after"),
    "no tar in it": (
        {"n01440764.tar": JPEG},
        LABELLED,
        r"img_train\.tar/n01440764\.tar' is no tar archive",
    ),
    "a cut one in it": (
        {"n01440764.tar": GOOD["n01440764.tar"][:1_300]},
        LABELLED,
        r"/n01440764\.tar' is cut short or damaged after 'n01440764_1\.JPEG'",
    ),
    "another's image": (
        {"n01440764.tar": inner(("n01443537_1.JPEG", JPEG))},
        LABELLED,
        r"'n01443537_1\.JPEG' in '.*/n01440764\.tar' is not named n01440764_NUMBER\.JPEG",
    ),
    "twice": (
        {"n01440764.tar": inner(("n01440764_1.JPEG", JPEG), ("n01440764_1.JPEG", JPEG))},
        LABELLED,
        r"'n01440764_1\.JPEG' in '.*/n01440764\.tar' is there twice",
    ),
    "text": (
        {"n01440764.tar": inner(("n01440764_1.JPEG", b"hello"))},
        LABELLED,
        r"'n01440764_1\.JPEG' in '.*' is no image",
    ),
    "none": ({}, LABELLED, "no image for 'train'"),
    "no validation": (GOOD, {}, "no image for 'validation'"),
    "number 0": (GOOD, {"ILSVRC2012_val_00000000.JPEG": JPEG}, "00000000.JPEG' .* is not named"),
    "50001": (GOOD, {"ILSVRC2012_val_00050001.JPEG": JPEG}, "00050001.JPEG' .* is not named"),
    "short number": (GOOD, {"ILSVRC2012_val_0000001.JPEG": JPEG}, "is not named"),
    "small letters": (GOOD, {"ILSVRC2012_val_00000001.jpeg": JPEG}, "is not named"),
    "validation twice": (GOOD, {"./ILSVRC2012_val_00000001.JPEG": JPEG, **LABELLED}, "there twice"),
    "no image": (
        GOOD,
        {"ILSVRC2012_val_00050000.JPEG": b"\xff\xd8\xff"},
        "00050000.JPEG' .* is no",
    ),
}


@pytest.mark.parametrize("case", IMAGENET)
def test_wrong_members_of_imagenet_are_named(tmp_path: Path, case: str) -> None:
    train, validation, message = IMAGENET[case]
    imagenet(tmp_path / "a", train, validation)
    refused("imagenet2012", tmp_path / "a", message)


def test_the_good_ones_are_good(tmp_path: Path) -> None:
    """What the changes above start from is prepared."""
    imagenet(tmp_path, GOOD, LABELLED)
    prepare("imagenet2012", tmp_path, tmp_path, check=False)
    archives.kth_archive(tmp_path, KTH)
    prepare("kth_tips2b", tmp_path, tmp_path, check=False)
    members = archives.cifar_members(archives.cifar_noise(10), archives.cifar_noise(4))
    archives.cifar_archive(tmp_path, members)
    prepare("cifar10", tmp_path, tmp_path, check=False)


def test_files_of_cifar_may_be_full(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """As the official ones are, of 10,000 images each."""
    monkeypatch.setattr("jagree.data.builders.cifar10.LARGEST", 4)
    members = archives.cifar_members(archives.cifar_noise(20), archives.cifar_noise(4))
    archives.cifar_archive(tmp_path / "a", members)
    archives.prepare("cifar10", tmp_path / "tfds", tmp_path / "a", check=False)
