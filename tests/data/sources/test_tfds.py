import hashlib
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import tensorflow_datasets as tfds
from ml_collections import ConfigDict

from jagree.configs import default
from jagree.data import load as load_both
from jagree.data.images import Encoded, pixel_digest
from jagree.data.sources import tfds as source
from jagree.data.sources.tfds import load
from jagree.errors import UsageError
from tests.data.pictures import encode, picture
from tests.data.prepared import write

IMAGE = tfds.features.Image(shape=(6, 5, 3))
LABEL = tfds.features.ClassLabel(names=["cat", "dog", "eel"])
LABELS = tfds.features.Sequence(tfds.features.ClassLabel(names=["warm", "wet", "wild"]))
TEXT = tfds.features.Text()


def options(folder: Path, **fields: Any) -> ConfigDict:
    options = default.get_config().data
    options.name = "tfds"
    options.set = "toy"
    options.dir = str(folder / "sets")
    options.train_size = options.test_size = 0
    options.update(fields)
    return options


def drawn(number: int) -> np.ndarray:
    return picture(6, 5, number)


def made(
    folder: Path,
    features: dict[str, Any] | None = None,
    splits: dict[str, int] | None = None,
    **values: Any,
) -> Path:
    """A set "toy"; example i has the image `drawn(i)`, the label i % 3, and what `values` make."""
    features = features or {"image": IMAGE, "label": LABEL}
    common = {"image": lambda i: encode(drawn(i)), "label": lambda i: i % 3, **values}
    examples, start = {}, 0
    for split, number in (splits or {"train": 7, "test": 4}).items():
        examples[split] = [
            {name: common[name](i) for name in features} for i in range(start, start + number)
        ]
        start += number
    write(folder / "sets/toy/1.0.0", tfds.features.FeaturesDict(features), examples)
    return folder


# Labels, images, classes


def test_one_class_each(tmp_path: Path) -> None:
    split = load("train", options(made(tmp_path)))
    assert (split.name, len(split), split.multi_label) == ("train", 7, False)
    assert split.class_names == ("cat", "dog", "eel")
    assert split.image.shape == (7, 6, 5, 3)
    found = {bytes(pixel_digest(image)): label for image, label in zip(split.image, split.label)}  # noqa: B905
    assert found == {pixel_digest(drawn(i)): i % 3 for i in range(7)}
    assert split.notes == ()


def test_any_number_of_classes_each(tmp_path: Path) -> None:
    classes = [[0], [2, 0], [], [1, 1], [0, 1, 2], [], [2]]
    made(
        tmp_path,
        {"image": IMAGE, "tags": LABELS, "id": TEXT},
        {"train": 7},
        tags=lambda i: classes[i],
        id=lambda i: f"{i}",
    )
    split = load("train", options(tmp_path))
    assert split.multi_label
    assert split.class_names == ("warm", "wet", "wild")
    assert [np.flatnonzero(row).tolist() for row in split.label] == [sorted({*c}) for c in classes]
    assert split.notes == ("2 images have no label; right where nothing is predicted",)
    np.testing.assert_array_equal(split.image[3], drawn(3))


def test_a_single_image_without_a_label_is_one(tmp_path: Path) -> None:
    made(tmp_path, {"image": IMAGE, "tags": LABELS}, {"train": 3}, tags=lambda i: [0] * (i > 0))
    assert load("train", options(tmp_path)).notes == (
        "1 image has no label; right where nothing is predicted",
    )


def test_grey_images_come_out_as_colours(tmp_path: Path) -> None:
    grey = tfds.features.Image(shape=(6, 5, 1))
    made(
        tmp_path, {"image": grey, "label": LABEL, "id": TEXT},
        image=lambda i: encode(drawn(i)[:, :, 0]), id=lambda i: f"{i:02}",
    )  # fmt: skip
    split = load("train", options(tmp_path))
    for i in range(7):
        np.testing.assert_array_equal(split.image[i], np.stack([drawn(i)[:, :, 0]] * 3, 2))


def test_images_of_sixteen_bits_are_images_too(tmp_path: Path) -> None:
    deep = tfds.features.Image(shape=(6, 5, 1), dtype=np.uint16)
    made(
        tmp_path, {"image": deep, "label": LABEL, "id": TEXT},
        image=lambda i: encode(drawn(i)[:, :, 0].astype(np.uint16) * 257), id=str,
    )  # fmt: skip
    split = load("train", options(tmp_path))
    for i in range(7):
        np.testing.assert_array_equal(split.image[i], np.stack([drawn(i)[:, :, 0]] * 3, 2))


