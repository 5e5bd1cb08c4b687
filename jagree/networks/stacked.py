"""A convolution that knows it is stacked: how K networks' convolutions become one program.

`jax.vmap` over the weights of a convolution makes one grouped convolution of K, which runs several
times slower than the K one after the other (docs/performance.md; jax#26568 on a GPU). So
`convolve` brings rules of its own: written for one network, it composes with ``jit(vmap(grad))``,
and over stacked weights each of its three products (forward, gradient of the image, gradient of the
kernel) takes the way that `choose_stacking` names.

Axis letters: K members, B batch, H W height and width, C channels in, F features out.
"""

import functools
import math
from collections.abc import Callable
from typing import NamedTuple

import jax
import jax.numpy as jnp
from jax.custom_batching import custom_vmap
from jaxtyping import Array, Float

from jagree.networks.convolutions import (
    Convolution,
    choose_convolution,
    choose_pieces,
    dense_convolution,
    image_gradient,
    kernel_gradient,
)

_WRITTEN_OUT = 8  # members whose convolutions an accelerator's program has one by one

Product = Callable[[Array, Array], Array]  # of two arrays, linear in each


class Geometry(NamedTuple):
    """All that is known of a convolution when it is compiled."""

    image: tuple[int, ...]  # B, H, W, C
    kernel: tuple[int, ...]  # h, w, C, F
    stride: int
    padding: int


def choose_stacking(form: Convolution, members: int, backend: str | None = None) -> str:
    """How K convolutions of a form are computed; the choice for accelerators is not measured.

    Returns
    -------
    {"batched", "each", "turns"}
        ``batched``: one batched matrix product. ``each``: K convolutions written out in one
        program. ``turns``: one convolution in a loop of K, which compiles in the same time whatever
        K is, but slows convolutions on a CPU. (Grouped, as `jax.vmap` would have it: never.)
    """
    if form is not dense_convolution:
        return "batched"
    on_cpu = (backend or jax.default_backend()) == "cpu"
    return "each" if on_cpu or members <= _WRITTEN_OUT else "turns"


@functools.partial(jax.custom_vjp, nondiff_argnums=(2, 3))
def convolve(
    image: Float[Array, "B H W C"],
    kernel: Float[Array, "h w C F"],
    stride: int = 1,
    padding: int = 0,
) -> Float[Array, "B H2 W2 F"]:
    """Convolution in the fastest of its forms, alone or stacked.

    Parameters
    ----------
    image, kernel
        Of one network; `jax.vmap` adds the axis K to either or both.
    stride : int
    padding : int
        Rows and columns of zeros on each side.
    """
    return _products(Geometry(image.shape, kernel.shape, stride, padding)).forward(image, kernel)


def _convolve_forward(image: Array, kernel: Array, stride: int, padding: int) -> tuple:
    return convolve(image, kernel, stride, padding), (image, kernel)


def _convolve_backward(stride: int, padding: int, kept: tuple, cotangent: Array) -> tuple:
    image, kernel = kept
    products = _products(Geometry(image.shape, kernel.shape, stride, padding))
    return products.of_image(cotangent, kernel), products.of_kernel(image, cotangent)


convolve.defvjp(_convolve_forward, _convolve_backward)


class _Products(NamedTuple):
    forward: Product  # (image, kernel)
    of_image: Product  # (cotangent, kernel), the gradient
    of_kernel: Product  # (image, cotangent), the gradient


@functools.cache
def _products(geometry: Geometry) -> _Products:
    """The three products of a convolution, each with its rule for stacked arrays."""
    image_shape, kernel_shape, stride, padding = geometry
    form = choose_convolution(image_shape, kernel_shape, stride, padding)

    def forward(image: Array, kernel: Array) -> Array:
        return form(image, kernel, stride, padding)

    def of_image(cotangent: Array, kernel: Array) -> Array:
        return image_gradient(form, cotangent, kernel, image_shape, stride, padding)

    def of_kernel(image: Array, cotangent: Array) -> Array:
        sizes = image.nbytes, cotangent.nbytes, math.prod(kernel_shape) * image.dtype.itemsize
        pieces = choose_pieces(form, *sizes)
        return kernel_gradient(form, image, cotangent, kernel_shape, stride, padding, pieces)

    return _Products(
        _stackable(form, forward, _of_shared_image),
        _stackable(form, of_image),
        _stackable(form, of_kernel),
    )


def _stackable(form: Convolution, product: Product, of_shared: Callable | None = None) -> Product:
    """The product with a rule for `jax.vmap`; `of_shared` is for a first factor that all share."""
    alone = custom_vmap(product)

    @alone.def_vmap
    def rule(members: int, stacked: list[bool], first: Array, second: Array) -> tuple[Array, bool]:
        if of_shared is not None and not stacked[0]:
            return of_shared(product, first, second), True
        way = choose_stacking(form, members)
        if way == "batched":
            axes = [0 if s else None for s in stacked]
            return jax.vmap(product, axes)(first, second), True
        factors = [
            x if s else jnp.broadcast_to(x, (members, *x.shape))
            for x, s in zip((first, second), stacked, strict=True)
        ]
        if way == "turns":
            return jax.lax.map(lambda pair: product(*pair), factors), True
        a, b = factors
        return jnp.stack([product(a[k], b[k]) for k in range(members)]), True

    return alone


def _of_shared_image(forward: Product, image: Array, kernel: Array) -> Array:
    """K networks that see the same images: one convolution with the features of all."""
    members, *window, features = kernel.shape
    side_by_side = jnp.moveaxis(kernel, 0, -2).reshape(*window, members * features)
    out = forward(image, side_by_side)
    return jnp.moveaxis(out.reshape(*out.shape[:-1], members, features), -2, 0)
