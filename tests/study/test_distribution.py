"""How many members are right, against the definitions and SciPy's moments."""

import itertools
import math
import warnings
from collections import Counter
from fractions import Fraction

import hypothesis.extra.numpy as npst
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats

from jagree.study import distribution

steady = settings(deadline=None, database=None)
shapes = st.tuples(st.integers(1, 5), st.integers(1, 12))


@steady
@given(correct=npst.arrays(bool, shapes))
def test_right_counts_are_counts(correct: np.ndarray) -> None:
    members, n = correct.shape
    found = Counter(sum(int(c) for c in correct[:, e]) for e in range(n))
    assert distribution.right_counts(correct).tolist() == [found[s] for s in range(members + 1)]


@steady
@given(eighths=st.lists(st.integers(0, 8), min_size=1, max_size=6))
def test_the_poisson_binomial_sums_over_all_outcomes(eighths: list[int]) -> None:
    accuracy = [Fraction(a, 8) for a in eighths]
    expected = [Fraction(0)] * (len(accuracy) + 1)
    for outcome in itertools.product((0, 1), repeat=len(accuracy)):
        chance = math.prod(a if c else 1 - a for a, c in zip(accuracy, outcome, strict=True))
        expected[sum(outcome)] += chance
    found = distribution.poisson_binomial(np.array(accuracy, float))
    np.testing.assert_allclose(found, np.array(expected, float), rtol=0, atol=1e-15)


@pytest.mark.parametrize("members", [1, 5, 25])
def test_of_equal_accuracies_it_is_the_binomial(members: int) -> None:
    found = distribution.poisson_binomial(np.full((2, members), [[0.3], [0.9]]))
    for row, a in zip(found, (0.3, 0.9), strict=True):
        expected = stats.binom.pmf(np.arange(members + 1), members, a)
        np.testing.assert_allclose(row, expected, rtol=1e-12, atol=1e-300)


@steady
@given(counts=npst.arrays(np.int64, st.integers(2, 6), elements=st.integers(0, 9)))
def test_bimodality_follows_from_scipys_moments(counts: np.ndarray) -> None:
    s = np.repeat(np.arange(len(counts)), counts).astype(float)
    n = len(s)
    sarle = float(distribution.sarle_bimodality(counts))
    pearson = float(distribution.pearson_bimodality(counts))
    if n == 0 or np.ptp(s) == 0:
        assert math.isnan(sarle)
        assert math.isnan(pearson)
        return
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of few examples
        expected = stats.kurtosis(s, fisher=False) - stats.skew(s) ** 2 - 1
        assert pearson == pytest.approx(expected, abs=1e-9)
        if n < 4:
            assert math.isnan(sarle)
            return
        g1, g2 = stats.skew(s, bias=False), stats.kurtosis(s, bias=False)
    expected = (g1**2 + 1) / (g2 + 3 * (n - 1) ** 2 / ((n - 2) * (n - 3)))
    assert sarle == pytest.approx(expected, rel=1e-9)


def test_bimodality_of_known_shapes() -> None:
    uniform = np.full(1001, 100)
    assert float(distribution.sarle_bimodality(uniform)) == pytest.approx(5 / 9, abs=1e-3)
    assert float(distribution.pearson_bimodality(uniform)) == pytest.approx(0.8, abs=1e-3)
    normal = np.round(1e6 * stats.norm.pdf(np.linspace(-5, 5, 201))).astype(int)
    assert float(distribution.pearson_bimodality(normal)) == pytest.approx(2, abs=1e-2)
    assert float(distribution.sarle_bimodality(normal)) == pytest.approx(1 / 3, abs=1e-2)
    assert float(distribution.sarle_bimodality(np.array([500, 0, 0, 500]))) > 0.99


@steady
@given(prediction=npst.arrays(np.int16, shapes, elements=st.integers(-1, 3)))
def test_hacohen_agreement_is_its_definition(prediction: np.ndarray) -> None:
    members, n = prediction.shape
    most = [max([0, *Counter(c for c in p.tolist() if c >= 0).values()]) for p in prediction.T]
    found = float(distribution.hacohen_agreement(prediction))
    assert found == pytest.approx(sum(most) / members / n, rel=1e-14)


def test_leading_axes_are_kept() -> None:
    correct = np.random.default_rng(0).random((2, 5, 3, 7)) < 0.6
    counts = distribution.right_counts(correct)
    assert counts.shape == (2, 5, 4)
    assert (counts.sum(-1) == 7).all()
    for measure in (distribution.sarle_bimodality, distribution.pearson_bimodality):
        one_by_one = [[float(measure(h)) for h in run] for run in counts]
        np.testing.assert_allclose(measure(counts), one_by_one, rtol=1e-13)


def test_without_examples_nothing_is_defined() -> None:
    counts = distribution.right_counts(np.zeros((3, 0), bool))
    assert counts.tolist() == [0, 0, 0, 0]
    assert math.isnan(float(distribution.sarle_bimodality(counts)))
    assert math.isnan(float(distribution.pearson_bimodality(counts)))
    assert math.isnan(float(distribution.hacohen_agreement(np.zeros((3, 0), np.int16))))
