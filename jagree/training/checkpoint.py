"""Saving and restoring the training state, by Orbax.

What is saved and restored are NumPy arrays, stacked over members: a checkpoint knows no device, and
fits any engine and number of devices. Whoever restores puts them where they belong.
"""

import contextlib
import errno
import hashlib
import os
from collections.abc import Mapping
from pathlib import Path
from types import TracebackType
from typing import Any, NamedTuple

import jax
import numpy as np
import orbax.checkpoint as ocp
from etils import epath

from jagree.errors import UsageError
from jagree.paths import is_remote

Arrays = dict[str, np.ndarray]

KEPT = 2  # checkpoints: the last, and the one before in case it is found damaged


class Damaged(NamedTuple):
    """A checkpoint that is not what was saved."""

    steps: int  # its number
    why: str  # a clause


class Restored(NamedTuple):
    """What a checkpoint holds.

    Attributes
    ----------
    steps : int
        Its number.
    state : pytree of NumPy arrays
    gathered : dict of str to array
        What an epoch in progress had gathered; empty at the end of one.
    damaged : list of Damaged
        Newer checkpoints, the newest first.
    """

    steps: int
    state: Any
    gathered: Arrays
    damaged: list[Damaged]


class Checkpoints:
    """The checkpoints of one run; a checkpoint's number is the training steps taken.

    The last two are kept, the older one in case the newer one is found damaged. Each holds a digest
    of its arrays, for TensorStore does not notice every damage: a flipped bit in what it did not
    compress is data to it.

    Parameters
    ----------
    folder : path
    every : int
        Epochs from one checkpoint to the next.
    """

    def __init__(self, folder: Path, *, every: int) -> None:
        # Orbax's own kind of path, which may be in a bucket.
        self._folder = epath.Path(str(folder) if is_remote(folder) else folder.absolute())
        self.every = every
        self._folder.mkdir(parents=True, exist_ok=True)
        for path in self._folder.iterdir():  # what a killed process left; the latter in a bucket
            if ocp.utils.TMP_DIR_SUFFIX in path.name or (
                path.name.isdecimal() and not ocp.utils.is_checkpoint_finalized(path)
            ):
                path.rmtree()
        # Not Orbax's CheckpointManager: where the first of several processes saves alone, it would
        # ask the others, at a time of its own, whether the run is to stop.
        options = _alone()
        self._orbax = ocp.Checkpointer(
            ocp.StandardCheckpointHandler(multiprocessing_options=options),
            multiprocessing_options=options,
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
            self._orbax.close()

    @property
    def saved(self) -> list[int]:
        """Numbers of the checkpoints, damaged or not, ascending."""
        # Orbax's own list has those that were set aside, whose names end with a number, too.
        named = [path for path in self._folder.iterdir() if path.name.isdecimal()]
        return sorted(int(p.name) for p in named if ocp.utils.is_checkpoint_finalized(p))

    @property
    def latest(self) -> int:
        """Training steps taken at the newest checkpoint, damaged or not; 0 without one."""
        return max(self.saved, default=0)

    def due(self, epoch: int, *, last: bool) -> bool:
        """See `is_due`."""
        return is_due(epoch, every=self.every, last=last)

    def save(
        self, steps: int, state: Any, gathered: Mapping[str, np.ndarray] | None = None
    ) -> None:
        """Save under a number; waits until it is on disk.

        Nothing is done if the newest checkpoint has this number: a run that was stopped while it
        judged an epoch has saved the state already.

        Parameters
        ----------
        steps : int
        state : pytree of NumPy arrays
        gathered : mapping of str to array
            Of an epoch in progress.

        Raises
        ------
        OSError
            If the disk is full; the checkpoints before are as they were.
        """
        if steps == self.latest:
            return
        tree = {"state": _named(state)} | ({"gathered": dict(gathered)} if gathered else {})
        try:
            whole = ocp.args.StandardSave({**tree, "digest": digest(tree)})
            self._orbax.save(self._folder / str(steps), args=whole)
        except ValueError as error:
            # TensorStore's way of saying so; everybody else's is an OSError.
            if "RESOURCE_EXHAUSTED" in str(error) and "No space left" in str(error):
                raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC)) from error
            raise
        for older in self.saved[:-KEPT]:
            (self._folder / str(older)).rmtree()

    def read(self, steps: int) -> dict[str, Any]:
        """All that a checkpoint holds, as NumPy arrays; it may be damaged."""
        return self._orbax.restore(self._folder / str(steps))

    def restore(self, like: Any) -> Restored:
        """The newest checkpoint that is not damaged; nothing is changed on disk.

        Parameters
        ----------
        like : pytree
            Of the same structure and shapes: arrays, or `jax.ShapeDtypeStruct`.

        Raises
        ------
        UsageError
            If the checkpoint's arrays differ from those of `like` in name or shape, or every
            checkpoint is damaged.
        """
        damaged: list[Damaged] = []
        for steps in reversed(self.saved):
            try:
                tree = self.read(steps)
                saved = tree.pop("digest", None)
                whole = np.array_equal(saved, digest(tree))
            except Exception as error:
                if isinstance(error, (MemoryError, PermissionError)):
                    raise
                damaged.append(Damaged(steps, f"it cannot be read: {_root(error)}"))
                continue
            if not whole:
                why = "its arrays are not those that were saved"
                if saved is None:
                    why = "it has no digest: an older jagree wrote it, or somebody else"
                damaged.append(Damaged(steps, why))
                continue
            state = self._as(like, tree["state"])
            return Restored(steps, state, tree.get("gathered", {}), damaged)
        named = "; ".join(f"{steps}: {why}" for steps, why in damaged)
        raise UsageError(
            f"every checkpoint in '{self._folder}' is damaged ({named}); put an undamaged one "
            "there, or use another --workdir"
        )

    def _as(self, like: Any, found: Arrays) -> Any:
        """What was found as a pytree like this one."""
        expected = _named(like)
        shapes, wanted = ({n: x.shape for n, x in arrays.items()} for arrays in (found, expected))
        if shapes != wanted:
            name = sorted(set(shapes.items()) ^ set(wanted.items()))[0][0]
            raise UsageError(
                f"the checkpoint in '{self._folder}' does not fit this run: '{name}' is "
                f"{shapes.get(name, 'missing')} there and {wanted.get(name, 'missing')} here; "
                "use the run's own config and version, or another --workdir"
            )
        return jax.tree.unflatten(jax.tree.structure(like), [found[name] for name in expected])

    def set_aside(self, steps: int) -> str:
        """Give a checkpoint a name by which it is none any more; its new path."""
        target, copies = self._folder / f"damaged_{steps}", 1
        while target.exists():
            copies += 1
            target = self._folder / f"damaged_{steps}_{copies}"
        (self._folder / str(steps)).rename(target)
        return str(target)


