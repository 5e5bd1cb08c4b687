"""SIGTERM: the machine is about to go away, as spot machines do with half a minute's notice.

Within `noticed` the first SIGTERM raises `Preempted` in the main thread, as Ctrl-C raises
KeyboardInterrupt; within `deferred` it only sets a flag, so that training can save itself at the
end of a dispatch. The second SIGTERM ends the process at once, as it would have without us.

Python hears of a signal when the main thread is back from what it calls: a long compilation, say.
"""

import contextlib
import signal
import threading
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager
from types import FrameType

EXIT_CODE = 75  # the system's EX_TEMPFAIL: "try again later"

Deferred = Callable[[], AbstractContextManager[Callable[[], bool]]]  # such as `deferred`


class Preempted(BaseException):
    """The run was told to end. Its text says where the same command goes on."""

    def __init__(self, where: str = "; the same command goes on from what is saved") -> None:
        super().__init__(f"stopped by SIGTERM{where}")


class _Notice:
    """What has been heard, and whether it may interrupt."""

    def __init__(self) -> None:
        self.received = False
        self.deferring = False

    def hear(self, number: int, frame: FrameType | None) -> None:
        """Take the first SIGTERM; the system takes the next."""
        signal.signal(signal.SIGTERM, signal.SIG_DFL)
        self.received = True
        if not self.deferring:
            raise Preempted


_notice: _Notice | None = None  # signals belong to the process, and so does this


@contextlib.contextmanager
def noticed() -> Iterator[None]:
    """Hear SIGTERM within; at the end the handler is the one that was there before.

    Nothing is changed outside the main thread, where SIGTERM is ignored (the parent's wish), or
    where it is heard already. Also a decorator.

    Raises
    ------
    Preempted
        Whenever SIGTERM comes, unless `deferred`.
    """
    global _notice
    before = signal.getsignal(signal.SIGTERM)
    left_alone = before in (None, signal.SIG_IGN) or _notice is not None
    if left_alone or threading.current_thread() is not threading.main_thread():
        yield
        return
    _notice = _Notice()
    try:
        signal.signal(signal.SIGTERM, _notice.hear)
        yield
    finally:
        signal.signal(signal.SIGTERM, before)
        _notice = None


@contextlib.contextmanager
def deferred() -> Iterator[Callable[[], bool]]:
    """Let SIGTERM wait within; what is given tells whether it has come.

    Whoever sees that it has raises `Preempted` when all is safe; `check` does so for what came too
    late to be seen. Where SIGTERM is not heard, it never comes.
    """
    notice = _notice
    if notice is None:
        yield lambda: False
        return
    notice.deferring = True
    try:
        yield lambda: notice.received
    finally:
        notice.deferring = False


@contextlib.contextmanager
def never() -> Iterator[Callable[[], bool]]:
    """In place of `deferred`, where nobody wants to be stopped."""
    yield lambda: False


def check() -> None:
    """Raise `Preempted` if SIGTERM has come and has not ended the run yet."""
    if _notice is not None and _notice.received:
        raise Preempted
