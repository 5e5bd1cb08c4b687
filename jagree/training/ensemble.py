"""The only file that knows there are K members: it lifts the steps of one over all of them.

Two engines that must agree (a test says so):

``vmap``
    One compiled program over parameters stacked along a leading member axis.
``loop``
    One compiled program for a single member, called K times; on a CPU by as many threads as it has
    cores, because one program alone leaves cores idle between its parts.

Axis letters: K members, S steps of one dispatch, B batch, N examples.
"""

import functools
import itertools
from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jax import lax

from jagree import pool
from jagree.training.batches import Inputs
from jagree.training.compilation import Program
from jagree.training.memory import Footprint, Group, bytes_of, footprint
from jagree.training.optimizers import Hyper
from jagree.training.precision import products_in
from jagree.training.state import MemberState
from jagree.training.steps import Learner, eval_step, train_step
from jagree.training.tasks import Outcome


class Trained(NamedTuple):
    """What S training steps of all members gave."""

    loss: Any  # [K, S]
    outcome: Outcome | None  # of arrays [K, S, B, ...]; None unless asked for


def choose_engine(name: str, backend: str, too_large: str = "") -> tuple[str, str]:
    """The engine to use and, in a clause for the user, why.

    Parameters
    ----------
    name : str
        One of ``CHOICES["training.engine"]`` of `jagree.config`.
    backend : str
        "cpu", "gpu" or "tpu".
    too_large : str
        Why stacked members do not fit into memory, a clause; "": as far as is known, they do.
    """
    if name != "auto":
        return name, "as configured"
    if backend == "cpu":
        return "loop", "a CPU runs a program for each member faster than one of all"
    if too_large:
        return "loop", too_large
    return "vmap", f"stacked members should fill a {backend.upper()} better (not measured yet)"


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

    # Here, not in the steps: a scan's custom batching rules are traced after its body.
    with products_in(learner.products):
        return _over_steps(step, state, (inputs, hyper))


def _eval_chunk(learner: Learner, state: MemberState, data: Any, inputs: Inputs) -> Outcome:
    def step(_: None, inputs: Inputs) -> tuple[None, Outcome]:
        return None, eval_step(learner, state, data.fetch(inputs), inputs.label)

    with products_in(learner.products):
        return _over_steps(step, None, inputs)[1]


def at_once(members: int) -> int:
    """How many programs of the engine ``loop`` run at the same time on the default device."""
    return min(members, pool.cores()) if jax.default_backend() == "cpu" else 1


@functools.cache
def _hands() -> list[ThreadPoolExecutor]:
    """Threads that hand programs to a CPU, one for each core.

    JAX runs what one thread hands over one after the other, and what several do at the same time.
    A member's programs come from one of them, in their order.
    """
    return [ThreadPoolExecutor(1, f"members-{i}") for i in range(pool.cores())]


class _Lifted:
    """`function` of one member as a function of all; results are stacked, or a list per member.

    Parameters
    ----------
    function : callable
        Of a member's state and other arguments.
    engine : {"vmap", "loop"}
    in_axes : tuple
        The member axis of each argument, as of `jax.vmap`; that of the state is 0.
    first : int
        Members of other ensembles that share the cores of a CPU, before these.
    donate : bool
        Whether the old state's memory becomes the new one's.
    """

    def __init__(
        self,
        function: Callable,
        engine: str,
        in_axes: tuple[Any, ...],
        *,
        first: int,
        donate: bool = False,
    ) -> None:
        self._stacked, self._axes, self._first = engine == "vmap", in_axes[1:], first
        lifted = jax.vmap(function, in_axes=in_axes) if self._stacked else function
        self.program = Program(lifted, donate_argnums=0 if donate else ())

    def __call__(self, states: Any, *arguments: Any) -> Any:
        if self._stacked:
            return self.program(states, *arguments)
        calls = [(state, *self._of_member(k, arguments)) for k, state in enumerate(states)]
        program = self.program.compile(*calls[0])
        if jax.default_backend() != "cpu":
            return [program(*call) for call in calls]
        hands = itertools.islice(itertools.cycle(_hands()), self._first, None)
        waiting = [hand.submit(program, *call) for call, hand in zip(calls, hands, strict=False)]
        return [call.result() for call in waiting]

    def compile(self, states: Any, data: Any, *inputs: Any) -> Footprint | None:
        """Make the program for arguments of these shapes; what a call of it takes of memory."""
        state, arguments = states, (data, *inputs)
        if not self._stacked:  # the members' are one program
            state, arguments = states[0], self._of_member(0, arguments)
        return footprint(
            self.program.compile(state, *arguments),
            resident=bytes_of((state, data)),
            inputs=bytes_of(arguments[1:]),
        )

    def _of_member(self, k: int, arguments: tuple[Any, ...]) -> tuple[Any, ...]:
        def cut(axis: int | None, argument: Any) -> Any:
            return argument if axis is None else jax.tree.map(lambda x: _row(x, k), argument)

        return jax.tree.map(cut, self._axes, arguments, is_leaf=lambda axis: axis is None)


