"""Local entropy against its definition, window by window."""

import math
from collections import Counter
from pathlib import Path

import hypothesis.extra.numpy as npst
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from jagree.data.decode import read_image
from jagree.statistics.entropy import local_entropy, mean_local_entropy
from jagree.statistics.pixels import luminance

steady = settings(deadline=None, database=None)
few_colours = npst.arrays(
    np.uint8,
    st.tuples(st.integers(1, 9), st.integers(1, 9), st.just(3)),
    elements=st.sampled_from([0, 1, 2, 254, 255]),
)


def photographs(real_data: Path, step: int) -> list[np.ndarray]:
    files = sorted((real_data / "imagenet-samples").rglob("*.JPEG"))
    files += sorted((real_data / "bsds500-20/images").glob("*.jpg"))
    return [read_image(file) for file in files[::step]]


def literal(image: np.ndarray, window: int, rounded: bool) -> np.ndarray:
    """The definition: one window after another, each value's frequency, -sum p log2 p."""
    grey = luminance(image).tolist()
    if rounded:
        grey = [[round(v) for v in row] for row in grey]
    tops, lefts = range(len(grey) - window + 1), range(len(grey[0]) - window + 1)
    entropy = np.empty((len(tops), len(lefts)))
    for top in tops:
        for left in lefts:
            rows = grey[top : top + window]
            counts = Counter(v for row in rows for v in row[left : left + window])
            fractions = [count / window**2 for count in counts.values()]
            entropy[top, left] = -math.fsum(p * math.log2(p) for p in fractions)
    return entropy


