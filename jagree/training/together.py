"""Training in several processes: the first reads and writes, the others follow.

The record, the checkpoints and the run folder are the first process's alone, and need not be on a
disk that the others see. What it has read, it tells them (`share`).
"""

import json
import zlib
from collections.abc import Callable, Mapping
from typing import Any, NamedTuple

import jax
import numpy as np
from jax.experimental import multihost_utils
from ml_collections import ConfigDict

from jagree.config import flatten
from jagree.data.split import Split
from jagree.errors import UsageError
from jagree.training.checkpoint import Arrays, is_due
from jagree.training.listener import Compiled, Fields, Plan
from jagree.training.mesh import PIECE

# Fields in which the processes of a run may differ.
_OWN = (
    "data.dir",
    "data.cache",
    "data.workers",
    "data.cifar10h",
    "data.search_difficulty",
    "training.compilation_cache",
    "training.feed_workers",
    "training.tensorboard",
    "statistics.",
    "study.",
)


def share(arrays: Mapping[str, np.ndarray] | None) -> Arrays:
    """The first process's arrays, bit for bit, in every process.

    Parameters
    ----------
    arrays : mapping of str to array
        Of any shapes and types; what the other processes give does not matter.
    """
    own = {name: np.asarray(array) for name, array in (arrays or {}).items()}
    if jax.process_count() == 1:
        return own
    if jax.process_index():
        own = {}
    table = [[name, array.dtype.str, array.shape] for name, array in own.items()]
    header = np.frombuffer(json.dumps(table).encode(), np.uint8)
    length = int(multihost_utils.broadcast_one_to_all(np.int32(header.size)))
    found: Arrays = {}
    for name, dtype, shape in json.loads(_bytes(header, length)):
        size = int(np.prod(shape, dtype=np.int64)) * np.dtype(dtype).itemsize
        raw = np.ascontiguousarray(own.get(name, np.empty(0, np.uint8))).reshape(-1).view(np.uint8)
        found[name] = np.frombuffer(_bytes(raw, size), dtype).reshape(shape)
    return found


def _bytes(raw: np.ndarray, size: int) -> bytes:
    """So many of the first process's; as bytes, because JAX would round double precision."""
    own = raw if jax.process_index() == 0 else np.zeros(size, np.uint8)
    pieces = [own[start : start + PIECE] for start in range(0, size, PIECE)]
    return b"".join(np.asarray(multihost_utils.broadcast_one_to_all(p)).tobytes() for p in pieces)


def of_first(value: Any) -> Any:
    """What JSON can say of the first process's, in every process (of a run of one, itself)."""
    if jax.process_count() == 1:
        return value
    told = share({"json": np.frombuffer(json.dumps(value).encode(), np.uint8)})
    return json.loads(told["json"].tobytes())


def check_alike(config: ConfigDict, splits: Mapping[str, Split]) -> None:
    """Raise a UsageError in each process that would train something else than the first.

    Parameters
    ----------
    config : ConfigDict
    splits : mapping of str to Split
        With the labels to be trained on.
    """
    own = {name: value for name, value in flatten(config).items() if not name.startswith(_OWN)}
    for name, split in splits.items():
        own[f"the {name} data"] = split.fingerprint
        own[f"the {name} labels"] = zlib.crc32(np.asarray(split.label).tobytes())
    own = json.loads(json.dumps(own))
    first = of_first(own)
    for field in own.keys() | first.keys():
        if own.get(field) != first.get(field):
            raise UsageError(
                f"this process and the run's first one differ in {field}: {own.get(field)!r} here, "
                f"{first.get(field)!r} there; give all of them the same command and data"
            )


class Standing(NamedTuple):
    """Where a run goes on, as the first process has found it.

    Attributes
    ----------
    done : int
        Epochs recorded and saved.
    step : int
        Training steps of the next that have been taken.
    untrained : bool
        Whether the untrained networks are to be recorded.
    state : pytree of NumPy arrays, or None
        What a checkpoint holds; None: the networks are new.
    gathered : dict of str to array
        What the epoch in progress had gathered.
    """

    done: int
    step: int
    untrained: bool
    state: Any
    gathered: Arrays


def share_standing(standing: Standing | None, like: Any) -> Standing:
    """What the first process has found, in every process.

    Parameters
    ----------
    standing : Standing, or None
        Of the first process; the others have none.
    like : pytree
        Of the state's structure.
    """
    if standing is not None and jax.process_count() == 1:
        return standing
    told: Arrays = {}
    if standing is not None:
        new = standing.state is None
        told["point"] = np.array([standing.done, standing.step, standing.untrained, new])
        told |= {f"gathered {name}": array for name, array in standing.gathered.items()}
        told |= {f"state {n}": leaf for n, leaf in enumerate(jax.tree.leaves(standing.state))}
    heard = share(told)
    done, step, untrained, new = heard.pop("point").tolist()
    gathered = {
        name.removeprefix("gathered "): heard.pop(name)
        for name in [*heard]
        if name.startswith("gathered ")
    }
    state = None if new else jax.tree.unflatten(jax.tree.structure(like), heard.values())
    return Standing(done, step, bool(untrained), state, gathered)


class Follower:
    """In place of `jagree.training.writer.EpochWriter` in a process that writes nothing.

    It asks for the training state whenever the first process saves it, for to gather it takes all.

    Parameters
    ----------
    every : int
        Epochs from one checkpoint to the next.
    """

    def __init__(self, every: int) -> None:
        self._every = every

    def __enter__(self) -> "Follower":
        return self

    def __exit__(self, *_: object) -> None:
        pass

    def stepped(self, epoch: int, steps: int) -> None:
        """Nobody is told."""

    def write(
        self, epoch: int, fields: Fields, state: Callable[[], Any], *, steps: int, last: bool
    ) -> None:
        """Take part in gathering the state, if the epoch is to be saved."""
        if is_due(epoch, every=self._every, last=last):
            state()

    def keep(self, epoch: int, gathered: Arrays, state: Callable[[], Any], *, steps: int) -> None:
        """Take part in gathering the state."""
        state()

    def wait(self) -> None:
        """Nothing is being written."""


class Silence:
    """A listener that tells nobody."""

    def prepared(self, split: str, images: int, of: int) -> None:
        """Images were prepared."""

    def planned(self, plan: Plan) -> None:
        """Training is about to begin."""

    def compiled(self, compiled: Compiled) -> None:
        """All programs are compiled."""

    def stepped(self, epoch: int, steps: int) -> None:
        """Steps were taken."""

    def recorded(self, epoch: int, fields: Fields, seconds: float) -> None:
        """An epoch was recorded."""

    def damaged(self, text: str) -> None:
        """A checkpoint was found damaged."""

    def finishing(self, epoch: int) -> None:
        """The run ends as soon as the epoch is written."""
