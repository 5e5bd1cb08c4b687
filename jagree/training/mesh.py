"""Which device holds which members, and which part of a batch.

A mesh has two axes, ``member`` and ``data``. Members are spread over its rows, and nothing passes
between rows; each batch is spread over a row's columns, which average gradients and BatchNorm's
moments. Several processes (the hosts of a TPU pod, say) have one mesh of all their devices.
"""

from collections.abc import Iterable, Sequence
from typing import Any, NamedTuple

import jax
import numpy as np
from jax.experimental import mesh_utils, multihost_utils
from jax.sharding import Mesh, NamedSharding, PartitionSpec

from jagree.config import parse_mesh
from jagree.errors import UsageError
from jagree.words import counted

MEMBER, DATA = "member", "data"  # the axes
PIECE = 64_000_000  # bytes that processes tell one another at once; it takes devices' memory


class MeshShape(NamedTuple):
    """Rows, over which members are spread, and columns, over which a batch is."""

    rows: int
    columns: int

    def __str__(self) -> str:
        return f"{self.rows}x{self.columns}"


def choose_mesh(
    wanted: str, members: Sequence[int], devices: int, *, batch_size: int, processes: int = 1
) -> MeshShape:
    """The mesh to use.

    Parameters
    ----------
    wanted : str
        ``config.training.mesh``. "auto" spreads members only, over the fewest devices with which
        no more would be faster; with several processes over all devices, for each must take part.
    members : sequence of int
        Of each network.
    devices : int
        Of all processes.
    batch_size : int
    processes : int

    Raises
    ------
    UsageError
        If there are not so many devices, or the columns do not divide the batch.
    """
    if wanted == "auto":
        if processes > 1:
            return MeshShape(devices, 1)
        turns = [sum(_turns(k, rows) for k in members) for rows in range(1, devices + 1)]
        return MeshShape(1 + int(np.argmin(turns)), 1)
    shape = MeshShape(*parse_mesh(wanted))
    used = shape.rows * shape.columns
    if used > devices or (processes > 1 and used != devices):
        exactly = "which have to be the mesh's in a run of several processes" * (processes > 1)
        raise UsageError(
            f"training.mesh={shape} takes {counted(used, 'device')}, and there are {devices}"
            f"{', ' + exactly if exactly else ''}; choose another, or auto"
        )
    if batch_size % shape.columns:
        raise UsageError(
            f"training.mesh={shape} spreads each batch over {shape.columns} devices, which do not "
            f"divide batch_size={batch_size}; choose parts that do, or another batch_size"
        )
    return shape


def _turns(members: int, rows: int) -> int:
    """How many members the fullest of the rows has."""
    return -(-members // rows)


def spare(shape: MeshShape, members: Sequence[int], devices: int) -> str:
    """What devices without work could do, in a clause; "" if all have some.

    Examples
    --------
    >>> spare(MeshShape(5, 1), [5], 8)
    '8 devices, 5 members: 3 idle; 8 members take the same time'
    """
    idle = devices - shape.rows * shape.columns
    turns = [_turns(k, shape.rows) for k in members]
    empty = sum(turns) * shape.rows - sum(members)
    if not idle and not empty:
        return ""
    what = [f"{idle} idle"] * bool(idle)
    if empty:
        what.append(f"{counted(empty, 'place')} of {sum(turns) * shape.rows} without a member")
    said = f"{counted(devices, 'device')}, {counted(sum(members), 'member')}: {', '.join(what)}"
    most = devices // shape.columns * turns[0]
    if len(members) == 1 and most > members[0]:
        said += f"; {counted(most, 'member')} take the same time"
    return said


class Placement:
    """Where arrays lie: on the default device, or spread over a mesh.

    Parameters
    ----------
    shape : MeshShape
        Of the mesh. There is none for a single device in a single process.
    """

    def __init__(self, shape: MeshShape) -> None:
        self.shape = shape
        self.mesh: Mesh | None = None
        size = shape.rows * shape.columns
        if size > 1:
            self.mesh = Mesh(_arranged(shape, size), (MEMBER, DATA))

    def sharding(self, spec: PartitionSpec) -> NamedSharding:
        """How an array with that spec lies on the mesh, which there is."""
        assert self.mesh is not None
        return NamedSharding(self.mesh, spec)

    def everywhere(self, tree: Any) -> Any:
        """Host arrays on every device (without a mesh: on the default one)."""
        return jax.device_put(tree) if self.mesh is None else self.spread(tree, PartitionSpec())

    def spread(self, tree: Any, spec: PartitionSpec) -> Any:
        """Host arrays, which every process has whole, spread over the mesh, which there is.

        Of shapes (`jax.ShapeDtypeStruct`), the shapes.
        """
        sharding = self.sharding(spec)

        def put(array: Any) -> Any:
            if isinstance(array, jax.ShapeDtypeStruct):
                return array.update(sharding=sharding)
            if jax.process_count() == 1:
                return jax.device_put(array, sharding)
            return jax.make_array_from_callback(np.shape(array), sharding, lambda at: array[at])

        return jax.tree.map(put, tree)

    def own(self, groups: Iterable[Sequence[int]]) -> list[int]:
        """The members of this process's rows.

        Parameters
        ----------
        groups : iterable of sequence of int
            The members of each network.
        """
        assert self.mesh is not None
        here = jax.process_index()
        rows = [any(d.process_index == here for d in row) for row in self.mesh.devices]
        places = [(group, members_of_rows(len(group), self.shape.rows)[rows]) for group in groups]
        return sorted({group[place] for group, of_rows in places for place in of_rows.flat})


def members_of_rows(members: int, rows: int) -> np.ndarray:
    """Which members each row of a mesh has, int [rows, places]; neighbours are in one row.

    Places that are left over have the last member once more.
    """
    places = np.arange(rows * _turns(members, rows))
    return np.minimum(places, members - 1).reshape(rows, -1)


ONE_DEVICE = Placement(MeshShape(1, 1))


def gather(tree: Any) -> Any:
    """Arrays of devices as NumPy arrays; in a run of several processes, whole in each of them.

    There all processes have to call it, in the same order.
    """
    if jax.process_count() == 1:
        return jax.device_get(tree)
    return jax.tree.map(_gather_in_pieces, tree)


def _gather_in_pieces(array: jax.Array) -> np.ndarray:
    """The same of one array [K, ...]; for a moment each device has a piece of all members'."""

    def gathered(piece: jax.Array) -> np.ndarray:
        return multihost_utils.process_allgather(piece, tiled=True)

    if array.nbytes <= PIECE:
        return gathered(array)
    rows = array.reshape(len(array), -1)
    width = max(1, PIECE // (array.nbytes // rows.shape[1]))
    pieces = [rows[:, start : start + width] for start in range(0, rows.shape[1], width)]
    return np.concatenate([gathered(piece) for piece in pieces], 1).reshape(array.shape)


def _arranged(shape: MeshShape, size: int) -> np.ndarray:
    """The devices of the mesh, neighbours in a row where the topology is known."""
    devices = jax.devices()
    if size == len(devices):
        return mesh_utils.create_device_mesh(tuple(shape), devices, allow_split_physical_axes=True)
    return np.array(devices[:size]).reshape(shape)
