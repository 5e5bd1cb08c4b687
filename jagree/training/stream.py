"""The feed for what does not fit the device: batches cut from files, ahead of time, by grain.

A stream is the run's dispatches one after the other, numbered through all epochs, so that one
iterator (and its worker processes, if any) serves the whole run and can begin at any of them. What
a dispatch holds depends on its number alone; grain only decides when and by whom it is made.

By threads, at most `AHEAD` dispatches wait or are in the making. By processes it is more: some
four for each, in shared memory.
"""

import contextlib
import gc
import math
import multiprocessing
import os
import signal
import threading
from collections.abc import Iterator
from typing import Any

import numpy as np

from jagree.errors import UsageError
from jagree.training.batches import Streamed
from jagree.training.feed import Batch, BatchPlan, first_dispatch, without_front

AHEAD = 2  # dispatches made before they are asked for, and threads that make them


class _Train:
    """Makes the dispatch of a number; sent to grain's workers."""

    def __init__(self, plan: BatchPlan) -> None:
        self._plan = plan

    def __call__(self, number: int) -> Batch:
        epoch, of_epoch = divmod(number, len(self._plan.train_slices))
        return with_images(self._plan, self._plan.train_dispatch(epoch + 1, of_epoch))


class _Eval:
    """The same for an evaluation."""

    def __init__(self, plan: BatchPlan) -> None:
        self._plan = plan

    def __call__(self, number: int) -> Batch:
        return with_images(self._plan, self._plan.eval_dispatch(number))


def with_images(plan: BatchPlan, batch: Batch) -> Batch:
    """A dispatch with its images in place of what the device would need to gather them."""
    index, corner = batch.inputs.position, batch.inputs.corner
    if corner is None:
        corner = np.zeros((*index.shape, 2), np.int32)
    image = _aligned((*index.shape, *plan.frames.shape))
    members: list[Any] = [...]  # all of them at once
    if index.ndim == 3 and plan.own is not None:
        members = list(plan.own)
    for k in members:
        flat = image[k].reshape(-1, *plan.frames.shape)
        plan.frames.cut(index[k].reshape(-1), corner[k].reshape(-1, 2), flat)
    return Batch(batch.position, batch.inputs._replace(position=None, corner=None, image=image))


def _aligned(shape: tuple[int, ...]) -> np.ndarray:
    """An uninitialised uint8 array that begins at a multiple of 64 bytes.

    JAX on a CPU takes such an array as it is, and copies any other.
    """
    size = math.prod(shape)
    raw = np.empty(size + 63, np.uint8)
    start = -raw.ctypes.data % 64
    return raw[start : start + size].reshape(shape)


class StreamFeed:
    """A split in files; its batches are cut on the host while the device works.

    Parameters
    ----------
    plan : BatchPlan
    epochs : int
        Of the run: where the stream ends.
    workers : int
        Processes that cut training batches; 0: threads of this one, which suffice where copying is
        all there is to do.
    """

    data = Streamed()

    def __init__(self, plan: BatchPlan, *, epochs: int, workers: int) -> None:
        self.plan = plan
        self._epochs, self._workers = epochs, workers
        self._train: tuple[int, Any] | None = None  # next number, stream

    def train_batches(self, epoch: int, first_step: int = 0) -> Iterator[Batch]:
        """The dispatches of an epoch, from a step on; of the first only what is left of it.

        The last batch comes alone. Epochs asked for one after the other come from one stream,
        which is already ahead.
        """
        each = len(self.plan.train_slices)
        first, skipped = first_dispatch(self.plan, first_step)
        if first == each:
            return
        number = (epoch - 1) * each + first
        if self._train is None or self._train[0] != number:
            self.close()
            stop = self._epochs * each
            self._train = number, self._stream(_Train(self.plan), number, stop, self._workers)
        stream = self._train[1]
        for done in range(number, epoch * each):
            self._train = done + 1, stream
            try:
                batch = next(stream)
            except RuntimeError as error:
                if not self._workers:
                    raise
                raise UsageError(
                    "a process that cuts batches was killed, for want of memory perhaps; the same "
                    "command goes on (config.training.feed_workers=0 takes the least memory)"
                ) from error
            yield without_front(batch, skipped)
            skipped = 0

    def eval_batches(self) -> Iterator[Batch]:
        """Dispatches covering the split once, in order."""
        # Begun anew each time: else its next batches would wait in memory through an epoch. By
        # threads always, for all members share these images, and they lie in order.
        stream = self._stream(_Eval(self.plan), 0, len(self.plan.eval_slices), workers=0)
        with contextlib.closing(stream):
            yield from stream

    def close(self) -> None:
        """Stop whatever is being made ahead, and whoever makes it."""
        if self._train is not None:
            self._train[1].close()
            self._train = None
            if self._workers:
                gc.collect()  # grain's iterators refer to themselves, and hold shared memory

    def _stream(self, make: Any, start: int, stop: int, workers: int) -> Any:
        import grain

        ahead = 1 if workers else AHEAD  # of each worker
        options = grain.ReadOptions(num_threads=ahead, prefetch_buffer_size=ahead)
        stream = grain.MapDataset.range(start, stop).map(make).to_iter_dataset(options)
        if workers:
            _mark_flags_as_parsed()
            one = grain.MultiprocessingOptions(num_workers=workers, per_worker_buffer_size=1)
            stream = stream.mp_prefetch(one, worker_init_fn=_end_with_parent)
        return iter(stream)


def _end_with_parent(worker: int, workers: int) -> None:
    """Let a worker end with its parent, and by nothing else.

    Left alone, it would wait for ever to hand on a batch to a parent that was killed, and Ctrl-C,
    which the terminal sends to all processes, would make it print where it was. SIGTERM, which a
    machine that goes away sends to all, would end it before the parent has saved the run.
    """
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    signal.signal(signal.SIGTERM, signal.SIG_IGN)

    def watch() -> None:
        parent = multiprocessing.parent_process()
        if parent is not None:
            parent.join()
            os._exit(1)

    threading.Thread(target=watch, daemon=True).start()


def _mark_flags_as_parsed() -> None:
    """Grain hands absl's flags on to its workers, which a script without flags has not parsed."""
    from absl import flags

    if not flags.FLAGS.is_parsed():
        flags.FLAGS.mark_as_parsed()
