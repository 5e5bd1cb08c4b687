"""What the programs of jagree have in common: the flag --config, one-line errors, exit codes.

Exit codes: 0 done; 2 a mistake of the user's, told in one line; 3 done, but some images could not
be measured; 75 stopped by SIGTERM, and all is saved: the same command goes on (the system's
EX_TEMPFAIL: "try again later"); 130 interrupted. Those of --status stand in its help.
"""

import re
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from absl import flags, logging
from ml_collections import ConfigDict, config_flags

from jagree import config as rules
from jagree import preemption
from jagree.errors import UsageError
from jagree.preemption import Preempted

WRONG_USE, INCOMPLETE, PREEMPTED, INTERRUPTED = 2, 3, preemption.EXIT_CODE, 130

CONFIG = config_flags.DEFINE_config_file(
    "config", None, "The experiment: a file in configs/. Change fields by --config.FIELD=VALUE."
)


def config() -> ConfigDict | None:
    """The config that the flags describe; None without --config.

    A list of names may be written as such, ``--config.statistics.names=entropy,segments``, which
    config_flags would take for one name.
    """
    chosen = CONFIG.value
    if chosen is not None:
        _split_names(chosen)
    return chosen


def load(arguments: Sequence[str]) -> ConfigDict:
    """The config that a program given these arguments would find in its flag --config.

    Parameters
    ----------
    arguments : sequence of str
        ``--config=FILE`` and any number of ``--config.FIELD=VALUE``.

    Raises
    ------
    UsageError
        If a value is not of its field's type.
    """
    values, line = flags.FlagValues(), ["", *arguments]
    config_flags.DEFINE_config_file("config", None, "", values, sys_argv=line)
    try:
        values(line)
    except flags.Error as error:
        raise UsageError(str(error)) from error
    loaded: ConfigDict = values["config"].value
    _split_names(loaded)
    return loaded


def given() -> tuple[str, dict[str, Any]]:
    """What --config names, a variant after a colon included, and the fields that flags change."""
    flag = flags.FLAGS["config"]
    changed = config_flags.get_override_values(flag)
    fields = rules.flatten(CONFIG.value)
    return config_flags.get_config_filename(flag), {
        field: tuple(fields[field]) if isinstance(fields[field], list) else fields[field]
        for field in changed
    }


def _split_names(section: ConfigDict) -> None:
    for field, value in section.items():
        if field == "leave_out":
            continue  # names of examples, which may hold commas
        if isinstance(value, ConfigDict):
            _split_names(value)
        elif isinstance(value, tuple) and any(
            isinstance(v, str) and ("," in v or not v) for v in value
        ):
            section[field] = tuple(name.strip() for v in value for name in v.split(",") if name)


def refuse_arguments(argv: Sequence[str]) -> None:
    """Raise a UsageError if there is anything but flags; be silent about what libraries log."""
    if not flags.FLAGS["verbosity"].present:
        # Orbax tells dozens of lines about each checkpoint, and a thousand about each error that
        # it then raises as well; --verbosity=0 shows them.
        logging.set_verbosity(logging.FATAL)
    if len(argv) > 1:
        raise UsageError(f"unexpected argument '{argv[1]}'; flags begin with --")


def fail(message: str) -> int:
    """Print a user's mistake as one line and give its exit code."""
    print(f"jagree: {message}", file=sys.stderr)
    return WRONG_USE


def interrupted(goes_on: str) -> int:
    """Say that the user stopped the program, and where it would go on; the exit code."""
    print(f"\nstopped; the same command goes on from {goes_on}", file=sys.stderr)
    return INTERRUPTED


def preempted(stopped: Preempted) -> int:
    """Say that the program was told to end, and where it would go on; the exit code."""
    print(stopped, file=sys.stderr)
    return PREEMPTED


def parse(argv: Sequence[str]) -> list[str]:
    """Parse the flags; a wrong one ends the program with one line and exit code 2."""
    try:
        # Looked at first, because config_flags reports an unknown field by a bare KeyError.
        fields = (re.match(r"--?config\.([\w.]+)", argument) for argument in argv[1:])
        rules.check_known(field[1] for field in fields if field)
        for argument in argv[1:]:
            path = re.match(r"--?config=([^:]*)", argument)
            if path and not Path(path[1]).is_file():
                raise UsageError(f"no config file '{path[1]}'; the experiments lie in configs/")
        return flags.FLAGS(argv)
    except (UsageError, flags.Error) as error:
        if "get_config() takes 0 positional arguments" in str(error):  # amid a traceback
            sys.exit(fail("this config has no variants; leave out the colon and what follows it"))
        sys.exit(fail(str(error)))
    except AttributeError as error:
        if "get_config" not in str(error):
            raise
        sys.exit(fail("the config file has no function get_config(); see configs/quickstart.py"))
