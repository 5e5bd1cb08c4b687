"""What may be done to an image before it is measured."""

import io
from collections.abc import Mapping
from typing import Any

import numpy as np
from PIL import Image

from jagree.statistics import pixels

_LONGEST = 65_500  # pixels; libjpeg's limit


def prepared(image: np.ndarray, settings: Mapping[str, Any]) -> np.ndarray:
    """The image as a statistic is to see it.

    Parameters
    ----------
    image : uint8 array [H, W, 3] or [H, W]
    settings : mapping
        ``jpeg75`` (true or false) and ``resize`` (pixels), where they are in force; both: in this
        order.

    Returns
    -------
    uint8 array, as many channels
    """
    if settings.get("jpeg75"):
        image = jpeg75(image)
    return resize(image, settings["resize"]) if "resize" in settings else image


def jpeg75(image: np.ndarray) -> np.ndarray:
    """The image after a JPEG file of quality 75, with the colours at half the resolution (4:2:0).

    For comparison with the paper: its code stored CIFAR-10 and VOC so before it measured and
    trained. On CIFAR-10 the root mean square error is about 8 grey levels, and the number of
    segments stays the same in about a third of the images.

    Parameters
    ----------
    image : uint8 array [H, W, 3] or [H, W]
        Grey images become grey files.

    Returns
    -------
    uint8 array of the same shape

    Raises
    ------
    ValueError
        If `image` is no image, or a side is longer than JPEG allows, 65,500 pixels.

    Notes
    -----
    Encoded and decoded by Pillow's libjpeg; another one may differ by a grey level or two.

    Examples
    --------
    >>> import numpy as np
    >>> jpeg75(np.full((1, 2, 3), 200, np.uint8)).tolist()
    [[[200, 200, 200], [200, 200, 200]]]
    """
    image = pixels.check(image)
    if max(image.shape) > _LONGEST:
        raise ValueError(f"a JPEG side has {_LONGEST} pixels at most, not {max(image.shape)}")
    file = io.BytesIO()
    Image.fromarray(image).save(file, "JPEG", quality=75, subsampling="4:2:0")
    with Image.open(file) as stored:
        return np.array(stored)


def resize(image: np.ndarray, side: int) -> np.ndarray:
    """The image as a square; its aspect is not kept.

    Bilinear interpolation; where it shrinks, the triangle is widened to the new pixels' distance,
    so that all old pixels count (antialiasing). This is Pillow's filter, which torchvision's
    ``Resize((side, side))`` applies to the images that it loads: the one of the paper's code.

    Parameters
    ----------
    image : uint8 array [H, W, 3] or [H, W]
    side : int
        Of the result, pixels. The paper: 128 for entropy and DCT of ImageNet.

    Returns
    -------
    uint8 array [side, side, 3] or [side, side]
        The same image if it has this size.

    Raises
    ------
    ValueError
        If `image` is no image, or `side` is below 1.

    Notes
    -----
    One axis after the other, with rounding in between. Versions of Pillow differ in which one comes
    first, and so in some values, by one grey level.

    Examples
    --------
    >>> import numpy as np
    >>> resize(np.array([[0, 100], [50, 150]], np.uint8), 1).tolist()
    [[75]]
    """
    if side < 1:
        raise ValueError(f"side must be at least 1 pixel, not {side}")
    square = Image.fromarray(pixels.check(image)).resize((side, side), Image.Resampling.BILINEAR)
    return np.array(square)
