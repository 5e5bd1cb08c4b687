"""Number of segments of the graph-based segmentation of Felzenszwalb and Huttenlocher."""

import math

import numpy as np

from jagree.statistics import pixels
from jagree.statistics.compiled import compiled

_PIXELS = 2**30  # each emits up to four edges, numbered in 32 bits


def segment(
    image: np.ndarray, sigma: float = 0.5, scale: float = 500, min_size: int = 20
) -> np.ndarray:
    """Segments of an image, as the original program finds them.

    The colours (0 to 255) are smoothed by a Gaussian that repeats the border's pixels; each pixel
    is joined to its eight neighbours by edges that weigh the Euclidean distance of the smoothed
    colours. Edges are then taken by ascending weight: one of weight w between two segments A and B
    merges them if w <= min(t(A), t(B)), where t(S) = (largest weight that merged parts of S) +
    scale / |S|. A second pass in the same order merges along any edge where A or B has fewer than
    `min_size` pixels.

    Parameters
    ----------
    image : uint8 array [H, W, 3] or [H, W]
    sigma : float
        Standard deviation of the Gaussian, pixels; cut off at the next whole pixel from 4 sigma.
        0 smooths nothing.
    scale : float
        Grey levels times pixels; the larger, the larger the segments. The paper's k.
    min_size : int
        Pixels; 0 and 1 merge nothing.

    Returns
    -------
    int32 array [H, W]
        0 to number of segments - 1, in the order in which they appear row by row. A segment has
        at least `min_size` pixels, unless the image has fewer.

    Raises
    ------
    ValueError
        If `image` is no image or has more than 2^30 pixels, or an option is negative or not finite.

    Notes
    -----
    Everything is in single precision and in the original's order. Edges of the same weight, whose
    order the original leaves to its sorting routine, are taken in the order of their upper or left
    pixels row by row, each with those to the right, below, below right and above right. On 700
    photographs no count depended on that.

    The algorithm is that of the original program, as published with the article. It was written
    from its description and compared, label by label, with two others: a literal version in plain
    Python, and scikit-image's `felzenszwalb` on images that were smoothed as above beforehand
    (equal on all of CIFAR-10's test set and on 120 photographs). scikit-image's own smoothing
    mirrors the border instead, which changes the count of about one photograph in ten.

    References
    ----------
    Felzenszwalb and Huttenlocher, "Efficient graph-based image segmentation", International Journal
    of Computer Vision 59, 2004: section 4 (the algorithm), section 5 (grid graphs; but there each
    colour channel is segmented by itself, in the published program all at once).

    Examples
    --------
    >>> import numpy as np
    >>> image = np.zeros((4, 8), np.uint8)
    >>> image[:, 5:] = 255
    >>> segment(image, sigma=0, min_size=0)[0].tolist()
    [0, 0, 0, 0, 0, 1, 1, 1]
    """
    image = pixels.rgb(image)
    for name, value in {"sigma": sigma, "scale": scale, "min_size": min_size}.items():
        if not (math.isfinite(value) and value >= 0):
            raise ValueError(f"{name} must be finite and not negative, not {value}")
    height, width, _ = image.shape
    if height * width > _PIXELS:
        raise ValueError(f"an image may have {_PIXELS} pixels at most, not {height} x {width}")
    edges = _edges(_smoothed(image, sigma))
    edges.sort()
    return _merged(edges, height, width, np.float32(scale), min_size)


def segment_count(
    image: np.ndarray, sigma: float = 0.5, scale: float = 500, min_size: int = 20
) -> int:
    """Number of segments that `segment` finds; the defaults are the paper's.

    Parameters
    ----------
    image : uint8 array [H, W, 3] or [H, W]
    sigma, scale, min_size
        See `segment`.

    Returns
    -------
    int
        1 (a constant image, or one of less than 2 `min_size` pixels) to H W / max(`min_size`, 1).

    Raises
    ------
    ValueError
        As `segment`.

    References
    ----------
    Felzenszwalb and Huttenlocher, International Journal of Computer Vision 59, 2004; sigma 0.5,
    scale 500 and at least 20 pixels: Pliushch et al., arXiv 2105.08997.

    Examples
    --------
    >>> import numpy as np
    >>> image = np.zeros((8, 8), np.uint8)
    >>> image[:, 4:] = 255
    >>> segment_count(image), segment_count(image, scale=20_000)
    (2, 1)
    """
    return int(segment(image, sigma, scale, min_size).max()) + 1


def _taps(sigma: float) -> np.ndarray:
    """One half of the Gaussian, from its middle on, float32 [ceil(4 sigma) + 1]."""
    narrowest = 0.01  # pixels; all taps but the middle one vanish
    single = np.float32(max(sigma, narrowest))
    distance = np.arange(math.ceil(4 * single) + 1, dtype=np.float32) / single
    taps = np.exp(-0.5 * np.square(distance).astype(np.float64)).astype(np.float32)
    both_sides = np.float32(0)
    for tap in taps[1:]:  # one by one: pairwise sums round differently
        both_sides += tap
    return taps / (2 * both_sides + taps[0])


