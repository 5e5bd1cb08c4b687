"""Entropy of the grey values in a small window that slides over the image."""

import math

import numpy as np

from jagree.statistics import pixels
from jagree.statistics.compiled import compiled


def local_entropy(image: np.ndarray, window: int = 10, rounded: bool = False) -> np.ndarray:
    """Shannon entropy of the grey values in each window.

    H = -sum_v p_v log2 p_v, where p_v is the fraction of the window's pixels of grey value v. The
    windows are squares at every position inside the image, one pixel apart.

    Parameters
    ----------
    image : uint8 array [H, W, 3] or [H, W]
    window : int
        Side of the window, pixels.
    rounded : bool
        Whether the luminance is rounded to 8 bits, halves to even. If not, pixels have the same
        grey value only if their luminances are the same double (see `pixels.luminance`), so most
        pixels of a photograph are a value of their own and H comes close to its bound.

    Returns
    -------
    float64 array [H - window + 1, W - window + 1]
        Bits, 0 (one value only: exactly 0) to 2 log2(window) (no value twice); with `rounded`, at
        most 8. Row y and column x belong to the window whose upper left pixel that is. Without
        elements if the image is smaller than the window along either axis.

    Raises
    ------
    ValueError
        If `image` is no image, or `window` is below 1.

    Notes
    -----
    Computed as (n log2 n - sum_v c_v log2 c_v) / n from the counts c_v of the n = window^2 pixels.
    Counts and sum are whole numbers (in units of 2^-50 bits for the paper's window), updated as the
    window slides; so nothing drifts, and equal windows have equal entropies wherever they are.

    References
    ----------
    Pliushch et al., "When deep classifiers agree", arXiv 2105.08997, which takes 10x10 windows.

    Examples
    --------
    >>> import numpy as np
    >>> image = np.array([[0, 0, 9], [0, 9, 7]], np.uint8)
    >>> local_entropy(image, window=2).round(4).tolist()  # counts 3, 1 and 2, 1, 1
    [[0.8113, 1.5]]
    """
    if window < 1:
        raise ValueError(f"window must be at least 1 pixel, not {window}")
    grey = pixels.luminance(image)
    height, width = grey.shape
    if height < window or width < window:
        return np.empty((max(height - window + 1, 0), max(width - window + 1, 0)))
    symbol, symbols = (np.rint(grey).astype(np.int32), 256) if rounded else _symbols(grey)
    total, gain, unit = _gains(window * window)
    return _slide(symbol, symbols, window, total, gain, unit)


def mean_local_entropy(image: np.ndarray, window: int = 10, rounded: bool = False) -> float:
    """Mean of `local_entropy` over all windows.

    Parameters
    ----------
    image : uint8 array [H, W, 3] or [H, W]
    window : int
        Side of the window, pixels.
    rounded : bool
        Whether the luminance is rounded to 8 bits. The paper's figures need it unrounded: on
        CIFAR-10 the mean is then about 6.5, close to the bound of log2(100) = 6.64, against 5.6.

    Returns
    -------
    float
        Bits, 0 to 2 log2(window); nan if the image is smaller than the window.

    Raises
    ------
    ValueError
        If `image` is no image, or `window` is below 1.

    References
    ----------
    Pliushch et al., arXiv 2105.08997.

    Examples
    --------
    >>> import numpy as np
    >>> all_different = np.arange(100, dtype=np.uint8).reshape(10, 10)
    >>> round(mean_local_entropy(all_different), 4)
    6.6439
    >>> mean_local_entropy(all_different[:9])
    nan
    """
    entropy = local_entropy(image, window, rounded)
    return float(entropy.mean()) if entropy.size else math.nan


def _symbols(grey: np.ndarray) -> tuple[np.ndarray, int]:
    """Whole numbers [H, W] in place of the grey values, equal where these are; and how many.

    Numbered as they first appear, so that neighbours have close numbers and close counters.
    """
    bits = grey.view(np.uint64)  # as good as the numbers: none is -0.0 or nan
    slots = 1 << (2 * grey.size - 1).bit_length()  # at most half of them are taken
    return _numbered(bits, np.full(slots, -1, np.int32), np.empty(slots, np.uint64))


@compiled
def _numbered(bits, number, key):  # type: ignore[no-untyped-def]
    """Number each value of `bits` [H, W], through a hash table whose slots are -1 when free."""
    height, width = bits.shape
    symbol = np.empty((height, width), np.int32)
    mask = np.int64(len(number) - 1)
    known = 0
    for y in range(height):
        for x in range(width):
            value = bits[y, x]
            # Multiplicative hashing: the upper half of the product depends on all lower bits.
            mixed = (value ^ (value >> np.uint64(32))) * np.uint64(0x9E3779B97F4A7C15)
            slot = np.int64(mixed >> np.uint64(32)) & mask
            while number[slot] >= 0 and key[slot] != value:
                slot = (slot + 1) & mask
            if number[slot] < 0:
                number[slot], key[slot] = known, value
                known += 1
            symbol[y, x] = number[slot]
    return symbol, known


def _gains(n: int) -> tuple[int, np.ndarray, float]:
    """c log2 c in whole units: its value at c = n, its growth from c to c + 1, and the unit."""
    count = np.arange(1, n + 1)
    values = np.concatenate([[0.0], count * np.log2(count)])
    unit = 2.0 ** (math.ceil(math.log2(values[-1] + 1)) - 60)  # the largest stays below 2^60
    whole = np.rint(values / unit).astype(np.int64)
    return int(whole[-1]), np.diff(whole), unit


@compiled
def _slide(symbol, symbols, window, total, gain, unit):  # type: ignore[no-untyped-def]
    """Entropy of each window: counters of all symbols, and the sum of c log2 c along with them."""
    rows, columns = symbol.shape[0] - window + 1, symbol.shape[1] - window + 1
    entropy = np.empty((rows, columns))
    count = np.zeros(symbols, np.int32)
    scale = unit / (window * window)
    for top in range(rows):
        inside = 0  # sum of c log2 c, in units
        for y in range(top, top + window):
            for x in range(window):
                inside += gain[count[symbol[y, x]]]
                count[symbol[y, x]] += 1
        entropy[top, 0] = (total - inside) * scale
        for left in range(1, columns):
            for y in range(top, top + window):
                leaving, entering = symbol[y, left - 1], symbol[y, left + window - 1]
                count[leaving] -= 1
                inside -= gain[count[leaving]]
                inside += gain[count[entering]]
                count[entering] += 1
            entropy[top, left] = (total - inside) * scale
        for y in range(top, top + window):
            for x in range(columns - 1, symbol.shape[1]):
                count[symbol[y, x]] = 0
    return entropy
