"""Local pairs and their affinities against loops over all pairs of pixels."""

import itertools
import math

import numpy as np
import pytest

from jagree.statistics.edges import affinity, density, forest, presets

SPEEDY = presets.PRESETS["speedy"]


def all_pairs(shape: tuple[int, int]) -> set[tuple[int, int]]:
    pixels = list(itertools.product(range(shape[0]), range(shape[1])))
    return {
        (i, j)
        for (i, a), (j, b) in itertools.combinations(enumerate(pixels), 2)
        if math.dist(a, b) <= 5
    }


@pytest.mark.parametrize(
    ("shape", "pairs"),
    [
        ((36, 36), 45_744),
        ((81, 121), 374_634),
        ((161, 241), 1_517_234),
        ((241, 161), 1_517_234),
        ((188, 250), 1_842_062),
        ((278, 366), 4_014_060),
        ((321, 481), 6_106_434),
        ((16, 16), 7_624),
        ((1, 1), 0),
        ((1, 8), 25),
    ],
    ids=str,
)
def test_how_many_pairs_there_are(shape: tuple[int, int], pairs: int) -> None:
    assert affinity.pair_counts(shape).sum() == pairs


@pytest.mark.parametrize("shape", [(7, 9), (16, 16), (1, 8), (3, 2), (12, 4)], ids=str)
def test_every_pair_is_numbered_once(shape: tuple[int, int]) -> None:
    first, second = affinity.pairs_at(np.arange(affinity.pair_counts(shape).sum()), shape)
    found = list(zip(first.tolist(), second.tolist(), strict=True))
    assert len(found) == len(set(found))
    assert set(found) == all_pairs(shape)


def test_the_stencil_is_symmetric_about_the_pixel() -> None:
    assert len(affinity.DISC) == 81
    np.testing.assert_array_equal(affinity.DISC, -affinity.DISC[::-1])
    assert (affinity.DISC[affinity.SELF] == 0).all()


def random_sets(shape: tuple[int, int]) -> list[np.ndarray]:
    return [np.random.default_rng(i).random((*shape, 3)) * [1, 0.3, 0.2] for i in range(2)]


@pytest.mark.parametrize("shape", [(6, 9), (35, 4)], ids=str)
def test_affinities_are_those_of_all_pairs(shape: tuple[int, int]) -> None:
    sets = random_sets(shape)
    forests = [affinity.learn(one, SPEEDY, np.random.default_rng(9)) for one in sets]
    stencil = affinity.affinities(sets, forests)
    expected = np.zeros((math.prod(shape), math.prod(shape)))
    for i, j in all_pairs(shape):
        predicted = 0.0
        for one, trees in zip(sets, forests, strict=True):
            flat = one.reshape(-1, 3)
            predicted += trees.predict(density.pair_features(flat, np.array([i]), np.array([j])))[0]
        expected[i, j] = expected[j, i] = math.exp(predicted)
    matrix = affinity.sparse(stencil)
    np.testing.assert_allclose(matrix.toarray(), expected, rtol=1e-12)
    assert matrix.nnz == 2 * len(all_pairs(shape)) + math.prod(shape)
    assert np.unique(expected).size > 20


def test_what_is_outside_has_no_affinity() -> None:
    shape = (4, 7)
    sets = random_sets(shape)
    forests = [affinity.learn(one, SPEEDY, np.random.default_rng(9)) for one in sets]
    stencil = affinity.affinities(sets, forests)
    for (y, x), (k, (dy, dx)) in itertools.product(np.ndindex(shape), enumerate(affinity.DISC)):
        inside = 0 <= y + dy < 4 and 0 <= x + dx < 7 and (dy, dx) != (0, 0)
        assert (stencil[y, x, k] > 0) == inside


@pytest.mark.parametrize(("shape", "draws"), [((16, 16), 7624), ((40, 41), 10_000)], ids=str)
def test_the_forest_learns_exact_values_of_pairs_drawn_with_replacement(
    shape: tuple[int, int], draws: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    seen = {}

    def kept(x, ranks, y, counts, trees, rng):
        seen.update(x=x, ranks=ranks, y=y, counts=counts, trees=trees)

    def kernels(*arguments):
        seen["kernels"] = drawn(*arguments)
        return seen["kernels"]

    drawn = density.draw_kernels
    monkeypatch.setattr(forest, "fit", kept)
    monkeypatch.setattr(density, "draw_kernels", kernels)
    features = random_sets(shape)[0]
    affinity.learn(features, SPEEDY, np.random.default_rng(0))
    total = affinity.pair_counts(shape).sum()
    assert seen["trees"] == 4
    assert seen["counts"].sum() == draws
    distinct = total * (1 - (1 - 1 / total) ** draws)
    assert len(seen["counts"]) == pytest.approx(distinct, rel=0.02)
    flat = features.reshape(-1, 3)
    expected = {}
    for pair in zip(*affinity.pairs_at(np.arange(total), shape), strict=True):
        expected[tuple(density.pair_features(flat, *np.array(pair)[:, None])[0])] = pair
    pairs = np.array([expected[tuple(row)] for row in seen["x"]]).T
    assert len(np.unique(pairs, axis=1).T) == len(seen["x"])
    exact = density.pairwise_pmi(flat, seen["kernels"], tuple(pairs), 0.05)
    np.testing.assert_allclose(seen["y"], exact, rtol=1e-12)
    for column, rank in zip(seen["x"].T, seen["ranks"].T, strict=True):
        order = np.lexsort((column, rank))
        steps = np.sign(np.diff(column[order]))
        np.testing.assert_array_equal(steps, np.sign(np.diff(rank[order])))
