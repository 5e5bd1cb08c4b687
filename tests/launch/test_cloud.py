"""What can be checked of cloud machines without a cloud: scripts, YAML, commands."""

import json
import os
import re
import shlex
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
import yaml

from jagree.cloud.gpu import Gpu
from jagree.cloud.machines import Machines, State
from jagree.cloud.tpu import Tpu
from tests.conftest import REPOSITORY

SKYPILOT = sorted((REPOSITORY / "launch").glob("skypilot_*.yaml"))
SCRIPTS = [
    *(REPOSITORY / "launch").glob("*.sh"),
    *(REPOSITORY / "bench").glob("*.sh"),
    REPOSITORY / ".ci" / "run",
]
TPU = Tpu(name="net", zone="us-west4-a", accelerator="v5litepod-8")
POD = Tpu(name="net", zone="us-west4-a", accelerator="v5litepod-16", project="my-project")
GPU = Gpu(name="net", zone="us-central1-a", machine="a3-highgpu-1g")
GPUS = Gpu(name="net", zone="us-central1-a", machine="a3-highgpu-8g", hosts=3)


def tool(name: str) -> str:
    """A program that is installed beside Python; without it the test is skipped, in CI it fails."""
    path = shutil.which(name, path=f"{Path(sys.executable).parent}:{os.environ['PATH']}")
    if path is None:
        (pytest.fail if os.environ.get("CI") == "true" else pytest.skip)(f"{name} is not installed")
    return path


def skypilot() -> str:
    """A Python with SkyPilot, which has an environment of its own; in CI it must be there."""
    python = os.environ.get("JAGREE_SKYPILOT", sys.executable)
    found = subprocess.run([python, "-c", "import sky"], capture_output=True, timeout=120)
    if found.returncode:
        fail = os.environ.get("CI") == "true" or "JAGREE_SKYPILOT" in os.environ
        reason = f"no SkyPilot in {python}; JAGREE_SKYPILOT names a Python that has it"
        (pytest.fail if fail else pytest.skip)(reason)
    return python


# Scripts and YAML


@pytest.mark.parametrize("script", SCRIPTS, ids=lambda path: path.name)
def test_shellcheck(script: Path) -> None:
    done = subprocess.run([tool("shellcheck"), script], capture_output=True, text=True, timeout=60)
    assert done.returncode == 0, done.stdout


def test_scripts_are_all_there() -> None:
    tracked = REPOSITORY.rglob("*.sh")
    mine = [p for p in tracked if not {".venv", "build"} & set(p.relative_to(REPOSITORY).parts)]
    assert {p.name for p in SCRIPTS} == {"job.sh", "install.sh", "accelerator.sh", "run"}
    assert set(mine) <= set(SCRIPTS)


def test_yamllint() -> None:
    done = subprocess.run(
        [tool("yamllint"), "--strict", "launch", ".pre-commit-config.yaml"],
        cwd=REPOSITORY,
        capture_output=True,
        text=True,
        timeout=60,
    )
    assert done.returncode == 0, done.stdout


@pytest.mark.parametrize("part", ["setup", "run"])
@pytest.mark.parametrize("path", SKYPILOT, ids=lambda path: path.name)
def test_shellcheck_of_the_commands_in_yaml(path: Path, part: str) -> None:
    done = subprocess.run(
        [tool("shellcheck"), "--shell=bash", "-"],
        input=yaml.safe_load(path.read_text())[part],
        capture_output=True,
        text=True,
        timeout=60,
    )
    assert done.returncode == 0, done.stdout


