"""What ONE member does with one batch. Pure functions; nothing here knows that there are K.

Axis letters: B batch, H W height and width.
"""

from typing import NamedTuple

import flax.linen as nn
import jax
import jax.numpy as jnp
import optax
from jaxtyping import Array, Bool, Float, Int, UInt8

from jagree.networks.parts import mean_over_parts
from jagree.training.optimizers import Hyper, Optimizer
from jagree.training.state import MemberState
from jagree.training.tasks import Outcome, Task


class Learner(NamedTuple):
    """What the steps need to know and what never changes during a run."""

    network: nn.Module
    task: Task
    optimizer: Optimizer
    products: str = "highest"  # see `jagree.training.precision`; who lifts the steps asks for it


def to_unit(image: UInt8[Array, "B H W 3"]) -> Float[Array, "B H W 3"]:
    """Grey levels 0..255 to [0, 1], the paper's only preprocessing."""
    return image.astype(jnp.float32) / 255.0


def train_step(
    learner: Learner,
    state: MemberState,
    image: UInt8[Array, "B H W 3"],
    label: Int[Array, " B"] | Bool[Array, "B C"],
    hyper: Hyper,
) -> tuple[MemberState, Float[Array, ""], Outcome]:
    """One update.

    Returns
    -------
    state : MemberState
    loss : float array []
        Mean over the batch before the update, in nats.
    outcome : Outcome
        Of the training forward pass itself (batch statistics, before the update): what the paper's
        authors recorded, and free.
    """

    def loss_of(params):  # type: ignore[no-untyped-def]
        logits, updates = learner.network.apply(
            {"params": params, "batch_stats": state.batch_stats},
            to_unit(image),
            train=True,
            mutable=["batch_stats"],
        )
        return learner.task.loss(logits, label).mean(), (logits, updates)

    (loss, (logits, updates)), gradient = jax.value_and_grad(loss_of, has_aux=True)(state.params)
    loss, gradient = mean_over_parts((loss, gradient))
    update, opt_state = learner.optimizer(hyper).update(gradient, state.opt_state, state.params)
    params = optax.apply_updates(state.params, update)
    batch_stats = updates.get("batch_stats", state.batch_stats)
    return MemberState(params, batch_stats, opt_state), loss, learner.task.outcome(logits, label)


def eval_step(
    learner: Learner,
    state: MemberState,
    image: UInt8[Array, "B H W 3"],
    label: Int[Array, " B"] | Bool[Array, "B C"],
) -> Outcome:
    """What the member says about a batch, with running averages and fixed weights."""
    variables = {"params": state.params, "batch_stats": state.batch_stats}
    logits = jnp.asarray(learner.network.apply(variables, to_unit(image), train=False))
    return learner.task.outcome(logits, label)
