"""Members with their own rates, decays and momenta, in one ensemble, are these members alone."""

import functools
from typing import Any

import flax.linen as nn
import jax
import jax.numpy as jnp
import numpy as np
import pytest
from ml_collections import ConfigDict

from jagree import registry
from jagree.configs import default
from jagree.training import tasks
from jagree.training.ensemble import Ensemble
from jagree.training.feed import ResidentFeed
from jagree.training.optimizers import Hyper, Optimizer
from jagree.training.schedules import one_cycle
from jagree.training.state import MemberState, init_members
from jagree.training.steps import Learner, train_step
from tests.training.feeds import make_plan, whole

N, BATCH, MEMBERS, EPOCHS = 32, 8, 3, 3
STEPS = 4  # of an epoch; two dispatches of two
RATES = {"sgd": (0.2, 0.5, 0.3), "adam": (0.02, 0.05, 0.03)}
DECAYS = (0.0, 0.1, 0.02)
LOWS = (0.85, 0.6, 0.3)  # what the momentum of each member goes down to


class Small(nn.Module):
    """Two layers; small and smooth, so that rounding does not grow."""

    @nn.compact
    def __call__(self, image: jax.Array, train: bool) -> jax.Array:
        hidden = nn.tanh(nn.Dense(5)(image.reshape(len(image), -1)))
        return nn.Dense(7)(hidden)


def learner_of(optimizer: Optimizer) -> Learner:
    return Learner(Small(), tasks.SINGLE_LABEL, optimizer)


def make_optimizer(name: str) -> Optimizer:
    return registry.load("optimizer", name)(ConfigDict({"beta2": 0.99, "epsilon": 1e-8}))


def hyper_of(name: str, epoch: int) -> Hyper:
    """Each member's own cycle: arrays [K, steps of an epoch]."""
    courses = []
    for rate, low in zip(RATES[name], LOWS, strict=True):
        options = default.get_config().schedule
        options.momentum_low = low
        courses.append(one_cycle(rate, 0.9, epoch - 1, EPOCHS, STEPS, options))
    rates, momenta = (np.float32(values) for values in zip(*courses, strict=True))
    return Hyper(rates, np.broadcast_to(np.float32(DECAYS)[:, None], rates.shape), momenta)


def states(optimizer: Optimizer) -> list[MemberState]:
    network = learner_of(optimizer).network
    return init_members(network, optimizer, (2, 2, 3), seed=3, members=range(MEMBERS))


def together(name: str, optimizer: Optimizer, engine: str) -> tuple[MemberState, np.ndarray]:
    """(stacked states, losses [K, steps of the run]), two steps a dispatch."""
    feed = ResidentFeed(
        make_plan(whole(N), members=MEMBERS, batch_size=BATCH, steps_per_dispatch=2)
    )
    ensemble = Ensemble(learner_of(optimizer), states(optimizer), engine=engine)
    losses = []
    for epoch in range(1, EPOCHS + 1):
        hyper, done = hyper_of(name, epoch), 0
        for batch in feed.train_batches(epoch):
            steps = batch.position.shape[1]
            of_dispatch = Hyper(*(values[:, done : done + steps] for values in hyper))
            done += steps
            trained = ensemble.gather(ensemble.train(feed.data, batch.inputs, of_dispatch))
            losses.append(trained.loss)
        assert done == STEPS
    return jax.device_get(ensemble.stacked), np.concatenate(losses, axis=1)


@functools.cache
def alone(name: str, member: int) -> tuple[MemberState, np.ndarray]:
    """The slow, obvious twin: one member, one step at a time."""
    optimizer, split = make_optimizer(name), whole(N)
    state, losses = states(optimizer)[member], []
    image, label = jnp.array(split.image), jnp.array(split.label)
    step = jax.jit(functools.partial(train_step, learner_of(optimizer)))
    feed = ResidentFeed(make_plan(split, members=MEMBERS, batch_size=BATCH, steps_per_dispatch=1))
    for epoch in range(1, EPOCHS + 1):
        hyper = hyper_of(name, epoch)
        for number, batch in enumerate(feed.train_batches(epoch)):
            rows = batch.position[member, 0]
            own = Hyper(*(values[member, number] for values in hyper))
            state, loss, _ = step(state, image[rows], label[rows], own)
            losses.append(float(loss))
    return jax.device_get(state), np.array(losses)


@pytest.mark.parametrize("engine", ["vmap", "loop"])
@pytest.mark.parametrize("name", ["sgd", "adam"])
def test_members_with_their_own_recipes_are_those_members_alone(name: str, engine: str) -> None:
    state, losses = together(name, make_optimizer(name), engine)
    for member in range(MEMBERS):
        own, own_losses = alone(name, member)
        np.testing.assert_allclose(losses[member], own_losses, rtol=1e-5)
        ours = jax.tree.map(lambda x, k=member: x[k], state)
        for a, b in zip(jax.tree.leaves(ours), jax.tree.leaves(own), strict=True):
            np.testing.assert_allclose(a, b, rtol=1e-4, atol=1e-6)


@pytest.mark.parametrize("name", ["sgd", "adam"])
def test_each_part_of_a_members_recipe_is_seen_in_what_it_learns(
    name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """So the test above would fail if members had one another's rate, decay or momentum."""

    def weights() -> np.ndarray:
        state, _ = together(name, make_optimizer(name), "vmap")
        leaves = jax.tree.leaves(state.params)
        return np.concatenate([leaf.reshape(MEMBERS, -1) for leaf in leaves], axis=1)

    before = weights()
    parts: list[tuple[str, Any]] = [
        ("RATES", {name: RATES[name][::-1]}),
        ("DECAYS", DECAYS[::-1]),
        ("LOWS", LOWS[::-1]),
    ]
    for part, exchanged in parts:
        with monkeypatch.context() as patch:
            patch.setattr(f"{__name__}.{part}", exchanged)
            after = weights()
        np.testing.assert_allclose(after[1], before[1], rtol=1e-5, atol=1e-6)  # keeps its own
        for member in (0, 2):
            assert np.abs(after[member] - before[member]).max() > 1e-3, part


@pytest.mark.parametrize("engine", ["vmap", "loop"])
@pytest.mark.parametrize("name", ["sgd", "adam"])
def test_a_changing_rate_and_momentum_compile_nothing_new(name: str, engine: str) -> None:
    """Rate and momentum change with every step of the run; the rule is traced once."""
    optimizer, traced = make_optimizer(name), []

    def listening(hyper: Hyper) -> Any:
        traced.append(hyper)
        return optimizer(hyper)

    together(name, listening, engine)
    assert len(traced) == 2  # for the first states, and for the step
    assert len({float(m) for e in (1, 2, 3) for m in hyper_of(name, e).momentum[0]}) > 6
