"""The program: ``python -m jagree.main --config=configs/quickstart.py``."""

import re
import shlex
import sys
from collections.abc import Sequence
from pathlib import Path

from absl import app, flags, logging
from ml_collections import config_flags

from jagree import config as rules
from jagree import stages
from jagree.errors import UsageError

_CONFIG = config_flags.DEFINE_config_file(
    "config", None, "The experiment: a file in configs/. Change fields by --config.FIELD=VALUE."
)
_WORKDIR = flags.DEFINE_string(
    "workdir", None, "The run folder; default runs/NAME. The same command again goes on with it."
)
_STAGES = flags.DEFINE_list("stages", list(stages.STAGES), "Which stages to run.")


def main(argv: Sequence[str]) -> int:
    """Run the stages that the flags ask for; the exit code."""
    if not flags.FLAGS["verbosity"].present:
        # Orbax tells dozens of lines about each checkpoint, and a thousand about each error that
        # it then raises as well; --verbosity=0 shows them.
        logging.set_verbosity(logging.FATAL)
    try:
        if len(argv) > 1:
            raise UsageError(f"unexpected argument '{argv[1]}'; flags begin with --")
        if _CONFIG.value is None:
            raise UsageError("say which experiment: --config=configs/quickstart.py, for one")
        config = _CONFIG.value
        workdir = _WORKDIR.value or Path("runs") / config.name
        command = shlex.join(["python", "-m", "jagree.main", *sys.argv[1:]])
        stages.run(config, workdir, _STAGES.value, command)
    except UsageError as error:
        return fail(str(error))
    except KeyboardInterrupt:
        print("\nstopped; the same command goes on from the last checkpoint", file=sys.stderr)
        return 130
    return 0


def fail(message: str) -> int:
    """Print a user's mistake as one line and give its exit code."""
    print(f"jagree: {message}", file=sys.stderr)
    return 2


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
        sys.exit(fail(str(error)))
    except AttributeError as error:
        if "get_config" not in str(error):
            raise
        sys.exit(fail("the config file has no function get_config(); see configs/quickstart.py"))


def run() -> None:
    """Entry point."""
    app.run(main, flags_parser=parse)


if __name__ == "__main__":
    run()
