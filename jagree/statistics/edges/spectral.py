"""Eigenvectors of the normalised cut, exact or from a graph coarsened twice ("DNcuts")."""

import numpy as np
import scipy.sparse.linalg

from jagree.statistics.compiled import compiled
from jagree.statistics.edges.affinity import DISC, RADIUS, sparse
from jagree.statistics.edges.presets import Preset

_LIFT = 1e-10  # added to the diagonal of the Laplacian
_DENSE = 500  # up to so many nodes, a dense solver of all vectors is faster
_INDEPENDENT = 1e-12  # part of the largest variance, below which a direction is rounding

# The entry of the stencil for each offset, [-5 to 5, -5 to 5].
ENTRY = np.full((2 * RADIUS + 1, 2 * RADIUS + 1), -1)
ENTRY[DISC[:, 0] + RADIUS, DISC[:, 1] + RADIUS] = np.arange(len(DISC))


def nodes(shape: tuple[int, int], preset: Preset) -> int:
    """Nodes of the graph whose eigenvectors are sought, for an image of that shape."""
    return int(np.prod([size >> preset.coarsenings for size in shape]))


def eigenvectors(stencil: np.ndarray, preset: Preset) -> tuple[np.ndarray, np.ndarray]:
    """The smallest eigenvectors of the graph's normalised cut, the constant one left out.

    Parameters
    ----------
    stencil : float64 array [h, w, 81]
        Affinities, symmetric, positive within the image, 0 on the diagonal.
    preset : Preset

    Returns
    -------
    vectors : float64 array [k, h, w]
        Whitened if the preset coarsens the graph. k is one less than the preset's number of
        vectors, or than the number of nodes of the coarse graph if that is smaller.
    values : float64 array [k]
        Eigenvalues, ascending; 0 to 2 up to rounding.

    References
    ----------
    Isola et al. 2014, sec. 3.5; the coarsening is that of Arbelaez et al. 2014, Multiscale
    combinatorial grouping, sec. 3.2.
    """
    levels = [stencil]
    for _ in range(preset.coarsenings):
        levels.append(coarsen(levels[-1], ENTRY, DISC))
    values, vectors = normalised_cut(levels.pop(), preset.vectors)
    values, vectors = values[1:], vectors[:, 1:]
    for level in reversed(levels):
        vectors = interpolate(level, DISC, np.ascontiguousarray(vectors))
    columns = whitened(vectors) if preset.coarsenings else vectors.T
    return columns.reshape(len(values), *stencil.shape[:2]), values


