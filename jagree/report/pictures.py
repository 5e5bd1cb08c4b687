"""Pictures inside the page: PNG, as data URIs."""

import base64
import io

import numpy as np
from PIL import Image

LARGEST = 128  # pixels on the longer side; larger pictures are reduced, for the page's size


def png_uri(png: bytes) -> str:
    """The data URI of a PNG file's bytes."""
    return "data:image/png;base64," + base64.b64encode(png).decode("ascii")


def picture_uri(image: np.ndarray) -> str:
    """The data URI of one picture.

    Parameters
    ----------
    image : uint8 array [H, W, 3]

    Returns
    -------
    str
        Of a PNG that holds the same pixels, or a reduced copy of a picture larger than `LARGEST`.
    """
    picture = Image.fromarray(image)
    picture.thumbnail((LARGEST, LARGEST), Image.Resampling.LANCZOS)  # only ever reduces
    buffer = io.BytesIO()
    picture.save(buffer, format="png")
    return png_uri(buffer.getvalue())
