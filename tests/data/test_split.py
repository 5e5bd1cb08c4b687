import dataclasses
from pathlib import Path

import numpy as np
import pytest

from jagree.data.split import Column, Split, sample
from jagree.errors import UsageError
from tests.data.pictures import Drawn, encode

LABEL = np.array([0, 1, 0, 1])
SAMPLED = ["e1", "e12", "e17", "e18", "e2"]


def make(n: int = 4, **changes: object) -> Split:
    rng = np.random.default_rng(0)
    values = {
        "name": "train",
        "id": np.sort([f"e{i}" for i in range(n)]),
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
        ({"label": np.zeros((4, 2), int)}, ValueError, "4 ids but 2 rows of label"),
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


def test_a_part_of_a_split_has_the_parts_of_all_its_columns() -> None:
    noisy = make(true_label=np.array([1, 1, 0, 0]))
    part = noisy.take(np.array([0, 2]))
    np.testing.assert_array_equal(part.id, ["e0", "e2"])
    np.testing.assert_array_equal(part.label, [0, 0])
    np.testing.assert_array_equal(part.true_label, [1, 0])
    np.testing.assert_array_equal(part.image, noisy.image[[0, 2]])
    np.testing.assert_array_equal(part.metadata["size"].values, [0, 2])
    assert part.metadata["size"].unit == "px"
    by_member = make(label=np.array([[0, 1, 0, 1], [1, 1, 0, 0], [0, 0, 0, 1]]), true_label=LABEL)
    np.testing.assert_array_equal(by_member.take(np.array([1, 3])).label, [[1, 1], [1, 0], [0, 1]])


def test_a_sample_is_drawn_by_id_and_nested() -> None:
    split = make(200)
    drawn = {size: set(sample(split, size, 0).id.tolist()) for size in (50, 120)}
    assert len(drawn[50]) == 50
    assert drawn[50] < drawn[120]
    assert set(sample(split, 50, 1).id.tolist()) != drawn[50]
    assert drawn[50] != set(split.id[:50].tolist())
    # The examples that are left decide as before.
    without = split.take(np.flatnonzero(split.id != min(drawn[50])))
    assert len(drawn[50] - set(sample(without, 49, 0).id.tolist())) == 1
    assert sample(split, 0, 0) is split
    with pytest.raises(
        UsageError, match="train_size is 5, but 'train' has 4 examples; 0 takes all"
    ):
        sample(make(), 5, 0)
    with pytest.raises(UsageError, match="train_size is 2, but 'train' has 1 example; 0 takes"):
        sample(make().take(np.array([3])), 2, 0)


def test_labels_by_member_and_by_class_are_told_apart() -> None:
    by_member = make(label=np.zeros((3, 4), int), true_label=LABEL)
    assert (by_member.by_member, by_member.multi_label) == (True, False)
    by_class = make(label=np.zeros((4, 2), bool))
    assert (by_class.by_member, by_class.multi_label) == (False, True)
    with pytest.raises(UsageError, match="0 to 1; example 'e2' has 2"):
        make(label=np.array([[0, 0, 0, 0], [0, 0, 2, 0]]), true_label=LABEL)
    with pytest.raises(ValueError, match="4 ids but 3 rows of label"):
        make(label=np.zeros((2, 3), int), true_label=LABEL)


def test_encoded_images_have_the_fingerprint_of_their_pixels(tmp_path: Path) -> None:
    split = make()
    lossless = Drawn(tuple(encode(image) for image in split.image))
    smaller = Drawn(tuple(encode(image, "PNG", compress_level=9) for image in split.image))
    assert lossless.content != smaller.content
    for images in (lossless, smaller):
        encoded = dataclasses.replace(split, image=images, kept=tmp_path)
        assert encoded.fingerprint == split.fingerprint
    np.testing.assert_array_equal(
        encoded.take(np.array([3, 1])[::-1]).originals(np.array([1]))[0], split.image[3]
    )


def test_labels_beyond_a_byte_are_told_apart() -> None:
    names = tuple(map(str, range(66_000)))
    prints = {
        make(label=np.array([0, 0, 0, last], np.int32), class_names=names).fingerprint
        for last in (1, 257, 65_537)
    }
    assert len(prints) == 3


def test_a_sample_stays_what_it_was() -> None:
    """Pinned, so that no change of its purpose, nor of the end that is taken, goes unseen."""
    assert sample(make(20), 5, 0).id.tolist() == SAMPLED


def test_ids_do_not_run_into_one_another() -> None:
    one, other = (make(2, id=np.array(ids)) for ids in (["a", "bc"], ["ab", "c"]))
    assert one.fingerprint != other.fingerprint


@pytest.mark.parametrize("values", [["a", "b"], [1.0, np.nan], [1.0, np.inf]])
def test_what_is_assigned_is_a_number_of_every_example(values: list[object]) -> None:
    Column(np.array(values), "", "dose")
    with pytest.raises(ValueError, match="'dose' is assigned, so every example must have a finite"):
        Column(np.array(values), "", "dose", assigned=True)


def test_what_is_assigned_stays_so_in_a_sample() -> None:
    columns = {
        "dose": Column(np.arange(4), "", "dose", assigned=True),
        "size": Column(np.arange(4), "", "side"),
    }
    part = make(4, metadata=columns).take(np.array([1, 3]))
    assert part.metadata["dose"].assigned
    assert not part.metadata["size"].assigned
