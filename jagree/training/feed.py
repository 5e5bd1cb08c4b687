"""Which examples each member sees, in which order, and of them which crop.

Two feeds that give the same images (a test says so):

``resident``
    The split lives on the device; a batch is positions, and the compiled step gathers the images.
``stream``
    The split lies in files; a batch is cut on the host, ahead of time (`jagree.training.stream`).

Axis letters: K members, S steps of one dispatch, B batch, N examples.
"""

import functools
import itertools
import threading
from collections.abc import Callable, Iterator, Sequence
from typing import Any, NamedTuple, Protocol

import jax
import numpy as np

from jagree import seeds
from jagree.data.frames import Frames
from jagree.training.batches import Crops, Inputs, Whole


class Batch(NamedTuple):
    """One dispatch.

    Attributes
    ----------
    position : int array [K, S, B], in evaluation [S, B]
        Positions of the examples; -1 is padding.
    inputs : Inputs
        Arrays [K, S, B, ...]; in evaluation [S, B, ...], but the label [K, S, B, ...].
    """

    position: np.ndarray
    inputs: Inputs


class Feed(Protocol):
    """The batches of one split."""

    @property
    def data(self) -> Any:
        """What of the split lies on the device; its `fetch` gives the images of a batch."""

    @property
    def plan(self) -> "BatchPlan":
        """Which examples are in which batch."""

    def train_batches(self, epoch: int, first_step: int = 0) -> Iterator[Batch]:
        """The batches of an epoch, from a step on; the first may be the rest of a dispatch."""

    def eval_batches(self) -> Iterator[Batch]:
        """Batches that cover the split once, in order, the last one padded."""

    def close(self) -> None:
        """Let go of threads and processes; the feed is not used any more."""


def shuffle(n: int, *, seed: int, member: int, epoch: int) -> np.ndarray:
    """Member's order of the n examples in an epoch (1 for the first), int32 [n]."""
    order = seeds.generator(seed, "shuffle", member=member, epoch=epoch).permutation(n)
    return order.astype(np.int32)


def random_corners(room: np.ndarray, *, seed: int, member: int, epoch: int) -> np.ndarray:
    """Upper left corners of the member's random crops in an epoch, uniform, int32 [n, 2].

    Parameters
    ----------
    room : int array [n, 2]
        The largest corner of each example, inclusive.
    """
    uniform = seeds.generator(seed, "crop", member=member, epoch=epoch).random(room.shape)
    return np.floor(uniform * (room + 1)).astype(np.int32)


