"""jagree's side of bench/ensemble.py, and the naive ways: training steps and epochs in JAX.

Ours are the program's own `Trainer` and `loop.train`. A naive step is written here, as one writes
it first; a naive epoch is the program's with XLA's plain convolution in every convolution layer.
"""

import contextlib
import itertools
import shutil
import tempfile
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any, NamedTuple, Protocol

import jax
import jax.numpy as jnp
import numpy as np
from ml_collections import ConfigDict

from jagree import registry
from jagree.configs import default
from jagree.data.frames import prepare
from jagree.data.split import Split
from jagree.networks import convolutions, layers
from jagree.record import RecordWriter
from jagree.training import loop, tasks
from jagree.training.checkpoint import Checkpoints
from jagree.training.compilation import shapes_of
from jagree.training.ensemble import Ensemble
from jagree.training.feed import BatchPlan, ResidentFeed
from jagree.training.memory import bytes_of, capacity, footprint
from jagree.training.optimizers import Hyper
from jagree.training.precision import PRECISIONS, products_in
from jagree.training.state import MemberState, fresh_members, member_shape
from jagree.training.steps import Learner, train_step
from jagree.training.trainer import Trainer

CLASSES = 10
# The paper's recipe, but for a rate that never diverges.
RECIPE = {"learning_rate": 0.01, "weight_decay": 5e-4, "momentum": 0.9}
_KEPT = 4  # dispatches drawn before the clock starts, then given in turn
NAN = float("nan")


class Case(NamedTuple):
    """What all contestants of a table do."""

    network: str
    members: int
    batch: int
    precision: str
    dispatch: int  # steps that our engines take in one dispatch
    splits: Mapping[str, Split]
    folder: Path  # for records and checkpoints


class Contestant(Protocol):
    """Somebody who can train; all is compiled when it is there."""

    setting: str  # what else there is to know, in a clause
    ready_seconds: float  # of compiling, and of the first call
    bytes_each: float  # of memory for a step, over K: states and scratch; nan: not known
    unit: int  # steps that one call takes with every member; epochs in a comparison of epochs

    def run(self, calls: int) -> None:
        """Take so many calls, and wait for the last."""

    def close(self) -> None:
        """Let go of everything."""


@contextlib.contextmanager
def naive_convolutions() -> Iterator[None]:
    """Whatever is traced meanwhile has XLA's convolution in every convolution layer."""
    chosen = layers.convolve
    layers.convolve = convolutions.dense_convolution
    try:
        yield
    finally:
        layers.convolve = chosen


def config_of(case: Case, engine: str, dispatch: int) -> ConfigDict:
    """The program's config of a case."""
    config = default.get_config()
    config.network, config.members = case.network, case.members
    config.batch_size, config.precision = case.batch, case.precision
    config.epochs = 1_000_000  # more than is ever asked for
    config.data.train_size, config.data.test_size = (len(s) for s in case.splits.values())
    config.optimizer.update(RECIPE)
    config.schedule.name = "constant"
    config.training.engine, config.training.steps_per_dispatch = engine, dispatch
    config.training.feed = "resident"
    return config


class Deaf:
    """A listener to whom nothing matters."""

    def __getattr__(self, name: str) -> Callable[..., None]:
        return lambda *_: None


def choice_of_auto(case: Case) -> tuple[str, str]:
    """The engine that `auto` takes if memory holds nothing else, and why.

    Compiles the program of stacked members if that is what it tries: only then does it know how
    much memory they need.
    """
    config = config_of(case, "auto", case.dispatch)
    with contextlib.closing(Trainer(config, case.splits, Deaf())) as trainer:
        plan = trainer.plan(1)
        if plan.engine == "loop":
            return plan.engine, plan.reason
        compiled = trainer.begin(fresh=False)
    return compiled.engine, compiled.reason


def check_memory(needed: float) -> None:
    """Raise what a device raises by itself; a CPU's system would end the process."""
    memory = capacity()
    if memory.is_main and memory.usable is not None and needed > memory.usable:
        raise MemoryError(f"{needed / 1e9:.1f} GB needed")