def test_skypilot_takes_the_yaml(tmp_path: Path) -> None:
    """By its own loader, which knows all keys: spot, recovery on 75, deletion when idle."""
    assert len(SKYPILOT) == 2
    load = """if True:
        import sys, json, yaml, sky
        for path in sys.argv[1:]:
            with open(path) as file:
                config = yaml.safe_load(file)
            try:
                sky.Task.from_yaml_config(dict(config))
            except ValueError as error:
                assert "WORKDIR" in str(error), error
            else:
                raise AssertionError("a run without a run folder")
            task = sky.Task.from_yaml_config(config, env_overrides=[("WORKDIR", "gs://b/r")])
            for resources in task.resources:
                assert resources.use_spot
                assert resources.job_recovery["recover_on_exit_codes"] == [75]
                assert resources.autostop_config.down
            kinds = sorted({kind for r in task.resources for kind in r.accelerators})
            print(json.dumps([task.envs, kinds]))
    """
    done = subprocess.run(
        [skypilot(), "-c", load, *map(str, SKYPILOT)],
        env={**os.environ, "HOME": str(tmp_path)},  # where it keeps what it knows
        capture_output=True,
        text=True,
        timeout=120,
    )
    assert done.returncode == 0, done.stderr
    gpu, tpu = (json.loads(line) for line in done.stdout.splitlines()[-2:])
    assert gpu[1] == ["A100", "A100-80GB", "H100", "L4"]
    assert tpu[1] == ["tpu-v5litepod-8"]
    assert gpu[0]["WORKDIR"] == "gs://b/r"


@pytest.mark.parametrize(("hosts", "rank"), [(1, 0), (3, 2)])
@pytest.mark.parametrize("path", SKYPILOT, ids=lambda path: path.name)
def test_what_skypilot_runs(path: Path, hosts: int, rank: int, tmp_path: Path) -> None:
    (tmp_path / "venv" / "bin").mkdir(parents=True)
    python = tmp_path / "venv" / "bin" / "python"
    python.write_text('#!/usr/bin/env bash\nprintf "%s\\n" "$@"\n')
    python.chmod(0o755)
    (python.parent / "activate").write_text(f"PATH={python.parent}:$PATH\n")
    done = subprocess.run(
        ["bash", "-euc", yaml.safe_load(path.read_text())["run"]],
        env={
            "PATH": os.environ["PATH"],
            "HOME": str(tmp_path),
            "CONFIG": "configs/cifar10_lenet5.py",
            "WORKDIR": "gs://b/a name",
            "FLAGS": "--config.epochs=20 --stages=train,study",
            "SKYPILOT_NUM_NODES": str(hosts),
            "SKYPILOT_NODE_RANK": str(rank),
            "SKYPILOT_NODE_IPS": "10.0.0.1\n10.0.0.2\n10.0.0.3",
        },
        capture_output=True,
        text=True,
        timeout=60,
        check=True,
    )
    words = ["-m", "jagree.main", "--config=configs/cifar10_lenet5.py", "--workdir=gs://b/a name"]
    words += ["--config.epochs=20", "--stages=train,study"]
    words += ["--distributed"] * (hosts > 1)
    if hosts > 1 and "gpu" in path.name:
        words += ["--coordinator=10.0.0.1:8476", "--processes=3", "--process=2"]
    assert done.stdout.splitlines() == words


# Commands


def test_tpu_by_the_letter() -> None:
    assert TPU.create(3600) == [
        *("gcloud", "compute", "tpus", "queued-resources", "create", "net", "--node-id=net"),
        "--accelerator-type=v5litepod-8",
        "--runtime-version=v2-alpha-tpuv5-lite",
        "--valid-until-duration=21600s",
        "--spot",
        "--labels=jagree=yes",
        "--scopes=https://www.googleapis.com/auth/cloud-platform",
        "--metadata=^|^startup-script=#!/bin/bash\n"
        "systemd-run --on-active=3600 --unit=jagree-limit /bin/bash -lc "
        "'gcloud compute tpus queued-resources delete net --force --zone=us-west4-a --quiet "
        "--async'\n",
        "--zone=us-west4-a",
        "--quiet",
    ]
    assert shlex.join(POD.delete()) == (
        "gcloud compute tpus queued-resources delete net --force --zone=us-west4-a "
        "--project=my-project --quiet"
    )
    assert POD.ssh(0, "a 'b c'") == [
        *("gcloud", "compute", "tpus", "tpu-vm", "ssh", "net", "--worker=all"),
        *("--ssh-flag=-oServerAliveInterval=30", "--ssh-flag=-oServerAliveCountMax=4"),
        "--ssh-flag=-oConnectTimeout=10",
        *("--command=a 'b c'", "--zone=us-west4-a", "--project=my-project", "--quiet"),
    ]
    assert POD.scp(0, "/a/b", "c")[1:11] == [
        *("compute", "tpus", "tpu-vm", "scp", "/a/b", "net:c", "--worker=all"),
        *("--scp-flag=-oServerAliveInterval=30", "--scp-flag=-oServerAliveCountMax=4"),
        "--scp-flag=-oConnectTimeout=10",
    ]


