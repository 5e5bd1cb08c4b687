"""The feeds against a PyTorch DataLoader per member: images per second into the step.

    JAGREE_TEST_DATA=... python bench/feed.py [--rounds=5] [--images=520] [--workers=0,1]

Three comparisons, each in turn in one run, medians and ratios:

1. 224x224 random crops of photographs, K members. Ours: the stream feed, from the prepared frames.
   PyTorch: one DataLoader per member with its own order, (a) decoding JPEG, resizing and cropping
   for each member, as torchvision's transforms do, (b) cropping from our prepared frames.
   A number of worker processes per DataLoader is measured for each in --workers; the best counts.
2. 32x32 images, whole: the resident feed, the stream feed and a TensorDataset per member.
3. What the resident feed costs a training step of LeNet5: the step with the gather, against the
   step on a batch that does not change.

Photographs are those of the Pascal fixture (260 images, used twice) or, without JAGREE_TEST_DATA,
made up. Also printed: the number of batches in memory at once, and how often the frames were made.
"""

import functools
import io
import os
import statistics
import sys
import tempfile
import threading
import time
import weakref
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from absl import app, flags
from ml_collections import ConfigDict
from PIL import Image

from jagree import pool
from jagree.data.frames import Frames, prepare
from jagree.data.images import Encoded
from jagree.data.split import Split
from jagree.networks.lenet5 import LeNet5
from jagree.training import optimizers, stream, tasks
from jagree.training.ensemble import Ensemble, choose_engine
from jagree.training.feed import BatchPlan, ResidentFeed
from jagree.training.optimizers import Hyper
from jagree.training.state import init_members
from jagree.training.steps import Learner, train_step
from jagree.training.stream import StreamFeed

try:
    import torch
    import torch.utils.data

    Dataset: Any = torch.utils.data.Dataset
except ImportError:  # ours alone are then measured
    torch = None
    Dataset = object

_ROUNDS = flags.DEFINE_integer("rounds", 5, "Times that each is measured.")
_IMAGES = flags.DEFINE_integer("images", 520, "Photographs in the split.")
_MEMBERS = flags.DEFINE_integer("members", 5, "K.")
_BATCH = flags.DEFINE_integer("batch", 64, "Examples in a batch.")
_WORKERS = flags.DEFINE_list("workers", "0,1", "Worker processes per DataLoader to try.")
RESIZE, CROP = 256, 224


class Photographs(Encoded):
    """JPEG files held in memory, so that no disk is measured."""

    def __init__(self, content: list[bytes]) -> None:
        self.content = content

    def __len__(self) -> int:
        return len(self.content)

    def encoded(self, position: int) -> bytes:
        """One file."""
        return self.content[position]

    def name(self, position: int) -> str:
        """Its number."""
        return str(position)

    def take(self, positions: np.ndarray) -> "Photographs":
        """Some of them."""
        return Photographs([self.content[i] for i in positions.tolist()])

    @property
    def stamp(self) -> str:
        """The same always: they are measured in a folder of their own."""
        return "photographs"


def photographs(number: int) -> list[bytes]:
    """JPEG files, real ones if they are at hand."""
    found = []
    if "JAGREE_TEST_DATA" in os.environ:
        from jagree.data.tfds_reader import open_split

        folder = str(Path(os.environ["JAGREE_TEST_DATA"], "tfds"))
        for year, split in ((y, s) for y in (2007, 2012) for s in ("train", "validation", "test")):
            images = open_split(f"voc/{year}", folder, split).images("image")
            found += [images.encoded(i) for i in range(len(images))]
    else:
        rng = np.random.default_rng(0)
        for _ in range(100):
            coarse = Image.fromarray(rng.integers(0, 255, (24, 32, 3), np.uint8))
            buffer = io.BytesIO()
            coarse.resize((500, 375), Image.Resampling.BICUBIC).save(buffer, "JPEG", quality=90)
            found.append(buffer.getvalue())
    return [found[i % len(found)] for i in range(number)]


class Decoding(Dataset):
    """What each member's own data set does: decode, resize, crop at random."""

    def __init__(self, content: list[bytes]) -> None:
        self.content = content

    def __len__(self) -> int:
        return len(self.content)

    def __getitem__(self, position: int) -> Any:
        with Image.open(io.BytesIO(self.content[position])) as file:
            image = file.convert("RGB")
        scale = RESIZE / min(image.size)
        size = int(image.width * scale), int(image.height * scale)
        array = np.asarray(image.resize(size, Image.Resampling.BILINEAR))
        return _cropped(array)


class Cropping(Dataset):
    """The same from our frames."""

    def __init__(self, frames: Frames) -> None:
        self.frames = frames

    def __len__(self) -> int:
        return len(self.frames)

    def __getitem__(self, position: int) -> Any:
        return _cropped(self.frames.image(position))