class Steps:
    """Training steps by an engine of ours; each call is one dispatch on batches drawn before."""

    def __init__(self, case: Case, engine: str) -> None:
        self.unit = case.dispatch
        self.setting = f"engine {engine}, {self.unit} step{'s' * (self.unit > 1)} a dispatch"
        self._feed = feed_of(case)
        self._data = self._feed.data
        full = (case.members, self.unit, case.batch)
        drawn = (b.inputs for b in self._feed.train_batches(1) if b.position.shape == full)
        inputs = list(itertools.islice(drawn, _KEPT))
        self._inputs = itertools.cycle(inputs)
        self._hyper = Hyper(**{n: np.full(full[:2], v, np.float32) for n, v in RECIPE.items()})
        like = [member_shape(*of_member(case))] * case.members
        self._ensemble: Any = Ensemble(learner_of(case), like, engine=engine)
        started = time.perf_counter()
        group = self._ensemble.compile([(self._data, shapes_of(inputs[0]))], [])
        compiled = time.perf_counter() - started
        self.bytes_each = NAN
        if group is not None:
            beside = sum(p.temp + group.calls * p.passing for p in group.programs)
            self.bytes_each = group.state + beside / case.members
            check_memory(self.bytes_each * case.members)
        states = fresh_members(*of_member(case), seed=0, members=range(case.members))
        self._ensemble.begin(states)
        started = time.perf_counter()
        self.run(1)
        self.ready_seconds = compiled + time.perf_counter() - started

    def run(self, calls: int) -> None:
        """Take so many dispatches."""
        for _ in range(calls):
            result = self._ensemble.train(self._data, next(self._inputs), self._hyper)
        jax.block_until_ready(result)

    def close(self) -> None:
        """Let go of states and images."""
        self._feed.close()
        self._ensemble = self._feed = self._data = None


def learner_of(case: Case) -> Learner:
    """Network, task and optimizer of a case."""
    precision = PRECISIONS[case.precision]
    network = registry.load("network", case.network)(classes=CLASSES, dtype=precision.dtype)
    optimizer = registry.load("optimizer", "sgd")(ConfigDict())
    return Learner(network, tasks.SINGLE_LABEL, optimizer, precision.products)


def of_member(case: Case) -> tuple[Any, ...]:
    """What `fresh_members` and `member_shape` take first."""
    learner = learner_of(case)
    return learner.network, learner.optimizer, case.splits["train"].image.shape[1:]


def feed_of(case: Case) -> Any:
    """The training images on the device, and the members' orders."""
    split = case.splits["train"]
    plan = BatchPlan(
        prepare(split, default.get_config().data),
        split.label,
        members=case.members,
        seed=0,
        batch_size=case.batch,
        eval_batch_size=case.batch,
        steps_per_dispatch=case.dispatch,
        eval_steps_per_dispatch=1,
    )
    return ResidentFeed(plan)


