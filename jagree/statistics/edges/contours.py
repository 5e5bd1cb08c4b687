"""Oriented contours in eigenvectors: filters, suppression at the border, strongest orientation."""

import functools
import math

import numpy as np

from jagree.statistics.compiled import compiled

ORIENTATIONS = 8
_HALF = 3  # of the filters' width
_RATE = 10  # samples of a filter per pixel and axis
_TABLE = 493  # entries of the tables that samples are looked up in
_SUPPRESSED = 0.03  # part of the image's height that counts as border


@functools.cache
def filters() -> np.ndarray:
    """Oriented derivatives of a Gaussian with a standard deviation of 1 pixel.

    Each is the product of a Gaussian and the derivative of one across it, sampled ten times as
    densely as pixels, to the nearest of 493 tabulated values, and added up per pixel.

    Returns
    -------
    float64 array [8, 7, 7]
        Orientation o has the angle theta = (o + 1) pi / 8 and takes the derivative along
        (row, column) = (cos theta, -sin theta). Sum 0, sum of magnitudes 1, antisymmetric.

    References
    ----------
    Isola et al. 2014, sec. 3.5; the filters are those of Martin et al. 2004, Learning to detect
    natural image boundaries, as released with Arbelaez et al. 2011.
    """
    width = 2 * _HALF + 1
    reach = _HALF + 0.5 * (1 - 1 / _RATE)
    along = np.linspace(-reach, reach, width * _RATE)
    x, y = np.meshgrid(along, along)
    pixel = (np.rint(y) + _HALF) * width + np.rint(x) + _HALF
    span = reach * math.sqrt(2) * 1.01
    table = np.linspace(-span, span, _TABLE)
    gap = table[1] - table[0]
    gaussian = np.exp(-(table**2) / 2)
    derivative = -table * gaussian
    bank = []
    for theta in np.arange(1, ORIENTATIONS + 1) * math.pi / ORIENTATIONS:
        across, beside = (
            np.rint(c / gap).astype(int) + _TABLE // 2
            for c in (
                y * math.cos(theta) - x * math.sin(theta),
                y * math.sin(theta) + x * math.cos(theta),
            )
        )
        samples = derivative[across] * gaussian[beside]
        one = np.bincount(pixel.astype(int).ravel(), samples.ravel(), width * width)
        one -= one.mean()
        bank.append((one / np.abs(one).sum()).reshape(width, width))
    return np.stack(bank)


def border(shape: tuple[int, int]) -> np.ndarray:
    """What is left of each orientation near the border, where the filters see mirrored pixels.

    The image's diagonals, which belong to both sides, part it into four triangles. In the left and
    right ones, V = 1 - ((x - 1) / r)^2 at the x-th pixel from the border, as long as that is
    positive; H likewise in the upper and lower ones; r = ceil(0.03 h) for both.

    Parameters
    ----------
    shape : (h, w)

    Returns
    -------
    float64 array [8, h, w]
        max(0, 1 - abs(cos theta) H - abs(sin theta) V): 1 inside, 0 to 1 near the border. (The
        original has no max; the orientations it affects, in corners, never are the strongest.)
    """
    height, width = shape
    reach = math.ceil(_SUPPRESSED * height)
    row, column = np.arange(height)[:, None], np.arange(width)
    top, left = np.minimum(row, row[::-1]), np.minimum(column, column[::-1])
    # Whole numbers, so that a pixel on a diagonal is exactly on it.
    from_left, from_top = (2 * left + 1) * height, (2 * top + 1) * width
    side = np.where(from_left <= from_top, 1 - np.minimum((left / reach) ** 2, 1), 0)
    ends = np.where(from_top <= from_left, 1 - np.minimum((top / reach) ** 2, 1), 0)
    theta = (np.arange(1, ORIENTATIONS + 1) * math.pi / ORIENTATIONS)[:, None, None]
    return np.maximum(1 - np.abs(np.cos(theta)) * ends - np.abs(np.sin(theta)) * side, 0)


def contours(vectors: np.ndarray, values: np.ndarray) -> np.ndarray:
    """Strength of contours: the sum over eigenvectors of their filtered magnitudes.

    Each vector is scaled to [0, 1] and divided by the root of its eigenvalue, if that is positive.

    Parameters
    ----------
    vectors : float64 array [k, h, w]
    values : float64 array [k]

    Returns
    -------
    float64 array [8, h, w]
        0 or more; not normalised by the number of vectors.

    References
    ----------
    Isola et al. 2014, sec. 3.5; Arbelaez et al. 2011, Contour detection and hierarchical image
    segmentation, eq. 12.
    """
    low = vectors.min((1, 2), keepdims=True)
    extent = vectors.max((1, 2), keepdims=True) - low
    weight = np.where(values > 0, 1 / np.sqrt(np.where(values > 0, values, 1)), 1)
    scale = np.where(extent > 0, weight[:, None, None] / np.where(extent > 0, extent, 1), 0)
    margin = (_HALF, _HALF)
    scaled = ((vectors - low) * scale).astype(np.float32)
    padded = np.pad(scaled, ((0, 0), margin, margin), "symmetric")
    # Antisymmetric filters need but one of each two opposite pixels.
    half = filters().reshape(ORIENTATIONS, -1)[:, : (2 * _HALF + 1) ** 2 // 2]
    return _magnitudes(padded, half.astype(np.float32), 2 * _HALF)


@compiled
def _magnitudes(padded: np.ndarray, half: np.ndarray, margin: int) -> np.ndarray:
    count, height, width = padded.shape[0], padded.shape[1] - margin, padded.shape[2] - margin
    orientations, taps = half.shape
    out = np.zeros((orientations, height, width))
    response = np.empty((orientations, width), np.float32)
    for v in range(count):
        for y in range(height):
            response[:] = 0
            for k in range(taps):
                dy, dx = k // (margin + 1), k % (margin + 1)
                before = padded[v, y + dy, dx : dx + width]
                after = padded[v, y + margin - dy, margin - dx : margin - dx + width]
                difference = before - after
                for o in range(orientations):
                    for x in range(width):
                        response[o, x] += half[o, k] * difference[x]
            for o in range(orientations):
                for x in range(width):
                    out[o, y, x] += abs(response[o, x])
    return out


def strongest(responses: np.ndarray) -> np.ndarray:
    """The strongest orientation at each pixel, after suppression at the border.

    Parameters
    ----------
    responses : float64 array [8, h, w]

    Returns
    -------
    float64 array [h, w]
        0 or more.
    """
    return (responses * border(responses.shape[1:])).max(0)
