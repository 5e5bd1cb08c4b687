"""Layers that all networks share, with PyTorch's conventions where they matter to the paper.

Axis letters: B batch, H W height and width, C channels in, F features out.
"""

from collections.abc import Callable

import flax.linen as nn
import jax
import jax.numpy as jnp
from jax import lax
from jaxtyping import Array, Float

# Weights: normal with variance 2 / fan-in, not truncated (He et al. 2015, eq. 10; the paper's).
kaiming_normal = nn.initializers.variance_scaling(2.0, "fan_in", "normal")


def dense_convolution(
    image: Float[Array, "B H W C"], kernel: Float[Array, "h w C F"]
) -> Float[Array, "B H2 W2 F"]:
    """Unpadded convolution with stride 1, as the backend does it."""
    return lax.conv_general_dilated(
        image, kernel, (1, 1), "VALID", dimension_numbers=("NHWC", "HWIO", "NHWC")
    )


def banded_convolution(
    image: Float[Array, "B H W C"], kernel: Float[Array, "h w C F"]
) -> Float[Array, "B H2 W2 F"]:
    """The same as one matrix product: along the width, a convolution is a banded matrix.

    The band is mostly zeros, so this does about W / w times the arithmetic; on small, narrow maps
    a CPU still trains with it nearly twice as fast (bench/convolution.py, docs/decisions.md).
    """
    height, width, channels, features = kernel.shape
    rows, columns = image.shape[1] - height + 1, image.shape[2] - width + 1
    shift = jnp.stack(
        [jnp.eye(image.shape[2], columns, k=-j, dtype=image.dtype) for j in range(width)]
    )
    band = jnp.einsum("jab,ijcf->iacbf", shift, kernel)
    band = band.reshape(height * image.shape[2] * channels, columns * features)
    lines = image.reshape(*image.shape[:2], -1)
    windows = jnp.concatenate([lines[:, i : i + rows] for i in range(height)], axis=-1)
    return (windows @ band).reshape(image.shape[0], rows, columns, features)


Convolution = Callable[[Array, Array], Array]

# Elements of the banded matrix up to which it was measured to win on a CPU: 512 KiB, one core's
# second-level cache. Not measured on accelerators, where a convolution is what the chip is for.
_LARGEST_BAND = 2**17


def choose_convolution(
    image_shape: tuple[int, ...], kernel_shape: tuple[int, ...], backend: str | None = None
) -> Convolution:
    """The faster of the forms for these shapes; they differ by float rounding only."""
    height, width, channels, features = kernel_shape
    columns = image_shape[2] - width + 1
    band = height * image_shape[2] * channels * columns * features
    if (backend or jax.default_backend()) == "cpu" and band <= _LARGEST_BAND:
        return banded_convolution
    return dense_convolution


class Conv(nn.Module):
    """Unpadded convolution with stride 1, Kaiming-normal weights and zero biases."""

    features: int
    kernel_size: tuple[int, int]

    @nn.compact
    def __call__(self, image: Float[Array, "B H W C"]) -> Float[Array, "B H2 W2 F"]:
        """Convolve; the maps shrink by the kernel size less one."""
        shape = (*self.kernel_size, image.shape[-1], self.features)
        kernel = self.param("kernel", kaiming_normal, shape)
        bias = self.param("bias", nn.initializers.zeros, (self.features,))
        convolve = choose_convolution(image.shape, shape)
        return convolve(image, kernel) + bias[None, None, None, :]


class Dense(nn.Module):
    """Dense layer with Kaiming-normal weights and zero biases."""

    features: int

    @nn.compact
    def __call__(self, x: Float[Array, "B C"]) -> Float[Array, "B F"]:
        """Multiply and add."""
        return nn.Dense(self.features, kernel_init=kaiming_normal)(x)


class BatchNorm(nn.Module):
    """Batch normalisation over all axes but the last, as PyTorch defines it.

    Flax's own keeps the biased variance in its running average; PyTorch, and so the paper, the
    unbiased one (n / (n - 1)). A batch whose channel has a single value normalises to the offset.
    """

    epsilon: float = 1e-5
    momentum: float = 0.1  # weight of the new batch in the running average (PyTorch's convention)

    @nn.compact
    def __call__(self, x: Float[Array, "... C"], train: bool) -> Float[Array, "... C"]:
        """Normalise by the batch (and update the running averages) or by the running averages."""
        channels = (x.shape[-1],)
        scale = self.param("scale", nn.initializers.ones, channels)
        offset = self.param("bias", nn.initializers.zeros, channels)
        running_mean = self.variable("batch_stats", "mean", jnp.zeros, channels)
        running_var = self.variable("batch_stats", "var", jnp.ones, channels)
        mean, var = running_mean.value, running_var.value
        if train:
            axes = tuple(range(x.ndim - 1))
            mean = x.mean(axes)
            var = jnp.maximum((x * x).mean(axes) - mean * mean, 0.0)
            if not self.is_initializing():
                n = x.size // x.shape[-1]
                unbiased = var * (n / max(n - 1, 1))
                # Not "+=": on a NumPy array that would change the caller's own averages.
                keep = 1.0 - self.momentum
                running_mean.value = keep * running_mean.value + self.momentum * mean
                running_var.value = keep * running_var.value + self.momentum * unbiased
        gain = scale * lax.rsqrt(var + self.epsilon)
        shift = offset - mean * gain
        over_channels = (None,) * (x.ndim - 1)
        return x * gain[over_channels] + shift[over_channels]


def average_pool(image: Float[Array, "B H W C"], size: int = 2) -> Float[Array, "B H2 W2 C"]:
    """Mean over windows of size x size that do not overlap; odd rows and columns are cut.

    A reshape, because the gradient of a windowed reduction is several times slower on a CPU.
    """
    batch, height, width, channels = image.shape
    rows, columns = height // size, width // size
    cut = image[:, : rows * size, : columns * size]
    return cut.reshape(batch, rows, size, columns, size, channels).mean((2, 4))
