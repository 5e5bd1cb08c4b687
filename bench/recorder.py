"""What jagree.Recorder costs a PyTorch loop, as a share of its epoch.

    python bench/recorder.py [--network=resnet50] [--examples=50000] [--batch=128]
                             [--rounds=5] [--steps=0] [--epochs=5] [--folder=ON_THE_DISK_TO_MEASURE]

One network trains on pictures of CIFAR-10's size and number (random ones: the time is the same) by
SGD, and the logits of each training batch are recorded as they are, in the training forward pass.

1. Steps without the recorder and steps with it, in turn in one run; which comes first changes from
   round to round. Within a step with it the recorder's own call is timed as well: a thousandth of a
   step cannot be seen in the difference of two. (On a GPU that call first waits for the logits, as
   any reading of a loss does; there rounds are whole epochs, and their difference is what counts.)
2. Epochs of the recorder alone: all calls of an epoch on end, and the commit to the disk. The first
   commit of a run makes the record's files as well.

The share is (calls + commit) / (step without the recorder x steps of an epoch). On a CPU the epoch
of a deep network is extrapolated from these steps; the recorder's is measured in full. Where other
programs run beside, CPU time is the safer measure. Judging a test split, augmentation and loading
are no part of the epoch; they would lower the share.
"""

import importlib
import itertools
import statistics
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import torch
from absl import app, flags

import jagree

_NETWORK = flags.DEFINE_enum(
    "network",
    "resnet50",
    ["resnet50", "lenet5", "vgg16", "densenet121"],
    "Of tests/networks/torch_twins.py.",
)
_EXAMPLES = flags.DEFINE_integer("examples", 50_000, "Training examples.")
_BATCH = flags.DEFINE_integer("batch", 128, "Examples in a batch.")
_ROUNDS = flags.DEFINE_integer("rounds", 5, "Times that steps are measured in either way.")
_STEPS = flags.DEFINE_integer("steps", 0, "Steps of a round each way; 0: one, on a GPU an epoch.")
_EPOCHS = flags.DEFINE_integer("epochs", 5, "Epochs of the recorder alone.")
_FOLDER = flags.DEFINE_string("folder", "", "Where the record is written; a temporary folder.")

CLASSES = 10
RELATED_TO = (10, 15, 30, 60)  # seconds of an epoch elsewhere, to relate the recorder's to


def made(name: str) -> Any:
    """A network of the tests, which compare it with ours."""
    sys.path.insert(0, str(Path(__file__).resolve().parents[1]))
    try:
        return getattr(importlib.import_module("tests.networks.torch_twins"), name)(CLASSES)
    finally:
        sys.path.pop(0)


class Spent(NamedTuple):
    """Seconds by the clock, and of CPU time in all threads: other programs disturb the first."""

    clock: float
    cpu: float

    @classmethod
    def now(cls, *, here: bool = False) -> "Spent":
        """Since some moment in the past; with `here` the CPU time of this thread alone."""
        return cls(time.perf_counter(), time.thread_time() if here else time.process_time())

    def __sub__(self, other: "Spent") -> "Spent":
        return Spent(self.clock - other.clock, self.cpu - other.cpu)

    def __truediv__(self, number: float) -> "Spent":
        return Spent(self.clock / number, self.cpu / number)


Found = dict[str, list[Spent]]


class Loop:
    """A training loop as people write it, with the recorder in it or without."""

    def __init__(self, name: str, n: int) -> None:
        self.device = torch.device("cuda" if torch.cuda.is_available() else "cpu")
        torch.manual_seed(0)
        self.net = made(name).to(self.device, memory_format=torch.channels_last)
        self.sgd = torch.optim.SGD(self.net.parameters(), lr=0.01, momentum=0.9, weight_decay=5e-4)
        self.image = torch.randint(256, (n, 3, 32, 32), dtype=torch.uint8, device=self.device)
        self.image = self.image.contiguous(memory_format=torch.channels_last)
        self.label = torch.randint(CLASSES, (n,), device=self.device)

    def step(self, index: torch.Tensor, recorder: jagree.Recorder | None) -> Spent:
        """Train on a batch; what the recorder's call took."""
        place = index.to(self.device)
        logits = self.net(self.image[place].float().div_(255))
        loss = torch.nn.functional.cross_entropy(logits, self.label[place])
        self.sgd.zero_grad(set_to_none=True)
        loss.backward()
        self.sgd.step()
        started = Spent.now(here=True)  # other threads still spin from the step
        if recorder is not None:
            recorder.add("train", index, logits)
        return Spent.now(here=True) - started

    def wait(self) -> None:
        """Until the device has done all that it was given."""
        if self.device.type == "cuda":
            torch.cuda.synchronize()


def batches(n: int) -> Iterator[tuple[torch.Tensor, bool]]:
    """Positions of the examples of one batch after the other, and whether an epoch ends with it."""
    while True:
        *others, last = torch.randperm(n).split(_BATCH.value)
        yield from ((index, False) for index in others)
        yield last, True


