"""The paper's correlation and its interval: against curves of examples drawn one by one."""

import math
from types import SimpleNamespace

import numpy as np
import pytest

from jagree.study import history
from jagree.study.curves import metric_curve, pearson
from jagree.study.history import CurveCorrelation, History, HistoryTally


def learned(epochs: int, members: int, examples: int, seed: int) -> tuple[np.ndarray, dict]:
    """Correctness [E, K, N] of members that learn low values of one statistic first."""
    rng = np.random.default_rng(seed)
    clutter = rng.normal(size=examples)
    when = clutter + rng.normal(size=(members, examples))
    time = np.linspace(-2, 2, epochs)[:, None, None]
    correct = time + 0.5 * rng.normal(size=(epochs, members, examples)) > when
    sparse = np.where(rng.random(examples) < 0.3, np.nan, rng.normal(size=examples) + 100)
    return correct, {"clutter": clutter, "sparse": sparse}


def tallied(correct: np.ndarray) -> HistoryTally:
    tally = HistoryTally()
    for number, right in enumerate(correct, 1):
        tally.add(SimpleNamespace(number=number, correct=right, agreed=right.all(0)))  # type: ignore[arg-type]
    return tally


def of_examples(correct: np.ndarray, value: np.ndarray) -> float:
    agreed = correct.all(1)
    agreement = agreed.sum(1) / np.maximum(correct.any(1).sum(1), 1)
    agreement[~correct.any((1, 2))] = np.nan
    return pearson(agreement, metric_curve(agreed, value)).r


@pytest.mark.parametrize("block", [8, 64, 1 << 14])
def test_r_is_that_of_the_curves(block: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(history, "BLOCK", block)
    correct, values = learned(12, 3, 203, 0)
    tally = tallied(correct)
    assert tally.epochs == list(range(1, 13))
    some = [2, 3, 5, 7, 8, 11]
    found = tally.of(some).correlations(values, resamples=5)
    for name, value in values.items():
        expected = of_examples(correct[some], value)
        assert found[name].paper.r == pytest.approx(expected, abs=1e-5)
        assert found[name].paper.points == 6


@pytest.mark.parametrize("block", [8, 1 << 14])
def test_the_interval_is_that_of_examples_drawn_anew(
    block: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(history, "BLOCK", block)
    correct, values = learned(10, 2, 150, 1)
    found = tallied(correct).of(range(10)).correlations(values, resamples=2000)
    rng = np.random.default_rng(0)
    for name, value in values.items():
        drawn = []
        for _ in range(1000):
            some = rng.integers(0, 150, 150)
            drawn.append(of_examples(correct[..., some], value[some]))
        low, high = np.quantile(drawn, [0.025, 0.975])
        tolerance = 0.12 * (high - low)  # both have some error
        assert (found[name].low, found[name].high) == pytest.approx((low, high), abs=tolerance)


def test_every_example_is_drawn_as_often_as_any_other(monkeypatch: pytest.MonkeyPatch) -> None:
    weights = history._Weights(50, 4000, 0)
    drawn = np.concatenate([weights.next(size) for size in (16, 16, 16, 2)], 1)
    assert (drawn[0] == 1).all()
    assert (drawn[1:].sum(1) == 50).all()
    np.testing.assert_allclose(drawn[1:].mean(0), 1, atol=0.08)  # five standard errors
    np.testing.assert_allclose(drawn[1:].var(0), 1 - 1 / 50, atol=0.15)
    pairs = np.corrcoef(drawn[1:].T)[np.triu_indices(50, 1)]
    assert abs(pairs.mean() + 1 / 49) < 0.002  # as of a multinomial


def test_rows_are_correlated_as_curves_are() -> None:
    rng = np.random.default_rng(2)
    one, other = rng.normal(size=(2, 40, 7))
    one[rng.random((40, 7)) < 0.4] = np.nan
    other[rng.random((40, 7)) < 0.2] = np.nan
    one[0], other[1] = 3.0, 1 / 3
    found = history._pearson_of_rows(one, other)
    expected = [pearson(a, b).r for a, b in zip(one, other, strict=True)]
    np.testing.assert_allclose(found, expected, rtol=1e-9)
    assert np.isnan(found[:2]).all()


def test_without_epochs_or_values_there_is_no_r() -> None:
    correct, values = learned(4, 2, 30, 3)
    tally = tallied(correct)
    for found in (
        tally.of([]).correlations(values, resamples=3),
        tally.of(range(4)).correlations({"none": np.full(30, np.nan)}, resamples=3),
        tally.of(range(4)).correlations({"same": np.full(30, 7.0)}, resamples=3),
    ):
        for one in found.values():
            assert isinstance(one, CurveCorrelation)
            assert math.isnan(one.paper.r)
            assert math.isnan(one.low)
    empty = History(np.zeros((2, 0), np.uint8), np.zeros((2, 0), np.uint8), 0)
    assert math.isnan(empty.correlations({"x": np.zeros(0)}, resamples=3)["x"].paper.r)


def test_the_seed_decides() -> None:
    correct, values = learned(8, 2, 80, 4)
    whole = tallied(correct).of(range(8))
    assert whole.correlations(values, seed=1) == whole.correlations(values, seed=1)
    one, other = (whole.correlations(values, seed=s)["clutter"] for s in (1, 2))
    assert one.paper == other.paper
    assert one.low != other.low


def test_some_epochs_of_all_are_as_if_the_others_were_not_there() -> None:
    correct, values = learned(10, 2, 150, 5)
    tally = tallied(correct)
    some = tally.of(range(10)).resampled(values, resamples=20).correlations([1, 4, 5, 9])
    alone = tally.of([1, 4, 5, 9]).correlations(values, resamples=20)
    for name, found in alone.items():
        assert some[name].paper.r == pytest.approx(found.paper.r, rel=1e-9)
        assert (some[name].low, some[name].high) == pytest.approx((found.low, found.high), rel=1e-5)
        assert some[name].paper.points == 4
