"""Stacked convolutions: the same as one network after the other, and never a grouped one."""

import functools

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from jagree.networks import stacked
from jagree.networks.convolutions import (
    banded_convolution,
    central_convolution,
    dense_convolution,
    pointwise_convolution,
    unfolded_convolution,
)
from jagree.networks.stacked import choose_stacking, convolve

MEMBERS, BATCH = 3, 4

# (image, kernel, stride, padding) of each kind of layer of the networks, narrower: every stride,
# padding and form in use.
GEOMETRIES = {
    "LeNet5": ((14, 14, 6), (5, 5, 6, 16), 1, 0),
    "VGG16": ((8, 8, 40), (3, 3, 40, 48), 1, 1),
    "VGG16, 2x2": ((2, 2, 24), (3, 3, 24, 20), 1, 1),
    "ResNet50, halving": ((8, 8, 12), (3, 3, 12, 16), 2, 1),
    "ResNet50, widening": ((6, 6, 8), (1, 1, 8, 20), 1, 0),
    "ResNet50, projection": ((7, 7, 8), (1, 1, 8, 20), 2, 0),
    "the usual stem": ((33, 33, 3), (7, 7, 3, 8), 2, 3),
    "DenseNet121, 1x1": ((1, 1, 16), (3, 3, 16, 4), 1, 1),
}


@pytest.fixture(autouse=True)
def _fresh():
    """Rules are made once per geometry; a test may change how they are chosen."""
    stacked._products.cache_clear()
    yield
    stacked._products.cache_clear()


def random_arrays(name: str) -> tuple[jax.Array, jax.Array, jax.Array, int, int]:
    """(images, kernels, cotangents, stride, padding), each array of `MEMBERS` networks."""
    image, kernel, stride, padding = GEOMETRIES[name]
    rng = np.random.default_rng(0)
    images = jnp.float32(rng.normal(size=(MEMBERS, BATCH, *image)))
    kernels = jnp.float32(rng.normal(size=(MEMBERS, *kernel)))
    out = dense_convolution(images[0], kernels[0], stride, padding).shape
    cotangents = jnp.float32(rng.normal(size=(MEMBERS, *out)))
    return images, kernels, cotangents, stride, padding


def with_gradients(function, image, kernel, cotangent) -> tuple:
    """Value and both gradients."""
    out, gradients = jax.vjp(function, image, kernel)
    return (out, *gradients(cotangent))


def assert_equal(found: tuple, expected: tuple) -> None:
    """To 1e-5 of each array's largest value."""
    for a, b in zip(found, expected, strict=True):
        np.testing.assert_allclose(a, b, rtol=0, atol=1e-5 * np.abs(b).max())


@pytest.mark.parametrize("way", ["as chosen", "batched", "each", "turns"])
@pytest.mark.parametrize("name", GEOMETRIES)
def test_stacked_is_one_after_the_other(
    name: str, way: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    if way != "as chosen":
        monkeypatch.setattr(stacked, "choose_stacking", lambda *_: way)
    *arrays, stride, padding = random_arrays(name)
    ours = functools.partial(convolve, stride=stride, padding=padding)
    plain = functools.partial(dense_convolution, stride=stride, padding=padding)
    found = jax.jit(jax.vmap(functools.partial(with_gradients, ours)))(*arrays)
    alone = [with_gradients(plain, *(a[k] for a in arrays)) for k in range(MEMBERS)]
    assert_equal(found, tuple(np.stack(x) for x in zip(*alone, strict=True)))
    single = with_gradients(ours, *(a[1] for a in arrays))
    assert_equal(single, alone[1])


@pytest.mark.parametrize("name", GEOMETRIES)
@pytest.mark.parametrize("axes", [(None, 0, 0), (0, None, 0), (None, None, 0), (None, 0, None)])
def test_what_is_shared_needs_no_copy_of_its_own(name: str, axes: tuple) -> None:
    """Evaluation: all networks see the same images. Gradients are then summed by JAX, or not."""
    *arrays, stride, padding = random_arrays(name)
    given = [a if axis == 0 else a[0] for a, axis in zip(arrays, axes, strict=True)]
    ours = functools.partial(convolve, stride=stride, padding=padding)
    plain = functools.partial(dense_convolution, stride=stride, padding=padding)
    found = jax.jit(jax.vmap(functools.partial(with_gradients, ours), axes))(*given)
    alone = [
        with_gradients(plain, *(a[k] if x == 0 else a for a, x in zip(given, axes, strict=True)))
        for k in range(MEMBERS)
    ]
    assert_equal(found, tuple(np.stack(x) for x in zip(*alone, strict=True)))


def test_images_that_all_see_are_convolved_once() -> None:
    images, kernels, _, stride, padding = random_arrays("VGG16")

    def judged(image, kernel):
        return convolve(image, kernel, stride, padding)

    text = jax.jit(jax.vmap(judged, (None, 0))).lower(images[0], kernels).as_text()
    assert text.count("stablehlo.convolution") == 1
    text = jax.jit(jax.vmap(judged)).lower(images, kernels).as_text()
    assert text.count("stablehlo.convolution") == MEMBERS


@pytest.mark.parametrize("name", GEOMETRIES)
def test_no_convolution_is_grouped(name: str) -> None:
    """And a plain one is, so this test can fail."""
    *arrays, stride, padding = random_arrays(name)

    def text(function) -> str:
        step = functools.partial(
            with_gradients, functools.partial(function, stride=stride, padding=padding)
        )
        return jax.jit(jax.vmap(step)).lower(*arrays).as_text()

    def grouped(text: str) -> bool:
        return f"group_count = {MEMBERS}" in text

    assert not grouped(text(convolve))
    assert grouped(text(dense_convolution))


def test_products_are_batched_and_convolutions_are_not_grouped_anywhere() -> None:
    products = (
        banded_convolution,
        central_convolution,
        pointwise_convolution,
        unfolded_convolution,
    )
    for backend in ("cpu", "gpu", "tpu"):
        for form in products:
            assert choose_stacking(form, 5, backend) == "batched"
        assert choose_stacking(dense_convolution, 5, backend) == "each"
        assert choose_stacking(dense_convolution, 8, backend) == "each"
    assert choose_stacking(dense_convolution, 9, "cpu") == "each"
    assert choose_stacking(dense_convolution, 9, "gpu") == "turns"
    assert choose_stacking(dense_convolution, 25, "tpu") == "turns"


def test_networks_in_turns_are_compiled_once(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(stacked, "choose_stacking", lambda *_: "turns")
    *arrays, stride, padding = random_arrays("VGG16")
    ours = functools.partial(convolve, stride=stride, padding=padding)
    step = jax.jit(jax.vmap(functools.partial(with_gradients, ours)))
    text = step.lower(*arrays).as_text()
    pieces = text.count("stablehlo.convolution") - 2
    assert 1 <= pieces <= 4  # the kernel's gradient, in pieces of the batch


def test_in_half_precision_the_result_is_of_half_precision() -> None:
    *arrays, stride, padding = random_arrays("VGG16")
    half = [a.astype(jnp.bfloat16) for a in arrays]
    ours = functools.partial(convolve, stride=stride, padding=padding)
    found = jax.vmap(functools.partial(with_gradients, ours))(*half)
    assert {x.dtype for x in found} == {jnp.dtype("bfloat16")}
