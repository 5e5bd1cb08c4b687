"""The Sobel gradient against a literal one."""

import math

import numpy as np
import pytest
from skimage.filters import sobel

from jagree.statistics import pixels
from jagree.statistics.edges import gradient_map, gradient_strength

IMAGE = np.random.default_rng(0).integers(0, 256, (7, 9, 3), np.uint8)


def test_the_gradient_pixel_by_pixel() -> None:
    padded = np.pad(pixels.luminance(IMAGE), 1, "edge")
    smooth, step = np.array([1, 2, 1]), np.array([-1, 0, 1])
    expected = np.empty((7, 9))
    for y, x in np.ndindex(7, 9):
        window = padded[y : y + 3, x : x + 3]
        gx = (np.outer(smooth, step) * window).sum() / 8
        gy = (np.outer(step, smooth) * window).sum() / 8
        expected[y, x] = math.hypot(gx, gy)
    np.testing.assert_allclose(gradient_map(IMAGE), expected, rtol=1e-12)
    assert gradient_strength(IMAGE) == pytest.approx(expected.sum(), rel=1e-12)


def test_scikit_image_has_the_same_but_for_a_factor() -> None:
    """Its kernels are twice as large, and it takes the root of the mean of two squares."""
    expected = sobel(pixels.luminance(IMAGE), mode="nearest")
    np.testing.assert_allclose(gradient_map(IMAGE) * math.sqrt(2), expected, rtol=1e-9)


def test_a_step_a_ramp_and_nothing() -> None:
    step = np.array([[0, 0, 100, 100]] * 3, np.uint8)
    np.testing.assert_allclose(gradient_map(step)[1], [0, 49.995, 49.995, 0], atol=1e-12)
    ramp = np.broadcast_to(np.arange(0, 90, 10, dtype=np.uint8), (5, 9))
    np.testing.assert_allclose(gradient_map(ramp)[2, 1:-1], 9.999, rtol=1e-12)
    np.testing.assert_allclose(gradient_map(ramp.T)[1:-1, 2], 9.999, rtol=1e-12)


@pytest.mark.parametrize("shape", [(1, 1), (1, 5), (4, 4, 3)], ids=str)
def test_a_constant_image_has_exactly_none(shape: tuple[int, ...]) -> None:
    assert gradient_strength(np.full(shape, 77, np.uint8)) == 0


def test_other_arrays_are_refused() -> None:
    for call in (gradient_map, gradient_strength):
        with pytest.raises(ValueError, match="an image must be uint8, not float64"):
            call(np.zeros((4, 4)))
