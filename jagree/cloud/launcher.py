"""Machines from their creation to their deletion, through preemptions.

What the service says of the machines decides, not how a connection ended: codes 1 and 255 of gcloud
mean that ssh failed, which is not to say that the machine is gone; launch/job.sh never ends so.
"""

import contextlib
import shlex
import signal
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from jagree.cloud import tree
from jagree.cloud.gcloud import TIMED_OUT, Answer, Commands, tell
from jagree.cloud.machines import Machines, State
from jagree.commandline import INTERRUPTED, PREEMPTED
from jagree.errors import UsageError

LOST = {1, 255}  # of gcloud and ssh
OCCUPIED = 71  # of launch/job.sh: another command runs
NO_ROOM = (
    "RESOURCE_POOL_EXHAUSTED",
    "STOCKOUT",
    "does not have enough resources",
    "no more capacity",
)
_TRIES = 20  # to connect to a machine that is said to be there
# A failure is one of a row if it came sooner, seconds: gcloud tries ten times by itself, each of
# which takes up to 15 seconds (COPYING, ALIVE); what took longer was a connection.
_LASTED = 180
_DELETIONS = 3
_THERE = (State.READY, State.OTHER, None)  # not said to be gone
_CREATING = 900  # seconds that gcloud may take to create or delete
_MARGIN = 600  # seconds that machines outlive --max_hours if nobody deletes them


class CloudError(UsageError):
    """The cloud refused, in one line; what it said itself was printed before."""

    code = 69  # of the program: what is asked for is not to be had


class TimeIsOverError(CloudError):
    """The run took as long as it was allowed to."""

    code = PREEMPTED


class OccupiedError(CloudError):
    """The machines are those of another run; they must be left as they are."""

    code = OCCUPIED


@dataclass(frozen=True)
class Options:
    """How machines are used.

    Parameters
    ----------
    source
        A checkout, or the address of a repository.
    before
        Line of shell for each host, run before the command; empty: none.
    max_hours
        How long the whole run may use machines, over all that it gets; the time in which it waits
        for them does not count.
    wait_hours
        How long to wait for machines, each time.
    restarts
        How many times the command may be started again.
    poll_seconds
        Time between two looks.
    keep
        Leave the machines when the command has ended.
    """

    source: str = "."
    before: str = ""
    max_hours: float = 12.0
    wait_hours: float = 6.0
    restarts: int = 100
    poll_seconds: float = 30.0
    keep: bool = False


