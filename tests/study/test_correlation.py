"""The table of correlations on records whose truth is known."""

import math
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from scipy import stats
from statsmodels.stats.multitest import multipletests

from jagree.study import agreement_table
from jagree.study.correlation import COLUMNS, KINDS, adjusted, controls_of, correlation_table
from jagree.study.curves import metric_curve, pearson
from jagree.study.epochs import walk
from jagree.study.history import HistoryTally
from jagree.study.order import OrderTally
from jagree.study.ranks import rank_correlations
from tests.study.records import write


class Both:
    """History and order of the same epochs."""

    def __init__(self) -> None:
        self.history, self.order = HistoryTally(), OrderTally()

    def add(self, epoch) -> None:
        self.history.add(epoch)
        self.order.add(epoch.number, epoch.correct)


def simulated(
    path: Path, effect: float, seed: int, *, epochs: int = 14, members: int = 3, examples: int = 400
) -> tuple[pd.DataFrame, dict[str, np.ndarray], dict]:
    """The table of a record in which `entropy` delays learning by so much, and `segments` nothing.

    Each example has a difficulty that members share in part; classes differ in it.
    """
    rng = np.random.default_rng(seed)
    label = rng.integers(0, 3, examples)
    values = {
        "entropy": rng.normal(size=examples) + 0.5 * label,
        "segments": rng.normal(size=examples),
        "dct_share": np.where(rng.random(examples) < 0.1, np.nan, rng.normal(size=examples)),
    }
    difficulty = effect * values["entropy"] + 0.3 * label + rng.normal(size=examples)
    when = 7 + 2 * (difficulty + 0.5 * rng.normal(size=(members, examples)))
    at = np.arange(1, epochs + 1)
    right = at[:, None, None] + 0.5 * rng.normal(size=(epochs, members, examples)) > when
    predictions = np.where(right, label, (label + 1) % 3)
    record = write(path, {"train": label}, {"train": predictions}, epochs=list(at))
    both = Both()
    walk(record["train"], both)
    table = correlation_table(
        "train",
        values,
        {"entropy": "bit"},
        history=both.history,
        agreement=agreement_table(record),
        learned=both.order.result().agreed_for_good,
        classes=label,
        resamples=60,
    )
    return table, values, {"right": right, "order": both.order.result(), "label": label}


def true_correlation(effect: float) -> float:
    """The same process in 100,000 examples of one class, and SciPy's rank correlation."""
    rng = np.random.default_rng(0)
    entropy = rng.normal(size=100_000)
    difficulty = effect * entropy + rng.normal(size=100_000)
    when = 7 + 2 * (difficulty + 0.5 * rng.normal(size=(3, 100_000)))
    since = np.full(100_000, 15)  # never, or not for good
    for epoch in range(14, 0, -1):
        agreed = (epoch + 0.5 * rng.normal(size=(3, 100_000)) > when).all(0)
        since = np.where(agreed & (since == epoch + 1), epoch, since)
    # Who is not agreed on in the last epoch is not agreed on for good.
    return float(stats.spearmanr(entropy, since).statistic)


def test_a_row_per_statistic_and_kind(tmp_path: Path) -> None:
    table, values, truth = simulated(tmp_path, 0.8, 0)
    assert dict(table.dtypes.astype(str)) == COLUMNS | dict.fromkeys(
        [k for k, v in COLUMNS.items() if v == "str"], str(pd.Series(["x"], dtype="str").dtype)
    )
    assert list(table["kind"]) == [*KINDS] * 3
    assert list(table["statistic"]) == [name for name in values for _ in KINDS]
    rows = table.set_index(["statistic", "kind"])
    assert rows.loc[("entropy", "examples"), "units"] == "bit"
    assert rows.loc[("segments", "examples"), "units"] == ""
    assert rows.loc[("entropy", "partial"), "controls"] == "segments"  # dct_share lacks examples
    assert rows.loc[("dct_share", "partial"), "controls"] == "entropy segments"
    agreed = truth["right"].all(1)
    agreement = agreed.sum(1) / truth["right"].any(1).sum(1)
    for kind, level in (("curves_v1", truth["right"].mean((1, 2))), ("curves_v2", agreement)):
        shown = (np.arange(1, 15) >= 6) & (level >= 0.2)
        r = pearson(agreement[shown], metric_curve(agreed, values["entropy"])[shown])
        row = rows.loc[("entropy", kind)]
        assert row["coefficient"] == pytest.approx(r.r, abs=1e-5)
        assert row["p"] == pytest.approx(r.p, rel=1e-2)
        assert row["points"] == shown.sum()
        assert math.isnan(row["p_adjusted"])
    direct = rank_correlations(
        values,
        truth["order"].agreed_for_good,
        truth["label"],
        controls={name: controls_of(name, list(values)) for name in values},
        resamples=60,
    )
    for name in values:
        found = direct[name]
        kinds = zip(KINDS[2:], (found.plain, found.within_class, found.partial), strict=True)
        for kind, one in kinds:
            row = rows.loc[(name, kind)]
            assert (row["coefficient"], row["low"], row["high"]) == (one.rho, one.low, one.high)
            assert (row["p"], row["points"]) == (one.p, one.examples)


