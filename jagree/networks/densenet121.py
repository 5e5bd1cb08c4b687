"""DenseNet121 (Huang et al. 2017): with the usual stem, the paper's, and with one for 32x32."""

import flax.linen as nn
import jax.numpy as jnp
from jax.typing import DTypeLike
from jaxtyping import Array, Float

from jagree.networks.layers import (
    BatchNorm,
    Conv,
    Dense,
    Moments,
    at_least_single,
    average_pool,
    batch_moments,
    check_size,
    concatenate_moments,
    max_pool,
)

BOTTLENECK = 4  # features within a layer per feature that it adds


class DenseNet121(nn.Module):
    """Four blocks of 6, 12, 24 and 16 layers, each layer fed with all the layers before it.

    As the paper's authors ran it, with the stem for photographs (7x7 convolution and pool, each
    with stride 2) even on 32x32 images, where the blocks' maps are 8, 4, 2 and 1 wide. 6,964,106
    parameters for 10 classes, whatever the images' size.

    Attributes
    ----------
    classes : int
    growth : int
        Features that a layer adds.
    depths : tuple of int
        Layers of each block.
    dtype : dtype
        To compute in.
    """

    classes: int
    growth: int = 32
    depths: tuple[int, ...] = (6, 12, 24, 16)
    dtype: DTypeLike = jnp.float32

    @nn.compact
    def __call__(self, image: Float[Array, "B H W 3"], train: bool) -> Float[Array, "B classes"]:
        """Logits of images scaled to [0, 1].

        Raises
        ------
        UsageError
            If the images are smaller than 29x29 pixels, of which stem and transitions leave a
            single one (`DenseNet121Cifar`: 8x8).
        """
        x = self.stem(image.astype(self.dtype), train)
        # Of each part of x, taken once: all later layers of a block normalise the same features.
        moments: list[Moments] = []
        for block, depth in enumerate(self.depths):
            if block:  # the transition from the block before: half the features, half the size
                x = nn.relu(BatchNorm()(x, train, concatenate_moments(moments)))
                x = Conv(x.shape[-1] // 2, 1, use_bias=False)(x)
                x = average_pool(x)
            moments = [batch_moments(x)]
            for _ in range(depth):
                added = self.layer(x, train, concatenate_moments(moments))
                moments.append(batch_moments(added))
                x = jnp.concatenate([x, added], axis=-1)
        x = nn.relu(BatchNorm()(x, train, concatenate_moments(moments))).mean((1, 2))
        return Dense(self.classes)(at_least_single(x))

    def stem(self, image: Float[Array, "B H W 3"], train: bool) -> Float[Array, "B H2 W2 C"]:
        """What comes before the first block."""
        check_size(self, image, 29)
        x = Conv(2 * self.growth, 7, stride=2, padding=3, use_bias=False)(image)
        return max_pool(nn.relu(BatchNorm()(x, train)), 3, 2, padding=1)

    def layer(
        self, x: Float[Array, "B H W C"], train: bool, moments: Moments
    ) -> Float[Array, "B H W G"]:
        """The features that one layer adds."""
        x = nn.relu(BatchNorm()(x, train, moments))
        x = Conv(BOTTLENECK * self.growth, 1, use_bias=False)(x)
        return Conv(self.growth, 3, padding=1, use_bias=False)(nn.relu(BatchNorm()(x, train)))


class DenseNet121Cifar(DenseNet121):
    """DenseNet121 behind a 3x3 convolution with stride 1: on 32x32 images, maps 32 to 4 wide.

    6,956,298 parameters for 10 classes, whatever the images' size.
    """

    def stem(self, image: Float[Array, "B H W 3"], train: bool) -> Float[Array, "B H W C"]:
        """What comes before the first block; the first layer begins with a BatchNorm."""
        check_size(self, image, 8)
        return Conv(2 * self.growth, 3, padding=1, use_bias=False)(image)
