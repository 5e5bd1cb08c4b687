"""Update rules and the course of the learning rate, as PyTorch (and so the paper) defines them."""

import math
from collections.abc import Callable
from typing import Any, NamedTuple

import jax
import numpy as np
import optax


class Hyper(NamedTuple):
    """What may differ from member to member and from step to step: inputs of the compiled step."""

    learning_rate: jax.Array | np.ndarray
    weight_decay: jax.Array | np.ndarray


Optimizer = Callable[[Hyper], optax.GradientTransformation]


def sgd(options: Any) -> Optimizer:
    """SGD with momentum and coupled weight decay (L2).

    The decay is added to the gradient before the momentum: v = momentum * v + (g + decay * w);
    w = w - rate * v. All parameters decay, biases and BatchNorm's too.
    """

    def transformation(hyper: Hyper) -> optax.GradientTransformation:
        return optax.chain(
            optax.add_decayed_weights(hyper.weight_decay),
            optax.trace(options.momentum),
            optax.scale_by_learning_rate(hyper.learning_rate),
        )

    return transformation


# A schedule: (initial rate, epoch from 0, epochs, steps per epoch, options) -> the rate of each
# step of that epoch, float64 [steps]. On the host in double precision, as PyTorch computes it.
Schedule = Callable[[float, int, int, int, Any], np.ndarray]


def constant(initial: float, epoch: int, epochs: int, steps: int, options: Any) -> np.ndarray:
    """The initial rate throughout."""
    return np.full(steps, initial)


def cosine(initial: float, epoch: int, epochs: int, steps: int, options: Any) -> np.ndarray:
    """Cosine from the initial to the final rate, moved once per epoch (Loshchilov & Hutter 2017).

    As PyTorch's CosineAnnealingLR with T_max = epochs: the final rate itself would be reached after
    the last epoch.
    """
    final = options.final_learning_rate
    return np.full(steps, final + (initial - final) * (1 + math.cos(math.pi * epoch / epochs)) / 2)
