"""Layers that all networks share, with PyTorch's conventions where they matter to the paper.

Axis letters: B batch, H W height and width, C channels in, F features out.
"""

import functools
import operator
from collections.abc import Sequence
from typing import NamedTuple

import flax.linen as nn
import jax.numpy as jnp
from jax import lax
from jaxtyping import Array, Float

from jagree.errors import UsageError
from jagree.networks.parts import mean_over_parts, number_of_parts
from jagree.networks.stacked import convolve

# Weights: normal with variance 2 / fan-in, not truncated (He et al. 2015, eq. 10; the paper's).
kaiming_normal = nn.initializers.variance_scaling(2.0, "fan_in", "normal")


class Conv(nn.Module):
    """Convolution with Kaiming-normal weights and zero biases; computes in its input's type.

    Attributes
    ----------
    features : int
    kernel_size : int
        Height and width.
    stride, padding : int
        As in PyTorch: `padding` rows and columns of zeros on each side.
    use_bias : bool
        No where a BatchNorm follows that adds one of its own.
    """

    features: int
    kernel_size: int
    stride: int = 1
    padding: int = 0
    use_bias: bool = True

    @nn.compact
    def __call__(self, image: Float[Array, "B H W C"]) -> Float[Array, "B H2 W2 F"]:
        """Convolve; the maps become (H + 2 padding - kernel_size) // stride + 1 high."""
        shape = (self.kernel_size, self.kernel_size, image.shape[-1], self.features)
        kernel = self.param("kernel", kaiming_normal, shape).astype(image.dtype)
        out = convolve(image, kernel, self.stride, self.padding)
        if not self.use_bias:
            return out
        bias = self.param("bias", nn.initializers.zeros, (self.features,)).astype(image.dtype)
        return out + bias[None, None, None, :]


class Dense(nn.Module):
    """Dense layer with Kaiming-normal weights and zero biases; computes in its input's type."""

    features: int

    @nn.compact
    def __call__(self, x: Float[Array, "B C"]) -> Float[Array, "B F"]:
        """Multiply and add."""
        return nn.Dense(self.features, dtype=x.dtype, kernel_init=kaiming_normal)(x)


class Moments(NamedTuple):
    """Mean and mean square of each channel over a batch, in single precision at least."""

    mean: Float[Array, " C"]
    square: Float[Array, " C"]


def batch_moments(x: Float[Array, "... C"]) -> Moments:
    """Over all axes but the last, and over all parts of the batch."""
    precise, axes = at_least_single(x), tuple(range(x.ndim - 1))
    return mean_over_parts(Moments(precise.mean(axes), (precise * precise).mean(axes)))


def concatenate_moments(of_parts: Sequence[Moments]) -> Moments:
    """Of features side by side, from those of each part."""
    return Moments(*(jnp.concatenate(parts) for parts in zip(*of_parts, strict=True)))


class BatchNorm(nn.Module):
    """Batch normalisation over all axes but the last, as PyTorch defines it.

    Flax's own keeps the biased variance in its running average; PyTorch, and so the paper, the
    unbiased one (n / (n - 1)). A batch whose channel has a single value normalises to the offset.
    Moments are taken in single precision at least; the result is of the input's type.
    """

    epsilon: float = 1e-5
    momentum: float = 0.1  # weight of the new batch in the running average (PyTorch's convention)

    @nn.compact
    def __call__(
        self, x: Float[Array, "... C"], train: bool, moments: Moments | None = None
    ) -> Float[Array, "... C"]:
        """Normalise by the batch (and update the running averages) or by the running averages.

        `moments` are those of `x`, where they are known already.
        """
        channels = (x.shape[-1],)
        scale = self.param("scale", nn.initializers.ones, channels)
        offset = self.param("bias", nn.initializers.zeros, channels)
        running_mean = self.variable("batch_stats", "mean", jnp.zeros, channels)
        running_var = self.variable("batch_stats", "var", jnp.ones, channels)
        mean, var = running_mean.value, running_var.value
        if train:
            mean, square = batch_moments(x) if moments is None else moments
            var = jnp.maximum(square - mean * mean, 0.0)
            if not self.is_initializing():
                n = x.size // x.shape[-1] * number_of_parts()
                unbiased = var * (n / max(n - 1, 1))
                # Not "+=": on a NumPy array that would change the caller's own averages.
                keep = 1.0 - self.momentum
                running_mean.value = keep * running_mean.value + self.momentum * mean
                running_var.value = keep * running_var.value + self.momentum * unbiased
        gain = scale * lax.rsqrt(var + self.epsilon)
        shift = offset - mean * gain
        over_channels = (None,) * (x.ndim - 1)
        return (at_least_single(x) * gain[over_channels] + shift[over_channels]).astype(x.dtype)


def average_pool(image: Float[Array, "B H W C"], size: int = 2) -> Float[Array, "B H2 W2 C"]:
    """Mean over windows of size x size that do not overlap; odd rows and columns are cut.

    Sums of slices, rows before columns, because a CPU takes several times as long for a windowed
    reduction or for a mean over two axes in the middle.
    """
    batch, height, width, channels = image.shape
    rows, columns = height // size, width // size
    cut = image[:, : rows * size, : columns * size]
    lines = cut.reshape(batch, rows, size, columns * size, channels)
    added = functools.reduce(operator.add, [lines[:, :, i] for i in range(size)])
    pixels = added.reshape(batch, rows, columns, size, channels)
    return functools.reduce(operator.add, [pixels[:, :, :, j] for j in range(size)]) / size**2


def max_pool(
    image: Float[Array, "B H W C"], size: int, stride: int, padding: int = 0
) -> Float[Array, "B H2 W2 C"]:
    """Largest value of each window; what is added at the border never is the largest.

    The gradient goes to the first of equal values, by rows, as PyTorch's does. By columns, then by
    rows, because the gradient of a windowed reduction is several times slower on a CPU
    (docs/decisions.md).
    """
    if padding:
        border = ((0, 0), (padding, padding), (padding, padding), (0, 0))
        image = jnp.pad(image, border, constant_values=-jnp.inf)
    for axis in (2, 1):
        windows = (image.shape[axis] - size) // stride + 1
        values = [
            lax.slice_in_dim(image, i, i + stride * (windows - 1) + 1, stride, axis)
            for i in range(size)
        ]
        image = functools.reduce(_larger, values)
    return image


def _larger(first: Float[Array, "..."], second: Float[Array, "..."]) -> Float[Array, "..."]:
    """The first of equal values, whole and with the whole gradient; nan where either is nan."""
    return jnp.where((second > first) | jnp.isnan(second), second, first)


def at_least_single(x: Float[Array, "..."]) -> Float[Array, "..."]:
    """In single precision, or double where it is that already: for sums, moments and logits."""
    return x.astype(jnp.promote_types(x.dtype, jnp.float32))


def check_size(network: nn.Module, image: Float[Array, "B H W C"], smallest: int) -> None:
    """Raise a UsageError if the images are smaller than `smallest` pixels a side."""
    height, width = image.shape[1:3]
    if min(height, width) < smallest:
        raise UsageError(
            f"{type(network).__name__} takes images of {smallest}x{smallest} pixels or more, not "
            f"{height}x{width}; choose another network or data set, or enlarge what it sees by "
            "data.resize and data.crop"
        )
