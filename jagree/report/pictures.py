"""Pictures inside the page, as data URIs."""

import base64
import io

import numpy as np
from PIL import Image

LARGEST = 128  # pixels on the longer side; larger pictures are reduced, for the page's size
TINY = 64  # pixels on the longer side, up to which no pixel is changed
QUALITY = 80  # of JPEG


def png_uri(png: bytes) -> str:
    """The data URI of a PNG file's bytes."""
    return _uri("png", png)


def png_size(png: bytes) -> tuple[int, int] | None:
    """Width and height of a PNG file, in pixels; None of what is none."""
    if png[:8] != b"\x89PNG\r\n\x1a\n" or len(png) < 24:
        return None
    return int.from_bytes(png[16:20], "big"), int.from_bytes(png[20:24], "big")


def picture_uri(image: np.ndarray) -> str:
    """The data URI of one picture.

    Parameters
    ----------
    image : uint8 array [H, W, 3]

    Returns
    -------
    str
        Up to `TINY` of a PNG that holds the same pixels; else of a JPEG, reduced to `LARGEST`.
    """
    picture = Image.fromarray(image)
    buffer = io.BytesIO()
    if is_tiny(image):
        picture.save(buffer, format="png", optimize=True)
        return png_uri(buffer.getvalue())
    picture.thumbnail((LARGEST, LARGEST), Image.Resampling.LANCZOS)  # only ever reduces
    picture.save(buffer, format="jpeg", quality=QUALITY, optimize=True)
    return _uri("jpeg", buffer.getvalue())


def is_tiny(image: np.ndarray) -> bool:
    """Whether a picture is enlarged on the page, with its pixels kept square."""
    return max(image.shape[:2]) <= TINY


def _uri(kind: str, content: bytes) -> str:
    return f"data:image/{kind};base64," + base64.b64encode(content).decode("ascii")