def test_gpu_by_the_letter() -> None:
    assert GPUS.create(7200) == [
        *("gcloud", "compute", "instances", "create", "net-0", "net-1", "net-2"),
        "--zone=us-central1-a",
        "--machine-type=a3-highgpu-8g",
        "--provisioning-model=SPOT",
        "--max-run-duration=7200s",
        "--instance-termination-action=DELETE",
        "--maintenance-policy=TERMINATE",
        "--image-family=ubuntu-accelerator-2404-amd64-with-nvidia-580",
        "--image-project=ubuntu-os-accelerator-images",
        "--boot-disk-size=200GB",
        "--boot-disk-type=pd-balanced",
        "--labels=jagree=yes",
        "--scopes=https://www.googleapis.com/auth/cloud-platform",
        "--quiet",
    ]
    assert GPUS.ssh(1, "ls")[:4] == ["gcloud", "compute", "ssh", "net-1"]
    assert GPUS.scp(2, "/a", "b")[:5] == ["gcloud", "compute", "scp", "/a", "net-2:b"]
    assert "--scp-flag=-oConnectTimeout=10" in GPUS.scp(2, "/a", "b")
    assert GPUS.delete()[3:7] == ["delete", "net-0", "net-1", "net-2"]
    assert GPUS.delete(["net-2\tRUNNING"])[3:6] == ["delete", "net-2", "--zone=us-central1-a"]
    assert "--delete-disks=all" in GPUS.delete()


@pytest.mark.parametrize(
    ("accelerator", "version", "hosts"),
    [
        ("v5litepod-1", "v2-alpha-tpuv5-lite", 1),
        ("v5litepod-8", "v2-alpha-tpuv5-lite", 1),
        ("v5litepod-16", "v2-alpha-tpuv5-lite", 2),
        ("v6e-8", "v2-alpha-tpuv6e", 1),
        ("v6e-256", "v2-alpha-tpuv6e", 2),
        ("v5p-8", "v2-alpha-tpuv5", 1),
        ("v4-16", "tpu-ubuntu2204-base", 2),
    ],
)
def test_versions_and_hosts(accelerator: str, version: str, hosts: int) -> None:
    slice_ = Tpu(name="net", zone="us-west4-a", accelerator=accelerator)
    assert f"--runtime-version={version}" in slice_.create(60)
    assert slice_.processes(0) == (["--distributed"] if hosts > 1 else [])


def test_provisioning() -> None:
    flex = Tpu(name="net", zone="us-west4-a", accelerator="v6e-8", provisioning="flex-start")
    assert flex.create(3600)[:2] == ["gcloud", "alpha"]
    assert {"--provisioning-model=flex-start", "--max-run-duration=3600s"} <= set(flex.create(3600))
    assert "--max-run-duration=604800s" in flex.create(604801)  # the service takes no more
    paid = Tpu(name="net", zone="us-west4-a", accelerator="v6e-8", provisioning="on-demand")
    assert paid.create(60)[1] == "compute"
    assert not {"--spot", "--provisioning-model=flex-start"} & set(paid.create(60))
    dear = Gpu(name="net", zone="us-central1-a", machine="g2-standard-8", provisioning="on-demand")
    assert "--provisioning-model=STANDARD" in dear.create(60)
    assert "--max-run-duration=60s" in dear.create(60)
    assert "--instance-termination-action=DELETE" in dear.create(60)


