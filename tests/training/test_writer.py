"""Recording beside training: what overlaps, what waits, and who hears of it when."""

import errno
import itertools
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from types import SimpleNamespace
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from jagree.training import writer as module
from jagree.training.checkpoint import to_host
from jagree.training.writer import EpochWriter
from tests.conftest import REPOSITORY
from tests.training.disk import Disk, held


@pytest.fixture
def disk() -> Disk:
    return Disk()


def test_the_next_epoch_trains_while_one_is_written_and_is_told_of_it_when_it_is(
    disk: Disk,
) -> None:
    go = threading.Event()
    disk.before["save", 1] = held(go)
    with disk.writer() as writer:
        disk.write(writer, 1)
        writer.stepped(2, 3)
        writer.stepped(2, 3)
        assert ("told", 1) not in disk.log
        go.set()
        while ("told", 1) not in disk.log:
            time.sleep(0.001)
            writer.stepped(2, 3)
        told = len(disk.log)
        writer.stepped(2, 3)
        assert disk.log[told:] == [("step", 2)]
    steps = disk.log.count(("step", 2))
    without = [what for what in disk.log if what[0] != "step"]
    assert without == [("copy", 1), ("record", 1), ("save", 1), ("told", 1)]
    assert steps >= 4


def test_who_hands_over_an_epoch_waits_for_the_one_before(disk: Disk) -> None:
    go = threading.Event()
    disk.before["record", 1] = held(go)
    disk.before["record", 2] = lambda: time.sleep(0.05)
    with disk.writer() as writer:
        disk.write(writer, 1)
        threading.Timer(0.05, go.set).start()
        for epoch in (2, 3):
            disk.write(writer, epoch, last=epoch == 3)
            assert disk.log[-1][1] in (epoch, epoch - 1)
            assert ("told", epoch - 1) in disk.log
    # The copy of an epoch, too, is made when the one before is gone.
    order = [(w, e) for e in (1, 2, 3) for w in ("copy", "record", "save", "told")]
    assert disk.log == order


def test_only_epochs_that_are_due_are_copied_and_saved() -> None:
    disk = Disk(every=3)
    with disk.writer() as writer:
        for epoch in range(6):
            disk.write(writer, epoch, last=epoch == 5)
    assert [e for w, e in disk.log if w == "copy"] == [3, 5]
    assert [e for w, e in disk.log if w == "save"] == [3, 5]  # not 0: nothing was trained
    assert [e for w, e in disk.log if w == "told"] == [0, 1, 2, 3, 4, 5]


def test_the_seconds_of_the_epochs_add_up(disk: Disk, monkeypatch: pytest.MonkeyPatch) -> None:
    clock = iter([10.0, 13.0, 20.0, 26.5])  # made, and the end of each epoch
    monkeypatch.setattr(module, "time", SimpleNamespace(monotonic=lambda: next(clock)))
    with disk.writer() as writer:
        for epoch in (1, 2, 3):
            disk.write(writer, epoch)
    assert disk.seconds == [3.0, 7.0, 6.5]


def test_the_state_that_is_saved_is_the_one_before_the_next_step() -> None:
    go, disk = threading.Event(), Disk()
    disk.before["record", 1] = held(go)
    step = jax.jit(lambda x: x + 1, donate_argnums=0)
    state = jnp.arange(5_000.0)
    with disk.writer() as writer:
        writer.write(1, {"of": 1}, lambda: {"w": state}, steps=10, last=False)
        for _ in range(3):
            state = step(state)
        jax.block_until_ready(state)
        go.set()
    np.testing.assert_array_equal(disk.state[1]["w"], np.arange(5_000.0))
    assert state[0] == 3


def test_a_copy_in_main_memory_is_no_view_of_the_devices() -> None:
    state = {"a": jnp.arange(7.0), "b": (jnp.ones((2, 3), jnp.bfloat16), jnp.int32(5))}
    copy = to_host(state)
    assert jax.tree.structure(copy) == jax.tree.structure(state)
    for ours, theirs in zip(jax.tree.leaves(copy), jax.tree.leaves(state), strict=True):
        view = np.asarray(theirs)
        assert type(ours) is np.ndarray
        assert ours.dtype == theirs.dtype
        assert not np.shares_memory(ours, view)
        np.testing.assert_array_equal(ours, view)