def steps(loop: Loop, recorder: jagree.Recorder, n: int) -> Found:
    """A step without and with the recorder, and its call; one value a round."""
    on_gpu = loop.device.type == "cuda"
    many = _STEPS.value or (-(-n // _BATCH.value) if on_gpu else 1)
    found: Found = {"without": [], "with": [], "call": []}
    given = {"without": batches(n), "with": batches(n)}
    for turn in range(_ROUNDS.value + 1):
        for way in sorted(given, reverse=turn % 2 == 0):
            calls = []
            loop.wait()
            started = Spent.now()
            for index, last in itertools.islice(given[way], many):
                calls.append(loop.step(index, recorder if way == "with" else None))
                if last and way == "with":
                    recorder.commit(len(recorder.epochs) + 1)
            loop.wait()
            spent = (Spent.now() - started) / many
            if turn:  # the first warms up
                found[way].append(spent)
                if way == "with":
                    found["call"].append(Spent(*map(statistics.mean, zip(*calls, strict=True))))
    return found


def epochs(folder: Path, loop: Loop, n: int) -> Found:
    """All calls of an epoch, and its commit; one value an epoch."""
    recorder = jagree.Recorder(folder, train=loop.label)
    logits = torch.randn(n, CLASSES, device=loop.device)
    found: Found = {"calls": [], "commit": []}
    for epoch in range(1, _EPOCHS.value + 1):
        shuffled = torch.randperm(n).split(_BATCH.value)
        started = Spent.now()
        for index in shuffled:
            recorder.add("train", index, logits[index.to(loop.device)])
        told = Spent.now()
        recorder.commit(epoch)
        found["calls"].append(told - started)
        found["commit"].append(Spent.now() - told)
    return found


def line(what: str, values: Sequence[Spent]) -> str:
    """Medians and ranges, in milliseconds."""
    cells = []
    for of_kind in zip(*values, strict=True):
        low, middle, high = (
            f"{1e3 * v:,.2f}" for v in (min(of_kind), statistics.median(of_kind), max(of_kind))
        )
        cells.append(f"{middle:>10} ({low} to {high})")
    return f"{what:<36}{cells[0]:<40}{cells[1]}"


def show(step: Found, epoch: Found, n: int) -> None:
    """Print what was measured, what is extrapolated, and the share."""
    count = n / _BATCH.value
    pairs = list(zip(step["without"], step["with"], strict=True))
    print(f"{'milliseconds, median (range)':<36}{'by the clock':<40}CPU time")
    print(line("training step without the recorder", step["without"]))
    print(line("training step with it", step["with"]))
    print(line("difference, round by round", [b - a for a, b in pairs]))
    print(line("the recorder's call within a step", step["call"]))
    print(line("all calls of an epoch, on end", epoch["calls"]))
    print(line(f"commit of {n:,} examples", epoch["commit"]))
    for kind in Spent._fields:
        of_kind = {
            name: [getattr(v, kind) for v in values] for name, values in (step | epoch).items()
        }
        middle = {name: statistics.median(values) for name, values in of_kind.items()}
        ratio = [b / a for a, b in zip(of_kind["without"], of_kind["with"], strict=True)]
        on_end = middle["calls"] + middle["commit"]
        within = count * middle["call"] + middle["commit"]
        whole = count * middle["without"]
        print(
            f"{kind}: steps with / without {statistics.median(ratio):.4f} ({min(ratio):.4f} to "
            f"{max(ratio):.4f}); an epoch of {count:,.0f} steps {whole:,.1f} s"
        )
        print(
            f"  recorder per epoch: {within:.3f} s with calls as within steps = "
            f"{within / whole:.3%}, {on_end:.3f} s with calls on end = {on_end / whole:.3%}"
        )
        others = ", ".join(f"{max(on_end, within) / s:.1%} of {s} s" for s in RELATED_TO)
        print(f"  related to epochs elsewhere, the larger of the two: {others}")


def main(_: list[str]) -> None:
    """Measure and print."""
    n = _EXAMPLES.value
    loop = Loop(_NETWORK.value, n)
    where = torch.cuda.get_device_name() if loop.device.type == "cuda" else "CPU"
    print(
        f"{where}, torch {torch.__version__}, {torch.get_num_threads()} threads, NumPy "
        f"{np.__version__}: {_NETWORK.value}, batch {_BATCH.value}, {n:,} examples, K = 1",
        flush=True,
    )
    with tempfile.TemporaryDirectory(dir=_FOLDER.value or None) as folder:
        step = steps(loop, jagree.Recorder(Path(folder, "steps"), train=loop.label), n)
        epoch = epochs(Path(folder, "epochs"), loop, n)
    show(step, epoch, n)


if __name__ == "__main__":
    app.run(main)
