"""Mistakes in asking for machines, told in one line before anything is paid; what they get."""

import re
import subprocess
import sys
import tarfile
from pathlib import Path

import pytest
import yaml

from jagree.cloud import tree
from jagree.cloud.gpu import Gpu
from jagree.cloud.tpu import Tpu
from jagree.errors import UsageError
from tests.conftest import REPOSITORY


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        ({"accelerator": "v5e-8"}, "v5litepod-8"),
        ({"accelerator": "tpu7x-8"}, "Kubernetes"),
        ({"accelerator": "v6e-0"}, "v6e-16"),
        ({"name": "Net"}, "lower-case"),
        ({"name": "net-"}, "no dash last"),
        ({"zone": "us-west4"}, "--zone=us-west4-a"),
    ],
)
def test_tpu_that_there_is_not(arguments: dict[str, str], words: str) -> None:
    right = {"name": "net", "zone": "us-west4-a", "accelerator": "v6e-8"}
    with pytest.raises(UsageError, match=words):
        Tpu(**{**right, **arguments})  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        ({"machine": "H100"}, "a3-highgpu-8g"),
        ({"hosts": 0}, "from 1 to 10"),
        ({"name": "1"}, "--name"),
    ],
)
def test_gpu_that_there_is_not(arguments: dict[str, object], words: str) -> None:
    right = {"name": "net", "zone": "us-central1-a", "machine": "g2-standard-8"}
    with pytest.raises(UsageError, match=words):
        Gpu(**{**right, **arguments})  # type: ignore[arg-type]


RUN = ["run", "--name=net", "--zone=us-west4-a", "--dry_run"]
SWEEP = "--config=configs/sweeps/cifar10_batch_size.py"
MAIN = ["--", "python", "-m", "jagree.main"]
CONFIG = "--config=configs/quickstart.py"


@pytest.mark.parametrize("program", ["tpu", "gpu"])
@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        ([], "run, create, delete, list"),
        (["start"], "run, create, delete, list"),
        (["run", "--zone=us-west4-a"], "say what to run"),
        (["run", "--", "true"], "--zone"),
        (["delete", "--zone=us-west4-a", "--", "net"], "'net' is too much"),
        (["run", "--zon=x", "--", "true"], "zone"),
        (["run", "--zone=us-west4-a", "--max_hours=0", "--", "true"], "max_hours"),
        ([*RUN, *MAIN, "--config=configs/nothing.py", "--workdir=gs://b/r"], "configs/nothing.py"),
        ([*RUN, *MAIN, CONFIG, "--workdir=gs://b/r", "--config.epoch=2"], "'epochs'"),
        ([*RUN, *MAIN, CONFIG, "--workdir=runs/a"], "gs://BUCKET"),
        (["run", "--zone=us-west4-a", "--", "true"], "--name"),
        (["create", "--zone=us-west4-a"], "--name"),
        (["delete", "--zone=us-west4-a"], "--name"),
        ([*RUN, "--source=/", *MAIN, CONFIG], "no checkout"),
        ([*RUN, "--source=/nonsense", "--", "true"], "no checkout"),
        (["create", *RUN[1:], "--source=/nonsense"], "no checkout"),
        ([*RUN, *MAIN, *CONFIG.split("="), "--workdir=gs://b/r"], "--config=..., with ="),
        ([*RUN, *MAIN, CONFIG, "--workdir", "gs://b/r"], "--workdir=..., with ="),
        ([*RUN, *MAIN, "--workdir=gs://b/r"], "say which experiment"),
        ([*RUN, *MAIN, SWEEP, "--workdir=gs://b/r"], "launch/sweep.py --dry_run"),
        ([*RUN, *MAIN, SWEEP], "launch/sweep.py --dry_run"),
        ([*RUN, "--keep", *MAIN, SWEEP, "--workdir=gs://b/r"], "launch/sweep.py --dry_run"),
        (
            [*RUN, "--", "python", "launch/sweep.py", CONFIG, "--grid=seed=0,1"],
            "launch/sweep.py --dry_run",
        ),
    ],
)
def test_mistakes_are_told_in_one_line(program: str, arguments: list[str], words: str) -> None:
    done = subprocess.run(
        [sys.executable, f"launch/{program}.py", *arguments],
        cwd=REPOSITORY,
        capture_output=True,
        text=True,
        timeout=60,
    )
    assert done.returncode == 2
    assert done.stdout == ""
    assert len(done.stderr.splitlines()) == 1
    assert words in done.stderr


