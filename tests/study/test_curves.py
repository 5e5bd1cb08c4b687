"""The paper's curves against their definitions, spelled out example by example."""

import doctest
import math

import numpy as np
import pytest
from scipy import integrate

from jagree.study import curves
from jagree.study.curves import (
    BRACKET_P,
    Correlation,
    metric_curve,
    pearson,
    shown_epochs,
    type_curves,
)


def test_the_examples_of_the_docstrings_run() -> None:
    found = doctest.testmod(curves)
    assert found.attempted > 0
    assert found.failed == 0


def spelled_out_mean(agreed: np.ndarray, value: np.ndarray) -> float:
    chosen = [float(v) for a, v in zip(agreed, value, strict=True) if a and not math.isnan(v)]
    return sum(chosen) / len(chosen) if chosen else math.nan


@pytest.mark.parametrize("seed", range(5))
def test_the_metric_curve_is_the_mean_over_what_is_agreed_on(seed: int) -> None:
    rng = np.random.default_rng(seed)
    agreed = rng.random((2, 7, 30)) < rng.random((2, 7, 1))
    agreed[0, 2] = False
    value = rng.normal(1e6, 1, 30)
    value[rng.integers(0, 30, 8)] = np.nan
    found = metric_curve(agreed, value)
    assert found.shape == (2, 7)
    expected = [[spelled_out_mean(epoch, value) for epoch in part] for part in agreed]
    np.testing.assert_allclose(found, expected, rtol=1e-13)
    assert math.isnan(found[0, 2])
    np.testing.assert_array_equal(metric_curve(agreed[1, 3], value), found[1, 3])


def test_nothing_agreed_on_has_no_mean_not_zero() -> None:
    assert math.isnan(metric_curve(np.array([False, True]), np.array([1.0, np.nan])))


def test_type_curves_count_all_examples_of_a_type() -> None:
    rng = np.random.default_rng(0)
    agreed, kind = rng.random((5, 40)) < 0.4, np.array(["top", "side", "back", "top"] * 10)
    found = type_curves(agreed, kind)
    assert list(found) == ["back", "side", "top"]
    for name, curve in found.items():
        for e in range(5):
            right = sum(1 for n in range(40) if kind[n] == name and agreed[e, n])
            assert curve[e] == right / sum(1 for n in range(40) if kind[n] == name)


def test_types_may_be_numbers_and_ascend_as_numbers() -> None:
    found = type_curves(np.array([True, False, True]), np.array([10.0, 2.0, 10.0]))
    assert {k: float(v) for k, v in found.items()} == {"2.0": 0.0, "10.0": 1.0}
    assert list(found) == ["2.0", "10.0"]


def test_shown_are_epochs_from_six_on_with_a_fifth_right() -> None:
    epoch = np.array([0, 1, 5, 6, 7, 8, 9])
    level = np.array([0.9, 0.9, 0.9, 0.2, 0.19999, np.nan, 0.5])
    assert shown_epochs(epoch, level).tolist() == [False] * 3 + [True, False, False, True]
    early = shown_epochs(epoch, level, first=1, least=0.5)
    assert np.flatnonzero(early).tolist() == [1, 2, 6]


def spelled_out_pearson(x: list[float], y: list[float]) -> tuple[float, float]:
    """r and its two-sided p by the t distribution's density, integrated."""
    n = len(x)
    mean_x, mean_y = sum(x) / n, sum(y) / n
    cross = sum((a - mean_x) * (b - mean_y) for a, b in zip(x, y, strict=True))
    square_x, square_y = sum((a - mean_x) ** 2 for a in x), sum((b - mean_y) ** 2 for b in y)
    r = cross / math.sqrt(square_x * square_y)
    free = n - 2
    t = abs(r) * math.sqrt(free / (1 - r * r))
    scale = math.gamma((free + 1) / 2) / (math.sqrt(free * math.pi) * math.gamma(free / 2))
    tail, _ = integrate.quad(lambda v: scale * (1 + v * v / free) ** (-(free + 1) / 2), t, math.inf)
    return r, 2 * tail


@pytest.mark.parametrize("seed", range(5))
def test_pearson_is_its_definition_over_the_points_that_both_have(seed: int) -> None:
    rng = np.random.default_rng(seed)
    x = rng.normal(5, 2, 25)
    y = 0.4 * x + rng.normal(size=25)
    x[3], y[7], y[3] = np.nan, np.nan, np.nan
    both = [i for i in range(25) if i not in (3, 7)]
    found = pearson(x, y)
    r, p = spelled_out_pearson(x[both].tolist(), y[both].tolist())
    assert (found.r, found.p) == pytest.approx((r, p), rel=1e-6)
    assert found.points == 23


@pytest.mark.parametrize(
    ("x", "y"),
    [
        ([1.0, 1.0, 1.0, 1.0], [1.0, 2.0, 3.0, 4.0]),
        ([1.0, 2.0, 3.0], [0.1 + 0.2, 0.3, 0.3]),  # equal but for rounding
        ([0.0, 0.0, 0.0], [1.0, 2.0, 3.0]),
        ([1.0, 2.0], [2.0, 1.0]),
        ([1.0, 2.0, np.nan], [2.0, 1.0, 3.0]),
        ([], []),
    ],
)
def test_no_correlation_where_there_is_none_to_define(x: list[float], y: list[float]) -> None:
    found = pearson(np.array(x), np.array(y))
    assert math.isnan(found.r)
    assert math.isnan(found.p)
    assert found.bracketed


def test_brackets_follow_p() -> None:
    assert str(Correlation(0.456, BRACKET_P, 9)) == "0.46"
    assert str(Correlation(-0.456, np.nextafter(BRACKET_P, 1), 9)) == "(-0.46)"
    assert str(Correlation(math.nan, math.nan, 2)) == "(no value)"
    perfect = pearson(np.arange(20.0), -np.arange(20.0))
    assert str(perfect) == "-1.00"
