"""K networks at once: jagree's engines, the naive ways in JAX, and PyTorch one network at a time.

    python bench/ensemble.py --out=ensemble.csv         # for a GPU; begins nothing after 20 minutes
    python bench/ensemble.py --small                    # less of it, for two CPU cores

Measured for each network and number of members K, in one run, all contestants in alternating
rounds (median, smallest and largest):

``step``
    A training step of every member: bytes gathered by each member's own shuffled positions, scaled
    to [0, 1], forward, backward, SGD with momentum 0.9 and weight decay 5e-4. The positions are
    drawn beforehand.
``epoch``
    All of an epoch as the program does it (`loop.train`, from the second epoch on): shuffle, train,
    judge every example of both splits, record and checkpoint on disk. PyTorch does the same, but
    saves two arrays (prediction, log p) where the record has four. Its images/s are training images
    over the time of all of it.

Contestants (``--contestants``; by default those that apply):

``vmap``, ``loop``
    The program's engines; ``auto`` marks the one that it takes.
``naive-vmap``
    jit(vmap(step)) with XLA's convolution in every layer, as one writes it first: the convolutions
    become grouped ones.
``naive-one``
    The jitted step of one network, K times, with XLA's convolutions. Both naive forms have our
    other layers and our precision, and in ``epoch`` our feed, engine and record as well.
``torch``
    PyTorch, one network after the other, in the faster of its two layouts of memory, in the same
    precision (bfloat16: AMP).
``torch-amp``, ``torch-compile``
    On a GPU: the same in AMP bfloat16, whatever --precision is; and by torch.compile.

"PyTorch" in a ratio is the faster of ``torch`` and ``torch-compile``. Ratios are of speed: above 1
is faster. Compiled programs are kept for the run, so that the program of one network is compiled
once for all K; the time of its first call is that of the first K. Memory per network is that of the
states and of the program's scratch, over K; the images come on top.

JAX takes three quarters of a GPU's memory when it starts and PyTorch gets the rest; to share it
otherwise set XLA_PYTHON_CLIENT_MEM_FRACTION. All contestants of a table are in memory at once. Who
fails, for want of memory too, is reported, and the others go on.

On a CPU nothing else may run beside it: PyTorch's threads wait for each other in a busy loop, so
that a core which somebody else takes slows it far more than JAX, and every ratio flatters us.
"""

import contextlib
import csv
import functools
import gc
import itertools
import math
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import contestants_torch
import jax
from absl import app, flags, logging
from contestants import (
    Case,
    Contestant,
    Epochs,
    NaiveSteps,
    Steps,
    choice_of_auto,
    config_of,
    step_flops,
)
from contestants_torch import TorchEpochs, TorchSteps
from ensemble_tables import PEAKS, Comparison, Row, columns, free_name, show

from jagree import data, pool
from jagree.config import CHOICES
from jagree.errors import UsageError

OURS = ("vmap", "loop")
NAIVE = {"naive-vmap": "vmap", "naive-one": "loop"}  # engine
TORCH = {"torch": (False, False), "torch-amp": (True, False), "torch-compile": (False, True)}
NAMES = (*OURS, "auto", *NAIVE, *TORCH)
NETWORKS = ("lenet5", "vgg16", "resnet50", "densenet121")
WHAT = ("step", "epoch")

_NETWORKS = flags.DEFINE_list("networks", list(NETWORKS), "Networks, at 32x32.")
_MEMBERS = flags.DEFINE_list("members", ["1", "5", "25"], "Numbers of members.")
_BATCH = flags.DEFINE_integer("batch", 128, "Images of a member's step.", lower_bound=1)
_ROUNDS = flags.DEFINE_integer("rounds", 5, "Times that each is measured.", lower_bound=1)
_CONTESTANTS = flags.DEFINE_list("contestants", [], f"Of {', '.join(NAMES)}; empty: all that fit.")
_WHAT = flags.DEFINE_list("what", list(WHAT), "step, epoch or both.")
_TRAIN = flags.DEFINE_integer("train_size", 10_240, "Training images.", lower_bound=1)
_TEST = flags.DEFINE_integer("test_size", 2_048, "Test images, of an epoch.", lower_bound=1)
_PRECISION = flags.DEFINE_enum("precision", "float32", CHOICES["precision"], "To compute in.")
_DISPATCH = flags.DEFINE_integer(
    "dispatch", 20, "Steps of one dispatch of ours; 1 on a CPU.", lower_bound=1
)
_SECONDS = flags.DEFINE_float("seconds", 10, "Fewer rounds of whoever would take longer for all.")
_MINUTES = flags.DEFINE_float("minutes", 20, "After so many nothing is begun; 0: no limit.")
_SMALL = flags.DEFINE_boolean("small", False, "A choice for a CPU, for ten minutes on two cores.")
_OUT = flags.DEFINE_string("out", "ensemble.csv", "Table to write; given a number if it is there.")

