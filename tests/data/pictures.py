"""Encoded images that need no file."""

import hashlib
import io
from dataclasses import dataclass

import numpy as np
from PIL import Image

from jagree.data.images import Encoded


def encode(image: np.ndarray, kind: str = "PNG", **options: object) -> bytes:
    """An image file's bytes."""
    buffer = io.BytesIO()
    Image.fromarray(image).save(buffer, kind, **options)
    return buffer.getvalue()


def picture(height: int, width: int, seed: int) -> np.ndarray:
    """A picture with structure, so that resizing is not trivial: uint8 [height, width, 3]."""
    rng = np.random.default_rng(seed)
    coarse = rng.integers(0, 255, (5, 4, 3), np.uint8)
    smooth = np.array(Image.fromarray(coarse).resize((width, height), Image.Resampling.BICUBIC))
    return np.clip(smooth + rng.normal(0, 20, smooth.shape), 0, 255).astype(np.uint8)


@dataclass(frozen=True)
class Drawn(Encoded):
    """Encoded images held in memory."""

    content: tuple[bytes, ...]

    @classmethod
    def random(cls, n: int, seed: int, kind: str = "PNG") -> "Drawn":
        """So many, of 12 to 19 pixels a side."""
        rng = np.random.default_rng(seed)
        sizes = rng.integers(12, 20, (n, 2)).tolist()
        return cls(tuple(encode(picture(h, w, i), kind) for i, (h, w) in enumerate(sizes)))

    def __len__(self) -> int:
        return len(self.content)

    def encoded(self, position: int) -> bytes:
        return self.content[position]

    def name(self, position: int) -> str:
        return f"drawn {position}"

    def take(self, positions: np.ndarray) -> "Drawn":
        return Drawn(tuple(self.content[i] for i in positions.tolist()))

    @property
    def stamp(self) -> str:
        return hashlib.sha256(b"".join(self.content)).hexdigest()