def _alone() -> ocp.options.MultiprocessingOptions:
    """That of several processes the first saves alone."""
    if jax.process_count() == 1:
        return ocp.options.MultiprocessingOptions()
    return ocp.options.MultiprocessingOptions(
        primary_host=0, active_processes={0}, barrier_sync_key_prefix="first"
    )


def is_due(epoch: int, *, every: int, last: bool) -> bool:
    """Whether an epoch is to be saved: the last one always, the untrained networks never."""
    return epoch > 0 and (last or epoch % every == 0)


def to_host(state: Any) -> Any:
    """A copy of a pytree of arrays in main memory, which no later step can touch.

    A CPU's arrays are in main memory already, and JAX would give a view of them, but the next step
    is given their memory for its own results: hence a copy on every device.
    """
    for leaf in jax.tree.leaves(state):
        if isinstance(leaf, jax.Array):
            leaf.copy_to_host_async()  # all are under way before the first is waited for
    return jax.tree.map(lambda leaf: np.array(leaf, copy=True), state)


def digest(tree: Any) -> np.ndarray:
    """BLAKE2b of the names, types, shapes and bytes of a pytree of arrays, uint8 [32]."""
    hashed = hashlib.blake2b(digest_size=32)
    for name, array in sorted(_named(tree).items()):
        hashed.update(f"{name} {array.dtype} {array.shape}\n".encode())
        hashed.update(np.ascontiguousarray(array).reshape(-1).view(np.uint8).data)
    return np.frombuffer(hashed.digest(), np.uint8)


def _named(tree: Any) -> dict[str, Any]:
    """The leaves by their paths, in the order of the pytree."""
    leaves = jax.tree_util.tree_flatten_with_path(tree)[0]
    return {jax.tree_util.keystr(p, simple=True, separator="/"): x for p, x in leaves}


def _root(error: BaseException) -> str:
    """What an error began with, as Orbax wraps what TensorStore says."""
    while error.__cause__ is not None:
        error = error.__cause__
    lines = str(error).strip().splitlines()
    return f"{type(error).__name__}{': ' + lines[0][:160] if lines else ''}"
