"""VGG16 as the paper's authors ran it (Simonyan & Zisserman 2015, with batch normalisation)."""

import flax.linen as nn
import jax.numpy as jnp
from jax.typing import DTypeLike
from jaxtyping import Array, Float

from jagree.networks.layers import BatchNorm, Conv, Dense, at_least_single, check_size, max_pool

SMALLEST = 32  # pixels a side: of which five pools leave a single one


class VGG16(nn.Module):
    """Thirteen 3x3 convolutions, each with BatchNorm and ReLU, in five stages; one dense layer.

    14,728,266 parameters for 10 classes at 32x32. Larger images give the dense layer more. The
    original has three dense layers and no BatchNorm.

    Attributes
    ----------
    classes : int
    widths : tuple of int
        Features of each stage's convolutions.
    depths : tuple of int
        Convolutions of each stage, before its 2x2 pool.
    dtype : dtype
        To compute in.
    """

    classes: int
    widths: tuple[int, ...] = (64, 128, 256, 512, 512)
    depths: tuple[int, ...] = (2, 2, 3, 3, 3)
    dtype: DTypeLike = jnp.float32

    @nn.compact
    def __call__(self, image: Float[Array, "B H W 3"], train: bool) -> Float[Array, "B classes"]:
        """Logits of images scaled to [0, 1].

        Raises
        ------
        UsageError
            If the images are smaller than `SMALLEST`.
        """
        check_size(self, image, SMALLEST)
        x = image.astype(self.dtype)
        for width, depth in zip(self.widths, self.depths, strict=True):
            for _ in range(depth):
                x = Conv(width, 3, padding=1)(x)
                x = nn.relu(BatchNorm()(x, train))
            x = max_pool(x, 2, 2)
        return Dense(self.classes)(at_least_single(x.reshape(x.shape[0], -1)))
