"""A run of several processes: how they find one another, and what becomes of it when one is lost.

JAX ends a process whose run has lost another by an abort, with a page of C++ for a reason; and a
process that only waits for the lost one on an accelerator can do nothing else. So a process of such
a run is a child of one that looks after it (`guard`): it passes signals on, says in a line what has
happened, and gives the exit code that means "the same command goes on".
"""

import contextlib
import os
import signal
import subprocess
import sys
import threading
import traceback
from collections.abc import Callable, Iterator, Sequence
from types import FrameType
from typing import Any, NamedTuple

from jagree import preemption
from jagree.errors import UsageError

HEARTBEAT = 30  # seconds without a sign of life after which a process counts as lost
# Two pipes between a process and the one that looks after it: the first closes when the latter
# ends, into the second the former writes when it has met the others.
_PARENT = "JAGREE_PARENT"
_PATIENCE = 24 * 3600  # seconds that who is ready waits for who still writes; the dead are noticed
KILLED = 128  # plus the signal's number: the exit code, as a shell gives it

# What JAX, gloo, NCCL and a TPU's runtime say where another process has gone.
_SIGNS = ("gloo", "nccl", "coordination service", "unavailable:", "aborted:")

_PASSED_ON = (signal.SIGTERM, signal.SIGINT)  # but for what whoever started us has ignored

_joined = False
_asked = 0  # how often all processes have been asked whether they are to stop


class Processes(NamedTuple):
    """What one process of a run knows of the others.

    Attributes
    ----------
    coordinator : str
        HOST:PORT of the first process; "": the machines tell (a TPU pod, Slurm, ...), and the
        numbers, too.
    number, rank : int
        How many there are, and which of them this is, from 0.
    """

    coordinator: str = ""
    number: int = 0
    rank: int = 0


def asked(
    distributed: bool, coordinator: str | None, number: int | None, index: int | None
) -> Processes | None:
    """What the flags ask for; None: a run of one process.

    Raises
    ------
    UsageError
        If they do not fit together.
    """
    if coordinator is None:
        if number is not None or index is not None:
            raise UsageError(
                "--processes and --process need --coordinator=HOST:PORT of the first process; "
                "where the machines tell (TPU pods, Slurm), --distributed alone will do"
            )
        return Processes() if distributed else None
    host, colon, port = coordinator.rpartition(":")
    if not (host and colon and port.isdecimal() and 0 < int(port) < 2**16):
        raise UsageError(
            "--coordinator is HOST:PORT of the first process, as 10.0.0.2:8476, not "
            f"'{coordinator}'"
        )
    if number is None or index is None or not 0 <= index < number:
        raise UsageError(
            "--coordinator needs --processes=N, how many there are, and --process=I, which of them "
            f"this is, of 0..N-1; not {number} and {index}"
        )
    return Processes(coordinator, number, index)


def is_guarded() -> bool:
    """Whether another process looks after this one."""
    return _PARENT in os.environ


def guard(arguments: Sequence[str]) -> int:
    """Run the program with these arguments in a child and look after it; the exit code.

    SIGTERM and Ctrl-C are passed on; the second of either kills the child. If this process is
    killed, the child ends.
    """
    (read, write), (met, meets) = os.pipe(), os.pipe()
    told: list[int] = []
    with subprocess.Popen(
        [sys.executable, "-m", "jagree.main", *arguments],
        pass_fds=[read, meets],
        env={**os.environ, _PARENT: f"{read},{meets}"},
        start_new_session=True,  # else it would hear what its terminal sends twice
    ) as child:
        os.close(read)
        os.close(meets)

        def pass_on(number: int, frame: FrameType | None) -> None:
            child.send_signal(signal.SIGKILL if told else number)
            told.append(number)

        heard = [n for n in _PASSED_ON if signal.getsignal(n) is not signal.SIG_IGN]
        before = {n: signal.signal(n, pass_on) for n in heard}
        try:
            code = child.wait()
        finally:
            for number, handler in before.items():
                signal.signal(number, handler)
    os.close(write)
    had_met = os.read(met, 1)
    os.close(met)
    if code == -signal.SIGABRT and had_met:
        _say_lost()
        return preemption.EXIT_CODE
    if code == -signal.SIGABRT:
        print(
            "jagree: the processes of the run have not met; see that the same command runs in all "
            "of them, and that --coordinator, --processes and --process are right",
            file=sys.stderr,
        )
    elif code < 0:
        print(f"jagree: ended by {signal.Signals(-code).name}", file=sys.stderr)
    return KILLED - code if code < 0 else code