class Launcher:
    """One run on its machines.

    Parameters
    ----------
    machines
        What to ask gcloud for.
    options
        How to use them.
    commands
        Runs, or only prints.
    """

    def __init__(self, machines: Machines, options: Options, commands: Commands) -> None:
        self.machines = machines
        self.options = options
        self.commands = commands
        self.end = time.monotonic() + options.max_hours * 3600
        self._reached = False  # whether the service ever answered
        self._ended = False  # whether the command has
        self._asked = False  # whether a creation may be under way
        self._mine = False  # whether the machines were created, or found complete, by this run
        self._unseen = False  # whether machines were created that were not listed yet
        self._lines: list[str] = []  # what the service said last

    def run(self, command: Sequence[str]) -> int:
        """Create, install, run, as often as it takes, and delete; the exit code of the command.

        The machines are deleted whatever happens, also on Ctrl-C, SIGTERM and SIGHUP, but with
        ``keep`` and where they are those of another run. Without a command they are only created
        and made ready.
        """
        code, occupied, deleted = INTERRUPTED, False, True
        try:
            with _signals_raise():
                code = self._until_done(command)
            self._ended = True
        except KeyboardInterrupt:
            tell("\ninterrupted; the same command goes on")
        except OccupiedError:
            occupied = True
            raise
        finally:
            if not occupied:
                with _signals_wait():
                    deleted = self._end(command)
        return code if deleted else max(code, 1)

    def _end(self, command: Sequence[str]) -> bool:
        """Stop what runs and delete the machines, or say that they are left; whether it is so."""
        if self.options.keep:
            if self.commands.dry_run or (
                self._reached and (self.state() is not State.GONE or self._asked)
            ):
                tell(f"they are left, and are paid for: {shlex.join(self.machines.delete())}")
            return True
        if not self._reached:
            return True
        if not self.commands.dry_run:  # which also shows whether anybody reads this stream
            tell("the end: a command that still runs is stopped, then all is deleted", sys.stderr)
        mine = True
        try:
            mine = self._stop(command)
        finally:
            deleted = mine and self.delete()
        if not mine:
            tell(f"another command runs on {self.machines.name}; its machines are left to it")
        return deleted

    def delete(self) -> bool:
        """Delete the machines and look whether they are gone; shout if they are not."""
        if self.commands.dry_run:
            self.commands.run(self.machines.delete())
            return True
        if self._asked:
            self._sleep()  # what was asked for a moment ago may not be listed yet
        for _ in range(_DELETIONS):
            answer = self.commands.ask(self.machines.states())
            lines = answer.lines or self._lines
            if not answer.code and not answer.lines and not self._unseen:
                tell(f"no machine of the name {self.machines.name} is left")
                return True
            if lines or self._unseen:  # else they may be anybody's
                self._delete(lines)
            self._unseen = False
            self._sleep()
        if self.state() is State.GONE:
            return True
        tell(
            f"NOT DELETED, AND PAID FOR AS LONG AS IT IS THERE: {self.machines.name}. Delete it "
            f"by hand: {shlex.join(self.machines.delete())}"
        )
        return False

    def state(self) -> State | None:
        """What the service says of the machines; None where it cannot be asked."""
        answer = self.commands.ask(self.machines.states(), say=self.commands.dry_run)
        if self.commands.dry_run:
            self._reached = True
            return State.READY
        if answer.code and not self._reached:  # a mistake, such as nobody logged in
            raise CloudError(f"gcloud could not be asked: {_last(answer.complaint)}")
        self._reached = True
        if answer.code:
            return None
        self._lines = answer.lines
        self._unseen = self._unseen and not answer.lines
        return self.machines.judge(answer.lines)

    def _until_done(self, command: Sequence[str]) -> int:
        for restart in range(self.options.restarts + 1):
            if restart:
                tell(f"start {restart + 1} of {self.options.restarts + 1}")
                self._sleep()
            self._ensure()
            code = self._install()
            if code is None:
                continue  # gone while it was installed
            if code:
                raise CloudError("jagree was not installed; what went wrong stands above")
            if not command:
                return 0
            code = self._job(command)
            if code not in (None, PREEMPTED):
                return code
            tell("the machine goes away, or told the command to stop")
        raise CloudError(f"stopped {self.options.restarts + 1} times; --restarts allows more")

    def _ensure(self) -> None:
        """Wait until the machines are there, and ask for them where they are not."""
        if self.commands.dry_run:
            self._create(int(self.options.max_hours * 3600))
            self.state()
            return
        began, left = time.monotonic(), int(self._left())
        while (state := self.state()) is not State.READY:
            if state is State.OTHER or (state is State.PART and not self._mine):
                raise OccupiedError(
                    f"the machines of the name {self.machines.name} are {state.value}: "
                    f"{', '.join(line.split()[0] for line in self._lines)}; say another --name, or "
                    "delete them"
                )
            if time.monotonic() - began > self.options.wait_hours * 3600:
                raise CloudError(
                    f"no machines in --wait_hours={self.options.wait_hours:g}; try another --zone, "
                    "another type or another --provisioning"
                )
            tell(f"{self.machines.name}: {state.value if state else 'no answer'}")
            if state is State.GONE:
                self._create(left)
            elif state in (State.DEAD, State.PART):
                self._delete(self._lines)
            self._sleep()
        self._mine = True
        self.end += time.monotonic() - began

    def _create(self, seconds: int) -> None:
        self._asked = True
        answer = self.commands.ask(self.machines.create(seconds + _MARGIN), seconds=_CREATING)
        self._asked = answer.code == TIMED_OUT
        if answer.code and not any(words in answer.complaint for words in NO_ROOM):
            raise CloudError(
                f"gcloud did not create {self.machines.name}: {_last(answer.complaint)}"
            )
        self._mine = True
        self._unseen = not answer.code
        # Where there was no room it is asked again, until --wait_hours are over.

    def _delete(self, lines: Sequence[str]) -> Answer:
        return self.commands.ask(self.machines.delete(lines), seconds=_CREATING)

    def _install(self) -> int | None:
        """Copy and install; None if the machines are lost."""
        source = self.options.source
        if not tree.is_address(source):
            with tempfile.TemporaryDirectory(prefix="jagree-") as folder:
                archive = Path(folder, tree.ARCHIVE)
                if not self.commands.dry_run:
                    tree.pack(source, archive)
                places = range(self.machines.places)
                code = self._remote(
                    [self.machines.scp(p, str(archive), tree.ARCHIVE) for p in places]
                )
            if code != 0:
                return code
        code = self._shell(tree.unpacking(source, self.machines.extra))
        if code == 0 and self.options.before:
            code = self._shell(f"{_HERE}; ( {self.options.before} ) || exit 70")
        return code

    def _job(self, command: Sequence[str]) -> int | None:
        """Run the command on all hosts, or follow it there; None if the machines are lost."""
        job = shlex.join(["bash", "launch/job.sh", "../job"])
        code = self._remote(self._each(f"{_HERE}; {job}", command))
        if code in (None, 0, PREEMPTED) or self.commands.dry_run:
            return code
        # A machine that goes takes the command with it some seconds before it is said to be gone.
        self._sleep(2)
        return code if self.state() in _THERE else None

    def _each(self, line: str, command: Sequence[str]) -> list[list[str]]:
        """For each place a line of shell that ends with the command as it is run there."""
        return [
            self.machines.ssh(
                place,
                f"{line} "
                + shlex.join(
                    [
                        *command,
                        *(self.machines.processes(place) if "jagree.main" in command else []),
                    ]
                ),
            )
            for place in range(self.machines.places)
        ]

    def _shell(self, line: str) -> int | None:
        return self._remote(
            [self.machines.ssh(place, line) for place in range(self.machines.places)]
        )

    def _remote(self, commands: Sequence[Sequence[str]]) -> int | None:
        """Run one command a place, again where connections are lost; None if the machines are."""
        codes: list[int | None] = [None] * len(commands)
        lost, failures = list(range(len(commands))), 0
        while failures < _TRIES:
            began = time.monotonic()
            answers = self.commands.run_together([commands[i] for i in lost], self._left())
            for i, code in zip(lost, answers, strict=True):
                codes[i] = code
            if OCCUPIED in codes:
                raise OccupiedError(
                    f"another command runs on {self.machines.name}, see above; wait for its end, "
                    "or say another --name"
                )
            if None in codes:
                self._left()  # raises
            lost = [i for i in lost if codes[i] in LOST]
            if not lost:
                return PREEMPTED if PREEMPTED in codes else next((c for c in codes if c), 0)
            if time.monotonic() - began > _LASTED:
                failures = 0
            self._sleep()
            state = self.state()
            if state not in _THERE:
                return None
            failures += state is not None  # while nothing can be asked, nothing is the machine's
        raise CloudError(f"no connection to {self.machines.name}; what gcloud says stands above")

    def _stop(self, command: Sequence[str]) -> bool:
        """Tell a command that still runs to save its state; whether it is the one of this run.

        It may have been started by another program before this one, for the same command goes on.
        """
        if self._ended or self.commands.dry_run or self.state() not in (State.READY, State.OTHER):
            return True
        lines = self._each("bash ~/jagree/launch/job.sh ~/job --stop", command)
        return OCCUPIED not in self.commands.run_together(lines, 150)

    def _left(self) -> float:
        left = self.end - time.monotonic()
        if (
            left < 60 and not self.commands.dry_run
        ):  # Compute Engine takes no shorter limits than 30
            raise TimeIsOverError(
                f"--max_hours={self.options.max_hours:g} are over; the same command goes on where "
                "it stopped"
            )
        return left

    def _sleep(self, times: int = 1) -> None:
        if not self.commands.dry_run:
            time.sleep(times * self.options.poll_seconds)


def _last(complaint: str) -> str:
    return (complaint.strip() or "no reason given").splitlines()[-1]


_HERE = "cd ~/jagree && . ~/venv/bin/activate || exit 70"
_ENDING = (signal.SIGTERM, signal.SIGHUP)


@contextlib.contextmanager
def _handled(numbers: Sequence[int], handler: Any) -> Iterator[None]:
    """These signals have that handler within."""
    before = [signal.signal(number, handler) for number in numbers]
    try:
        yield
    finally:
        for number, handler_before in zip(numbers, before, strict=True):
            signal.signal(number, handler_before)


def _signals_raise() -> contextlib.AbstractContextManager[None]:
    """SIGTERM and SIGHUP (the terminal was closed) end the work as Ctrl-C does.

    But for what is ignored, as SIGHUP is under nohup.
    """
    heard = [n for n in _ENDING if signal.getsignal(n) is not signal.SIG_IGN]
    return _handled(heard, signal.default_int_handler)


def _signals_wait() -> contextlib.AbstractContextManager[None]:
    """No signal but SIGKILL keeps a machine from being deleted."""
    return _handled((signal.SIGINT, *_ENDING), signal.SIG_IGN)
