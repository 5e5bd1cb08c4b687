"""Rank correlation over examples: against SciPy, resample by resample."""

import doctest
import math
import time

import numpy as np
import pytest
from scipy import stats
from statsmodels.api import OLS

from jagree import seeds
from jagree.seeds import generator
from jagree.study import ranks
from jagree.study.ranks import RankCorrelation, learned_rank_correlation, rank_correlations


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


# --- within class and partial -------------------------------------------------------------------
def planted(seed: int, n: int = 240) -> tuple[dict[str, np.ndarray], np.ndarray, np.ndarray]:
    """Statistics, of which one lacks values, when examples are learned, and their classes."""
    rng = np.random.default_rng(seed)
    classes = rng.integers(-1, 3, n) * 5
    clutter = rng.normal(size=n) + 0.1 * classes
    values = {
        "clutter": np.round(clutter, 1),
        "edges": np.round(clutter + 0.5 * rng.normal(size=n), 2),
        "chance": rng.normal(size=n),
        "rare": np.where(rng.random(n) < 0.4, np.nan, clutter),
    }
    epoch = np.clip(np.round(6 + clutter + 0.2 * classes + rng.normal(size=n)), 1, 12)
    epoch[rng.integers(0, n, 30)] = np.nan
    return values, epoch, classes


CONTROLS = {"clutter": ("edges", "chance"), "edges": ("clutter", "rare"), "rare": ("clutter",)}


def residuals(rank: np.ndarray, classes: np.ndarray, others: list[np.ndarray]) -> np.ndarray:
    design = np.stack([*(classes == c for c in np.unique(classes)), *others], -1).astype(float)
    return OLS(rank, design).fit().resid


@pytest.mark.parametrize("seed", range(3))
def test_each_is_its_definition(seed: int) -> None:
    values, epoch, classes = planted(seed)
    found = rank_correlations(values, epoch, classes, controls=CONTROLS, resamples=3)
    assert list(found) == list(values)
    assert found["edges"].controls == ("clutter",)  # the other lacks examples
    assert found["chance"].controls == ()
    for name, value in values.items():
        known = ~np.isnan(value)
        x, c = value[known], classes[known]
        y = np.where(np.isnan(epoch), 99, epoch)[known]
        plain = stats.spearmanr(x, y)
        assert found[name].plain.rho == pytest.approx(plain.statistic, rel=1e-12)
        assert found[name].plain.p == pytest.approx(plain.pvalue, rel=1e-9)
        assert found[name].plain.examples == len(x)
        pooled = np.zeros((2, len(x)))
        for one in np.unique(c):
            here = c == one
            for row, column in zip(pooled, (x, y), strict=True):
                rank = stats.rankdata(column[here])
                row[here] = (rank - rank.mean()) / here.sum()
        rho = stats.pearsonr(*pooled).statistic
        assert found[name].within_class.rho == pytest.approx(rho, rel=1e-9)
        others = [stats.rankdata(values[control][known]) for control in found[name].controls]
        left = [residuals(stats.rankdata(column), c, others) for column in (x, y)]
        rho = stats.pearsonr(*left).statistic
        assert found[name].partial.rho == pytest.approx(rho, rel=1e-9)


def test_p_is_by_the_deviation_over_resamples() -> None:
    values, epoch, classes = planted(0)
    names = {"clutter": values["clutter"], "edges": values["edges"]}
    controls = {"clutter": ("edges",)}
    found = rank_correlations(names, epoch, classes, controls=controls, resamples=50, seed=4)
    y = np.where(np.isnan(epoch), 99, epoch)
    draw = generator(4, "bootstrap of examples")
    drawn = []
    for _ in range(50):
        one = draw.integers(0, len(y), len(y))
        again = {name: value[one] for name, value in names.items()}
        sample = rank_correlations(again, y[one], classes[one], controls=controls, resamples=1)
        drawn.append([sample["clutter"].within_class.rho, sample["clutter"].partial.rho])
    error = np.std(drawn, axis=0, ddof=1)
    three = found["clutter"]
    freedom = len(y) - 1 - len(np.unique(classes))
    for rank, sd, free in (
        (three.within_class, error[0], freedom),
        (three.partial, error[1], freedom - 1),
    ):
        assert rank.p == pytest.approx(2 * stats.t.sf(abs(rank.rho) / sd, free), rel=1e-6)


