"""LeNet5's convolutions as one banded matrix product against XLA's own, on this machine.

    python bench/convolution.py [--rounds=5]

Times a training step (batch 128) and an evaluation (batch 125 and 500) of one LeNet5 with each
form, in turn in one run, and prints medians and their ratio.
"""

import functools
import statistics
import time

import jax
import numpy as np
from absl import app, flags
from ml_collections import ConfigDict

from jagree.networks import convolutions, layers
from jagree.networks.lenet5 import LeNet5
from jagree.training import optimizers, tasks
from jagree.training.optimizers import Hyper
from jagree.training.state import init_members
from jagree.training.steps import Learner, eval_step, train_step

_ROUNDS = flags.DEFINE_integer("rounds", 5, "Times that each form is measured.")
FORMS = {"xla": convolutions.dense_convolution, "banded": convolutions.banded_convolution}
STEPS = 10  # timed together


def compiled(form: convolutions.Convolution):
    """Training and evaluation of LeNet5 with that form, compiled; and its state."""
    layers.convolve = form
    optimizer = optimizers.sgd(ConfigDict())
    learner = Learner(LeNet5(classes=10), tasks.SINGLE_LABEL, optimizer)
    (state,) = init_members(learner.network, optimizer, (32, 32, 3), seed=0, members=[0])
    rng = np.random.default_rng(0)
    image, label = rng.integers(0, 255, (500, 32, 32, 3), np.uint8), np.arange(500) % 10
    hyper = Hyper(*(np.array(value, np.float32) for value in (0.1, 5e-4, 0.9)))
    train = jax.jit(functools.partial(train_step, learner))
    evaluate = jax.jit(functools.partial(eval_step, learner))
    arguments = jax.device_put((state, image[:128], label[:128], hyper))
    calls = {"training step, batch 128": functools.partial(train, *arguments)}
    for batch in (125, 500):
        batches = jax.device_put((state, image[:batch], label[:batch]))
        calls[f"evaluation, batch {batch}"] = functools.partial(evaluate, *batches)
    for call in calls.values():
        jax.block_until_ready(call())
    return calls


def seconds(call) -> float:
    """Time of one of `STEPS` calls."""
    started = time.perf_counter()
    for _ in range(STEPS):
        result = call()
    jax.block_until_ready(result)
    return (time.perf_counter() - started) / STEPS


def main(_: list[str]) -> None:
    """Measure in turn, print medians."""
    calls = {name: compiled(form) for name, form in FORMS.items()}
    print(f"{jax.devices()[0].device_kind}, jax {jax.__version__}, {_ROUNDS.value} rounds")
    for what in calls["xla"]:
        times: dict[str, list[float]] = {name: [] for name in FORMS}
        for _ in range(_ROUNDS.value):
            for name in FORMS:
                times[name].append(seconds(calls[name][what]))
        median = {name: statistics.median(t) * 1e3 for name, t in times.items()}
        print(
            f"{what}: xla {median['xla']:.1f} ms, banded {median['banded']:.1f} ms, "
            f"ratio {median['xla'] / median['banded']:.2f}"
        )


if __name__ == "__main__":
    app.run(main)
