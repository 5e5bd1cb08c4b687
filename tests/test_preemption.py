"""SIGTERM: who hears it, when, and what is left behind."""

import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator

import pytest

from jagree import commandline, preemption
from jagree.preemption import Preempted, check, deferred, noticed
from tests.conftest import REPOSITORY


@pytest.fixture(autouse=True)
def usual() -> Iterator[None]:
    """SIGTERM as a process finds it."""
    before = signal.signal(signal.SIGTERM, signal.SIG_DFL)
    yield
    assert preemption._notice is None
    signal.signal(signal.SIGTERM, before)


def terminate() -> None:
    signal.raise_signal(signal.SIGTERM)


def test_sigterm_is_raised_and_the_handler_is_the_old_one_again() -> None:
    def own(*_: object) -> None: ...

    signal.signal(signal.SIGTERM, own)

    def within() -> None:
        with noticed():
            assert signal.getsignal(signal.SIGTERM) is not own
            terminate()
            pytest.fail("nothing was raised")

    with pytest.raises(Preempted, match=r"^stopped by SIGTERM; the same command goes on from what"):
        within()
    assert signal.getsignal(signal.SIGTERM) is own
    with noticed():
        pass
    assert signal.getsignal(signal.SIGTERM) is own


def test_preempted_is_taken_for_no_fault() -> None:
    assert not issubclass(Preempted, Exception)


def test_deferred_it_only_tells_and_the_next_ends_the_process() -> None:
    with noticed():
        with deferred() as stopping:
            assert not stopping()
            terminate()
            assert stopping()
            assert stopping()
            assert signal.getsignal(signal.SIGTERM) == signal.SIG_DFL
        with pytest.raises(Preempted):
            check()
    check()  # elsewhere it is forgotten


def test_what_was_heard_before_is_told_at_once() -> None:
    with noticed():
        with pytest.raises(Preempted):
            terminate()
        with deferred() as stopping:  # somebody swallowed it
            assert stopping()


def test_after_the_deferral_it_is_raised_again() -> None:
    with noticed():
        with deferred():
            pass
        check()
        with pytest.raises(Preempted):
            terminate()


def test_it_is_heard_once_even_if_asked_for_twice() -> None:
    with noticed(), noticed():
        handler = signal.getsignal(signal.SIGTERM)
        with noticed():
            assert signal.getsignal(signal.SIGTERM) is handler
        assert signal.getsignal(signal.SIGTERM) is handler
        with deferred() as stopping:
            terminate()
            assert stopping()


def test_a_process_that_ignores_it_goes_on_ignoring_it() -> None:
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
    with noticed(), deferred() as stopping:
        terminate()
        assert not stopping()
        assert signal.getsignal(signal.SIGTERM) == signal.SIG_IGN


def test_other_threads_than_the_main_one_leave_it_alone() -> None:
    found: list[object] = []

    def other() -> None:
        with noticed(), deferred() as stopping:
            found.extend([signal.getsignal(signal.SIGTERM), stopping()])

    thread = threading.Thread(target=other)
    thread.start()
    thread.join()
    assert found == [signal.SIG_DFL, False]


def test_it_decorates() -> None:
    @noticed()
    def work(times: int) -> int:
        """Do it."""
        if times < 0:
            terminate()
        return 2 * times

    assert work(3) == 6
    assert work.__doc__ == "Do it."
    with pytest.raises(Preempted):
        work(-1)
    assert work(4) == 8


def test_the_exit_code_is_that_of_a_temporary_failure(capsys: pytest.CaptureFixture) -> None:
    stopped = Preempted(" in epoch 3 at step 120 of 391; the same command goes on from there")
    assert commandline.preempted(stopped) == os.EX_TEMPFAIL == 75
    assert capsys.readouterr().err == (
        "stopped by SIGTERM in epoch 3 at step 120 of 391; the same command goes on from there\n"
    )


STUCK = """
import signal, time
from jagree.preemption import deferred, noticed
with noticed(), deferred() as stopping:
    print("begun", flush=True)
    while not stopping():
        time.sleep(0.01)
    print("told", flush=True)
    time.sleep(60)
"""


def test_a_second_sigterm_ends_at_once() -> None:
    command = [sys.executable, "-c", STUCK]
    with subprocess.Popen(command, cwd=REPOSITORY, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == "begun\n"
        process.terminate()
        assert process.stdout.readline() == "told\n"
        before = time.monotonic()
        process.terminate()
        process.wait(timeout=30)
    assert process.returncode == -signal.SIGTERM
    assert time.monotonic() - before < 10
