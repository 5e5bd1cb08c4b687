"""Work in several processes: the same function for many arguments, results as they come."""

import contextlib
import multiprocessing
import os
import signal
import threading
from collections.abc import Callable, Generator, Iterable, Iterator
from concurrent.futures import FIRST_COMPLETED, Future, ProcessPoolExecutor, wait
from concurrent.futures.process import BrokenProcessPool
from multiprocessing.connection import Connection
from typing import Any, TypeVar

from threadpoolctl import threadpool_limits

from jagree.errors import UsageError

Task = TypeVar("Task")
_AHEAD = 2  # tasks in flight per worker: enough that none waits, few enough for the memory


def run(
    function: Callable[..., Any],
    tasks: Iterable[tuple[Task, Callable[[], tuple[Any, ...]]]],
    workers: int,
    *,
    field: str,
) -> Generator[tuple[Task, Any], None, None]:
    """Yield ``(task, function(*arguments()))`` for each task, in the order in which they end.

    Parameters
    ----------
    function : callable
        At module level, so that other processes find it.
    tasks : iterable of (task, callable)
        The callable gives the arguments, and is called when the task is about to start: the images
        of a million examples must not wait in memory.
    workers : int
        Processes; 1: this one.
    field : str
        The config's field that gives their number, for the error.

    Raises
    ------
    UsageError
        If a worker was killed.
    """
    # More threads than one would fight over the cores, and may change the last bits.
    if workers == 1:
        with threadpool_limits(1):
            for task, arguments in tasks:
                yield task, function(*arguments())
        return
    # Not forked: JAX's threads may live in this process, and locks they hold would never open.
    context = multiprocessing.get_context("spawn")
    leash, held = context.Pipe(duplex=False)
    executor = ProcessPoolExecutor(
        workers, mp_context=context, initializer=_begin, initargs=(leash,)
    )
    running: dict[Future[Any], Task] = {}
    try:
        for task, arguments in tasks:
            if len(running) >= _AHEAD * workers:
                yield from _finished(running)
            with _ctrl_c_waits():
                running[executor.submit(function, *arguments())] = task
        while running:
            yield from _finished(running)
    except BrokenProcessPool as error:
        raise UsageError(
            "a process that worked on images was killed, for want of memory perhaps; the same "
            f"command goes on (config.{field}=1 takes the least memory, and no other process, "
            "which a script needs that does not say if __name__ == '__main__')"
        ) from error
    finally:
        if running:  # interrupted: nobody wants what is being measured
            held.close()
        executor.shutdown(wait=True, cancel_futures=True)
        held.close()
        leash.close()


@contextlib.contextmanager
def _ctrl_c_waits() -> Iterator[None]:
    """Hold Ctrl-C back while processes start, which inherit that and so never hear of it."""
    if not hasattr(signal, "pthread_sigmask"):  # not on this system
        yield
        return
    before = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)


def cores() -> int:
    """Cores that this process may use."""
    try:
        return len(os.sched_getaffinity(0))
    except AttributeError:  # not on this system
        return os.cpu_count() or 1


def _finished(running: dict[Future[Any], Task]) -> Iterator[tuple[Task, Any]]:
    done, _ = wait(running, return_when=FIRST_COMPLETED)
    for future in done:
        yield running.pop(future), future.result()


def _begin(leash: Connection) -> None:
    """Prepare a worker: one thread of linear algebra, and no life beyond its parent's wish."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # the parent is told too, and lets go
    threadpool_limits(1)
    threading.Thread(target=_die_when_let_go, args=(leash,), daemon=True).start()


def _die_when_let_go(leash: Connection) -> None:
    # Closed by the parent, or with it: its death alone would leave the executor's workers waiting
    # for ever, because each holds the others' pipes open.
    leash.poll(None)
    os._exit(1)