def _cropped(array: np.ndarray) -> Any:
    top = int(torch.randint(array.shape[0] - CROP + 1, ()))
    left = int(torch.randint(array.shape[1] - CROP + 1, ()))
    return torch.from_numpy(np.array(array[top : top + CROP, left : left + CROP]))


def loaders(dataset: Any, workers: int) -> Callable[[], int]:
    """An epoch of a DataLoader per member, in step; gives the number of images."""
    torch.set_num_threads(1)
    each = [
        torch.utils.data.DataLoader(
            dataset,
            batch_size=_BATCH.value,
            shuffle=True,
            num_workers=workers,
            persistent_workers=workers > 0,
            multiprocessing_context="spawn"
            if workers
            else None,  # a fork would inherit JAX's locks
            generator=torch.Generator().manual_seed(k),
        )
        for k in range(_MEMBERS.value)
    ]

    def epoch() -> int:
        images = 0
        for batches in zip(*each, strict=True):
            for batch in batches:
                tensor = batch[0] if isinstance(batch, list) else batch
                images += len(tensor)
        return images

    return epoch


def plan_of(frames: Frames, steps_per_dispatch: int = 1) -> BatchPlan:
    """Batches of K members."""
    return BatchPlan(
        frames,
        np.arange(len(frames), dtype=np.int32) % 10,
        members=_MEMBERS.value,
        seed=0,
        batch_size=_BATCH.value,
        eval_batch_size=125,
        steps_per_dispatch=steps_per_dispatch,
        eval_steps_per_dispatch=steps_per_dispatch,
    )


def epochs_of(feed: Any) -> Callable[[], int]:
    """An epoch of a feed, its images brought to where the compiled step has them."""
    one = jax.jit(lambda data, inputs: data.fetch(inputs))
    all_at_once = jax.jit(jax.vmap(lambda data, inputs: data.fetch(inputs), in_axes=(None, 0)))
    in_turn = choose_engine("auto", jax.default_backend())[0] == "loop"

    def fetched(inputs: Any) -> Any:
        if not in_turn:
            return all_at_once(feed.data, inputs)
        members = range(_MEMBERS.value)
        return [one(feed.data, jax.tree.map(lambda x, k=k: x[k], inputs)) for k in members]

    numbers = iter(range(1, 10_000))

    def epoch() -> int:
        images = 0
        for batch in feed.train_batches(next(numbers)):
            if batch.inputs.image is None:
                step = jax.tree.map(lambda x: x[:, 0], batch.inputs._replace(label=None))
                jax.block_until_ready(fetched(step))
            else:
                jax.block_until_ready(jax.device_put(batch.inputs.image))
            images += batch.position.size
        return images

    return epoch


def rates(ways: dict[str, Callable[[], int]]) -> dict[str, float]:
    """Images per second of each way: median over rounds, in turn, after one that warms up."""
    found: dict[str, list[float]] = {name: [] for name in ways}
    for turn in range(_ROUNDS.value + 1):
        for name, epoch in ways.items():
            started = time.perf_counter()
            images = epoch()
            if turn:
                found[name].append(images / (time.perf_counter() - started))
    return {name: statistics.median(values) for name, values in found.items()}


def show(title: str, found: dict[str, float], ours: str) -> None:
    """Print rates, and ours as a multiple of each."""
    print(title)
    for name, rate in found.items():
        ratio = "" if name == ours else f"   ours {found[ours] / rate:.2f} x"
        print(f"  {name:<46}{rate:>10,.0f} images/s{ratio}")


class Watch:
    """Counts the dispatches of the stream feed that are in memory at once."""

    def __init__(self) -> None:
        self.alive = self.most = 0
        self._lock = threading.Lock()
        self._make, stream.with_images = stream.with_images, self._watched

    def _watched(self, plan: BatchPlan, batch: Any) -> Any:
        made = self._make(plan, batch)
        with self._lock:
            self.alive += 1
            self.most = max(self.most, self.alive)
        weakref.finalize(made.inputs.image, self._gone)
        return made

    def _gone(self) -> None:
        with self._lock:
            self.alive -= 1


def crops(kept: Path) -> None:
    """The first comparison."""
    content = photographs(_IMAGES.value)
    split = Split(
        name="train",
        id=np.array([f"{i:06d}" for i in range(len(content))]),
        label=np.zeros(len(content), np.int32),
        image=Photographs(content),
        class_names=("a",),
        kept=kept,
    )
    options, told = ConfigDict({"resize": RESIZE, "crop": CROP}), []
    for _ in range(2):
        started = time.perf_counter()
        frames = prepare(
            split, options, workers=pool.cores(), advance=lambda *what: told.append(what)
        )
        print(f"frames of {len(frames)} photographs: {time.perf_counter() - started:.1f} s")
    made = sum(images for _, images, _ in told)
    print(f"images decoded in both calls together: {made} (once)")
    ours = "jagree stream, from frames"
    ways = {
        ours: epochs_of(StreamFeed(plan_of(frames), epochs=10_000, workers=0)),
        "jagree resident, cut on the device": epochs_of(ResidentFeed(plan_of(frames))),
    }
    for workers in map(int, _WORKERS.value if torch else ()):
        ways[f"PyTorch, decoding, {workers} workers a member"] = loaders(Decoding(content), workers)
        ways[f"PyTorch, our frames, {workers} workers a member"] = loaders(
            Cropping(frames), workers
        )
    watch = Watch()
    show(f"{CROP}x{CROP} random crops, K = {_MEMBERS.value}", rates(ways), ours)
    each = _MEMBERS.value * _BATCH.value * CROP * CROP * 3
    print(
        f"  in memory at most: {watch.most} dispatches of {each / 1e6:.0f} MB "
        f"(K x {_BATCH.value} images)"
    )


