"""Commands that are printed and run; where a machine is paid for, the reader sees each of them."""

import os
import shlex
import shutil
import subprocess
import sys
import time
from collections.abc import Sequence
from typing import NamedTuple, TextIO

from jagree.errors import UsageError

TIMED_OUT = 124  # code of a command that was asked and did not answer in time


class Answer(NamedTuple):
    """What a command said."""

    code: int
    lines: list[str]  # of its standard output, without empty ones
    complaint: str  # its standard error


class Commands:
    """Prints each command and runs it, or only prints it.

    Parameters
    ----------
    dry_run
        Print what would be run.

    Raises
    ------
    UsageError
        gcloud is not installed, and commands are to be run.
    """

    def __init__(self, dry_run: bool) -> None:
        self.dry_run = dry_run
        if not dry_run and not shutil.which("gcloud"):
            raise UsageError(
                "gcloud is not installed; see https://cloud.google.com/sdk/docs/install "
                "(--dry_run prints the commands without it)"
            )

    def run(self, arguments: Sequence[str]) -> int:
        """Run one command, its output on the terminal; its exit code."""
        self._say(arguments)
        if self.dry_run:
            return 0
        return subprocess.run(arguments, stdin=subprocess.DEVNULL, check=False).returncode

    def run_together(self, commands: Sequence[Sequence[str]], seconds: float) -> list[int | None]:
        """Run commands at the same time; their exit codes, None for those that did not end in time.

        Those are killed here; what they started elsewhere goes on.
        """
        for arguments in commands:
            self._say(arguments)
        if self.dry_run:
            return [0] * len(commands)
        end = time.monotonic() + seconds
        # Nobody types: ssh, which reads what it can get, would stop a program in the background.
        began = [subprocess.Popen(arguments, stdin=subprocess.DEVNULL) for arguments in commands]
        try:
            return [_wait(process, end - time.monotonic()) for process in began]
        finally:
            for process in began:
                process.kill()
                process.wait()

    def ask(self, arguments: Sequence[str], say: bool = True, seconds: float = 120) -> Answer:
        """Run a command for what it prints; its complaints go to the terminal as well.

        It does not see the terminal's Ctrl-C, and needs no terminal to end. One that takes longer
        than ``seconds`` is killed, and its code is `TIMED_OUT`.
        """
        if say:
            self._say(arguments)
        if self.dry_run:
            return Answer(0, [], "")
        try:
            done = subprocess.run(
                arguments,
                stdin=subprocess.DEVNULL,
                capture_output=True,
                text=True,
                check=False,
                start_new_session=True,
                timeout=seconds,
            )
        except subprocess.TimeoutExpired:
            complaint = f"no answer in {seconds:g} seconds: {shlex.join(arguments)}"
            tell(complaint, sys.stderr)
            return Answer(TIMED_OUT, [], complaint)
        if done.stderr:
            tell(done.stderr.rstrip("\n"), sys.stderr)
        lines = [line for line in done.stdout.splitlines() if line.strip()]
        return Answer(done.returncode, lines, done.stderr)

    def _say(self, arguments: Sequence[str]) -> None:
        tell(f"+ {shlex.join(arguments)}")


def tell(text: str, stream: TextIO | None = None) -> None:
    """Print a line to ``stream``, by default standard output, also where nobody reads it any more.

    A pipe whose reader has ended, or a closed terminal, must not keep a machine from being deleted.
    The stream then leads nowhere, for this program and for the commands that it starts.
    """
    stream = stream or sys.stdout
    try:
        print(text, file=stream, flush=True)
    except OSError:
        nowhere = os.open(os.devnull, os.O_WRONLY)
        os.dup2(nowhere, stream.fileno())
        os.close(nowhere)


def _wait(process: subprocess.Popen[bytes], seconds: float) -> int | None:
    try:
        return process.wait(max(seconds, 0))
    except subprocess.TimeoutExpired:
        return None
