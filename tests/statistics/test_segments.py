"""Segments against a literal version of the algorithm and against scikit-image's."""

import math
from collections.abc import Callable
from pathlib import Path

import hypothesis.extra.numpy as npst
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from skimage.segmentation import felzenszwalb

from jagree.data.decode import read_image
from jagree.statistics.inputs import jpeg75
from jagree.statistics.segments import _taps, segment, segment_count

steady = settings(deadline=None, database=None, max_examples=60)
few_colours = npst.arrays(
    np.uint8,
    st.tuples(st.integers(1, 9), st.integers(1, 9), st.just(3)),
    elements=st.sampled_from([0, 1, 2, 60, 254, 255]),
)
OPTIONS = [(0.5, 500, 20), (0.5, 100, 3), (0, 50, 0), (0.8, 300, 50), (1.3, 10, 1), (0.1, 900, 7)]
f32 = np.float32


def photographs(real_data: Path) -> list[np.ndarray]:
    files = sorted((real_data / "bsds500-20/images").glob("*.jpg"))
    files += sorted((real_data / "imagenet-samples").rglob("*.JPEG"))
    return [read_image(file) for file in files]


def literal_taps(sigma: float) -> list[np.float32]:
    sigma = f32(max(sigma, 0.01))
    taps = [f32(math.exp(-0.5 * float((f32(i) / sigma) ** 2))) for i in range(99) if i < 4 * sigma]
    taps.append(f32(math.exp(-0.5 * float((f32(len(taps)) / sigma) ** 2))))
    both_sides = f32(0)
    for tap in taps[1:]:
        both_sides = both_sides + tap
    return [tap / (f32(2) * both_sides + taps[0]) for tap in taps]


def literal_smoothed(channel: np.ndarray, sigma: float) -> list[list[np.float32]]:
    """One channel after the Gaussian, along rows and then along columns, borders repeated."""
    taps = literal_taps(sigma)

    def along(values: list[np.float32]) -> list[np.float32]:
        last, out = len(values) - 1, []
        for x in range(len(values)):
            total = taps[0] * values[x]
            for i in range(1, len(taps)):
                total = total + taps[i] * (values[max(x - i, 0)] + values[min(x + i, last)])
            out.append(total)
        return out

    rows = [along([f32(v) for v in row]) for row in channel.tolist()]
    columns = [along(list(column)) for column in zip(*rows, strict=True)]
    return [list(row) for row in zip(*columns, strict=True)]


def literal_edges(image: np.ndarray, sigma: float) -> list[tuple[np.float32, int, int]]:
    """(weight, pixel, pixel) to the right, down, down right, up right, stably sorted by weight."""
    channels = [literal_smoothed(image[:, :, c], sigma) for c in range(3)]
    height, width, _ = image.shape
    edges = []
    for y in range(height):
        for x in range(width):
            for v, u in ((y, x + 1), (y + 1, x), (y + 1, x + 1), (y - 1, x + 1)):
                if 0 <= v < height and u < width:
                    red, green, blue = ((c[y][x] - c[v][u]) ** 2 for c in channels)
                    edges.append((np.sqrt(red + green + blue), y * width + x, v * width + u))
    return sorted(edges, key=lambda edge: edge[0])


def literal(image: np.ndarray, sigma: float, scale: float, min_size: int) -> np.ndarray:
    """The published program's steps; a segment is a list of pixels, merged one by one."""
    height, width, _ = image.shape
    owner = list(range(height * width))
    pixels = [[i] for i in owner]
    limit = [f32(scale)] * len(owner)

    def join(a: int, b: int) -> None:
        for pixel in pixels[b]:
            owner[pixel] = a
        pixels[a] += pixels[b]

    edges = literal_edges(image, sigma)
    for weight, i, j in edges:
        a, b = owner[i], owner[j]
        if a != b and weight <= limit[a] and weight <= limit[b]:
            join(a, b)
            limit[a] = weight + f32(scale) / f32(len(pixels[a]))
    for _, i, j in edges:
        a, b = owner[i], owner[j]
        if a != b and (len(pixels[a]) < min_size or len(pixels[b]) < min_size):
            join(a, b)
    return in_order_of_appearance(np.array(owner).reshape(height, width))


