"""Pairs within runs and across them, against loops over pairs and draws of examples."""

import math
from itertools import combinations, product

import numpy as np
import pytest

from jagree.study import across
from jagree.study.agreement import true_positive_agreement
from jagree.study.chance import chance_agreement
from jagree.study.kappa import error_consistency
from jagree.study.pairs import pair_counts

ONE = {"agreement": true_positive_agreement, "error_consistency": error_consistency}


def correlated(members: int, examples: int, seed: int) -> np.ndarray:
    """Members that find the same examples easy."""
    rng = np.random.default_rng(seed)
    return rng.random((members, examples)) < rng.beta(0.6, 0.4, examples)


def literal(
    correct: np.ndarray, first: list[int], second: list[int], skip: list[tuple[int, int]], name: str
) -> dict[str, float]:
    def mean(pairs: list[tuple[int, int]]) -> float:
        values = [float(ONE[name](correct[list(pair)])) for pair in pairs]
        known = [value for value in values if not math.isnan(value)]
        return sum(known) / len(known) if known else math.nan

    found = {
        "within_1": mean(list(combinations(first, 2))),
        "within_2": mean(list(combinations(second, 2))),
        "between": mean([pair for pair in product(first, second) if pair not in skip]),
        "between_twins": mean(skip),
    }
    within = (found["within_1"] + found["within_2"]) / 2
    return found | {"difference": found["between"] - within}


@pytest.mark.parametrize("name", across.PAIR_MEASURES)
@pytest.mark.parametrize("twins", [True, False])
def test_means_are_those_of_a_loop_over_pairs(name: str, twins: bool) -> None:
    correct = correlated(7, 50, 0)
    correct[6] = False  # pairs with nothing right have no agreement
    first, second = [1, 2, 3], [0, 5, 6]
    start = [(0, "x"), *[(0, k) for k in range(1, 4)], (0, 4), (0, 2) if twins else (1, 2), (0, 6)]
    pairs = across.blocks(np.array(first), np.array(second), start)
    both = pair_counts(correct)
    found = across.means(across.PAIR_MEASURES[name](both, np.array(50)), pairs)
    expected = literal(correct, first, second, [(2, 5)] if twins else [], name)
    assert {k: float(v) for k, v in found.items()} == pytest.approx(expected, nan_ok=True)


def test_where_all_began_alike_they_count_after_all() -> None:
    pairs = across.blocks(np.array([0]), np.array([1]), [(0, 0, "net"), (0, 0, "net")])
    assert pairs.across.tolist() == pairs.twins.tolist() == [[True]]
    values = np.array([[1, 0.25], [0.25, 1]])
    found = across.means(values, pairs)
    assert found["between"] == found["between_twins"] == 0.25
    assert np.isnan([found["within_1"], found["within_2"], found["difference"]]).all()


def test_the_interval_is_that_of_examples_drawn_with_replacement() -> None:
    correct = np.concatenate([correlated(3, 300, 1), correlated(2, 300, 2)])
    first, second = [0, 1, 2], [3, 4]
    pairs = across.blocks(np.array(first), np.array(second), list(range(5)))
    found = across.difference_intervals(correct, pairs, np.random.default_rng(0), resamples=3000)
    rng = np.random.default_rng(1)
    for name in ONE:
        drawn = [
            literal(correct[:, rng.integers(0, 300, 300)], first, second, [], name)["difference"]
            for _ in range(800)
        ]
        low, high = np.quantile(drawn, [0.025, 0.975])
        assert found[name] == pytest.approx((low, high), abs=0.15 * (high - low)), name
        assert low < literal(correct, first, second, [], name)["difference"] < high


def test_many_patterns_are_drawn_in_parts(monkeypatch: pytest.MonkeyPatch) -> None:
    correct = correlated(12, 200, 3)
    pairs = across.blocks(np.arange(6), np.arange(6, 12), list(range(12)))
    whole = across.difference_intervals(correct, pairs, np.random.default_rng(0), resamples=50)
    monkeypatch.setattr(across, "BLOCK", 1)
    parts = across.difference_intervals(correct, pairs, np.random.default_rng(0), resamples=50)
    for name in ONE:
        assert parts[name] == pytest.approx(whole[name], abs=1e-12)


def tally(correct: np.ndarray, sizes: tuple[int, ...], **options: object) -> list[dict]:
    names = [f"run{r}" for r in range(len(sizes))]
    start = [[(r, k) for k in range(size)] for r, size in enumerate(sizes)]
    found = across.AcrossTally("train", names, start, last=2, resamples=60, **options)
    for epoch in (1, 2):
        found.add(epoch, correct)
    return found.table().to_dict("records")


def test_a_row_for_each_pair_of_runs_epoch_and_measure() -> None:
    correct = correlated(6, 80, 4)
    rows = tally(correct, (2, 3, 1))
    keys = [(r["run_1"], r["run_2"], r["epoch"], r["measure"]) for r in rows]
    runs = [("run0", "run1"), ("run0", "run2"), ("run1", "run2")]
    assert keys == [(*pair, e, m) for e in (1, 2) for pair in runs for m in across.PAIR_MEASURES]
    members = {"run0": [0, 1], "run1": [2, 3, 4], "run2": [5]}
    for row in rows:
        first, second = members[row["run_1"]], members[row["run_2"]]
        expected = literal(correct, first, second, [], row["measure"])
        assert {k: row[k] for k in expected} == pytest.approx(expected, nan_ok=True)
        known = row["epoch"] == 2 and row["run_2"] != "run2"
        assert np.isnan([row["low"], row["high"]]).tolist() == [not known] * 2
        if known:
            assert row["low"] < row["difference"] < row["high"]
        pairs = [correct[[i, j]] for i, j in product(first, second)]
        if row["measure"] == "agreement":
            level = np.mean([chance_agreement(pair) for pair in pairs])
            largest = np.mean([min(p.sum(1)) / max(p.sum(1)) for p in pairs])
        else:
            level = 0
            nested = [np.arange(80) < pair.sum(1)[:, None] for pair in pairs]
            largest = np.mean([error_consistency(pair) for pair in nested])
        assert (row["chance"], row["largest"]) == pytest.approx((level, largest))


def test_the_seed_decides_the_draws() -> None:
    correct = correlated(4, 60, 5)
    ends = [[(r["low"], r["high"]) for r in tally(correct, (2, 2), seed=s)][2:] for s in (0, 0, 1)]
    assert ends[0] == ends[1] != ends[2]


def test_no_example_and_nothing_right() -> None:
    for correct in (np.zeros((4, 0), bool), np.zeros((4, 5), bool)):
        agreement, _, *_ = tally(correct, (2, 2))
        assert math.isnan(agreement["between"])
        assert math.isnan(agreement["chance"])
