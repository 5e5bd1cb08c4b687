"""JPEG copies and resized images against other ways of making them."""

import math
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from jagree.data.decode import read_image
from jagree.statistics.inputs import jpeg75, resize


def noise(*shape: int) -> np.ndarray:
    return np.random.default_rng(0).integers(0, 256, shape).astype(np.uint8)


def triangle(line: np.ndarray, size: int) -> np.ndarray:
    """One line [n, ...] at `size` points: triangles of twice the coarser pixels' width, rounded."""
    ratio = len(line) / size
    reach = max(ratio, 1.0)
    out = np.empty((size, *line.shape[1:]))
    for i in range(size):
        centre = (i + 0.5) * ratio
        weight = [max(0.0, 1 - abs(j + 0.5 - centre) / reach) for j in range(len(line))]
        weight = np.array(weight) / math.fsum(weight)
        out[i] = np.tensordot(weight, line.astype(np.float64), 1)
    return np.floor(out + 0.5)


def assert_is_bilinear(image: np.ndarray, side: int) -> None:
    """Equal to the definition, one axis after the other, rounded in between.

    Versions of Pillow differ in which axis comes first, and all compute with fractions of 22 bits:
    where a value lies next to a half, it may be rounded otherwise.
    """
    got = resize(image, side).astype(int)
    assert got.shape == (side, side, *image.shape[2:])
    turned = np.swapaxes(triangle(np.swapaxes(image, 0, 1), side), 0, 1)
    rows_first = triangle(turned, side)
    columns_first = np.swapaxes(triangle(np.swapaxes(triangle(image, side), 0, 1), side), 0, 1)
    assert np.abs(got - rows_first).max() <= 1
    assert np.abs(got - columns_first).max() <= 1
    wrong = min(np.count_nonzero(got != other) for other in (rows_first, columns_first))
    assert wrong <= 1 + 0.01 * got.size


def test_jpeg75_is_what_pillow_stores_by_default(tmp_path: Path, cifar: np.ndarray) -> None:
    """As torchvision's `save_image` did in the paper's code: without an option, to a file."""
    for image in (*cifar[:20], noise(37, 53, 3)):
        Image.fromarray(image).save(tmp_path / "image.jpg")
        stored = np.asarray(Image.open(tmp_path / "image.jpg"))
        np.testing.assert_array_equal(jpeg75(image), stored)


def test_jpeg75_halves_the_resolution_of_the_colours() -> None:
    stripes = np.zeros((16, 16, 3), np.uint8)
    stripes[:, ::2, 0] = stripes[:, 1::2, 2] = 200
    stored = jpeg75(stripes).astype(int)
    assert np.ptp(stripes[:, :, 0].astype(int) - stripes[:, :, 2]) == 400
    assert np.ptp(stored[:, :, 0] - stored[:, :, 2]) < 100  # the stripes are grey now


def test_jpeg75_changes_cifar10_by_8_grey_levels(cifar: np.ndarray) -> None:
    images = cifar[:1000]
    error = np.stack([jpeg75(image) for image in images]).astype(float) - images
    assert math.sqrt(np.square(error).mean()) == pytest.approx(8.1, abs=0.2)


def test_resizing_is_bilinear_and_antialiased() -> None:
    for shape in ((40, 30, 3), (30, 40), (7, 90, 3), (5, 5, 3), (1, 9), (9, 1, 3), (1, 1)):
        for side in (1, 2, 8, 23):
            assert_is_bilinear(noise(*shape), side)


def test_resizing_photographs_as_the_paper_does(real_data: Path) -> None:
    for file in sorted((real_data / "imagenet-samples").rglob("*.JPEG"))[::50]:
        assert_is_bilinear(read_image(file), 128)


def test_an_image_of_that_size_stays_as_it_is() -> None:
    for image in (noise(12, 12, 3), noise(12, 12), noise(1, 1)):
        np.testing.assert_array_equal(resize(image, len(image)), image)


@pytest.mark.parametrize("shape", [(1, 1), (1, 1, 3), (1, 9, 3), (9, 1), (8, 8, 3), (17, 31)])
def test_type_and_channels_are_kept(shape: tuple[int, ...]) -> None:
    image = noise(*shape)
    before = image.copy()
    for got, expected in ((jpeg75(image), shape), (resize(image, 6), (6, 6, *shape[2:]))):
        assert got.dtype == np.uint8
        assert got.shape == expected
        assert got.flags.writeable
    np.testing.assert_array_equal(image, before)


def test_a_constant_image_stays_so() -> None:
    for grey in (0, 77, 255):
        image = np.full((20, 30, 3), grey, np.uint8)
        np.testing.assert_array_equal(jpeg75(image), image)
        np.testing.assert_array_equal(resize(image, 9), image[:9, :9])


def test_views() -> None:
    image = noise(40, 60, 3)
    for view in (image.transpose(1, 0, 2), image[::2, ::-3], image[:, :, 0], image[:, :, ::-1]):
        np.testing.assert_array_equal(jpeg75(view), jpeg75(view.copy()))
        np.testing.assert_array_equal(resize(view, 16), resize(view.copy(), 16))


def test_errors_say_what_is_allowed() -> None:
    for function in (jpeg75, lambda image: resize(image, 8)):
        with pytest.raises(ValueError, match="must be uint8, not float64"):
            function(np.zeros((4, 4)))
        with pytest.raises(ValueError, match=r"not \[4, 4, 4\]"):
            function(np.zeros((4, 4, 4), np.uint8))
    with pytest.raises(ValueError, match="side must be at least 1 pixel, not 0"):
        resize(noise(4, 4), 0)
    with pytest.raises(ValueError, match="a JPEG side has 65500 pixels at most, not 65501"):
        jpeg75(np.zeros((1, 65_501), np.uint8))
    assert jpeg75(np.zeros((1, 65_500), np.uint8)).shape == (1, 65_500)
