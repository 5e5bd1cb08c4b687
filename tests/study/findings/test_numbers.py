"""The numbers behind the verdicts, spelled out."""

import itertools
import math
from typing import Any

import numpy as np
import pytest

from jagree.study import learning_order
from jagree.study.curves import Correlation
from jagree.study.findings import comparisons, dynamics, kth, trends, voc
from jagree.study.findings.comparisons import first_reaching, rises_later
from jagree.study.findings.evidence import CannotTellError
from jagree.study.findings.ranks import RankCorrelation, learned_rank_correlation
from jagree.study.findings.trends import Trend, shown_positions, trend
from jagree.study.findings.verdicts import FAILS, HOLDS, UNTOLD, Finding, Verdict
from tests.study.findings.simulated import (
    EXAMPLES,
    curve,
    independent,
    learning,
    members,
    nested,
    run,
)

RISING = np.linspace(1.0, 3.0, EXAMPLES)


def test_the_widest_gap_stands_beside_all_that_it_may_be_compared_with() -> None:
    accuracy = members(np.array([0.2, 0.5, 0.8]), np.array([0.1, 0.3, 0.8]))
    holds, numbers = dynamics.presence(run(nested(accuracy)).observed("train"))
    # Gaps of 0.5 - 0.0714, 0.6 - 0.2308 and 1 - 0.6667.
    chance = 0.02 / 0.28
    error = math.sqrt(chance * (1 - chance) / 120)
    assert holds
    assert numbers == (
        f"widest gap {0.5 - chance:.3f} ± {error:.3f}: agreement 0.500, its chance level "
        f"{chance:.3f}, ERA 0.020, LB 0.000 (epoch 1)"
    )


