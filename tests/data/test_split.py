import dataclasses

import numpy as np
import pytest

from jagree.data.split import Column, Split, take_first
from jagree.errors import UsageError


def make(n: int = 4, **changes: object) -> Split:
    rng = np.random.default_rng(0)
    values = {
        "name": "train",
        "id": np.array([f"e{i}" for i in range(n)]),
        "label": np.arange(n, dtype=np.int32) % 2,
        "image": rng.integers(0, 255, (n, 2, 2, 3), np.uint8),
        "class_names": ("a", "b"),
        "metadata": {"size": Column(np.arange(n), "px", "side")},
    }
    return Split(**{**values, **changes})  # type: ignore[arg-type]


def test_the_true_label_is_the_label_unless_given() -> None:
    np.testing.assert_array_equal(make().true_label, make().label)


@pytest.mark.parametrize(
    ("changes", "error", "message"),
    [
        ({"id": np.array(["a", "b", "b", "c"])}, UsageError, "ids must be unique.*: b"),
        ({"id": np.array(["b", "a", "c", "d"])}, ValueError, "ascending order of id"),
        ({"label": np.array([0, 1, 2, 0])}, UsageError, "0 to 1; example 'e2' has 2"),
        ({"label": np.array([0, -1, 1, 0])}, UsageError, "example 'e1' has -1"),
        ({"label": np.array([0, 1])}, ValueError, "4 ids but 2 rows of label"),
        ({"image": np.zeros((4, 2, 2, 3))}, ValueError, r"uint8 \[N, H, W, 3\], not float64"),
        ({"image": np.zeros((4, 2, 2), np.uint8)}, ValueError, r"uint8 \[N, H, W, 3\]"),
        ({"label": np.zeros((4, 3), bool)}, ValueError, r"bool \[N, 2\]"),
        ({"label": np.zeros((4, 2), int)}, ValueError, r"bool \[N, 2\]"),
        ({"true_label": np.array([0, 1, 2, 0])}, UsageError, "example 'e2' has 2"),
        (
            {"metadata": {"size": Column(np.arange(3), "", "")}},
            ValueError,
            "4 ids but 3 rows of metadata 'size'",
        ),
    ],
)
def test_what_a_split_refuses(changes: dict, error: type[Exception], message: str) -> None:
    with pytest.raises(error, match=message):
        make(**changes)


def test_the_fingerprint_is_of_ids_true_labels_and_pixels() -> None:
    split = make()
    assert split.fingerprint == make().fingerprint
    image = split.image.copy()
    image[3, 1, 1, 2] ^= 1
    swapped = split.label[::-1].copy()
    other_id = split.id.copy()
    other_id[3] = "e9"
    tall = split.image.reshape(4, 4, 1, 3)  # the same bytes
    for changed in ({"image": image}, {"true_label": swapped}, {"id": other_id}, {"image": tall}):
        assert dataclasses.replace(split, **changed).fingerprint != split.fingerprint


def test_the_fingerprint_ignores_label_noise_and_label_width() -> None:
    split = make()
    noisy = dataclasses.replace(split, label=split.label[::-1].copy(), true_label=split.label)
    wide = dataclasses.replace(split, label=split.label.astype(np.int64), true_label=None)
    assert noisy.fingerprint == wide.fingerprint == split.fingerprint


def test_the_first_examples_and_their_metadata() -> None:
    noisy = make(true_label=np.array([1, 1, 0, 0]))
    np.testing.assert_array_equal(take_first(noisy, 3).true_label, [1, 1, 0])
    np.testing.assert_array_equal(take_first(noisy, 3).label, [0, 1, 0])
    part = take_first(make(), 3)
    np.testing.assert_array_equal(part.id, ["e0", "e1", "e2"])
    np.testing.assert_array_equal(part.image, make().image[:3])
    np.testing.assert_array_equal(part.metadata["size"].values, [0, 1, 2])
    assert len(take_first(make(), 0)) == 4
    with pytest.raises(
        UsageError, match="train_size is 5, but 'train' has 4 examples; 0 takes all"
    ):
        take_first(make(), 5)