@pytest.mark.parametrize("program", ["tpu", "gpu"])
def test_help(program: str) -> None:
    done = subprocess.run(
        [sys.executable, f"launch/{program}.py", "--help"],
        cwd=REPOSITORY,
        capture_output=True,
        text=True,
        timeout=60,
    )
    for word in ("--max_hours", "--dry_run", "--provisioning", "--zone", "delete", "docs/cloud.md"):
        assert word in done.stdout


def test_tree_holds_what_a_run_needs(tmp_path: Path) -> None:
    tree.pack(str(REPOSITORY), tmp_path / "a.tar.gz")
    with tarfile.open(tmp_path / "a.tar.gz") as archive:
        names = archive.getnames()
        archive.extractall(tmp_path / "there", filter="data")
    for path in ("jagree/main.py", "configs/default.py", "launch/job.sh", "pyproject.toml"):
        assert (tmp_path / "there" / path).read_bytes() == (REPOSITORY / path).read_bytes()
    packages = yaml.safe_load(
        re.sub(
            r"(?s).*\npackages = (\[.*?\]).*", r"\1", (REPOSITORY / "pyproject.toml").read_text()
        )
    )
    for package in packages:
        folder = package.replace(".", "/").replace("jagree/configs", "configs")
        assert f"{folder}/__init__.py" in names
    assert not [name for name in names if "__pycache__" in name or name.startswith("tests")]
    with pytest.raises(UsageError, match=r"no pyproject\.toml"):
        tree.pack(str(tmp_path), tmp_path / "b.tar.gz")


@pytest.mark.parametrize("program", ["tpu", "gpu"])
def test_dry_run_needs_no_gcloud(program: str, tmp_path: Path) -> None:
    command = [CONFIG, "--workdir=gs://b/r", "--config.name=a b"]
    done = subprocess.run(
        [sys.executable, f"launch/{program}.py", *RUN, "--max_hours=2", *MAIN, *command],
        cwd=REPOSITORY,
        env={"PATH": str(tmp_path)},
        capture_output=True,
        text=True,
        timeout=60,
        check=True,
    )
    lines = [line for line in done.stdout.splitlines() if line.startswith("+ gcloud ")]
    steps = ["create", "list", "scp", "ssh", "ssh", "delete"]
    assert [next(w for w in line.split() if w in steps) for line in lines] == steps
    assert "7800" in done.stdout  # ten minutes more, for the end
    refused = subprocess.run(
        [sys.executable, f"launch/{program}.py", "list", "--zone=us-west4-a"],
        cwd=REPOSITORY,
        env={"PATH": str(tmp_path)},
        capture_output=True,
        text=True,
        timeout=60,
    )  # and no name
    assert (refused.returncode, refused.stdout) == (2, "")
    assert "gcloud is not installed" in refused.stderr


@pytest.mark.parametrize(
    "arguments",
    [
        [*RUN, *MAIN, SWEEP, "--nosweep", "--workdir=gs://b/r"],
        [*RUN, "--keep", *MAIN, SWEEP],
        [*RUN, "--keep", "--", "python", "launch/sweep.py", CONFIG, "--grid=seed=0,1"],
    ],
)
def test_one_run_of_a_sweep_and_a_sweep_on_a_machine_that_stays(arguments: list[str]) -> None:
    done = subprocess.run(
        [sys.executable, "launch/tpu.py", *arguments],
        cwd=REPOSITORY,
        capture_output=True,
        text=True,
        timeout=60,
    )
    assert (done.returncode, done.stderr) == (0, "")
