"""LeNet5 as the paper's authors ran it (LeCun et al. 1998, with batch normalisation)."""

import flax.linen as nn
import jax.numpy as jnp
from jax.typing import DTypeLike
from jaxtyping import Array, Float

from jagree.networks.layers import BatchNorm, Conv, Dense, at_least_single, average_pool, check_size

SMALLEST = 32  # pixels a side: of which the third convolution leaves a single one


class LeNet5(nn.Module):
    """Three 5x5 convolutions (6, 16, 120), each with BatchNorm and ReLU; two average pools.

    62,290 parameters for 10 classes at 32x32. Larger images give the first dense layer more.
    """

    classes: int
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
        for features, pooled in ((6, True), (16, True), (120, False)):
            x = Conv(features, 5)(x)
            x = nn.relu(BatchNorm()(x, train))
            x = average_pool(x) if pooled else x
        x = nn.relu(Dense(84)(x.reshape(x.shape[0], -1)))
        return Dense(self.classes)(at_least_single(x))
