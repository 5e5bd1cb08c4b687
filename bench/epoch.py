"""Where the time of an epoch goes, with recording beside the next epoch and with recording in turn.

    python bench/epoch.py [--small] [--network=lenet5] [--members=5] [--rounds=5]
                          [--trace=FOLDER] [--folder=ON_THE_DISK_TO_MEASURE]

Trains K networks on the controlled data set (50,000 + 10,000 images; on a CPU, or with --small,
5,000 + 1,000) by the program's own loop. Each round is a few epochs in either way, one way after
the other, in one run; printed are medians over rounds, in seconds per epoch and as shares:

making batches        on the host: shuffles, positions, labels; by the stream feed, waiting for them
dispatching           handing programs to the device; a CPU may compute within it
waiting               for results of the device that were asked for two dispatches later
gathering             bringing them to the host, and each to its example
copying the state     to the host, before the next step may overwrite it
waiting for the disk  until the epoch before is written; in turn, until this one is
the rest              of the epoch's time, whatever it is

Recording and checkpoint are what the writing thread takes for them. They are no part of the sum:
beside the next epoch they cost what "waiting for the disk" says and what they take from the rest.
The last epoch of a round is waited for, as that of a run is; a round of more --epochs shows less of
it.
CPU time is that of all threads: on a CPU it tells what writing beside costs in all, even where
other processes disturb the seconds.

With --trace, one more epoch in either way is written there for TensorBoard or Perfetto.
"""

import contextlib
import itertools
import statistics
import tempfile
import time
from collections import defaultdict
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import jax
from absl import app, flags, logging
from ml_collections import ConfigDict

from jagree import data, pool
from jagree.configs import default
from jagree.record import EpochAssembly, RecordWriter
from jagree.training import writer as writing
from jagree.training.checkpoint import Checkpoints
from jagree.training.ensemble import Trained
from jagree.training.trainer import Trainer
from jagree.training.writer import EpochWriter

_NETWORK = flags.DEFINE_string("network", "lenet5", "Name of the network.")
_MEMBERS = flags.DEFINE_integer("members", 5, "K.")
_BATCH = flags.DEFINE_integer("batch", 128, "Examples in a batch.")
_SMALL = flags.DEFINE_bool("small", None, "5,000 + 1,000 images; by default on a CPU.")
_TRAIN = flags.DEFINE_integer("train", 0, "Training images; 0: as said by --small.")
_TEST = flags.DEFINE_integer("test", 0, "Test images; 0: as said by --small.")
_ENGINE = flags.DEFINE_string("engine", "auto", "vmap, loop, auto.")
_FEED = flags.DEFINE_string("feed", "auto", "resident, stream, auto.")
_PRECISION = flags.DEFINE_string("precision", "float32", "As of the config.")
_MODE = flags.DEFINE_string("mode", "epoch_end", "config.recording.mode.")
_ROUNDS = flags.DEFINE_integer("rounds", 5, "Times that each way is measured.")
_EPOCHS = flags.DEFINE_integer("epochs", 3, "Epochs of a round in either way.")
_FOLDER = flags.DEFINE_string("folder", "", "Where the record is written; a temporary folder.")
_TRACE = flags.DEFINE_string("trace", "", "Folder for a trace by jax.profiler; none by default.")

WAYS = ("beside", "in turn")
PHASES = (
    "making training batches",
    "dispatching training",
    "waiting for training",
    "making evaluation batches",
    "dispatching evaluation",
    "waiting for evaluation",
    "gathering",
    "copying the state",
    "waiting for the disk",
)
BESIDE = ("recording", "checkpoint")
CORES = "CPU time"


class Clock:
    """Seconds spent in each phase since the last `reset`."""

    def __init__(self) -> None:
        self.spent: dict[str, float] = defaultdict(float)

    @contextlib.contextmanager
    def phase(self, name: str) -> Iterator[None]:
        """What is done within it counts."""
        started = time.perf_counter()
        try:
            yield
        finally:
            self.spent[name] += time.perf_counter() - started

    def timed(self, name: str, function: Callable) -> Callable:
        """The function, whose calls count."""

        def call(*arguments: Any, **options: Any) -> Any:
            with self.phase(name):
                return function(*arguments, **options)

        return call

    def reset(self) -> dict[str, float]:
        """What was spent; begin anew."""
        spent, self.spent = self.spent, defaultdict(float)
        return spent


class Silent:
    """A listener that says nothing."""

    def __getattr__(self, name: str) -> Callable[..., None]:
        return lambda *_: None


class TimedFeed:
    """A feed whose batches are timed."""

    def __init__(self, feed: Any, clock: Clock) -> None:
        self._feed, self._clock = feed, clock
        self.data, self.plan, self.close = feed.data, feed.plan, feed.close

    def _timed(self, batches: Iterator[Any], phase: str) -> Iterator[Any]:
        end = object()
        while True:
            with self._clock.phase(phase):
                batch = next(batches, end)
            if batch is end:
                return
            yield batch

    def train_batches(self, epoch: int) -> Iterator[Any]:
        """Of an epoch."""
        return self._timed(self._feed.train_batches(epoch), "making training batches")

    def eval_batches(self) -> Iterator[Any]:
        """Of an evaluation."""
        return self._timed(self._feed.eval_batches(), "making evaluation batches")


