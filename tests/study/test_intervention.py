"""Effects of factors that were assigned at random: planted ones are found, with their size."""

import math

import numpy as np
import pytest
from scipy import stats
from statsmodels.api import OLS

from jagree.study.intervention import EFFECTS, dose_groups, effect_table, outcome, response_table

LAST = 30
SIMULATIONS = 200
PLANTED = {"noise": 8.0, "clutter": 3.0, "size": -4.0, "nothing": 0.0}  # epochs, least to most


def planted(
    seed: int, n: int = 1500, last: int = LAST
) -> tuple[dict[str, np.ndarray], np.ndarray, np.ndarray]:
    """Factors, when examples are learned, and their classes, which matter too."""
    rng = np.random.default_rng(seed)
    factors = {
        "noise": rng.uniform(0, 55, n),
        "clutter": rng.integers(0, 17, n).astype(float),
        "size": rng.uniform(15, 22, n),
        "nothing": rng.uniform(-1, 1, n),
    }
    ends = {"noise": (0, 55), "clutter": (0, 16), "size": (15, 22), "nothing": (-1, 1)}
    for name, two in ends.items():
        factors[name][:2] = two  # so that the range is what it is
    classes = rng.integers(0, 4, n)
    epoch = 12 + classes + 2 * rng.normal(size=n)
    for name, effect in PLANTED.items():
        least, most = factors[name].min(), factors[name].max()
        epoch += effect * (factors[name] - least) / (most - least)
    return factors, np.where(epoch > last, np.nan, epoch), classes


def test_effects_are_those_of_a_regression_on_all_factors() -> None:
    factors, learned, classes = planted(0)
    table = effect_table("train", factors, {"noise": "grey levels"}, learned, classes, LAST)
    assert list(table.columns) == list(EFFECTS)
    assert list(table["factor"]) == list(factors)
    assert list(table["units"]) == ["grey levels", "", "", ""]
    scaled = [(v - v.min()) / np.ptp(v) for v in factors.values()]
    design = np.stack([*scaled, *(classes == c for c in range(4))], -1).astype(float)
    fit = OLS(outcome(learned, LAST), design).fit(cov_type="HC0")
    np.testing.assert_allclose(table["effect"], fit.params[:4], rtol=1e-8)
    width = (table["high"] - table["low"]) / (2 * 1.96)
    np.testing.assert_allclose(width, fit.bse[:4], rtol=0.15)  # 400 resamples
    assert (table["never"] == np.isnan(learned).mean()).all()
    assert (table.loc[:2, "p_adjusted"] < 1e-3).all()
    assert table.loc[3, "p"] == pytest.approx(fit.pvalues[3], abs=0.1)


def often(seeds: int, chance: float) -> tuple[int, int]:
    """Between which counts 99.9 % of draws of so many lie."""
    low, high = stats.binom.interval(0.999, seeds, chance)
    return int(low), int(high)


def test_planted_effects_are_in_their_intervals_as_often_as_they_should() -> None:
    inside = dict.fromkeys(PLANTED, 0)
    found_at_random = 0
    for seed in range(SIMULATIONS):
        factors, learned, classes = planted(seed, 400, last=99)  # all are learned
        table = effect_table("train", factors, {}, learned, classes, 99, resamples=200)
        table = table.set_index("factor")
        for name, effect in PLANTED.items():
            inside[name] += table.loc[name, "low"] <= effect <= table.loc[name, "high"]
        found_at_random += table.loc["nothing", "p"] < 0.05
    low, high = often(SIMULATIONS, 0.95)
    assert all(low <= count <= high for count in inside.values()), inside
    low, high = often(SIMULATIONS, 0.05)
    assert low <= found_at_random <= high


def test_where_many_are_never_learned_the_effect_is_that_on_the_outcome_cut_off() -> None:
    factors, learned, classes = planted(1, 200_000, last=18)
    assert 0.2 < np.isnan(learned).mean() < 0.4
    truth = effect_table("train", factors, {}, learned, classes, 18, resamples=2)["effect"]
    for name, effect in zip(PLANTED, truth, strict=True):
        assert abs(effect) < max(0.9 * abs(PLANTED[name]), 0.1), name  # smaller than on time
    inside = np.zeros(len(PLANTED), int)
    for seed in range(SIMULATIONS):
        factors, learned, classes = planted(seed, 400, last=18)
        table = effect_table("train", factors, {}, learned, classes, 18, resamples=200)
        inside += (table["low"] <= truth) & (truth <= table["high"])
    low, high = often(SIMULATIONS, 0.95)
    assert ((low <= inside) & (inside <= high)).all(), inside


