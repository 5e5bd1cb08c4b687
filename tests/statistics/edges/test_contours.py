"""Filters, suppression at the border and oriented energy against loops over pixels."""

import math

import numpy as np
import pytest

from jagree.statistics.edges import contours

THETA = [o * math.pi / 8 for o in range(1, 9)]


def test_the_filter_along_rows_has_the_known_values() -> None:
    bank = contours.filters()
    assert bank.shape == (8, 7, 7)
    first = [-0.0001, -0.0015, -0.0058, -0.0091, -0.0058, -0.0015, -0.0001]
    np.testing.assert_allclose(bank[7][0], first, atol=5.1e-5)
    middle = [-0.0091, -0.0612, -0.1205, 0, 0.1205, 0.0612, 0.0091]
    np.testing.assert_allclose(bank[7][:, 3], middle, atol=5.1e-5)
    np.testing.assert_allclose(bank[3], bank[7].T, atol=1e-12)  # theta = pi / 2


def test_filters_are_normalised_and_antisymmetric() -> None:
    bank = contours.filters()
    np.testing.assert_allclose(bank.sum((1, 2)), 0, atol=1e-15)
    np.testing.assert_allclose(np.abs(bank).sum((1, 2)), 1)
    np.testing.assert_allclose(bank, -bank[:, ::-1, ::-1], atol=1e-15)


def test_filters_are_derivatives_in_their_direction() -> None:
    """The filter of a ramp in any direction is its slope along (cos theta, -sin theta)."""
    y, x = np.mgrid[-3:4, -3:4]
    along_y, along_x = ((contours.filters() * ramp).sum((1, 2)) for ramp in (y, x))
    slope = np.hypot(along_y, along_x)
    np.testing.assert_allclose(-along_y / slope, np.cos(THETA), atol=0.01)
    np.testing.assert_allclose(-along_x / slope, -np.sin(THETA), atol=0.01)
    np.testing.assert_allclose(slope, slope.mean(), rtol=0.06)  # equal in the sum of magnitudes


def test_the_border_of_sixteen_rows_is_one_ring() -> None:
    left_of_it = contours.border((16, 16))
    inside = np.zeros((16, 16), bool)
    inside[1:-1, 1:-1] = True
    np.testing.assert_array_equal(left_of_it[:, inside], 1)
    for o, theta in enumerate(THETA):
        side, end = 1 - abs(math.sin(theta)), 1 - abs(math.cos(theta))
        np.testing.assert_allclose(left_of_it[o, 1:-1, [0, -1]], side, atol=1e-15)
        np.testing.assert_allclose(left_of_it[o, [0, -1], 1:-1], end, atol=1e-15)
        np.testing.assert_allclose(left_of_it[o, [0, 0, -1, -1], [0, -1, 0, -1]], 0, atol=1e-15)


@pytest.mark.parametrize("shape", [(40, 10), (10, 40), (100, 30), (1, 5), (1, 1)], ids=str)
def test_the_border_pixel_by_pixel(shape: tuple[int, int]) -> None:
    height, width = shape
    reach = math.ceil(0.03 * height)
    expected = np.ones((8, *shape))
    for y, x in np.ndindex(shape):
        # Distances to the left, right, upper and lower border, as parts of the image.
        sides = [(2 * i + 1) / (2 * width) for i in (x, width - 1 - x)]
        ends = [(2 * i + 1) / (2 * height) for i in (y, height - 1 - y)]
        v = h = 0.0
        if min(sides) <= min(ends) + 1e-12:
            v = 1 - min((min(x, width - 1 - x) / reach) ** 2, 1)
        if min(ends) <= min(sides) + 1e-12:
            h = 1 - min((min(y, height - 1 - y) / reach) ** 2, 1)
        for o, theta in enumerate(THETA):
            expected[o, y, x] = max(0, 1 - abs(math.cos(theta)) * h - abs(math.sin(theta)) * v)
    np.testing.assert_allclose(contours.border(shape), expected, atol=1e-12)
    if shape == (40, 10):
        assert expected[3, 20, 1] == pytest.approx(0.25)  # half-way to the reach of 2 rows


def oriented_energy(vectors: np.ndarray, values: np.ndarray) -> np.ndarray:
    """Vector by vector, filter by filter, pixel by pixel."""
    height, width = vectors.shape[1:]
    out = np.zeros((8, height, width))
    for vector, value in zip(vectors, values, strict=True):
        scaled = (vector - vector.min()) / (vector.max() - vector.min())
        if value > 0:
            scaled /= math.sqrt(value)
        padded = np.pad(scaled, 3, "symmetric")
        for o, one in enumerate(contours.filters()):
            for y, x in np.ndindex(height, width):
                out[o, y, x] += abs((one * padded[y : y + 7, x : x + 7]).sum())
    return out


@pytest.mark.parametrize("shape", [(11, 14), (2, 5), (1, 1)], ids=str)
def test_contours_are_the_oriented_energy_of_all_vectors(shape: tuple[int, int]) -> None:
    rng = np.random.default_rng(0)
    vectors = rng.normal(size=(4, *shape)) * [[[1]], [[7]], [[0.1]], [[1]]] + 3
    values = np.array([0.01, 0.3, 1.1, 0.0])
    if shape == (1, 1):  # vectors that do not vary have no contours
        np.testing.assert_array_equal(contours.contours(vectors, values), np.zeros((8, 1, 1)))
        return
    expected = oriented_energy(vectors, values)
    actual = contours.contours(vectors, values)
    np.testing.assert_allclose(actual, expected, rtol=1e-5, atol=1e-5)


def test_the_strongest_orientation_is_taken_after_suppression() -> None:
    responses = np.random.default_rng(0).random((8, 12, 9))
    strongest = contours.strongest(responses)
    for y, x in np.ndindex(12, 9):
        left_of_it = contours.border((12, 9))[:, y, x]
        assert strongest[y, x] == max(responses[o, y, x] * left_of_it[o] for o in range(8))
    inner = (slice(1, -1), slice(1, -1))
    np.testing.assert_array_equal(strongest[inner], responses.max(0)[inner])
