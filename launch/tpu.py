"""TPUs on Google Cloud: create, run, go on after preemption, delete.

    python launch/tpu.py run --accelerator=v5litepod-8 --zone=us-west4-a --name=densenet -- \\
        python -m jagree.main --config=configs/cifar10_densenet.py --workdir=gs://BUCKET/runs/a
    python launch/tpu.py list --zone=us-west4-a
    python launch/tpu.py delete --zone=us-west4-a --name=densenet

Each gcloud command is printed before it is run; --dry_run only prints. The machines are deleted
when the command has ended, when it was interrupted, and after --max_hours. docs/cloud.md says the
rest.
"""

from collections.abc import Sequence

from absl import app, flags

from jagree.cloud import door
from jagree.cloud.tpu import PROVISIONING, Tpu

_ACCELERATOR = flags.DEFINE_string(
    "accelerator", "v5litepod-8", "v5litepod-8 (8 chips of v5e), v6e-8; above 8: several hosts."
)
_PROVISIONING = flags.DEFINE_enum(
    "provisioning",
    "spot",
    PROVISIONING,
    "spot: cheap, may be taken away at any time; flex-start: the service deletes the machines "
    "itself after --max_hours.",
)
_RUNTIME = flags.DEFINE_string(
    "runtime_version", "", "Software version of the machine; default: that of the accelerator."
)
flags.adopt_module_key_flags(door)  # so that --help shows them, too


def machines() -> Tpu:
    """The slice that the flags describe."""
    return Tpu(
        name=door.NAME.value or "any",  # which only list goes without
        zone=door.ZONE.value,
        project=door.PROJECT.value,
        accelerator=_ACCELERATOR.value,
        provisioning=_PROVISIONING.value,
        wait_seconds=int(door.WAIT_HOURS.value * 3600),
        runtime=_RUNTIME.value,
    )


def main(argv: Sequence[str]) -> int:
    """Do what the command line asks; the exit code."""
    return door.main(argv, machines)


if __name__ == "__main__":
    app.run(main, flags_parser=door.parse)
