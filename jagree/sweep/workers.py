"""Runs as processes, N at a time: started, watched, stopped when the sweep is told to stop.

Each run is a process of its own, so that a crash or a lack of memory takes no other along. It is
in a process group of its own, so that Ctrl-C reaches the sweep alone, which passes it on as
SIGTERM: what a run does then (save, and end) is the same as when its machine goes away.
"""

import contextlib
import os
import shlex
import signal
import subprocess
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from types import FrameType

from jagree.commandline import INCOMPLETE, PREEMPTED
from jagree.words import duration

PATIENCE = 120.0  # seconds that runs have to save and end when the sweep is stopped
TRIES = 3  # of a run that is preempted although nobody stops the sweep
_LOOK_EVERY = 0.1  # seconds
_STOPPING = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)


@dataclass(frozen=True)
class Job:
    """What to start.

    Attributes
    ----------
    name : str
    command : tuple of str
    log : Path
        What the process prints is appended here.
    """

    name: str
    command: tuple[str, ...]
    log: Path


@dataclass
class Outcome:
    """How jobs ended.

    Attributes
    ----------
    codes : dict of str to int
        Of each job that was started, by name: its exit code, or minus the signal that killed it.
    reasons : dict of str to str
        Of those that did not end with 0, what there is to say.
    stopped : set of str
        Those of them that ended by being told to, or killed, when the sweep was stopped.
    stopped_by : int
        The signal by which the sweep was told to stop; 0 if it was not, or too late to matter.
    """

    codes: dict[str, int] = field(default_factory=dict)
    reasons: dict[str, str] = field(default_factory=dict)
    stopped: set[str] = field(default_factory=set)
    stopped_by: int = 0


@dataclass
class _Running:
    job: Job
    process: subprocess.Popen[bytes]
    slot: int
    begun: float
    killed: bool = False  # by us


