"""The cosine transform and its share against their definitions, spelled out."""

import math
from fractions import Fraction
from pathlib import Path

import hypothesis.extra.numpy as npst
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from jagree.data.decode import read_image
from jagree.statistics.dct import coefficients, dct_share
from jagree.statistics.inputs import jpeg75
from jagree.statistics.pixels import luminance

steady = settings(deadline=None, database=None)
few_colours = npst.arrays(
    np.uint8,
    st.tuples(st.integers(1, 9), st.integers(1, 9), st.just(3)),
    elements=st.sampled_from([0, 1, 2, 254, 255]),
)


def noise(*shape: int, levels: int = 256) -> np.ndarray:
    return np.random.default_rng(0).integers(0, levels, shape).astype(np.uint8)


def literal_coefficients(image: np.ndarray) -> np.ndarray:
    """C[k, l] = a_k a_l sum_y sum_x g[y, x] cos(pi (2 y + 1) k / 2 H) cos(pi (2 x + 1) l / 2 W)."""

    def basis(n: int) -> np.ndarray:
        k, x = np.indices((n, n))
        scale = np.where(k == 0, math.sqrt(1 / n), math.sqrt(2 / n))
        return scale * np.cos(np.pi * (2 * x + 1) * k / (2 * n))

    grey = luminance(image) / 255
    return basis(grey.shape[0]) @ grey @ basis(grey.shape[1]).T


def literal_share(image: np.ndarray, include_dc: bool, tolerance: float = 0.9998) -> float:
    """Take coefficients by falling magnitude until the norm is reached, in exact arithmetic."""
    c = coefficients(image).ravel().tolist()
    if not include_dc:
        c = c[1:]
    energy = sorted((Fraction(v) ** 2 for v in c), reverse=True)
    total, held, below = sum(energy), Fraction(0), 0
    for part in energy:
        held += part
        if held < Fraction(tolerance) ** 2 * total:  # norm ratio below the tolerance
            below += 1
    return below / len(c)


def cumulated_share(image: np.ndarray, include_dc: bool) -> float:
    """The same for whole photographs: ratios of norms, in extended precision."""
    magnitude = np.sort(np.abs(coefficients(image).ravel()[0 if include_dc else 1 :]))[::-1]
    energy = np.cumsum(np.square(magnitude.astype(np.longdouble)))
    return np.count_nonzero(np.sqrt(energy / energy[-1]) < 0.9998) / magnitude.size


@pytest.mark.parametrize("shape", [(8, 8, 3), (7, 12, 3), (1, 9), (9, 1), (1, 1), (32, 32, 3)])
def test_the_coefficients_are_sums_of_cosines(shape: tuple[int, ...]) -> None:
    image = noise(*shape)
    assert coefficients(image).dtype == np.float64
    np.testing.assert_allclose(coefficients(image), literal_coefficients(image), atol=1e-12)


def test_the_transform_keeps_the_norm_and_its_first_term_is_the_mean() -> None:
    image = noise(13, 21, 3)
    c, grey = coefficients(image), luminance(image) / 255
    assert np.square(c).sum() == pytest.approx(np.square(grey).sum(), rel=1e-13)
    assert c[0, 0] == pytest.approx(math.sqrt(13 * 21) * grey.mean(), rel=1e-13)


@steady
@given(image=few_colours.filter(lambda image: image.min() < image.max()))
def test_the_share_is_the_definition_on_images_of_few_colours(image: np.ndarray) -> None:
    tolerance = 0.97  # small images reach 0.9998 with their last coefficient
    for include_dc in (True, False):
        if include_dc or np.ptp(luminance(image)):
            expected = literal_share(image, include_dc, tolerance)
            assert dct_share(image, include_dc, tolerance) == expected


@pytest.mark.parametrize("include_dc", [True, False])
@pytest.mark.parametrize("tolerance", [0.5, 0.9, 0.9998, 0.999999])
def test_the_share_is_the_definition_on_noise(include_dc: bool, tolerance: float) -> None:
    for shape in ((16, 16, 3), (5, 23, 3), (23, 4), (1, 30), (30, 1), (2, 1)):
        image = noise(*shape)
        expected = literal_share(image, include_dc, tolerance)
        assert dct_share(image, include_dc, tolerance) == expected


