"""Slices of TPUs, by queued resources of the Cloud TPU API.

Syntax and states: https://docs.cloud.google.com/tpu/docs/queued-resources and the reference of
``gcloud compute tpus queued-resources`` and ``gcloud compute tpus tpu-vm``; software versions:
https://docs.cloud.google.com/tpu/docs/runtimes.
"""

import re
import shlex
from collections.abc import Sequence
from dataclasses import dataclass

from jagree.cloud.machines import ALIVE, COPYING, LABEL, SCOPE, State, check_name, check_zone
from jagree.errors import UsageError

RUNTIMES = {
    "v6e": "v2-alpha-tpuv6e",
    "v5p": "v2-alpha-tpuv5",
    "v5litepod": "v2-alpha-tpuv5-lite",
    "v4": "tpu-ubuntu2204-base",
    "v3": "tpu-ubuntu2204-base",
    "v2": "tpu-ubuntu2204-base",
}
PROVISIONING = ("spot", "on-demand", "flex-start")
_QUEUED = ("compute", "tpus", "queued-resources")
_LONGEST = 7 * 24 * 3600  # that flex-start can be asked for, seconds


@dataclass(frozen=True)
class Tpu:
    """One slice: a queued resource with one node of the same name.

    Parameters
    ----------
    name, zone, project
        Of the queued resource; an empty project is gcloud's own.
    accelerator
        Type with its size: ``v5litepod-8`` (one host of v5e), ``v6e-16`` (four hosts).
    provisioning
        ``spot``: cheap, goes away; ``on-demand``; ``flex-start``: deleted by the service itself
        after the time it was asked for (a preview, in some zones).
    wait_seconds
        How long the request may stay in the queue.
    runtime
        Software version; empty: the one that fits the accelerator.

    Raises
    ------
    UsageError
        An accelerator whose software version is not known here, a name or zone that is none.
    """

    name: str
    zone: str
    accelerator: str
    provisioning: str = "spot"
    wait_seconds: int = 6 * 3600
    project: str = ""
    runtime: str = ""

    def __post_init__(self) -> None:
        check_name(self.name)
        check_zone(self.zone)
        match = re.fullmatch(r"([a-z0-9]+)-([1-9]\d*)", self.accelerator)
        if not match or not (self.runtime or match[1] in RUNTIMES):
            raise UsageError(
                f"--accelerator={self.accelerator} is not known; say v5litepod-8 (v5e, one host) "
                f"or v6e-16, one of {', '.join(RUNTIMES)} with a number of chips, or name its "
                "--runtime_version (Ironwood, tpu7x, needs Kubernetes and is not supported)"
            )

    @property
    def extra(self) -> str:
        """JAX for TPUs, and run folders in buckets."""
        return "tpu,gcs"

    @property
    def places(self) -> int:
        """One ssh goes to all hosts."""
        return 1

    @property
    def several_hosts(self) -> bool:
        """Whether the slice has several hosts: all do whose number is above 8."""
        return int(self.accelerator.rpartition("-")[2]) > 8

    def _gcloud(self, *arguments: str, alpha: bool = False) -> list[str]:
        project = [f"--project={self.project}"] if self.project else []
        track = ["alpha"] if alpha else []
        return ["gcloud", *track, *arguments, f"--zone={self.zone}", *project, "--quiet"]

    def create(self, seconds: int) -> list[str]:
        """Queue a request; the machines delete themselves after ``seconds``.

        Only flex-start has a limit that the service keeps. For the others each host starts a clock
        at boot that deletes the queued resource; it needs a service account that may do so.
        """
        version = self.runtime or RUNTIMES[self.accelerator.partition("-")[0]]
        kind = {
            "spot": ["--spot"],
            "on-demand": [],
            "flex-start": [
                "--provisioning-model=flex-start",
                f"--max-run-duration={min(seconds, _LONGEST)}s",
            ],
        }[self.provisioning]
        end = shlex.quote(shlex.join([*self.delete(), "--async"]))
        clock = (
            "#!/bin/bash\n"
            f"systemd-run --on-active={seconds} --unit=jagree-limit /bin/bash -lc {end}\n"
        )
        return self._gcloud(
            *_QUEUED,
            "create",
            self.name,
            f"--node-id={self.name}",
            f"--accelerator-type={self.accelerator}",
            f"--runtime-version={version}",
            f"--valid-until-duration={self.wait_seconds}s",
            *kind,
            f"--labels={LABEL}=yes",
            f"--scopes={SCOPE}",
            f"--metadata=^|^startup-script={clock}",  # ^|^: entries are parted by |, not by commas
            alpha=self.provisioning == "flex-start",
        )

    def states(self) -> list[str]:
        """List the request of this name, if it carries the label, with its state."""
        return self._gcloud(
            *(*_QUEUED, "list"),
            f"--filter=name~/{self.name}$ AND tpu.nodeSpec[].node.labels.{LABEL}=yes",
            "--format=value(state.state)",
        )

    def judge(self, lines: Sequence[str]) -> State:
        """ACTIVE is ready; FAILED, SUSPENDING and SUSPENDED (preempted) never become so."""
        if not lines:
            return State.GONE
        if lines[0] == "ACTIVE":
            return State.READY
        if lines[0] in ("FAILED", "SUSPENDING", "SUSPENDED"):
            return State.DEAD
        return State.WAITING

    def ssh(self, place: int, line: str) -> list[str]:
        """On all workers at once; the first code that is not 0, by worker."""
        return self._gcloud(
            *("compute", "tpus", "tpu-vm", "ssh", self.name),
            *("--worker=all", *ALIVE, f"--command={line}"),
        )

    def scp(self, place: int, source: str, target: str) -> list[str]:
        """To all workers."""
        return self._gcloud(
            *(
                "compute",
                "tpus",
                "tpu-vm",
                "scp",
                source,
                f"{self.name}:{target}",
                "--worker=all",
                *COPYING,
            )
        )

    def processes(self, place: int) -> list[str]:
        """On several hosts jax.distributed asks the TPU itself for all it needs."""
        return ["--distributed"] if self.several_hosts else []

    def delete(self, lines: Sequence[str] = ()) -> list[str]:
        """Delete the request and its machines."""
        return self._gcloud(*_QUEUED, "delete", self.name, "--force")

    def everything(self) -> list[list[str]]:
        """Requests, and machines made without one, in the zone."""
        return [self._gcloud(*_QUEUED, "list"), self._gcloud("compute", "tpus", "tpu-vm", "list")]
