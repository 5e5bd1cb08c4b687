"""How the steps of one member become those of K: three ways that must agree (a test says so).

`InTurn` (``loop``)
    One compiled program for a single member, called K times; on a CPU by as many threads as it has
    cores, because one program alone leaves cores idle between its parts.
`Stacked` (``vmap``)
    One compiled program over parameters stacked along a leading member axis.
`OnMesh` (either)
    One compiled program over the rows of a mesh, each of which has members of its own.

Axis letters: K members, S steps of one dispatch, B batch.
"""

import abc
import functools
import itertools
from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jax.sharding import PartitionSpec

from jagree import pool
from jagree.networks.parts import batch_in_parts
from jagree.training.batches import Inputs
from jagree.training.compilation import Program
from jagree.training.mesh import DATA, MEMBER, Placement, gather, members_of_rows
from jagree.training.state import MemberState

Results = Callable[[Any, Any], Any]  # (of a member, of a batch) -> results marked as one or other


class Engine(abc.ABC):
    """Holds the states of K members in a list, and calls a program once for each of its items.

    Parameters
    ----------
    members : int
    """

    def __init__(self, members: int) -> None:
        self.members = members
        self.places = members  # how many members' states a device holds
        self.calls = 1  # of a program in each dispatch

    @abc.abstractmethod
    def hold(self, states: Iterable[MemberState]) -> list[Any]:
        """What is held: the states, or their shapes (`jax.ShapeDtypeStruct`)."""

    @abc.abstractmethod
    def stacked(self, held: list[Any]) -> MemberState:
        """All states stacked, [K, ...], on a device or the host; of shapes, the shapes."""

    @abc.abstractmethod
    def unstack(self, states: MemberState) -> list[Any]:
        """What is held, from stacked states (of NumPy or JAX)."""

    @abc.abstractmethod
    def program(self, function: Callable, axes: Sequence[Any], results: Results) -> Callable:
        """The function of one member as what is compiled; see `jagree.training.ensemble`."""

    @abc.abstractmethod
    def arguments(
        self, held: list[Any], arguments: tuple[Any, ...], axes: Sequence[Any]
    ) -> list[tuple[Any, ...]]:
        """What the program is called with, once for each that is held; arrays, or their shapes."""

    def run(self, program: Program, calls: list[tuple[Any, ...]]) -> list[Any]:
        """The program's results, without waiting for them."""
        return [program(*call) for call in calls]

    @abc.abstractmethod
    def gather(self, results: list[Any]) -> Any:
        """Results as NumPy arrays [K, ...]."""


class InTurn(Engine):
    """One program for a single member, called for each.

    Parameters
    ----------
    members : int
    first : int
        Members of other ensembles that share the cores of a CPU, before these.
    """

    def __init__(self, members: int, first: int) -> None:
        super().__init__(members)
        self.calls, self._first = members, first

    def hold(self, states: Iterable[MemberState]) -> list[Any]:
        """The states."""
        return list(states)

    def stacked(self, held: list[Any]) -> MemberState:
        """Copies of them, stacked."""
        return _stack(held, self.members)

    def unstack(self, states: MemberState) -> list[Any]:
        """Copies."""
        return [_member(states, k) for k in range(self.members)]

    def program(self, function: Callable, axes: Sequence[Any], results: Results) -> Callable:
        """The function itself."""
        return function

    def arguments(
        self, held: list[Any], arguments: tuple[Any, ...], axes: Sequence[Any]
    ) -> list[tuple[Any, ...]]:
        """Each member's own."""
        return [
            (state, *_cut(lambda x, k=k: _row(x, k), axes[1:], arguments))
            for k, state in enumerate(held)
        ]

    def run(self, program: Program, calls: list[tuple[Any, ...]]) -> list[Any]:
        """On a CPU several at the same time."""
        if jax.default_backend() != "cpu":
            return super().run(program, calls)
        program.compile(*calls[0])  # by this thread alone
        hands = itertools.islice(itertools.cycle(_hands()), self._first, None)
        waiting = [hand.submit(program, *call) for call, hand in zip(calls, hands, strict=False)]
        return [call.result() for call in waiting]

    def gather(self, results: list[Any]) -> Any:
        """Stacked on the host."""
        return jax.tree.map(lambda *leaves: np.stack(leaves), *jax.device_get(results))


