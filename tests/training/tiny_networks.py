"""Two networks that train in no time, for runs of several kinds."""

import flax.linen as nn
import jax.numpy as jnp

from jagree.networks.layers import BatchNorm, Conv, Dense, average_pool


class TinyA(nn.Module):
    classes: int
    dtype: str = "float32"
    features: int = 4

    @nn.compact
    def __call__(self, image, train):
        x = average_pool(image.astype(self.dtype), 8)
        x = nn.relu(BatchNorm()(Conv(self.features, 3, padding=1)(x), train))
        return Dense(self.classes)(x.mean((1, 2))).astype(jnp.float32)


class TinyB(TinyA):
    features: int = 7