def test_a_checkpoint_within_an_epoch_comes_in_its_turn_and_nobody_is_told(disk: Disk) -> None:
    go = threading.Event()
    disk.before["record", 1] = held(go)
    with disk.writer() as writer:
        disk.write(writer, 1)
        threading.Timer(0.05, go.set).start()
        disk.keep(writer, 14)
        assert disk.log[-1][0] in ("copy", "kept")
        disk.keep(writer, 17)
        writer.stepped(2, 1)
        disk.write(writer, 2, last=True)
    without = [what for what in disk.log if what[0] != "step"]
    first = [(w, 1) for w in ("copy", "record", "save", "told")]
    kept = [(w, steps) for steps in (14, 17) for w in ("copy", "kept")]
    assert without == [*first, *kept, *((w, 2) for w in ("copy", "record", "save", "told"))]
    for steps in (14, 17):
        np.testing.assert_array_equal(disk.state[steps]["w"], np.full(3, steps))
        np.testing.assert_array_equal(disk.gathered[steps]["sum"], np.full(2, steps))


def test_the_seconds_of_an_epoch_hold_those_of_the_checkpoints_within_it(
    disk: Disk, monkeypatch: pytest.MonkeyPatch
) -> None:
    clock = iter([10.0, 13.0, 14.0, 20.0])
    monkeypatch.setattr(module, "time", SimpleNamespace(monotonic=lambda: next(clock)))
    with disk.writer() as writer:
        disk.write(writer, 1)
        disk.keep(writer, 14)
        disk.write(writer, 2)
    assert disk.seconds == [3.0, 7.0]


def test_a_checkpoint_within_an_epoch_that_fails_is_an_error_of_the_training(disk: Disk) -> None:
    def fail() -> None:
        raise OSError(errno.ENOSPC, "full")

    disk.before["kept", 4] = fail

    def train() -> None:
        with disk.writer() as writer:
            disk.keep(writer, 4)

    with pytest.raises(OSError, match="full"):
        train()


def one_epoch_and_then(disk: Disk, act: Any, error: BaseException | None) -> None:
    with disk.writer() as writer:
        disk.write(writer, 1)
        act(writer)
        if error is not None:
            raise error


# --- errors -------------------------------------------------------------------------------------


