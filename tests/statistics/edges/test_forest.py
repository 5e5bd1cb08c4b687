"""Trees against a literal search over all splits, node by node."""

import itertools
from collections import deque

import numpy as np
import pytest

from jagree.statistics.edges import forest

TREES = 3


def samples(n: int = 160, seed: int = 0, levels: int = 0) -> tuple[np.ndarray, ...]:
    """Features (of few different values, if wanted), targets and counts."""
    rng = np.random.default_rng(seed)
    x = rng.random((n, 6))
    if levels:
        x = np.floor(x * levels) / levels
    y = np.sin(5 * x[:, 0]) + x[:, 1] * x[:, 3] + 0.3 * rng.normal(size=n)
    return x, y, rng.integers(1, 4, n)


def ranks(x: np.ndarray) -> np.ndarray:
    return np.stack([np.unique(c, return_inverse=True)[1] for c in x.T], axis=1)


def fitted(x: np.ndarray, y: np.ndarray, counts: np.ndarray, seed: int = 1) -> forest.Forest:
    return forest.fit(x, ranks(x), y, counts, TREES, np.random.default_rng(seed))


def tries(counts: np.ndarray, seed: int = 1) -> np.ndarray:
    """The features to try first, of each tree and node, as `fitted` draws them."""
    nodes = 2 * (int(counts.sum()) // 5) + 1
    draws = np.random.default_rng(seed).integers(0, 720, (TREES, nodes))
    return np.array(list(itertools.permutations(range(6))))[draws]


def squares(y: np.ndarray, counts: np.ndarray) -> float:
    """Sum of squared deviations of samples that count several times."""
    repeated = np.repeat(y, counts)
    return float(((repeated - repeated.mean()) ** 2).sum())


def splits_of(x: np.ndarray, y: np.ndarray, counts: np.ndarray) -> dict[float, float]:
    """Threshold to squared error, of all splits that leave 5 samples on either side."""
    found = {}
    values = np.unique(x)
    for low, high in itertools.pairwise(values):
        threshold = (low + high) / 2
        below = x <= threshold
        if min(counts[below].sum(), counts[~below].sum()) >= 5:
            errors = (squares(y[part], counts[part]) for part in (below, ~below))
            found[float(threshold)] = sum(errors)
    return found


def check(trees: forest.Forest, t: int, data: tuple[np.ndarray, ...], order: np.ndarray) -> int:
    """Every node of a tree is what a literal search says; returns the number of its splits."""
    x, y, counts = data
    root_error = squares(y, counts) / counts.sum()
    queue = deque([(0, np.arange(len(x)))])
    splits, born = 0, 1
    while queue:
        node, at = queue.popleft()
        total, error = counts[at].sum(), squares(y[at], counts[at])
        mean = np.average(y[at], weights=counts[at])
        assert trees.value[t, node] == pytest.approx(mean, abs=1e-12)
        best: dict[int, dict[float, float]] = {}
        if total >= 10 and error / total > 1e-6 * root_error:
            for attempt, f in enumerate(order[node]):
                if attempt >= 3 and any(best.values()):
                    break
                best[int(f)] = splits_of(x[at, f], y[at], counts[at])
        below = int(trees.below[t, node])
        if not any(best.values()):
            assert below == node
            continue
        f, threshold = int(trees.feature[t, node]), float(trees.threshold[t, node])
        least = min(e for one in best.values() for e in one.values())
        nearest = min(best[f], key=lambda other: abs(other - threshold))
        assert threshold == pytest.approx(nearest, abs=1e-15)
        assert best[f][nearest] == pytest.approx(least, rel=1e-9, abs=1e-12)
        assert below == born  # children are numbered as they come
        goes_below = x[at, f] <= threshold
        queue += [(below, at[goes_below]), (below + 1, at[~goes_below])]
        splits, born = splits + 1, born + 2
    return splits


@pytest.mark.parametrize("levels", [0, 12], ids=["continuous", "few values"])
def test_every_split_is_the_best_there_is(levels: int) -> None:
    data = samples(levels=levels)
    trees, order = fitted(*data), tries(data[2])
    for t in range(TREES):
        assert check(trees, t, data, order[t]) > 15
    assert len({tuple(row) for row in trees.feature}) == TREES


def test_constant_features_leave_the_others_to_be_tried() -> None:
    """As for grey images: 4 of 6 features say nothing, so the first 3 tried may all be such."""
    x, y, counts = samples()
    x[:, [1, 2, 4, 5]] = 0.5
    trees, order = fitted(x, y, counts), tries(counts)
    for t in range(TREES):
        splits = trees.below[t] > np.arange(len(trees.below[t]))
        first = order[t, : len(splits), :3][splits]
        assert not np.isin(first, [0, 3]).any(1).all()  # or nothing is tested
        assert check(trees, t, (x, y, counts), order[t]) > 15


def test_nodes_that_are_pure_are_not_split() -> None:
    x, _, counts = samples()
    rng = np.random.default_rng(5)
    for noise, leaves in ((1e-4, 2), (1e-2, 20)):  # squared: below and above 1e-6
        y = (x[:, 0] > 0.5) + noise * rng.normal(size=len(x))
        x[:, 1:] = x[:, :1]  # all features alike, so that any of them finds the step
        trees = fitted(x, y, counts)
        for t in range(TREES):
            splits = check(trees, t, (x, y, counts), tries(counts)[t])
            assert splits == 1 if leaves == 2 else splits > leaves


def test_a_constant_target_is_one_leaf() -> None:
    x, y, counts = samples()
    trees = fitted(x, np.full_like(y, 1.25), counts)
    assert trees.value.shape == (TREES, 1)
    assert trees.depth == 0
    np.testing.assert_array_equal(trees.predict(x), 1.25)


@pytest.mark.parametrize(("n", "split"), [(9, False), (10, True)])
def test_a_parent_has_ten_samples(n: int, split: bool) -> None:
    x, y = np.arange(n)[:, None] * np.ones(6), np.arange(n) ** 2.0
    trees = fitted(x, y, np.ones(n, int))
    assert (trees.below[:, 0] != 0).all() == split
    if split:
        assert (trees.threshold[:, 0] == 4.5).all()  # 5 on each side, half-way


def test_a_sample_counts_as_often_as_it_was_drawn() -> None:
    x, y, counts = samples(300)
    repeated = (np.repeat(a, counts, axis=0) for a in (x, y))
    expected = fitted(*repeated, np.ones(counts.sum(), int))
    actual = fitted(x, y, counts)
    assert actual.depth > 3
    np.testing.assert_allclose(actual.predict(x), expected.predict(x), atol=1e-12)
    once = fitted(x, y, np.ones_like(counts))
    assert not np.allclose(actual.predict(x), once.predict(x))


def walked(trees: forest.Forest, t: int, query: np.ndarray) -> float:
    node = 0
    while trees.below[t, node] != node:
        above = query[trees.feature[t, node]] > trees.threshold[t, node]
        node = int(trees.below[t, node]) + int(above)
    return float(trees.value[t, node])


def test_the_prediction_is_the_mean_of_the_trees() -> None:
    x, y, counts = samples()
    trees = fitted(x, y, counts)
    queries = np.random.default_rng(9).random((75, 6))
    queries[0, :] = trees.threshold[:, 0][0]  # on a threshold: below
    expected = [np.mean([walked(trees, t, q) for t in range(TREES)]) for q in queries]
    np.testing.assert_allclose(trees.predict(queries), expected, rtol=1e-14)
    assert len({walked(trees, t, queries[1]) for t in range(TREES)}) == TREES
    assert np.ptp(expected) > 0.5


def test_the_generator_decides_the_trees() -> None:
    data = samples()
    a, b, c = fitted(*data, seed=1), fitted(*data, seed=1), fitted(*data, seed=2)
    np.testing.assert_array_equal(a.threshold, b.threshold)
    assert not np.array_equal(a.feature[:, :3], c.feature[:, :3])


def test_values_too_close_to_have_a_middle_are_parted() -> None:
    low = 0.3
    high = np.nextafter(low, 1)
    x = np.repeat([low, high], 5)[:, None] * np.ones(6)
    x[5:] = high
    y = np.repeat([0.0, 1.0], 5)
    np.testing.assert_array_equal(fitted(x, y, np.ones(10, int)).predict(x), y)
