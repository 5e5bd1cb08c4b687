"""Pointwise mutual information of neighbouring features, from a kernel density."""

import numpy as np

from jagree.statistics.compiled import compiled

_SIGMA = 0.5  # standard deviation of half the distance drawn, before 1 is added to its length
_REACH = 2  # the most that half a distance spans along an axis
_RHO = 1.25  # exponent of the joint density
_REGULARISER = 100.0  # added to both densities


def pair_features(features: np.ndarray, first: np.ndarray, second: np.ndarray) -> np.ndarray:
    """Features of pairs of pixels, [A1 A2 A3 B1 B2 B3] with A1 >= B1.

    Only the first channel is put in order, and the others stay with their pixel: so the original
    does it, and what is learned depends on it.

    Parameters
    ----------
    features : float64 array [n, 3]
    first, second : int arrays [m]
        The pixels A and B.

    Returns
    -------
    float64 array [m, 6]
    """
    a, b = features[first], features[second]
    pairs = np.concatenate([a, b], axis=1)
    pairs[:, 0] = np.maximum(a[:, 0], b[:, 0])
    pairs[:, 3] = np.minimum(a[:, 0], b[:, 0])
    return pairs


def draw_offsets(rng: np.random.Generator, count: int) -> np.ndarray:
    """Half distances of sampled pairs, along both axes.

    Normal with a standard deviation of 1/2 per axis, lengthened by 1, clipped to +-2, rounded.

    Parameters
    ----------
    rng : numpy Generator
    count : int

    Returns
    -------
    int64 array [count, 2]
        Never (0, 0): a length of 1 or more rounds to 1 on some axis.
    """
    offset = _SIGMA * rng.standard_normal((count, 2))
    length = np.hypot(offset[:, 0], offset[:, 1])[:, None]
    return np.rint(np.clip(offset + offset / length, -_REACH, _REACH)).astype(np.int64)


def draw_kernels(
    features: np.ndarray, count: int, rng: np.random.Generator
) -> tuple[np.ndarray, np.ndarray]:
    """Pairs of pixels, each symmetric about a position drawn uniformly.

    Parameters
    ----------
    features : float64 array [h, w, 3]
        Gives the shape only.
    count : int
        Positions drawn, with replacement; each counts once.
    rng : numpy Generator

    Returns
    -------
    first, second : int64 arrays [m]
        Pixels, row by row. m is at most `count` and h w; fewer, as pairs that reach outside are
        dropped, and 0 where the image is 2 pixels high and wide or smaller.

    References
    ----------
    Isola et al. 2014, sec. 3.1, 3.2: samples of the joint density of neighbours.
    """
    height, width = features.shape[:2]
    drawn = rng.integers(0, height * width, count)
    position = np.flatnonzero(np.bincount(drawn, minlength=height * width))
    offset = draw_offsets(rng, len(position))
    row, column = np.divmod(position, width)
    y, x = np.abs(offset).T
    inside = (row >= y) & (row + y < height) & (column >= x) & (column + x < width)
    step = (offset[:, 0] * width + offset[:, 1])[inside]
    return position[inside] + step, position[inside] - step


def density(points: np.ndarray, kernels: np.ndarray, bandwidth: float) -> np.ndarray:
    """Kernel density with a product of Epanechnikov kernels of equal width.

    p(x) = 1/m sum_k prod_d 3/(4 b) max(0, 1 - ((x_d - k_d) / b)^2)

    Parameters
    ----------
    points : float64 array [n, D]
    kernels : float64 array [m, D]
        0 to 1, like the points. D is 3 or 6.
    bandwidth : float
        b, half the width of a kernel's support.

    Returns
    -------
    float64 array [n]
        0 to (3/(4 b))^D. 0 everywhere where there is no kernel.
    """
    if len(kernels) == 0:
        return np.zeros(len(points))
    side = int(1 / bandwidth) + 1
    point_order, point_bounds = _cells(points, side)
    order, bounds = _cells(kernels, side)
    scaled = np.ascontiguousarray(points[point_order].T / bandwidth)
    total = np.empty(len(points))
    total[point_order] = _sums_of_kernels(
        scaled, point_bounds, kernels[order] / bandwidth, bounds, side
    )
    return total * (0.75 / bandwidth) ** kernels.shape[1] / len(kernels)


