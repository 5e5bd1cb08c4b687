"""What lower precision changes: the accuracy of K networks, and what they agree on.

    JAGREE_TEST_DATA=... python bench/precision.py [--images=20000] [--epochs=8] [--out=results.csv]

Trains the same K networks, from the same weights and with the same shuffles, in several ways:

float32
    What the others are compared with.
one ulp
    float32, but in each network the first weight of the first layer is the next larger float32.
    Training is chaotic: what this changes, no precision avoids.
other seed
    float32 from other weights, with other shuffles: what any choice of a seed changes.
tensorfloat32, bfloat16
    The other choices of ``config.precision``.
bfloat16 factors
    float32, but with factors of products and convolutions rounded to bfloat16: what JAX does on a
    TPU when it is not told otherwise.

Prints and writes, for each epoch and split: the mean accuracy and its standard deviation over the
networks, agreement (`jagree.study.agreement`), the share of examples of which network k says the
same as network k of float32, and of the examples that all networks of either way get right, the
share that they get right in both.

A CPU has no TensorFloat32. There it is emulated, as are factors of bfloat16 on all devices: both
factors of each product and convolution, in the forward pass and in both gradients, are rounded to
the nearest number of 10 (7) bits of mantissa, ties to even; sums are float32. The chips' own way of
rounding ties, and their order of summation, are not emulated.
"""

import contextlib
import csv
import os
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, NamedTuple

import flax.linen as nn
import jax
import jax.numpy as jnp
import numpy as np
from absl import app, flags
from jax import lax
from ml_collections import ConfigDict

from jagree import data
from jagree.configs import default
from jagree.networks import layers
from jagree.study.agreement import accuracies, true_positive_agreement
from jagree.training.trainer import Trainer

_NETWORK = flags.DEFINE_string("network", "lenet5", "Name of the network.")
_MEMBERS = flags.DEFINE_integer("members", 5, "K.")
_IMAGES = flags.DEFINE_integer("images", 20_000, "Training images; 0: all.")
_TEST_IMAGES = flags.DEFINE_integer("test_images", 5_000, "Test images; 0: all.")
_EPOCHS = flags.DEFINE_integer("epochs", 8, "The recipe's cosine ends after so many.")
_OUT = flags.DEFINE_string("out", "", "CSV file to write; none by default.")


class Way(NamedTuple):
    """How the same networks are trained."""

    precision: str = "float32"
    factor_bits: int = 0  # of mantissa, to which factors are rounded; 0: they are not
    seed: int = 0
    nudged: bool = False  # by one ulp


WAYS = {
    "float32": Way(),
    "one ulp": Way(nudged=True),
    "other seed": Way(seed=1),
    "tensorfloat32": Way("tensorfloat32"),
    "bfloat16": Way("bfloat16"),
    "bfloat16 factors": Way(factor_bits=7),
}
_CHOSEN = flags.DEFINE_list("ways", list(WAYS), "Which ways; float32 is always the first.")
Product = Callable[[jax.Array, jax.Array], jax.Array]
Record = dict[str, np.ndarray]  # split -> prediction [K, N]


def with_rounded_factors(product: Product, bits: int) -> Product:
    """A function linear in each of two factors, with factors of so many bits of mantissa.

    Those of the two products that are its gradients as well: each factor and the cotangent.
    """

    def rounded(x: jax.Array) -> jax.Array:
        return lax.reduce_precision(x, exponent_bits=8, mantissa_bits=bits)

    @jax.custom_vjp
    def of_rounded(a: jax.Array, b: jax.Array) -> jax.Array:
        return product(rounded(a), rounded(b))

    def forward(a: jax.Array, b: jax.Array) -> tuple:
        factors = rounded(a), rounded(b)
        return product(*factors), factors

    def backward(factors: tuple, cotangent: jax.Array) -> tuple:
        return jax.vjp(product, *factors)[1](rounded(cotangent))

    of_rounded.defvjp(forward, backward)
    return of_rounded


@contextlib.contextmanager
def rounded_factors(bits: int) -> Iterator[None]:
    """Convolutions and dense layers that are traced meanwhile have factors of so many bits."""
    if not bits:
        yield
        return
    convolve = layers.convolve
    multiply = with_rounded_factors(lambda x, kernel: x @ kernel, bits)

    def rounded_convolve(image: Any, kernel: Any, stride: int = 1, padding: int = 0) -> Any:
        def form(image: jax.Array, kernel: jax.Array) -> jax.Array:
            return convolve(image, kernel, stride, padding)

        return with_rounded_factors(form, bits)(image, kernel)

    def dense(layer: Callable, arguments: tuple, named: dict, context: Any) -> Any:
        module = context.module
        if not isinstance(module, nn.Dense) or module.is_initializing():
            return layer(*arguments, **named)
        weights = module.variables["params"]
        return multiply(*arguments, weights["kernel"]) + weights["bias"][None]

    layers.convolve = rounded_convolve
    try:
        with nn.intercept_methods(dense):
            yield
    finally:
        layers.convolve = convolve


class Silent:
    """What a trainer needs of a listener, saying nothing."""

    def prepared(self, split: str, images: int, of: int) -> None:
        """Nothing: the images need no preparation."""


