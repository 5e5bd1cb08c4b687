import dataclasses

import numpy as np
import pytest

from jagree.data.noise import with_label_noise
from jagree.data.split import Split
from jagree.errors import UsageError

N, CLASSES = 4_000, 5
NOISY = [3, 1, 2, 3, 4, 0, 1, 2, 0, 4, 0, 0, 4, 3, 2, 3, 0, 2, 3, 1]


def make(n: int = N) -> Split:
    return Split(
        name="train",
        id=np.array([f"{i:05d}" for i in range(n)]),
        label=np.arange(n, dtype=np.int32) % CLASSES,
        image=np.zeros((n, 1, 1, 3), np.uint8),
        class_names=tuple("abcde"),
    )


def test_labels_are_replaced_with_the_probability_by_any_class() -> None:
    split = make()
    noisy = with_label_noise(split, [0.5, 0.5], seed=0)
    assert noisy.label.shape == (N,)
    assert noisy.label.dtype == split.label.dtype
    np.testing.assert_array_equal(noisy.true_label, split.label)
    changed = noisy.label != split.label
    # Of 5 classes, the true one is drawn in a fifth of the cases. 4 standard errors.
    assert abs(changed.mean() - 0.5 * 4 / 5) < 4 * np.sqrt(0.24 / N)
    shift = (noisy.label - split.label)[changed] % CLASSES
    np.testing.assert_allclose(np.bincount(shift)[1:] / changed.sum(), 0.25, atol=0.045)


def test_noise_is_nested_and_shared() -> None:
    split = make()
    label = with_label_noise(split, [0.0, 0.25, 0.5, 1.0], seed=0).label
    assert label.shape == (4, N)
    np.testing.assert_array_equal(label[0], split.label)
    for low, high in ((0, 1), (1, 2), (2, 3)):
        replaced = label[low] != split.label
        np.testing.assert_array_equal(label[high][replaced], label[low][replaced])
        assert (label[high] != split.label).sum() > replaced.sum() + 500
    # What a member gets depends on its own rate alone.
    np.testing.assert_array_equal(with_label_noise(split, [0.5], seed=0).label, label[2])


def test_noise_comes_from_seed_and_id() -> None:
    split = make()
    some = split.take(np.arange(0, N, 3))
    whole = with_label_noise(split, [1.0], seed=0).label
    np.testing.assert_array_equal(with_label_noise(some, [1.0], seed=0).label, whole[::3])
    other = with_label_noise(split, [1.0], seed=1).label
    assert 0.7 < (other != whole).mean() < 0.9
    # At 1 the labels tell nothing of the true ones.
    assert abs((whole == split.label).mean() - 1 / CLASSES) < 4 * np.sqrt(0.16 / N)


def test_no_noise_changes_nothing_and_several_classes_have_none() -> None:
    split = make(4)
    assert with_label_noise(split, [0.0, 0.0], seed=0) is split
    several = dataclasses.replace(split, label=np.zeros((4, 5), bool), true_label=None)
    with pytest.raises(UsageError, match=r"any number of classes; set data.label_noise=0"):
        with_label_noise(several, [0.1], seed=0)


def test_the_noise_stays_what_it_was() -> None:
    """Who is replaced and by what are drawn apart; pinned, so that no change goes unseen."""
    label = with_label_noise(make(20), [0.5], seed=0).label
    assert label.tolist() == NOISY


def test_the_noise_is_counted_in_a_note() -> None:
    split = make()
    noisy = with_label_noise(split, [0.5, 0.5], seed=0)
    changed = f"{(noisy.label != split.label).sum():,}"
    why = "of 4,000 differ from the true ones (a drawn label may be the true one)"
    assert noisy.notes == (f"labels drawn at random with probability 0.5: {changed} {why}",)
    every = f"{(with_label_noise(split, [1.0], seed=0).label != split.label).sum():,}"
    assert with_label_noise(split, [0, 0.5, 1], seed=0).notes == (
        "labels drawn at random, member by member with probability 0, 0.5, 1: "
        f"0, {changed}, {every} {why}",
    )
