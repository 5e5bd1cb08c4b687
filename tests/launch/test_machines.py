"""Whole runs in a cloud that is a folder (fake_gcloud.py): what is created is deleted."""

import json
import os
import shlex
import signal
import subprocess
import sys
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest

from jagree.cloud import tree
from jagree.cloud.gcloud import Answer, Commands
from jagree.cloud.launcher import Launcher, Options, TimeIsOverError
from jagree.cloud.tpu import Tpu
from tests.conftest import REPOSITORY

MACHINES = {
    "tpu": ["tpu.py", "--accelerator=v5litepod-8", "--zone=us-west4-a"],
    "gpu": ["gpu.py", "--machine=g2-standard-8", "--zone=us-central1-a"],
}
UV = """#!/usr/bin/env bash
echo "$@" >>"$HOME/uv"
mkdir -p "$HOME/venv/bin"
touch "$HOME/venv/bin/activate"
"""


class Cloud:
    """A folder that is a cloud, and the programs of launch/ in it."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.home = folder / "home"
        for path, text in {
            folder / "bin" / "gcloud": f"#!/usr/bin/env bash\nexec {sys.executable} -I -S "
            f'{REPOSITORY}/tests/launch/fake_gcloud.py "$@"\n',
            self.home / ".local" / "bin" / "uv": UV,
        }.items():
            path.parent.mkdir(parents=True)
            path.write_text(text)
            path.chmod(0o755)
        self.plan()

    def plan(self, **faults: list[Any]) -> None:
        (self.folder / "plan.json").write_text(json.dumps(faults))

    def start(self, kind: str, *arguments: str, verb: str = "run") -> subprocess.Popen[str]:
        program, *rest = MACHINES[kind]
        return subprocess.Popen(
            [
                *(sys.executable, str(REPOSITORY / "launch" / program), verb, "--name=net"),
                *("--poll_seconds=0.05", *rest, *arguments),
            ],
            env={
                **os.environ,
                "PATH": f"{self.folder / 'bin'}:{os.environ['PATH']}",
                "FAKE_CLOUD": str(self.folder),
            },
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )

    def run(self, kind: str, *arguments: str, verb: str = "run") -> tuple[int, str, str]:
        with self.start(kind, *arguments, verb=verb) as process:
            out, err = process.communicate(timeout=100)
        return process.returncode, out, err

    def calls(self) -> list[list[str]]:
        path = self.folder / "calls.jsonl"
        return [json.loads(line) for line in path.read_text().splitlines()] if path.exists() else []

    def count(self, word: str) -> int:
        return sum(word in call for call in self.calls())

    def jobs(self) -> int:
        return sum("launch/job.sh ../job" in " ".join(call) for call in self.calls())

    @property
    def there(self) -> bool:
        return (self.folder / "there").exists()


@pytest.fixture
def cloud(tmp_path: Path) -> Cloud:
    return Cloud(tmp_path)


both = pytest.mark.parametrize("kind", MACHINES)


@both
def test_from_nothing_to_nothing(cloud: Cloud, kind: str) -> None:
    code, out, _ = cloud.run(kind, "--before=echo fetched >data", "--", "cat", "data")
    assert code == 0
    assert "\nfetched\n" in out
    verbs = ("create", "list", "scp", "ssh", "delete")
    steps = [next(v for v in verbs if v in call) for call in cloud.calls()]
    assert steps == [
        *("list", "create", "list"),  # nothing, then ready
        *("scp", "ssh", "ssh", "ssh"),  # copied, installed, data fetched, run
        *("list", "delete", "list"),  # there, then nothing
    ]
    assert not cloud.there
    extra = {"tpu": "tpu,gcs", "gpu": "cuda13,gcs"}[kind]
    assert (cloud.home / "uv").read_text().endswith(f"--editable .[{extra}]\n")
    assert (cloud.home / "jagree" / "configs" / "default.py").exists()
    # Every command that is run is shown as it is, but for the looks.
    shown = [line.removeprefix("+ ") for line in out.splitlines() if line.startswith("+ gcloud ")]
    for call in cloud.calls():
        if not {"list", "create"} & set(call):
            assert shlex.join(["gcloud", *call]) in shown


@both
def test_arguments_survive_all_shells(cloud: Cloud, kind: str) -> None:
    words = [
        *("--config.per_member.network=lenet5,vgg16", "--config.name=a  b", "it's", '"', "$HOME"),
        *("*", "", "a;b|c&d", "(x)", "\\", "~", "#no", "--", "x\ny"),
    ]
    script = "import json, sys; open('argv.json', 'w').write(json.dumps(sys.argv[1:]))"
    assert cloud.run(kind, "--", sys.executable, "-c", script, *words)[0] == 0
    assert json.loads((cloud.home / "jagree" / "argv.json").read_text()) == words


@pytest.mark.parametrize(
    ("kind", "ended", "code"), [("tpu", 1, 70), ("tpu", 3, 3), ("tpu", 255, 70), ("gpu", 1, 70)]
)
def test_failure_is_told_once_and_deleted(cloud: Cloud, kind: str, ended: int, code: int) -> None:
    assert cloud.run(kind, "--", "bash", "-c", f"exit {ended}")[0] == code
    assert cloud.jobs() == 1
    assert not cloud.there


def goes_on(folder: str) -> list[str]:
    """A command that is told to stop twice, and then ends: its folder is what outlives machines."""
    return [
        *("bash", "-c"),
        f'echo run >>{folder}/runs; [ "$(wc -l <{folder}/runs)" -lt 3 ] && exit 75; exit 0',
    ]


def test_75_is_started_again(cloud: Cloud) -> None:
    code, out, _ = cloud.run("tpu", "--", *goes_on(str(cloud.folder)))
    assert code == 0
    assert (cloud.folder / "runs").read_text() == "run\n" * 3
    assert (cloud.count("create"), cloud.count("delete")) == (1, 1)
    assert "start 3 of 101" in out
    assert not cloud.there


def test_so_many_restarts_and_no_more(cloud: Cloud) -> None:
    code, _, complaint = cloud.run("tpu", "--restarts=1", "--", "bash", "-c", "exit 75")
    assert code == 69
    assert "--restarts" in complaint
    assert cloud.jobs() == 2
    assert not cloud.there


@pytest.mark.parametrize(
    ("kind", "fault"),
    [
        ("tpu", "state SUSPENDED"),
        ("tpu", "killed SUSPENDED"),
        ("gpu", "state net-0\tSTOPPING"),
        ("gpu", "state "),
    ],
)
def test_preempted_machines_are_replaced(cloud: Cloud, kind: str, fault: str) -> None:
    """Spot: what is left is deleted, a new one created, the same command run on it."""
    cloud.plan(job=[fault])
    assert cloud.run(kind, "--", "bash", "-c", f"echo ran >>{cloud.folder}/runs")[0] == 0
    assert (cloud.folder / "runs").read_text() == "ran\n"
    assert cloud.count("create") == 2
    assert cloud.jobs() == 2
    assert not cloud.there


def test_machine_that_goes_while_it_is_installed(cloud: Cloud) -> None:
    cloud.plan(ssh=["state SUSPENDED"])
    assert cloud.run("tpu", "--", "true")[0] == 0
    assert (cloud.count("create"), cloud.jobs()) == (2, 1)


@pytest.mark.slow
def test_lost_connection_starts_nothing_twice(cloud: Cloud) -> None:
    cloud.plan(ssh=[False, False], job=[False])
    slow = f"echo began >>{cloud.folder}/runs; sleep 6; echo ended"
    code, out, _ = cloud.run("tpu", "--", "bash", "-c", slow)
    assert code == 0
    assert (cloud.folder / "runs").read_text() == "began\n"
    assert (cloud.count("create"), cloud.jobs()) == (1, 2)
    assert "it runs already" in out
    assert out.count("\nended\n") == 1


@pytest.mark.slow
def test_three_looks_without_an_answer_are_no_preemption(cloud: Cloud) -> None:
    """As on a train: what cannot be asked is not gone."""
    cloud.plan(list=[True, True, "offline", "offline", "offline"], job=[False])
    assert cloud.run("tpu", "--", "bash", "-c", f"echo ran >>{cloud.folder}/runs; sleep 6")[0] == 0
    assert (cloud.folder / "runs").read_text() == "ran\n"
    assert cloud.count("create") == 1
    assert not cloud.there


@pytest.mark.parametrize(
    ("kind", "number"),
    [
        ("tpu", signal.SIGTERM),
        ("tpu", signal.SIGHUP),
        ("tpu", signal.SIGINT),
        ("gpu", signal.SIGTERM),
    ],
)
def test_signal_stops_the_command_and_deletes(
    cloud: Cloud, kind: str, number: signal.Signals
) -> None:
    mark, saved = cloud.folder / "mark", cloud.folder / "saved"
    job = f"trap 'touch {saved}; exit 75' TERM; touch {mark}; while :; do sleep 0.05; done"
    with cloud.start(kind, "--", "bash", "-c", job) as process:
        for _ in range(600):
            if mark.exists():
                break
            time.sleep(0.05)
        process.send_signal(number)
        out, _ = process.communicate(timeout=100)
    assert process.returncode == 130
    assert saved.exists()
    assert "no machine of the name net is left" in out
    assert not cloud.there


def test_deletion_is_tried_again(cloud: Cloud) -> None:
    cloud.plan(delete=[False, False])
    assert cloud.run("tpu", "--", "true")[0] == 0
    assert not cloud.there


def test_what_is_not_deleted_is_shouted(cloud: Cloud) -> None:
    cloud.plan(delete=[False] * 9)
    code, out, _ = cloud.run("tpu", "--", "true")
    assert code == 1
    last = out.splitlines()[-1]
    assert last.startswith("NOT DELETED")
    assert " delete net" in last
    assert "--zone=" in last
    assert cloud.there


def test_no_room_is_waited_for(cloud: Cloud) -> None:
    cloud.plan(create=["ZONE_RESOURCE_POOL_EXHAUSTED", "... does not have enough resources ..."])
    assert cloud.run("tpu", "--", "true")[0] == 0
    assert cloud.count("create") == 3
    cloud.plan(create=["STOCKOUT"] * 999)
    code, _, complaint = cloud.run("tpu", "--wait_hours=0.0001", "--", "true")
    assert code == 69
    assert "--wait_hours" in complaint.splitlines()[-1]


@both
def test_refusal_is_told_in_one_line(cloud: Cloud, kind: str) -> None:
    cloud.plan(create=["Quota 'GPUS' exceeded. Limit: 0"])
    code, _, complaint = cloud.run(kind, "--", "true")
    assert code == 69
    assert complaint.splitlines()[-1] == (
        "jagree: gcloud did not create net: Quota 'GPUS' exceeded. Limit: 0"
    )
    assert cloud.count("create") == 1
    assert cloud.calls()[-1][-1] == "--quiet"
    assert "list" in cloud.calls()[-1]  # it looked whether anything is there


def test_without_an_account_nothing_is_tried(cloud: Cloud) -> None:
    cloud.plan(list=["ERROR: You do not currently have an active account selected."])
    code, _, complaint = cloud.run("tpu", "--", "true")
    assert code == 69
    assert "active account" in complaint.splitlines()[-1]
    assert len(cloud.calls()) == 1


@both
def test_create_keeps_run_uses_delete_ends(cloud: Cloud, kind: str) -> None:
    code, out, _ = cloud.run(kind, verb="create")
    assert (code, cloud.there, cloud.count("delete")) == (0, True, 0)
    assert "paid for: gcloud" in out
    saves = ["bash", "-c", "mkdir -p runs/a; echo epoch >>runs/a/record"]
    assert cloud.run(kind, "--keep", "--", *saves)[0] == 0
    assert cloud.run(kind, "--keep", "--", *saves)[0] == 0  # its code is copied anew
    assert (cloud.home / "jagree" / "runs" / "a" / "record").read_text() == "epoch\n" * 2
    assert (cloud.there, cloud.count("create"), cloud.count("delete")) == (True, 1, 0)
    assert cloud.run(kind, verb="list")[0] == 0
    assert cloud.run(kind, verb="delete")[0] == 0
    assert not cloud.there
    assert cloud.run(kind, verb="delete")[0] == 0  # nothing left to do


def test_each_of_several_machines_gets_its_number(cloud: Cloud) -> None:
    cloud.plan(job=["state net-0\tRUNNING"])  # net-1 is gone
    command = ["echo", "-m", "jagree.main", "--config=configs/quickstart.py", "--workdir=gs://b/r"]
    cloud.run("gpu", "--hosts=2", "--restarts=1", "--", *command)
    sent = [call for call in cloud.calls() if "launch/job.sh ../job" in " ".join(call)]
    first, second = sorted(sent[:2], key=lambda call: call[2])
    for place, call in enumerate((first, second)):
        line = next(a for a in call if a.startswith("--command="))
        assert call[2] == f"net-{place}"
        assert line.endswith(
            f"--distributed --coordinator=net-0:8476 --processes=2 --process={place}"
        )
    assert cloud.count("create") == 2  # one machine alone is of no use
    assert not cloud.there


def test_code_stays_where_a_job_runs(tmp_path: Path) -> None:
    """A second launcher, after the first one's computer broke, must not change the code."""
    line = tree.unpacking("https://github.com/a/b#branch", "tpu")
    assert "git clone --depth=1 --branch branch https://github.com/a/b " in line
    (tmp_path / "jagree").mkdir()
    (tmp_path / "jagree" / "old").touch()
    (tmp_path / "job").mkdir()
    environment = {"HOME": str(tmp_path), "PATH": "/usr/bin:/bin"}
    line = tree.unpacking(".", "tpu")
    with subprocess.Popen(["flock", tmp_path / "job" / "lock", "sleep", "60"]) as holder:
        time.sleep(0.3)
        done = subprocess.run(["bash", "-c", line], env=environment, cwd=tmp_path, timeout=60)
        holder.kill()
    assert done.returncode == 0
    assert (tmp_path / "jagree" / "old").exists()


