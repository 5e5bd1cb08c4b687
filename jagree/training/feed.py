"""Which examples each member sees, in which order: the resident feed.

Axis letters: K members, S steps of one dispatch, B batch, N examples.
"""

from collections.abc import Iterator

import jax
import numpy as np

from jagree import seeds
from jagree.data.split import Split
from jagree.training.ensemble import Resident


def shuffle(n: int, *, seed: int, member: int, epoch: int) -> np.ndarray:
    """Member's order of the n examples in an epoch (1 for the first), int32 [n]."""
    order = seeds.generator(seed, "shuffle", member=member, epoch=epoch).permutation(n)
    return order.astype(np.int32)


def chunk_lengths(steps: int, longest: int) -> list[int]:
    """Split so many steps into dispatches no longer than `longest`, nearly all of one length.

    Each length is compiled once, so there are at most two different ones.
    """
    if steps == 0:
        return []
    length = -(-steps // -(-steps // longest))
    full, rest = divmod(steps, length)
    return [length] * full + ([rest] if rest else [])


class ResidentFeed:
    """A split that lives on the device; batches are positions, gathered by the compiled step.

    Parameters
    ----------
    split : Split
    members, batch_size, seed : int
    eval_batch_size : int
        Only a matter of speed.
    steps_per_dispatch : int
        The largest S.
    """

    def __init__(
        self,
        split: Split,
        *,
        members: int,
        seed: int,
        batch_size: int,
        eval_batch_size: int,
        steps_per_dispatch: int,
    ) -> None:
        self.size = len(split)
        self.data = Resident(jax.device_put(split.image), jax.device_put(split.label))
        self._members, self._seed = members, seed
        self._batch_size, self._longest = batch_size, steps_per_dispatch
        self._eval_batch_size = min(eval_batch_size, self.size)

    @property
    def steps(self) -> int:
        """Training steps of an epoch, the smaller last batch included."""
        return -(-self.size // self._batch_size)

    def train_batches(self, epoch: int) -> Iterator[np.ndarray]:
        """Index arrays [K, S, B] of one epoch; the smaller last batch comes alone."""
        order = np.stack(
            [
                shuffle(self.size, seed=self._seed, member=k, epoch=epoch)
                for k in range(self._members)
            ]
        )
        full = self.size // self._batch_size
        start = 0
        for length in chunk_lengths(full, self._longest):
            stop = start + length * self._batch_size
            yield order[:, start:stop].reshape(self._members, length, self._batch_size)
            start = stop
        if start < self.size:
            yield order[:, None, start:]

    def eval_batches(self) -> Iterator[tuple[np.ndarray, np.ndarray]]:
        """(index [S, B], mask [S, B]) covering the split once, in order.

        The last batch is padded with example 0, where the mask is False; never cut.
        """
        size = self._eval_batch_size
        batches = -(-self.size // size)
        position = np.arange(batches * size, dtype=np.int32).reshape(batches, size)
        mask = position < self.size
        index = np.where(mask, position, 0).astype(np.int32)
        start = 0
        for length in chunk_lengths(batches, self._longest):
            yield index[start : start + length], mask[start : start + length]
            start += length