def in_order_of_appearance(labels: np.ndarray) -> np.ndarray:
    known: dict[int, int] = {}
    flat = [known.setdefault(label, len(known)) for label in labels.ravel().tolist()]
    return np.array(flat).reshape(labels.shape)


def by_skimage(image: np.ndarray) -> np.ndarray:
    """scikit-image's, given the smoothed colours: by itself it would mirror the border.

    In double precision: colours / 255 rounded to floats again change one photograph in a hundred.
    """
    smoothed = image.astype(f32)
    taps = literal_taps(0.5)
    for axis in (1, 0):
        padding = [(2, 2) if a == axis else (0, 0) for a in range(3)]
        wide = np.moveaxis(np.pad(smoothed, padding, mode="edge"), axis, 0)
        near, far = wide[1:-3] + wide[3:-1], wide[:-4] + wide[4:]
        smoothed = np.moveaxis(taps[0] * wide[2:-2] + taps[1] * near + taps[2] * far, 0, axis)
    assert smoothed.dtype == f32
    scaled = np.ascontiguousarray(smoothed, np.float64) / 255
    return in_order_of_appearance(felzenszwalb(scaled, scale=500, sigma=0, min_size=20))


def test_the_gaussian_is_rounded_as_the_literal_one() -> None:
    for sigma in (*np.linspace(0.0, 3.0, 301), 0.75 + 1e-9):
        assert _taps(sigma).tolist() == [float(tap) for tap in literal_taps(sigma)]
        assert _taps(sigma).dtype == np.float32
    assert _taps(0.5).tolist() == pytest.approx([0.78657, 0.10645, 0.00026], abs=5e-6)
    assert _taps(0).tolist() == [1, 0]


def agreeing(images: np.ndarray | list[np.ndarray], other: Callable) -> tuple[int, int]:
    """In how many images all labels, and in how many the counts, are those of the other."""
    labels = counts = 0
    for image in images:
        ours, theirs = segment(image), other(image)
        labels += np.array_equal(ours, theirs)
        counts += ours.max() == theirs.max()
    return labels, counts


@steady
@given(image=few_colours, options=st.sampled_from(OPTIONS))
def test_segments_are_the_literal_ones_on_images_of_few_colours(
    image: np.ndarray, options: tuple[float, float, int]
) -> None:
    np.testing.assert_array_equal(segment(image, *options), literal(image, *options))