def small_images() -> None:
    """The second comparison, and the third."""
    image = np.random.default_rng(0).integers(0, 255, (10_000, 32, 32, 3), np.uint8)
    sizes = np.tile([[32, 32]], (len(image), 1))
    frames = Frames([image.reshape(-1, 3)], [sizes], 0)
    ours = "jagree resident"
    ways = {
        ours: epochs_of(ResidentFeed(plan_of(frames))),
        "jagree stream": epochs_of(StreamFeed(plan_of(frames), epochs=10_000, workers=0)),
    }
    for workers in map(int, _WORKERS.value if torch else ()):
        tensors = torch.utils.data.TensorDataset(torch.from_numpy(image))
        ways[f"PyTorch, TensorDataset, {workers} workers a member"] = loaders(tensors, workers)
    show(f"32x32, K = {_MEMBERS.value}", rates(ways), ours)
    step_cost(frames)


def step_cost(frames: Frames) -> None:
    """A training step with and without the gather."""
    feed = ResidentFeed(plan_of(frames))
    optimizer = optimizers.sgd(ConfigDict())
    learner = Learner(LeNet5(classes=10), tasks.SINGLE_LABEL, optimizer)
    states = init_members(
        learner.network, optimizer, frames.shape, seed=0, members=range(_MEMBERS.value)
    )
    engine, _ = choose_engine("auto", jax.default_backend())
    feeding = Ensemble(learner, states, engine=engine)
    batch = next(iter(feed.train_batches(1)))
    hyper = Hyper(*(np.full(batch.position.shape[:2], v, np.float32) for v in (0.01, 0.0, 0.9)))
    call = fixed_step(learner, states_copy(states), engine, frames, batch)

    def steps(call: Callable[[], Any]) -> Callable[[], int]:
        def some() -> int:
            for _ in range(20):
                result = call()
            jax.block_until_ready(result)
            return 20 * batch.position.size

        return some

    batches: Iterator[Any] = (b for epoch in range(1, 10_000) for b in feed.train_batches(epoch)
                              if b.position.shape == batch.position.shape)  # fmt: skip
    ways = {
        "resident feed": steps(lambda: feeding.train(feed.data, next(batches).inputs, hyper)),
        "a batch that does not change": steps(call),
    }
    found = rates(ways)
    show(f"training step of LeNet5, engine {engine}, batch {_BATCH.value}", found, "resident feed")


def fixed_step(
    learner: Learner, states: list[Any], engine: str, frames: Frames, batch: Any
) -> Callable[[], Any]:
    """A training step of all members on a batch each that stays on the device: the bare step."""
    image = frames.whole()[batch.position[:, 0]]
    label = batch.inputs.label[:, 0]
    hyper = Hyper(np.array(0.01, np.float32), np.array(0, np.float32), np.array(0.9, np.float32))
    members = range(len(states))
    if engine == "loop":
        one = jax.jit(functools.partial(train_step, learner), donate_argnums=0)
        given = [jax.device_put((image[k], label[k])) for k in members]

        def in_turn() -> Any:
            results = [one(states[k], *given[k], hyper) for k in members]
            states[:] = [state for state, _, _ in results]
            return results

        return in_turn
    together = jax.vmap(functools.partial(train_step, learner), in_axes=(0, 0, 0, None))
    step = jax.jit(together, donate_argnums=0)
    stacked = [jax.tree.map(lambda *x: jnp.stack(x), *states)]
    sent = jax.device_put((image, label))

    def at_once() -> Any:
        stacked[0], loss, _ = step(stacked[0], *sent, hyper)
        return loss

    return at_once


def states_copy(states: list[Any]) -> list[Any]:
    """States that another ensemble may donate."""
    return jax.tree.map(lambda x: x + 0, states)


def main(_: list[str]) -> None:
    """Measure and print."""
    device = jax.devices()[0].device_kind
    other = f"torch {torch.__version__}" if torch else "no torch to compare with"
    print(f"{device}, {pool.cores()} cores; jax {jax.__version__}, {other}")
    with tempfile.TemporaryDirectory() as folder:
        crops(Path(folder))
    small_images()


if __name__ == "__main__":
    sys.exit(app.run(main))
