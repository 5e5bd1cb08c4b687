"""Trends of statistics, and what is asked of them, spelled out."""

import gc
import math
import weakref

import numpy as np
import pytest

from jagree.study import learning_order
from jagree.study.curves import Correlation
from jagree.study.findings import kth, trends, voc
from jagree.study.findings.evidence import CannotTellError
from jagree.study.findings.trends import Trend, shown_positions, trend
from jagree.study.ranks import RankCorrelation, learned_rank_correlation
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


def long_trend(last: float, r: float, p: float, epochs: int = 30) -> Trend:
    return some_trend([10.0, *[9.0] * (epochs - 2), last], r, p)


def test_no_effect_is_flat_or_goes_with_nothing_over_many_epochs() -> None:
    assert kth.no_effect(long_trend(10.19, 0.9, 1e-6))
    assert kth.no_effect(long_trend(9.81, -0.9, 1e-6))
    assert not kth.no_effect(long_trend(9.79, -0.9, 1e-6))
    assert kth.no_effect(long_trend(5.0, 0.1, 0.5))
    with pytest.raises(CannotTellError, match="29 shown epochs, fewer than the 30"):
        kth.no_effect(long_trend(10.0, 0.9, 1e-6, 29))


@pytest.mark.parametrize(
    ("r", "p", "epochs", "found"),
    [
        (0.49, 0.0011, 30, True),
        (-0.49, 0.0011, 30, True),
        (0.49, 0.001, 30, False),
        (-0.9, 1e-6, 12, False),  # what is there may be seen in few
        (0.5, 0.0011, 30, "r is in brackets, but not below 0.5 either way"),
        (-0.5, 0.0011, 30, "r is in brackets, but not below 0.5 either way"),
        (0.1, 0.5, 29, "29 shown epochs, fewer than the 30 that show an absence"),
        (math.nan, math.nan, 40, "r is not defined"),
    ],
)
def test_an_absence_takes_many_epochs_and_a_small_r(
    r: float, p: float, epochs: int, found: bool | str
) -> None:
    one = long_trend(5.0, r, p, epochs)
    if isinstance(found, bool):
        assert trends.absent(one) == found
        return
    with pytest.raises(CannotTellError, match=found) as error:
        trends.absent(one)
    assert error.value.numbers == str(one)


def test_the_error_of_a_spread_is_that_of_two_shares() -> None:
    kind = np.repeat([2.0, 3.0, 4.0], [10, 40, 90])
    levels = {"2.0": 0.5, "3.0": 0.6, "4.0": 0.8}
    assert kth.spread_error(levels, kind) == pytest.approx(
        math.sqrt(0.5 * 0.5 / 10 + 0.8 * 0.2 / 90)
    )


def test_a_trend_is_found_once_and_kept_by_its_run_alone() -> None:
    one = run(learning(), columns={"entropy": RISING})
    assert trend(one, "train", "entropy") is trend(one, "train", "entropy", "v1")
    assert trend(one, "train", "entropy") is not trend(one, "train", "entropy", "v2")
    gone = weakref.ref(one)
    del one
    gc.collect()
    assert gone() is None


def steps(right: np.ndarray, at: int, entropy: np.ndarray) -> tuple[bool, str]:
    one = run(right, data="voc", columns={"entropy": entropy}, rate_drops=(at,))
    return voc._jump(one, "train", "entropy")


def test_a_gap_where_the_rate_drops_is_no_jump() -> None:
    right = learning()
    right[8, 1] = ~right[8, 1]  # in epoch 9 only what is known of nothing is agreed on
    entropy = np.where(np.arange(EXAMPLES) < right[7].all(0).sum(), RISING, np.nan)
    assert right[8].mean() >= 0.2  # the epoch is shown
    with pytest.raises(CannotTellError, match="the curve has a gap at epoch 9"):
        steps(right, 9, entropy)


def test_agreement_has_to_rise_and_a_statistic_may_go_either_way() -> None:
    epoch = np.arange(1, 21)
    worse = 0.5 + 0.005 * epoch - 0.1 * (epoch >= 10)
    right = nested(members(np.full(20, 0.9), worse))
    one = run(right, columns={"entropy": RISING}, rate_drops=(10,))
    assert voc._jump(one, "train", "entropy")[0]
    holds, numbers = voc._jump(one, "train", "")
    assert not holds
    assert numbers.startswith("changes by -0.1")


def test_nothing_to_tell_though_all_columns_are_there() -> None:
    columns = dict.fromkeys((*voc.PLAIN, voc.LARGE), np.ones(EXAMPLES))
    runs = [
        run(learning(), name=n, data="voc", columns=columns, networks=(n,) * 2)
        for n in ("resnet50", "densenet121")
    ]
    with pytest.raises(CannotTellError, match=r"no statistic has r in both \(r is not defined"):
        voc._weaker(*runs)


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