class Stacked(Engine):
    """One program over all members, whose states are stacked."""

    def hold(self, states: Iterable[MemberState]) -> list[Any]:
        """Stacked, each when it comes, so that memory never holds all of them twice."""
        return [_stack(states, self.members)]

    def stacked(self, held: list[Any]) -> MemberState:
        """As they are held."""
        return held[0]

    def unstack(self, states: MemberState) -> list[Any]:
        """Copies, for the next step takes their memory."""
        return [jax.tree.map(jnp.array, states)]

    def program(self, function: Callable, axes: Sequence[Any], results: Results) -> Callable:
        """By `jax.vmap`."""
        return jax.vmap(function, in_axes=tuple(axes))

    def arguments(
        self, held: list[Any], arguments: tuple[Any, ...], axes: Sequence[Any]
    ) -> list[tuple[Any, ...]]:
        """As they are."""
        return [(held[0], *arguments)]

    def gather(self, results: list[Any]) -> Any:
        """As they are, on the host."""
        return jax.device_get(results[0])


class OnMesh(Engine):
    """Members spread over the rows of a mesh, each batch over the columns of a row.

    With ``vmap`` all members are one slab, of which each row has a stack; with ``loop`` a slab has
    a member for each row, and there are as many slabs as it takes. Places that are left over train
    the last member once more, and what they give is dropped.

    A batch that the columns do not divide (an epoch's last one, say) is computed whole in each of
    them.

    Parameters
    ----------
    members : int
    engine : {"vmap", "loop"}
    placement : Placement
        On a mesh.
    """

    def __init__(self, members: int, engine: str, placement: Placement) -> None:
        super().__init__(members)
        self._placement, self._shape = placement, placement.shape
        self._stacks = engine == "vmap"
        rows = self._shape.rows
        of_row = members_of_rows(members, rows)
        self._slabs = of_row.reshape(1, -1) if self._stacks else of_row.T
        self.places, self.calls = of_row.shape[1], len(self._slabs)

    def hold(self, states: Iterable[MemberState]) -> list[Any]:
        """Slab by slab, by way of the host."""
        on_host = [jax.device_get(state) for state in states]
        return [
            self._placement.spread(
                jax.tree.map(_stack_on_host, *(on_host[member] for member in slab)),
                PartitionSpec(MEMBER),
            )
            for slab in self._slabs
        ]

    def stacked(self, held: list[Any]) -> MemberState:
        """On the host, in every process."""

        def whole(*slabs: Any) -> Any:
            if isinstance(slabs[0], jax.ShapeDtypeStruct):
                return slabs[0].update(shape=(self.members, *slabs[0].shape[1:]), sharding=None)
            return self._in_order([gather(slab) for slab in slabs])

        return jax.tree.map(whole, *held)

    def unstack(self, states: MemberState) -> list[Any]:
        """Each slab's."""
        spec = PartitionSpec(MEMBER)
        return [
            self._placement.spread(jax.tree.map(lambda x, s=slab: np.asarray(x)[s], states), spec)
            for slab in self._slabs
        ]

    def program(self, function: Callable, axes: Sequence[Any], results: Results) -> Callable:
        """By `jax.shard_map` over both axes, so that nothing but what is asked for is sent."""
        lifted = jax.vmap(function, in_axes=tuple(axes)) if self._stacks else _first(function, axes)

        def on_mesh(state: Any, data: Any, inputs: Inputs, *more: Any) -> Any:
            parts = self._parts(inputs)

            def on_device(*arguments: Any) -> Any:
                if self._shape.columns == 1:
                    return lifted(*arguments)
                with batch_in_parts(DATA, parts):
                    return lifted(*arguments)

            return jax.shard_map(
                on_device,
                mesh=self._placement.mesh,
                in_specs=tuple(_specs(axes, parts)),
                out_specs=results(PartitionSpec(MEMBER), _batch_spec(0, parts)),
                check_vma=False,  # custom derivatives and batching rules do not say what varies
            )(state, data, inputs, *more)

        return on_mesh

    def arguments(
        self, held: list[Any], arguments: tuple[Any, ...], axes: Sequence[Any]
    ) -> list[tuple[Any, ...]]:
        """Each slab's, spread over the mesh; what all share is spread once."""
        data, *rest = arguments  # the data lie there already
        axes = axes[2:]
        specs = _specs(axes, self._parts(arguments[1]))
        spread = self._placement.spread

        def shared(axis: int | None, spec: Any, x: Any) -> Any:
            return spread(x, spec) if axis is None else x

        def own(slab: np.ndarray, axis: int | None, spec: Any, x: Any) -> Any:
            return x if axis is None else spread(jax.tree.map(lambda y: _rows(y, slab), x), spec)

        rest = _by_axis(shared, axes, specs, rest)
        return [
            (state, data, *_by_axis(functools.partial(own, slab), axes, specs, rest))
            for state, slab in zip(held, self._slabs, strict=True)
        ]

    def gather(self, results: list[Any]) -> Any:
        """In the order of members, without the places left over; in every process."""
        gathered = [gather(result) for result in results]
        return jax.tree.map(lambda *slabs: self._in_order(slabs), *gathered)

    def _in_order(self, slabs: Sequence[np.ndarray]) -> np.ndarray:
        """Arrays of the slabs' members, as one of all members."""
        of_places = slabs[0] if self._stacks else np.stack(slabs, 1)
        return of_places.reshape(-1, *slabs[0].shape[1:])[: self.members]

    def _parts(self, inputs: Inputs) -> int:
        """How many parts a batch of this size is in."""
        columns = self._shape.columns
        return 1 if inputs.label.shape[2] % columns else columns


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


