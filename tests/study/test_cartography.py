"""Per-example quantities against their definitions, epoch by epoch."""

import itertools
import math

import hypothesis.extra.numpy as npst
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import special

from jagree.study.cartography import Cartography, CartographyTally, el2n
from jagree.study.order import Learning, LearningTally, middle_member

steady = settings(deadline=None, database=None)
runs = npst.arrays(bool, st.tuples(st.integers(1, 6), st.integers(1, 3), st.integers(1, 4)))


def learning(epochs: list[int], correct: np.ndarray) -> Learning:
    tally = LearningTally()
    for epoch, right in zip(epochs, correct, strict=True):
        tally.add(epoch, right)
    return tally.result()


@steady
@given(correct=runs, first=st.integers(0, 3), every=st.integers(1, 2))
def test_learning_is_its_definition(correct: np.ndarray, first: int, every: int) -> None:
    epochs = [first + every * e for e in range(len(correct))]
    found = learning(epochs, correct)
    assert found.epochs == len(epochs)
    for k, n in np.ndindex(correct.shape[1:]):
        right = correct[:, k, n].tolist()
        learned = [e for e, c in zip(epochs, right, strict=True) if c]
        wrong = [position for position, c in enumerate(right) if not c]
        if not wrong:
            good: float = epochs[0]
        elif wrong[-1] == len(epochs) - 1:
            good = math.nan
        else:
            good = epochs[wrong[-1] + 1]
        forgotten = sum(int(a and not b) for a, b in itertools.pairwise(right))
        expected = (learned[0] if learned else math.nan, good, forgotten, sum(right))
        values = (
            found.first_learned[k, n],
            found.learned_for_good[k, n],
            found.forgetting_events[k, n],
            found.times_right[k, n],
        )
        np.testing.assert_array_equal(values, expected)


def test_epochs_must_ascend() -> None:
    with pytest.raises(ValueError, match="2 comes after 2"):
        learning([2, 2], np.ones((2, 1, 1), bool))
    with pytest.raises(ValueError, match="no epoch"):
        LearningTally().result()
    with pytest.raises(ValueError, match="no epoch"):
        CartographyTally().result()


def test_what_is_given_is_not_changed() -> None:
    correct = np.random.default_rng(0).random((4, 2, 9)) < 0.5
    before = correct.copy()
    learning([1, 2, 3, 4], correct)
    np.testing.assert_array_equal(correct, before)


@steady
@given(
    epoch=npst.arrays(
        np.float32,
        st.tuples(st.integers(1, 6), st.integers(1, 4)),
        elements=st.sampled_from([1.0, 2.0, 7.0, math.nan]),
    )
)
def test_the_middle_member_is_the_first_by_whom_half_are_there(epoch: np.ndarray) -> None:
    members = len(epoch)
    for found, column in zip(middle_member(epoch), epoch.T.tolist(), strict=True):
        there = [e for e in (1, 2, 7) if 2 * sum(x <= e for x in column) >= members]
        np.testing.assert_array_equal(found, there[0] if there else math.nan)


def softmax_run(seed: int) -> tuple[np.ndarray, np.ndarray]:
    """Logits [E, K, N, C] and labels [N]."""
    rng = np.random.default_rng(seed)
    return 3 * rng.normal(size=(5, 2, 20, 4)), rng.integers(0, 4, 20)


def cartography(logits: np.ndarray, label: np.ndarray) -> Cartography:
    tally = CartographyTally()
    for epoch in logits:
        log_p = special.log_softmax(epoch, -1)
        own = np.take_along_axis(epoch, label[None, :, None], -1)[..., 0]
        rest = epoch.copy()
        np.put_along_axis(rest, np.broadcast_to(label[None, :, None], (2, 20, 1)), -np.inf, -1)
        log_prob = np.take_along_axis(log_p, label[None, :, None], -1)[..., 0]
        tally.add(log_prob, own - rest.max(-1))
    return tally.result()


def test_cartography_is_its_definition() -> None:
    logits, label = softmax_run(0)
    found = cartography(logits, label)
    for k, n in np.ndindex(2, 20):
        p, margin = [], []
        for epoch in logits[:, k, n]:
            e = [math.exp(z) for z in epoch]
            p.append(e[label[n]] / sum(e))
            margin.append(epoch[label[n]] - max(z for j, z in enumerate(epoch) if j != label[n]))
        mean = sum(p) / 5
        expected = {
            "confidence": mean,
            "variability": math.sqrt(sum((x - mean) ** 2 for x in p) / 5),
            "aleatoric": sum(x * (1 - x) for x in p) / 5,
            "area_under_margin": sum(margin) / 5,
            "threshold_closeness": mean * (1 - mean),
            "loss": -math.log(p[-1]),
        }
        for name, value in expected.items():
            assert getattr(found, name)[k, n] == pytest.approx(value, abs=2e-7), name


def test_el2n_is_the_norm_of_the_error() -> None:
    logits, label = softmax_run(1)
    p = special.softmax(logits[0], -1)
    error = np.linalg.norm(p - np.eye(4)[label], axis=-1)
    own = np.take_along_axis(p, label[None, :, None], -1)[..., 0]
    found = el2n(np.log(own), np.square(p).sum(-1) - own**2)
    np.testing.assert_allclose(found, error, rtol=1e-9)


def test_el2n_does_not_cancel_near_certainty() -> None:
    """In half precision p = 1 - 1e-7 is 1; its logarithm is kept."""
    log_prob, other = np.array([-1e-7], np.float16), np.array([0], np.float16)
    assert el2n(log_prob, other)[0] == pytest.approx(float(-log_prob[0]), rel=1e-6)
    assert el2n(log_prob, other)[0] > 0


def test_an_output_that_is_not_finite_leaves_no_value() -> None:
    tally = CartographyTally()
    tally.add(np.array([[-1.0, -1.0]]), np.array([[1.0, 1.0]]))
    tally.add(np.array([[np.nan, -1.0]]), np.array([[np.nan, 1.0]]))
    found = tally.result()
    for name in ("confidence", "variability", "aleatoric", "area_under_margin", "loss"):
        assert np.isnan(getattr(found, name)).tolist() == [[True, False]], name
