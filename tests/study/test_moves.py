"""What a statistic suggests of a factor, and what the factor does: one can be without the other."""

import numpy as np
import pandas as pd
import pytest
from scipy import stats
from statsmodels.api import OLS, add_constant

from jagree.study.correlation import COLUMNS, adjusted
from jagree.study.intervention import effect_table, outcome
from jagree.study.moves import MOVES, move_table
from jagree.study.ranks import learned_rank_correlation

LAST = 40
SIMULATIONS = 200
FACTORS = ("noise", "texture")

Made = tuple[dict[str, np.ndarray], dict[str, np.ndarray], np.ndarray, np.ndarray]


def made(seed: int, n: int = 400) -> Made:
    """Factors, statistics, when examples are learned, and classes.

    Noise delays learning by 6 epochs and raises the entropy; texture does nothing but raise the
    entropy. The class delays learning and raises `segments`, which no factor does.
    """
    rng = np.random.default_rng(seed)
    factors = {name: rng.random(n) for name in FACTORS}
    for value in factors.values():
        value[:2] = 0, 1  # so that the range is what it is
    classes = rng.integers(0, 3, n)
    values = {
        "entropy": 2 * factors["noise"] + factors["texture"] + 0.3 * rng.normal(size=n),
        "segments": classes + rng.normal(size=n),
    }
    learned = 5 + 6 * factors["noise"] + 4 * classes + 2 * rng.normal(size=n)
    return factors, values, learned, classes


def correlations_of(values: dict[str, np.ndarray], learned: np.ndarray) -> pd.DataFrame:
    rows = [
        {
            "statistic": name,
            "kind": kind,
            "coefficient": scale * learned_rank_correlation(value, learned, resamples=2).rho,
        }
        for name, value in values.items()
        for kind, scale in (("examples", 1.0), ("partial", 0.1))
    ]
    return pd.DataFrame(rows, columns=list(COLUMNS)).astype(COLUMNS | {"points": "float64"})


def table_of(made: Made, resamples: int = 200, last: int = LAST) -> pd.DataFrame:
    factors, values, learned, classes = made
    return move_table(
        "train",
        factors,
        values,
        learned,
        classes,
        last,
        correlations=correlations_of(values, learned),
        found=effect_table("train", factors, {}, learned, classes, last, resamples=resamples),
        resamples=resamples,
    )


def test_every_number_is_that_of_a_regression() -> None:
    factors, values, learned, classes = made(0)
    learned = np.where(learned > 15, np.nan, learned)
    values["segments"][:100] = np.nan  # not measured
    table = table_of((factors, values, learned, classes), last=15)
    assert dict(table.dtypes) == dict(pd.DataFrame(columns=list(MOVES)).astype(MOVES).dtypes)
    assert list(zip(table["factor"], table["statistic"], strict=True)) == [
        (factor, statistic) for factor in FACTORS for statistic in ("entropy", "segments")
    ]
    y = outcome(learned, 15)
    effects = effect_table("train", factors, {}, learned, classes, 15, resamples=200)
    effects = effects.set_index("factor")
    for row in table.itertuples():
        known = ~np.isnan(values[row.statistic])
        value = values[row.statistic][known]
        value = (value - value.mean()) / value.std()
        scaled = [(f[known] - f[known].min()) / np.ptp(f[known]) for f in factors.values()]
        dummies = [(classes == c)[known] for c in range(3)]
        fit = OLS(value, np.stack([*scaled, *dummies], -1).astype(float)).fit(cov_type="HC0")
        place = FACTORS.index(row.factor)
        assert row.coefficient == pytest.approx(fit.params[place], rel=1e-9)
        assert row.p == pytest.approx(fit.pvalues[place], abs=0.1)
        slope = OLS(y[known], add_constant(value)).fit().params[1]
        assert row.slope == pytest.approx(slope, rel=1e-9)
        assert row.suggested == pytest.approx(row.coefficient * row.slope, rel=1e-9)
        assert row.low < row.coefficient < row.high
        assert row.suggested_low < row.suggested < row.suggested_high
        assert (
            row.correlation
            == learned_rank_correlation(values[row.statistic], learned, resamples=2).rho
        )
        three = (row.effect, row.effect_low, row.effect_high)
        assert three == tuple(effects.loc[row.factor, ["effect", "low", "high"]])
        assert row.examples == known.sum()
    np.testing.assert_array_equal(table["p_adjusted"], adjusted(table["p"].to_numpy()))