def chunk_lengths(steps: int, longest: int) -> list[int]:
    """Split so many steps into dispatches no longer than `longest`, nearly all of one length.

    Each length is compiled once, so there are at most two different ones.
    """
    if steps == 0:
        return []
    length = -(-steps // -(-steps // longest))
    full, rest = divmod(steps, length)
    return [length] * full + ([rest] if rest else [])


class BatchPlan:
    """Which examples, crops and labels are in which batch: arithmetic on the host, no image.

    Parameters
    ----------
    frames : Frames
    label : array [N, ...], or int [K, N] where members are given different labels
    by_member : bool
        Whether it is the latter.
    members, seed, batch_size : int
    eval_batch_size, steps_per_dispatch, eval_steps_per_dispatch : int
        Only matters of speed and memory.
    random_crop : bool
        Whether training crops at random; else in the centre, as evaluation does.
    own : sequence of int, optional
        Members that this process trains, if it is one of several; what a stream cuts for the
        others is left undefined.
    """

    def __init__(
        self,
        frames: Frames,
        label: np.ndarray,
        *,
        members: int,
        seed: int,
        batch_size: int,
        eval_batch_size: int,
        steps_per_dispatch: int,
        eval_steps_per_dispatch: int,
        by_member: bool = False,
        random_crop: bool = True,
        own: Sequence[int] | None = None,
    ) -> None:
        self.frames, self.own = frames, own
        self.size, self.members = len(frames), members
        self._label, self._by_member = label, by_member
        self._seed, self._batch_size, self._longest = seed, batch_size, steps_per_dispatch
        self._eval_batch_size = min(eval_batch_size, self.size)
        self._longest_eval = eval_steps_per_dispatch
        self._centre = frames.centre if frames.crop else None
        self._lock = threading.Lock()
        self._random = random_crop and frames.crop > 0
        self._drawn: dict[int, tuple[np.ndarray, np.ndarray | None]] = {}

    @property
    def steps(self) -> int:
        """Training steps of an epoch, the smaller last batch included."""
        return -(-self.size // self._batch_size)

    @functools.cached_property
    def train_slices(self) -> list[tuple[slice, int, int]]:
        """Of each dispatch of an epoch: which examples of a member's order, S and B."""
        size, slices = self._batch_size, []
        start = 0
        for length in chunk_lengths(self.size // size, self._longest):
            slices.append((slice(start, start + length * size), length, size))
            start += length * size
        if start < self.size:  # the smaller last batch comes alone
            slices.append((slice(start, self.size), 1, self.size - start))
        return slices

    @functools.cached_property
    def eval_slices(self) -> list[slice]:
        """Of each dispatch of an evaluation: which batches."""
        batches = -(-self.size // self._eval_batch_size)
        ends = np.cumsum([0, *chunk_lengths(batches, self._longest_eval)]).tolist()
        return [slice(a, b) for a, b in itertools.pairwise(ends)]

    def train_dispatch(self, epoch: int, number: int) -> Batch:
        """One dispatch of an epoch, without images."""
        order, corner = self._epoch(epoch)
        which, steps, size = self.train_slices[number]
        shape = (self.members, steps, size)
        index = order[:, which]
        inputs = Inputs(
            position=index.reshape(shape),
            corner=None if corner is None else self._corners(corner, index).reshape(*shape, 2),
            image=None,
            label=self._labels(index).reshape(*shape, *self._label.shape[self._by_member + 1 :]),
        )
        return Batch(inputs.position, inputs)

    def eval_dispatch(self, number: int) -> Batch:
        """One dispatch of an evaluation, without images.

        The last batch is padded with example 0, where the batch's position is -1; never cut.
        """
        batch = np.arange(self.eval_slices[number].start, self.eval_slices[number].stop)
        position = batch[:, None] * self._eval_batch_size + np.arange(self._eval_batch_size)
        mask = position < self.size
        index = np.where(mask, position, 0).astype(np.int32)
        of_all = np.broadcast_to(index, (self.members, *index.shape))
        inputs = Inputs(
            position=index,
            corner=None if self._centre is None else self._centre[index],
            image=None,
            label=self._labels(of_all.reshape(self.members, -1)).reshape(
                *of_all.shape, *self._label.shape[self._by_member + 1 :]
            ),
        )
        return Batch(np.where(mask, index, -1), inputs)

    def __getstate__(self) -> dict[str, Any]:
        return {k: v for k, v in vars(self).items() if k != "_lock"} | {"_drawn": {}}

    def __setstate__(self, state: dict[str, Any]) -> None:
        vars(self).update(state)
        self._lock = threading.Lock()

    def _epoch(self, epoch: int) -> tuple[np.ndarray, np.ndarray | None]:
        """What was drawn for an epoch; kept for this epoch and the one before."""
        with self._lock:  # several threads make dispatches
            if epoch not in self._drawn:
                before = {e: d for e, d in self._drawn.items() if e == epoch - 1}
                self._drawn = before | {epoch: self._draw(epoch)}
            return self._drawn[epoch]

    def _draw(self, epoch: int) -> tuple[np.ndarray, np.ndarray | None]:
        """Orders [K, N] and, where crops are cut, the corners [K, N, 2] or [N, 2] of an epoch."""
        names = [{"seed": self._seed, "member": k, "epoch": epoch} for k in range(self.members)]
        order = np.stack([shuffle(self.size, **name) for name in names])
        if not self.frames.crop:
            return order, None
        if not self._random:
            return order, self._centre
        return order, np.stack([random_corners(self.frames.room, **name) for name in names])

    def _corners(self, corner: np.ndarray, index: np.ndarray) -> np.ndarray:
        """Of examples [K, n]."""
        return np.take_along_axis(corner, index[..., None], 1) if self._random else corner[index]

    def _labels(self, index: np.ndarray) -> np.ndarray:
        """Of examples [K, n]."""
        return np.take_along_axis(self._label, index, 1) if self._by_member else self._label[index]


class ResidentFeed:
    """A split that lives on the device; batches are positions, gathered by the compiled step.

    Parameters
    ----------
    plan : BatchPlan
    put : callable
        Brings a NumPy array to the device, or to all of them.
    """

    def __init__(
        self, plan: BatchPlan, put: Callable[[np.ndarray], jax.Array] = jax.device_put
    ) -> None:
        frames = plan.frames
        self.plan = plan
        self.data: Whole | Crops
        if frames.crop:
            self.data = Crops(
                pixel=put(frames.packed()),
                start=put(frames.start.astype(np.int32)),
                width=put(frames.size[:, 1].astype(np.int32)),
                crop=frames.crop,
            )
        else:
            self.data = Whole(put(frames.whole()))

    def train_batches(self, epoch: int, first_step: int = 0) -> Iterator[Batch]:
        """The dispatches of an epoch, from a step on; of the first only what is left of it."""
        first, skipped = first_dispatch(self.plan, first_step)
        for number in range(first, len(self.plan.train_slices)):
            yield without_front(self.plan.train_dispatch(epoch, number), skipped)
            skipped = 0

    def eval_batches(self) -> Iterator[Batch]:
        """Dispatches covering the split once, in order."""
        for number in range(len(self.plan.eval_slices)):
            yield self.plan.eval_dispatch(number)

    def close(self) -> None:
        """Nothing runs beside a resident feed."""


def first_dispatch(plan: BatchPlan, step: int) -> tuple[int, int]:
    """The dispatch that contains a step (from 0) of an epoch, and its steps before that one.

    The number of dispatches, and 0, for the step after the last.

    Raises
    ------
    ValueError
        If the epoch has no such step.
    """
    begins = np.cumsum([0, *(steps for _, steps, _ in plan.train_slices)])
    if not 0 <= step <= begins[-1]:
        raise ValueError(f"an epoch has {begins[-1]} steps, of which {step} cannot be taken")
    number = int(np.searchsorted(begins, step, side="right")) - 1
    return number, step - int(begins[number])


def without_front(batch: Batch, steps: int) -> Batch:
    """A training dispatch without its first steps."""
    if not steps:
        return batch
    position, inputs = jax.tree.map(lambda x: x[:, steps:], (batch.position, batch.inputs))
    return Batch(position, inputs)