@pytest.mark.parametrize(("sigma", "scale", "min_size"), OPTIONS)
@pytest.mark.parametrize("levels", [2, 5, 256])
def test_segments_are_the_literal_ones_on_blocks_and_noise(
    sigma: float, scale: float, min_size: int, levels: int
) -> None:
    rng = np.random.default_rng(levels)
    for shape in ((24, 24), (13, 31), (31, 13), (1, 40), (40, 1), (2, 2)):
        noise = rng.integers(0, levels, (*shape, 3)) * (255 // (levels - 1)) // 4
        blocks = np.kron(noise, np.ones((4, 4, 1), int))[: shape[0], : shape[1]] * 3
        for image in (noise, blocks, blocks + noise):
            image = image.astype(np.uint8)
            expected = literal(image, sigma, scale, min_size)
            np.testing.assert_array_equal(segment(image, sigma, scale, min_size), expected)


def test_segments_are_the_literal_ones_on_cifar10(cifar: np.ndarray) -> None:
    for image, options in zip(cifar[:9000:300], OPTIONS * 5, strict=True):
        np.testing.assert_array_equal(segment(image), literal(image, 0.5, 500, 20))
        np.testing.assert_array_equal(segment(image, *options), literal(image, *options))


def test_segments_are_the_literal_ones_on_parts_of_photographs(real_data: Path) -> None:
    for image in photographs(real_data)[::30]:
        part = image[80:150, 60:150]
        np.testing.assert_array_equal(segment(part), literal(part, 0.5, 500, 20))


def test_segments_are_scikit_images_on_cifar10(cifar: np.ndarray) -> None:
    assert agreeing(cifar[::10], by_skimage) == (1000, 1000)


def test_segments_are_scikit_images_on_photographs(real_data: Path) -> None:
    assert agreeing(photographs(real_data)[::6], by_skimage) == (20, 20)


@pytest.mark.slow
def test_segments_are_scikit_images_on_all_images(cifar: np.ndarray, real_data: Path) -> None:
    assert agreeing(cifar, by_skimage) == (10_000, 10_000)
    assert agreeing(photographs(real_data), by_skimage) == (120, 120)


def test_the_counts_of_cifar10_are_the_papers(cifar: np.ndarray) -> None:
    count = np.array([segment_count(image) for image in cifar])
    assert count[:400].mean() == 4.2475
    assert count[:400].min() == 1
    assert count[:400].max() == 11
    assert count.mean() == 4.2929
    jpeg = np.array([segment_count(jpeg75(image)) for image in cifar[:2500]])
    assert (jpeg == count[:2500]).mean() == pytest.approx(0.322, abs=0.005)
    assert jpeg[:400].mean() == pytest.approx(4.01, abs=0.005)


def test_labels_are_numbered_as_they_appear_and_segments_are_large_enough(
    cifar: np.ndarray,
) -> None:
    for image in cifar[:200]:
        labels = segment(image)
        assert labels.dtype == np.int32
        assert labels.shape == (32, 32)
        np.testing.assert_array_equal(labels, in_order_of_appearance(labels))
        assert segment_count(image) == labels.max() + 1
        assert np.bincount(labels.ravel()).min() >= 20


def halves(width: int, left: int, right: int, rows: int = 8) -> np.ndarray:
    image = np.full((rows, 2 * width), left, np.uint8)
    image[:, width:] = right
    return image


def test_a_step_divides_if_it_exceeds_scale_over_size() -> None:
    step = 32 * math.sqrt(3)  # grey levels in three channels; each half has 32 pixels
    image = halves(4, 100, 132)
    assert segment_count(image, sigma=0, scale=32 * step * 1.001) == 1
    assert segment_count(image, sigma=0, scale=32 * step * 0.999) == 2


def test_segments_below_the_smallest_size_are_merged() -> None:
    image = halves(5, 0, 255, rows=4)  # 20 pixels each
    assert segment_count(image, sigma=0, min_size=20) == 2
    assert segment_count(image, sigma=0, min_size=21) == 1
    image[1, 1] = 255
    assert segment_count(image, sigma=0, min_size=1) == 3
    assert segment_count(image, sigma=0, min_size=0) == 3
    assert segment_count(image, sigma=0, min_size=2) == 2


@pytest.mark.parametrize("shape", [(1, 1), (1, 1, 3), (1, 30), (30, 1), (9, 9, 3), (37, 50, 3)])
@pytest.mark.parametrize("grey", [0, 255])
def test_a_constant_image_is_one_segment(shape: tuple[int, ...], grey: int) -> None:
    labels = segment(np.full(shape, grey, np.uint8), min_size=0)
    np.testing.assert_array_equal(labels, np.zeros(shape[:2]))


def test_views_and_grey_images() -> None:
    image = np.random.default_rng(0).integers(0, 256, (40, 60, 3)).astype(np.uint8)
    for view in (image.transpose(1, 0, 2), image[::2, ::-3], image[:, :, 0], image[:, :, ::-1]):
        np.testing.assert_array_equal(segment(view), segment(view.copy()))
    repeated = np.repeat(image[:, :, :1], 3, axis=2)
    np.testing.assert_array_equal(segment(image[:, :, 0]), segment(repeated))


@pytest.mark.parametrize("option", ["sigma", "scale", "min_size"])
@pytest.mark.parametrize("value", [-1, math.nan, math.inf])
def test_options_must_make_sense(option: str, value: float) -> None:
    with pytest.raises(ValueError, match=f"{option} must be finite and not negative, not {value}"):
        segment_count(np.zeros((4, 4), np.uint8), **{option: value})


def test_other_arrays_are_refused() -> None:
    with pytest.raises(ValueError, match="must be uint8, not int64"):
        segment(np.zeros((4, 4), np.int64))
    with pytest.raises(ValueError, match=r"not \[4, 4, 2\]"):
        segment_count(np.zeros((4, 4, 2), np.uint8))
    huge = np.broadcast_to(np.zeros((1, 1, 3), np.uint8), (2**15, 2**15 + 1, 3))
    with pytest.raises(ValueError, match="1073741824 pixels at most, not 32768 x 32769"):
        segment(huge)
