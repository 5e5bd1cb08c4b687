import functools
import math
import shutil
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import tensorflow_datasets as tfds

from jagree.data.images import Encoded
from jagree.data.sources import voc
from jagree.data.sources.voc import load
from jagree.errors import UsageError
from tests.data.pictures import encode, picture
from tests.data.prepared import write
from tests.data.sets import options_of

options = functools.partial(options_of, "voc")

CLASSES = [f"class {i}" for i in range(20)]
WIDTH, HEIGHT = 50, 40


# A made-up set


@dataclass(frozen=True)
class Box:
    kind: int
    corners: tuple[float, float, float, float]  # first column, first row, last column, last row
    difficult: bool = False


def features(names: Sequence[str] = CLASSES) -> Any:
    labels = tfds.features.ClassLabel(names=names)
    return tfds.features.FeaturesDict(
        {
            "image": tfds.features.Image(),
            "image/filename": tfds.features.Text(),
            # A vector and no BBoxFeature, which refuses to write what is no box.
            "objects": tfds.features.Sequence(
                {
                    "bbox": tfds.features.Tensor(shape=(4,), dtype=np.float32),
                    "is_difficult": np.bool_,
                    "label": labels,
                }
            ),
            "labels": tfds.features.Sequence(labels),
        }
    )


def annotated(name: str, boxes: Sequence[Box]) -> dict[str, Any]:
    sides = np.array([HEIGHT, WIDTH, HEIGHT, WIDTH])
    return {
        "image": encode(picture(HEIGHT, WIDTH, len(name)), "JPEG"),
        "image/filename": name,
        "objects": [
            {
                "bbox": (np.array(box.corners)[[1, 0, 3, 2]] / sides).astype(np.float32),
                "is_difficult": box.difficult,
                "label": box.kind,
            }
            for box in boxes
        ],
        "labels": [],  # a trap: TFDS's own lists are not to be used
    }


def made(tmp_path: Path, images: dict[str, Sequence[Box]], names: Sequence[str] = CLASSES) -> Path:
    """A folder with both years: images by year, split and file, as in "2007 train 000005.jpg"."""
    keys = {tuple(key.split(" ", 2)): boxes for key, boxes in images.items()}
    for year, splits in {
        "2007": ("train", "validation", "test"),
        "2012": ("train", "validation"),
    }.items():
        examples = {
            split: [
                annotated(n, boxes) for (y, s, n), boxes in keys.items() if (y, s) == (year, split)
            ]
            or [annotated(f"filler {split}.jpg", [Box(0, (1, 1, 2, 2))])]
            for split in splits
        }
        write(tmp_path / "sets/voc" / year / "5.0.0", features(names), examples)
    return tmp_path / "sets"


def one(split: Any, example: str) -> int:
    (position,) = np.flatnonzero(split.id == example)
    return int(position)


def test_no_class_is_lost_for_its_number_is_part_of_another(tmp_path: Path) -> None:
    """The authors' code keeps classes as text, "10_", in which it finds "0" and "1"."""
    boxes = [Box(kind, (1, 1, 9, 9)) for kind in (10, 0, 1, 12, 2, 0)]
    split = load("train", options(made(tmp_path, {"2012 train 2008_000001.jpg": boxes})))
    position = one(split, "voc2012/2008_000001")
    assert np.flatnonzero(split.label[position]).tolist() == [0, 1, 2, 10, 12]
    assert split.metadata["instances"].values[position] == 6
    assert split.metadata["labels"].values[position] == 5


def test_train_is_both_years_and_test_one(tmp_path: Path) -> None:
    box = [Box(3, (1, 1, 9, 9))]
    names = [
        "2007 train 000012.jpg",
        "2007 validation 000005.jpg",
        "2007 test 000001.jpg",
        "2012 train 2008_000008.jpg",
        "2012 validation 2008_000002.jpg",
    ]
    folder = made(tmp_path, dict.fromkeys(names, box))
    assert load("train", options(folder)).id.tolist() == [
        "voc2007/000005", "voc2007/000012", "voc2012/2008_000002", "voc2012/2008_000008"
    ]  # fmt: skip
    assert load("test", options(folder)).id.tolist() == ["voc2007/000001"]


def test_images_go_with_their_ids_and_stay_encoded(tmp_path: Path) -> None:
    names = [f"2007 train {'9' * i}.jpg" for i in (3, 1, 5, 2)]
    split = load("train", options(made(tmp_path, {name: [Box(3, (1, 1, 9, 9))] for name in names})))
    assert isinstance(split.image, Encoded)
    for i in (1, 2, 3, 5):
        expected = encode(picture(HEIGHT, WIDTH, i + 4), "JPEG")
        assert split.image.encoded(one(split, f"voc2007/{'9' * i}")) == expected


