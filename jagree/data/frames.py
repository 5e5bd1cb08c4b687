"""Frames: the images as networks are fed, resized once, kept as plain pixels.

Decoding a JPEG costs more than a training step of a small network, and K members that each read
their own order would decode K times. So encoded images are decoded and resized once, into files of
pixels that are mapped into memory and shared by all members, epochs, runs and processes:

KEPT/frames/v1-train-3f2a7c0d9e8b1a45-256-512/00012.pixels     uint8 [P, 3], images in a row
KEPT/frames/v1-train-3f2a7c0d9e8b1a45-256-512/00012.sizes.npy  int32 [n, 2], heights and widths
"""

import contextlib
import shlex
import tempfile
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from jagree import pool
from jagree.data.images import Encoded, whole_file, write_whole
from jagree.data.split import Split
from jagree.errors import UsageError
from jagree.words import counted

VERSION = 1  # of what is in the files: raised when decoding, resizing or their form changes
PER_SHARD = 512  # images in one file: 130 MB at 256 x 341 pixels
MOST_SHARDS = 256  # then they grow: a mapped file counts as an open one, of which 1,024 are usual
_LOOKED_AT = 100  # images of which the sizes are compared before all are decoded
_OLD = 3600.0  # seconds after which a half-written file is nobody's any more


class Frames:
    """N images of any sizes, as the pixels of one or more shards.

    May be sent to another process; pixels in files are then mapped there again, not copied.

    Parameters
    ----------
    shards : sequence of uint8 array [P, 3], or of Path
        Pixels of images one after the other, row by row; files are mapped into memory.
    sizes : sequence of int array [n, 2]
        Height and width of each image of each shard.
    crop : int
        Side of what a network sees, pixels; 0: the whole image, all being of one size.
    """

    def __init__(
        self, shards: Sequence[np.ndarray | Path], sizes: Sequence[np.ndarray], crop: int
    ) -> None:
        self.crop = crop
        self._shards = list(shards)
        self._pixels: list[np.ndarray] = [_mapped(s) for s in shards]
        self.size = np.concatenate(list(sizes)).astype(np.int64)
        self._first = np.cumsum([0, *(len(s) for s in sizes)])  # image that a shard begins with
        area = self.size.prod(1)
        self._start = np.cumsum(area) - area  # first pixel of an image, all shards in a row
        self._offset = np.cumsum([0, *(len(p) for p in self._pixels)])

    def __getstate__(self) -> dict[str, Any]:
        return {k: v for k, v in vars(self).items() if k != "_pixels"}

    def __setstate__(self, state: dict[str, Any]) -> None:
        vars(self).update(state)
        self._pixels = [_mapped(s) for s in self._shards]

    def __len__(self) -> int:
        return len(self.size)

    @property
    def shape(self) -> tuple[int, int, int]:
        """Height, width and channels of what a network sees."""
        height, width = (self.crop, self.crop) if self.crop else self.size[0].tolist()
        return height, width, 3

    @property
    def pixels(self) -> int:
        """Number of pixels of all images."""
        return int(self._offset[-1])

    @property
    def start(self) -> np.ndarray:
        """First pixel of each image in `packed`, int64 [N]."""
        return self._start

    @property
    def room(self) -> np.ndarray:
        """How far a crop's corner may lie from the image's, int64 [N, 2]: down and to the right."""
        return self.size - np.array(self.shape[:2])

    @property
    def centre(self) -> np.ndarray:
        """Upper left corner of the centre crop, int32 [N, 2].

        As torchvision's CenterCrop, which the paper's authors used: half the room, a half rounded
        to the even neighbour.
        """
        return np.rint(self.room / 2).astype(np.int32)

    def image(self, position: int) -> np.ndarray:
        """One whole image, uint8 [H, W, 3]; a view."""
        shard = np.searchsorted(self._first, position, side="right") - 1
        start = self._start[position] - self._offset[shard]
        height, width = self.size[position]
        return self._pixels[shard][start : start + height * width].reshape(height, width, 3)

    def cut(self, positions: np.ndarray, corner: np.ndarray, out: np.ndarray) -> None:
        """Copy what a network sees of some images.

        Parameters
        ----------
        positions : int array [n]
        corner : int array [n, 2]
            Upper left corners: row and column.
        out : uint8 array [n, *shape]
        """
        if not self.crop:
            self._copy_whole(positions, out)
            return
        height, width, _ = self.shape
        for to, position, (top, left) in zip(out, positions.tolist(), corner.tolist(), strict=True):
            to[...] = self.image(position)[top : top + height, left : left + width]

    def _copy_whole(self, positions: np.ndarray, out: np.ndarray) -> None:
        """`cut` without a crop, all at once: for small images calls cost more than copies."""
        shard = np.searchsorted(self._first, positions, side="right") - 1
        for i in np.unique(shard):
            here = np.flatnonzero(shard == i)
            images = self._pixels[i].reshape(-1, *self.shape)
            out[here] = images[positions[here] - self._first[i]]

    def whole(self) -> np.ndarray:
        """All images in one array, uint8 [N, H, W, 3]; for frames without a crop."""
        pixels = self._pixels[0] if len(self._pixels) == 1 else np.concatenate(self._pixels)
        return pixels.reshape(len(self), *self.shape)

    def packed(self) -> np.ndarray:
        """All pixels in a row, uint32 [P]: red + 256 green + 65536 blue."""
        packed = np.zeros((self.pixels, 4), np.uint8)
        for offset, pixels in zip(self._offset, self._pixels, strict=False):
            packed[offset : offset + len(pixels), :3] = pixels
        return packed.view("<u4")[:, 0]


