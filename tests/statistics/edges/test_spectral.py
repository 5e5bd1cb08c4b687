"""Coarsening, eigenvectors and whitening against dense matrices."""

import math

import numpy as np
import pytest
import scipy.linalg

from jagree.statistics.edges import affinity, presets, spectral

SPEEDY, EXACT = presets.PRESETS["speedy"], presets.PRESETS["accurate_low_res"]


def random_stencil(height: int, width: int, seed: int = 0) -> np.ndarray:
    """Symmetric affinities over four decades."""
    rng = np.random.default_rng(seed)
    stencil = np.zeros((height, width, 81))
    for k, (dy, dx) in enumerate(affinity.FORWARD):
        for y in range(height - dy):
            for x in range(max(-dx, 0), width - max(dx, 0)):
                value = 10 ** rng.uniform(-4, 0)
                stencil[y, x, 41 + k] = stencil[y + dy, x + dx, 39 - k] = value
    return stencil


def dense(stencil: np.ndarray) -> np.ndarray:
    height, width, _ = stencil.shape
    out = np.zeros((height * width, height * width))
    for (y, x, k), value in np.ndenumerate(stencil):
        v, u = y + affinity.DISC[k, 0], x + affinity.DISC[k, 1]
        if 0 <= v < height and 0 <= u < width:
            out[y * width + x, v * width + u] = value
        else:
            assert value == 0
    return out


def literal_coarsening(a: np.ndarray, height: int, width: int) -> tuple[np.ndarray, np.ndarray]:
    """The coarse matrix, and the one that interpolates; pixels counted from 1 are kept if even."""
    keep = [
        (y - 1) * width + x - 1
        for y in range(1, height + 1)
        for x in range(1, width + 1)
        if y % 2 == 0 and x % 2 == 0
    ]
    rows = a[:, keep].T
    b = (rows / (rows.sum(0) + np.finfo(float).eps)).T
    return rows @ b, b


