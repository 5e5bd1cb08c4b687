"""Ten shapes as signed distances, inscribed in the unit circle.

Each function takes coordinates in which the circle has radius 1 (x to the right, y up) and returns
the distance to the outline, negative inside; beyond a corner it may understate the distance, which
leaves the corner sharp. Only sums, products, extrema and square roots are used, which IEEE 754
defines to the last bit.
"""

from collections.abc import Callable

import numpy as np


def _disc(x: np.ndarray, y: np.ndarray) -> np.ndarray:
    return np.sqrt(x * x + y * y) - 1.0


def _ring(x: np.ndarray, y: np.ndarray) -> np.ndarray:
    return np.abs(np.sqrt(x * x + y * y) - 0.8) - 0.2


def _box(x: np.ndarray, y: np.ndarray, width: float, height: float) -> np.ndarray:
    return np.maximum(np.abs(x) - width, np.abs(y) - height)


def _square(x: np.ndarray, y: np.ndarray) -> np.ndarray:
    return _box(x, y, np.sqrt(0.5), np.sqrt(0.5))


def _frame(x: np.ndarray, y: np.ndarray) -> np.ndarray:
    return np.abs(_square(x, y) + 0.15) - 0.15


def _triangle(x: np.ndarray, y: np.ndarray) -> np.ndarray:
    return np.maximum(-y, np.sqrt(0.75) * np.abs(x) + 0.5 * y) - 0.5


def _plus(x: np.ndarray, y: np.ndarray) -> np.ndarray:
    return np.minimum(_box(x, y, 0.96, 0.28), _box(x, y, 0.28, 0.96))


def _star(x: np.ndarray, y: np.ndarray) -> np.ndarray:
    """Five points: the plane is folded along the mirror axes until one flank is left."""
    cosine, sine = np.cos(np.pi / 5), np.sin(np.pi / 5)
    x = np.abs(x)
    for normal_x, normal_y in ((cosine, -sine), (-cosine, -sine)):
        beyond = np.maximum(normal_x * x + normal_y * y, 0.0)
        x, y = x - 2 * beyond * normal_x, y - 2 * beyond * normal_y
    x = np.abs(x)
    notch = 0.42  # radius of the inner corners
    along_x, along_y = notch * sine, notch * cosine - 1.0  # the flank, from tip to inner corner
    return (along_x * (y - 1.0) - along_y * x) / np.sqrt(along_x**2 + along_y**2)


def _crescent(x: np.ndarray, y: np.ndarray) -> np.ndarray:
    return np.maximum(_disc(x, y), -_disc((x - 0.5) / 0.8, y / 0.8) * 0.8)


def _bar(x: np.ndarray, y: np.ndarray) -> np.ndarray:
    return _box(x, y, 0.96, 0.28)


def _half_disc(x: np.ndarray, y: np.ndarray) -> np.ndarray:
    return np.maximum(_disc(x, y), -y)


SHAPES: dict[str, Callable[[np.ndarray, np.ndarray], np.ndarray]] = {
    "disc": _disc,
    "ring": _ring,
    "square": _square,
    "frame": _frame,
    "triangle": _triangle,
    "plus": _plus,
    "star": _star,
    "crescent": _crescent,
    "bar": _bar,
    "half_disc": _half_disc,
}


def coverage(label: np.ndarray, x: np.ndarray, y: np.ndarray, radius: np.ndarray) -> np.ndarray:
    """Fraction of each pixel that the shape covers, its edge a ramp one pixel wide.

    Parameters
    ----------
    label : int array [N]
        Position in `SHAPES`.
    x, y : float array [N, H, W]
        Pixel centres relative to the shape's centre and turned with it, in pixels.
    radius : float array [N]
        Radius of the circle around the shape, in pixels, above 0.

    Returns
    -------
    float array [N, H, W]
        0 (outside) to 1 (inside).
    """
    covered = np.empty_like(x)
    for index, distance in enumerate(SHAPES.values()):
        rows = np.flatnonzero(label == index)
        scale = radius[rows, None, None]
        covered[rows] = np.clip(0.5 - scale * distance(x[rows] / scale, y[rows] / scale), 0.0, 1.0)
    return covered
