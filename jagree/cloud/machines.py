"""What the machines of one run must be able to say of themselves; no command is run here."""

import enum
import re
from collections.abc import Sequence
from typing import Protocol

from jagree.errors import UsageError

LABEL = "jagree"  # label that all machines carry, by which forgotten ones are found
SCOPE = "https://www.googleapis.com/auth/cloud-platform"  # what the machine may do is up to IAM
# A machine that vanishes closes no connection: ssh must ask whether it is there.
ALIVE = (
    "--ssh-flag=-oServerAliveInterval=30",
    "--ssh-flag=-oServerAliveCountMax=4",
    "--ssh-flag=-oConnectTimeout=10",
)
COPYING = tuple(flag.replace("--ssh-flag", "--scp-flag") for flag in ALIVE)


class State(enum.Enum):
    """What can be done with the machines."""

    READY = "ready"  # commands can be run
    WAITING = "waiting"  # on the way, or on the way out: look again later
    DEAD = "dead"  # preempted or failed: must be deleted
    PART = "incomplete"  # some are missing: a part was preempted, or fewer were asked for
    OTHER = "more than asked for"  # of a run on more machines
    GONE = "gone"  # nothing there, nothing to pay


class Machines(Protocol):
    """The gcloud commands that concern one slice of TPUs, or the GPU machines of one run.

    Commands are lists of arguments. A place is what one ssh command reaches: all hosts of a slice
    of TPUs, for gcloud goes to all its workers; one machine with GPUs.
    """

    @property
    def name(self) -> str:
        """Of the slice, or the beginning of the machines' names."""
        ...

    @property
    def extra(self) -> str:
        """Extras of jagree that the machines need, parted by commas."""
        ...

    @property
    def places(self) -> int:
        """How many ssh commands reach all hosts."""
        ...

    def create(self, seconds: int) -> list[str]:
        """Ask for the machines, which must not live longer than ``seconds``."""
        ...

    def states(self) -> list[str]:
        """Print the state of each machine, one a line; nothing if there is none."""
        ...

    def judge(self, lines: Sequence[str]) -> State:
        """What the lines printed by ``states`` mean."""
        ...

    def ssh(self, place: int, line: str) -> list[str]:
        """Run a line of shell."""
        ...

    def scp(self, place: int, source: str, target: str) -> list[str]:
        """Copy a local file."""
        ...

    def processes(self, place: int) -> list[str]:
        """Flags by which a process of jagree.main finds the others; none where it is alone."""
        ...

    def delete(self, lines: Sequence[str] = ()) -> list[str]:
        """Delete what ``states`` printed; without that, all that were asked for."""
        ...

    def everything(self) -> list[list[str]]:
        """Print what machines of this kind there are."""
        ...


def check_name(name: str) -> None:
    """Raise a UsageError unless Google Cloud takes the name, with two more characters after it."""
    if not re.fullmatch(r"[a-z]([-a-z0-9]{0,55}[a-z0-9])?", name):
        raise UsageError(
            f"--name={name} names no machine; use up to 57 lower-case letters, digits and dashes, "
            "a letter first, no dash last"
        )


def check_zone(zone: str) -> None:
    """Raise a UsageError unless it looks like a zone."""
    if not re.fullmatch(r"[a-z]+-[a-z]+\d+-[a-z0-9]+", zone):
        raise UsageError(f"--zone={zone} is no zone; say --zone=us-west4-a, for one")
