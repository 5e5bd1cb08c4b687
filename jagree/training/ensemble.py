"""K members at once: the steps of one, lifted over all of them.

Here and in `jagree.training.engines`, and nowhere else, is it known that there are K members, and
on which devices.

Axis letters: K members, S steps of one dispatch, B batch, N examples.
"""

import functools
from collections.abc import Callable, Iterable, Sequence
from typing import Any, NamedTuple

import jax
import numpy as np
from jax import lax

from jagree.training.batches import Inputs
from jagree.training.compilation import Program
from jagree.training.engines import Engine, InTurn, OnMesh, Results, Stacked
from jagree.training.memory import Footprint, Group, bytes_of, footprint
from jagree.training.mesh import ONE_DEVICE, Placement
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


# Which arguments (state, data, inputs, ...) have a member axis. All members judge the same images,
# but may be given different labels.
_TRAIN_AXES = (0, None, Inputs(0, 0, 0, 0), 0)
_EVAL_AXES = (0, None, Inputs(position=None, corner=None, image=None, label=0))


class _Lifted:
    """`function` of one member as a function of all, with results to be gathered by the engine.

    Parameters
    ----------
    engine : Engine
    function : callable
        Of a member's state, of data that all share, and of other arguments.
    axes : tuple
        The member axis of each argument, as `in_axes` of `jax.vmap`.
    results : callable
        (of a member, of a batch) -> what the function gives, marked as one or the other.
    donate : bool
        Whether the old state's memory becomes the new one's.
    """

    def __init__(
        self,
        engine: Engine,
        function: Callable,
        axes: tuple[Any, ...],
        results: Results,
        *,
        donate: bool = False,
    ) -> None:
        self._engine, self._axes = engine, axes
        lifted = engine.program(function, axes, results)
        self.program = Program(lifted, donate_argnums=0 if donate else ())

    def __call__(self, held: list[Any], *arguments: Any) -> list[Any]:
        calls = self._engine.arguments(held, arguments, self._axes)
        return self._engine.run(self.program, calls)

    def compile(self, held: list[Any], *arguments: Any) -> Footprint | None:
        """Make the program for arguments of these shapes; what a call of it takes of memory."""
        state, data, *passing = self._engine.arguments(held, arguments, self._axes)[0]
        return footprint(
            self.program.compile(state, data, *passing),
            resident=bytes_of((state, data)),
            inputs=bytes_of(passing),
        )


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
    placement : Placement
        Where the members are.
    """

    def __init__(
        self,
        learner: Learner,
        states: Sequence[MemberState],
        *,
        engine: str,
        with_outcome: bool = False,
        first: int = 0,
        placement: Placement = ONE_DEVICE,
    ) -> None:
        self.engine = engine
        self.members = len(states)
        self._engine: Engine
        if placement.mesh is not None:
            self._engine = OnMesh(self.members, engine, placement)
        elif engine == "loop":
            self._engine = InTurn(self.members, first)
        else:
            self._engine = Stacked(self.members)
        self._states: list[Any]
        self.begin(states)
        self._train = _Lifted(
            self._engine,
            functools.partial(_train_chunk, learner, with_outcome),
            _TRAIN_AXES,
            lambda member, batch: (member, Trained(member, batch)),
            donate=True,
        )
        self._eval = _Lifted(
            self._engine,
            functools.partial(_eval_chunk, learner),
            _EVAL_AXES,
            lambda member, batch: batch,
        )

    def begin(self, states: Iterable[MemberState]) -> None:
        """Go on from these states, one per member; they are taken one after the other.

        What was there is dropped first, so that memory never holds all states twice.
        """
        self._states = []
        self._states = self._engine.hold(states)

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
            What the members on a device need of its memory; None if the backend does not say.
        """
        states = self._states
        programs = [
            self._train.compile(states, data, inputs, _hyper_shapes(inputs))
            for data, inputs in trained
        ] + [self._eval.compile(states, data, inputs) for data, inputs in judged]
        known = [program for program in programs if program is not None]
        if len(known) < len(programs):
            return None
        places = self._engine.places
        return Group(bytes_of(states) // places, places, self._engine.calls, known)

    @property
    def programs(self) -> int:
        """How many programs have been compiled."""
        return len(self._train.program) + len(self._eval.program)

    def train(self, data: Any, inputs: Inputs, hyper: Hyper) -> list[Trained]:
        """Take S steps with every member; returns without waiting for them.

        Parameters
        ----------
        data : a feed's `data`
        inputs : Inputs of arrays [K, S, B, ...]
            Each member's own batches.
        hyper : Hyper of arrays [K, S]

        Returns
        -------
        list of Trained
            Still on the device; `gather` brings it to the host.
        """
        results = self._train(self._states, data, inputs, hyper)
        self._states = [state for state, _ in results]
        return [trained for _, trained in results]

    def evaluate(self, data: Any, inputs: Inputs) -> list[Outcome]:
        """What every member says about the same S batches; does not wait.

        The arrays of `inputs` are [S, B, ...], but its label is [K, S, B, ...].
        """
        return self._eval(self._states, data, inputs)

    def gather(self, results: list[Any]) -> Any:
        """A result of `train` or `evaluate` as NumPy arrays with the member axis first.

        In a run of several processes all of them have to call it, in the same order.
        """
        return self._engine.gather(results)

    @property
    def stacked(self) -> MemberState:
        """The states stacked over members, whatever the engine: the form of a checkpoint.

        Their shapes, if there are no states yet. Of a mesh NumPy arrays; in a run of several
        processes all of them have to ask.
        """
        return self._engine.stacked(self._states)

    @stacked.setter
    def stacked(self, states: MemberState) -> None:
        self._states = []
        self._states = self._engine.unstack(states)


def _hyper_shapes(inputs: Inputs) -> Hyper:
    each: Any = jax.ShapeDtypeStruct(inputs.label.shape[:2], np.float32)
    return Hyper(each, each, each)
