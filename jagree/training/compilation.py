"""Compiling each program once: ahead of the run, and, kept in a folder, only once for all runs."""

import contextlib
import os
import re
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import jax
import numpy as np
from jax.experimental.compilation_cache import compilation_cache

MOST = 2_000_000_000  # bytes that kept programs may take: some thousand networks' steps
_ENTRY = re.compile(r".+-[0-9a-f]{64}-cache")  # what JAX calls a program that it keeps
_ours: list[str] = []  # the folder that this process was told by us, if any


class Program:
    """A function of arrays, compiled once for each shape of its arguments but the first.

    The first argument, a state, is always of one shape. What `compile` makes is what a call runs:
    nothing is compiled a second time, whatever JAX's own caches do.

    Parameters
    ----------
    function : callable
    options
        Of `jax.jit`.
    """

    def __init__(self, function: Callable, **options: Any) -> None:
        self._jit = jax.jit(function, **options)
        self._compiled: dict[Any, Any] = {}

    def compile(self, state: Any, *arguments: Any) -> Any:
        """The `jax.stages.Compiled` for arguments of these shapes; compiled unless it is known.

        Arguments may be arrays or `jax.ShapeDtypeStruct`.
        """
        leaves, tree = jax.tree.flatten(arguments)
        key = tree, *((leaf.shape, leaf.dtype) for leaf in leaves)
        if key not in self._compiled:
            self._compiled[key] = self._jit.lower(*shapes_of((state, *arguments))).compile()
        return self._compiled[key]

    def __call__(self, *arguments: Any) -> Any:
        """Call the function, compiled now if need be."""
        return self.compile(*arguments)(*arguments)

    def __len__(self) -> int:
        """How many have been compiled."""
        return len(self._compiled)


def shapes_of(tree: Any) -> Any:
    """Each array of a pytree as the `jax.ShapeDtypeStruct` that a device has of it."""
    return jax.tree.map(
        lambda x: jax.ShapeDtypeStruct(
            np.shape(x),
            jax.dtypes.canonicalize_dtype(x.dtype),
            sharding=getattr(x, "sharding", None),
        ),
        tree,
    )


def keep_programs(choice: str) -> str:
    """Have JAX keep what it compiles, for the next process that wants the same.

    Parameters
    ----------
    choice : str
        ``config.training.compilation_cache``: a folder, "" for the user's own, "off" for none.
        Whoever has told JAX a folder, or to keep nothing, has told it last.

    Returns
    -------
    str
        Where they are kept or why they are not, in a clause; "" if nobody wants them kept.
    """
    told = _setting("jax_compilation_cache_dir")
    if not _setting("jax_enable_compilation_cache"):
        return ""
    if told and told not in _ours:
        return f"kept in {told}"
    if choice == "off":
        _tell(None)
        return ""
    folder = Path(choice)
    try:
        folder = folder.expanduser() if choice else default_folder()
        # A kept program is run as it is, so nobody else may put one there.
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        with tempfile.TemporaryFile(dir=folder):
            pass
        prune(folder, MOST)
    except (OSError, RuntimeError) as error:  # the latter: this user has no home
        _tell(None)
        return f"not kept, for '{folder}' cannot be used: {getattr(error, 'strerror', error)}"
    _tell(str(folder.absolute()))
    return f"kept in {folder}"


def default_folder() -> Path:
    """Where a user's compiled programs lie: in the cache folder of the XDG specification."""
    base = Path(os.environ.get("XDG_CACHE_HOME", ""))
    return (base if base.is_absolute() else Path.home() / ".cache") / "jagree" / "compiled"


def prune(folder: Path, most: int) -> None:
    """Delete the programs that were used longest ago until the others take at most so many bytes.

    Other files are left alone. JAX does this by itself only with a lock around every access, which
    not every file system has.
    """
    found = []
    for path in folder.iterdir():
        if _ENTRY.fullmatch(path.name):
            with contextlib.suppress(FileNotFoundError):  # another process may prune, too
                stat = path.stat()
                found.append((max(stat.st_atime, stat.st_mtime), stat.st_size, path))
    total = sum(size for _, size, _ in found)
    for _, size, path in sorted(found):
        if total <= most:
            return
        path.unlink(missing_ok=True)
        total -= size


def _setting(name: str) -> Any:
    return getattr(jax.config, name)


def _tell(folder: str | None) -> None:
    """Tell JAX the folder; anything that it was told by us before is forgotten."""
    if _setting("jax_compilation_cache_dir") == folder:
        return
    compilation_cache.reset_cache()  # else it goes on with the first one of the process
    jax.config.update("jax_compilation_cache_dir", folder)
    _ours[:] = [folder] if folder else []
    name = "jax_persistent_cache_min_compile_time_secs"
    if name.upper() not in os.environ:  # JAX's own is a second: a run has many programs below it
        jax.config.update(name, 0.0)
