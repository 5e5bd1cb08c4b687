"""One layer of K networks in every way, on this machine: what the choices in the code rest on.

    python bench/stacking.py [--members=5] [--batch=128] [--rounds=5] [--layers=lenet5,vgg16]

For each kind of convolution of the four networks at 32x32 and each of its three products (forward,
gradient of the image, gradient of the kernel), in turn in one run, medians in ms of K networks:

    grouped   jax.vmap of XLA's convolution, which makes one grouped convolution of K
    turns     XLA's convolution in a loop of K within one program
    each      K of XLA's convolutions within one program
    calls     K calls of a program with one of XLA's convolutions
    product   the form of one matrix product, batched, where the code has one for this layer
    chosen    what the networks do; "alone" the same in K calls of a program of one network

A layer is followed by the ratio of the best to what is chosen: below 0.8, the choice in
jagree/networks/stacked.py or convolutions.py deserves a look on this machine.
"""

import functools
import statistics
import time
from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
from absl import app, flags

from jagree.networks import stacked
from jagree.networks.convolutions import (
    choose_convolution,
    dense_convolution,
    image_gradient,
    kernel_gradient,
)

_MEMBERS = flags.DEFINE_integer("members", 5, "K.")
_BATCH = flags.DEFINE_integer("batch", 128, "Examples in a batch.")
_ROUNDS = flags.DEFINE_integer("rounds", 5, "Times that each is measured.")
_LAYERS = flags.DEFINE_list(
    "layers", ["lenet5", "vgg16", "resnet50", "densenet121"], "Networks whose layers are measured."
)
_DTYPE = flags.DEFINE_enum("precision", "float32", ["float32", "bfloat16"], "Of images, weights.")

# (pixels a side, kernel's side, features in, features out, stride, padding)
LAYERS = {
    "lenet5": [(32, 5, 3, 6, 1, 0), (14, 5, 6, 16, 1, 0), (5, 5, 16, 120, 1, 0)],
    "vgg16": [
        (32, 3, 3, 64, 1, 1),
        (32, 3, 64, 64, 1, 1),
        (16, 3, 64, 128, 1, 1),
        (16, 3, 128, 128, 1, 1),
        (8, 3, 256, 256, 1, 1),
        (4, 3, 512, 512, 1, 1),
        (2, 3, 512, 512, 1, 1),
    ],
    "resnet50": [
        (32, 1, 64, 256, 1, 0),
        (32, 3, 128, 128, 2, 1),
        (32, 1, 256, 512, 2, 0),
        (16, 3, 256, 256, 2, 1),
        (4, 1, 2048, 512, 1, 0),
    ],
    "densenet121": [
        (32, 7, 3, 64, 2, 3),
        (8, 1, 224, 128, 1, 0),
        (8, 3, 128, 32, 1, 1),
        (4, 3, 128, 32, 1, 1),
        (2, 3, 128, 32, 1, 1),
        (1, 3, 128, 32, 1, 1),
    ],
}
PRODUCTS = ("forward", "image", "kernel")


def product_of(form: Callable, what: str, image: Any, kernel: Any, stride: int, padding: int):
    """One of a form's three products of one network, as a function of two arrays."""
    if what == "forward":
        return lambda x, k: form(x, k, stride, padding)
    if what == "image":
        return lambda g, k: image_gradient(form, g, k, image, stride, padding)
    return lambda x, g: kernel_gradient(form, x, g, kernel, stride, padding)


def chosen_product(what: str, stride: int, padding: int):
    """The same of the networks' own convolution; what is not asked for is not computed."""

    def gradients(image, kernel, cotangent):
        return jax.vjp(lambda x, k: stacked.convolve(x, k, stride, padding), image, kernel)[1](
            cotangent
        )

    if what == "forward":
        return lambda x, k, g: stacked.convolve(x, k, stride, padding)
    return lambda x, k, g: gradients(x, k, g)[0 if what == "image" else 1]


def in_calls(function: Callable, arguments: list) -> Callable:
    """K calls of a program of one network."""
    one = jax.jit(function)
    return lambda: [one(*a) for a in arguments]


def ways(layer: tuple, what: str) -> dict[str, Callable]:
    """Every way to compute one product of K networks."""
    side, size, inputs, outputs, stride, padding = layer
    keys = jax.random.split(jax.random.key(0), 3)
    image, kernel = (_BATCH.value, side, side, inputs), (size, size, inputs, outputs)
    x, k = (
        jax.random.normal(key, (_MEMBERS.value, *shape), _DTYPE.value)
        for key, shape in zip(keys, (image, kernel), strict=False)
    )
    out = jax.eval_shape(lambda a, b: dense_convolution(a, b, stride, padding), x[0], k[0])
    g = jax.random.normal(keys[2], (_MEMBERS.value, *out.shape), _DTYPE.value)
    pair = {"forward": (x, k), "image": (g, k), "kernel": (x, g)}[what]
    xla = product_of(dense_convolution, what, image, kernel, stride, padding)
    form = choose_convolution(image, kernel, stride, padding)
    members = range(_MEMBERS.value)

    def each(a, b):
        return jnp.stack([xla(a[i], b[i]) for i in members])

    def turns(a, b):
        return jax.lax.map(lambda both: xla(*both), (a, b))

    pairs = [tuple(a[i] for a in pair) for i in members]
    found = {
        "grouped": functools.partial(jax.jit(jax.vmap(xla)), *pair),
        "turns": functools.partial(jax.jit(turns), *pair),
        "each": functools.partial(jax.jit(each), *pair),
        "calls": in_calls(xla, pairs),
    }
    if form is not dense_convolution:
        own = product_of(form, what, image, kernel, stride, padding)
        found["product"] = functools.partial(jax.jit(jax.vmap(own)), *pair)
    ours = chosen_product(what, stride, padding)
    found["chosen"] = functools.partial(jax.jit(jax.vmap(ours)), x, k, g)
    found["alone"] = in_calls(ours, [(x[i], k[i], g[i]) for i in members])
    return found


def seconds(call: Callable) -> float:
    """Time of one call, to the end of what it started."""
    started = time.perf_counter()
    jax.block_until_ready(call())
    return time.perf_counter() - started


def measure(layer: tuple, what: str) -> dict[str, float]:
    """Median ms of each way, measured in turn."""
    calls = ways(layer, what)
    for call in calls.values():
        seconds(call)  # compiles
    times: dict[str, list[float]] = {name: [] for name in calls}
    for _ in range(_ROUNDS.value):
        for name, call in calls.items():
            times[name].append(seconds(call))
    return {name: statistics.median(t) * 1e3 for name, t in times.items()}


def main(_: list[str]) -> None:
    """Measure and print."""
    print(
        f"{jax.devices()[0].device_kind}, jax {jax.__version__}, K = {_MEMBERS.value}, batch "
        f"{_BATCH.value}, {_DTYPE.value}, {_ROUNDS.value} rounds; ms, medians"
    )
    for network in _LAYERS.value:
        for layer in LAYERS[network]:
            side, size, inputs, outputs, stride, _ = layer
            title = f"{network} {side}x{side}, {size}x{size} /{stride}, {inputs} to {outputs}"
            print(title, flush=True)
            for what in PRODUCTS:
                median = measure(layer, what)
                best = min(v for name, v in median.items() if name != "alone")
                row = "  ".join(f"{name} {value:.2f}" for name, value in median.items())
                print(f"  {what:8s} {row}  best/chosen {best / median['chosen']:.2f}", flush=True)


if __name__ == "__main__":
    app.run(main)
