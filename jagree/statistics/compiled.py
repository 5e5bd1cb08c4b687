"""Loops compiled by Numba, kept on disk between processes."""

from collections.abc import Callable
from typing import Any

import numba


def compiled(function: Callable[..., Any]) -> Callable[..., Any]:
    """The function, compiled when it is first called for a type of arguments.

    The machine code is cached on disk, so that worker processes load it; where no folder for it can
    be written to (a read-only installation without a home), each process compiles its own.
    Strict IEEE arithmetic: results must not depend on how a loop is vectorised.
    """
    try:
        return numba.njit(function, cache=True, nogil=True)
    except RuntimeError:  # no place to cache
        return numba.njit(function, nogil=True)
