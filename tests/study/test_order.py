"""The learning order against its definition, spelled out."""

import math
import weakref
from collections.abc import Iterator

import hypothesis.extra.numpy as npst
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from jagree.study import learning_order

histories = npst.arrays(
    bool, st.tuples(st.integers(1, 5), st.integers(1, 3), st.integers(1, 6)),
    elements=st.sampled_from([True, True, True, False]),
)  # fmt: skip


def spelled_out(epochs: list[int], correct: np.ndarray, n: int) -> tuple[float, bool, float]:
    agreed = [all(member[n] for member in epoch) for epoch in correct]
    for_good = [e for i, e in enumerate(epochs) if all(agreed[i:])]
    right = [bool(member[n]) for epoch in correct for member in epoch]
    return for_good[0] if for_good else math.nan, any(agreed), sum(right) / len(right)


@settings(deadline=None, database=None)
@given(correct=histories, data=st.data())
def test_the_order_is_its_definition(correct: np.ndarray, data: st.DataObject) -> None:
    numbers = st.lists(
        st.integers(0, 90), min_size=len(correct), max_size=len(correct), unique=True
    )
    epochs = sorted(data.draw(numbers))
    order = learning_order(zip(epochs, correct, strict=True))
    for n in range(correct.shape[-1]):
        good, ever, accessibility = spelled_out(epochs, correct, n)
        assert order.agreed_for_good[n] == pytest.approx(good, nan_ok=True)
        assert order.ever_agreed[n] == ever
        assert order.accessibility[n] == accessibility


def test_the_hand_made_history() -> None:
    history = np.array([  # epochs 2, 4, 7; two members; examples as named
        # always, lost, late, regained, never
        [[1, 1, 0, 1, 0], [1, 1, 1, 1, 1]],
        [[1, 1, 0, 0, 1], [1, 1, 1, 1, 0]],
        [[1, 0, 1, 1, 0], [1, 1, 1, 1, 0]],
    ], bool)  # fmt: skip
    order = learning_order(zip([2, 4, 7], history, strict=True))
    np.testing.assert_array_equal(order.agreed_for_good, [2, math.nan, 7, 7, math.nan])
    np.testing.assert_array_equal(order.ever_agreed, [True, True, True, True, False])
    np.testing.assert_array_equal(order.accessibility * 6, [6, 5, 4, 5, 2])
    assert order.ever_agreed.dtype == bool


def test_one_epoch_is_held_at_a_time() -> None:
    given_out: list[weakref.ref[np.ndarray]] = []

    def epochs() -> Iterator[tuple[int, np.ndarray]]:
        for e in range(5):
            assert sum(one() is not None for one in given_out) <= 1
            correct = np.zeros((2, 3), bool)
            given_out.append(weakref.ref(correct))
            yield e, correct
            del correct

    learning_order(epochs())
    assert len(given_out) == 5


def test_epochs_must_ascend() -> None:
    correct = np.ones((2, 3), bool)
    with pytest.raises(ValueError, match="epochs must be ascending, but 3 comes after 3"):
        learning_order([(3, correct), (3, correct)])


def test_without_epochs_there_is_no_order() -> None:
    with pytest.raises(ValueError, match="no epoch is given"):
        learning_order([])