def _by_axis(function: Callable, axes: Sequence[Any], *trees: Any) -> Any:
    """function(axis, ...) of each argument, or of each field where the axes are Inputs."""
    return jax.tree.map(
        function, tuple(axes), *map(tuple, trees), is_leaf=lambda axis: axis is None
    )


def _cut(row: Callable, axes: Sequence[Any], arguments: tuple[Any, ...]) -> Any:
    """A member's share of each argument."""

    def share(axis: int | None, argument: Any) -> Any:
        return argument if axis is None else jax.tree.map(row, argument)

    return _by_axis(share, axes, arguments)


def _row(array: Any, k: int) -> Any:
    """array[k], or its shape."""
    if isinstance(array, jax.ShapeDtypeStruct):
        return jax.ShapeDtypeStruct(array.shape[1:], array.dtype, sharding=array.sharding)
    return array[k]


def _rows(array: Any, rows: np.ndarray) -> Any:
    """array[rows], without a copy where they are equally far from one another; or its shape."""
    if isinstance(array, jax.ShapeDtypeStruct):
        return array.update(shape=(len(rows), *array.shape[1:]))
    steps = set(np.diff(rows).tolist())
    if len(steps) > 1 or 0 in steps:
        return array[rows]
    return array[rows[0] : rows[-1] + 1 : steps.pop() if steps else 1]


def _first(function: Callable, axes: Sequence[Any]) -> Callable:
    """The function of one member, of arrays [1, ...]."""

    def of_one(*arguments: Any) -> Any:
        own = _cut(lambda x: x[0], axes, arguments)
        return jax.tree.map(lambda x: x[None], function(*own))

    return of_one


def _batch_spec(axis: int | None, parts: int) -> PartitionSpec:
    """Of arrays [K, S, B, ...] (axis 0), or [S, B, ...] that all members share."""
    lead = (MEMBER,) if axis == 0 else ()
    return PartitionSpec(*lead, None, DATA) if parts > 1 else PartitionSpec(*lead)


def _specs(axes: Sequence[Any], parts: int) -> list[Any]:
    """How each argument is spread."""

    def spec(axis: Any) -> Any:
        if isinstance(axis, Inputs):
            return Inputs(*(_batch_spec(of_field, parts) for of_field in axis))
        return PartitionSpec(MEMBER) if axis == 0 else PartitionSpec()

    return [spec(axis) for axis in axes]


def _stack_on_host(*leaves: Any) -> Any:
    if isinstance(leaves[0], jax.ShapeDtypeStruct):
        return leaves[0].update(shape=(len(leaves), *leaves[0].shape))
    return np.stack(leaves)


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