# The deep networks take seconds a step on two cores, the naive forms several times that.
SMALL = (
    *(Comparison("lenet5", k, "step", 128, 1_280, 500) for k in (1, 5, 25)),
    Comparison("lenet5", 5, "epoch", 128, 1_280, 500),
    Comparison("vgg16", 1, "step", 32, 320, 100),
    Comparison("resnet50", 1, "step", 32, 320, 100),
    Comparison("densenet121", 5, "step", 128, 1_280, 500),
)


def wanted() -> list[str]:
    """Names of the contestants, `auto` not among them: it is one of the others."""
    names = list(_CONTESTANTS.value)
    if not names:
        only_gpu = ("torch-amp", "torch-compile")
        names = [n for n in NAMES if jax.default_backend() == "gpu" or n not in only_gpu]
        if _PRECISION.value == "bfloat16" and "torch-amp" in names:
            names.remove("torch-amp")  # torch is that already
    if "auto" in names:
        names[:0] = OURS
    without = ("auto", *(() if contestants_torch.twins() else TORCH))
    return [name for name in dict.fromkeys(names) if name not in without]


def make(name: str, what: str, case: Case) -> Contestant:
    """A contestant, made ready."""
    if name in TORCH:
        mixed, compiled = TORCH[name]
        of_torch = TorchSteps if what == "step" else TorchEpochs
        return of_torch(case, mixed=mixed, compiled=compiled)
    engine = NAIVE.get(name, name)
    if what == "epoch":
        return Epochs(case, engine, naive=name in NAIVE)
    return NaiveSteps(case, engine) if name in NAIVE else Steps(case, engine)


def compare(what: str, case: Case, late: Callable[[], bool]) -> list[Row]:
    """Measure all contestants of a table in turn."""
    rows = [Row(name) for name in wanted()]
    ready: dict[str, Contestant] = {}
    turns = {}
    for row in rows:
        if late():
            row.problem = "left out: no time was left"
            continue
        with reported(row):
            contestant = ready[row.contestant] = make(row.contestant, what, case)
            row.setting, row.bytes_each = contestant.setting, contestant.bytes_each
            row.ready_seconds = _of_first(row, what, case, contestant.ready_seconds)
            first = timed(contestant, 1)
            # A round of steps is a quarter of a second at least.
            calls = max(1, min(50, math.ceil(0.25 / first))) if what == "step" else 1
            row.per_round = calls * contestant.unit
            turns[row.contestant] = max(1, min(_ROUNDS.value, int(_SECONDS.value / first / calls)))
            told(f"{case.network}, K = {case.members}, {what}: {row.contestant} is ready")
    for turn, row in itertools.product(range(_ROUNDS.value), rows):
        if turn < turns.get(row.contestant, 0) and not row.problem:
            with reported(row):
                contestant = ready[row.contestant]
                seconds = timed(contestant, row.per_round // contestant.unit)
                row.seconds.append(seconds / row.per_round)
    for contestant in ready.values():
        contestant.close()
    return rows


def timed(contestant: Contestant, calls: int) -> float:
    """Seconds of so many calls."""
    started = time.perf_counter()
    contestant.run(calls)
    return time.perf_counter() - started


_first: dict[tuple[Any, ...], float] = {}


def _of_first(row: Row, what: str, case: Case, seconds: float) -> float:
    """The seconds until it was ready; of a step of one network, those with the first K."""
    if what == "step" and row.contestant in ("loop", "naive-one"):
        key = row.contestant, case.network, case.batch
        return _first.setdefault(key, seconds)
    return seconds


@contextlib.contextmanager
def reported(row: Row) -> Iterator[None]:
    """An error within becomes the row's problem."""
    try:
        yield
    except Exception as error:  # whoever fails, the others go on
        first = next(iter(str(error).splitlines()), "")
        signs = ("RESOURCE_EXHAUSTED", "out of memory")
        short = isinstance(error, MemoryError) or any(s in str(error) for s in signs)
        kind = "out of memory" if short else type(error).__name__
        row.problem = first[:150] if isinstance(error, UsageError) else f"{kind}: {first[:150]}"
        row.seconds = []
        told(f"{row.contestant}: {row.problem}")
        error.__traceback__ = None  # its frames hold arrays
    if row.problem:
        gc.collect()
        contestants_torch.release()


def told(message: str) -> None:
    """A sign of life."""
    print(f"  {message}", file=sys.stderr, flush=True)


def mark_auto(rows: list[Row], case: Case) -> None:
    """Mark the engine that `auto` takes. Nothing else may be in memory, which it looks at."""
    if not any(row.contestant in OURS for row in rows):
        return
    key = case.network, case.members, case.batch
    if key not in _choices:
        chosen = Row("auto")
        with reported(chosen):
            _choices[key] = choice_of_auto(case)
    engine, reason = _choices.get(key, ("", ""))
    for row in rows:
        row.auto = reason if row.contestant == engine else ""


_choices: dict[tuple[Any, ...], tuple[str, str]] = {}


def comparisons() -> list[Comparison]:
    """The tables asked for."""
    if _SMALL.value:
        return list(SMALL)
    return [
        Comparison(network, int(members), what, _BATCH.value, _TRAIN.value, _TEST.value)
        for network in _NETWORKS.value
        for what in _WHAT.value
        for members in _MEMBERS.value
    ]


def measure(of: Comparison, folder: Path, late: Callable[[], bool]) -> list[dict[str, Any]]:
    """One table, ready to be printed and written."""
    splits = _splits(of.train_size, of.test_size)
    case = Case(of.network, of.members, of.batch, _PRECISION.value, dispatch(), splits, folder)
    rows = compare(of.what, case, late)
    gc.collect()
    contestants_torch.release()
    if not late():
        mark_auto(rows, case)
    if (key := (of.network, of.batch)) not in _flops:
        _flops[key] = step_flops(case)
    return columns(of, rows, _flops[key], conditions())


_flops: dict[tuple[str, int], float] = {}  # of a network's step at a batch


def dispatch() -> int:
    """Steps of one dispatch of ours."""
    return 1 if jax.default_backend() == "cpu" else _DISPATCH.value


@functools.cache
def _splits(train_size: int, test_size: int) -> Any:
    """The embedded data set; every contestant sees the same images."""
    sizes: Any = {"train": range(train_size), "test": range(test_size)}
    empty = Case("lenet5", 1, 1, "float32", 1, sizes, Path())
    return data.load(config_of(empty, "auto", 1).data)


@functools.cache
def conditions() -> dict[str, Any]:
    """What all rows of a run have in common."""
    torch = contestants_torch.torch
    return {
        "precision": _PRECISION.value,
        "device": jax.devices()[0].device_kind,
        "backend": jax.default_backend(),
        "cores": pool.cores(),
        "jax": jax.__version__,
        "torch": torch.__version__ if torch else "",
        "torch_threads": torch.get_num_threads() if torch else "",
        "rounds_at_most": _ROUNDS.value,
        "started_utc": time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime()),
    }


