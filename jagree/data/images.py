"""Images that are read when they are asked for, and what tells one image from another."""

import concurrent.futures
import contextlib
import hashlib
import uuid
from abc import ABC, abstractmethod
from collections.abc import Iterator
from pathlib import Path
from typing import BinaryIO, Self

import numpy as np

from jagree.data.decode import decode
from jagree.errors import UsageError

_JPEG = b"\xff\xd8\xff"
_AT_ONCE = 1_024  # images whose digests are computed together


class Encoded(ABC):
    """N images in the form in which they are stored: small, whatever their number.

    A sequence of uint8 arrays [H, W, 3] of any sizes, each decoded when it is taken out. May be
    sent to another process.
    """

    @abstractmethod
    def __len__(self) -> int:
        """N."""

    @abstractmethod
    def encoded(self, position: int) -> bytes:
        """The bytes of one image's file; OSError where they cannot be read."""

    @abstractmethod
    def name(self, position: int) -> str:
        """What errors call the image."""

    @abstractmethod
    def take(self, positions: np.ndarray) -> Self:
        """The images at these positions, in this order."""

    @property
    @abstractmethod
    def stamp(self) -> str:
        """Other if a file has changed, as far as its path, size, inode and times of change tell.

        Only to find again what was computed of the same files on the same machine.
        """

    def __getitem__(self, position: int) -> np.ndarray:
        """One image, uint8 [H, W, 3]; raises what `jagree.data.decode.read_image` does."""
        return decode(self.encoded(position), self.name(position))

    def __iter__(self) -> Iterator[np.ndarray]:
        return (self[i] for i in range(len(self)))


Images = np.ndarray | Encoded  # uint8 [N, H, W, 3] in memory, or N images to be decoded


def take(images: Images, positions: np.ndarray) -> Images:
    """The images at these positions, in this order."""
    return images[positions] if isinstance(images, np.ndarray) else images.take(positions)


def pixel_digest(image: np.ndarray) -> bytes:
    """SHA-256 over the shape and the pixels of a uint8 array."""
    digest = hashlib.sha256(repr(image.shape).encode())
    digest.update(np.ascontiguousarray(image).data)
    return digest.digest()


def content_digest(content: bytes) -> bytes:
    """SHA-256 of what an encoded image shows, the same on every machine.

    Of JPEG the bytes of the file, because decoders differ by a grey level. Of all other formats the
    pixels, because encoders differ: the same picture may be stored as another PNG. What cannot be
    decoded counts as its bytes, so that it is told from all others until somebody needs its pixels.
    """
    if not content.startswith(_JPEG):
        try:
            return pixel_digest(decode(content, ""))
        except (OSError, ValueError):
            pass
    return hashlib.sha256(b"encoded" + content).digest()


def digests(images: Images, kept: Path | None) -> np.ndarray:
    """Digest of each image: `pixel_digest` in memory, else `content_digest`.

    Parameters
    ----------
    images : Images
    kept : path or None
        Folder in which the digests of encoded images are kept, to be found again by the images'
        stamp; None: nowhere.

    Returns
    -------
    uint8 array [N, 32]

    Raises
    ------
    UsageError
        If the bytes of an image cannot be read.
    """
    if isinstance(images, np.ndarray):
        return _stacked([pixel_digest(image) for image in images])
    if kept is None:
        return _of_encoded(images)
    path = kept / "digests" / f"{images.stamp}.npy"
    try:
        found = np.load(path, allow_pickle=False)
        if found.shape == (len(images), 32) and found.dtype == np.uint8:
            return found
    except (OSError, ValueError, EOFError):
        pass  # not there, or cut short by a full disk: computed again
    computed = _of_encoded(images)
    with contextlib.suppress(OSError):  # a full disk, say: then they are computed each time
        write_whole(path, computed)
    return computed


def _of_encoded(images: Encoded) -> np.ndarray:
    def one(position: int) -> bytes:
        try:
            return content_digest(images.encoded(position))
        except OSError as error:
            raise UsageError(
                f"cannot read the image '{images.name(position)}' ({error}); repair it, or do "
                "without the example by data.leave_out"
            ) from error

    found: list[bytes] = []
    # Threads, because hashing and decoding let go of the interpreter; in turns, because a million
    # tasks that wait would take gigabytes.
    with concurrent.futures.ThreadPoolExecutor() as pool:
        for start in range(0, len(images), _AT_ONCE):
            found += pool.map(one, range(start, min(start + _AT_ONCE, len(images))))
    return _stacked(found)


def _stacked(found: list[bytes]) -> np.ndarray:
    return np.frombuffer(b"".join(found), np.uint8).reshape(-1, 32)


@contextlib.contextmanager
def whole_file(path: Path) -> Iterator[BinaryIO]:
    """A file to write to, which is there whole at the end, or not at all if an error is raised."""
    path.parent.mkdir(parents=True, exist_ok=True)
    partial = path.with_name(f"{path.name}.{uuid.uuid4().hex}.partial")
    try:
        with partial.open("wb") as file:
            yield file
        partial.replace(path)
    except BaseException:
        partial.unlink(missing_ok=True)
        raise


def write_whole(path: Path, array: np.ndarray) -> None:
    """Save an array so that the file is there whole or not at all."""
    with whole_file(path) as file:
        np.save(file, array, allow_pickle=False)
