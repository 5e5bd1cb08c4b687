"""Layers that all networks share, with PyTorch's conventions where they matter to the paper.

Axis letters: B batch, H W height and width, C channels in, F features out.
"""

from collections.abc import Callable

import flax.linen as nn
import jax
import jax.numpy as jnp
from jax import lax
from jaxtyping import Array, Float

from jagree.errors import UsageError

# Weights: normal with variance 2 / fan-in, not truncated (He et al. 2015, eq. 10; the paper's).
kaiming_normal = nn.initializers.variance_scaling(2.0, "fan_in", "normal")


def dense_convolution(
    image: Float[Array, "B H W C"],
    kernel: Float[Array, "h w C F"],
    stride: int = 1,
    padding: int = 0,
) -> Float[Array, "B H2 W2 F"]:
    """Convolution as the backend does it; `padding` rows and columns of zeros on each side."""
    return lax.conv_general_dilated(
        image,
        kernel,
        (stride, stride),
        ((padding, padding), (padding, padding)),
        dimension_numbers=("NHWC", "HWIO", "NHWC"),
    )


def pointwise_convolution(
    image: Float[Array, "B H W C"],
    kernel: Float[Array, "1 1 C F"],
    stride: int = 1,
    padding: int = 0,
) -> Float[Array, "B H2 W2 F"]:
    """A 1x1 convolution as the matrix product that it is.

    Over stacked weights it stays a product, a batched one, where a convolution would become a
    grouped one; and on a CPU it is faster even alone (docs/decisions.md).
    """
    return _per_pixel(_padded(image, padding)[:, ::stride, ::stride], kernel[0, 0])


def banded_convolution(
    image: Float[Array, "B H W C"],
    kernel: Float[Array, "h w C F"],
    stride: int = 1,
    padding: int = 0,
) -> Float[Array, "B H2 W2 F"]:
    """One matrix product again: along the width, a convolution is a banded matrix. Stride 1 only.

    The band is mostly zeros, so this does about W / w times the arithmetic; on small, narrow maps
    a CPU still trains with it nearly twice as fast (bench/convolution.py, docs/decisions.md).
    """
    if stride != 1:
        raise ValueError(f"the banded form has stride 1, not {stride}")
    image = _padded(image, padding)
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


def unfolded_convolution(
    image: Float[Array, "B H W C"],
    kernel: Float[Array, "h w C F"],
    stride: int = 1,
    padding: int = 0,
) -> Float[Array, "B H2 W2 F"]:
    """One matrix product over all windows, written out side by side.

    That takes h * w times the memory of the image, which is nothing where the map is tiny; there
    XLA's convolution falls back to one without blocking on a CPU (docs/decisions.md).
    """
    image = _padded(image, padding)
    height, width, channels, features = kernel.shape
    rows = (image.shape[1] - height) // stride + 1
    columns = (image.shape[2] - width) // stride + 1
    windows = [
        image[:, i : i + stride * rows : stride, j : j + stride * columns : stride]
        for i in range(height)
        for j in range(width)
    ]
    weight = kernel.reshape(height * width * channels, features)
    return _per_pixel(jnp.concatenate(windows, axis=-1), weight)


def _per_pixel(
    image: Float[Array, "B H W C"], weight: Float[Array, "C F"]
) -> Float[Array, "B H W F"]:
    """Each pixel's features times a matrix.

    As a product of two matrices: over four axes XLA takes up to three times as long on a CPU for
    the gradient of the weight, a sum over the first three of them (docs/decisions.md).
    """
    flat = image.reshape(-1, image.shape[-1]) @ weight
    return flat.reshape(*image.shape[:-1], weight.shape[-1])


def _padded(image: Float[Array, "B H W C"], padding: int) -> Float[Array, "B H2 W2 C"]:
    if not padding:
        return image
    return jnp.pad(image, ((0, 0), (padding, padding), (padding, padding), (0, 0)))


Convolution = Callable[[Array, Array, int, int], Array]

# Elements of the banded matrix up to which it was measured to win on a CPU: 512 KiB, one core's
# second-level cache. Not measured on accelerators, where a convolution is what the chip is for.
_LARGEST_BAND = 2**17

_TINY_MAP = 2  # pixels a side of the maps on which windows written out were measured to win


def choose_convolution(
    image_shape: tuple[int, ...],
    kernel_shape: tuple[int, ...],
    stride: int = 1,
    padding: int = 0,
    backend: str | None = None,
) -> Convolution:
    """The fastest of the forms for these shapes; they differ by float rounding only."""
    height, width, channels, features = kernel_shape
    if height == width == 1:
        return pointwise_convolution
    on_cpu = (backend or jax.default_backend()) == "cpu"
    if on_cpu and max(image_shape[1:3]) <= _TINY_MAP:
        return unfolded_convolution
    columns = image_shape[2] + 2 * padding
    band = height * columns * channels * (columns - width + 1) * features
    if on_cpu and stride == 1 and band <= _LARGEST_BAND:
        return banded_convolution
    return dense_convolution


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
        convolve = choose_convolution(image.shape, shape, self.stride, self.padding)
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


class BatchNorm(nn.Module):
    """Batch normalisation over all axes but the last, as PyTorch defines it.

    Flax's own keeps the biased variance in its running average; PyTorch, and so the paper, the
    unbiased one (n / (n - 1)). A batch whose channel has a single value normalises to the offset.
    Moments are taken in single precision at least; the result is of the input's type.
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
        precise = at_least_single(x)
        if train:
            axes = tuple(range(x.ndim - 1))
            mean = precise.mean(axes)
            var = jnp.maximum((precise * precise).mean(axes) - mean * mean, 0.0)
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
        return (precise * gain[over_channels] + shift[over_channels]).astype(x.dtype)


def average_pool(image: Float[Array, "B H W C"], size: int = 2) -> Float[Array, "B H2 W2 C"]:
    """Mean over windows of size x size that do not overlap; odd rows and columns are cut.

    A reshape, because the gradient of a windowed reduction is several times slower on a CPU.
    """
    batch, height, width, channels = image.shape
    rows, columns = height // size, width // size
    cut = image[:, : rows * size, : columns * size]
    return cut.reshape(batch, rows, size, columns, size, channels).mean((2, 4))


def max_pool(
    image: Float[Array, "B H W C"], size: int, stride: int, padding: int = 0
) -> Float[Array, "B H2 W2 C"]:
    """Largest value of each window; what is added at the border never is the largest."""
    return nn.max_pool(image, (size, size), (stride, stride), ((padding, padding),) * 2)


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