@compiled
def coarsen(stencil: np.ndarray, entry: np.ndarray, disc: np.ndarray) -> np.ndarray:
    """The graph of every second pixel along both axes, joined by two steps in the finer one.

    With A_s the rows of A of the pixels kept, (y, x) with y and x odd, and d the sums of its
    columns: A_s diag(1 / d) A_s^T. What is kept is again joined within a distance of 5.

    Parameters
    ----------
    stencil : float64 array [h, w, 81]
    entry : int array [11, 11]
        The stencil's entry of each offset.
    disc : int array [81, 2]
        The offset of each entry.

    Returns
    -------
    float64 array [h // 2, w // 2, 81]
    """
    height, width, size = stencil.shape
    reach = len(entry) // 2
    out = np.zeros((height // 2, width // 2, size))
    row, column, weight = np.empty(size, np.int64), np.empty(size, np.int64), np.empty(size)
    for y in range(height):
        for x in range(width):
            count = _kept_neighbours(stencil, disc, y, x, row, column, weight)
            degree = weight[:count].sum() + np.finfo(np.float64).eps
            for i in range(count):
                share = weight[i] / degree
                for j in range(count):
                    k = entry[row[j] - row[i] + reach, column[j] - column[i] + reach]
                    out[row[i], column[i], k] += share * weight[j]
    return out


@compiled
def interpolate(stencil: np.ndarray, disc: np.ndarray, vectors: np.ndarray) -> np.ndarray:
    """Vectors on the pixels kept by `coarsen`, carried over to all pixels.

    A pixel gets the mean of its neighbours among those kept, weighted with the affinities.

    Parameters
    ----------
    stencil : float64 array [h, w, 81]
    disc : int array [81, 2]
    vectors : float64 array [(h // 2) (w // 2), k]

    Returns
    -------
    float64 array [h w, k]
    """
    height, width, size = stencil.shape
    out = np.zeros((height * width, vectors.shape[1]))
    row, column, weight = np.empty(size, np.int64), np.empty(size, np.int64), np.empty(size)
    for y in range(height):
        for x in range(width):
            count = _kept_neighbours(stencil, disc, y, x, row, column, weight)
            degree = weight[:count].sum() + np.finfo(np.float64).eps
            target = out[y * width + x]
            for i in range(count):
                source = vectors[row[i] * (width // 2) + column[i]]
                share = weight[i] / degree
                for v in range(len(target)):
                    target[v] += share * source[v]
    return out


@compiled
def _kept_neighbours(
    stencil: np.ndarray,
    disc: np.ndarray,
    y: int,
    x: int,
    row: np.ndarray,
    column: np.ndarray,
    weight: np.ndarray,
) -> int:
    """Fill in place and affinity of a pixel's neighbours that are kept; how many they are."""
    height, width, size = stencil.shape
    count = 0
    for k in range(size):
        v, u = y + disc[k, 0], x + disc[k, 1]
        if 0 <= v < height and 0 <= u < width and v % 2 == 1 and u % 2 == 1:
            row[count], column[count], weight[count] = v // 2, u // 2, stencil[y, x, k]
            count += 1
    return count


def normalised_cut(stencil: np.ndarray, count: int) -> tuple[np.ndarray, np.ndarray]:
    """Smallest solutions of (D - A + 1e-10 I) v = lambda D v, with D the row sums of A.

    Parameters
    ----------
    stencil : float64 array [h, w, 81]
        A.
    count : int
        How many; all h w if there are fewer.

    Returns
    -------
    values : float64 array [k]
        Ascending.
    vectors : float64 array [h w, k]
        Columns with v^T D v = 1.
    """
    matrix = sparse(stencil)
    degree = matrix.sum(1)
    scale = 1 / np.sqrt(degree)
    # The largest of D^-1/2 (A - 1e-10 I) D^-1/2 are the smallest of the problem: 1 less each.
    matrix.data *= np.repeat(scale, np.diff(matrix.indptr)) * scale[matrix.indices]
    matrix = matrix - scipy.sparse.diags_array(_LIFT / degree)
    n = len(degree)
    count = min(count, n)
    if n <= _DENSE or n <= 2 * count:
        largest, vectors = np.linalg.eigh(matrix.toarray())
    else:
        # A fixed start: the result must depend on nothing but the matrix.
        start = np.random.default_rng(0).standard_normal(n)
        largest, vectors = scipy.sparse.linalg.eigsh(
            matrix, count, which="LA", v0=start, ncv=3 * count // 2
        )
    order = np.argsort(-largest, kind="stable")[:count]
    return 1 - largest[order], vectors[:, order] * scale[:, None]


def whitened(columns: np.ndarray) -> np.ndarray:
    """Centred columns X, made uncorrelated with as little change as possible: X C^-1/2.

    C = X^T X / n. (The original then divides by the root mean square, which is 1.) The constant
    vector must not be among the columns: centred, it is rounding noise.

    Parameters
    ----------
    columns : float64 array [n, k]

    Returns
    -------
    float64 array [k, n]
        Rows of mean 0 and variance 1 that are uncorrelated; so far as the columns are independent:
        directions in which they do not vary stay 0.
    """
    centred = columns - columns.mean(0)
    variance, axes = np.linalg.eigh(centred.T @ centred / len(centred))
    real = variance > _INDEPENDENT * variance[-1]
    root = axes[:, real] / np.sqrt(variance[real]) @ axes[:, real].T
    return root @ centred.T
