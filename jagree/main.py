"""The program: ``python -m jagree.main --config=configs/quickstart.py``."""

import shlex
import sys
from collections.abc import Sequence
from pathlib import Path

from absl import app, flags

from jagree import commandline, processes, stages
from jagree.errors import UsageError
from jagree.preemption import Preempted
from jagree.sweep import grid
from jagree.watching import status

_WORKDIR = flags.DEFINE_string(
    "workdir",
    None,
    "The run folder, or gs://...; default runs/NAME. The same command goes on with it.",
)
_STAGES = flags.DEFINE_list(
    "stages",
    list(stages.STAGES),
    "Which stages to run, of: "
    + "; ".join(f"{name} ({what})" for name, what in stages.STAGES.items())
    + ". Each starts from what the ones before left in the run folder.",
)
_SWEEP = flags.DEFINE_bool(
    "sweep",
    True,
    "Whether a config file with a grid (configs/sweeps/) runs as a sweep: all of its runs, one "
    "after the other, in --workdir; launch/sweep.py has more to choose. --nosweep: one run of it.",
)
_STATUS = flags.DEFINE_multi_string(
    "status",
    [],
    "Only print where a run stands, or several: run folders and folders of run folders. Touches "
    "nothing. Exit code 0: each is complete or at work; 3: some is neither; 2: some is no run.",
)
flags.declare_key_flag("config")  # so that --help shows it, too


_DISTRIBUTED = flags.DEFINE_bool(
    "distributed",
    False,
    "This is one of several processes that train one run, each with devices of its own; start the "
    "same command in all of them. On a TPU pod, or under Slurm, nothing else is needed.",
)
_COORDINATOR = flags.DEFINE_string(
    "coordinator", None, "HOST:PORT of the first of several processes, where nobody else tells."
)
_PROCESSES = flags.DEFINE_integer("processes", None, "With --coordinator: how many there are.")
_PROCESS = flags.DEFINE_integer("process", None, "With --coordinator: which this is, from 0.")


def main(argv: Sequence[str]) -> int:
    """Do what the flags ask for; the exit code."""
    with processes.ended_at_once():
        code = _main(argv)
    return processes.end(code)


def _main(argv: Sequence[str]) -> int:
    try:
        if _STATUS.value:  # more folders may follow: --status runs/*
            commandline.refuse_arguments(argv[:1])
            return status.tell([*_STATUS.value, *argv[1:]])
        commandline.refuse_arguments(argv)
        config = commandline.config()
        if config is None:
            raise UsageError("say which experiment: --config=configs/quickstart.py, for one")
        if _SWEEP.value and grid.of_file(commandline.given()[0].partition(":")[0]):
            if _DISTRIBUTED.value or any(
                f.value is not None for f in (_COORDINATOR, _PROCESSES, _PROCESS)
            ):
                raise UsageError(
                    "the runs of a sweep are of one process each; leave out --distributed, "
                    "--coordinator, --processes and --process, or start one run by --nosweep"
                )
            from jagree.sweep import door

            return door.sweep(door.Options(workdir=_WORKDIR.value, stages=_STAGES.value))
        workdir = _WORKDIR.value or Path("runs") / config.name
        command = shlex.join(["python", "-m", "jagree.main", *sys.argv[1:]])
        together = processes.asked(
            _DISTRIBUTED.value, _COORDINATOR.value, _PROCESSES.value, _PROCESS.value
        )
        if together is not None and not processes.is_guarded():
            return processes.guard(sys.argv[1:])
        failed = stages.run(config, workdir, _STAGES.value, command, together)
    except UsageError as error:
        return commandline.fail(str(error))
    except Preempted as stopped:
        processes.leave()
        return commandline.preempted(stopped)
    except KeyboardInterrupt:
        return commandline.interrupted("what is saved")
    return commandline.INCOMPLETE if failed else 0


def run() -> None:
    """Entry point."""
    app.run(main, flags_parser=commandline.parse)


if __name__ == "__main__":
    run()