def _mapped(shard: np.ndarray | Path) -> np.ndarray:
    if isinstance(shard, np.ndarray):
        return shard
    return np.memmap(shard, np.uint8, "r").reshape(-1, 3)


def prepare(
    split: Split,
    options: Any,
    *,
    workers: int = 1,
    advance: Callable[[str, int, int], None] = lambda split, images, of: None,
) -> Frames:
    """The frames of a split, made unless they are there.

    Parameters
    ----------
    split : Split
    options : ConfigDict
        ``config.data``: `resize` (pixels of the shorter side, 0: as it is) and `crop`.
    workers : int
        Processes that decode.
    advance : callable
        Called with the split's name, the number of images just done (at first those found), and
        the number of all that are to be prepared; never if nothing needs preparing.

    Raises
    ------
    UsageError
        If an image cannot be decoded, is smaller than the crop, or, without a crop, of another size
        than the others; it is named. If what is missing cannot be kept.
    """
    if isinstance(split.image, np.ndarray) and options.resize in (0, min(split.image.shape[1:3])):
        sizes = np.tile(split.image.shape[1:3], (len(split), 1))
        frames = Frames([split.image.reshape(-1, 3)], [sizes], options.crop)
    else:
        frames = _from_files(split, options, workers, advance)
    _check_sizes(frames, split)
    return frames


