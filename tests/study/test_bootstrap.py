"""Intervals against examples drawn with replacement, and against known truth."""

import math

import hypothesis.extra.numpy as npst
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats

from jagree import seeds
from jagree.study import agreement, bootstrap, chance, kappa

steady = settings(deadline=None, database=None)
DIRECT = {
    "accuracy_mean": agreement.accuracy_mean,
    "true_positive_agreement": agreement.true_positive_agreement,
    "chance_agreement": chance.chance_agreement,
    "corrected_agreement": chance.corrected_agreement,
    "error_consistency": kappa.error_consistency,
}


@steady
@given(correct=npst.arrays(bool, st.tuples(st.integers(1, 11), st.integers(1, 12))))
def test_patterns_are_the_distinct_columns(correct: np.ndarray) -> None:
    pattern, count = bootstrap.patterns(correct)
    assert len(set(map(tuple, pattern.tolist()))) == len(pattern)
    told = [
        tuple(row) for row, times in zip(pattern.tolist(), count, strict=True) for _ in range(times)
    ]
    assert sorted(told) == sorted(map(tuple, correct.T.tolist()))


@steady
@given(
    correct=npst.arrays(bool, st.tuples(st.integers(1, 10), st.integers(1, 12))),
    seed=st.integers(0, 9),
)
def test_measures_of_counts_are_those_of_examples(correct: np.ndarray, seed: int) -> None:
    pattern, count = bootstrap.patterns(correct)
    n = correct.shape[1]
    drawn = np.random.default_rng(seed).multinomial(n, count / n, size=3)
    some = bootstrap.Counted(pattern, drawn)
    for name, measure in bootstrap.MEASURES.items():
        for times, value in zip(drawn, measure(some), strict=True):
            expected = float(DIRECT[name](np.repeat(pattern, times, 0).T))
            assert float(value) == pytest.approx(expected, rel=1e-12, abs=1e-12, nan_ok=True), name


def correlated(members: int, examples: int, seed: int) -> np.ndarray:
    """Members that find the same examples easy."""
    rng = np.random.default_rng(seed)
    return rng.random((members, examples)) < rng.beta(0.6, 0.4, examples)


@pytest.mark.parametrize("members", [3, 10])
def test_it_is_the_percentile_bootstrap_over_examples(members: int) -> None:
    correct = correlated(members, 300, 1)
    found = bootstrap.intervals(correct, np.random.default_rng(0), resamples=4000)
    rng = np.random.default_rng(1)
    drawn = [correct[:, rng.integers(0, 300, 300)] for _ in range(4000)]
    for name, (value, low, high) in found.items():
        values = np.array([float(DIRECT[name](sample)) for sample in drawn])
        assert value == pytest.approx(float(DIRECT[name](correct)), rel=1e-12)
        tolerance = 0.25 * values.std()  # each end has an error of 0.04; means are coarse
        assert (low, high) == pytest.approx(
            tuple(np.quantile(values, [0.025, 0.975])), abs=tolerance
        ), name


def test_draws_are_made_in_pieces(monkeypatch: pytest.MonkeyPatch) -> None:
    correct = correlated(4, 100, 2)
    whole = bootstrap.intervals(correct, np.random.default_rng(0), resamples=50)
    monkeypatch.setattr(bootstrap, "BLOCK", 7)
    assert bootstrap.intervals(correct, np.random.default_rng(0), resamples=50) == whole


def test_the_interval_covers_the_truth_as_often_as_it_says() -> None:
    """Simulated records with known truth: 200 of them, each with its interval."""
    rng = np.random.default_rng(3)
    easy = 0.5  # half of the examples are right with probability 0.9, the others with 0.3
    both, union = (
        easy * f(0.9) + (1 - easy) * f(0.3) for f in (lambda p: p**3, lambda p: 1 - (1 - p) ** 3)
    )
    accuracy = easy * 0.9 + (1 - easy) * 0.3
    level = accuracy**3 / (1 - (1 - accuracy) ** 3)
    truth = {
        "accuracy_mean": accuracy,
        "true_positive_agreement": both / union,
        "chance_agreement": level,
    }
    covered = dict.fromkeys(truth, 0)
    for _ in range(200):
        p = np.where(rng.random(1000) < easy, 0.9, 0.3)
        found = bootstrap.intervals(rng.random((3, 1000)) < p, rng, resamples=200)
        for name, value in truth.items():
            covered[name] += found[name][1] <= value <= found[name][2]
    for name, count in covered.items():
        assert 180 <= count <= 198, (name, count)  # 190 of 200, three standard errors either way