def say_conditions() -> None:
    """Print them in a line."""
    c = conditions()
    without = "" if contestants_torch.twins() else contestants_torch.missing
    torch = f"torch {c['torch']}, {c['torch_threads']} threads"
    print(
        f"{c['device']} ({c['backend']}), {c['cores']} cores; jax {c['jax']}; "
        f"{f'without PyTorch: {without}' if without else torch}; precision {c['precision']}; "
        f"at most {c['rounds_at_most']} alternating rounds, {_SECONDS.value:g} s a contestant"
    )
    if any(kind in c["device"] for kind in PEAKS):
        print("of peak: FLOPs as XLA counts those of naive-one, peaks of the vendors' data sheets")


def check_flags() -> None:
    """Raise for what is not known, before anything is compiled."""
    known = {"networks": NETWORKS, "contestants": NAMES, "what": WHAT}
    for flag, names in known.items():
        for name in flags.FLAGS[flag].value:
            if name not in names:
                raise app.UsageError(f"--{flag}: unknown '{name}'; known: {', '.join(names)}")
    if not all(m.isdecimal() and int(m) for m in _MEMBERS.value):
        raise app.UsageError(f"--members: not whole numbers above 0: {', '.join(_MEMBERS.value)}")
    if not _SMALL.value and _TRAIN.value < _BATCH.value * dispatch():
        least = _BATCH.value * dispatch()
        raise app.UsageError(f"--train_size must be a dispatch at least, here {least} images")


def main(_: list[str]) -> None:
    """Measure, print, write."""
    logging.set_verbosity(logging.WARNING)
    check_flags()
    say_conditions()
    out = free_name(Path(_OUT.value))
    end = time.monotonic() + (60 * _MINUTES.value or math.inf)
    tables = [list(group) for _, group in itertools.groupby(comparisons(), lambda c: c.network)]
    with tempfile.TemporaryDirectory() as name, out.open("x", newline="") as file:
        jax.config.update("jax_compilation_cache_dir", str(Path(name, "programs")))
        for number, of_network in enumerate(tables):  # each gets an equal share of what is left
            now = time.monotonic()
            share = now + (end - now) / (len(tables) - number)
            for comparison in of_network:
                found = measure(
                    comparison, Path(name), lambda until=share: time.monotonic() > until
                )
                show(comparison, found)
                writer = csv.DictWriter(file, list(found[0]))
                if not file.tell():
                    writer.writeheader()
                writer.writerows(found)
                for stream in (file, sys.stdout):
                    stream.flush()
    print(f"\nwritten: {out}")


if __name__ == "__main__":
    app.run(main)