def shuffled(case: Case) -> np.ndarray:
    """Positions of some batches in each member's order, int32 [batches, K, B]."""
    n = len(case.splits["train"])
    order = np.stack([np.random.default_rng(k).permutation(n) for k in range(case.members)])
    batches = min(_KEPT, n // case.batch)
    order = order[:, : batches * case.batch].reshape(case.members, batches, case.batch)
    return order.swapaxes(0, 1).astype(np.int32)


def naive_of(case: Case) -> tuple[Callable[..., tuple[MemberState, Any]], tuple[Any, ...]]:
    """What one writes first, to be traced within `naive_convolutions`.

    Returns
    -------
    step : callable
        Of a state, the positions [B] of a batch, and the rest.
    rest : tuple
        All images, all labels, hyperparameters: on the device.
    """
    learner, split = learner_of(case), case.splits["train"]

    def step(state: MemberState, index: Any, image: Any, label: Any, hyper: Hyper) -> Any:
        with products_in(learner.products):
            return train_step(learner, state, image[index], label[index], hyper)[:2]

    hyper = Hyper(**{name: np.float32(value) for name, value in RECIPE.items()})
    return step, jax.device_put((split.image, split.label, hyper))


class NaiveSteps:
    """jit(vmap(step)), or jit(step) of one network K times, with XLA's convolutions."""

    unit = 1

    def __init__(self, case: Case, engine: str) -> None:
        self.setting = f"jit({'vmap(step)' if engine == 'vmap' else 'step'}), a dispatch a step"
        step, self._rest = naive_of(case)
        states: Any = list(fresh_members(*of_member(case), seed=0, members=range(case.members)))
        stacked = engine == "vmap"
        if stacked:
            step = jax.vmap(step, in_axes=(0, 0, None, None, None))
            states = [jax.tree.map(lambda *x: jnp.stack(x), *states)]
        self._states = states
        # What each call is given: the rows of all members at once, or one after the other.
        self._index = itertools.cycle(
            [jax.device_put([rows] if stacked else list(rows)) for rows in shuffled(case)]
        )
        self._step = jax.jit(step, donate_argnums=0)
        started = time.perf_counter()
        with naive_convolutions():
            arguments = self._states[0], next(self._index)[0], *self._rest
            compiled = self._step.lower(*arguments).compile()
            sizes = footprint(compiled, resident=bytes_of(arguments), inputs=0)
            states_bytes = bytes_of(self._states)
            beside = NAN if sizes is None else sizes.temp + sizes.passing
            self.bytes_each = (states_bytes + beside) / case.members
            check_memory(states_bytes + beside)
            self.run(1)
        self.ready_seconds = time.perf_counter() - started

    def run(self, calls: int) -> None:
        """Take so many steps with every network."""
        for _ in range(calls):
            losses = []
            for k, index in enumerate(next(self._index)):
                self._states[k], loss = self._step(self._states[k], index, *self._rest)
                losses.append(loss)
        jax.block_until_ready(losses)

    def close(self) -> None:
        """Let go of the states."""
        self._states = self._rest = None


def step_flops(case: Case) -> float:
    """Floating point operations of a step of one network, as XLA counts those of the naive one."""
    step, rest = naive_of(case)
    arguments = member_shape(*of_member(case)), np.zeros(case.batch, np.int32), *rest
    with naive_convolutions():
        lowered = jax.jit(step).lower(*arguments)
    return float((lowered.cost_analysis() or {}).get("flops", NAN))


class Enough(Exception):  # noqa: N818  (no error: the bench has seen enough)
    """Ends a run that would go on."""


class _Halting(Checkpoints):
    """Checkpoints before which the run waits for a word."""

    def __init__(self, folder: Path, *, every: int, halt: Callable[[int], None]) -> None:
        super().__init__(folder, every=every)
        self._halt, self._training = halt, threading.current_thread()

    def due(self, epoch: int, *, last: bool) -> bool:
        """Asked by the thread that trains when an epoch is about to be written."""
        if threading.current_thread() is self._training:
            self._halt(epoch)
        return super().due(epoch, last=last)


class Epochs(Deaf):
    """A run of the program in a thread of its own, which stands still unless `run` is called.

    It stands where an epoch is trained and judged, the one before is written, and nothing is
    computed. A call takes it to the same point of the next epoch: this one is written beside the
    training of the next.
    """

    unit, bytes_each = 1, NAN

    def __init__(self, case: Case, engine: str, *, naive: bool) -> None:
        config = config_of(case, engine, case.dispatch)
        self.setting = f"engine {engine}, at most {case.dispatch} steps a dispatch"
        self._stood, self._ended, self._error = 0, False, None
        self._go, self._stands = threading.Semaphore(0), threading.Semaphore(0)
        self._folder = Path(tempfile.mkdtemp(dir=case.folder))
        self._thread = threading.Thread(target=self._train, args=(config, case), daemon=True)
        started = time.perf_counter()
        with naive_convolutions() if naive else contextlib.nullcontext():
            self._thread.start()
            self._wait()
        self.ready_seconds = time.perf_counter() - started

    def run(self, calls: int) -> None:
        """Let so many epochs pass."""
        for _ in range(calls):
            self._go.release()
            self._wait()

    def close(self) -> None:
        """End the run and delete what it wrote."""
        self._ended = True
        self._go.release()
        self._thread.join()
        shutil.rmtree(self._folder, ignore_errors=True)

    def recorded(self, epoch: int, *_: Any) -> None:
        """Called by the run."""
        if epoch > self._stood:
            raise RuntimeError("the program does not stop where this bench counts on it")

    def _halt(self, epoch: int) -> None:
        self._stood = epoch
        self._stands.release()
        self._go.acquire()
        if self._ended:
            raise Enough

    def _train(self, config: ConfigDict, case: Case) -> None:
        try:
            recorder = RecordWriter.create(
                self._folder / "record.zarr",
                case.splits,
                networks=[case.network] * case.members,
                seed=config.seed,
                correctness=tasks.SINGLE_LABEL.correctness,
                recording=dict.fromkeys(case.splits, "epoch_end"),
                data=config.data.name,
            )
            folder, every = self._folder / "checkpoints", config.training.checkpoint_every
            with _Halting(folder, every=every, halt=self._halt) as checkpoints:
                loop.train(config, case.splits, recorder, checkpoints, self)
        except Enough:
            pass
        except BaseException as error:
            self._error = error
        finally:
            self._stands.release()

    def _wait(self) -> None:
        self._stands.acquire()
        if self._error is not None:
            self._thread.join()
            shutil.rmtree(self._folder, ignore_errors=True)
            raise self._error