DIFFICULT = [
    Box(3, (1, 1, 10, 10)),
    Box(4, (5, 5, 14, 14), difficult=True),
    Box(3, (41, 31, 50, 40), difficult=True),
]


def test_difficult_objects_do_not_count_where_they_are_ignored(tmp_path: Path) -> None:
    images = {f"2007 {s} 000001.jpg": DIFFICULT for s in ("train", "test")}
    folder = made(tmp_path, images)
    for ignored, split, counts in [
        (("test",), "train", True),
        (("test",), "test", False),
        (("train",), "train", False),
        (("train", "test"), "test", False),
        ((), "test", True),
    ]:
        found = load(split, options(folder, ignore_difficult=ignored))
        at = one(found, "voc2007/000001")
        values = {name: column.values[at] for name, column in found.metadata.items()}
        area = WIDTH * HEIGHT
        if counts:
            assert np.flatnonzero(found.label[at]).tolist() == [3, 4]
            assert (values["instances"], values["labels"]) == (3, 2)
            assert values["box_area"] * area == pytest.approx(300 - 36)
            assert values["box_area_sum"] * area == pytest.approx(300)
        else:
            assert np.flatnonzero(found.label[at]).tolist() == [3]
            assert (values["instances"], values["labels"]) == (1, 1)
            assert values["box_area"] * area == values["box_area_sum"] * area == pytest.approx(100)
        assert values["difficult_instances"] == 2


def test_images_without_any_label_stay_and_are_counted(tmp_path: Path) -> None:
    hard = [Box(4, (5, 5, 14, 14), difficult=True)]
    images = {f"2007 test {i}.jpg": hard for i in range(3)}
    folder = made(tmp_path, {**images, "2007 test 7.jpg": DIFFICULT})
    found = load("test", options(folder))
    assert found.label.any(1).tolist() == [False, False, False, True]
    assert found.notes == (
        "3 images have no label, for all their objects are difficult; "
        "right where nothing is predicted",
    )
    for name in ("instances", "labels", "box_area", "box_area_sum"):
        assert found.metadata[name].values[:3].tolist() == [0, 0, 0]
    assert found.metadata["difficult_instances"].values.tolist() == [1, 1, 1, 2]
    assert load("test", options(folder, ignore_difficult=())).notes == ()
    folder = made(tmp_path / "one", {"2007 test 1.jpg": hard, "2007 test 2.jpg": DIFFICULT})
    assert load("test", options(folder)).notes == (
        "1 image has no label, for all its objects are difficult; right where nothing is predicted",
    )
    folder = made(tmp_path / "none", {"2007 test 1.jpg": hard, "2007 test 2.jpg": []})
    assert load("test", options(folder)).notes == (
        "2 images have no label, for no object of theirs counts; right where nothing is predicted",
    )


def test_a_fractional_box_has_its_fractional_area(tmp_path: Path) -> None:
    folder = made(tmp_path, {"2012 train 1.jpg": [Box(0, (2.5, 1, 11.5, 10))]})
    found = load("train", options(folder))
    at = one(found, "voc2012/1")
    assert found.metadata["box_area"].values[at] * WIDTH * HEIGHT == pytest.approx(100, abs=1e-9)


@pytest.mark.parametrize(
    ("corners", "message"),
    [
        ((3, 1, 2, 2), "ends before it begins"),
        ((1, 1, 51, 2), "is not within"),
        ((-1, 1, 5, 2), "is not within"),
        ((math.nan, 1, 5, 2), "is not finite"),
        ((0, 1, 0, 2), "is not within"),
    ],
)
@pytest.mark.parametrize("difficult", [True, False])
def test_what_is_no_box_is_named(
    tmp_path: Path, corners: tuple[float, float, float, float], message: str, difficult: bool
) -> None:
    boxes = [Box(1, (1, 1, 2, 2)), Box(1, corners, difficult)]
    folder = made(tmp_path, {"2007 test 000009.jpg": boxes})
    with pytest.raises(UsageError, match=f"example 'voc2007/000009': the box .* {message}"):
        load("test", options(folder))


def test_an_image_that_is_none_is_named(tmp_path: Path) -> None:
    folder = made(tmp_path, {})
    broken = annotated("000009.jpg", []) | {"image": b"rubbish"}
    examples = {"train": [broken], "validation": [broken], "test": [broken]}
    write(folder / "voc/2007/5.0.0", features(), examples)
    with pytest.raises(UsageError, match="example 'voc2007/000009': its image cannot be read"):
        load("test", options(folder))


