"""Effects of factors that were assigned at random: planted ones are found, with their size."""

import math

import numpy as np
import pytest
from scipy import stats
from statsmodels.api import OLS

from jagree.study.intervention import (
    EFFECTS,
    dose_groups,
    effect_table,
    outcome,
    p_of_any_response,
    response_table,
)

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
        columns = ["effect", "low", "high", "p", "p_adjusted", "p_any"]
        assert table[columns].isna().all(axis=None)
        assert (table["never"] == np.isnan(learned).mean()).all()


def test_examples_must_be_more_than_what_is_estimated_of_them() -> None:
    for n, told, sure in ((8, False, False), (9, True, False), (60, True, True)):
        factors, learned, _ = planted(0, n)  # four factors and four classes
        table = effect_table("train", factors, {}, learned, np.arange(n) % 4, LAST, resamples=20)
        assert table["effect"].notna().all() == told
        for column in ("low", "high", "p"):  # few draws of 9 have as many different examples
            assert (table[column].notna() == sure).all()


def test_factors_that_cannot_be_told_apart_have_no_effect_to_tell() -> None:
    factors, learned, classes = planted(2, 300)
    plain = effect_table("train", factors, {}, learned, classes, LAST, resamples=20)
    more = factors | {"again": 100 - 3 * factors["noise"], "class": classes.astype(float)}
    table = effect_table("train", more, {}, learned, classes, LAST, resamples=20)
    table = table.set_index("factor")
    unknown = ["effect", "low", "high", "p", "p_adjusted"]
    for name in ("noise", "again", "class"):
        assert table.loc[name, unknown].isna().all(), name
    assert table.loc[["noise", "again"], "p_any"].max() < 1e-6
    assert math.isnan(table.loc["class", "p_any"])
    without = {name: value for name, value in factors.items() if name != "noise"}
    rest = effect_table("train", without | {"again": more["again"]}, {}, learned, classes, LAST)
    np.testing.assert_allclose(
        table.loc[list(without), "effect"], plain["effect"].iloc[1:], rtol=1e-8
    )
    np.testing.assert_allclose(table.loc[list(without), "low"], plain["low"].iloc[1:], rtol=1e-8)
    assert rest["effect"].notna().all()


@pytest.mark.parametrize(("examples", "told"), [(1, True), (2, True), (0, False)])
def test_resamples_without_a_rare_factor_do_not_count(examples: int, told: bool) -> None:
    """One example in 200 is in 63 % of the resamples; none of them says its effect is zero."""
    rng = np.random.default_rng(3)
    rare = np.zeros(200)
    rare[:examples] = 1
    learned = 5 + 10 * rare + 0.1 * rng.normal(size=200)
    factors = {"rare": rare, "dose": rng.random(200)}
    table = effect_table("train", factors, {}, learned, np.zeros(200, int), 99)
    assert table["low"].notna().tolist() == [told, True]
    if told:
        assert table.loc[0, "effect"] == pytest.approx(10, abs=0.5)
        assert 9 < table.loc[0, "low"] <= table.loc[0, "effect"] <= table.loc[0, "high"] < 11


def test_where_fewer_than_half_of_the_resamples_remain_there_is_no_interval() -> None:
    """A factor that varies in a class of two: both are in 0.63 * 0.63 = 40 % of the resamples."""
    rng = np.random.default_rng(4)
    classes = np.repeat([0, 1], [198, 2])
    odd = np.zeros(200)
    odd[198] = 1
    factors = {"odd": odd, "dose": rng.random(200)}
    table = effect_table("train", factors, {}, rng.random(200) + odd, classes, 9)
    assert table["effect"].notna().all()
    assert table[["low", "high", "p"]].notna().all(axis=1).tolist() == [False, True]


def test_any_response_is_the_f_test_of_groups_given_the_class() -> None:
    factors, learned, classes = planted(5, 300)
    table = effect_table("train", factors, {}, learned, classes, LAST, resamples=20)
    y = outcome(learned, LAST)
    of_class = np.stack([classes == c for c in range(4)], -1).astype(float)
    for name, p in zip(table["factor"], table["p_any"], strict=True):
        group = dose_groups(factors[name], 8)
        of_group = np.stack([group == g for g in range(1, 8)], -1).astype(float)
        whole = OLS(y, np.column_stack([of_class, of_group])).fit()
        assert p == pytest.approx(whole.compare_f_test(OLS(y, of_class).fit())[1], rel=1e-6)
    assert p > 1e-6


def test_a_response_that_falls_and_rises_is_found_by_any_response_alone() -> None:
    by_line = by_any = 0
    for seed in range(SIMULATIONS):
        rng = np.random.default_rng(seed)
        dose, classes = rng.random(400), rng.integers(0, 4, 400)
        learned = 10 + classes + 16 * (dose - 0.5) ** 2 + 2 * rng.normal(size=400)
        table = effect_table("train", {"dose": dose}, {}, learned, classes, 99, resamples=100)
        by_line += table.loc[0, "p"] < 0.05
        by_any += table.loc[0, "p_any"] < 0.05
    assert by_line <= often(SIMULATIONS, 0.1)[1]
    assert by_any >= 0.9 * SIMULATIONS


@pytest.mark.parametrize("last", [99, 9])
def test_what_does_nothing_has_a_response_as_often_as_it_should(last: int) -> None:
    """Few values or many, of classes that matter and differ in spread, cut off at the end."""
    found = {"line": 0, "few": 0, "skewed": 0}
    for seed in range(SIMULATIONS):
        rng = np.random.default_rng(seed)
        classes = rng.integers(0, 4, 200)
        epoch = 5 + classes + (1 + classes) * rng.normal(size=200)
        y = outcome(np.where(epoch > last, np.nan, np.round(epoch)), last)
        skewed = np.round(rng.exponential(size=200))
        doses = {"line": rng.random(200), "few": rng.integers(0, 3, 200), "skewed": skewed}
        for name, dose in doses.items():
            found[name] += p_of_any_response(dose, y, classes) < 0.05
    low, high = often(SIMULATIONS, 0.05)
    assert all(low <= count <= high for count in found.values()), found


def test_degenerate_responses_have_no_p() -> None:
    dose, classes = np.arange(6.0), np.array([0, 0, 0, 1, 1, 1])
    assert math.isnan(p_of_any_response(dose, classes * 2.0, classes))  # nothing but the class
    assert math.isnan(p_of_any_response(classes * 1.0, dose, classes))  # the class is the dose
    assert math.isnan(p_of_any_response(dose, dose**2, classes))  # six examples, six groups
    assert math.isnan(p_of_any_response(dose[:0], dose[:0], classes[:0]))
    two = np.array([0.0, 1, 0, 1, 0, 1])
    assert p_of_any_response(two, classes + two, classes) == 0  # all is told by the dose


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
