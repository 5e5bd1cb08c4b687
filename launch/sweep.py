"""Many runs that differ in a few fields: ``python launch/sweep.py --config=... --grid=seed=0,1``.

The same command again goes on: runs that are done are left, the others are tried again.
docs/sweeps.md says what comes out.
"""

from collections.abc import Sequence

from absl import app, flags

from jagree import commandline, stages
from jagree.errors import UsageError
from jagree.sweep import door, grid

_GRID = flags.DEFINE_multi_string(
    "grid",
    [],
    "A field of the config and its values: --grid=batch_size=32,128 --grid=seed=0,1. Values that "
    "are lists themselves stand between semicolons. A config file with get_grid() has its own.",
)
_COMBINE = flags.DEFINE_enum(
    "combine",
    None,
    grid.COMBINATIONS,
    "product: each value with each of the other fields; zip: first with first, second with second. "
    "Default: what the config file says, else product.",
)
_WORKDIR = flags.DEFINE_string(
    "workdir", None, "The folder of the sweep, with a folder for each run; default runs/NAME_sweep."
)
_STAGES = flags.DEFINE_list(
    "stages", list(stages.STAGES), "Which stages of each run; python -m jagree.main --help."
)
_PARALLEL = flags.DEFINE_integer(
    "parallel", None, "Runs at a time; default one, or one on each of --devices."
)
_DEVICES = flags.DEFINE_list(
    "devices", [], "GPUs, one for each run at a time (CUDA_VISIBLE_DEVICES): --devices=0,1,2."
)
_DRY_RUN = flags.DEFINE_bool("dry_run", False, "Print the commands of the runs, and do nothing.")
flags.declare_key_flag("config")


def main(argv: Sequence[str]) -> int:
    """Run the sweep that the flags describe; the exit code."""
    try:
        commandline.refuse_arguments(argv)
        if commandline.config() is None:
            raise UsageError("say which experiment: --config=configs/cifar10_lenet5.py, for one")
        return door.sweep(
            door.Options(
                grid=_GRID.value,
                combine=_COMBINE.value,
                workdir=_WORKDIR.value,
                stages=_STAGES.value,
                parallel=_PARALLEL.value,
                devices=_DEVICES.value,
                dry_run=_DRY_RUN.value,
            )
        )
    except UsageError as error:
        return commandline.fail(str(error))
    except KeyboardInterrupt:  # before the first run began
        return commandline.interrupted("its beginning")


if __name__ == "__main__":
    app.run(main, flags_parser=commandline.parse)