@pytest.mark.parametrize(
    "case", ["sizes differ", "jpeg", "one jpeg among others", "too much for memory"]
)
def test_other_images_stay_encoded(
    tmp_path: Path, case: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    def content(i: int) -> bytes:
        jpeg = case == "jpeg" or (case.startswith("one") and i == 5)
        return encode(drawn(i), "JPEG" if jpeg else "PNG")

    image = tfds.features.Image() if case == "sizes differ" else IMAGE
    features = {"image": image, "label": LABEL, "id": TEXT}
    made(tmp_path, features, image=content, id=lambda i: f"{10 - i:02}")
    if case.startswith("too"):
        monkeypatch.setattr(source, "_IN_MEMORY", 7 * 6 * 5 * 3)
        assert isinstance(load("train", options(tmp_path)).image, np.ndarray)
        monkeypatch.setattr(source, "_IN_MEMORY", 7 * 6 * 5 * 3 - 1)
    split = load("train", options(tmp_path))
    assert isinstance(split.image, Encoded)
    assert [split.image.encoded(i) for i in range(7)] == [content(6 - i) for i in range(7)]


def test_an_image_of_another_size_than_is_said_is_named(tmp_path: Path) -> None:
    made(tmp_path, image=lambda i: encode(picture(6 + (i == 3), 5, i)))
    with pytest.raises(UsageError, match=r"record 3' holds an image of 5x7 pixels, .* says 5x6"):
        load("train", options(tmp_path))
    made(tmp_path, image=lambda i: encode(picture(*((5, 6) if i == 3 else (6, 5)), i)))
    with pytest.raises(UsageError, match=r"record 3' holds an image of 6x5 pixels, .* says 5x6"):
        load("train", options(tmp_path))
    made(tmp_path, image=lambda i: b"rubbish")
    with pytest.raises(UsageError, match=r"toy-train.*record 0' is no image that can be read"):
        load("train", options(tmp_path))


# Ids


def test_the_first_feature_that_tells_all_apart_is_the_id(tmp_path: Path) -> None:
    features = {"image": IMAGE, "label": LABEL}
    features |= dict.fromkeys(("image_id", "filename", "id", "image/filename"), TEXT)
    values: dict[str, Any] = {
        "id": lambda i: f"{i // 2}",  # of two examples each
        "image/filename": lambda i: f"{6 - i}.png",
        "filename": lambda i: f"{i}.jpg",
        "image_id": lambda i: f"x{i}",
    }
    made(tmp_path, features, {"train": 7}, **values)
    split = load("train", options(tmp_path))
    assert split.id.tolist() == [f"train/{i}.png" for i in range(7)]
    np.testing.assert_array_equal(split.image[1], drawn(5))
    assert split.label.tolist() == [(6 - i) % 3 for i in range(7)]
    made(tmp_path, features, {"train": 7}, **values | {"id": str})
    assert load("train", options(tmp_path)).id.tolist() == [f"train/{i}" for i in range(7)]


def test_features_identify_in_their_order(tmp_path: Path) -> None:
    names = ("id", "file_name", "image/filename", "filename", "image_id")
    values: dict[str, Any] = {name: lambda i, name=name: f"{name} {i}" for name in names}
    for number, first in enumerate(names):
        features = {"image": IMAGE, "label": LABEL} | dict.fromkeys(names[number:], TEXT)
        made(tmp_path / f"{number}", features, {"train": 3}, **values)
        found = load("train", options(tmp_path / f"{number}")).id.tolist()
        assert found == [f"train/{first} {i}" for i in range(3)]


def test_numbers_identify_as_well(tmp_path: Path) -> None:
    features = {"image": IMAGE, "label": LABEL, "image_id": np.int64, "id": np.float32}
    made(tmp_path, features, {"train": 12}, image_id=lambda i: 12 - i, id=lambda i: i / 2)
    split = load("train", options(tmp_path))
    assert split.id.tolist() == sorted(f"train/{i}" for i in range(1, 13))
    np.testing.assert_array_equal(split.image[split.id.tolist().index("train/10")], drawn(2))


def test_several_numbers_do_not_identify(tmp_path: Path) -> None:
    pair = tfds.features.Tensor(shape=(2,), dtype=np.int64)
    made(tmp_path, {"image": IMAGE, "label": LABEL, "id": pair}, id=lambda i: [i, 7])
    assert all(len(i) == len("train/") + 16 for i in load("train", options(tmp_path)).id)


def test_a_class_is_no_id_even_if_it_tells_all_apart(tmp_path: Path) -> None:
    features = {"image": IMAGE, "id": LABEL}
    made(tmp_path, features, {"train": 3}, id=lambda i: i)
    assert all(len(i) == len("train/") + 16 for i in load("train", options(tmp_path)).id)


def test_without_such_a_feature_ids_are_made_of_the_images(tmp_path: Path) -> None:
    made(tmp_path, splits={"train": 7, "test": 4}, image=lambda i: encode(drawn(i % 6)))
    split = load("train", options(tmp_path))
    expected = []
    for i in range(6):
        name = hashlib.sha256(repr((6, 5, 3)).encode() + drawn(i).tobytes()).hexdigest()[:16]
        expected.append(f"train/{name}")
        if i == 0:  # the seventh is the first one's copy, of the same label
            expected.append(f"train/{name}-2")
    assert split.id.tolist() == sorted(expected)
    for example, image in zip(split.id.tolist(), split.image, strict=True):
        assert example.startswith(f"train/{pixel_digest(image).hex()[:16]}")


def test_names_that_are_not_text_do_not_identify(tmp_path: Path) -> None:
    features = {"image": IMAGE, "label": LABEL, "id": TEXT}
    made(tmp_path, features, id=lambda i: b"\xff%d" % i)
    assert len(load("train", options(tmp_path)).id[0]) == len("train/") + 16
    made(tmp_path, features, {"train": 2}, id=lambda i: b"a" + b"\0" * i)  # one string in NumPy
    assert len(load("train", options(tmp_path)).id[0]) == len("train/") + 16


# Splits


@pytest.mark.parametrize(
    ("splits", "fields", "expected"),
    [
        ({"train": 5, "test": 3, "validation": 2}, {}, (5, 3)),
        ({"train": 5, "validation": 2}, {}, (5, 2)),
        ({"train": 5, "test": 3, "validation": 2}, {"test_split": "validation"}, (5, 2)),
        ({"train": 5, "extra": 4, "test": 3}, {"train_split": "train+extra"}, (9, 3)),
        ({"train": 10}, {"train_split": "train[:70%]", "test_split": "train[70%:]"}, (7, 3)),
    ],
)
def test_which_splits_are_read(
    tmp_path: Path, splits: dict[str, int], fields: dict[str, str], expected: tuple[int, int]
) -> None:
    made(tmp_path, splits=splits)
    found = load_both(options(tmp_path, **fields))
    assert (len(found["train"]), len(found["test"])) == expected
    assert {i.split("/")[0] for i in found["test"].id.tolist()} == {"test"}


def test_a_share_held_out_needs_no_test_split(tmp_path: Path) -> None:
    made(tmp_path, splits={"train": 60})
    found = load_both(options(tmp_path, test_share=0.25))
    assert len(found["train"]) + len(found["test"]) == 60
    assert 5 < len(found["test"]) < 25
    with pytest.raises(UsageError) as caught:
        load_both(options(tmp_path))
    assert str(caught.value) == (
        "'toy' has no test split, but train; choose with data.test_split, or hold out a share of "
        "the training examples with data.test_share=0.2"
    )


def test_splits_of_other_names_are_listed(tmp_path: Path) -> None:
    made(tmp_path, splits={"all": 5, "half": 3})
    with pytest.raises(UsageError) as caught:
        load("train", options(tmp_path))
    assert str(caught.value) == (
        "'toy' has no train split, but all, half; choose with data.train_split"
    )
    with pytest.raises(UsageError, match=r"'toy' in .* has no split 'none'; it has all, half"):
        load("train", options(tmp_path, train_split="none"))


def test_a_split_without_labels_is_refused(tmp_path: Path) -> None:
    made(tmp_path, label=lambda i: -1 if i in (8, 10) else 0)
    assert len(load("train", options(tmp_path))) == 7
    with pytest.raises(UsageError) as caught:
        load("test", options(tmp_path))
    assert str(caught.value) == (
        "in the test split of 'toy' 2 of 4 examples have a label that is none of the classes 0 to "
        "2 (-1 says that it is unknown); choose another split with data.test_split"
    )
    made(tmp_path, {"image": IMAGE, "tags": LABELS}, tags=lambda i: [0, -1, -1] if i == 8 else [0])
    with pytest.raises(UsageError, match="in the test split of 'toy' 1 of 4 examples have a label"):
        load("test", options(tmp_path))


def test_a_class_beyond_those_that_are_named_is_refused(tmp_path: Path) -> None:
    made(tmp_path, splits={"train": 3})
    fewer = {"image": IMAGE, "label": tfds.features.ClassLabel(names=["cat", "dog"])}
    (tmp_path / "sets/toy/1.0.0/label.labels.txt").unlink()
    tfds.features.FeaturesDict(fewer).save_config(tmp_path / "sets/toy/1.0.0")
    with pytest.raises(UsageError, match="1 of 3 examples have a label that is none of the classe"):
        load("train", options(tmp_path))


# Features


def test_several_candidates_are_listed_and_one_may_be_named(tmp_path: Path) -> None:
    features = {"left": IMAGE, "right": IMAGE, "label": LABEL, "tags": LABELS, "id": TEXT}
    made(
        tmp_path, features, {"train": 4},
        left=lambda i: encode(drawn(i)), right=lambda i: encode(drawn(i + 10)),
        tags=lambda i: [i % 3], id=lambda i: f"{i}",
    )  # fmt: skip
    several = "'toy' has 2 features that can be the {}; choose with data.{} among {}"
    with pytest.raises(UsageError) as caught:
        load("train", options(tmp_path))
    assert str(caught.value) == several.format("image", "image", "left, right")
    with pytest.raises(UsageError) as caught:
        load("train", options(tmp_path, image="right"))
    assert str(caught.value) == several.format("label", "label", "label, tags")
    with pytest.raises(UsageError, match="no feature 'id' that can be the label; choose with data"):
        load("train", options(tmp_path, image="right", label="id"))
    with pytest.raises(UsageError, match="no feature 'middle' that can be the image; choose with"):
        load("train", options(tmp_path, image="middle", label="tags"))
    split = load("train", options(tmp_path, image="right", label="tags"))
    assert split.multi_label
    np.testing.assert_array_equal(split.image[2], drawn(12))
    assert not load("train", options(tmp_path, image="left", label="label")).multi_label


def test_a_feature_that_does_not_fit_is_not_replaced_by_the_only_one_that_does(
    tmp_path: Path,
) -> None:
    made(tmp_path)
    for field in ("image", "label"):
        with pytest.raises(UsageError, match=f"no feature 'id' that can be the {field}; choose"):
            load("train", options(tmp_path, **{field: "id"}))


def test_a_set_without_images_or_classes_says_what_it_has(tmp_path: Path) -> None:
    made(tmp_path, {"image": IMAGE, "id": TEXT}, id=str)
    with pytest.raises(UsageError) as caught:
        load("train", options(tmp_path))
    assert str(caught.value) == (
        "'toy' has no features that can be the label; it has id (Text), image (Image); choose "
        "another data set"
    )
    made(tmp_path, {"label": LABEL, "id": TEXT}, id=str)
    with pytest.raises(
        UsageError, match=r"no features that can be the image; it has id .Text., lab"
    ):
        load("train", options(tmp_path))


def test_maps_of_labels_and_of_depth_are_no_images(tmp_path: Path) -> None:
    features = {
        "image": IMAGE,
        "map": tfds.features.LabeledImage(labels=3, shape=(6, 5, 1)),
        "depth": tfds.features.Image(shape=(6, 5, 1), dtype=np.float32),
        "frames": tfds.features.Sequence(IMAGE),
        "movie": tfds.features.Image(shape=(None, 6, 5, 3), encoding_format="png"),
        "label": LABEL,
    }
    fitting = [
        name for name, f in tfds.features.FeaturesDict(features).items() if source._is_image(f)
    ]
    assert fitting == ["image"]


def test_a_set_must_be_named_and_there(tmp_path: Path) -> None:
    with pytest.raises(
        UsageError, match=r"data.set must name a data set of TFDS, such as data.set"
    ):
        load("train", options(tmp_path, set=""))
    with pytest.raises(UsageError, match="no 'toy' data in"):
        load("train", options(tmp_path))


def test_real_sets(real_data: Path) -> None:
    here = {"dir": str(real_data / "tfds")}
    split = load("test", options(real_data, set="cifar10", **here))
    assert split.id[:2].tolist() == ["test/test_00000", "test/test_00001"]
    assert [split.class_names[i] for i in split.label[:3]] == ["cat", "ship", "ship"]
    with pytest.raises(
        UsageError, match=r"choose with data.label among labels, labels_no_difficult"
    ):
        load("train", options(real_data, set="voc/2012", **here))
    split = load("train", options(real_data, set="voc/2012", label="labels", **here))
    assert (len(split), split.label.shape[1]) == (75, 20)
    assert isinstance(split.image, Encoded)
    assert split.id[0].startswith("train/2008_")


@pytest.mark.parametrize(
    ("train", "test", "shared"),
    [
        ("train", "train", 75),
        ("train+validation", "validation[:50%]", 38),
        ("train[:60]", "train[50:]", 10),
        ("train[:60]", "train[60:]", 0),
    ],
)
def test_nothing_is_both_trained_and_tested_on(
    train: str, test: str, shared: int, real_data: Path
) -> None:
    chosen = options(
        real_data, set="voc/2012", label="labels", dir=str(real_data / "tfds"),
        train_split=train, test_split=test,
    )  # fmt: skip
    if shared:
        with pytest.raises(UsageError, match=f"{shared} examples of 'voc/2012' would be in both"):
            load("test", chosen)
    else:
        assert len(load("test", chosen)) == 15
