"""Virtual machines with GPUs on Compute Engine: G2 (L4), A2 (A100), A3 (H100).

Syntax: the reference of ``gcloud compute instances create``; the limit of time:
https://docs.cloud.google.com/compute/docs/instances/limit-vm-runtime. The image is Canonical's
Ubuntu 24.04 with NVIDIA's driver 580, the first that serves CUDA 13.
"""

import re
from collections.abc import Sequence
from dataclasses import dataclass

from jagree.cloud.machines import ALIVE, COPYING, LABEL, SCOPE, State, check_name, check_zone
from jagree.errors import UsageError

IMAGE_PROJECT = "ubuntu-os-accelerator-images"
IMAGE_FAMILY = "ubuntu-accelerator-2404-amd64-with-nvidia-580"
PROVISIONING = ("spot", "on-demand")
PORT = 8476  # of the first process, where the others find it
_LAST = {"STOPPING", "STOPPED", "SUSPENDING", "SUSPENDED", "TERMINATED", "DEPROVISIONING"}


@dataclass(frozen=True)
class Gpu:
    """Machines NAME-0, NAME-1, ... of one type, in one zone, with a process of jagree on each.

    Parameters
    ----------
    name, zone, project
        An empty project is gcloud's own.
    machine
        Type, which says how many GPUs there are: ``g2-standard-8`` (one L4), ``a2-highgpu-1g`` (one
        A100 of 40 GB), ``a3-highgpu-1g`` (one H100), ``a3-highgpu-8g`` (eight).
    hosts
        How many machines, at least 1.
    provisioning
        ``spot`` or ``on-demand``.
    image_family, image_project
        Image of the system, with NVIDIA's driver.
    disk_gb, disk_type
        Disk of each machine, which goes with it.

    Raises
    ------
    UsageError
        No hosts, or a name, zone or machine type that is none.
    """

    name: str
    zone: str
    machine: str
    hosts: int = 1
    provisioning: str = "spot"
    project: str = ""
    image_family: str = IMAGE_FAMILY
    image_project: str = IMAGE_PROJECT
    disk_gb: int = 200
    disk_type: str = "pd-balanced"

    def __post_init__(self) -> None:
        check_name(self.name)
        check_zone(self.zone)
        if not re.fullmatch(r"[a-z]\d[a-z]*-[a-z0-9]+-[a-z0-9-]+", self.machine):
            raise UsageError(
                f"--machine={self.machine} is no machine type; say g2-standard-8 (one L4), "
                "a2-highgpu-1g (one A100) or a3-highgpu-8g (eight H100)"
            )
        if not 1 <= self.hosts <= 10:
            raise UsageError(f"--hosts={self.hosts}: from 1 to 10 machines can be asked for")

    @property
    def extra(self) -> str:
        """JAX for CUDA 13, and run folders in buckets."""
        return "cuda13,gcs"

    @property
    def places(self) -> int:
        """Each machine is reached by its own ssh."""
        return self.hosts

    @property
    def names(self) -> list[str]:
        """Of the machines, which are their addresses within the project as well."""
        return [f"{self.name}-{place}" for place in range(self.hosts)]

    def _gcloud(self, *arguments: str) -> list[str]:
        project = [f"--project={self.project}"] if self.project else []
        return ["gcloud", "compute", *arguments, *project, "--quiet"]

    def create(self, seconds: int) -> list[str]:
        """Create all machines at once; Compute Engine deletes each after ``seconds``."""
        return self._gcloud(
            *("instances", "create", *self.names, f"--zone={self.zone}"),
            f"--machine-type={self.machine}",
            f"--provisioning-model={'SPOT' if self.provisioning == 'spot' else 'STANDARD'}",
            f"--max-run-duration={seconds}s",
            "--instance-termination-action=DELETE",  # also after preemption
            "--maintenance-policy=TERMINATE",  # GPUs cannot be moved to another host
            f"--image-family={self.image_family}",
            f"--image-project={self.image_project}",
            f"--boot-disk-size={self.disk_gb}GB",
            f"--boot-disk-type={self.disk_type}",
            f"--labels={LABEL}=yes",
            f"--scopes={SCOPE}",
        )

    def states(self) -> list[str]:
        """List the machines of this name that carry the label, each with its state."""
        return self._gcloud(
            *("instances", "list", f"--zones={self.zone}"),
            f"--filter=name~^{self.name}-[0-9]$ AND labels.{LABEL}=yes",
            "--format=value(name,status)",
        )

    def judge(self, lines: Sequence[str]) -> State:
        """Ready if all run; one that is missing or stops makes the others useless."""
        if not lines:
            return State.GONE
        names, states = zip(*(line.split() for line in lines), strict=True)
        if not set(names) <= set(self.names):
            return State.OTHER
        if _LAST & set(states):
            return State.DEAD
        if len(lines) < self.hosts:
            return State.PART
        return State.READY if set(states) == {"RUNNING"} else State.WAITING

    def ssh(self, place: int, line: str) -> list[str]:
        """On one machine."""
        return self._gcloud(
            "ssh", self.names[place], f"--zone={self.zone}", *ALIVE, f"--command={line}"
        )

    def scp(self, place: int, source: str, target: str) -> list[str]:
        """To one machine."""
        return self._gcloud(
            "scp", source, f"{self.names[place]}:{target}", f"--zone={self.zone}", *COPYING
        )

    def processes(self, place: int) -> list[str]:
        """On several machines the first is the one that the others report to."""
        if self.hosts == 1:
            return []
        return [
            "--distributed",
            f"--coordinator={self.names[0]}:{PORT}",
            f"--processes={self.hosts}",
            f"--process={place}",
        ]

    def delete(self, lines: Sequence[str] = ()) -> list[str]:
        """Delete the machines that were listed, or else all of this run, with their disks."""
        names = [line.split()[0] for line in lines] or self.names
        return self._gcloud(
            *("instances", "delete", *names, f"--zone={self.zone}", "--delete-disks=all")
        )

    def everything(self) -> list[list[str]]:
        """All machines that carry jagree's label, in all zones."""
        return [self._gcloud("instances", "list", f"--filter=labels.{LABEL}=yes")]
