"""Affinities between pixels at a distance of at most 5, as a stencil.

A stencil [h, w, 81] holds at [y, x, k] the affinity of the pixel (y, x) to the one at the offset
``DISC[k]`` from it; 0 where that is outside. It is a sparse symmetric matrix of fixed pattern.
"""

import numpy as np
import scipy.sparse

from jagree.statistics.compiled import compiled
from jagree.statistics.edges import density, forest
from jagree.statistics.edges.presets import Preset

RADIUS = 5
_SPAN = range(-RADIUS, RADIUS + 1)
# In row-major order, so that the opposite of entry k is entry 80 - k, and 40 the pixel itself.
DISC = np.array([(y, x) for y in _SPAN for x in _SPAN if y * y + x * x <= RADIUS**2])
SELF = len(DISC) // 2
FORWARD = DISC[SELF + 1 :]  # to the pixels that come later
_BLOCK = 16  # rows of pixels compared together: their pairs fit into a cache


def pair_counts(shape: tuple[int, int]) -> np.ndarray:
    """How many pairs of pixels there are for each offset of ``FORWARD``.

    Parameters
    ----------
    shape : (h, w)

    Returns
    -------
    int64 array [40]
    """
    free = np.array(shape) - np.abs(FORWARD)
    return np.maximum(free, 0).prod(1)


def pairs_at(index: np.ndarray, shape: tuple[int, int]) -> tuple[np.ndarray, np.ndarray]:
    """The local pairs with these numbers.

    Pairs are numbered offset by offset, then by their first pixel.

    Parameters
    ----------
    index : int array [m]
        0 to ``pair_counts(shape).sum() - 1``.
    shape : (h, w)

    Returns
    -------
    first, second : int64 arrays [m]
        Pixels, row by row; the first is the earlier one.
    """
    bounds = np.cumsum(pair_counts(shape))
    k = np.searchsorted(bounds, index, side="right")
    dy, dx = FORWARD[k].T
    within = index - (bounds[k] - pair_counts(shape)[k])
    y, x = np.divmod(within, shape[1] - np.abs(dx))
    first = y * shape[1] + x + np.maximum(-dx, 0)
    return first, first + dy * shape[1] + dx


def learn(features: np.ndarray, preset: Preset, rng: np.random.Generator) -> forest.Forest:
    """A forest that predicts the PMI of a pair of pixels from their features.

    Parameters
    ----------
    features : float64 array [h, w, 3]
    preset : Preset
    rng : numpy Generator
        Kernels, training pairs and features tried are drawn from it, in this order.

    Returns
    -------
    Forest

    References
    ----------
    Isola et al. 2014, sec. 3.2 to 3.4.
    """
    shape = features.shape[:2]
    flat = features.reshape(-1, 3)
    kernels = density.draw_kernels(features, preset.kernels, rng)
    total = int(pair_counts(shape).sum())
    drawn = rng.integers(0, total, min(preset.training_pairs, total))
    index, counts = np.unique(drawn, return_counts=True)
    pairs = pairs_at(index, shape)
    target = density.pairwise_pmi(flat, kernels, pairs, preset.bandwidth)
    ranks = np.stack([np.unique(c, return_inverse=True)[1] for c in flat.T], axis=1)
    x, order = (density.pair_features(one, *pairs) for one in (flat, ranks))
    return forest.fit(x, order, target, counts, preset.trees, rng)


def affinities(sets: list[np.ndarray], forests: list[forest.Forest]) -> np.ndarray:
    """Affinities of all local pairs: the product over feature sets of exp(predicted PMI).

    Parameters
    ----------
    sets : float64 arrays [h, w, 3]
    forests : one per set

    Returns
    -------
    float64 array [h, w, 81]
        Symmetric; a pixel's affinity to itself is 0.

    References
    ----------
    Isola et al. 2014, eq. 3 and sec. 3.3.
    """
    height, width, _ = sets[0].shape
    stencil = np.zeros((height, width, len(DISC)))
    for top in range(0, height, _BLOCK):
        bottom = min(top + _BLOCK, height)
        total: np.ndarray | float = 0.0
        for features, trees in zip(sets, forests, strict=True):
            queries = _queries(features, FORWARD, top, bottom)
            total = total + trees.predict(queries)
        _enter(stencil, FORWARD, top, bottom, np.exp(total))
    return stencil


@compiled
def _queries(features: np.ndarray, offsets: np.ndarray, top: int, bottom: int) -> np.ndarray:
    """Features of the local pairs of some rows of pixels, pixel by pixel; see `pair_features`."""
    height, width, _ = features.shape
    out = np.empty(((bottom - top) * width * len(offsets), 6))
    n = 0
    for y in range(top, bottom):
        for x in range(width):
            for k in range(len(offsets)):
                v, u = y + offsets[k, 0], x + offsets[k, 1]
                if v < height and 0 <= u < width:
                    for c in range(3):
                        out[n, c] = features[y, x, c]
                        out[n, 3 + c] = features[v, u, c]
                    if out[n, 0] < out[n, 3]:
                        out[n, 0], out[n, 3] = out[n, 3], out[n, 0]
                    n += 1
    return out[:n]


@compiled
def _enter(
    stencil: np.ndarray, offsets: np.ndarray, top: int, bottom: int, affinity: np.ndarray
) -> None:
    """Write affinities, in the order of `_queries`, for both pixels of each pair."""
    height, width, size = stencil.shape
    middle = size // 2
    n = 0
    for y in range(top, bottom):
        for x in range(width):
            for k in range(len(offsets)):
                v, u = y + offsets[k, 0], x + offsets[k, 1]
                if v < height and 0 <= u < width:
                    stencil[y, x, middle + 1 + k] = affinity[n]
                    stencil[v, u, middle - 1 - k] = affinity[n]
                    n += 1


def sparse(stencil: np.ndarray) -> scipy.sparse.csr_array:
    """The stencil as a matrix [h w, h w], with an entry wherever the offset stays inside."""
    height, width, _ = stencil.shape
    y, x = np.divmod(np.arange(height * width), width)
    v, u = y[:, None] + DISC[:, 0], x[:, None] + DISC[:, 1]
    inside = (v >= 0) & (v < height) & (u >= 0) & (u < width)
    starts = np.concatenate([[0], np.cumsum(inside.sum(1))])
    columns = (v * width + u)[inside]
    entries = (stencil.reshape(height * width, -1)[inside], columns, starts)
    return scipy.sparse.csr_array(entries, shape=(height * width, height * width))
