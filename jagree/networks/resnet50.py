"""ResNet50 (He et al. 2016): with the small stem of the paper's authors, and with the usual one."""

import flax.linen as nn
import jax.numpy as jnp
from jax.typing import DTypeLike
from jaxtyping import Array, Float

from jagree.networks.layers import (
    BatchNorm,
    Conv,
    Dense,
    at_least_single,
    average_pool,
    check_size,
    max_pool,
)

EXPANSION = 4  # features of a block's output per feature within


class Bottleneck(nn.Module):
    """1x1, 3x3 (with the block's stride), 1x1; added to the input, which is projected if need be.

    Attributes
    ----------
    width : int
        Features within the block.
    stride : int
    """

    width: int
    stride: int

    @nn.compact
    def __call__(self, x: Float[Array, "B H W C"], train: bool) -> Float[Array, "B H2 W2 F"]:
        """The block's output, after its last ReLU."""
        features = EXPANSION * self.width
        out = nn.relu(BatchNorm()(Conv(self.width, 1, use_bias=False)(x), train))
        out = Conv(self.width, 3, self.stride, padding=1, use_bias=False)(out)
        out = nn.relu(BatchNorm()(out, train))
        out = BatchNorm()(Conv(features, 1, use_bias=False)(out), train)
        if self.stride > 1 or x.shape[-1] != features:
            x = Conv(features, 1, self.stride, use_bias=False, name="Projection")(x)
            x = BatchNorm(name="ProjectionNorm")(x, train)
        return nn.relu(out + x)


class ResNet50(nn.Module):
    """Sixteen bottleneck blocks in four stages, behind a 3x3 convolution with stride 1.

    As the paper's authors ran it: the last maps are averaged over windows of 4x4, not as a whole,
    so that images of other sizes than 32x32 give the dense layer more. 23,520,842 parameters for 10
    classes at 32x32, 25,507,412 for 20 classes at 224x224.

    Attributes
    ----------
    classes : int
    width : int
        Features of the stem; stage s has blocks of width * 2^s within.
    depths : tuple of int
        Blocks of each stage.
    dtype : dtype
        To compute in.
    """

    classes: int
    width: int = 64
    depths: tuple[int, ...] = (3, 4, 6, 3)
    dtype: DTypeLike = jnp.float32

    @nn.compact
    def __call__(self, image: Float[Array, "B H W 3"], train: bool) -> Float[Array, "B classes"]:
        """Logits of images scaled to [0, 1].

        Raises
        ------
        UsageError
            If the images are smaller than 25x25 pixels, of which the stages leave 4x4
            (`ResNet50ImageNet`: 32x32).
        """
        x = self.stem(image.astype(self.dtype), train)
        for stage, depth in enumerate(self.depths):
            for block in range(depth):
                stride = 2 if stage > 0 and block == 0 else 1
                x = Bottleneck(self.width * 2**stage, stride)(x, train)
        return Dense(self.classes)(at_least_single(self.pool(x)))

    def stem(self, image: Float[Array, "B H W 3"], train: bool) -> Float[Array, "B H W F"]:
        """What comes before the first stage."""
        check_size(self, image, 25)
        x = Conv(self.width, 3, padding=1, use_bias=False)(image)
        return nn.relu(BatchNorm()(x, train))

    def pool(self, x: Float[Array, "B H W F"]) -> Float[Array, "B G"]:
        """What comes before the dense layer."""
        return average_pool(x, 4).reshape(x.shape[0], -1)


class ResNet50ImageNet(ResNet50):
    """The usual ResNet50: 7x7 convolution and pool, each with stride 2; mean over the last maps.

    23,528,522 parameters for 10 classes, whatever the images' size.
    """

    def stem(self, image: Float[Array, "B H W 3"], train: bool) -> Float[Array, "B H2 W2 F"]:
        """What comes before the first stage."""
        check_size(self, image, 32)
        x = Conv(self.width, 7, stride=2, padding=3, use_bias=False)(image)
        return max_pool(nn.relu(BatchNorm()(x, train)), 3, 2, padding=1)

    def pool(self, x: Float[Array, "B H W F"]) -> Float[Array, "B F"]:
        """What comes before the dense layer."""
        return x.mean((1, 2))
