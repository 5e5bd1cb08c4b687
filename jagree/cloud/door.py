"""What ``launch/tpu.py`` and ``launch/gpu.py`` share: flags, verbs, checks made beforehand."""

import ast
import sys
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

from absl import flags

from jagree import commandline
from jagree import config as rules
from jagree.cloud import tree
from jagree.cloud.gcloud import Commands, tell
from jagree.cloud.launcher import CloudError, Launcher, Options
from jagree.cloud.machines import Machines
from jagree.errors import UsageError

VERBS = ("run", "create", "delete", "list")

_DEFAULT = Options()
NAME = flags.DEFINE_string(
    "name", None, "Name of the machines in the project, another one for each run. Must be given."
)
ZONE = flags.DEFINE_string("zone", "", "Zone, such as us-west4-a.")
PROJECT = flags.DEFINE_string("project", "", "Project; default: gcloud's own.")
_SOURCE = flags.DEFINE_string(
    "source",
    str(Path(__file__).parents[2]),
    "The checkout to copy, uncommitted changes included; or a git repository, https://...[#BRANCH].",
)
_BEFORE = flags.DEFINE_string(
    "before",
    _DEFAULT.before,
    "A line of shell for every host, run in the checkout with jagree's Python before the command: "
    "fetching data.",
)
_MAX_HOURS = flags.DEFINE_float(
    "max_hours",
    _DEFAULT.max_hours,
    "When machines were used for so long, the run is stopped and they are deleted, by this program "
    "and, should it be gone, ten minutes later by themselves. Waiting for them does not count.",
    lower_bound=0.1,
    upper_bound=119 * 24,  # Compute Engine's limit is 120 days
)
WAIT_HOURS = flags.DEFINE_float(
    "wait_hours", _DEFAULT.wait_hours, "How long to wait for machines.", lower_bound=0
)
_RESTARTS = flags.DEFINE_integer(
    "restarts",
    _DEFAULT.restarts,
    "How many times the command is started again after the machines were taken away.",
    lower_bound=0,
)
_POLL = flags.DEFINE_float(
    "poll_seconds", _DEFAULT.poll_seconds, "Time between two looks.", lower_bound=0
)
_KEEP = flags.DEFINE_bool(
    "keep", _DEFAULT.keep, "Leave the machines when the command has ended. They are paid for."
)
_DRY_RUN = flags.DEFINE_bool("dry_run", False, "Print the commands, and do nothing.")


def parse(argv: Sequence[str]) -> list[str]:
    """Parse flags, which may stand after the verb; a wrong one ends the program with one line."""
    flags.FLAGS.set_gnu_getopt(True)
    try:
        return flags.FLAGS(argv)
    except flags.Error as error:
        sys.exit(commandline.fail(str(error)))


def main(argv: Sequence[str], make: Callable[[], Machines]) -> int:
    """Do what the verb asks with the machines that ``make`` reads from the flags; the exit code.

    0 done; 2 a mistake of the user's; 69 the cloud refused; 70 the command failed with 1; 71 the
    machines are those of another run; 75 the time is over, the same command goes on; 130
    interrupted; else the code of the command.
    """
    try:
        verb, command = _verb(argv)
        if not ZONE.value:
            raise UsageError("say where: --zone=us-west4-a, for one (docs/cloud.md has a list)")
        if verb != "list" and not NAME.value:
            raise UsageError("say which machines: --name=densenet, another name for each run")
        machines = make()
        if verb in ("run", "create"):
            tree.check(_SOURCE.value)
        if command:
            _check(command)
        commands = Commands(_DRY_RUN.value)
        if verb == "list":
            return max(commands.run(arguments) for arguments in machines.everything())
        launcher = Launcher(machines, _options(keep=verb == "create" or _KEEP.value), commands)
        if verb == "delete":
            return 0 if launcher.delete() else 1
        return launcher.run(command)
    except CloudError as error:
        commandline.fail(str(error))
        return error.code
    except UsageError as error:
        return commandline.fail(str(error))
    except KeyboardInterrupt:  # of list and delete; run and create end by themselves
        tell("\ninterrupted; 'list' shows what is there", sys.stderr)
        return commandline.INTERRUPTED


def _verb(argv: Sequence[str]) -> tuple[str, list[str]]:
    verb, command = (argv[1] if len(argv) > 1 else ""), list(argv[2:])
    if verb not in VERBS:
        raise UsageError(f"say what to do, one of {', '.join(VERBS)}; --help says more")
    if verb == "run" and not command:
        raise UsageError("say what to run, after --: run ... -- python -m jagree.main --config=...")
    if verb != "run" and command:
        raise UsageError(f"{verb} runs no command; '{command[0]}' is too much")
    return verb, command


def _options(keep: bool) -> Options:
    return Options(
        source=_SOURCE.value,
        before=_BEFORE.value,
        max_hours=_MAX_HOURS.value,
        wait_hours=WAIT_HOURS.value,
        restarts=_RESTARTS.value,
        poll_seconds=_POLL.value,
        keep=keep,
    )


def _check(command: Sequence[str]) -> None:
    """Raise a UsageError for what would be noticed only on a machine that is paid for."""
    if not {"jagree.main", "launch/sweep.py"} & set(command):
        return
    for name in ("config", "workdir"):
        if {f"--{name}", f"-{name}"} & set(command):
            raise UsageError(f"write --{name}=..., with = and without a space, in the command")
    flag = {name: value for name, _, value in (a.lstrip("-").partition("=") for a in command)}
    rules.check_known(name.removeprefix("config.") for name in flag if name.startswith("config."))
    path = flag.get("config", "").partition(":")[0]
    if not path:
        raise UsageError("say which experiment, in the command: --config=configs/quickstart.py")
    if not tree.is_address(_SOURCE.value) and not Path(_SOURCE.value, path).is_file():
        raise UsageError(f"no config file '{path}' in {_SOURCE.value}; see configs/")
    bucket = flag.get("workdir", "").startswith("gs://")
    if _is_sweep(command, flag, path) and (bucket or not _KEEP.value):
        raise UsageError(
            "a sweep keeps its runs on the machine's disk, which is deleted with it; 'python "
            "launch/sweep.py --dry_run ...' prints the commands of its runs: give each a machine, "
            "with a --name and a --workdir=gs://BUCKET/runs/NAME of its own"
        )
    if not bucket and not _KEEP.value:
        raise UsageError(
            "the run folder would be deleted with the machine; say --workdir=gs://BUCKET/runs/NAME "
            "in the command, or --keep before it"
        )


def _is_sweep(command: Sequence[str], flag: Mapping[str, str], path: str) -> bool:
    """Whether a command runs a sweep: by its program, or by a config file that has a grid.

    The file of a repository that is named by its address is not looked at.
    """
    if "launch/sweep.py" in command:
        return True
    if tree.is_address(_SOURCE.value) or "nosweep" in flag or flag.get("sweep") == "false":
        return False
    names = (
        getattr(node, "asname", None) or getattr(node, "name", None)
        for node in ast.walk(ast.parse(Path(_SOURCE.value, path).read_text()))
        if isinstance(node, ast.FunctionDef | ast.alias)
    )
    return "get_grid" in names
