"""A batch in parts, each on a device of its own: averages over the batch are over all of them.

Steps and layers are written for one batch. Who spreads its examples over the devices of a mesh says
so while they are traced (`batch_in_parts`), and the averages that a step takes over its batch (the
loss, the gradients, BatchNorm's moments) become those of the whole batch.
"""

import contextlib
from collections.abc import Iterator
from contextvars import ContextVar
from typing import Any, NamedTuple

from jax import lax


class _Parts(NamedTuple):
    axis: str
    number: int


_of_batch: ContextVar[_Parts | None] = ContextVar("parts of the batch", default=None)


@contextlib.contextmanager
def batch_in_parts(axis: str, number: int) -> Iterator[None]:
    """What is traced meanwhile sees one part of its batch.

    Parameters
    ----------
    axis : str
        The mesh axis that the parts lie along.
    number : int
        How many parts of equal size there are; 1 if every device along the axis sees the whole
        batch. (Averages are taken even then: what lies on these devices must stay equal.)
    """
    before = _of_batch.set(_Parts(axis, number))
    try:
        yield
    finally:
        _of_batch.reset(before)


def mean_over_parts(tree: Any) -> Any:
    """The mean of a pytree of arrays over the parts of the batch; itself where it is in one."""
    parts = _of_batch.get()
    return tree if parts is None else lax.pmean(tree, parts.axis)


def number_of_parts() -> int:
    """How many parts the batch is in."""
    parts = _of_batch.get()
    return 1 if parts is None else parts.number