def _cells(points: np.ndarray, side: int) -> tuple[np.ndarray, np.ndarray]:
    """Order of the points by square cells in two dimensions, and where in it each cell begins.

    Of pairs, the dimensions are the first channels of A and B, which vary most; of single pixels
    the first two channels. A cell is at least as wide as a kernel reaches.
    """
    axis = points.shape[1] // 2 if points.shape[1] > 3 else 1
    cell = (points[:, 0] * (side - 1)).astype(np.int64) * side
    cell += (points[:, axis] * (side - 1)).astype(np.int64)
    order = np.argsort(cell.astype(np.uint16), kind="stable")
    return order, np.concatenate([[0], np.cumsum(np.bincount(cell, minlength=side**2))])


@compiled
def _sums_of_kernels(
    x: np.ndarray,
    point_bounds: np.ndarray,
    kernels: np.ndarray,
    bounds: np.ndarray,
    side: int,
) -> np.ndarray:
    """Sum of kernels at each point [D, n]; both in units of the bandwidth and sorted by cells."""
    dimensions, n = x.shape
    total = np.zeros(n)
    for cell in range(side * side):
        first, last = point_bounds[cell], point_bounds[cell + 1]
        if first == last:
            continue
        here, out = x[:, first:last], total[first:last]
        row, column = cell // side, cell % side
        for neighbours in range(max(row - 1, 0) * side, min(row + 2, side) * side, side):
            begin = bounds[neighbours + max(column - 1, 0)]
            end = bounds[neighbours + min(column + 2, side)]
            # All points of a cell at once: those loops can be vectorised.
            for k in range(begin, end):
                if dimensions == 3:
                    _add_kernel_3(here, kernels[k], out)
                else:
                    _add_kernel_6(here, kernels[k], out)
    return total


@compiled
def _add_kernel_3(x: np.ndarray, k: np.ndarray, out: np.ndarray) -> None:
    a, b, c = x[0], x[1], x[2]
    for i in range(len(out)):
        out[i] += _bump(a[i] - k[0]) * _bump(b[i] - k[1]) * _bump(c[i] - k[2])


@compiled
def _add_kernel_6(x: np.ndarray, k: np.ndarray, out: np.ndarray) -> None:
    a, b, c, d, e, f = x[0], x[1], x[2], x[3], x[4], x[5]
    for i in range(len(out)):
        first = _bump(a[i] - k[0]) * _bump(b[i] - k[1]) * _bump(c[i] - k[2])
        second = _bump(d[i] - k[3]) * _bump(e[i] - k[4]) * _bump(f[i] - k[5])
        out[i] += first * second


@compiled
def _bump(u: float) -> float:
    height = 1 - u * u
    return height if height > 0 else 0.0


def pmi(joint: np.ndarray, a: np.ndarray, b: np.ndarray) -> np.ndarray:
    """Regularised pointwise mutual information of pairs.

    log((p(A, B) / 2 + 100)^1.25 / (p(A) p(B) + 100)), natural. The half is for the order of a
    pair: the kernels fill only the half of the space where A1 >= B1.

    Parameters
    ----------
    joint, a, b : float64 arrays [m]
        Densities of the pairs and of their pixels.

    Returns
    -------
    float64 array [m]

    References
    ----------
    Isola et al. 2014, eq. 1 and 2 with rho = 1.25; the regulariser is that of the released code.
    """
    return _RHO * np.log(joint / 2 + _REGULARISER) - np.log(a * b + _REGULARISER)


def pairwise_pmi(
    features: np.ndarray,
    kernels: tuple[np.ndarray, np.ndarray],
    pairs: tuple[np.ndarray, np.ndarray],
    bandwidth: float,
) -> np.ndarray:
    """`pmi` of pairs of pixels, under the density that other pairs are samples of.

    A pixel's own density is the mean of those of the A-halves and of the B-halves of the kernels;
    its features are not put in any order.

    Parameters
    ----------
    features : float64 array [n, 3]
    kernels, pairs : two int arrays [m] each
        Pixels A and B.
    bandwidth : float

    Returns
    -------
    float64 array [number of pairs]
    """
    samples = pair_features(features, *kernels)
    joint = density(pair_features(features, *pairs), samples, bandwidth)
    both = np.concatenate(pairs)
    used = np.flatnonzero(np.bincount(both))
    halves = np.concatenate([samples[:, :3], samples[:, 3:]])
    single = np.empty(len(features))
    single[used] = density(features[used], halves, bandwidth)
    return pmi(joint, single[pairs[0]], single[pairs[1]])
