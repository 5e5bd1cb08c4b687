"""A plain, deterministic edge measure to compare with: the gradient of the luminance."""

import numpy as np
import scipy.ndimage

from jagree.statistics import pixels


def gradient_map(image: np.ndarray) -> np.ndarray:
    """Magnitude of the Sobel gradient of the luminance.

    sqrt(gx^2 + gy^2), where gx is the correlation with [1 2 1]^T [-1 0 1] / 8 and gy that with its
    transpose: levels per pixel along an axis. Beyond the border the edge pixels are repeated.

    Parameters
    ----------
    image : uint8 array [H, W, 3] or [H, W]

    Returns
    -------
    float64 array [H, W]
        Levels per pixel, from 0, where the image is constant, to below 255. A vertical step by s
        between two columns gives s / 2 in both of them.

    Raises
    ------
    ValueError
        If it is not such an image.

    Examples
    --------
    >>> import numpy as np
    >>> gradient_map(np.array([[0, 0, 100, 100]] * 3, np.uint8))[1].round(3).tolist()
    [0.0, 49.995, 49.995, 0.0]
    """
    luminance = pixels.luminance(image)
    along = [scipy.ndimage.sobel(luminance, axis, mode="nearest") / 8 for axis in (0, 1)]
    return np.hypot(*along)


def gradient_strength(image: np.ndarray) -> float:
    """Sum of `gradient_map` over all pixels.

    Parameters
    ----------
    image : uint8 array [H, W, 3] or [H, W]

    Returns
    -------
    float
        0 or more; exactly 0 for a constant image. Grows with the length of edges and their
        contrast: sums of images of different sizes do not compare.

    Raises
    ------
    ValueError
        If it is not such an image.

    Examples
    --------
    >>> import numpy as np
    >>> gradient_strength(np.full((4, 4), 7, np.uint8))
    0.0
    """
    return float(gradient_map(image).sum())