def _from_files(
    split: Split, options: Any, workers: int, advance: Callable[[str, int, int], None]
) -> Frames:
    if split.kept is None:
        raise ValueError(f"split '{split.name}' has no folder (`kept`) for its frames")
    kind = options.resize or "original"
    size = max(PER_SHARD, -(-len(split) // MOST_SHARDS))
    name = f"v{VERSION}-{split.name}-{split.fingerprint[:16]}-{kind}-{size}"
    folder = split.kept / "frames" / name
    _sweep(folder)
    shards = [slice(i, min(i + size, len(split))) for i in range(0, len(split), size)]
    stems = [str(folder / f"{i:05d}") for i in range(len(shards))]
    missing = [i for i, s in enumerate(shards) if not _is_whole(stems[i], s.stop - s.start)]
    if missing:
        if not options.crop:
            _check_some_sizes(split, options.resize)
        _check_writable(folder)
        advance(split.name, len(split) - sum(shards[i].stop - shards[i].start for i in missing),
                len(split))  # fmt: skip

    def arguments(i: int) -> tuple[Any, ...]:
        positions = np.arange(shards[i].start, shards[i].stop)
        return split.id[positions].tolist(), split.originals(positions), options.resize, stems[i]

    failed: dict[str, str] = {}
    tasks = ((i, lambda i=i: arguments(i)) for i in missing)
    for i, reasons in pool.run(_write_shard, tasks, min(workers, max(len(missing), 1)),
                               field="data.workers"):  # fmt: skip
        failed |= reasons
        advance(split.name, shards[i].stop - shards[i].start, len(split))
    if failed:
        raise UsageError(_cannot_decode(split.name, failed))
    sizes = [np.load(f"{stem}.sizes.npy", allow_pickle=False) for stem in stems]
    return Frames([Path(f"{stem}.pixels") for stem in stems], sizes, options.crop)


def _sweep(folder: Path) -> None:
    """Remove what processes that were killed left half-written."""
    for partial in folder.glob("*.partial"):
        with contextlib.suppress(OSError):
            if time.time() - partial.stat().st_mtime > _OLD:
                partial.unlink()


def _check_writable(folder: Path) -> None:
    """Raise a UsageError before hours of decoding rather than after."""
    try:
        folder.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryFile(dir=folder):
            pass
    except OSError as error:
        raise UsageError(
            f"cannot keep prepared images in '{folder}' ({error.strerror}); choose another folder "
            "by --config.data.cache"
        ) from error


def _is_whole(stem: str, images: int) -> bool:
    """Whether a shard is there; its pixels are written last."""
    try:
        pixels = _mapped(Path(f"{stem}.pixels"))
        sizes = np.load(f"{stem}.sizes.npy", allow_pickle=False)
    except (OSError, ValueError, EOFError):
        return False
    return len(sizes) == images and sizes.prod(1).sum() == len(pixels)


def _write_shard(
    ids: Sequence[str], images: np.ndarray | Encoded, resize: int, stem: str
) -> dict[str, str]:
    """Decode, resize and store; ids of the images that cannot be decoded, with the reasons."""
    sizes: list[tuple[int, int]] = []
    failed: dict[str, str] = {}
    with contextlib.suppress(_CannotDecodeError), whole_file(Path(f"{stem}.pixels")) as file:
        for i, example in enumerate(ids):
            try:
                frame = shorter_side(images[i], resize)
            except (OSError, ValueError, MemoryError) as error:
                failed[example] = str(error)
                continue
            sizes.append((frame.shape[0], frame.shape[1]))
            if not failed:
                file.write(np.ascontiguousarray(frame).data)
        if failed:
            raise _CannotDecodeError
        write_whole(Path(f"{stem}.sizes.npy"), np.array(sizes, np.int32))
    return failed


class _CannotDecodeError(Exception):
    """Leaves a shard unwritten."""


def shorter_side(image: np.ndarray, pixels: int) -> np.ndarray:
    """Resize so that the shorter side has so many pixels; 0: as it is.

    The longer side keeps the aspect, rounded down. Bilinear with the triangle widened to the new
    pixels' distance where it shrinks: Pillow's filter, and torchvision's ``Resize(pixels)`` on the
    images that it loads, which the paper's authors used.

    Parameters
    ----------
    image : uint8 array [H, W, 3]
    pixels : int

    Returns
    -------
    uint8 array [h, w, 3], min(h, w) = pixels
    """
    height, width = image.shape[:2]
    short = min(height, width)
    if pixels in (0, short):
        return image
    size = int(width * pixels / short), int(height * pixels / short)
    return np.asarray(Image.fromarray(image).resize(size, Image.Resampling.BILINEAR))


def _cannot_decode(split: str, failed: dict[str, str]) -> str:
    named = "; ".join(f"'{example}' ({reason})" for example, reason in list(failed.items())[:5])
    more = f" and {len(failed) - 5:,} more" if len(failed) > 5 else ""
    ids = (
        repr(tuple(list(failed)[:5])).replace(",)", ")") if len(failed) > 1 else next(iter(failed))
    )
    rest = " and the ids of the others" if len(failed) > 5 else ""
    return (
        f"{counted(len(failed), 'image')} of '{split}' cannot be read: {named}{more}; repair them, "
        f"or do without by --config.data.leave_out={shlex.quote(ids)}{rest}"
    )


def _check_sizes(frames: Frames, split: Split) -> None:
    if frames.crop:
        bad = np.flatnonzero((frames.room < 0).any(1))
        if len(bad):
            height, width = frames.size[bad[0]]
            raise UsageError(
                f"{counted(len(bad), 'image')} of '{split.name}' cannot be cropped to "
                f"{frames.crop} pixels, '{split.id[bad[0]]}' of {height}x{width} for one; choose a "
                "smaller data.crop, or enlarge the images by data.resize"
            )
        return
    _check_one_size(split.name, split.id, frames.size)


def _check_some_sizes(split: Split, resize: int) -> None:
    """Find that images differ in size before all are decoded; those that cannot be are passed."""
    ids, sizes = [], []
    for position in np.unique(np.linspace(0, len(split) - 1, _LOOKED_AT).astype(int)):
        with contextlib.suppress(OSError, ValueError, MemoryError):
            frame = shorter_side(split.image[position], resize)
            ids.append(split.id[position])
            sizes.append(frame.shape[:2])
    _check_one_size(split.name, np.array(ids), np.array(sizes, int).reshape(-1, 2))


def _check_one_size(name: str, ids: np.ndarray, sizes: np.ndarray) -> None:
    bad = np.flatnonzero((sizes != sizes[:1]).any(1))
    if len(bad):
        (h0, w0), (h1, w1) = sizes[0], sizes[bad[0]]
        raise UsageError(
            f"the images of '{name}' are of different sizes, '{ids[0]}' {h0}x{w0} and "
            f"'{ids[bad[0]]}' {h1}x{w1} pixels, and a network takes one; set data.resize (the "
            "shorter side) and data.crop: the paper has 256 and 224 for Pascal VOC"
        )
