"""Members of several networks side by side: each network's are one ensemble, lifted together.

Axis letters as in `jagree.training.ensemble`; here K counts the members of all networks.
"""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import jax
import numpy as np

from jagree.training.batches import Inputs
from jagree.training.ensemble import Ensemble
from jagree.training.memory import Group
from jagree.training.mesh import ONE_DEVICE, Placement
from jagree.training.optimizers import Hyper
from jagree.training.state import MemberState


def group_members(networks: Sequence[str]) -> dict[str, list[int]]:
    """The members of each network, networks in the order of their first member.

    Parameters
    ----------
    networks : sequence of str
        Name of each member's network.

    Examples
    --------
    >>> group_members(["lenet5", "vgg16", "lenet5"])
    {'lenet5': [0, 2], 'vgg16': [1]}
    """
    groups: dict[str, list[int]] = {}
    for member, network in enumerate(networks):
        groups.setdefault(network, []).append(member)
    return groups


class Groups:
    """All members of a run, in their order, whatever their networks.

    Parameters
    ----------
    ensembles : mapping of str to Ensemble
        One per network.
    members : mapping of str to sequence of int
        Which members of the run each ensemble holds, in its order; together every member once.
    placement : Placement
        Where they all are.
    """

    def __init__(
        self,
        ensembles: Mapping[str, Ensemble],
        members: Mapping[str, Sequence[int]],
        placement: Placement = ONE_DEVICE,
    ) -> None:
        self._ensembles, self._on_mesh = dict(ensembles), placement.mesh is not None
        self.members = sum(map(len, members.values()))
        order = np.concatenate([members[name] for name in self._ensembles])
        if sorted(order.tolist()) != list(range(self.members)):
            raise ValueError(f"every member must be in one group, not {order.tolist()}")
        self._back = np.argsort(order)  # from the order of the groups to that of the members
        self._rows = {name: _rows(members[name], self.members) for name in self._ensembles}

    def begin(self, states: Mapping[str, Iterable[MemberState]]) -> None:
        """Go on from these states of each network's members; see `Ensemble.begin`."""
        for name, ensemble in self._ensembles.items():
            ensemble.begin(states[name])

    def compile(
        self, trained: Sequence[tuple[Any, Inputs]], judged: Sequence[tuple[Any, Inputs]]
    ) -> list[Group | None]:
        """Make the programs of dispatches of these shapes; see `Ensemble.compile`.

        Parameters
        ----------
        trained, judged : sequence of (data, Inputs)
            As for `train` and `evaluate`, but of shapes (`jax.ShapeDtypeStruct`).
        """

        def of_group(members: int, tree: Any) -> Any:
            return jax.tree.map(lambda x: x.update(shape=(members, *x.shape[1:])), tree)

        return [
            ensemble.compile(
                [(data, of_group(ensemble.members, inputs)) for data, inputs in trained],
                [
                    (data, inputs._replace(label=of_group(ensemble.members, inputs.label)))
                    for data, inputs in judged
                ],
            )
            for ensemble in self._ensembles.values()
        ]

    @property
    def programs(self) -> int:
        """How many programs have been compiled."""
        return sum(ensemble.programs for ensemble in self._ensembles.values())

    def train(self, data: Any, inputs: Inputs, hyper: Hyper) -> list[Any]:
        """Take S steps with every member; see `Ensemble.train`."""
        return [
            ensemble.train(data, *_of_members(rows, (inputs, hyper)))
            for ensemble, rows in self._each()
        ]

    def evaluate(self, data: Any, inputs: Inputs) -> list[Any]:
        """What every member says about the same S batches; see `Ensemble.evaluate`."""
        several = len(self._ensembles) > 1 and not self._on_mesh
        if several and inputs.image is not None:  # sent once, not once for each
            inputs = inputs._replace(image=jax.device_put(inputs.image))
        return [
            ensemble.evaluate(data, inputs._replace(label=_of_members(rows, inputs.label)))
            for ensemble, rows in self._each()
        ]

    def gather(self, results: list[Any]) -> Any:
        """A result of `train` or `evaluate` as NumPy arrays [K, ...], in the order of members."""
        gathered = [
            ensemble.gather(result)
            for (ensemble, _), result in zip(self._each(), results, strict=True)
        ]
        if len(gathered) == 1:
            return gathered[0]
        return jax.tree.map(lambda *leaves: np.concatenate(leaves)[self._back], *gathered)

    @property
    def stacked(self) -> dict[str, MemberState]:
        """Each network's states, stacked over its members: the form of a checkpoint."""
        return {name: ensemble.stacked for name, ensemble in self._ensembles.items()}

    @stacked.setter
    def stacked(self, states: Mapping[str, MemberState]) -> None:
        for name, ensemble in self._ensembles.items():
            ensemble.stacked = states[name]

    def _each(self) -> list[tuple[Ensemble, Any]]:
        return [(ensemble, self._rows[name]) for name, ensemble in self._ensembles.items()]


def _rows(members: Sequence[int], of: int) -> Any:
    """What to index the member axis by: nothing for all, a slice for neighbours.

    Members that do not stand together cost a copy of each dispatch, images included if streamed.
    """
    first, last = members[0], members[-1]
    if list(members) != list(range(first, last + 1)):
        return np.asarray(members)
    return None if last + 1 - first == of else slice(first, last + 1)


def _of_members(rows: Any, tree: Any) -> Any:
    return tree if rows is None else jax.tree.map(lambda x: x[rows], tree)
