"""The program: ``python -m jagree.main --config=configs/quickstart.py``."""

import shlex
import sys
from collections.abc import Sequence
from pathlib import Path

from absl import app, flags

from jagree import commandline, stages
from jagree.errors import UsageError

_WORKDIR = flags.DEFINE_string(
    "workdir", None, "The run folder; default runs/NAME. The same command again goes on with it."
)
_STAGES = flags.DEFINE_list(
    "stages",
    list(stages.STAGES),
    "Which stages to run, of: "
    + "; ".join(f"{name} ({what})" for name, what in stages.STAGES.items())
    + ". Each starts from what the ones before left in the run folder.",
)
flags.declare_key_flag("config")  # so that --help shows it, too


def main(argv: Sequence[str]) -> int:
    """Run the stages that the flags ask for; the exit code."""
    try:
        commandline.refuse_arguments(argv)
        config = commandline.config()
        if config is None:
            raise UsageError("say which experiment: --config=configs/quickstart.py, for one")
        workdir = _WORKDIR.value or Path("runs") / config.name
        command = shlex.join(["python", "-m", "jagree.main", *sys.argv[1:]])
        failed = stages.run(config, workdir, _STAGES.value, command)
    except UsageError as error:
        return commandline.fail(str(error))
    except KeyboardInterrupt:
        return commandline.interrupted("what is saved")
    return commandline.INCOMPLETE if failed else 0


def run() -> None:
    """Entry point."""
    app.run(main, flags_parser=commandline.parse)


if __name__ == "__main__":
    run()