def test_processes_find_each_other() -> None:
    assert GPU.processes(0) == []
    assert GPUS.processes(2) == [
        *("--distributed", "--coordinator=net-0:8476", "--processes=3", "--process=2"),
    ]


@pytest.mark.parametrize(
    ("machines", "lines", "state"),
    [
        (TPU, [], State.GONE),
        (TPU, ["WAITING_FOR_RESOURCES"], State.WAITING),
        (TPU, ["PROVISIONING"], State.WAITING),
        (TPU, ["DELETING"], State.WAITING),
        (TPU, ["ACTIVE"], State.READY),
        (TPU, ["SUSPENDING"], State.DEAD),
        (TPU, ["SUSPENDED"], State.DEAD),
        (TPU, ["FAILED"], State.DEAD),
        (GPUS, [], State.GONE),
        (GPUS, ["net-0\tRUNNING", "net-1\tRUNNING", "net-2\tRUNNING"], State.READY),
        (GPUS, ["net-0\tRUNNING", "net-1\tSTAGING", "net-2\tRUNNING"], State.WAITING),
        (GPUS, ["net-0\tRUNNING", "net-1\tSTOPPING", "net-2\tRUNNING"], State.DEAD),
        (GPUS, ["net-0\tRUNNING", "net-2\tSTOPPING"], State.DEAD),
        (GPUS, ["net-0\tRUNNING", "net-2\tRUNNING"], State.PART),
        (GPUS, ["net-0\tRUNNING", "net-3\tRUNNING"], State.OTHER),
        (GPU, ["net-0\tRUNNING", "net-1\tRUNNING"], State.OTHER),
        (GPU, ["net-0\tTERMINATED"], State.DEAD),
    ],
)
def test_states(machines: Machines, lines: list[str], state: State) -> None:
    assert machines.judge(lines) is state


def test_list_finds_exactly_the_names() -> None:
    """gcloud's ~ searches: without its ends, net would find planet as well."""
    text = next(a for a in GPUS.states() if a.startswith("--filter="))
    named, _, label = text.partition("~")[2].partition(" AND ")
    assert label == "labels.jagree=yes"
    assert [n for n in ("net-0", "net-9", "planet-0", "net-0-b", "net") if re.search(named, n)] == [
        *("net-0", "net-9"),
    ]
    text = next(a for a in TPU.states() if a.startswith("--filter="))
    named, _, label = text.partition("~")[2].partition(" AND ")
    assert label == "tpu.nodeSpec[].node.labels.jagree=yes"  # where create's --labels go
    paths = ["projects/p/locations/z/queuedResources/" + n for n in ("net", "planet", "net-2")]
    assert [p for p in paths if re.search(named, p)] == paths[:1]


@pytest.mark.slow  # a second for each of two dozen commands
@pytest.mark.parametrize("machines", [TPU, POD, GPU, GPUS], ids=["tpu", "pod", "gpu", "gpus"])
def test_gcloud_knows_the_commands(machines: Machines, tmp_path: Path) -> None:
    """By gcloud's own linter, which needs no account; gcloud is not to be had from an index."""
    if not shutil.which("gcloud"):
        pytest.skip("gcloud is not installed")
    (tmp_path / "file").touch()
    commands = [
        machines.create(3600),
        machines.states(),
        machines.ssh(0, "true"),
        machines.scp(0, str(tmp_path / "file"), "file"),
        machines.delete(),
        *machines.everything(),
    ]
    for command in commands:
        # The linter breaks on quotes within quotes, which gcloud itself does not read.
        plain = [re.sub(r"(startup-script)=(.*)", r"\1=x", a, flags=re.DOTALL) for a in command]
        done = subprocess.run(
            ["gcloud", "meta", "lint-gcloud-commands", f"--command-string={shlex.join(plain)}"],
            env={
                **os.environ,
                "CLOUDSDK_CONFIG": str(tmp_path),
                "CLOUDSDK_CORE_DISABLE_USAGE_REPORTING": "true",
            },
            capture_output=True,
            text=True,
            timeout=120,
        )
        answer = json.loads(done.stdout)[0]
        assert answer["success"], (command, answer["error_message"])