class Patient(Commands):
    """Commands that take as long as they may, on a machine that is there."""

    def __init__(self) -> None:
        self.dry_run = False
        self.said: list[str] = []

    def run_together(self, commands: Sequence[Sequence[str]], seconds: float) -> list[int | None]:
        self.said += [" ".join(command) for command in commands]
        if "../job sleep" in self.said[-1]:
            self.clock += seconds
            return [None]
        return [0]

    def ask(self, arguments: Sequence[str], say: bool = True, seconds: float = 120) -> Answer:
        if "delete" in arguments:
            self.said.append(" ".join(arguments))
        deleted = any("delete" in said for said in self.said)
        return Answer(0, [] if deleted else ["ACTIVE"], "")

    clock = 0.0


def test_time_is_over(monkeypatch: pytest.MonkeyPatch) -> None:
    commands = Patient()
    monkeypatch.setattr("time.monotonic", lambda: commands.clock)
    machines = Tpu(name="net", zone="us-west4-a", accelerator="v5litepod-8")
    options = Options(source="https://a/b", max_hours=2, poll_seconds=0)
    launcher = Launcher(machines, options, commands)
    with pytest.raises(TimeIsOverError, match="--max_hours=2 are over"):
        launcher.run(["sleep", "9999"])
    assert commands.clock == 7200
    assert TimeIsOverError.code == 75
    assert "--stop" in commands.said[-2]  # its state is saved before
    assert "delete net" in commands.said[-1]
