"""What every statistic takes: one uint8 image, [H, W, 3] or [H, W]."""

import numpy as np

# Weights of R, G, B in the luminance of ITU-R BT.601, with four decimals as MATLAB rounds them.
LUMINANCE = (0.2989, 0.5870, 0.1140)


def check(image: np.ndarray) -> np.ndarray:
    """The image itself, if it is one.

    Raises
    ------
    ValueError
        If it is not uint8, not [H, W] or [H, W, 3], or has no pixel.
    """
    image = np.asarray(image)
    if image.dtype != np.uint8:
        raise ValueError(
            f"an image must be uint8, not {image.dtype}; jagree.data.decode.read_image makes it so"
        )
    if image.ndim not in (2, 3) or (image.ndim == 3 and image.shape[2] != 3):
        raise ValueError(f"an image must be [H, W] or [H, W, 3], not {list(image.shape)}")
    if 0 in image.shape:
        raise ValueError(f"an image must have pixels, not the shape {list(image.shape)}")
    return image


def rgb(image: np.ndarray) -> np.ndarray:
    """The image as [H, W, 3]; grey is repeated.

    Parameters
    ----------
    image : uint8 array [H, W, 3] or [H, W]

    Returns
    -------
    uint8 array [H, W, 3]
    """
    image = check(image)
    return np.repeat(image[:, :, None], 3, axis=2) if image.ndim == 2 else image


def luminance(image: np.ndarray) -> np.ndarray:
    """Brightness of each pixel, not rounded: 0.2989 R + 0.5870 G + 0.1140 B.

    The sum is taken from left to right in double precision: entropy asks which values are equal, so
    the last bit matters. The weights add up to 0.9999; a grey value v becomes 0.9999 v.

    Parameters
    ----------
    image : uint8 array [H, W, 3] or [H, W]

    Returns
    -------
    float64 array [H, W]
        0 to 254.9745.
    """
    red, green, blue = (rgb(image)[:, :, c].astype(np.float64) for c in range(3))
    return LUMINANCE[0] * red + LUMINANCE[1] * green + LUMINANCE[2] * blue