def _smoothed(image: np.ndarray, sigma: float) -> np.ndarray:
    """Colours after the Gaussian, first along rows, then along columns, float32 [H, W, 3]."""
    height, width, _ = image.shape
    taps = _taps(sigma)
    by_column = np.ascontiguousarray(image.transpose(1, 0, 2), np.float32)
    along_rows = _down(by_column.reshape(width, -1), taps).reshape(by_column.shape)
    by_row = np.ascontiguousarray(along_rows.transpose(1, 0, 2))
    return _down(by_row.reshape(height, -1), taps).reshape(image.shape)


@compiled
def _down(values, taps):  # type: ignore[no-untyped-def]
    """Gaussian down the first axis of float32 [n, m]; beyond the ends, the end is repeated."""
    n, m = values.shape
    out = np.empty_like(values)
    for i in range(n):
        for j in range(m):
            out[i, j] = taps[0] * values[i, j]
        for distance in range(1, len(taps)):
            before, after = values[max(i - distance, 0)], values[min(i + distance, n - 1)]
            for j in range(m):
                out[i, j] += taps[distance] * (before[j] + after[j])
    return out


@compiled
def _weight(colour, y, x, v, u):  # type: ignore[no-untyped-def]
    """Distance of two pixels' colours: its bits, which sort alike as it is not negative, << 32."""
    red = colour[y, x, 0] - colour[v, u, 0]
    green = colour[y, x, 1] - colour[v, u, 1]
    blue = colour[y, x, 2] - colour[v, u, 2]
    distance = np.sqrt(red * red + green * green + blue * blue)
    return np.uint64(np.float32(distance).view(np.uint32)) << np.uint64(32)


@compiled
def _edges(colour):  # type: ignore[no-untyped-def]
    """All edges: weight in the upper 32 bits, 4 pixel + direction in the lower; uint64 [edges].

    So sorting the numbers sorts by weight, and by order of emission where weights are equal.
    """
    height, width, _ = colour.shape
    edges = np.empty(4 * height * width - 3 * (height + width) + 2, np.uint64)
    n = 0
    for y in range(height):
        for x in range(width):
            edge = np.uint64(4 * (y * width + x))
            if x + 1 < width:
                edges[n] = _weight(colour, y, x, y, x + 1) | edge
                n += 1
            if y + 1 < height:
                edges[n] = _weight(colour, y, x, y + 1, x) | edge | np.uint64(1)
                n += 1
            if x + 1 < width and y + 1 < height:
                edges[n] = _weight(colour, y, x, y + 1, x + 1) | edge | np.uint64(2)
                n += 1
            if x + 1 < width and y > 0:
                edges[n] = _weight(colour, y, x, y - 1, x + 1) | edge | np.uint64(3)
                n += 1
    return edges


@compiled
def _root(parent, pixel):  # type: ignore[no-untyped-def]
    """The pixel that stands for a segment; the way to it is halved for the next call."""
    while parent[pixel] != pixel:
        parent[pixel] = parent[parent[pixel]]
        pixel = parent[pixel]
    return pixel


@compiled
def _join(parent, size, a, b):  # type: ignore[no-untyped-def]
    """Merge the segments of two roots; the larger one's stays and is returned."""
    if size[a] < size[b]:
        a, b = b, a
    parent[b] = a
    size[a] += size[b]
    return a


@compiled
def _merged(edges, height, width, scale, min_size):  # type: ignore[no-untyped-def]
    """Labels int32 [height, width] from the sorted edges, which are overwritten."""
    parent = np.arange(height * width).astype(np.int32)
    size = np.ones(height * width, np.int32)
    largest = np.full(height * width, scale, np.float32)  # t(S), of roots
    step = np.array([1, width, width + 1, 1 - width])
    between = 0  # edges that still lie between two segments: the second pass needs only these
    for edge in edges:
        pixel = np.int64(edge & np.uint64(0xFFFFFFFF))
        a, b = _root(parent, pixel >> 2), _root(parent, (pixel >> 2) + step[pixel & 3])
        if a == b:
            continue
        weight = np.uint32(edge >> np.uint64(32)).view(np.float32)
        if weight <= largest[a] and weight <= largest[b]:
            a = _join(parent, size, a, b)
            largest[a] = weight + scale / np.float32(size[a])
        else:
            edges[between] = edge
            between += 1
    for edge in edges[:between]:
        pixel = np.int64(edge & np.uint64(0xFFFFFFFF))
        a, b = _root(parent, pixel >> 2), _root(parent, (pixel >> 2) + step[pixel & 3])
        if a != b and (size[a] < min_size or size[b] < min_size):
            _join(parent, size, a, b)
    return _labelled(parent, height, width)


@compiled
def _labelled(parent, height, width):  # type: ignore[no-untyped-def]
    """Number the segments as they first appear."""
    label = np.full(height * width, -1, np.int32)  # of roots
    out = np.empty((height, width), np.int32)
    known = 0
    for y in range(height):
        for x in range(width):
            root = _root(parent, y * width + x)
            if label[root] < 0:
                label[root] = known
                known += 1
            out[y, x] = label[root]
    return out