def by_sorting(image: np.ndarray, rounded: bool) -> np.ndarray:
    """The same for 10x10 windows of whole photographs: runs in the sorted values of each."""
    grey = np.rint(luminance(image)) if rounded else luminance(image)
    entropy = np.empty((grey.shape[0] - 9, grey.shape[1] - 9))
    for top in range(len(entropy)):
        rows = np.lib.stride_tricks.sliding_window_view(grey[top : top + 10], (10, 10))[0]
        values = np.sort(rows.reshape(-1, 100), axis=1)
        starts = np.ones(values.shape, bool)
        starts[:, 1:] = values[:, 1:] != values[:, :-1]
        flat = np.append(np.flatnonzero(starts), starts.size)
        run = np.diff(flat) / 100
        entropy[top] = np.bincount(flat[:-1] // 100, weights=-run * np.log2(run))
    return entropy


def assert_is_the_definition(image: np.ndarray, window: int = 10) -> None:
    for rounded in (False, True):
        expected = literal(image, window, rounded)
        got = local_entropy(image, window, rounded)
        assert got.dtype == np.float64
        np.testing.assert_allclose(got, expected, rtol=0, atol=1e-12)
        assert mean_local_entropy(image, window, rounded) == pytest.approx(
            math.fsum(expected.ravel()) / expected.size, abs=1e-12
        )


@steady
@given(image=few_colours, window=st.integers(1, 9))
def test_each_window_is_the_definition_on_images_of_few_colours(
    image: np.ndarray, window: int
) -> None:
    window = min(window, *image.shape[:2])
    assert_is_the_definition(image, window)


@pytest.mark.parametrize("shape", [(10, 10, 3), (10, 31, 3), (31, 10, 3), (23, 37), (33, 12, 3)])
@pytest.mark.parametrize("levels", [1, 2, 7, 256])
def test_each_window_is_the_definition_on_noise(shape: tuple[int, ...], levels: int) -> None:
    image = np.random.default_rng(levels).integers(0, levels, shape) * (255 // levels)
    assert_is_the_definition(image.astype(np.uint8))


def test_each_window_is_the_definition_on_cifar10(cifar: np.ndarray) -> None:
    for image in cifar[:: len(cifar) // 20]:
        assert_is_the_definition(image)
        assert_is_the_definition(image[:, :, 1])


def test_each_window_is_the_definition_on_parts_of_photographs(real_data: Path) -> None:
    for image in photographs(real_data, step=10):
        assert_is_the_definition(image[100:140, 50:110])


def test_each_window_is_the_definition_on_whole_photographs(real_data: Path) -> None:
    for image in photographs(real_data, step=40):
        for rounded in (False, True):
            expected = by_sorting(image, rounded)
            np.testing.assert_allclose(local_entropy(image, 10, rounded), expected, atol=1e-12)


def test_the_means_of_cifar10_are_the_papers(cifar: np.ndarray) -> None:
    """Those of 200 and 1,500 images were also taken with the loop of the paper's code."""
    exact = np.array([mean_local_entropy(image) for image in cifar])
    assert exact.mean() == pytest.approx(6.487, abs=5e-4)  # "around 6.5"
    assert exact[:200].mean() == pytest.approx(6.4595, abs=5e-5)
    assert exact[:1500].mean() == pytest.approx(6.486, abs=5e-4)
    rounded = np.array([mean_local_entropy(image, rounded=True) for image in cifar])
    assert rounded.mean() == pytest.approx(5.572, abs=5e-4)
    assert rounded[:200].mean() == pytest.approx(5.565, abs=5e-4)


def test_equal_windows_have_equal_entropies_wherever_they_are() -> None:
    tile = np.random.default_rng(0).integers(0, 256, (13, 17, 3)).astype(np.uint8)
    for rounded in (False, True):
        entropy = local_entropy(np.tile(tile, (9, 50, 1)), rounded=rounded)
        np.testing.assert_array_equal(entropy[13:], entropy[:-13])
        np.testing.assert_array_equal(entropy[:, 17:], entropy[:, :-17])


def test_one_value_only_is_exactly_0_and_all_different_the_bound() -> None:
    for colour in ([0, 0, 0], [255, 255, 255], [17, 99, 201]):
        constant = np.tile(np.array(colour, np.uint8), (30, 20, 1))
        np.testing.assert_array_equal(local_entropy(constant), np.zeros((21, 11)))
        np.testing.assert_array_equal(local_entropy(constant, 7, rounded=True), np.zeros((24, 14)))
    distinct = np.arange(256, dtype=np.uint8).reshape(16, 16)
    for rounded in (False, True):
        np.testing.assert_allclose(
            local_entropy(distinct, 10, rounded), np.full((7, 7), math.log2(100)), atol=1e-14
        )
        assert local_entropy(distinct, 16, rounded) == pytest.approx(8, abs=1e-14)


def pair(a: tuple[int, int, int], b: tuple[int, int, int]) -> np.ndarray:
    """Two colours in one 2x2 window, as often one as the other."""
    return np.array([[a, b], [b, a]], np.uint8)


def test_the_last_bit_of_the_luminance_tells_values_apart() -> None:
    """As in the paper's code; 2989 R + 5870 G + 1140 B is 205,450 in both colours."""
    colours = pair((0, 35, 0), (10, 0, 154))
    assert luminance(colours)[0].tolist() == [20.544999999999998, 20.545]
    assert local_entropy(colours, 2).tolist() == [[1.0]]
    assert local_entropy(colours, 2, rounded=True).tolist() == [[0.0]]
    assert local_entropy(pair((0, 36, 2), (10, 1, 156)), 2).tolist() == [[0.0]]  # 21.36 both


def test_halves_are_rounded_to_even() -> None:
    half = (0, 0, 250)  # 28.5
    assert local_entropy(pair(half, (28, 28, 28)), 2, rounded=True).tolist() == [[0.0]]
    assert local_entropy(pair(half, (29, 29, 29)), 2, rounded=True).tolist() == [[1.0]]
    assert local_entropy(pair(half, (28, 28, 28)), 2).tolist() == [[1.0]]


@pytest.mark.parametrize("shape", [(1, 1), (9, 9), (1, 40), (40, 1), (9, 40), (40, 9, 3)])
def test_an_image_smaller_than_the_window_has_no_entropy(shape: tuple[int, ...]) -> None:
    image = np.zeros(shape, np.uint8)
    assert math.isnan(mean_local_entropy(image))
    assert math.isnan(mean_local_entropy(image, rounded=True))
    expected = (max(shape[0] - 9, 0), max(shape[1] - 9, 0))
    assert local_entropy(image).shape == expected


def test_views_and_grey_images() -> None:
    image = np.random.default_rng(0).integers(0, 256, (40, 60, 3)).astype(np.uint8)
    for view in (image.transpose(1, 0, 2), image[::2, ::-3], image[:, :, 0], image[:, :, ::-1]):
        np.testing.assert_array_equal(local_entropy(view), local_entropy(view.copy()))
    np.testing.assert_array_equal(
        local_entropy(image[:, :, 0]), local_entropy(np.repeat(image[:, :, :1], 3, axis=2))
    )


def test_errors_say_what_is_allowed() -> None:
    with pytest.raises(ValueError, match="window must be at least 1 pixel, not 0"):
        mean_local_entropy(np.zeros((20, 20), np.uint8), window=0)
    with pytest.raises(ValueError, match="must be uint8, not float64"):
        mean_local_entropy(np.zeros((20, 20)))
    with pytest.raises(ValueError, match=r"not \[20, 20, 2\]"):
        local_entropy(np.zeros((20, 20, 2), np.uint8))
