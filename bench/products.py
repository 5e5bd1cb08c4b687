"""1x1 and tiny convolutions as matrix products against XLA's convolution, on this machine.

    python bench/products.py [--rounds=5] [--batch=32]

Times the forward pass and both gradients of single layers of the deep networks, each form in turn
in one run, and prints medians. "four axes" is the product of an image and a matrix as one writes
it; the networks use "two axes", the same over a list of pixels.
"""

import statistics
import time

import jax
from absl import app, flags

from jagree.networks import convolutions

_ROUNDS = flags.DEFINE_integer("rounds", 5, "Times that each form is measured.")
_BATCH = flags.DEFINE_integer("batch", 32, "Images.")

# Height and width, features in and out, size of the kernel: ResNet50's, and VGG16's last.
LAYERS = (
    (32, 64, 256, 1),
    (32, 256, 64, 1),
    (16, 128, 512, 1),
    (8, 256, 1024, 1),
    (2, 512, 512, 3),
)


def four_axes(image: jax.Array, kernel: jax.Array, stride: int, padding: int) -> jax.Array:
    """A 1x1 convolution with stride 1, as one writes it."""
    return image @ kernel[0, 0]


def forms(size: int) -> dict[str, convolutions.Convolution]:
    """What is compared for a kernel of this size."""
    if size == 1:
        return {
            "convolution": convolutions.dense_convolution,
            "four axes": four_axes,
            "two axes": convolutions.pointwise_convolution,
        }
    return {
        "convolution": convolutions.dense_convolution,
        "windows": convolutions.unfolded_convolution,
    }


def seconds(call, *arguments) -> float:
    """Time of one call."""
    started = time.perf_counter()
    jax.block_until_ready(call(*arguments))
    return time.perf_counter() - started


def measure(map_size: int, inputs: int, outputs: int, size: int) -> None:
    """One layer in all its forms, in turn."""
    keys = jax.random.split(jax.random.key(0), 3)
    image = jax.random.normal(keys[0], (_BATCH.value, map_size, map_size, inputs))
    kernel = jax.random.normal(keys[1], (size, size, inputs, outputs))
    cotangent = jax.random.normal(keys[2], (*image.shape[:3], outputs))
    calls = {}
    for name, form in forms(size).items():

        def forward(x, k, form=form):
            return form(x, k, 1, size // 2)

        calls[name, "forward"] = jax.jit(lambda x, k, _, f=forward: f(x, k))
        calls[name, "gradients"] = jax.jit(lambda x, k, g, f=forward: jax.vjp(f, x, k)[1](g))
    times: dict[tuple[str, str], list[float]] = {key: [] for key in calls}
    for call in calls.values():
        seconds(call, image, kernel, cotangent)  # compiles
    for _ in range(_ROUNDS.value):
        for key, call in calls.items():
            times[key].append(seconds(call, image, kernel, cotangent))
    print(f"{size}x{size}, {inputs} to {outputs} features at {map_size}x{map_size}")
    for name in forms(size):
        median = [statistics.median(times[name, what]) * 1e3 for what in ("forward", "gradients")]
        print(f"  {name:12s} forward {median[0]:8.1f} ms, gradients {median[1]:8.1f} ms")


def main(_: list[str]) -> None:
    """Measure and print."""
    print(f"{jax.devices()[0].device_kind}, jax {jax.__version__}, batch {_BATCH.value}")
    for layer in LAYERS:
        measure(*layer)


if __name__ == "__main__":
    app.run(main)