def test_resamples_are_those_of_the_effects() -> None:
    """A statistic that is the outcome: suggested is its effect, drawn alike."""
    factors, values, learned, classes = made(3)
    table = table_of((factors, values | {"itself": learned}, learned, classes))
    row = table[(table["factor"] == "noise") & (table["statistic"] == "itself")].iloc[0]
    assert row["suggested"] == pytest.approx(row["effect"], rel=1e-9)
    assert row["suggested_low"] == pytest.approx(row["effect_low"], rel=1e-9)
    assert row["suggested_high"] == pytest.approx(row["effect_high"], rel=1e-9)


def test_what_is_correlated_by_way_of_others_is_suggested_but_has_no_effect() -> None:
    """Of 200 runs: texture raises the entropy, which goes with learning, and does nothing."""
    count = dict.fromkeys(("moved", "suggested", "effect", "segments", "correlated"), 0)
    inside = dict.fromkeys(("moved", "suggested"), 0)
    truth = table_of(made(0, 300_000), resamples=2).set_index(["factor", "statistic"])
    for seed in range(SIMULATIONS):
        table = table_of(made(seed)).set_index(["factor", "statistic"])
        row = table.loc["texture", "entropy"]
        count["moved"] += row["p_adjusted"] < 0.05
        count["suggested"] += row["suggested_low"] > 0
        count["effect"] += not row["effect_low"] <= 0 <= row["effect_high"]
        true = truth.loc["texture", "entropy"]
        inside["moved"] += row["low"] <= true["coefficient"] <= row["high"]
        inside["suggested"] += row["suggested_low"] <= true["suggested"] <= row["suggested_high"]
        # Segments go with learning by way of the class, and no factor moves them.
        row = table.loc["noise", "segments"]
        count["correlated"] += row["correlation"] > 0.2
        count["segments"] += row["p"] < 0.05
    assert count["moved"] == count["suggested"] == count["correlated"] == SIMULATIONS
    low, high = stats.binom.interval(0.999, SIMULATIONS, 0.05)
    assert low <= count["effect"] <= high, count
    assert low <= count["segments"] <= high, count
    low, high = stats.binom.interval(0.999, SIMULATIONS, 0.95)
    assert all(low <= number <= high for number in inside.values()), inside


def test_the_way_by_which_a_factor_works_suggests_its_effect() -> None:
    rng = np.random.default_rng(0)
    noise = rng.random(20_000)
    entropy = noise + 0.2 * rng.normal(size=20_000)
    learned = 5 + 6 * entropy + rng.normal(size=20_000)
    nothing = np.zeros(20_000, int)
    row = table_of(({"noise": noise}, {"entropy": entropy}, learned, nothing), 20).iloc[0]
    assert row["effect"] == pytest.approx(6, abs=0.2)
    assert row["suggested"] == pytest.approx(row["effect"], abs=0.1)


def test_what_does_not_vary_moves_nothing() -> None:
    factors, values, learned, classes = made(0, 60)
    numbers = ["coefficient", "low", "high", "p", "slope", "suggested", "suggested_low"]
    same = {"noise": np.full(60, 0.1), "texture": factors["texture"]}
    flat = values | {"flat": np.full(60, 0.1), "none": np.full(60, np.nan)}
    table = table_of((same, flat, learned, classes), 20).set_index(["factor", "statistic"])
    assert table.loc["noise", ["coefficient", "low", "p", "suggested"]].isna().all(axis=None)
    assert table.loc["texture"].loc[["flat", "none"], numbers].isna().all(axis=None)
    assert table.loc["texture"].loc[["entropy", "segments"], numbers].notna().all(axis=None)
    assert table.loc[("texture", "none"), "examples"] == 0
    never = np.full(60, np.nan)
    table = table_of((factors, values, never, classes), 20)
    assert table["coefficient"].notna().all()
    assert table[["slope", "suggested", "effect"]].isna().all(axis=None)


def test_factors_and_deviations_are_no_statistics() -> None:
    factors, values, learned, classes = made(0, 60)
    more = factors | values | {"edge_strength_se": learned}
    table = table_of((factors, more, learned, classes), 20)
    assert set(table["statistic"]) == {"entropy", "segments"}


def test_without_factors_or_statistics_there_is_no_row() -> None:
    factors, values, learned, classes = made(0, 60)
    for empty in ((factors, {}, learned, classes), ({}, values, learned, classes)):
        table = table_of(empty, 20)
        assert len(table) == 0
        assert list(table.columns) == list(MOVES)
