"""Update rules, as PyTorch (and so the paper) defines them."""

import math
from collections.abc import Callable
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
import optax


class Hyper(NamedTuple):
    """What may differ from member to member and from step to step: inputs of the compiled step."""

    learning_rate: jax.Array | np.ndarray
    weight_decay: jax.Array | np.ndarray
    momentum: jax.Array | np.ndarray  # of adam: beta1


Optimizer = Callable[[Hyper], optax.GradientTransformation]


def sgd(options: Any) -> Optimizer:
    """SGD with momentum and coupled weight decay (L2), as torch.optim.SGD.

    The decay is added to the gradient before the momentum: v = momentum * v + (g + decay * w);
    w = w - rate * v. All parameters decay, biases and BatchNorm's too. `options` (the config's
    section ``optimizer``) hold nothing that this rule needs: its numbers come with each step.
    """

    def transformation(hyper: Hyper) -> optax.GradientTransformation:
        return optax.chain(
            optax.add_decayed_weights(hyper.weight_decay),
            optax.trace(hyper.momentum),
            optax.scale_by_learning_rate(hyper.learning_rate),
        )

    return transformation


def adam(options: Any) -> Optimizer:
    """Adam (Kingma & Ba 2015, algorithm 1) with coupled weight decay (L2), as torch.optim.Adam.

    The decay is added to the gradient before the moments: g = g + decay * w;
    m = beta1 * m + (1 - beta1) * g; v = beta2 * v + (1 - beta2) * g^2;
    w = w - rate * (m / (1 - beta1^t)) / (sqrt(v / (1 - beta2^t)) + epsilon) in step t, from 1.
    beta1 is the step's momentum; if a schedule changes it, all of beta1^t is taken with the present
    value, as PyTorch does. All parameters decay, biases and BatchNorm's too.

    Parameters
    ----------
    options
        ``beta2`` and ``epsilon``.
    """

    def transformation(hyper: Hyper) -> optax.GradientTransformation:
        return optax.chain(
            optax.add_decayed_weights(hyper.weight_decay),
            _scale_by_moments(hyper.momentum, options.beta2, options.epsilon),
            optax.scale_by_learning_rate(hyper.learning_rate),
        )

    return transformation


def _scale_by_moments(
    beta1: jax.Array | np.ndarray, beta2: float, epsilon: float
) -> optax.GradientTransformation:
    """optax.scale_by_adam with corrections of the bias that are exact to single precision.

    Optax takes 1 - beta2^t as a difference of single-precision numbers: with beta2 = 0.999 it is
    wrong by 1e-5 of itself for a thousand steps (0.9999: 2e-4), a hundred times their rounding.
    """
    log_beta2 = math.log(beta2) if beta2 else -math.inf

    def init(params: optax.Params) -> optax.ScaleByAdamState:
        zeros = optax.tree.zeros_like(params)
        return optax.ScaleByAdamState(count=jnp.int32(0), mu=zeros, nu=zeros)

    def update(
        gradient: optax.Updates, state: optax.OptState, params: optax.Params | None = None
    ) -> tuple[optax.Updates, optax.ScaleByAdamState]:
        mean = optax.tree.update_moment(gradient, state.mu, beta1, 1)
        square = optax.tree.update_moment(gradient, state.nu, beta2, 2)
        count = optax.safe_increment(state.count)
        # 1 - beta^t without the difference; beta - 1 is exact where it matters.
        of_mean = -jnp.expm1(count * jnp.log1p(beta1 - 1))
        of_square = -jnp.expm1(count * log_beta2)
        scaled = jax.tree.map(
            lambda m, v: (m / of_mean) / (jnp.sqrt(v / of_square) + epsilon), mean, square
        )
        return scaled, optax.ScaleByAdamState(count=count, mu=mean, nu=square)

    return optax.GradientTransformation(init, update)