def test_a_planted_correlation_is_found_with_its_size_and_a_null_one_is_not(tmp_path: Path) -> None:
    for effect in (0.0, 0.8, -0.8):
        table, _, _ = simulated(tmp_path / str(effect), effect, 5, examples=1500)
        rows = table.set_index(["statistic", "kind"])
        truth = true_correlation(effect)
        assert abs(truth) > 0.3 or effect == 0
        for kind in ("within_class", "partial"):
            row = rows.loc[("entropy", kind)]
            # The standard error of 1500 examples is 0.026 at most; four of them.
            assert row["coefficient"] == pytest.approx(truth, abs=0.1)
            assert (row["low"] <= 0 <= row["high"]) == (effect == 0)
            assert (row["p_adjusted"] < 0.05) == (effect != 0)
            null = rows.loc[("segments", kind)]
            assert abs(null["coefficient"]) < 0.1
    # Entropy and difficulty both rise with the class: among all examples they go together a bit.
    null = simulated(tmp_path / "null", 0.0, 6, examples=1500)[0].set_index(["statistic", "kind"])
    assert null.loc[("entropy", "examples"), "low"] > 0
    assert null.loc[("entropy", "within_class"), "low"] < 0


def test_controls_are_the_papers_statistics_but_the_same_by_other_means() -> None:
    known = ["entropy", "entropy_uint8", "segments", "gradient_strength", "clutter", "dct_share"]
    assert controls_of("entropy_uint8", known) == ("segments", "dct_share")
    assert controls_of("gradient_strength", known) == ("entropy", "segments", "dct_share")
    assert controls_of("clutter", known) == ("entropy", "segments", "dct_share")


def test_p_is_adjusted_among_the_statistics_of_a_kind(tmp_path: Path) -> None:
    table = simulated(tmp_path, 0.15, 3)[0]
    ranks = table[~table["kind"].str.startswith("curves")]
    for kind, rows in ranks.groupby("kind"):
        assert len(rows) == 3, kind
        expected = multipletests(rows["p"], method="fdr_bh")[1]
        np.testing.assert_allclose(rows["p_adjusted"], expected)
    together = multipletests(ranks["p"], method="fdr_bh")[1]
    assert np.abs(ranks["p_adjusted"] - together).max() > 0.01


def test_version_1_shows_epochs_by_accuracy_and_version_2_by_agreement(tmp_path: Path) -> None:
    """Members that each learn examples of their own first are accurate long before they agree."""
    rng = np.random.default_rng(8)
    label = rng.integers(0, 3, 300)
    at = np.arange(1, 15)
    right = rng.random((14, 3, 300)) < (at / 15)[:, None, None]
    said = np.where(right, label, (label + 1) % 3)
    record = write(tmp_path, {"train": label}, {"train": said}, epochs=list(at))
    both = Both()
    walk(record["train"], both)
    agreement = agreement_table(record)
    table = correlation_table(
        "train",
        {"entropy": rng.normal(size=300)},
        {},
        history=both.history,
        agreement=agreement,
        learned=both.order.result().agreed_for_good,
        classes=label,
        resamples=5,
    ).set_index("kind")
    agreed = right.all(1)
    accurate = (at >= 6) & (right.mean((1, 2)) >= 0.2)
    alike = (at >= 6) & (agreed.sum(1) / right.any(1).sum(1) >= 0.2)
    assert accurate.sum() > alike.sum() + 2
    assert alike.sum() >= 3
    assert table.loc["curves_v1", "points"] == accurate.sum()
    assert table.loc["curves_v2", "points"] == alike.sum()


def test_p_is_adjusted_as_statsmodels_does() -> None:
    p = np.random.default_rng(0).random(9) ** 3
    expected = multipletests(p, method="fdr_bh")[1]
    found = adjusted(np.insert(p, 4, np.nan))
    assert math.isnan(found[4])
    np.testing.assert_allclose(np.delete(found, 4), expected)
    assert np.isnan(adjusted(np.full(2, np.nan))).all()


def test_false_positives_are_as_many_as_are_allowed() -> None:
    """200 simulated data sets in which nothing goes with learning but the class."""
    rng = np.random.default_rng(7)
    counts = {"interval": 0, "p": 0, "any of five, adjusted": 0}
    for seed in range(200):
        classes = rng.integers(0, 4, 300)
        learned = np.round(np.clip(5 + classes + 2 * rng.normal(size=300), 1, 12))
        learned[learned == 12] = np.nan
        values = {f"x{i}": rng.normal(size=300) + classes for i in range(5)}
        found = rank_correlations(values, learned, classes, controls={}, resamples=200, seed=seed)
        counts["interval"] += found["x0"].within_class.sign != 0
        counts["p"] += found["x0"].partial.p < 0.05
        p = np.array([one.partial.p for one in found.values()])
        counts["any of five, adjusted"] += (adjusted(p) < 0.05).any()
    for name, count in counts.items():
        assert count <= 20, (name, count)  # 10 of 200 expected; three standard errors above
    assert counts["interval"] >= 2
    assert counts["p"] >= 2
