"""The only file that knows there are K members: it lifts the steps of one over all of them.

Two engines that must agree (a test says so):

``vmap``
    One compiled program over parameters stacked along a leading member axis.
``loop``
    One compiled program for a single member, called K times.

Axis letters: K members, S steps of one dispatch, B batch, N examples.
"""

import functools
from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jax import lax

from jagree.training.batches import Inputs
from jagree.training.optimizers import Hyper
from jagree.training.state import MemberState
from jagree.training.steps import Learner, eval_step, train_step
from jagree.training.tasks import Outcome


class Trained(NamedTuple):
    """What S training steps of all members gave."""

    loss: Any  # [K, S]
    outcome: Outcome | None  # of arrays [K, S, B, ...]; None unless asked for


def choose_engine(name: str, backend: str) -> tuple[str, str]:
    """The engine to use and, in a clause for the user, why.

    `name` is one of ``CHOICES["training.engine"]`` of `jagree.config`.
    """
    if name != "auto":
        return name, "as configured"
    if backend == "cpu":
        return "loop", "a CPU runs members one after the other faster than stacked"
    return "vmap", f"stacked members fill a {backend.upper()} better than one"


def _over_steps(step: Callable, carry: Any, inputs: Any) -> tuple[Any, Any]:
    """lax.scan over S steps; a single step is called plainly (loops slow convolutions on a CPU)."""
    if jax.tree.leaves(inputs)[0].shape[0] > 1:
        return lax.scan(step, carry, inputs)
    carry, output = step(carry, jax.tree.map(lambda x: x[0], inputs))
    return carry, jax.tree.map(lambda x: x[None], output)


def _train_chunk(
    learner: Learner,
    with_outcome: bool,
    state: MemberState,
    data: Any,
    inputs: Inputs,
    hyper: Hyper,
) -> tuple[MemberState, Trained]:
    def step(state: MemberState, of_step: tuple[Inputs, Hyper]) -> tuple[MemberState, Trained]:
        inputs, hyper = of_step
        image = data.fetch(inputs)
        state, loss, outcome = train_step(learner, state, image, inputs.label, hyper)
        return state, Trained(loss, outcome if with_outcome else None)

    return _over_steps(step, state, (inputs, hyper))


def _eval_chunk(learner: Learner, state: MemberState, data: Any, inputs: Inputs) -> Outcome:
    def step(_: None, inputs: Inputs) -> tuple[None, Outcome]:
        return None, eval_step(learner, state, data.fetch(inputs), inputs.label)

    return _over_steps(step, None, inputs)[1]


def _lift(
    function: Callable, engine: str, in_axes: tuple[Any, ...], **jit_options: Any
) -> Callable:
    """`function` of one member as a function of all; results are stacked, or a list per member."""
    if engine == "vmap":
        return jax.jit(jax.vmap(function, in_axes=in_axes), **jit_options)
    one = jax.jit(function, **jit_options)

    def each(states: Sequence[MemberState], *arguments: Any) -> list[Any]:
        def of_member(k: int, axis: int | None, argument: Any) -> Any:
            return argument if axis is None else jax.tree.map(lambda x: x[k], argument)

        axes = tuple(in_axes[1:])
        return [
            one(
                state,
                *jax.tree.map(
                    functools.partial(of_member, k), axes, arguments, is_leaf=lambda a: a is None
                ),
            )
            for k, state in enumerate(states)
        ]

    return each


class Ensemble:
    """K members of one network, trained together.

    Parameters
    ----------
    learner : Learner
    states : sequence of MemberState
        One per member.
    engine : {"vmap", "loop"}
    with_outcome : bool
        Whether `train` gives what the training forward pass said (the recording mode ``online``).
    """

    def __init__(
        self,
        learner: Learner,
        states: Sequence[MemberState],
        *,
        engine: str,
        with_outcome: bool = False,
    ) -> None:
        self.engine = engine
        self.members = len(states)
        self._states: Any = list(states) if engine == "loop" else _stack(states)
        # The state is donated: the old one's memory becomes the new one's.
        self._train = _lift(
            functools.partial(_train_chunk, learner, with_outcome),
            engine,
            (0, None, 0, 0),
            donate_argnums=0,
        )
        # All members judge the same images, but may be given different labels.
        shared = Inputs(position=None, corner=None, image=None, label=0)
        self._eval = _lift(functools.partial(_eval_chunk, learner), engine, (0, None, shared))

    def train(self, data: Any, inputs: Inputs, hyper: Hyper) -> list[Trained] | Trained:
        """Take S steps with every member; returns without waiting for them.

        Parameters
        ----------
        data : a feed's `data`
        inputs : Inputs of arrays [K, S, B, ...]
            Each member's own batches.
        hyper : Hyper of arrays [K, S]

        Returns
        -------
        Trained
            Still on the device; `gather` brings it to the host.
        """
        result = self._train(self._states, data, inputs, hyper)
        if self.engine == "loop":
            self._states = [state for state, _ in result]
            return [trained for _, trained in result]
        self._states, trained = result
        return trained

    def evaluate(self, data: Any, inputs: Inputs) -> list[Outcome] | Outcome:
        """What every member says about the same S batches; does not wait.

        The arrays of `inputs` are [S, B, ...], but its label is [K, S, B, ...].
        """
        return self._eval(self._states, data, inputs)

    def gather(self, result: Any) -> Any:
        """A result of `train` or `evaluate` as NumPy arrays with the member axis first."""
        result = jax.device_get(result)
        return _stack(result, np.stack) if self.engine == "loop" else result

    @property
    def stacked(self) -> MemberState:
        """The states stacked over members, whatever the engine: the form of a checkpoint."""
        return _stack(self._states) if self.engine == "loop" else self._states

    @stacked.setter
    def stacked(self, states: MemberState) -> None:
        if self.engine == "loop":
            self._states = [jax.tree.map(lambda x, k=k: x[k], states) for k in range(self.members)]
        else:
            self._states = states


def _stack(trees: Sequence[Any], stack: Callable = jnp.stack) -> Any:
    return jax.tree.map(lambda *leaves: stack(leaves), *trees)
