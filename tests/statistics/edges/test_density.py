"""Samples, kernel density and pointwise mutual information against their definitions."""

import math

import numpy as np
import pytest

from jagree.statistics.edges import density

BANDWIDTH = 0.05


def rng(seed: int = 0) -> np.random.Generator:
    return np.random.default_rng(seed)


def epanechnikov(points: np.ndarray, kernels: np.ndarray, b: float) -> np.ndarray:
    """The density at each point, kernel by kernel and dimension by dimension."""
    out = []
    for x in points:
        total = 0.0
        for k in kernels:
            product = 1.0
            for d in range(len(x)):
                product *= 3 / (4 * b) * max(0.0, 1 - ((x[d] - k[d]) / b) ** 2)
            total += product
        out.append(total / len(kernels))
    return np.array(out)


def test_pairs_are_ordered_by_the_first_channel_only() -> None:
    features = np.array([[0.2, 0.3, 0.4], [0.6, 0.1, 0.9]])
    expected = [[0.6, 0.3, 0.4, 0.2, 0.1, 0.9]]  # only the first channel changes places
    np.testing.assert_array_equal(density.pair_features(features, [0], [1]), expected)
    unchanged = [[0.6, 0.1, 0.9, 0.2, 0.3, 0.4]]
    np.testing.assert_array_equal(density.pair_features(features, [1], [0]), unchanged)


def test_offsets_are_drawn_as_often_as_they_should_be() -> None:
    """Four standard errors of 400,000 draws, and the rounding of the table."""
    n = 400_000
    offsets, counts = np.unique(density.draw_offsets(rng(), n), axis=0, return_counts=True)
    drawn = {tuple(map(int, o)): c / n for o, c in zip(offsets, counts, strict=True)}
    kinds = {(0, 1): 0.0529, (1, 1): 0.0933, (0, 2): 0.0510, (1, 2): 0.0254, (2, 2): 0.0020}
    assert len(drawn) == 24
    for (y, x), frequency in drawn.items():
        p = kinds[tuple(sorted((abs(y), abs(x))))]  # type: ignore[index]
        assert frequency == pytest.approx(p, abs=4 * math.sqrt(p / n) + 5e-5), (y, x)


def test_kernels_are_symmetric_about_positions_that_count_once() -> None:
    features = np.zeros((13, 9, 3))
    first, second = density.draw_kernels(features, 5000, rng())
    (y, x), (v, u) = (np.divmod(one, 9) for one in (first, second))
    assert ((y + v) % 2 == 0).all()
    assert ((x + u) % 2 == 0).all()
    middle = (y + v) // 2 * 9 + (x + u) // 2
    assert len(np.unique(middle)) == len(middle) < 13 * 9
    assert max(np.abs(y - v).max(), np.abs(x - u).max()) == 4
    assert np.hypot(y - v, x - u).mean() == pytest.approx(3.0, abs=0.3)  # far ones do not fit
    assert 0 < middle.min() < 9  # the border too, for pairs along it
    assert (first > second).mean() == pytest.approx(0.5, abs=0.2)


def test_how_many_kernels_a_small_image_has() -> None:
    """195 to 200 of 256 at 16x16: those whose both ends are inside. Never two in a 2x2 image."""
    counts = [len(density.draw_kernels(np.zeros((16, 16, 3)), 5000, rng(i))[0]) for i in range(50)]
    assert 195 < np.mean(counts) < 200
    assert len(density.draw_kernels(np.zeros((2, 2, 3)), 5000, rng())[0]) == 0


def test_positions_are_drawn_with_replacement() -> None:
    """1 - exp(-5000 / n) of the positions are drawn at least once; most pairs fit in."""
    shape = (100, 100, 3)
    first, _ = density.draw_kernels(np.zeros(shape), 5000, rng())
    drawn = 10_000 * (1 - math.exp(-0.5))
    assert 0.95 * drawn < len(first) < drawn


@pytest.mark.parametrize("dimensions", [3, 6])
@pytest.mark.parametrize("b", [0.05, 0.07, 0.3, 1.0])
def test_density_is_the_sum_over_all_kernels(dimensions: int, b: float) -> None:
    kernels, points = rng(1).random((150, dimensions)) ** 2, rng(2).random((90, dimensions)) ** 2
    # Most random points in 6 dimensions have no kernel near: some are moved close to one.
    points[:60] = np.clip(kernels[:60] + rng(3).normal(0, b / 2, (60, dimensions)), 0, 1)
    points[60], points[61], kernels[0], kernels[1] = 0, 1, 0, 1
    expected = epanechnikov(points, kernels, b)
    assert (expected > 0).mean() > 0.15
    np.testing.assert_allclose(
        density.density(points, kernels, b), expected, rtol=1e-12, atol=1e-12
    )


def test_density_without_kernels_is_nothing() -> None:
    np.testing.assert_array_equal(density.density(np.zeros((3, 6)), np.empty((0, 6)), 0.05), 0)


def test_density_at_its_only_kernel() -> None:
    for d in (3, 6):
        one = np.full((1, d), 0.4)
        assert density.density(one, one, BANDWIDTH) == pytest.approx(15**d)


def test_pmi_by_hand() -> None:
    joint, a, b = np.array([0.0, 1000.0]), np.array([0.0, 20.0]), np.array([5.0, 40.0])
    expected = [0.25 * math.log(100), 1.25 * math.log(600) - math.log(900)]
    np.testing.assert_allclose(density.pmi(joint, a, b), expected, rtol=1e-14)


def test_pairwise_pmi_is_its_definition() -> None:
    features = rng(0).random((30, 3)) * [1, 0.3, 0.2]
    kernels = (rng(1).integers(0, 30, 200), rng(2).integers(0, 30, 200))
    pairs = (rng(3).integers(0, 25, 80), rng(4).integers(0, 25, 80))
    halves: list[list[list[float]]] = [[], []]
    for i, j in zip(*kernels, strict=True):
        a, b = features[i].copy(), features[j].copy()
        if a[0] < b[0]:
            a[0], b[0] = b[0], a[0]
        halves[0].append(a)
        halves[1].append(b)
    whole = np.concatenate([halves[0], halves[1]], axis=1)
    single = sum(epanechnikov(features, np.array(half), BANDWIDTH) for half in halves) / 2
    expected = []
    for i, j in zip(*pairs, strict=True):
        a, b = features[i], features[j]
        low, high = min(a[0], b[0]), max(a[0], b[0])
        query = np.array([[high, a[1], a[2], low, b[1], b[2]]])
        joint = epanechnikov(query, whole, BANDWIDTH)[0]
        expected.append(math.log((100 + joint / 2) ** 1.25 / (single[i] * single[j] + 100)))
    assert np.ptp(expected) > 3
    actual = density.pairwise_pmi(features, kernels, pairs, BANDWIDTH)
    np.testing.assert_allclose(actual, expected, rtol=1e-12)