@pytest.mark.parametrize(("examples", "easy"), [(50, 0.98), (50, 0.9), (300, 0.99), (30, 0.02)])
def test_near_the_ends_it_covers_the_truth_as_well(examples: int, easy: float) -> None:
    """Of the union, members agree on a share of `easy`: 300 records, percentiles covered 57 %."""
    rng = np.random.default_rng(5)
    covered = 0
    for _ in range(300):
        both = rng.random(examples) < easy
        correct = np.stack([np.ones(examples, bool), both, both])
        _, low, high = bootstrap.intervals(correct, rng, resamples=200)["true_positive_agreement"]
        covered += low <= easy <= high
    assert covered >= 270


def test_where_all_or_few_are_agreed_on_the_interval_is_wilsons() -> None:
    def found(agreed: int, not_agreed: int, neither: int) -> tuple[float, float, float]:
        counts = [agreed, not_agreed, neither]
        correct = np.repeat(np.array([[1, 1, 0], [1, 0, 0]], bool), counts, axis=1)
        draw = np.random.default_rng(0)
        return bootstrap.intervals(correct, draw)["true_positive_agreement"]

    for agreed, not_agreed in ((40, 0), (0, 12), (40, 4), (4, 40), (1, 0), (3, 3)):
        value, low, high = found(agreed, not_agreed, 7)
        union = agreed + not_agreed
        expected = stats.binomtest(agreed, union).proportion_ci(0.95, method="wilson")
        assert value == agreed / union
        assert (low, high) == pytest.approx((expected.low, expected.high), abs=1e-12)
        assert 0 <= low <= value <= high <= 1
        assert low < high
    _, low, high = found(40, 5, 7)  # the percentiles again: a resample has so many 45ths or so
    assert (low, high) != pytest.approx(bootstrap.wilson(40, 45), abs=1e-3)


def test_independent_members_are_at_nothing_and_identical_ones_at_one() -> None:
    rng = np.random.default_rng(4)
    zero = 0
    for _ in range(100):
        correct = rng.random((5, 2000)) < np.array([0.5, 0.6, 0.6, 0.7, 0.8])[:, None]
        _, low, high = bootstrap.intervals(correct, rng, resamples=200)["corrected_agreement"]
        zero += low <= 0 <= high
    assert zero >= 87  # 95 of 100, three and a half standard errors below
    same = (rng.random(2000) < 0.6)[None].repeat(5, 0)
    assert bootstrap.intervals(same, rng)["corrected_agreement"] == (1, 1, 1)
    assert bootstrap.intervals(same, rng)["error_consistency"] == (1, 1, 1)


@pytest.mark.parametrize("correct", [np.zeros((3, 0), bool), np.zeros((3, 5), bool)])
def test_what_is_not_defined_has_no_interval(correct: np.ndarray) -> None:
    found = bootstrap.intervals(correct, np.random.default_rng(0))
    assert all(math.isnan(x) for x in found["true_positive_agreement"])


def test_the_seed_and_the_epoch_decide() -> None:
    class Seen:
        def __init__(self, number: int) -> None:
            self.number = number
            self.correct = correlated(3, 60, 0)

    def table(seed: int, *epochs: int):
        tally = bootstrap.IntervalTally("train", resamples=50, seed=seed)
        for epoch in epochs:
            tally.add(Seen(epoch))  # type: ignore[arg-type]
        return tally.table()

    assert table(1, 3, 4).equals(table(1, 3, 4))
    assert table(1, 3, 4)[5:].reset_index(drop=True).equals(table(1, 4))
    assert not table(1, 3)["low"].equals(table(2, 3)["low"])
    assert not table(1, 3)["low"].equals(table(1, 4)["low"])
    assert seeds.generator(1, "intervals of train", epoch=3).random() != 0