@pytest.mark.parametrize("extra", [1, 3])
def test_presence_takes_two_hundredths_and_four_errors(extra: int) -> None:
    """Two members with half of N right; `more` than chance of them in common."""
    n, both = 40_000, 10_000 + 100 * extra
    first = np.arange(n) < n / 2
    second = np.roll(first, n // 2 - both)
    assert (first & second).sum() == both
    observed = run(np.stack([first, second])[None]).observed("train")
    gap = both / (n - both) - 1 / 3
    error = math.sqrt(2 / 9 / (n - both))
    assert gap > 4 * error if extra == 3 else gap < 4 * error
    found, _ = dynamics.presence(observed)
    assert found == (gap >= 0.02)
    few = run(np.stack([first, second])[None][..., ::400]).observed("train")
    assert not dynamics.presence(few)[0]


def literal_pairs(rights: list[np.ndarray], different: bool) -> tuple[float, float]:
    """Mean agreement, and chance, of pairs across two runs or within them: [E, K, N] each."""
    agreement, chance = [], []
    for e in range(len(rights[0])):
        if different:
            pairs = list(itertools.product(rights[0][e], rights[1][e]))
        else:
            pairs = [p for r in rights for p in itertools.combinations(r[e], 2)]
        for one, other in pairs:
            a, b = one.mean(), other.mean()
            agreement.append((one & other).sum() / (one | other).sum())
            chance.append(a * b / (1 - (1 - a) * (1 - b)))
    return float(np.mean(agreement)), float(np.mean(chance))


def test_pairs_across_runs_are_those_of_different_networks() -> None:
    rights = [independent(np.full((6, 3), 0.4), seed=1), independent(np.full((6, 2), 0.7), seed=2)]
    runs = [
        run(rights[0][:5], networks=("x",) * 3),
        run(rights[1], name="b", networks=("y",) * 2, first=1),
    ]
    rights = [r[:5] for r in rights]  # the common epochs
    within, across = comparisons._pairs(runs)
    for found, different in ((within, False), (across, True)):
        agreement, chance = literal_pairs(rights, different)
        assert found.mean == pytest.approx(agreement)
        assert np.mean(found.chance) == pytest.approx(chance)
    assert (within.agreement.shape, across.agreement.shape) == ((5, 4), (5, 6))


def test_members_of_one_network_in_two_runs_are_no_pair_within() -> None:
    """They may be the very same members."""
    runs = [run(nested(np.full((2, 2), 0.5)), networks=("x", "y"), name=n) for n in "ab"]
    with pytest.raises(CannotTellError, match="no two members of the same network"):
        comparisons._pairs(runs)


def test_common_epochs_are_found_by_their_number() -> None:
    """A run that begins two epochs later is compared at the same epochs."""
    right = independent(members(curve(0.2, 0.9, 8), curve(0.2, 0.9, 8)))
    runs = [
        run(right, networks=("x",) * 2),
        run(right[2:], name="b", first=3, networks=("y",) * 2),
    ]
    together = list(comparisons._together(runs))
    assert len(together) == 6
    for e, both in enumerate(together):
        np.testing.assert_array_equal(both, np.concatenate([right[e + 2]] * 2))
    _, numbers = comparisons._std_across(runs)
    assert numbers.startswith("mean std of accuracy over networks 0.0000 (6 epochs")


def test_what_grows_along_a_series_is_on_a_line_over_the_logarithm() -> None:
    runs = [
        run(nested(members(np.full(3, 0.8), np.full(3, b))), name=f"{b}") for b in (0.2, 0.5, 0.6)
    ]
    change, told = comparisons._change(runs, [10, 100, 1000])
    means = [0.25, 0.625, 0.75]
    assert change == pytest.approx(means[2] - means[0])  # a line over three equal steps
    assert told == "10 0.250, 100 0.625, 1,000 0.750 (+0.500)"
    unequal, _ = comparisons._change(runs, [10, 20, 1000])
    x = np.log([10, 20, 1000])
    slope = sum((x - x.mean()) * means) / sum((x - x.mean()) ** 2)
    assert unequal == pytest.approx(slope * math.log(100))


def test_the_first_epoch_at_a_level() -> None:
    epochs, values = np.array([2, 4, 6]), np.array([0.1, 0.2, 0.3])
    assert first_reaching((epochs, values), 0.2) == 4
    assert first_reaching((epochs, values), 0.2001) == 6


@pytest.mark.parametrize(
    ("late", "early", "least", "holds", "told"),
    [
        ([0.1, 0.1, 0.3], [0.1, 0.2, 0.3], 0.0, True, "reaches 0.200, in epoch 3 against 2"),
        ([0.1, 0.2, 0.3], [0.1, 0.2, 0.3], 0.0, False, "reaches 0.200, in epoch 2 against 2"),
        ([0.1, 0.3, 0.3], [0.1, 0.1, 0.3], 0.0, False, "reaches 0.200, in epoch 2 against 3"),
        ([0.0, 0.1, 0.15], [0.2, 0.3, 0.4], 0.0, True,
         "reaches 0.150, the most that both reach, in epoch 3 against 1"),
        ([0.2, 0.3, 0.5], [0.3, 0.4, 0.5], 0.3, True, "reaches 0.300, in epoch 2 against 1"),
        ([np.nan, 0.1, 0.3], [0.1, 0.2, 0.3], 0.0, True, "reaches 0.200, in epoch 3 against 2"),
    ],
)  # fmt: skip
def test_rising_later(
    late: list[float], early: list[float], least: float, holds: bool, told: str
) -> None:
    epoch = np.arange(1, 4)
    found = rises_later("it", (epoch, np.array(late)), (epoch, np.array(early)), least)
    assert found == (holds, f"it {told}")


@pytest.mark.parametrize(
    ("late", "early", "least", "why"),
    [
        ([0.3, 0.4], [0.3, 0.5], 0.0, "both do so in the first recorded epoch"),
        ([0.0, 0.0], [0.3, 0.5], 0.0, "one has learned nothing yet: it reaches 0.000"),
        ([0.0, 0.24], [0.3, 0.5], 0.25, "one has learned nothing yet: it reaches 0.240"),
        ([np.nan, np.nan], [0.3, 0.5], 0.0, "no member gets any example right"),
    ],
)
def test_rising_later_cannot_be_told(
    late: list[float], early: list[float], least: float, why: str
) -> None:
    epoch = np.arange(1, 3)
    with pytest.raises(CannotTellError, match=why):
        rises_later("it", (epoch, np.array(late)), (epoch, np.array(early)), least)


def test_the_share_of_random_labels_counts_those_that_hit_the_truth() -> None:
    true = np.arange(EXAMPLES) % 5
    label = np.where(np.arange(EXAMPLES) < 0.4 * EXAMPLES, (true + 1) % 5, true)
    one = run(learning(), label=label, true_label=true)
    assert one.label_noise == pytest.approx(0.4)
    assert one.random_labels == pytest.approx(0.5)  # of five classes
    assert run(learning()).random_labels == 0
    by_member = run(learning(), label=np.stack([label, true]), true_label=true)
    assert by_member.label_noise == pytest.approx(0.2)


def test_agreement_that_is_hardly_there_has_not_risen() -> None:
    true = np.arange(EXAMPLES) % 5
    label = np.random.default_rng(0).integers(0, 5, EXAMPLES)
    right = nested(members(np.full(20, 0.5), np.linspace(0, 0.008, 20)))
    noisy = run(right, name="noisy", label=label, true_label=true)
    clean = run(learning(), name="clean", label=true)
    verdicts = comparisons.RANDOM_LATER.verdicts([noisy, clean])
    assert verdicts[1].word == UNTOLD
    assert verdicts[1].why.startswith("one has learned nothing yet: agreement reaches 0.0")


def test_the_most_frequent_label_is_what_one_may_guess() -> None:
    label = np.array([0, 1, 1, 1, 2])
    assert comparisons._most_frequent(run(learning(examples=5), label=label)) == 0.6
    two = np.stack([label, np.full(5, 3)])
    assert comparisons._most_frequent(run(learning(examples=5), label=two, true_label=label)) == 1


# --- trends -----------------------------------------------------------------------------------
def literal_trend(right: np.ndarray, value: np.ndarray) -> tuple[list[int], np.ndarray, np.ndarray]:
    """Shown epochs by accuracy, the metric curve, and agreement there."""
    epochs, metric, agreement = [], [], []
    for e, epoch in enumerate(right):
        if e + 1 >= 6 and epoch.mean() >= 0.2:
            agreed = epoch.all(0)
            epochs.append(e + 1)
            metric.append(value[agreed].mean())
            agreement.append(agreed.sum() / epoch.any(0).sum())
    return epochs, np.array(metric), np.array(agreement)


def test_a_trend_is_the_papers_r_over_the_shown_epochs() -> None:
    right = nested(members(curve(0.01, 0.8), curve(0.01, 0.5)))
    one = run(right, columns={"entropy": RISING})
    found = trend(one, "train", "entropy")
    epochs, metric, agreement = literal_trend(right, RISING)
    assert epochs[0] > 6  # accuracy is too low in epoch 6
    assert found.epoch.tolist() == epochs
    np.testing.assert_allclose(found.curve, metric)
    assert found.paper.r == pytest.approx(np.corrcoef(metric, agreement)[0, 1])
    assert found.paper.points == len(epochs)
    assert found.change == pytest.approx((metric[-1] - metric[0]) / metric[0])
    order = learning_order(enumerate(right, 1))
    assert found.ours == learned_rank_correlation(RISING, order.agreed_for_good)
    assert f"{metric[0]:.4g} -> {metric[-1]:.4g} bit ({found.change:+.1%})" in str(found)
    # The curve rises, but agreement falls: what is learned first is told by ours alone.
    assert str(found).endswith("opposite direction")


def test_version_two_shows_epochs_by_agreement() -> None:
    right = nested(members(curve(0.5, 0.9), curve(0.02, 0.4)))
    observed = run(right).observed("train")
    by_accuracy, by_agreement = (shown_positions(observed, v) for v in ("v1", "v2"))
    assert by_accuracy[0] == 5
    agreement = observed.measures["true_positive_agreement"]
    assert by_agreement.tolist() == [e for e in range(5, 20) if agreement[e] >= 0.2]
    assert by_agreement[0] > 5


@pytest.mark.parametrize(("version", "level"), [("v1", "accuracy"), ("v2", "agreement")])
def test_no_epoch_is_shown_before_enough_is_right(version: str, level: str) -> None:
    right = independent(members(np.full(20, 0.15), np.full(20, 0.15)))
    observed = run(right).observed("train")
    why = f"no epoch beyond the 5th with {level} of 0.2 or more"
    with pytest.raises(CannotTellError, match=why):
        shown_positions(observed, version)


def test_epochs_without_a_value_are_no_part_of_a_trend() -> None:
    right = learning()
    value = np.where(np.arange(EXAMPLES) < right.all(1).sum(1)[7], np.nan, RISING)
    found = trend(run(right, columns={"entropy": value}), "train", "entropy")
    assert found.epoch.tolist() == list(range(9, 21))
    late = np.where(np.arange(EXAMPLES) < right.all(1).sum(1)[10], np.nan, RISING)
    one = run(right, columns={"entropy": late})
    with pytest.raises(CannotTellError, match="agreed on in 9 shown epochs only"):
        trend(one, "train", "entropy")


def some_trend(curve: list[float], r: float = 0.9, p: float = 1e-6, **ours: float) -> Trend:
    rank = {"rho": 0.3, "low": 0.2, "high": 0.4, "examples": 1000} | ours
    return Trend(
        unit="",
        epoch=np.arange(6, 6 + len(curve)),
        curve=np.array(curve),
        paper=Correlation(r, p, len(curve)),
        ours=RankCorrelation(**rank),  # type: ignore[arg-type]
    )


@pytest.mark.parametrize(
    ("r", "p", "low", "high", "said"),
    [
        (0.9, 1e-6, 0.2, 0.4, "same direction"),
        (-0.9, 1e-6, -0.4, -0.2, "same direction"),
        (-0.9, 1e-6, 0.2, 0.4, "opposite direction"),
        (0.9, 1e-6, -0.1, 0.4, "no direction"),
        (0.9, 0.01, 0.2, 0.4, "r has none"),
    ],
)
def test_our_correlation_is_set_against_r(
    r: float, p: float, low: float, high: float, said: str
) -> None:
    assert str(some_trend([1.0, 2.0], r, p, low=low, high=high)).endswith(f", {said}")


def test_rising_and_falling_follow_r_and_not_the_ends() -> None:
    up, down = some_trend([2.0, 1.0], 0.9), some_trend([1.0, 2.0], -0.9)
    assert (trends.rises(up)[0], trends.falls(up)[0]) == (True, False)
    assert (trends.rises(down)[0], trends.falls(down)[0]) == (False, True)
    in_brackets = some_trend([1.0, 2.0], -0.9, 0.0011)
    assert not trends.falls(in_brackets)[0]
    assert not trends.rises(some_trend([1.0, 2.0], 0.9, 0.0011))[0]


def test_relative_change() -> None:
    assert some_trend([4.0, 9.0, 5.0]).change == 0.25
    assert some_trend([-4.0, 9.0, -5.0]).change == -0.25
    assert some_trend([0.0, 1.0, 0.0]).change == 0
    assert math.isnan(some_trend([0.0, 1.0, 2.0]).change)
    assert "; 0 -> 2 (from 0); ours" in str(some_trend([0.0, 1.0, 2.0]))
    assert trends.falls_slightly(some_trend([10.0, 8.01], -0.9))[0]
    assert not trends.falls_slightly(some_trend([10.0, 8.0], -0.9))[0]
    assert not trends.falls_slightly(some_trend([10.0, 9.0], 0.9))[0]
    assert kth.no_effect(some_trend([10.0, 10.19]))[0]
    assert not kth.no_effect(some_trend([10.0, 9.79]))[0]
    assert kth.no_effect(some_trend([10.0, 5.0], p=0.002))[0]


@pytest.mark.parametrize(
    ("curve", "holds"),
    [
        ([2.0, 1.0, 3.0, 4.0, 5.0], True),
        ([1.0, 2.0, 3.0, 4.0, 5.0], False),  # lowest at first
        ([2.0, 3.0, 4.0, 1.0, 5.0], False),  # too late
        ([1.3, 1.0, 3.0, 4.0, 5.0], False),  # not deep enough
        ([1.41, 1.0, 3.0, 4.0, 5.0], True),
        ([5.0, 1.0, 1.1, 1.2, 1.3], False),  # hardly reversed
        ([1.0, 1.0, 1.0, 1.0, 1.0], False),
    ],
)
def test_a_dip(curve: list[float], holds: bool) -> None:
    assert voc.dips(some_trend(curve))[0] == holds


def test_levels_of_types() -> None:
    levels = {"frontal": 0.40, "top": 0.42, "side": 0.5}
    assert kth.lowest(levels, "frontal")
    assert not kth.lowest(levels, "top")
    assert not kth.lowest(levels | {"top": 0.409}, "frontal")
    assert not kth.lowest(levels, "ambient")
    assert kth.highest(levels, "side")
    assert not kth.highest(levels | {"top": 0.491}, "side")
    assert not kth.highest(levels, "ambient")


def test_levels_are_means_over_the_shown_epochs() -> None:
    right, kind = learning(), np.array(["top", "side"] * (EXAMPLES // 2), object)
    found = kth.type_levels(run(right, columns={"rotation": kind}).observed("train"), "rotation")
    agreed = right.all(1)[5:]
    for name, level in found.items():
        assert level == pytest.approx(agreed[:, kind == name].mean())


# --- words ------------------------------------------------------------------------------------
@pytest.mark.parametrize(
    ("words", "once", "overall"),
    [
        ([HOLDS, FAILS, UNTOLD], False, FAILS),
        ([HOLDS, UNTOLD], False, HOLDS),
        ([UNTOLD], False, UNTOLD),
        ([HOLDS, FAILS, UNTOLD], True, HOLDS),
        ([FAILS, UNTOLD], True, FAILS),
    ],
)
def test_a_counterexample_is_enough_and_where_one_case_is_enough_that_is(
    words: list[str], once: bool, overall: str
) -> None:
    fields: dict[str, Any] = dict.fromkeys(("key", "sentence", "source", "criterion", "needs"), "")
    finding = Finding(**fields, check=lambda runs: [], once=once)
    assert finding.overall([Verdict((), "", word) for word in words]) == overall
