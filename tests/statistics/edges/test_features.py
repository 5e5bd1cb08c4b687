"""Colour, local variation, halving and decorrelation against their definitions."""

import itertools
import math

import numpy as np
import pytest

from jagree.statistics.edges import features


def noise(height: int, width: int, seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).integers(0, 256, (height, width, 3), np.uint8)


@pytest.mark.parametrize(
    ("rgb", "expected"),
    [
        ((255, 255, 255), (100, 0, 0)),
        ((0, 0, 0), (0, 0, 0)),
        ((255, 0, 0), (54.29, 80.81, 69.89)),
        ((0, 255, 0), (87.82, -79.29, 80.99)),
        ((0, 0, 255), (29.57, 68.30, -112.03)),
        ((119, 119, 119), (50.03, 0, 0)),
        ((5, 5, 5), (1.37, 0, 0)),  # in both linear parts
    ],
)
def test_lab_of_known_colours(rgb: tuple[int, ...], expected: tuple[float, ...]) -> None:
    """Published values for D50, adapted by Bradford's method."""
    np.testing.assert_allclose(features.lab(np.array([[rgb]], np.uint8))[0, 0], expected, atol=0.01)


def cubic(x: float) -> float:
    x = abs(x)
    if x <= 1:
        return 1.5 * x**3 - 2.5 * x**2 + 1
    return -0.5 * x**3 + 2.5 * x**2 - 4 * x + 2 if x <= 2 else 0.0


def halving_matrix(n: int) -> np.ndarray:
    """Each output pixel's weights, one input pixel at a time, mirrored at the border."""
    out = np.zeros(((n + 1) // 2, n))
    for i, row in enumerate(out):
        centre = 2 * i + 0.5
        for j in range(2 * i - 6, 2 * i + 8):
            mirrored = j % (2 * n)
            row[mirrored if mirrored < n else 2 * n - 1 - mirrored] += cubic((centre - j) / 2)
        row /= row.sum()
    return out


@pytest.mark.parametrize("shape", [(8, 6), (9, 7), (1, 1), (2, 3), (1, 12), (3, 3)], ids=str)
def test_halving_is_the_antialiased_cubic(shape: tuple[int, int]) -> None:
    channels = np.random.default_rng(0).normal(size=(*shape, 3))
    expected = np.einsum(
        "iy,jx,yxc->ijc", halving_matrix(shape[0]), halving_matrix(shape[1]), channels
    )
    np.testing.assert_allclose(features.halve(channels), expected, atol=1e-14)


def test_the_taps_of_halving() -> None:
    np.testing.assert_array_equal(
        features.half_taps() * 256, [-3, -9, 29, 111, 111, 29, -9, -3]
    )  # cubic(7/4), cubic(5/4), ... by hand


def test_a_constant_stays_exactly_constant() -> None:
    channels = np.full((9, 7, 3), 0.1) * [1, 3, 7]
    np.testing.assert_array_equal(
        features.halve(channels), np.broadcast_to(channels[0, 0], (5, 4, 3))
    )


@pytest.mark.parametrize("shape", [(6, 9), (1, 4), (2, 2)], ids=str)
def test_variation_is_the_root_of_the_deviation_over_the_disc(shape: tuple[int, int]) -> None:
    image = noise(*shape)
    padded = np.pad(
        features.principal_components(image / 255), ((2, 2), (2, 2), (0, 0)), "symmetric"
    )
    disc = [o for o in itertools.product(range(-2, 3), repeat=2) if math.hypot(*o) <= 2]
    assert len(disc) == 13
    expected = np.empty((*shape, 3))
    for y, x in np.ndindex(shape):
        around = [padded[y + 2 + dy, x + 2 + dx] for dy, dx in disc]
        expected[y, x] = np.sqrt(np.std(around, axis=0, ddof=1))
    np.testing.assert_allclose(features.variation(image), expected, atol=1e-7)


def test_a_flat_region_has_exactly_no_variation() -> None:
    image = noise(9, 20)
    image[:, :12] = (10, 200, 77)
    variation = features.variation(image)
    assert (variation[:, :10] == 0).all()
    assert (variation[:, 10:] > 0).any(-1).all()


@pytest.mark.parametrize("seed", range(6))
def test_principal_components_are_uncorrelated_in_order_and_of_fixed_sign(seed: int) -> None:
    rng = np.random.default_rng(seed)
    channels = rng.normal(size=(12, 15, 3)) @ rng.normal(size=(3, 3))
    scores = features.principal_components(channels).reshape(-1, 3)
    centred = channels.reshape(-1, 3) - channels.reshape(-1, 3).mean(0)
    covariance = scores.T @ scores
    variances = np.diag(covariance)
    np.testing.assert_allclose(covariance, np.diag(variances), atol=1e-10 * variances[0])
    assert (np.diff(variances) < 0).all()
    loadings = np.linalg.lstsq(centred, scores)[0]
    np.testing.assert_allclose(loadings.T @ loadings, np.eye(3), atol=1e-9)
    assert (loadings[np.abs(loadings).argmax(0), range(3)] > 0).all()


def test_the_sets_share_one_range_and_the_first_channel_spans_most_of_it() -> None:
    image = np.kron(noise(8, 11), np.ones((3, 2, 1), np.uint8))
    for one in features.feature_sets(image):
        assert one.shape == (12, 11, 3)
        assert (one.min(), one.max()) == (0, 1)
        extent = np.ptp(one, axis=(0, 1))
        assert extent[0] > 0.8
        assert (extent[1:] > 0.01).all()
        assert features.varies(one)


def test_grey_has_one_channel_and_two_that_are_exactly_constant() -> None:
    image = np.repeat(noise(20, 20)[:, :, :1], 3, axis=2)
    for one in features.feature_sets(image):
        assert np.ptp(one[:, :, 0]) == 1
        assert (np.ptp(one[:, :, 1:], axis=(0, 1)) == 0).all()


@pytest.mark.parametrize("level", [0, 7, 255])
def test_a_constant_image_has_no_features(level: int) -> None:
    for one in features.feature_sets(np.full((9, 8, 3), level, np.uint8)):
        assert (one == 0).all()
        assert not features.varies(one)


def test_a_difference_of_one_level_is_not_taken_for_rounding() -> None:
    image = np.full((32, 32, 3), 128, np.uint8)
    image[16, 16, 2] = 129
    assert all(map(features.varies, features.feature_sets(image)))