@pytest.mark.parametrize("shape", [(13, 18), (16, 16), (4, 9)], ids=str)
def test_coarsening_is_the_product_of_matrices(shape: tuple[int, int]) -> None:
    stencil, size = random_stencil(*shape), shape
    for _ in range(2):  # the second time with a diagonal
        expected, b = literal_coarsening(dense(stencil), *size)
        size = (size[0] // 2, size[1] // 2)
        vectors = np.random.default_rng(1).normal(size=(math.prod(size), 5))
        interpolated = spectral.interpolate(stencil, affinity.DISC, vectors)
        np.testing.assert_allclose(interpolated, b @ vectors, atol=1e-13)
        stencil = spectral.coarsen(stencil, spectral.ENTRY, affinity.DISC)
        assert stencil.shape == (*size, 81)
        np.testing.assert_allclose(dense(stencil), expected, rtol=1e-11, atol=1e-16)


def generalised(a: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    degree = np.diag(a.sum(1))
    return scipy.linalg.eigh(degree - a + 1e-10 * np.eye(len(a)), degree)


def same_up_to_sign(actual: np.ndarray, expected: np.ndarray) -> None:
    sign = np.sign((actual * expected).sum(0))
    np.testing.assert_allclose(actual * sign, expected, atol=1e-7 * np.abs(expected).max())


def test_normalised_cut_is_the_generalised_problem() -> None:
    stencil = random_stencil(6, 7)
    expected, vectors = generalised(dense(stencil))
    values, actual = spectral.normalised_cut(stencil, 20)
    assert actual.shape == (42, 20)
    np.testing.assert_allclose(values, expected[:20], atol=1e-13)
    same_up_to_sign(actual, vectors[:, :20])
    degree = dense(stencil).sum(1)
    np.testing.assert_allclose((degree[:, None] * actual**2).sum(0), 1)


def test_the_lift_of_the_diagonal_counts_where_affinities_are_tiny() -> None:
    stencil = random_stencil(4, 4) * 1e-9
    expected, _ = generalised(dense(stencil))
    assert expected[0] > 0.01
    np.testing.assert_allclose(spectral.normalised_cut(stencil, 16)[0], expected, rtol=1e-9)


def test_large_graphs_have_the_same_eigenvectors() -> None:
    """Past 500 nodes another solver is used."""
    stencil = random_stencil(24, 22)
    expected, vectors = generalised(dense(stencil))
    values, actual = spectral.normalised_cut(stencil, 100)
    np.testing.assert_allclose(values, expected[:100], atol=1e-12)
    same_up_to_sign(actual, vectors[:, :100])
    again = spectral.normalised_cut(stencil, 100)
    np.testing.assert_array_equal(actual, again[1])


def test_whitening_is_the_inverse_root_of_the_covariance() -> None:
    rng = np.random.default_rng(0)
    columns = rng.normal(size=(200, 6)) @ rng.normal(size=(6, 6)) + 5
    centred = columns - columns.mean(0)
    root = scipy.linalg.fractional_matrix_power(centred.T @ centred / 200, -0.5)
    white = spectral.whitened(columns)
    np.testing.assert_allclose(white, (centred @ root).T, atol=1e-10)
    np.testing.assert_allclose(white @ white.T / 200, np.eye(6), atol=1e-12)
    np.testing.assert_allclose(white.mean(1), 0, atol=1e-12)
    assert np.sqrt((white**2).mean()) == pytest.approx(1)  # the original's last step does nothing


def test_whitening_leaves_dependent_columns_finite() -> None:
    column = np.random.default_rng(0).normal(size=(50, 1))
    white = spectral.whitened(np.concatenate([column, 2 * column, 0 * column], axis=1))
    covariance = white @ white.T / 50
    np.testing.assert_allclose(covariance @ covariance, covariance, atol=1e-10)
    assert np.trace(covariance) == pytest.approx(1)


def test_whitening_of_constant_columns_is_nothing() -> None:
    np.testing.assert_array_equal(spectral.whitened(np.zeros((9, 2))), 0)


def test_eigenvectors_of_a_coarse_graph_literally() -> None:
    height, width = 17, 26
    stencil = random_stencil(height, width)
    coarse, first = literal_coarsening(dense(stencil), height, width)
    coarsest, second = literal_coarsening(coarse, height // 2, width // 2)
    expected, vectors = generalised(coarsest)
    fine = (first @ second @ vectors)[:, 1:]
    centred = fine - fine.mean(0)
    white = centred @ scipy.linalg.fractional_matrix_power(centred.T @ centred / len(centred), -0.5)
    actual, values = spectral.eigenvectors(stencil, SPEEDY)
    assert actual.shape == (4 * 6 - 1, height, width)
    np.testing.assert_allclose(values, expected[1:], atol=1e-13)
    same_up_to_sign(actual.reshape(len(values), -1).T, white)


def test_exact_eigenvectors_are_neither_coarsened_nor_whitened() -> None:
    stencil = random_stencil(9, 8)
    expected, vectors = generalised(dense(stencil))
    actual, values = spectral.eigenvectors(stencil, EXACT)
    assert actual.shape == (71, 9, 8)
    np.testing.assert_allclose(values, expected[1:], atol=1e-13)
    same_up_to_sign(actual.reshape(71, -1).T, vectors[:, 1:])


def test_no_more_than_a_hundred_vectors() -> None:
    vectors, _ = spectral.eigenvectors(random_stencil(12, 10), EXACT)
    assert len(vectors) == 99  # without the constant one


@pytest.mark.parametrize(
    ("shape", "nodes"), [((16, 16), 16), ((7, 30), 7), ((3, 99), 0), ((188, 250), 47 * 62)]
)
def test_how_many_nodes_the_coarsest_graph_has(shape: tuple[int, int], nodes: int) -> None:
    assert spectral.nodes(shape, SPEEDY) == nodes
    assert spectral.nodes(shape, EXACT) == math.prod(shape)
