"""Which feed a run gets, and making it."""

import math
from collections.abc import Mapping, Sequence
from typing import Any

import jax
import numpy as np
from ml_collections import ConfigDict

from jagree.data.frames import Frames
from jagree.data.split import Split
from jagree.errors import UsageError
from jagree.training.batches import Inputs, Streamed
from jagree.training.compilation import shapes_of
from jagree.training.feed import BatchPlan, Feed, ResidentFeed
from jagree.training.memory import Capacity, capacity
from jagree.training.mesh import ONE_DEVICE, Placement
from jagree.training.stream import StreamFeed
from jagree.words import size

_SHARE = 4  # a device gives at most a quarter of its memory to images
_LONGEST = 2**31  # pixels that 32-bit positions reach
_BYTES_PER_DISPATCH = 64_000_000  # of images that a stream sends at once; at least one step


def make_feeds(
    config: ConfigDict,
    splits: Mapping[str, Split],
    frames: Mapping[str, Frames],
    kind: str,
    backend: str,
    placement: Placement = ONE_DEVICE,
    own: Sequence[int] | None = None,
) -> dict[str, Feed]:
    """The feed of each split, resident or stream; `own` as of `BatchPlan`."""
    # A loop in the compiled program saves launches on an accelerator, but on a CPU it slows
    # convolutions by an order of magnitude (jax#12868). Large batches fill an accelerator; a
    # CPU judges an image in the same time in small ones (bench/convolution.py).
    steps, eval_batch_size = (1, 125) if backend == "cpu" else (100, 1_000)
    image = math.prod(common_shape(frames))
    columns = placement.shape.columns
    # The same with both feeds, for the size of a batch may decide the last bits of a result.
    eval_batch_size = config.training.eval_batch_size or _at_most(eval_batch_size, image)
    eval_batch_size = -(-eval_batch_size // columns) * columns  # which part it evenly
    eval_steps = steps
    if kind == "stream":  # what is sent waits in memory several times over
        steps = _at_most(steps, config.members * config.batch_size * image)
        eval_steps = _at_most(eval_steps, eval_batch_size * image)
    feeds: dict[str, Feed] = {}
    for name, split in splits.items():
        plan = BatchPlan(
            frames[name],
            split.label,
            by_member=split.by_member,
            members=config.members,
            seed=config.seed,
            batch_size=config.batch_size,
            eval_batch_size=eval_batch_size,
            steps_per_dispatch=config.training.steps_per_dispatch or steps,
            eval_steps_per_dispatch=config.training.steps_per_dispatch or eval_steps,
            random_crop=config.data.random_crop,
            own=own,
        )
        if kind == "resident":
            feeds[name] = ResidentFeed(plan, placement.everywhere)
        else:
            workers = config.training.feed_workers
            feeds[name] = StreamFeed(plan, epochs=config.epochs, workers=workers)
    return feeds


def _at_most(number: int, size: int) -> int:
    """So many things of so many bytes, or fewer if they would not fit into a dispatch."""
    return max(1, min(number, _BYTES_PER_DISPATCH // size))


def common_shape(frames: Mapping[str, Frames]) -> tuple[int, int, int]:
    """Height, width and channels of what the networks see; the same in all splits.

    Raises
    ------
    UsageError
        If they are not.
    """
    shapes = {name: f.shape for name, f in frames.items()}
    if len(set(shapes.values())) > 1:
        sizes = ", ".join(f"{h}x{w} in '{name}'" for name, (h, w, _) in shapes.items())
        raise UsageError(
            f"the splits' images are of different sizes ({sizes}), and a network takes one; set "
            "data.resize (the shorter side) and data.crop"
        )
    return next(iter(shapes.values()))


def bytes_on_device(frames: Frames) -> int:
    """What the resident feed would take."""
    return frames.pixels * (4 if frames.crop else 3)


def choose_feed(
    name: str, frames: Mapping[str, Frames], memory: Capacity | None = None
) -> tuple[str, str]:
    """The feed to use and, in a clause for the user, why; by default for the memory of here.

    Raises
    ------
    UsageError
        If `name` is "resident" and the images cannot be addressed.
    """
    too_long = [s for s, f in frames.items() if f.crop and f.pixels >= _LONGEST]
    if name == "resident" and too_long:
        raise UsageError(
            f"'{too_long[0]}' has {frames[too_long[0]].pixels:,} pixels, of which the resident "
            f"feed can address {_LONGEST:,}; set training.feed=stream, or a smaller data.resize"
        )
    if name != "auto":
        return name, "as configured"
    needed, memory = sum(map(bytes_on_device, frames.values())), memory or capacity()
    fits = needed <= memory.total // _SHARE and not too_long
    return (
        "resident" if fits else "stream",
        f"{size(needed)} of images {'fit in' if fits else 'are more than'} a quarter of the "
        f"{size(memory.total)} of {memory.where}",
    )


def train_shapes(feed: Feed) -> list[Inputs]:
    """What the training dispatches of an epoch are given, each shape once; no image is read.

    Returns
    -------
    list of Inputs
        Of `jax.ShapeDtypeStruct`, at most three: full dispatches, a shorter one, the last batch.
    """
    plan = feed.plan
    like = _inputs(feed, 0)
    cases = dict.fromkeys((plan.members, steps, size) for _, steps, size in plan.train_slices)

    def shaped(array: Any, case: tuple[int, int, int], axes: int = 2) -> Any:
        return array if array is None else array.update(shape=(*case, *array.shape[axes:]))

    return [
        Inputs(
            position=shaped(like.position, case),
            corner=shaped(like.corner, case),
            image=shaped(like.image, case),
            label=shaped(like.label, case, 3),
        )
        for case in cases
    ]


def eval_shapes(feed: Feed) -> list[Inputs]:
    """The same of an evaluation's dispatches, at most two: full ones and a shorter one."""
    slices = feed.plan.eval_slices
    numbers = {part.stop - part.start: number for number, part in enumerate(slices)}
    return [_inputs(feed, number) for number in numbers.values()]


def _inputs(feed: Feed, number: int) -> Inputs:
    """The shapes of what an evaluation's dispatch is given."""
    inputs = feed.plan.eval_dispatch(number).inputs
    if isinstance(feed.data, Streamed):
        shape = (*inputs.position.shape, *feed.plan.frames.shape)
        image = jax.ShapeDtypeStruct(shape, np.uint8)
        inputs = inputs._replace(position=None, corner=None, image=image)
    return shapes_of(inputs)