def watch(trainer: Trainer, clock: Clock) -> None:
    """Time what the trainer, the writer and the files do."""
    trainer.feeds = {name: TimedFeed(feed, clock) for name, feed in trainer.feeds.items()}
    ensemble: Any = trainer.ensemble
    gather = ensemble.gather
    ensemble.train = clock.timed("dispatching training", ensemble.train)
    ensemble.evaluate = clock.timed("dispatching evaluation", ensemble.evaluate)

    def gathered(result: Any) -> Any:
        of_members = jax.tree.leaves(result, is_leaf=lambda x: isinstance(x, Trained))
        trained = isinstance(of_members[0], Trained)
        with clock.phase(f"waiting for {'training' if trained else 'evaluation'}"):
            jax.block_until_ready(result)
        with clock.phase("gathering"):
            return gather(result)

    ensemble.gather = gathered
    for owner, name, phase in (
        (EpochAssembly, "put", "gathering"),
        (EpochAssembly, "finish", "gathering"),
        (writing, "to_host", "copying the state"),
        (EpochWriter, "wait", "waiting for the disk"),
        (RecordWriter, "append", "recording"),
        (Checkpoints, "save", "checkpoint"),
    ):
        setattr(owner, name, clock.timed(phase, getattr(owner, name)))


def train(
    trainer: Trainer,
    recorder: RecordWriter,
    checkpoints: Checkpoints,
    numbers: Any,
    way: str,
    n: int,
) -> None:
    """Train, record and save the next n epochs in that way."""
    with EpochWriter(recorder, checkpoints, Silent()) as writer:
        for epoch in itertools.islice(numbers, n):
            fields = trainer.epochs().run(epoch, writer.stepped)
            steps = epoch * trainer.feeds["train"].plan.steps
            writer.write(epoch, fields, lambda: trainer.ensemble.stacked, steps=steps, last=True)
            if way == "in turn":
                writer.wait()


def show(found: dict[str, list[dict[str, float]]]) -> None:
    """Print medians per epoch of each way, and shares of its time."""
    print(f"{'seconds per epoch, share':<28}" + "".join(f"{way:>20}" for way in WAYS))

    def line(name: str) -> None:
        cells = []
        for way in WAYS:
            median, whole = (statistics.median(r[key] for r in found[way]) for key in (name, "all"))
            cells.append(f"{median:>11.4f}{median / whole:>8.1%} ")
        print(f"{name:<28}" + "".join(cells))

    for name in (*PHASES, "the rest", "all", CORES):
        line(name)
    print("by the thread that writes:")
    for name in BESIDE:
        line(name)
    for what in ("all", CORES):
        now, before = (statistics.median(r[what] for r in found[way]) for way in WAYS)
        print(f"{what}: in turn takes {before / now:.3f} times what it takes with writing beside")


def settings() -> ConfigDict:
    """The config that the flags describe; its schedule lasts as long as the measurement."""
    config = default.get_config()
    small = jax.default_backend() == "cpu" if _SMALL.value is None else _SMALL.value
    config.network, config.members = _NETWORK.value, _MEMBERS.value
    config.batch_size = _BATCH.value
    config.data.train_size = _TRAIN.value or (5_000 if small else 50_000)
    config.data.test_size = _TEST.value or (1_000 if small else 10_000)
    config.training.engine, config.training.feed = _ENGINE.value, _FEED.value
    config.precision, config.recording.mode = _PRECISION.value, _MODE.value
    config.epochs = len(WAYS) * (1 + _ROUNDS.value * _EPOCHS.value + 1)
    return config


def measure(config: ConfigDict, folder: Path) -> None:
    """Warm up, measure the ways in turn, print."""
    splits = data.load(config.data)
    recorder = RecordWriter.create(
        folder / "record.zarr",
        splits,
        networks=[config.network] * config.members,
        seed=config.seed,
        correctness="single_label",
        recording={"train": config.recording.mode, "test": "epoch_end"},
        data="controlled",
    )
    clock, numbers = Clock(), iter(range(1, config.epochs + 1))
    found: dict[str, list[dict[str, float]]] = {way: [] for way in WAYS}
    with (
        contextlib.closing(Trainer(config, splits, Silent())) as trainer,
        Checkpoints(folder / "checkpoints", every=1) as checkpoints,
    ):
        trainer.begin(fresh=True)
        watch(trainer, clock)
        plan = trainer.plan(1)
        sizes = " + ".join(f"{len(split):,}" for split in splits.values())
        print(
            f"{plan.device}, {pool.cores()} cores, jax {jax.__version__}: {config.members} "
            f"{config.network}, {sizes} images, {plan.steps} steps of {config.batch_size}, engine "
            f"{plan.engine}, feed {plan.feed}, recording {config.recording.mode}",
            flush=True,
        )
        for turn in range(_ROUNDS.value + 1):
            for way in WAYS:
                n = _EPOCHS.value if turn else 1
                clock.reset()
                started, cores = time.perf_counter(), time.process_time()
                train(trainer, recorder, checkpoints, numbers, way, n)
                each, cores = time.perf_counter() - started, time.process_time() - cores
                spent = {"all": each / n, CORES: cores / n} | dict.fromkeys((*PHASES, *BESIDE), 0.0)
                spent |= {name: seconds / n for name, seconds in clock.reset().items()}
                spent["the rest"] = spent["all"] - sum(spent[phase] for phase in PHASES)
                if turn:
                    found[way].append(spent)
        show(found)
        if _TRACE.value:
            with jax.profiler.trace(_TRACE.value):
                for way in WAYS:
                    train(trainer, recorder, checkpoints, numbers, way, 1)
            print(f"trace: {_TRACE.value}")


def main(_: list[str]) -> None:
    """Measure in the folder that was asked for."""
    logging.set_verbosity(logging.FATAL)  # Orbax tells dozens of lines about each checkpoint
    config = settings()
    if _FOLDER.value:
        Path(_FOLDER.value).mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=_FOLDER.value or None) as folder:
        measure(config, Path(folder))


if __name__ == "__main__":
    app.run(main)