def test_adjusted_for_the_number_of_factors_few_runs_find_any_of_ten_that_do_nothing() -> None:
    plain = after = 0
    for seed in range(SIMULATIONS):
        rng = np.random.default_rng(seed)
        factors = {str(f): rng.random(150) for f in range(10)}
        learned, classes = rng.integers(1, 9, 150).astype(float), rng.integers(0, 3, 150)
        table = effect_table("train", factors, {}, learned, classes, 9, resamples=100)
        plain += table["p"].min() < 0.05
        after += table["p_adjusted"].min() < 0.05
    assert plain > 0.3 * SIMULATIONS  # 1 - 0.95 ** 10 is 0.4
    assert after <= often(SIMULATIONS, 0.07)[1]  # the p of a finite bootstrap is a bit too small


def test_never_counts_as_the_epoch_after_the_last() -> None:
    assert outcome(np.array([3.0, np.nan]), 9).tolist() == [3.0, 10.0]


def test_a_factor_that_does_not_vary_has_no_effect_to_tell() -> None:
    rng = np.random.default_rng(0)
    factors = {"same": np.full(50, 3.0), "varies": rng.random(50)}
    table = effect_table("train", factors, {}, rng.random(50), np.zeros(50, int), 5, resamples=20)
    assert math.isnan(table.loc[0, "effect"])
    assert math.isnan(table.loc[0, "p_adjusted"])
    assert not math.isnan(table.loc[1, "effect"])
    assert (table["least"].iloc[0], table["most"].iloc[0]) == (3, 3)


def test_an_outcome_that_does_not_vary_has_no_effect() -> None:
    factors, _, classes = planted(0, 50)
    for learned in (np.full(50, np.nan), np.full(50, 3.0)):
        table = effect_table("train", factors, {}, learned, classes, 9, resamples=20)
        assert table[["effect", "low", "high", "p", "p_adjusted"]].isna().all(axis=None)
        assert (table["never"] == np.isnan(learned).mean()).all()


def test_examples_must_be_more_than_what_is_estimated_of_them() -> None:
    for n, told in ((8, False), (9, True)):  # four factors and four classes
        factors, learned, _ = planted(0, n)
        table = effect_table("train", factors, {}, learned, np.arange(n) % 4, LAST, resamples=20)
        assert table["effect"].notna().all() == told
        assert table["low"].notna().all() == told


def test_a_class_of_one_example_changes_no_effect() -> None:
    factors, learned, classes = planted(0, 200)
    before = effect_table("train", factors, {}, learned, classes, LAST, resamples=20)
    more = {name: np.append(value, value[0]) for name, value in factors.items()}
    args = (np.append(learned, 29.0), np.append(classes, 4), LAST)
    after = effect_table("train", more, {}, *args, resamples=20)
    np.testing.assert_allclose(after["effect"], before["effect"], rtol=1e-9)


def test_without_examples_or_factors_there_are_no_effects() -> None:
    nothing = np.zeros(0)
    table = effect_table("train", {"x": nothing}, {}, nothing, nothing.astype(int), 5)
    assert table["effect"].isna().all()
    assert len(effect_table("train", {}, {}, np.ones(3), np.zeros(3, int), 5)) == 0
    assert len(response_table("train", {"x": nothing}, {}, nothing, 5)) == 0


def test_responses_are_means_of_groups() -> None:
    factors, learned, _ = planted(1, 803)
    table = response_table("test", factors, {"size": "pixels"}, learned, LAST, doses=5)
    y = outcome(learned, LAST)
    noise = table[table["factor"] == "noise"]
    assert len(noise) == 5
    assert noise["examples"].between(160, 162).all()
    assert noise["epoch"].is_monotonic_increasing
    for row in table.itertuples():
        value = factors[row.factor]
        here = (value >= row.dose_low) & (value <= row.dose_high)
        assert here.sum() == row.examples
        assert row.dose == pytest.approx(value[here].mean())
        assert row.epoch == pytest.approx(y[here].mean())
        assert row.never == np.isnan(learned[here]).mean()
        reach = 1.96 * y[here].std() / math.sqrt(here.sum())
        assert row.high - row.epoch == pytest.approx(reach, rel=0.03)


@pytest.mark.parametrize("doses", [1, 3, 8])
def test_groups_hold_equal_values_and_are_about_equal(doses: int) -> None:
    value = np.random.default_rng(0).normal(size=1000)
    sizes = np.bincount(dose_groups(value, doses))
    assert len(sizes) == doses
    assert sizes.max() - sizes.min() <= 1
    tied = np.array([0.0] * 900 + list(range(1, 101)))
    groups = dose_groups(tied, doses)
    assert len(set(groups[:900].tolist())) == 1
    assert set(groups.tolist()) == set(range(groups.max() + 1))
