"""What every statistic takes, and its brightness."""

import numpy as np
import pytest

from jagree.statistics import pixels


def colours(n: int) -> np.ndarray:
    return np.random.default_rng(0).integers(0, 256, (n, n, 3)).astype(np.uint8)


def test_luminance_is_added_up_from_left_to_right() -> None:
    image = colours(40)
    grey, other_orders = pixels.luminance(image), 0
    for y, x in np.ndindex(grey.shape):
        red, green, blue = image[y, x].tolist()
        assert grey[y, x] == 0.2989 * red + 0.5870 * green + 0.1140 * blue
        other_orders += grey[y, x] != 0.2989 * red + (0.5870 * green + 0.1140 * blue)
    assert other_orders > 100  # so the order is seen


def test_grey_is_the_colour_with_three_equal_parts() -> None:
    grey = np.arange(256, dtype=np.uint8).reshape(8, 32)
    np.testing.assert_array_equal(pixels.rgb(grey), np.stack([grey] * 3, axis=2))
    np.testing.assert_array_equal(pixels.luminance(grey), pixels.luminance(pixels.rgb(grey)))
    np.testing.assert_allclose(pixels.luminance(grey), 0.9999 * grey, rtol=1e-15)
    assert pixels.luminance(grey).max() == pytest.approx(254.9745)


def test_an_image_is_itself_and_may_be_a_view() -> None:
    image = colours(6)
    assert pixels.rgb(image) is image
    for view in (image[::2, 1::3], image.transpose(1, 0, 2), image[:, ::-1], image[..., ::-1]):
        np.testing.assert_array_equal(pixels.luminance(view), pixels.luminance(view.copy()))


@pytest.mark.parametrize(
    ("array", "text"),
    [
        (np.zeros((4, 4, 3)), "must be uint8, not float64; jagree.data.decode.read_image"),
        (np.zeros((4, 4), np.int64), "must be uint8, not int64"),
        (np.zeros((4, 4, 4), np.uint8), r"\[H, W\] or \[H, W, 3\], not \[4, 4, 4\]"),
        (np.zeros(4, np.uint8), r"not \[4\]"),
        (np.zeros((1, 4, 4, 3), np.uint8), r"not \[1, 4, 4, 3\]"),
        (np.zeros((0, 4, 3), np.uint8), r"must have pixels, not the shape \[0, 4, 3\]"),
        (np.zeros((4, 0), np.uint8), r"must have pixels, not the shape \[4, 0\]"),
    ],
    ids=["float", "int", "channels", "line", "batch", "no rows", "no columns"],
)
def test_what_is_no_image_is_refused(array: np.ndarray, text: str) -> None:
    for function in (pixels.check, pixels.rgb, pixels.luminance):
        with pytest.raises(ValueError, match=text):
            function(array)
