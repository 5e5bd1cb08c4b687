"""Saving and restoring the training state, by Orbax."""

import contextlib
import errno
import os
from pathlib import Path
from types import TracebackType
from typing import Any

import jax
import numpy as np
from orbax.checkpoint import v1 as ocp

from jagree.errors import UsageError


class Checkpoints:
    """The checkpoints of one run; a checkpoint's number is the epochs completed.

    Parameters
    ----------
    folder : path
    every : int
        Epochs from one checkpoint to the next.
    """

    def __init__(self, folder: Path, *, every: int) -> None:
        self._folder = folder
        self.every = every
        self._checkpointer = ocp.training.Checkpointer(
            folder.absolute(),
            # Orbax's own default drops a save that is asked for while another is in flight.
            save_decision_policy=ocp.training.save_decision_policies.FixedIntervalPolicy(every),
            preservation_policy=ocp.training.preservation_policies.LatestN(2),
            cleanup_tmp_directories=True,
        )

    def __enter__(self) -> "Checkpoints":
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        # Orbax raises a failed save once more when it closes; the first time was enough.
        with contextlib.suppress(ValueError) if error else contextlib.nullcontext():
            self._checkpointer.close()

    @property
    def latest(self) -> int:
        """Epochs completed at the newest checkpoint; 0 without one."""
        newest = self._checkpointer.latest
        return newest.step if newest else 0

    def due(self, epoch: int, *, last: bool) -> bool:
        """Whether the epoch is to be saved: the last one always, the untrained networks never."""
        return epoch > 0 and (last or epoch % self.every == 0)

    def save(self, epoch: int, state: Any, *, last: bool) -> None:
        """Save if the epoch is due; waits until it is on disk.

        `state` is a pytree of JAX or NumPy arrays; of an epoch that is not due it is not looked at.

        Raises
        ------
        OSError
            If the disk is full; the checkpoints before are as they were.
        """
        if not self.due(epoch, last=last):
            return
        try:
            self._checkpointer.save(epoch, state, force=True)
        except ValueError as error:
            # TensorStore's way of saying so; everybody else's is an OSError.
            if "RESOURCE_EXHAUSTED" in str(error) and "No space left" in str(error):
                raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC)) from error
            raise

    def restore(self, like: Any) -> Any:
        """The newest state, with the shapes, types and devices of `like`.

        Raises
        ------
        UsageError
            If the checkpoint's arrays differ from those of `like` in name or shape, or it cannot
            be read.
        """
        try:
            saved = self._checkpointer.metadata(self.latest).metadata
        except Exception as error:
            raise self._damaged() from error
        found, expected = _shapes(saved), _shapes(like)
        if not found:
            raise self._damaged()
        if found != expected:
            name = sorted(set(found.items()) ^ set(expected.items()))[0][0]
            raise UsageError(
                f"the checkpoint in '{self._folder}' does not fit this run: '{name}' is "
                f"{found.get(name, 'missing')} there and {expected.get(name, 'missing')} here; "
                "use the run's own config and version, or another --workdir"
            )
        abstract = jax.tree.map(
            lambda x: jax.ShapeDtypeStruct(x.shape, x.dtype, sharding=x.sharding), like
        )
        try:
            return self._checkpointer.load(self.latest, abstract)
        except Exception as error:  # its names and shapes fit, so whatever it is, it is damage
            raise self._damaged() from error

    def _damaged(self) -> UsageError:
        return UsageError(
            f"the checkpoint '{self._folder / str(self.latest)}' is damaged and cannot be read; "
            "delete it to go on from the one before"
        )


def to_host(state: Any) -> Any:
    """A copy of a pytree of arrays in main memory, which no later step can touch.

    A CPU's arrays are in main memory already, and JAX would give a view of them, but the next step
    is given their memory for its own results: hence a copy on every device.
    """
    for leaf in jax.tree.leaves(state):
        leaf.copy_to_host_async()  # all are under way before the first is waited for
    return jax.tree.map(lambda leaf: np.array(leaf, copy=True), state)


def _shapes(tree: Any) -> dict[str, tuple[int, ...]]:
    leaves = jax.tree_util.tree_flatten_with_path(tree)[0]
    return {jax.tree_util.keystr(p, simple=True, separator="/"): x.shape for p, x in leaves}