def _say_lost() -> None:
    print(
        "jagree: the run has lost one of its processes, or the network between them; every process "
        "ends, and the same command in each of them goes on from the last checkpoint",
        file=sys.stderr,
        flush=True,
    )


def joined() -> bool:
    """Whether this process has met others, and has not parted from them."""
    return _joined


def join(processes: Processes) -> bool:
    """Meet the others, before anything else asks JAX for a device; whether this is the first.

    Raises
    ------
    UsageError
        If nobody has said where they are.
    """
    global _joined
    _end_with_parent()
    import jax

    # Programs of several processes that a CPU runs at the same time wait for one another.
    jax.config.update("jax_cpu_enable_async_dispatch", False)
    options: dict[str, Any] = {}  # JAX finds out by itself
    if processes.coordinator:
        options = {
            "coordinator_address": processes.coordinator,
            "num_processes": processes.number,
            "process_id": processes.rank,
        }
    try:
        jax.distributed.initialize(
            **options,
            heartbeat_timeout_seconds=HEARTBEAT,
            shutdown_timeout_seconds=_PATIENCE,
        )
    except ValueError as error:
        raise UsageError(
            f"this machine does not tell where the run's processes are ({error}): give "
            "--coordinator=HOST:PORT, --processes=N and --process=I"
        ) from error
    _joined = True
    if is_guarded():
        os.write(_pipes()[1], b"1")
    return jax.process_index() == 0


def leave() -> bool:
    """Part from the others, who have to do so, too; what follows is done by one process alone.

    Returns
    -------
    bool
        Whether one of them has been told to stop since all were last asked.
    """
    global _joined
    if not _joined:
        return False
    import jax

    told = stopping()
    jax.distributed.shutdown()
    _joined = False
    if threading.current_thread() is threading.main_thread():
        handler = signal.getsignal(signal.SIGTERM)  # JAX has taken SIGTERM for itself
        signal.signal(signal.SIGTERM, handler)
    return told


@contextlib.contextmanager
def ended_at_once() -> Iterator[None]:
    """Leaving by an error ends the process, if it has joined others: they would be waited for."""
    try:
        yield
    except Exception as error:
        if not _joined or isinstance(error, UsageError):
            raise
        if any(sign in str(error).lower() for sign in _SIGNS):
            print(f"jagree: {str(error).strip().splitlines()[0]}", file=sys.stderr)
            _say_lost()
            end(preemption.EXIT_CODE)
        traceback.print_exc()
        end(1)


def end(code: int) -> int:
    """The code; but a process that has joined others ends with it here and now."""
    if _joined:
        sys.stdout.flush()
        sys.stderr.flush()
        os._exit(code)
    return code


@contextlib.contextmanager
def deferred() -> Iterator[Callable[[], bool]]:
    """As `jagree.preemption.deferred`, for all processes at once: one that is told, tells all."""
    yield stopping


def stopping() -> bool:
    """Whether any process has been told to stop: the same answer in all, who ask equally often."""
    global _asked
    from jax.experimental import multihost_utils

    _asked += 1
    return bool(multihost_utils.reached_preemption_sync_point(_asked))


def _pipes() -> tuple[int, int]:
    end, met = os.environ[_PARENT].split(",")
    return int(end), int(met)


def _end_with_parent() -> None:
    """Have this process end when the one that looks after it does."""
    if not is_guarded():
        return
    pipe = _pipes()[0]

    def watch() -> None:
        os.read(pipe, 1)  # nothing is ever written: it returns when the other end is closed
        os._exit(1)

    threading.Thread(target=watch, daemon=True).start()