def test_a_thread_that_cannot_be_had_is_an_error_and_not_waited_for(
    disk: Disk, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(_: threading.Thread) -> None:
        raise RuntimeError("can't start new thread")

    def train() -> None:
        with disk.writer() as writer:
            disk.write(writer, 1)
            monkeypatch.setattr(threading.Thread, "start", refuse)
            disk.write(writer, 2)

    with pytest.raises(RuntimeError, match="new thread"):
        train()
    assert ("told", 1) in disk.log
    assert ("record", 2) not in disk.log


@pytest.mark.parametrize("notices", ["step", "next epoch", "end"])
@pytest.mark.parametrize("phase", ["record", "save"])
@pytest.mark.parametrize(
    "error", [OSError(errno.ENOSPC, "full"), SystemExit("killed")], ids=["full", "exit"]
)
def test_what_writing_raises_is_raised_where_it_trains(
    disk: Disk, notices: str, phase: str, error: BaseException
) -> None:
    def fail() -> None:
        raise error

    disk.before[phase, 1] = fail
    threads = threading.active_count()

    def train() -> None:
        with disk.writer() as writer:
            disk.write(writer, 1)
            if notices == "step":
                for _ in itertools.count():
                    time.sleep(0.001)
                    writer.stepped(2, 1)
            if notices == "next epoch":
                disk.write(writer, 2)

    with pytest.raises(type(error)) as caught:
        train()
    assert caught.value is error
    assert threading.active_count() == threads
    expected = [("copy", 1)] + [("record", 1)] * (phase == "save")
    assert [what for what in disk.log if what[0] != "step"] == expected


@pytest.mark.parametrize("writing_fails", [False, True])
def test_an_error_of_the_training_waits_for_what_is_written_and_is_the_one_that_counts(
    disk: Disk, writing_fails: bool
) -> None:
    go = threading.Event()

    def late() -> None:
        held(go)()
        if writing_fails:
            raise OSError("too late")

    disk.before["save", 1] = late
    threads = threading.active_count()
    timer = threading.Timer(0.05, go.set)
    with pytest.raises(ValueError, match="of the training"):
        one_epoch_and_then(disk, lambda _: timer.start(), ValueError("of the training"))
    timer.join()
    assert threading.active_count() == threads
    written = [("copy", 1), ("record", 1)]
    assert disk.log == written + ([] if writing_fails else [("save", 1), ("told", 1)])


def test_an_error_of_the_listener_is_raised_and_leaves_no_thread(disk: Disk) -> None:
    def fail() -> None:
        raise OSError("no room for run.json")

    disk.before["told", 1] = fail
    with pytest.raises(OSError, match=r"run\.json"):
        one_epoch_and_then(disk, lambda writer: disk.write(writer, 2), None)
    assert ("copy", 2) not in disk.log


# --- Ctrl-C -------------------------------------------------------------------------------------


@pytest.fixture
def interruptible() -> Iterator[None]:
    """Ctrl-C is KeyboardInterrupt; a shell starts what is in its background without it."""
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    yield
    signal.signal(signal.SIGINT, before)


@pytest.mark.usefixtures("interruptible")
def test_ctrl_c_waits_for_what_is_written_and_says_so(
    disk: Disk, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "_PATIENCE", 0.01)
    go, handlers = threading.Event(), []

    def finishing() -> None:
        handlers.append(signal.getsignal(signal.SIGINT))
        go.set()

    disk.before["save", 1] = held(go)
    disk.before["finishing", 1] = finishing
    with pytest.raises(KeyboardInterrupt):
        one_epoch_and_then(disk, lambda _: signal.raise_signal(signal.SIGINT), None)
    assert handlers == [signal.SIG_DFL]  # by which the next Ctrl-C ends the process
    assert signal.getsignal(signal.SIGINT) is signal.default_int_handler
    order = ("copy", "record", "save", "told")
    assert [w for w, _ in disk.log if w != "finishing"] == list(order)
    assert ("finishing", 1) in disk.log


def test_ctrl_c_says_nothing_if_nothing_is_being_written(disk: Disk) -> None:
    with pytest.raises(KeyboardInterrupt):
        one_epoch_and_then(disk, EpochWriter.wait, KeyboardInterrupt())
    assert [w for w, _ in disk.log] == ["copy", "record", "save", "told"]


def test_who_ignores_ctrl_c_goes_on_ignoring_it(
    disk: Disk, monkeypatch: pytest.MonkeyPatch, interruptible: None
) -> None:
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    monkeypatch.setattr(module, "_PATIENCE", 0.01)
    go, handlers = threading.Event(), []

    def finishing() -> None:
        handlers.append(signal.getsignal(signal.SIGINT))
        go.set()

    disk.before["save", 1] = held(go)
    disk.before["finishing", 1] = finishing
    with pytest.raises(KeyboardInterrupt):
        one_epoch_and_then(disk, lambda _: None, KeyboardInterrupt())
    assert handlers == [signal.SIG_IGN]
    assert signal.getsignal(signal.SIGINT) == signal.SIG_IGN


@pytest.mark.usefixtures("interruptible")
def test_ctrl_c_while_the_last_epoch_is_written(disk: Disk) -> None:
    ended = threading.Event()

    def interrupt() -> None:
        held(ended)()
        time.sleep(0.1)  # by now it is waited for
        signal.pthread_kill(threading.main_thread().ident, signal.SIGINT)  # type: ignore[arg-type]
        time.sleep(0.1)

    disk.before["save", 1] = interrupt
    with pytest.raises(KeyboardInterrupt):
        one_epoch_and_then(disk, lambda _: ended.set(), None)
    assert disk.log[-2:] == [("save", 1), ("told", 1)]


STUCK = """
import os, signal, threading
from tests.training.disk import Disk

signal.signal(signal.SIGINT, signal.default_int_handler)
disk = Disk()
disk.before["save", 1] = threading.Event().wait  # for ever
disk.before["finishing", 1] = lambda: (
    print("finishing", flush=True), os.kill(os.getpid(), signal.SIGINT)
)
with disk.writer() as writer:
    disk.write(writer, 1)
    os.kill(os.getpid(), signal.SIGINT)
    writer.wait()
"""


def test_a_second_ctrl_c_ends_at_once() -> None:
    done = subprocess.run(
        [sys.executable, "-c", STUCK],
        cwd=REPOSITORY,
        env={**os.environ, "PYTHONPATH": str(REPOSITORY)},
        capture_output=True,
        text=True,
        timeout=120,
    )
    assert done.stdout == "finishing\n", done.stderr
    assert done.returncode == -signal.SIGINT


def test_in_another_thread_than_the_main_one_signals_are_left_alone(disk: Disk) -> None:
    found: list[BaseException] = []

    def other() -> None:
        disk.main = threading.get_ident()
        try:
            with disk.writer() as writer:
                disk.write(writer, 1)
                raise ValueError("of the training")
        except BaseException as error:
            found.append(error)

    disk.before["save", 1] = lambda: time.sleep(0.05)
    thread = threading.Thread(target=other)
    thread.start()
    thread.join()
    assert [str(error) for error in found] == ["of the training"]
    assert disk.log[-1] == ("told", 1)
