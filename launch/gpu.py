"""Machines with GPUs on Google Cloud: create, run, go on after preemption, delete.

    python launch/gpu.py run --machine=a3-highgpu-1g --zone=us-central1-a --name=densenet -- \\
        python -m jagree.main --config=configs/cifar10_densenet.py --workdir=gs://BUCKET/runs/a
    python launch/gpu.py list --zone=us-central1-a
    python launch/gpu.py delete --zone=us-central1-a --name=densenet

Each gcloud command is printed before it is run; --dry_run only prints. The machines are deleted
when the command has ended, when it was interrupted and, by Compute Engine itself, after
--max_hours. docs/cloud.md says the rest.
"""

from collections.abc import Sequence

from absl import app, flags

from jagree.cloud import door, gpu

_MACHINE = flags.DEFINE_string(
    "machine",
    "g2-standard-8",
    "g2-standard-8 (one L4), a2-highgpu-1g (one A100), a3-highgpu-1g (one H100), a3-highgpu-8g.",
)
_HOSTS = flags.DEFINE_integer("hosts", 1, "How many machines, with one process on each.")
_PROVISIONING = flags.DEFINE_enum(
    "provisioning", "spot", gpu.PROVISIONING, "spot: cheap, may be taken away at any time."
)
_IMAGE_FAMILY = flags.DEFINE_string(
    "image_family", gpu.IMAGE_FAMILY, "Image of the system, with NVIDIA's driver."
)
_IMAGE_PROJECT = flags.DEFINE_string("image_project", gpu.IMAGE_PROJECT, "Whose image it is.")
_DISK_GB = flags.DEFINE_integer("disk_gb", 200, "Size of each machine's disk, GB.", lower_bound=50)
_DISK_TYPE = flags.DEFINE_string("disk_type", "pd-balanced", "Type of that disk.")
flags.adopt_module_key_flags(door)  # so that --help shows them, too


def machines() -> gpu.Gpu:
    """The machines that the flags describe."""
    return gpu.Gpu(
        name=door.NAME.value or "any",  # which only list goes without
        zone=door.ZONE.value,
        project=door.PROJECT.value,
        machine=_MACHINE.value,
        hosts=_HOSTS.value,
        provisioning=_PROVISIONING.value,
        image_family=_IMAGE_FAMILY.value,
        image_project=_IMAGE_PROJECT.value,
        disk_gb=_DISK_GB.value,
        disk_type=_DISK_TYPE.value,
    )


def main(argv: Sequence[str]) -> int:
    """Do what the command line asks; the exit code."""
    return door.main(argv, machines)


if __name__ == "__main__":
    app.run(main, flags_parser=door.parse)
