"""Rank correlation over examples: against SciPy, resample by resample."""

import doctest
import math
import time

import numpy as np
import pytest
from scipy import stats

from jagree import seeds
from jagree.study.findings import ranks
from jagree.study.findings.ranks import RankCorrelation, learned_rank_correlation


def test_the_example_of_the_docstring_runs() -> None:
    found = doctest.testmod(ranks)
    assert found.attempted > 0
    assert found.failed == 0


def some(seed: int, n: int = 200) -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(seed)
    value = np.round(rng.normal(size=n), 1)  # with ties
    since = np.clip(np.round(5 + 2 * value + 3 * rng.normal(size=n)), 1, 12)
    value[rng.integers(0, n, 20)] = np.nan
    since[rng.integers(0, n, 40)] = np.nan
    return value, since


@pytest.mark.parametrize("seed", range(4))
def test_it_is_spearman_with_never_after_the_last(seed: int) -> None:
    value, since = some(seed)
    found = learned_rank_correlation(value, since)
    known = ~np.isnan(value)
    late = np.where(np.isnan(since), 13, since)
    expected = stats.spearmanr(value[known], late[known]).statistic
    assert found.rho == pytest.approx(expected, rel=1e-12)
    assert found.examples == known.sum()


def test_the_interval_is_the_percentiles_of_resampled_examples() -> None:
    value, since = some(7)
    found = learned_rank_correlation(value, since, resamples=60, seed=3)
    known = ~np.isnan(value)
    x, y = value[known], np.where(np.isnan(since), 99, since)[known]
    draw = seeds.generator(3, "bootstrap of examples")
    drawn = []
    for _ in range(60):
        chosen = draw.integers(0, len(x), len(x))
        drawn.append(stats.spearmanr(x[chosen], y[chosen]).statistic)
    assert (found.low, found.high) == pytest.approx(tuple(np.quantile(drawn, [0.025, 0.975])))
    assert found.low < found.rho < found.high
    assert found == learned_rank_correlation(value, since, resamples=60, seed=3)
    assert found.low != learned_rank_correlation(value, since, resamples=60, seed=4).low


def test_the_sign_is_that_of_an_interval_without_zero() -> None:
    assert RankCorrelation(0.1, 0.01, 0.2, 9).sign == 1
    assert RankCorrelation(-0.1, -0.2, -0.01, 9).sign == -1
    assert RankCorrelation(0.1, -0.01, 0.2, 9).sign == 0
    assert RankCorrelation(math.nan, math.nan, math.nan, 9).sign == 0


@pytest.mark.parametrize(
    ("value", "since"),
    [([2.0, 2.0, 2.0], [1.0, 2.0, 3.0]), ([1.0, 2.0, 3.0], [np.nan] * 3), ([np.nan], [1.0])],
)
def test_what_is_constant_has_no_correlation(value: list[float], since: list[float]) -> None:
    found = learned_rank_correlation(np.array(value), np.array(since))
    assert math.isnan(found.rho)
    assert math.isnan(found.low)


def test_a_resample_may_be_constant() -> None:
    found = learned_rank_correlation(np.array([1.0, 2.0]), np.array([1.0, 2.0]))
    assert (found.rho, found.low, found.high) == (1, 1, 1)


def test_fifty_thousand_examples_take_seconds() -> None:
    rng = np.random.default_rng(0)
    began = time.process_time()
    learned_rank_correlation(rng.normal(size=50_000), rng.integers(1, 60, 50_000).astype(float))
    assert time.process_time() - began < 5
