"""Recording and saving an epoch beside the training of the next.

One thing is written at a time, by a thread of its own, and who hands over the next one waits for
it: memory holds one more copy of the weights, and the order on disk is record, checkpoint, record,
... as if nothing ran beside, with the checkpoints within an epoch between that epoch's record and
the one before. So a kill leaves what it would have left without the thread.

Only the thread that trains calls the listener and sees errors.
"""

import contextlib
import queue
import signal
import threading
import time
from collections.abc import Callable, Iterator
from types import TracebackType
from typing import Any, NamedTuple

from jagree.record import RecordWriter
from jagree.training.checkpoint import Arrays, Checkpoints, to_host
from jagree.training.listener import Fields, Listener

_PATIENCE = 1.0  # seconds that an interrupted run waits before it says for what


class _Ended(NamedTuple):
    """How the writing of an epoch ended, or of a checkpoint within it."""

    epoch: int
    fields: Fields | None
    when: float  # seconds of time.monotonic()
    error: BaseException | None


class EpochWriter:
    """Records and saves epochs in their order while training goes on.

    A context: leaving it waits for what is being written, whatever the reason. If that is Ctrl-C,
    or comes while it waits, the next Ctrl-C ends the process at once, as a kill would.

    Parameters
    ----------
    recorder, checkpoints
        Nobody else may use them within the context.
    listener : Listener
        Told of steps, and of each epoch that is recorded and saved. The seconds of all epochs add
        up to the time from the making of this object to the end of the last.
    """

    def __init__(
        self, recorder: RecordWriter, checkpoints: Checkpoints, listener: Listener
    ) -> None:
        self._recorder, self._checkpoints, self._listener = recorder, checkpoints, listener
        self._epoch = 0  # that is being written
        self._thread: threading.Thread | None = None
        # Waited for in place of the thread, whose join takes an interrupt for the thread's end
        # before Python 3.13.
        self._idle = threading.Event()
        self._idle.set()
        self._ended: queue.SimpleQueue[_Ended] = queue.SimpleQueue()  # of one at most
        self._before = time.monotonic()  # when the last epoch was written

    def stepped(self, epoch: int, steps: int) -> None:
        """Pass on to the listener that steps are finished, and an epoch that was written meanwhile.

        Raises
        ------
        BaseException
            Whatever the writing of the epoch raised.
        """
        self._listener.stepped(epoch, steps)
        self._tell()

    def write(
        self, epoch: int, fields: Fields, state: Callable[[], Any], *, steps: int, last: bool
    ) -> None:
        """Begin to record and save an epoch; waits for what is being written.

        Parameters
        ----------
        epoch : int
        fields : dict
            What `RecordWriter.append` takes; not to be changed afterwards.
        state : callable
            Gives the training state. Called if the epoch is to be saved, and copied before this
            returns.
        steps : int
            Training steps taken: the checkpoint's number.
        last : bool
            Whether it is the run's last epoch, or the last before the process ends: it is saved
            whether due or not.

        Raises
        ------
        BaseException
            Whatever the writing of what came before raised.
        """
        self.wait()
        copy = to_host(state()) if self._checkpoints.due(epoch, last=last) else None

        def work() -> None:
            self._recorder.append(epoch, fields)
            if copy is not None:
                self._checkpoints.save(steps, copy)

        self._begin(epoch, fields, work)

    def keep(self, epoch: int, gathered: Arrays, state: Callable[[], Any], *, steps: int) -> None:
        """Begin to save a checkpoint within an epoch; waits for what is being written.

        Parameters
        ----------
        epoch : int
            That is in progress.
        gathered : dict of str to array
            What it has gathered so far; not to be changed afterwards.
        state, steps
            As for `write`.

        Raises
        ------
        BaseException
            Whatever the writing of what came before raised.
        """
        self.wait()
        copy = to_host(state())
        self._begin(epoch, None, lambda: self._checkpoints.save(steps, copy, gathered))

    def _begin(self, epoch: int, fields: Fields | None, work: Callable[[], None]) -> None:
        """Start the thread; nothing else is being written."""
        self._epoch = epoch
        self._thread = threading.Thread(target=self._write, args=(epoch, fields, work))
        self._idle.clear()
        try:
            self._thread.start()
        except BaseException:
            if self._thread.ident is None:  # no thread could be had: nobody would ever be idle
                self._thread = None
                self._idle.set()
            raise

    def wait(self) -> None:
        """Wait until all that was handed over is recorded and saved.

        Raises
        ------
        BaseException
            Whatever the writing raised.
        """
        self._idle.wait()
        if self._thread is not None:
            self._thread.join()  # which is about to end
        self._tell()

    def __enter__(self) -> "EpochWriter":
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        if error is None:
            try:
                self.wait()
            except KeyboardInterrupt as interrupt:
                self._finish(interrupt)
                raise
        else:
            self._finish(error)

    def _finish(self, error: BaseException) -> None:
        """Wait for what is being written because of an error, which matters more than any other."""
        with _interrupt_ends_process():
            if not self._idle.wait(_PATIENCE) and isinstance(error, KeyboardInterrupt):
                with contextlib.suppress(Exception):
                    self._listener.finishing(self._epoch)
            with contextlib.suppress(BaseException):
                self.wait()

    def _write(self, epoch: int, fields: Fields | None, work: Callable[[], None]) -> None:
        """What the thread does."""
        error = None
        try:
            work()
        except BaseException as caught:  # raised again where it is waited for
            error = caught
        self._ended.put(_Ended(epoch, fields, time.monotonic(), error))
        self._idle.set()

    def _tell(self) -> None:
        """Tell the listener of an epoch that has been written since the last call, or raise."""
        if self._ended.empty():
            return
        ended = self._ended.get()
        if ended.error is not None:
            raise ended.error
        if ended.fields is None:
            return
        seconds, self._before = ended.when - self._before, ended.when
        self._listener.recorded(ended.epoch, ended.fields, seconds)


@contextlib.contextmanager
def _interrupt_ends_process() -> Iterator[None]:
    """Within it Ctrl-C ends the process at once, and no KeyboardInterrupt is raised."""
    before = signal.getsignal(signal.SIGINT)
    ignored = before in (None, signal.SIG_IGN)  # not Python's to change, or started so: nohup, say
    if ignored or threading.current_thread() is not threading.main_thread():
        yield
        return
    signal.signal(signal.SIGINT, signal.SIG_DFL)
    try:
        yield
    finally:
        signal.signal(signal.SIGINT, before)
