"""Image files of any kind that Pillow reads, one or a folder of them."""

import functools
import hashlib
import os
import struct
import warnings
import zlib
from collections.abc import Mapping, Sequence
from collections.abc import Set as AbstractSet
from pathlib import Path

import numpy as np
from PIL import Image, UnidentifiedImageError

from jagree.data.split import Column
from jagree.errors import UsageError

SUFFIXES = (".png", ".jpg", ".jpeg", ".bmp", ".gif", ".tif", ".tiff", ".webp")

_OPAQUE = ("RGB", "1", "L", "RGBX", "CMYK", "YCbCr")
_TRANSPARENT = ("P", "RGBA", "LA", "PA")  # or perhaps so: a palette may hold a transparent colour
_DEEP = ("I;16", "I;16L", "I;16B", "I;16N")  # 16-bit grey
_DEEP_IN_32_BITS = ("PNG", "PPM")  # formats whose 16-bit grey some versions of Pillow widen to "I"

# What damaged files make the decoders raise, beside OSError.
_DAMAGED = (
    ArithmeticError, EOFError, LookupError, RuntimeError, SyntaxError, TypeError, ValueError,
    struct.error, zlib.error,
)  # fmt: skip


def read_image(path: str | os.PathLike[str]) -> np.ndarray:
    """Read one image file.

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
    with warnings.catch_warnings():  # of many pixels or odd metadata, none of which changes a pixel
        warnings.simplefilter("ignore")
        try:
            with Image.open(path) as image:
                image.load()
                mode, pixels = image.mode, _rgb(image)
        except Image.DecompressionBombError as error:
            raise ValueError(
                f"'{path}' has more pixels than twice PIL.Image.MAX_IMAGE_PIXELS, "
                f"{Image.MAX_IMAGE_PIXELS:,}; raise that if the file is to be trusted"
            ) from error
        except OSError as error:
            if isinstance(error, UnidentifiedImageError) or error.errno is not None:
                raise  # names the file
            raise OSError(f"'{path}' is damaged: {error}") from error
        except _DAMAGED as error:
            raise OSError(f"'{path}' is damaged: {error!r}") from error
    if pixels is None:
        allowed = ", ".join((*_OPAQUE, *_TRANSPARENT, *_DEEP))
        raise ValueError(
            f"'{path}' has pixels of Pillow's mode '{mode}', of which it is not defined what is "
            f"black and white; allowed are {allowed}; convert it, for example to an 8-bit RGB PNG"
        )
    return pixels


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


class Originals:
    """Images that are read when they are asked for; small, whatever their number.

    Parameters
    ----------
    paths : sequence of Path
    """

    def __init__(self, paths: Sequence[Path]) -> None:
        self.paths = tuple(paths)

    def __len__(self) -> int:
        return len(self.paths)

    def __getitem__(self, position: int) -> np.ndarray:
        return read_image(self.paths[position])


class ImageFiles:
    """All images in a folder and the folders in it, read one by one when asked for.

    Files whose name ends in one of `SUFFIXES`, in capitals or not. What is hidden (a name that
    begins with a dot) is left out, and links to folders are not followed.

    Parameters
    ----------
    folder : str or path
    leave_out : sequence of path
        Folders that are not looked into, such as one for results that lies within.

    Attributes
    ----------
    folder : Path
    name : str
        The folder's.
    id : str array [N]
        Paths relative to the folder, with slashes, in ascending order of NumPy's strings.
    metadata : mapping of str to Column
        Empty: of a file nothing is known but its pixels.

    Raises
    ------
    UsageError
        If there is no such folder, no image in it, or an image whose name is not UTF-8.
    """

    def __init__(
        self, folder: str | os.PathLike[str], leave_out: Sequence[str | os.PathLike[str]] = ()
    ) -> None:
        self.folder = Path(folder).expanduser()
        self.name = self.folder.resolve().name
        not_here = {Path(path).resolve() for path in leave_out}
        self.id = np.sort(np.array(_found(self.folder, not_here), np.str_))
        self.metadata: Mapping[str, Column] = {}

    def __len__(self) -> int:
        return len(self.id)

    def original(self, position: int) -> np.ndarray:
        """The image at a position, uint8 [H, W, 3]; raises what `read_image` does."""
        return read_image(self.folder / self.id[position])

    def originals(self, positions: np.ndarray) -> Originals:
        """The images at these positions, each read when it is taken out."""
        return Originals([self.folder / name for name in self.id[positions]])

    @functools.cached_property
    def fingerprint(self) -> str:
        """SHA-256 over ids and the files' bytes, in order of id; read in full the first time.

        A file that cannot be read counts as such: who measures it will name it.
        """
        digest = hashlib.sha256()
        for name in self.id:
            try:
                with (self.folder / name).open("rb") as file:
                    content = hashlib.file_digest(file, "sha256").digest()
            except OSError:
                content = bytes(hashlib.sha256().digest_size)
            # A name holds no zero and a digest has one length: no two folders feed the same bytes.
            digest.update(name.encode() + b"\0" + content)
        return digest.hexdigest()


def _found(folder: Path, not_here: AbstractSet[Path]) -> list[str]:
    """Images below the folder, relative to it, in no order."""
    if not folder.is_dir():
        raise UsageError(f"there is no folder '{folder}'; name one that holds images")
    found = []
    for where, folders, files in os.walk(folder, onerror=_raise):
        folders[:] = [
            f for f in folders if not f.startswith(".") and Path(where, f).resolve() not in not_here
        ]
        images = [
            f
            for f in files
            if f.lower().endswith(SUFFIXES)
            and not f.startswith(".")
            and (Path(where, f).is_file() or Path(where, f).is_symlink())  # no pipe: it would block
        ]
        found += [Path(where, f).relative_to(folder).as_posix() for f in images]
    if not found:
        raise UsageError(f"'{folder}' holds no image; looked for are {', '.join(SUFFIXES)}")
    for name in found:
        try:
            name.encode()
        except UnicodeEncodeError as error:
            raise UsageError(f"'{folder}': {name!r} is not in UTF-8; rename the file") from error
    return found


def _raise(error: OSError) -> None:
    """What `os.walk` is to do about a folder that cannot be read; it would leave it out."""
    raise error