class Ensemble:
    """K members of one network, trained together.

    Parameters
    ----------
    learner : Learner
    states : sequence of MemberState
        One per member: arrays, or only their shapes (`jax.ShapeDtypeStruct`), with which programs
        can be compiled before `begin` or `stacked` gives arrays.
    engine : {"vmap", "loop"}
    with_outcome : bool
        Whether `train` gives what the training forward pass said (the recording mode ``online``).
    first : int
        Members of other ensembles before these; so all of a run are spread over a CPU's cores.
    """

    def __init__(
        self,
        learner: Learner,
        states: Sequence[MemberState],
        *,
        engine: str,
        with_outcome: bool = False,
        first: int = 0,
    ) -> None:
        self.engine = engine
        self.members = len(states)
        self._states: Any
        self.begin(states)
        self._train = _Lifted(
            functools.partial(_train_chunk, learner, with_outcome),
            engine,
            (0, None, 0, 0),
            first=first,
            donate=True,
        )
        # All members judge the same images, but may be given different labels.
        shared = Inputs(position=None, corner=None, image=None, label=0)
        self._eval = _Lifted(
            functools.partial(_eval_chunk, learner), engine, (0, None, shared), first=first
        )

    def begin(self, states: Iterable[MemberState]) -> None:
        """Go on from these states, one per member; they are taken one after the other.

        What was there is dropped first, so that memory never holds all states twice.
        """
        self._states = None
        self._states = list(states) if self.engine == "loop" else _stack(states, self.members)

    def compile(
        self, trained: Sequence[tuple[Any, Inputs]], judged: Sequence[tuple[Any, Inputs]]
    ) -> Group | None:
        """Make the programs of dispatches of these shapes, which `train` and `evaluate` then use.

        Parameters
        ----------
        trained, judged : sequence of (data, Inputs)
            As for `train` and `evaluate`, but instead of arrays their shapes will do.

        Returns
        -------
        Group
            What the members need of memory; None if the backend does not say.
        """
        states = self._states
        programs = [
            self._train.compile(states, data, inputs, _hyper_shapes(inputs))
            for data, inputs in trained
        ] + [self._eval.compile(states, data, inputs) for data, inputs in judged]
        known = [program for program in programs if program is not None]
        if len(known) < len(programs):
            return None
        calls = self.members if self.engine == "loop" else 1
        return Group(bytes_of(states) // self.members, self.members, calls, known)

    @property
    def programs(self) -> int:
        """How many programs have been compiled."""
        return len(self._train.program) + len(self._eval.program)

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
        if self.engine == "loop":
            return jax.tree.map(lambda *leaves: np.stack(leaves), *result)
        return result

    @property
    def stacked(self) -> MemberState:
        """The states stacked over members, whatever the engine: the form of a checkpoint.

        Their shapes, if there are no states yet.
        """
        return _stack(self._states, self.members) if self.engine == "loop" else self._states

    @stacked.setter
    def stacked(self, states: MemberState) -> None:
        self._states = None
        if self.engine == "loop":
            self._states = [_member(states, k) for k in range(self.members)]
        else:
            self._states = states


def _hyper_shapes(inputs: Inputs) -> Hyper:
    each: Any = jax.ShapeDtypeStruct(inputs.label.shape[:2], np.float32)
    return Hyper(each, each, each)


def _row(array: Any, k: int) -> Any:
    """array[k], or its shape."""
    if isinstance(array, jax.ShapeDtypeStruct):
        return jax.ShapeDtypeStruct(array.shape[1:], array.dtype, sharding=array.sharding)
    return array[k]


@functools.partial(jax.jit, static_argnums=1)
def _room(state: MemberState, members: int) -> MemberState:
    """Zeros, shaped as so many states like this one, stacked."""
    return jax.tree.map(lambda x: jnp.zeros((members, *x.shape), x.dtype), state)


@functools.partial(jax.jit, donate_argnums=0)
def _put(stacked: MemberState, state: MemberState, k: jax.Array) -> MemberState:
    return jax.tree.map(lambda all_, one: all_.at[k].set(one), stacked, state)


@jax.jit
def _member(stacked: MemberState, k: jax.Array) -> MemberState:
    return jax.tree.map(lambda x: x[k], stacked)


def _stack(states: Iterable[MemberState], members: int) -> MemberState:
    """So many states, or their shapes, stacked; each is asked for when there is room for it."""
    stacked: Any = None
    for k, state in enumerate(states):
        if isinstance(jax.tree.leaves(state)[0], jax.ShapeDtypeStruct):
            return jax.tree.map(lambda x: x.update(shape=(members, *x.shape)), state)
        stacked = _put(_room(state, members) if stacked is None else stacked, state, k)
    return stacked
