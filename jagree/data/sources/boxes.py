"""Boxes around objects: from stored shares to pixels, and the area that they cover together."""

import numpy as np

_DECIMALS = 4  # of pixel coordinates that people wrote down; nearly all have none


def pixel_coordinates(shares: np.ndarray, side: np.ndarray) -> np.ndarray:
    """Coordinates as they were annotated, from their shares of the image's side.

    A share is the float32 quotient of coordinate and side; share times side is off by up to 6e-8 of
    the side. So of all coordinates whose quotient is stored as this very share (or as a neighbour
    of it, as a division in float32 may give) the one with the fewest decimals is taken, and share
    times side where more than 4 would be needed.

    Parameters
    ----------
    shares : float32 array [M, 4]
        Any number, nan among them.
    side : int array [4]
        Pixels.

    Returns
    -------
    float64 array [M, 4]

    Examples
    --------
    >>> pixel_coordinates(np.float32([[45.7 / 500, 1 / 375, 1, 0.5]]), np.array([500, 375] * 2))
    array([[ 45.7,   1. , 500. , 187.5]])
    """
    found = shares.astype(np.float64) * side
    with np.errstate(invalid="ignore"):
        for decimals in range(_DECIMALS + 1):  # what is found stays, for it has no more decimals
            rounded = np.round(found, decimals)
            near = abs(rounded / side - shares) <= np.spacing(abs(shares))
            found = np.where(near, rounded, found)
    return found


def edges(boxes: np.ndarray, width: int, height: int) -> np.ndarray:
    """Where boxes begin and end in the plane, from pixels that are numbered from 1.

    A box covers its first and its last pixel: the pixels 1 to W are the interval 0 to W. A first
    pixel between 0 and 1 is none of the image: the box then begins at the border.

    Parameters
    ----------
    boxes : float64 array [M, 4]
        First column, first row, last column, last row.
    width, height : int
        Of the image, in pixels.

    Returns
    -------
    float64 array [M, 4]
        Left, top, right, bottom; each box has an area.

    Raises
    ------
    ValueError
        If a box is none: not finite, the last pixel before the first, or outside the image.
    """
    side = np.array([width, height], np.float64)
    first, last = boxes[:, :2], boxes[:, 2:]
    wrong = {
        "is not finite": ~np.isfinite(boxes).all(1),
        "ends before it begins": (last < first).any(1),
        "is not within": ((first < 0) | (last > side) | (last <= 0)).any(1),
    }
    for what, rows in wrong.items():
        if rows.any():
            box = ", ".join(f"{value:g}" for value in boxes[rows][0])
            raise ValueError(f"the box ({box}) {what} an image of {width}x{height} pixels")
    return np.hstack([np.maximum(first - 1, 0), last])


def union_area(boxes: np.ndarray) -> float:
    """Area that boxes cover together, each spot counted once.

    The edges of all boxes cut the plane into cells, each of which is covered whole or not at all.
    Exact where the edges are integers.

    Parameters
    ----------
    boxes : float64 array [M, 4]
        Left, top, right, bottom.

    Returns
    -------
    float
        0 if there are none.

    Examples
    --------
    >>> union_area(np.array([[0.0, 0, 2, 2], [1, 1, 3, 3]]))
    7.0
    """
    x, y = np.unique(boxes[:, 0::2]), np.unique(boxes[:, 1::2])
    covered = np.zeros((max(len(y) - 1, 0), max(len(x) - 1, 0)), bool)
    columns, rows = np.searchsorted(x, boxes[:, 0::2]), np.searchsorted(y, boxes[:, 1::2])
    for (left, right), (top, bottom) in zip(columns, rows, strict=True):
        covered[top:bottom, left:right] = True
    return float(np.diff(y) @ covered @ np.diff(x))
