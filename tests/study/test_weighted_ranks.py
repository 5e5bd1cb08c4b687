"""Sums of products of weighted ranks: against ranks of examples that are there several times."""

from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest
from scipy import stats

from jagree.study import weighted_ranks
from jagree.study.weighted_ranks import TOGETHER, Products, WeightedRanks


def columns(n: int, seed: int = 0) -> list[np.ndarray]:
    rng = np.random.default_rng(seed)
    return [rng.normal(size=n), rng.integers(0, 4, n), np.where(rng.random(n) < 0.3, np.inf, 2.0)]


def twin(values: list[np.ndarray], classes: np.ndarray) -> list[np.ndarray]:
    """The three matrices, of examples of which each is there as often as it was drawn."""
    ranks = np.array([2 * (stats.rankdata(v) - (len(v) + 1) / 2) for v in values])
    given, within = ranks.copy(), np.zeros(ranks.shape)
    for one in np.unique(classes):
        here = classes == one
        given[:, here] -= given[:, here].mean(-1, keepdims=True)
        for row, value in zip(within, values, strict=True):
            rank = stats.rankdata(value[here])
            row[here] = 2 * (rank - rank.mean()) / here.sum()
    return [rows @ rows.T for rows in (ranks, given, within)]


def check(found: Products, which: int, expected: list[np.ndarray]) -> None:
    plain, given, within = expected
    np.testing.assert_array_equal(found.plain[which], plain)  # whole numbers
    np.testing.assert_allclose(found.given[which], given, rtol=1e-12, atol=1e-9)
    np.testing.assert_allclose(found.within[which][-1], within[-1], rtol=1e-12, atol=1e-12)
    np.testing.assert_allclose(found.within[which][:, -1], within[:, -1], rtol=1e-12, atol=1e-12)
    diagonals = found.within[which].diagonal(), within.diagonal()
    np.testing.assert_allclose(*diagonals, rtol=1e-12, atol=1e-12)


# 700 examples of one class are more than a block, and 90 classes more than there are pieces.
@pytest.mark.parametrize(("n", "count"), [(60, 3), (700, 1), (700, 90), (5, 5), (1, 1)])
def test_each_weighting_is_that_of_examples_drawn_so_often(n: int, count: int) -> None:
    rng = np.random.default_rng(1)
    values, classes = columns(n), rng.integers(-1, count - 1, n) * 7
    ranks = WeightedRanks(values, classes)
    for _ in range(2):  # what was weighed before is forgotten
        drawn = rng.integers(0, n, (TOGETHER, n))
        for which, row in enumerate(drawn):
            ranks.weigh(which, row)
        found = ranks.products()
        for which, row in enumerate(drawn):
            check(found, which, twin([v[row] for v in values], classes[row]))


def test_the_examples_themselves_and_nothing_beside() -> None:
    values, classes = columns(40), np.arange(40) % 3
    ranks = WeightedRanks(values, classes)
    ranks.weigh(0, np.arange(40))
    found = ranks.products()
    check(found, 0, twin(values, classes))
    assert not found.plain[1:].any()
    assert not found.given[1:].any()
    assert not found.within[1:].any()


def test_without_examples_all_is_0() -> None:
    found = WeightedRanks([np.zeros(0)] * 2, np.zeros(0)).products()
    assert found.plain.shape == (TOGETHER, 2, 2)
    assert not found.plain.any()


def test_a_sum_is_the_same_on_any_number_of_cores(monkeypatch: pytest.MonkeyPatch) -> None:
    values, classes = columns(900), np.arange(900) % 50
    found = []
    for cores in (1, 3):
        monkeypatch.setattr(weighted_ranks.pool, "cores", lambda cores=cores: cores)
        ranks = WeightedRanks(values, classes)
        ranks.weigh(2, np.random.default_rng(0).integers(0, 900, 900))
        found.append(ranks.products())
    for name in ("plain", "given", "within"):
        np.testing.assert_array_equal(getattr(found[0], name), getattr(found[1], name))


def test_several_at_once_do_not_disturb_each_other() -> None:
    values, classes = columns(300), np.arange(300) % 4
    alone = WeightedRanks(values, classes)
    alone.weigh(0, np.arange(300))
    expected = alone.products().given

    def again(_: int) -> np.ndarray:
        ranks = WeightedRanks(values, classes)
        ranks.weigh(0, np.arange(300))
        return ranks.products().given

    with ThreadPoolExecutor(4) as threads:
        for given in threads.map(again, range(8)):
            np.testing.assert_array_equal(given, expected)
