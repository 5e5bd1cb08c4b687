"""The state of one member: weights, running averages, momentum."""

import functools
from collections.abc import Iterable, Iterator
from typing import Any, NamedTuple

import flax.linen as nn
import jax
import jax.numpy as jnp

from jagree import seeds
from jagree.training.optimizers import Hyper, Optimizer


class MemberState(NamedTuple):
    """One member, or K of them stacked along a leading axis."""

    params: Any
    batch_stats: Any
    opt_state: Any


def init_members(
    network: nn.Module,
    optimizer: Optimizer,
    image_shape: tuple[int, int, int],
    *,
    seed: int,
    members: Iterable[int],
) -> list[MemberState]:
    """Fresh states of the members of these numbers, each from its own stream."""
    return list(fresh_members(network, optimizer, image_shape, seed=seed, members=members))


def fresh_members(
    network: nn.Module,
    optimizer: Optimizer,
    image_shape: tuple[int, int, int],
    *,
    seed: int,
    members: Iterable[int],
) -> Iterator[MemberState]:
    """Yield what `init_members` gives, each state when it is asked for.

    One by one, not vmapped, so that a member's weights are the same bits whatever K is.
    """
    init = jax.jit(functools.partial(_init, network, optimizer, image_shape))
    for k in members:
        yield init(jnp.asarray(seeds.words(seed, "weights", member=k)))


def member_shape(
    network: nn.Module, optimizer: Optimizer, image_shape: tuple[int, int, int]
) -> MemberState:
    """The shapes of a member's state (`jax.ShapeDtypeStruct`); computes nothing."""
    words = seeds.words(0, "weights", member=0)
    state = jax.eval_shape(
        functools.partial(_init, network, optimizer, image_shape),
        jax.ShapeDtypeStruct(words.shape, words.dtype),
    )
    here = jax.sharding.SingleDeviceSharding(jax.local_devices()[0])
    return jax.tree.map(lambda x: x.update(sharding=here), state)


def _init(
    network: nn.Module, optimizer: Optimizer, image_shape: tuple[int, int, int], words: jax.Array
) -> MemberState:
    key = jax.random.wrap_key_data(words, impl="threefry2x32")
    variables = network.init(key, jnp.zeros((1, *image_shape)), train=False)
    params = variables["params"]
    opt_state = optimizer(Hyper(*[jnp.float32(0)] * 3)).init(params)
    return MemberState(params, variables.get("batch_stats", {}), opt_state)


def check_shape(network: nn.Module, image_shape: tuple[int, int, int]) -> None:
    """Raise what the network says to images that it cannot take; computes nothing."""
    jax.eval_shape(
        lambda image: network.init(jax.random.key(0), image, train=False),
        jax.ShapeDtypeStruct((1, *image_shape), jnp.float32),
    )


def parameter_count(state: MemberState) -> int:
    """Number of trained values of one member."""
    return sum(leaf.size for leaf in jax.tree.leaves(state.params))