@pytest.mark.parametrize("include_dc", [True, False])
def test_the_share_is_the_definition_on_cifar10(cifar: np.ndarray, include_dc: bool) -> None:
    for image in cifar[:: len(cifar) // 40]:
        assert dct_share(image, include_dc) == literal_share(image, include_dc)
        assert dct_share(image[:, :, 0], include_dc) == literal_share(image[:, :, 0], include_dc)
    for image in cifar[:1000]:
        assert dct_share(image, include_dc) == cumulated_share(image, include_dc)


@pytest.mark.parametrize("include_dc", [True, False])
def test_the_share_is_the_definition_on_photographs(real_data: Path, include_dc: bool) -> None:
    files = sorted((real_data / "imagenet-samples").rglob("*.JPEG"))[::5]
    files += sorted((real_data / "bsds500-20/images").glob("*.jpg"))[::2]
    for file in files:
        image = read_image(file)
        assert dct_share(image, include_dc) == cumulated_share(image, include_dc), file.name


def test_the_means_of_cifar10_are_the_papers(cifar: np.ndarray) -> None:
    share = np.array([dct_share(image) for image in cifar])
    assert share.mean() == pytest.approx(0.47505, abs=5e-6)
    assert share[:200].mean() == pytest.approx(0.4744, abs=1e-4)  # also by the paper's code
    assert np.mean([dct_share(jpeg75(image)) for image in cifar[:1500]]) == pytest.approx(
        0.4615, abs=5e-5
    )


def test_without_dc_the_share_does_not_follow_brightness(cifar: np.ndarray) -> None:
    brighter_is_less = 0
    for image in cifar[:50, :, :, 1] // 2:
        brighter = image + np.uint8(100)
        assert dct_share(brighter, include_dc=False) == dct_share(image, include_dc=False)
        brighter_is_less += dct_share(brighter) < dct_share(image)
    assert brighter_is_less == 50


def test_without_dc_the_share_is_of_one_coefficient_less() -> None:
    flickering = np.array([[0, 255, 0, 255]], np.uint8)  # its mean and two odd cosines
    magnitude = sorted(abs(coefficients(flickering)[0]))
    assert magnitude[0] < 1e-15 < magnitude[1]
    assert dct_share(flickering) == 2 / 4
    assert dct_share(flickering, include_dc=False) == 1 / 3


@pytest.mark.parametrize("shape", [(1, 1), (1, 1, 3), (1, 7), (7, 1), (9, 9, 3), (37, 50, 3)])
@pytest.mark.parametrize("grey", [0, 1, 99, 255])
def test_a_constant_image_needs_one_coefficient_at_most(shape: tuple[int, ...], grey: int) -> None:
    image = np.full(shape, grey, np.uint8)
    for tolerance in (0.0, 0.5, 0.9998):
        assert dct_share(image, tolerance=tolerance) == 0.0
        assert dct_share(image, include_dc=False, tolerance=tolerance) == 0.0


def test_colours_of_the_same_luminance_are_no_contrast_but_of_the_next_are() -> None:
    image = np.tile(np.array([0, 35, 0], np.uint8), (8, 8, 1))
    image[3, 5] = 10, 0, 154  # 2989 R + 5870 G + 1140 B is the same, the doubles are not
    assert np.ptp(luminance(image)) > 0
    assert dct_share(image, include_dc=False) == 0.0
    faint = np.zeros((8, 8, 3), np.uint8)
    faint[3, 5, 2] = 1
    assert dct_share(faint, include_dc=False) == literal_share(faint, include_dc=False) > 0.5


def test_views_and_grey_images() -> None:
    image = noise(40, 60, 3)
    for view in (image.transpose(1, 0, 2), image[::2, ::-3], image[:, :, 0], image[:, :, ::-1]):
        for include_dc in (True, False):
            assert dct_share(view, include_dc) == dct_share(view.copy(), include_dc)
    assert dct_share(image[:, :, 0]) == dct_share(np.repeat(image[:, :, :1], 3, axis=2))


def test_errors_say_what_is_allowed() -> None:
    for tolerance in (-0.1, 1.1, math.nan):
        with pytest.raises(ValueError, match="tolerance must be a fraction of the norm, 0 to 1"):
            dct_share(noise(4, 4), tolerance=tolerance)
    with pytest.raises(ValueError, match="must be uint8, not float32"):
        dct_share(np.zeros((4, 4), np.float32))
    with pytest.raises(ValueError, match=r"not \[4, 4, 4\]"):
        coefficients(noise(4, 4, 4))
