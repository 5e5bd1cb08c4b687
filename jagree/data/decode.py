"""Decoding one image, of any of the usual kinds, to red, green and blue."""

import io
import os
import re
import struct
import warnings
import zlib

import numpy as np
from PIL import Image, UnidentifiedImageError

# What a file may be, whatever its name. Pillow knows more, but some of it hands the file to other
# programs (of PostScript it runs Ghostscript), and what may come from anywhere must not.
_FORMATS = ("JPEG", "PNG", "GIF", "BMP", "PPM", "WEBP", "TIFF")
_PILLOW = re.compile(r"PIL\.")  # the modules whose warnings are not heard

_OPAQUE = ("RGB", "1", "L", "RGBX", "CMYK", "YCbCr")
_TRANSPARENT = ("P", "RGBA", "LA", "PA")  # or perhaps so: a palette may hold a transparent colour
_DEEP = ("I;16", "I;16L", "I;16B", "I;16N")  # 16-bit grey
_DEEP_IN_32_BITS = ("PNG", "PPM")  # formats whose 16-bit grey some versions of Pillow widen to "I"

# What damaged files make the decoders raise, beside OSError.
_DAMAGED = (
    ArithmeticError, EOFError, LookupError, RuntimeError, SyntaxError, TypeError, ValueError,
    struct.error, zlib.error,
)  # fmt: skip


def decode(content: bytes, name: str) -> np.ndarray:
    """The image in an encoded file's bytes: as `read_image`, whose errors then say `name`."""
    return _read(io.BytesIO(content), name)


def read_image(path: str | os.PathLike[str]) -> np.ndarray:
    """Read one image file: JPEG, PNG, GIF, BMP, PPM, WebP or TIFF, whatever it is called.

    Of several frames or pages the first; without any colour management or gamma. EXIF orientation
    is ignored, as TensorFlow's decoder does (of TIFF, whose own field it is, Pillow applies it).

    * grey, 1 and 8 bits: repeated
    * palette: its colours
    * alpha (and a colour or palette entry that is declared transparent): over white, rounded,
      where it is transparent; elsewhere the colours as they are
    * CMYK and YCbCr: as Pillow converts them
    * 16-bit grey: v * 255 / 65535, rounded. (Of 16-bit colour Pillow keeps the upper 8 bits.)

    Parameters
    ----------
    path : str or path

    Returns
    -------
    uint8 array [H, W, 3]
        Red, green, blue.

    Raises
    ------
    OSError
        If the file is missing, is no image or is damaged. (FileNotFoundError and
        PIL.UnidentifiedImageError are such.)
    ValueError
        If its pixels are of another kind (floating point, 32-bit, CIELAB, HSV), or are more than
        twice ``PIL.Image.MAX_IMAGE_PIXELS``: as it comes, 179 million. Up to there nothing is said.
    """
    return _read(path, os.fspath(path))


def _read(file: str | os.PathLike[str] | io.BytesIO, name: str) -> np.ndarray:
    _hush()
    try:
        with Image.open(file, formats=_FORMATS) as image:
            image.load()
            mode, pixels = image.mode, _rgb(image)
    except Image.DecompressionBombError as error:
        raise ValueError(
            f"'{name}' has more pixels than twice PIL.Image.MAX_IMAGE_PIXELS, "
            f"{Image.MAX_IMAGE_PIXELS:,}; raise that if the file is to be trusted"
        ) from error
    except UnidentifiedImageError as error:
        raise UnidentifiedImageError(
            f"'{name}' is no image that can be read, or damaged at its beginning; allowed are "
            f"{', '.join(_FORMATS)}"
        ) from error
    except OSError as error:
        if error.errno is not None:
            raise  # names the file
        raise OSError(f"'{name}' is damaged: {error}") from error
    except _DAMAGED as error:
        raise OSError(f"'{name}' is damaged: {error!r}") from error
    if pixels is None:
        allowed = ", ".join((*_OPAQUE, *_TRANSPARENT, *_DEEP))
        raise ValueError(
            f"'{name}' has pixels of Pillow's mode '{mode}', of which it is not defined what is "
            f"black and white; allowed are {allowed}; convert it, for example to an 8-bit RGB PNG"
        )
    return pixels


def _hush() -> None:
    """Have Pillow not warn, of many pixels or odd metadata: nothing that changes a pixel.

    By a filter that stays, since images are decoded in several threads at once, in which
    `warnings.catch_warnings` leaves behind the filters of whichever thread comes out last.
    """
    if not warnings.filters or warnings.filters[0][3] != _PILLOW:
        warnings.filterwarnings("ignore", module=_PILLOW.pattern)


def _rgb(image: Image.Image) -> np.ndarray | None:
    """Its pixels, uint8 [H, W, 3]; None for an unknown mode."""
    if image.mode in _DEEP or (image.mode == "I" and image.format in _DEEP_IN_32_BITS):
        grey = np.array(image)
        white = grey == image.info.get("transparency", -1)
        grey = (grey.astype(np.uint32) + 128) // 257  # 65535 = 257 * 255; 257 is odd: no halves
        return np.repeat(np.where(white, 255, grey).astype(np.uint8)[:, :, None], 3, axis=2)
    if image.mode in _TRANSPARENT or (image.mode in _OPAQUE and "transparency" in image.info):
        return _over_white(np.array(image.convert("RGBA")))
    if image.mode in _OPAQUE:
        return np.array(image.convert("RGB"))
    return None


def _over_white(image: np.ndarray) -> np.ndarray:
    """Composite uint8 [H, W, 4], alpha last, over white: exactly the colours where it is opaque."""
    colour, alpha = image[:, :, :3], image[:, :, 3:]
    if (alpha == 255).all():
        return colour.copy()
    alpha = alpha.astype(np.uint16)
    return ((colour * alpha + 255 * (255 - alpha) + 127) // 255).astype(np.uint8)