def nudged(states: Any) -> Any:
    """The states of members, stacked; the first weight of each one's first kernel is one ulp up."""
    leaves, tree = jax.tree.flatten(states)
    first = next(i for i, x in enumerate(leaves) if x.ndim > 2)  # member, and a kernel's axes
    weights = leaves[first].reshape(len(leaves[first]), -1)
    weights = weights.at[:, 0].set(jnp.nextafter(weights[:, 0], jnp.inf))
    leaves[first] = weights.reshape(leaves[first].shape)
    return jax.tree.unflatten(tree, leaves)


def trained(config: ConfigDict, splits: dict[str, data.Split], way: Way) -> Iterator[Record]:
    """Predictions after each epoch of training in that way."""
    config = config.copy_and_resolve_references()
    config.precision, config.seed = way.precision, way.seed
    bits = way.factor_bits
    if way.precision == "tensorfloat32" and jax.default_backend() == "cpu":
        bits = 10
    with (
        rounded_factors(bits),
        contextlib.closing(Trainer(config, splits, Silent())) as trainer,
    ):
        trainer.begin(fresh=True)
        trainer.begin(fresh=True)
        if way.nudged:
            trainer.ensemble.stacked = nudged(trainer.ensemble.stacked)
        for epoch in range(1, config.epochs + 1):
            fields = trainer.epochs().run(epoch, lambda *_: None)
            yield {split: fields[split]["prediction"] for split in splits}


def compared(prediction: np.ndarray, reference: np.ndarray, label: np.ndarray) -> dict[str, float]:
    """What is reported of one split after one epoch.

    Parameters
    ----------
    prediction, reference : int array [K, N]
        Of this way and of float32.
    label : int array [N]
    """
    right, right_there = prediction == label, reference == label
    agreed, agreed_there = right.all(0), right_there.all(0)
    return {
        "accuracy": accuracies(right).mean(),
        "accuracy_std": accuracies(right).std(),
        "agreement": float(true_positive_agreement(right)),
        "same_prediction": (prediction == reference).mean(),
        "agreed_in_both": (agreed & agreed_there).sum() / max((agreed | agreed_there).sum(), 1),
    }


def settings() -> ConfigDict:
    """The paper's recipe for LeNet5, in fewer epochs, on CIFAR-10 if it is at hand."""
    config = default.get_config()
    config.network, config.members, config.epochs = _NETWORK.value, _MEMBERS.value, _EPOCHS.value
    config.data.train_size, config.data.test_size = _IMAGES.value, _TEST_IMAGES.value
    if "JAGREE_TEST_DATA" in os.environ:
        config.data.name = "cifar10"
        config.data.dir = str(Path(os.environ["JAGREE_TEST_DATA"], "tfds"))
    return config


def described(name: str) -> str:
    """The way, and whether it was emulated."""
    emulated = WAYS[name].factor_bits or (
        name == "tensorfloat32" and jax.default_backend() == "cpu"
    )
    return f"{name} (emulated on a {jax.default_backend().upper()})" if emulated else name


def main(_: list[str]) -> None:
    """Train in each way, print and write what it changed."""
    config = settings()
    splits = data.load(config.data)
    sizes = " and ".join(f"{len(split):,} {name}" for name, split in splits.items())
    print(
        f"{_MEMBERS.value} {_NETWORK.value}, {sizes} images of {data.name(config.data)}, "
        f"{jax.devices()[0].device_kind}, jax {jax.__version__}",
        flush=True,
    )
    reference: list[Record] = []
    rows: list[dict[str, Any]] = []
    for name in dict.fromkeys(["float32", *_CHOSEN.value]):
        started = time.monotonic()
        for i, record in enumerate(trained(config, splits, WAYS[name])):
            if name == "float32":
                reference.append(record)
            for split, prediction in record.items():
                found = compared(prediction, reference[i][split], splits[split].label)
                rows.append({"way": described(name), "split": split, "epoch": i + 1} | found)
                print(*rows[-1].values(), flush=True)
        print(f"{name}: {time.monotonic() - started:.0f} s", flush=True)
        if _OUT.value:  # after each way: a long run that is cut off has left what it had
            written(Path(_OUT.value), rows)
    print(table([row for row in rows if row["epoch"] == config.epochs]))


def written(path: Path, rows: list[dict[str, Any]]) -> None:
    """All rows as CSV, fractions to four digits."""
    with path.open("w", newline="") as file:
        writer = csv.DictWriter(file, rows[0], lineterminator="\n")
        writer.writeheader()
        for row in rows:
            writer.writerow({k: f"{x:.4f}" if isinstance(x, float) else x for k, x in row.items()})


def table(rows: list[dict[str, Any]]) -> str:
    """Rows in Markdown, in percent."""
    lines = [
        "| way | split | accuracy | agreement | same prediction | agreed in both |",
        "|---|---|---|---|---|---|",
    ]
    for row in rows:
        accuracy, deviation, *others = (100 * x for x in row.values() if isinstance(x, float))
        cells = [row["way"], row["split"], f"{accuracy:.1f} ± {deviation:.1f}"]
        lines.append("| " + " | ".join(cells + [f"{x:.1f}" for x in others]) + " |")
    return "\n".join(lines)


if __name__ == "__main__":
    app.run(main)