class Workers:
    """Runs jobs, some at a time, and tells of each when it begins and ends.

    Parameters
    ----------
    jobs : sequence of Job
    parallel : int
        How many run at a time.
    devices : sequence of str
        Values of CUDA_VISIBLE_DEVICES, shared out to the jobs that run at a time; empty: the
        environment is left as it is.
    say : callable
        Takes one line for the terminal.
    patience : float
        Seconds that jobs have to end once they are told to, before they are killed.
    busy : callable
        Whether a job must not begin yet, by its name: an earlier process is still at work on it.
    """

    def __init__(
        self,
        jobs: Sequence[Job],
        parallel: int,
        devices: Sequence[str],
        say: Callable[[str], None],
        patience: float = PATIENCE,
        busy: Callable[[str], bool] = lambda name: False,
    ) -> None:
        self._waiting = list(jobs)
        self._number = {job.name: f"[{n}/{len(jobs)}]" for n, job in enumerate(jobs, 1)}
        self._parallel = parallel
        self._devices = devices
        self._say = say
        self._patience = patience
        self._busy = busy
        self._held_up: set[str] = set()  # jobs that were found busy
        self._running: list[_Running] = []
        self._tries = dict.fromkeys(self._number, 0)
        self._signals: list[int] = []
        self._kill_at = 0.0  # on the monotonic clock, once the jobs are told to end
        self._outcome = Outcome()

    def run(self) -> Outcome:
        """Run all jobs, or as many as begin before the sweep is told to stop."""
        with self._signals_noted():
            try:
                while self._running or (self._waiting and not self._signals):
                    self._step()
                    time.sleep(_LOOK_EVERY)
            finally:  # an error of our own must leave nobody behind
                for running in self._running:
                    _kill(running.process)
        if self._signals and (self._waiting or self._outcome.stopped):
            self._outcome.stopped_by = self._signals[0]
        return self._outcome

    def _step(self) -> None:
        for job in list(self._waiting):
            if len(self._running) >= self._parallel or self._signals:
                break
            if self._may_begin(job):
                self._waiting.remove(job)
                self._begin(job)
        if self._signals:
            self._stop()
        for running in list(self._running):
            code = running.process.poll()
            if code is not None:
                self._running.remove(running)
                self._end(running, code)

    def _may_begin(self, job: Job) -> bool:
        busy = self._busy(job.name)
        if busy and job.name not in self._held_up:
            self._held_up.add(job.name)
            self._say(
                f"{self._number[job.name]} {job.name} waits: another process is at work in its "
                "folder, as after a sweep that was killed"
            )
        return not busy

    def _begin(self, job: Job) -> None:
        slot = min(set(range(self._parallel)) - {running.slot for running in self._running})
        how = " again" if self._tries[job.name] else f"; its output: {job.log}"
        self._say(f"{self._number[job.name]} {job.name} begins{how}")
        self._tries[job.name] += 1
        environment = device(slot, self._devices)
        try:
            with job.log.open("ab") as log:
                log.write(f"$ {shell(job.command, environment)}\n".encode())
                log.flush()
                process = subprocess.Popen(
                    job.command,
                    stdin=subprocess.DEVNULL,
                    stdout=log,
                    stderr=subprocess.STDOUT,
                    env={**os.environ, **environment},
                    process_group=0,
                )
        except OSError as error:  # no memory for another process, or a full disk
            self._finish(job, 1, f"could not be started: {error}")
            return
        self._running.append(_Running(job, process, slot, time.monotonic()))

    def _end(self, running: _Running, code: int) -> None:
        job = running.job
        again = code == PREEMPTED and not self._signals and self._tries[job.name] < TRIES
        if again:
            self._say(f"{self._number[job.name]} {job.name} was preempted")
            self._waiting.insert(0, job)
            return
        if code < 0:  # it had no time to end those that it started
            with contextlib.suppress(ProcessLookupError):
                os.killpg(running.process.pid, signal.SIGKILL)
        took = duration(time.monotonic() - running.begun)
        if code in (0, INCOMPLETE):
            but = "; some images could not be measured" if code == INCOMPLETE else ""
            self._finish(job, code, "", f"done in {took}{but}")
        elif self._signals and (
            code in (PREEMPTED, -signal.SIGTERM) or running.killed  # SIGTERM: it had just begun
        ):
            self._outcome.stopped.add(job.name)
            self._finish(job, code, "stopped with the sweep", f"stopped after {took}")
        elif code == PREEMPTED:
            self._finish(job, code, f"preempted {TRIES} times")
        else:
            self._finish(job, code, _reason(code, job.log))

    def _finish(self, job: Job, code: int, reason: str, told: str = "") -> None:
        self._outcome.codes[job.name] = code
        if reason:
            self._outcome.reasons[job.name] = reason
        self._say(f"{self._number[job.name]} {job.name} {told or f'ended: {reason}'}")

    @contextlib.contextmanager
    def _signals_noted(self) -> Iterator[None]:
        """Note what tells the sweep to stop; but SIGHUP not under nohup, which ignores it."""

        def note(number: int, _: FrameType | None) -> None:
            self._signals.append(number)

        before = {s: signal.getsignal(s) for s in _STOPPING}
        for number, handler in before.items():
            if not (number == signal.SIGHUP and handler == signal.SIG_IGN):
                signal.signal(number, note)
        try:
            yield
        finally:
            for number, handler in before.items():
                signal.signal(number, handler)

    def _stop(self) -> None:
        """Tell all to end; kill them once patience is over, or at a second Ctrl-C."""
        if not self._outcome.stopped_by:
            self._outcome.stopped_by = self._signals[0]
            self._kill_at = time.monotonic() + self._patience
            self._say(
                f"stopping: runs save what they have, in at most {duration(self._patience)}; "
                "Ctrl-C once more ends them at once"
            )
            for running in self._running:
                running.process.terminate()
        if self._signals.count(signal.SIGINT) > 1 or time.monotonic() > self._kill_at:
            for running in self._running:
                running.killed |= running.process.poll() is None
                _kill(running.process)


def device(slot: int, devices: Sequence[str]) -> dict[str, str]:
    """The environment that gives a job its device: of several, each to every so manieth slot."""
    return {"CUDA_VISIBLE_DEVICES": devices[slot % len(devices)]} if devices else {}


def shell(command: Sequence[str], environment: Mapping[str, str]) -> str:
    """A command as a shell takes it.

    >>> shell(["python", "-c", "print(1)"], {"A": "2"})
    "A=2 python -c 'print(1)'"
    """
    set_first = [f"{name}={shlex.quote(value)}" for name, value in environment.items()]
    return " ".join([*set_first, shlex.join(command)])


def _kill(process: subprocess.Popen[bytes]) -> None:
    """Kill a process and those that it started."""
    with contextlib.suppress(ProcessLookupError):
        os.killpg(process.pid, signal.SIGKILL)
    process.wait()


def _reason(code: int, log: Path) -> str:
    """What there is to say of a run that failed: its last line, or the signal that killed it."""
    if code < 0:
        name = signal.Signals(-code).name
        hint = "; if nobody did that, memory ran out" if name == "SIGKILL" else ""
        return f"killed by {name}{hint}"
    with log.open("rb") as file:
        file.seek(max(0, file.seek(0, os.SEEK_END) - 4096))
        lines = file.read().decode(errors="replace").split("\n")
    last = next((line.strip() for line in reversed(lines) if line.strip()), "it said nothing")
    return f"exit code {code}: {last}"
