"""What a compiled step is given of a batch, and how it gets the images of it.

Axis letters: K members, S steps of one dispatch, B batch, N examples, P pixels, H W height and
width of what a network sees. `fetch` is of one member and one step; the ensemble lifts it.
"""

import dataclasses
import functools
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
from jax import lax


class Inputs(NamedTuple):
    """One batch; with leading axes K and S for a dispatch. A feed leaves some of it None.

    Attributes
    ----------
    position : int array [B]
        Positions of the examples in their split.
    corner : int array [B, 2]
        Upper left corners of the crops.
    image : uint8 array [B, H, W, 3]
    label : int array [B] or bool array [B, C]
    """

    position: Any
    corner: Any
    image: Any
    label: Any


@functools.partial(jax.tree_util.register_dataclass, data_fields=["image"], meta_fields=[])
@dataclasses.dataclass(frozen=True)
class Whole:
    """A split on the device whose images are seen whole: uint8 [N, H, W, 3]."""

    image: jax.Array

    def fetch(self, inputs: Inputs) -> jax.Array:
        """The batch's images [B, H, W, 3]."""
        return self.image[inputs.position]


@functools.partial(
    jax.tree_util.register_dataclass, data_fields=["pixel", "start", "width"], meta_fields=["crop"]
)
@dataclasses.dataclass(frozen=True)
class Crops:
    """A split on the device, images of any sizes one after the other, of which crops are cut.

    A pixel is one 32-bit word, so that there is a single axis: no device pads it, as it might an
    axis of three channels, and 32-bit indices reach four times as far as they would in bytes.

    Attributes
    ----------
    pixel : uint32 array [P]
        Red + 256 green + 65536 blue.
    start, width : int32 array [N]
        First pixel of each image, and pixels in its row.
    crop : int
        Side of a crop, pixels.
    """

    pixel: jax.Array
    start: jax.Array
    width: jax.Array
    crop: int

    def fetch(self, inputs: Inputs) -> jax.Array:
        """The batch's crops [B, crop, crop, 3]."""
        top, left = inputs.corner[:, 0], inputs.corner[:, 1]
        width = self.width[inputs.position]
        first = self.start[inputs.position] + top * width + left
        row = first[:, None] + width[:, None] * jnp.arange(self.crop, dtype=jnp.int32)[None]

        def cut(start: jax.Array) -> jax.Array:
            return lax.dynamic_slice(self.pixel, (start,), (self.crop,))

        packed = jax.vmap(jax.vmap(cut))(row)
        shift = jnp.array([0, 8, 16], jnp.uint32)
        return (packed[..., None] >> shift[None, None, None]).astype(jnp.uint8)


@functools.partial(jax.tree_util.register_dataclass, data_fields=[], meta_fields=[])
@dataclasses.dataclass(frozen=True)
class Streamed:
    """Nothing on the device: the images come with the batch."""

    def fetch(self, inputs: Inputs) -> jax.Array:
        """The batch's images [B, H, W, 3]."""
        return inputs.image
