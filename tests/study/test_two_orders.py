"""Learning orders of two runs, against SciPy and against sets."""

import math

import numpy as np
import pytest
from scipy import stats

from jagree.study.ranks import rank_correlations
from jagree.study.two_orders import FIRST, TwoOrders, compare_orders, first_learned


def orders(examples: int = 400, seed: int = 0) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Two orders with much in common, some never, and classes that both find hard."""
    rng = np.random.default_rng(seed)
    classes = rng.integers(0, 4, examples)
    ease = rng.normal(size=examples) + classes
    two = [np.clip(np.round(ease + rng.normal(size=examples) + 4), 1, 9) for _ in "12"]
    one, other = (np.where(epoch > 7, np.nan, epoch) for epoch in two)
    return one, other, classes


def late(epoch: np.ndarray) -> np.ndarray:
    return np.where(np.isnan(epoch), 1e9, epoch)


def test_the_correlation_is_spearmans_with_never_last() -> None:
    one, two, classes = orders()
    found = compare_orders(one, two, classes, resamples=20)
    assert found.rho == pytest.approx(stats.spearmanr(late(one), late(two)).statistic)
    other = rank_correlations({"two": late(two)}, one, classes, controls={"two": ()}, resamples=0)
    assert found.rho == pytest.approx(other["two"].plain.rho)
    assert found.rho_within_class == pytest.approx(other["two"].within_class.rho)
    assert 0.1 < found.rho_within_class < found.rho


def test_the_interval_is_that_of_examples_drawn_with_replacement() -> None:
    one, two, classes = orders()
    found = compare_orders(one, two, classes, resamples=1500)
    rng = np.random.default_rng(1)
    plain, within = [], []
    for _ in range(400):
        drawn = rng.integers(0, len(one), len(one))
        plain.append(stats.spearmanr(late(one[drawn]), late(two[drawn])).statistic)
        other = rank_correlations(
            {"two": late(two[drawn])}, one[drawn], classes[drawn], controls={"two": ()}, resamples=0
        )
        within.append(other["two"].within_class.rho)
    for values, ends in (
        (plain, (found.low, found.high)),
        (within, (found.low_within_class, found.high_within_class)),
    ):
        low, high = np.quantile(values, [0.025, 0.975])
        assert ends == pytest.approx((low, high), abs=0.2 * (high - low))


def test_the_first_are_of_whole_epochs() -> None:
    epoch = np.array([3, 1, 1, 2, 2, 2, 2, 5, np.nan, np.nan] * 3)
    assert FIRST == 0.1
    assert first_learned(epoch).tolist() == (epoch == 1).tolist()
    fewer = np.where(epoch == 1, 4, epoch)
    fewer[3] = 1  # one of thirty is not a tenth
    assert first_learned(fewer).tolist() == (fewer <= 2).tolist()
    rare = np.array([7.0] + [np.nan] * 29)
    assert first_learned(rare).tolist() == [True] + [False] * 29
    assert not first_learned(np.full(5, np.nan)).any()


def test_the_overlap_is_that_of_sets_beside_independent_ones() -> None:
    one, two, classes = orders(seed=2)
    found = compare_orders(one, two, classes, resamples=2)
    for kind, sets in {
        "first": [set(np.flatnonzero(first_learned(e))) for e in (one, two)],
        "never": [set(np.flatnonzero(np.isnan(e))) for e in (one, two)],
    }.items():
        a, b = sets
        assert getattr(found, f"{kind}_overlap") == pytest.approx(len(a & b) / len(a | b))
        shares = len(a) / 400, len(b) / 400
        assert (getattr(found, f"{kind}_1"), getattr(found, f"{kind}_2")) == pytest.approx(shares)
        both = shares[0] * shares[1]
        assert getattr(found, f"{kind}_chance") == pytest.approx(both / (sum(shares) - both))


def test_orders_with_nothing_in_common_are_at_chance() -> None:
    rng = np.random.default_rng(3)
    one, two = (np.where(e > 8, np.nan, e) for e in rng.integers(1, 11, (2, 40_000)))
    found = compare_orders(one, two, np.zeros(40_000, int), resamples=100)
    assert found.low < 0 < found.high
    assert abs(found.rho) < 0.02
    assert found.first_overlap == pytest.approx(found.first_chance, abs=0.01)
    assert found.never_overlap == pytest.approx(found.never_chance, abs=0.01)


@pytest.mark.parametrize(
    ("one", "two"),
    [
        (np.full(6, 2.0), np.arange(6.0)),
        (np.full(6, np.nan), np.arange(6.0)),
        (np.zeros(0), np.zeros(0)),
        (np.ones(1), np.ones(1)),
    ],
)
def test_no_order_has_no_correlation(one: np.ndarray, two: np.ndarray) -> None:
    found = compare_orders(one, two, np.zeros(len(one), int), resamples=5)
    for name in ("rho", "low", "high", "rho_within_class"):
        assert math.isnan(getattr(found, name))
    assert isinstance(found, TwoOrders)
    if np.isnan(one).all() and len(one):
        assert math.isnan(found.never_1) is False
        assert found.first_overlap == 0


def test_classes_that_both_learn_early_are_no_common_order_within_them() -> None:
    rng = np.random.default_rng(4)
    classes = rng.integers(0, 2, 20_000)
    one, two = (10 * classes + rng.integers(0, 5, 20_000) for _ in "12")
    found = compare_orders(one.astype(float), two.astype(float), classes, resamples=50)
    assert found.rho > 0.7
    assert found.low_within_class < 0 < found.high_within_class
