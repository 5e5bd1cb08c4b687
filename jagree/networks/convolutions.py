"""The forms of a convolution: the same numbers but for rounding, at different speeds.

Axis letters: B batch, H W height and width, C channels in, F features out, h w of a kernel.
"""

import functools
import itertools
import operator
from collections.abc import Callable

import jax
import jax.numpy as jnp
from jax import lax
from jax.typing import DTypeLike
from jaxtyping import Array, Float


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
    """One matrix product again: over a tile of the map, a convolution is a banded matrix.

    A row of the product is a tile of the image with what surrounds it, a column one feature of one
    pixel within the tile (`choose_tile`). The matrix is mostly zeros, so this does several times
    the arithmetic; on small maps of few features a CPU still trains with it more than twice as fast
    (bench/convolution.py, docs/decisions.md). Stride 1 only.
    """
    if stride != 1:
        raise ValueError(f"the banded form has stride 1, not {stride}")
    image = _padded(image, padding)
    batch = len(image)
    height, width, _, features = kernel.shape
    rows, columns = image.shape[1] - height + 1, image.shape[2] - width + 1
    tall, wide = choose_tile((rows, columns), kernel.shape)
    down, across = rows // tall, columns // wide  # tiles
    band = jnp.einsum(
        "iap,jbq,ijcf->abcpqf",
        _shifts(height, tall, image.dtype),
        _shifts(width, wide, image.dtype),
        kernel,
    )
    tiles = _overlapping(_overlapping(image, down, tall, height, 1), across, wide, width, 3)
    tiles = tiles.reshape(batch * down * across, -1)
    out = tiles @ band.reshape(tiles.shape[1], tall * wide * features)
    out = out.reshape(batch, down, across, tall, wide, features).swapaxes(2, 3)
    return out.reshape(batch, rows, columns, features)


def choose_tile(out: tuple[int, int], kernel_shape: tuple[int, ...]) -> tuple[int, int]:
    """Rows and columns of the tiles that the banded form computes at once; they divide the map.

    Parameters
    ----------
    out : (int, int)
        Rows and columns of the convolution's result.
    kernel_shape : tuple of int
        h, w, C, F.

    Notes
    -----
    The smallest sum of the arithmetic, a tile's product with the band, and of what is moved, the
    tile and its result; a value moved weighs as much as 100 multiplications, about what two CPU
    cores were measured to do.
    """
    height, width, channels, features = kernel_shape

    def cost(tile: tuple[int, int]) -> float:
        tall, wide = tile
        seen = (tall + height - 1) * (wide + width - 1) * channels
        made = tall * wide * features
        return (seen * made + 100 * (seen + made)) / (tall * wide)

    tall, wide = ([n for n in range(1, length + 1) if length % n == 0] for length in out)
    return min(itertools.product(tall, wide), key=cost)


def _shifts(size: int, tile: int, dtype: DTypeLike) -> Float[Array, "size seen tile"]:
    """[i, a, p]: whether tap i of pixel p of a tile sees pixel a of what surrounds it."""
    return jnp.stack([jnp.eye(tile + size - 1, tile, k=-i, dtype=dtype) for i in range(size)])


def _overlapping(
    x: Float[Array, "..."], tiles: int, tile: int, size: int, axis: int
) -> Float[Array, "..."]:
    """So many tiles of an axis, each with what a kernel of that size sees, on an axis before."""
    seen = tile + size - 1
    parts = [lax.slice_in_dim(x, k * tile, k * tile + seen, axis=axis) for k in range(tiles)]
    return jnp.stack(parts, (axis + 1) // 2)


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


def central_convolution(
    image: Float[Array, "B H W C"],
    kernel: Float[Array, "h w C F"],
    stride: int = 1,
    padding: int = 0,
) -> Float[Array, "B H2 W2 F"]:
    """On maps of one pixel all but the kernel's centre sees zeros only: a 1x1 convolution.

    Needs a kernel of 2 padding + 1 rows and columns; any stride gives the same.
    """
    if image.shape[1:3] != (1, 1) or kernel.shape[:2] != (2 * padding + 1,) * 2:
        raise ValueError(
            f"of a map of {image.shape[1]}x{image.shape[2]} pixels with padding {padding} a kernel "
            f"of {kernel.shape[0]}x{kernel.shape[1]} sees more than one"
        )
    return _per_pixel(image, kernel[padding, padding])


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

# Elements of a banded matrix of one whole row of the map up to which the form was measured to win
# on a CPU. Not measured on accelerators, where a convolution is what the chip is for.
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
    if image_shape[1:3] == (1, 1) and height == width == 2 * padding + 1:
        return central_convolution
    on_cpu = (backend or jax.default_backend()) == "cpu"
    if on_cpu and max(image_shape[1:3]) <= _TINY_MAP:
        return unfolded_convolution
    columns = image_shape[2] + 2 * padding
    band = height * columns * channels * (columns - width + 1) * features
    if on_cpu and stride == 1 and band <= _LARGEST_BAND:
        return banded_convolution
    return dense_convolution


# A CPU's gradient of a kernel is taken in pieces of the batch whose images and cotangents are at
# most so large, unless the kernel, which every piece reads and writes, is large itself. Measured:
# bench/stacking.py, docs/performance.md.
_PIECE = 2**20  # bytes, half of the second-level cache where it was measured
_LARGEST_KERNEL = 2**22  # bytes


def image_gradient(
    form: Convolution,
    cotangent: Float[Array, "B H2 W2 F"],
    kernel: Float[Array, "h w C F"],
    image_shape: tuple[int, ...],
    stride: int,
    padding: int,
) -> Float[Array, "B H W C"]:
    """Gradient of a convolution of that form with respect to the image."""
    like = jax.ShapeDtypeStruct(image_shape, cotangent.dtype)
    return jax.linear_transpose(lambda x: form(x, kernel, stride, padding), like)(cotangent)[0]


def kernel_gradient(
    form: Convolution,
    image: Float[Array, "B H W C"],
    cotangent: Float[Array, "B H2 W2 F"],
    kernel_shape: tuple[int, ...],
    stride: int,
    padding: int,
    pieces: int = 1,
) -> Float[Array, "h w C F"]:
    """Gradient of a convolution of that form with respect to the kernel.

    As a sum over so many pieces of the batch, or fewer if it has fewer examples. XLA's own
    convolution rearranges both arrays first, and a CPU is up to three times as fast if these fit
    into a core's cache.
    """
    like = jax.ShapeDtypeStruct(kernel_shape, cotangent.dtype)
    length = -(-len(image) // pieces)
    gradients = []
    for start in range(0, len(image), length):
        part = slice(start, start + length)
        transpose = jax.linear_transpose(lambda x, p=part: form(image[p], x, stride, padding), like)
        gradients.append(transpose(cotangent[part])[0])
    return functools.reduce(operator.add, gradients)


def choose_pieces(
    form: Convolution,
    image_bytes: int,
    cotangent_bytes: int,
    kernel_bytes: int,
    backend: str | None = None,
) -> int:
    """Pieces of the batch in which to take the gradient of a kernel; 1 but on a CPU."""
    on_cpu = (backend or jax.default_backend()) == "cpu"
    if not on_cpu or form is not dense_convolution or kernel_bytes > _LARGEST_KERNEL:
        return 1
    return -(-max(image_bytes, cotangent_bytes) // _PIECE)