def test_ids_that_come_twice_are_refused(tmp_path: Path) -> None:
    box = [Box(1, (1, 1, 2, 2))]
    folder = made(tmp_path, {"2007 train 000009.jpg": box, "2007 validation 000009.jpg": box})
    with pytest.raises(UsageError, match="ids must be unique; twice or more: voc2007/000009"):
        load("train", options(folder))


def test_both_years_must_have_the_same_classes(tmp_path: Path) -> None:
    folder = made(tmp_path, {})
    examples = {s: [annotated("1.jpg", [])] for s in ("train", "validation")}
    write(folder / "voc/2012/5.0.0", features([*CLASSES[:-1], "dragon"]), examples)
    with pytest.raises(UsageError, match=r"voc/2007/5.0.0 and .*voc/2012/5.0.0 name other classes"):
        load("train", options(folder))


def test_a_missing_year_is_said_before_anything_is_read(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = made(tmp_path, {})
    shutil.rmtree(folder / "voc/2012")
    monkeypatch.setattr(voc, "_read", None)
    with pytest.raises(UsageError, match=r"no 'voc/2012' data in .* --prepare=voc --dir="):
        load("train", options(folder))
    with pytest.raises(UsageError, match=r"no 'voc/2007' data in .* --prepare=voc --dir="):
        load("test", options(tmp_path / "nowhere"))


def test_a_split_to_ignore_difficult_objects_in_must_exist(tmp_path: Path) -> None:
    for wrong in (("val",), ("test", "all")):
        with pytest.raises(
            UsageError, match=r"data.ignore_difficult names .* allowed are train, test"
        ):
            load("test", options(tmp_path, ignore_difficult=wrong))


# Search difficulty


def test_search_difficulty_is_joined_by_the_images_name(tmp_path: Path) -> None:
    box = [Box(1, (1, 1, 2, 2))]
    names = ["2012 train 2008_2.jpg", "2012 validation 2008_3.jpg", "2007 train 2008_1.jpg"]
    folder = made(tmp_path, dict.fromkeys([*names, "2012 train 2008_4.jpg"], box))
    table = tmp_path / "table.csv"
    table.write_text("2008_3,3.5\n2008_1,1.25\n2008_9,7\n2008_2,2\n")
    found = load("train", options(folder, search_difficulty=str(table)))
    column = found.metadata["search_difficulty"]
    values = dict(zip(found.id.tolist(), column.values.tolist(), strict=True))
    assert values.pop("voc2007/2008_1") == 1.25
    assert values.pop("voc2012/2008_2") == 2
    assert values.pop("voc2012/2008_3") == 3.5
    assert sorted(values) == ["voc2007/filler validation", "voc2012/2008_4"]
    assert all(map(math.isnan, values.values()))
    assert column.unit == "s"
    assert found.notes == ("search difficulty is known of 3 of 5 images",)
    test = load("test", options(folder, search_difficulty=str(table)))
    assert "search_difficulty" not in test.metadata
    assert test.notes == ("search difficulty is known of 0 of 1 image",)


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"2008_1,3.5,4\n", "cannot read"),
        (b"image,seconds\n2008_1,3.5\n", "cannot read"),
        (b"2008_1,3.5\n2008_1,3.5\n", "cannot read .*line 2"),
        (b"2008_1,-3.5\n", "cannot read"),
        (b"2008_1,0\n", "cannot read"),
        (b"2008_1,nan\n", "cannot read"),
        (b"2008_1,inf\n", "cannot read"),
        (b"2008_1\n", "cannot read"),
        (b"\xff\xfe\x00rubbish", "cannot read"),
        (b"\x89PNG\r\n\x1a\n\x00", "cannot read"),
        (b"", "is empty"),
        (b"2010_1,3.5\n", "names none of the training images"),
    ],
)
def test_another_file_than_the_one_of_search_difficulty_is_refused(
    tmp_path: Path, content: bytes, message: str
) -> None:
    folder = made(tmp_path, {"2012 train 2008_1.jpg": [Box(1, (1, 1, 2, 2))]})
    table = tmp_path / "table.csv"
    table.write_bytes(content)
    with pytest.raises(UsageError, match=rf"data.search_difficulty: .*{message}"):
        load("train", options(folder, search_difficulty=str(table)))
    table.unlink()
    with pytest.raises(UsageError, match=r"data.search_difficulty: cannot read .*No such file"):
        load("train", options(folder, search_difficulty=str(table)))