def test_classes_in_which_nothing_varies_make_nothing_clear() -> None:
    """Half of the classes decide; 200 sets in which nothing goes with learning within a class."""
    rng = np.random.default_rng(3)
    classes = np.arange(300) % 10
    clear = np.zeros(2)
    usual = 0
    for seed in range(200):
        x, w = rng.normal(size=(2, 300))
        epoch = rng.integers(1, 20, 300).astype(float)
        x[classes >= 5], epoch[classes >= 5] = 0, np.nan
        three = rank_correlations(
            {"x": x, "w": w}, epoch, classes, controls={"x": ("w",)}, resamples=100, seed=seed
        )["x"]
        clear += [three.within_class.p < 0.05, three.partial.p < 0.05]
        rho, freedom = three.within_class.rho, 300 - 11
        usual += 2 * stats.t.sf(abs(rho) * math.sqrt(freedom / (1 - rho**2)), freedom) < 0.05
    low, high = stats.binom(200, 0.05).ppf([0.0005, 0.9995])
    assert (low <= clear).all()
    assert (clear <= high).all()
    assert usual > high  # what all examples as degrees of freedom would have said


def test_intervals_are_those_of_examples_drawn_anew() -> None:
    values, epoch, classes = planted(3)
    values.pop("rare")
    controls = {"clutter": ("edges", "chance")}
    found = rank_correlations(values, epoch, classes, controls=controls, resamples=40, seed=2)
    draw = seeds.generator(2, "bootstrap of examples")
    drawn = []
    for _ in range(40):
        some = draw.integers(0, len(epoch), len(epoch))
        again = {name: value[some] for name, value in values.items()}
        one = rank_correlations(again, epoch[some], classes[some], controls=controls, resamples=1)
        drawn.append([one["clutter"].plain, one["clutter"].within_class, one["clutter"].partial])
    three = (found["clutter"].plain, found["clutter"].within_class, found["clutter"].partial)
    for q, interval in enumerate(three):
        expected = np.quantile([row[q].rho for row in drawn], [0.025, 0.975])
        assert (interval.low, interval.high) == pytest.approx(tuple(expected), rel=1e-9)


def test_what_classes_explain_is_gone_within_them() -> None:
    rng = np.random.default_rng(0)
    classes = rng.integers(0, 10, 4000)
    value, epoch = (classes + 0.3 * rng.normal(size=4000) for _ in "12")
    found = rank_correlations({"x": value}, epoch, classes, controls={})["x"]
    assert found.plain.rho > 0.9
    assert found.within_class.sign == found.partial.sign == 0


def test_what_another_statistic_explains_is_gone_given_it() -> None:
    rng = np.random.default_rng(1)
    cause = rng.normal(size=4000)
    values = {"cause": cause, "shadow": cause + rng.normal(size=4000)}
    epoch, classes = cause + rng.normal(size=4000), np.zeros(4000, int)
    controls = {"cause": ("shadow",), "shadow": ("cause",)}
    found = rank_correlations(values, epoch, classes, controls=controls)
    assert found["shadow"].plain.rho == pytest.approx(found["shadow"].within_class.rho)  # 1 class
    assert found["shadow"].plain.rho > 0.4
    # Ranks of a normal variable leave a little of it.
    assert abs(found["shadow"].partial.rho) < 0.06
    assert found["cause"].partial.rho > 0.4


def test_a_copy_of_a_control_has_nothing_left() -> None:
    rng = np.random.default_rng(2)
    value, epoch = rng.normal(size=300), rng.normal(size=300)
    values = {"one": value, "same": 3 * value, "class": np.arange(300.0) // 100}
    classes = np.arange(300) // 100
    controls = {"one": ("same",), "class": ("one", "same")}
    found = rank_correlations(values, epoch, classes, controls=controls, resamples=5)
    assert math.isnan(found["one"].partial.rho)
    assert math.isnan(found["one"].partial.p)
    assert math.isnan(found["class"].within_class.rho)
    assert math.isnan(found["class"].partial.rho)
    assert not math.isnan(found["class"].plain.rho)
    assert not math.isnan(found["same"].partial.rho)


def test_without_examples_there_is_no_value() -> None:
    nothing = np.zeros(0)
    found = rank_correlations({"x": nothing}, nothing, nothing.astype(int), controls={})["x"]
    for one in (found.plain, found.within_class, found.partial):
        assert math.isnan(one.rho)
        assert math.isnan(one.low)
        assert one.examples == 0
