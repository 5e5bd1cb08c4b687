"""Pairs of members, one by one."""

import itertools
import math

import numpy as np
import pytest

from jagree.study import agreement, chance, pairs


def test_pairs_are_counted_one_by_one(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(pairs, "BLOCK", 7)
    right = np.random.default_rng(2).random((3, 30)) < 0.6
    right[2] = False
    both = pairs.pair_counts(right)
    found = pairs.pair_agreement(both)
    for i, j in itertools.product(range(3), range(3)):
        assert both[i, j] == sum(bool(a and b) for a, b in zip(right[i], right[j], strict=True))
        union = sum(bool(a or b) for a, b in zip(right[i], right[j], strict=True))
        np.testing.assert_array_equal(found[i, j], both[i, j] / union if union else np.nan)
    pair = right[:2]
    assert found[0, 1] == agreement.true_positive_agreement(pair)


def test_leading_axes_are_kept(monkeypatch: pytest.MonkeyPatch) -> None:
    right = np.random.default_rng(0).random((2, 4, 1_000)) < 0.3
    whole = pairs.pair_counts(right)
    np.testing.assert_array_equal(whole[1, 2, 3], (right[1, 2] & right[1, 3]).sum())
    monkeypatch.setattr(pairs, "BLOCK", 300)
    np.testing.assert_array_equal(pairs.pair_counts(right), whole)


def test_chance_of_a_pair_is_that_of_two_members() -> None:
    rng = np.random.default_rng(0)
    right, classes = rng.random((3, 40)) < 0.5, rng.integers(0, 4, 40)
    found = pairs.pair_chance(right, classes)
    for i, j in pairs.pairs(3):
        expected = chance.chance_within_classes(right[[i, j]], classes)
        assert found[i, j] == pytest.approx(float(expected), rel=1e-12)


@pytest.mark.parametrize(
    ("above", "expected"),
    [([1.0, 2.0, 6.0], 3.0), ([1.0, math.nan, 2.0], 1.5), ([math.nan] * 3, math.nan)],
)
def test_pairs_without_a_value_are_left_out_of_the_mean(
    above: list[float], expected: float
) -> None:
    values = np.zeros((3, 3))
    values[np.triu_indices(3, 1)] = above
    assert float(pairs.pair_mean(values)) == pytest.approx(expected, nan_ok=True)
    assert math.isnan(float(pairs.pair_mean(np.ones((1, 1)))))
