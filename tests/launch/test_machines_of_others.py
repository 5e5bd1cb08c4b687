"""Launchers beside others, in the background, and without anybody who reads what they say."""

import signal
import sys
import time
from collections.abc import Sequence
from pathlib import Path

import pytest

from jagree.cloud.gcloud import Answer, Commands
from jagree.cloud.launcher import CloudError, Launcher, Options, _signals_raise
from jagree.cloud.tpu import Tpu
from tests.launch.test_machines import Cloud

TPU = Tpu(name="net", zone="us-west4-a", accelerator="v5litepod-8")


@pytest.fixture
def cloud(tmp_path: Path) -> Cloud:
    return Cloud(tmp_path)


def until(path: Path) -> None:
    for _ in range(1200):
        if path.exists():
            return
        time.sleep(0.05)
    raise AssertionError(f"{path} was not written")


def test_second_run_of_a_name_leaves_the_first_alone(cloud: Cloud) -> None:
    mark, go = cloud.folder / "mark", cloud.folder / "go"
    job = f"touch {mark}; until [ -e {go} ]; do sleep 0.05; done; exit 5"
    with cloud.start("gpu", "--", "bash", "-c", job) as first:
        until(mark)
        code, _, complaint = cloud.run("gpu", "--", "true")
        assert (code, cloud.there, cloud.count("delete")) == (71, True, 0)
        assert "another --name" in complaint.splitlines()[-1]
        code, _, complaint = cloud.run("gpu", "--hosts=2", "--", "true")
        assert (code, cloud.there, cloud.count("delete")) == (71, True, 0)
        assert "net-0" in complaint.splitlines()[-1]
        go.touch()
        first.communicate(timeout=100)
    assert (first.returncode, cloud.there) == (5, False)


@pytest.mark.parametrize("kind", ["tpu", "gpu"])
def test_machine_without_the_label_is_never_deleted(cloud: Cloud, kind: str) -> None:
    (cloud.folder / "strangers").write_text("net-0\tRUNNING" if kind == "gpu" else "ACTIVE")
    code, _, complaint = cloud.run(kind, "--", "true")
    assert (code, cloud.count("delete")) == (69, 0)
    assert "already exists" in complaint.splitlines()[-1]
    assert cloud.run(kind, verb="delete")[0] == 0
    assert cloud.count("delete") == 0


def test_surplus_machines_are_refused(cloud: Cloud) -> None:
    (cloud.folder / "there").write_text("net-0\tRUNNING\nnet-1\tRUNNING")
    assert cloud.run("gpu", "--", "true")[0] == 71
    assert (cloud.there, cloud.count("delete")) == (True, 0)


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGHUP])
def test_nobody_reads_and_it_is_deleted_all_the_same(cloud: Cloud, number: int) -> None:
    mark, saved = cloud.folder / "mark", cloud.folder / "saved"
    job = f"trap 'touch {saved}; exit 75' TERM; touch {mark}; while :; do sleep 0.05; done"
    with cloud.start("tpu", "--", "bash", "-c", job) as process:
        until(mark)
        assert process.stdout is not None
        assert process.stderr is not None
        process.stdout.close()
        process.stderr.close()
        process.send_signal(number)
        assert process.wait(100) == 130
    assert saved.exists()
    assert not cloud.there


def test_command_that_another_launcher_began_is_stopped_too(cloud: Cloud) -> None:
    """The first is killed; the second is interrupted before it comes to follow the command."""
    mark, saved, slow = (cloud.folder / name for name in ("mark", "saved", "slow"))
    job = f"trap 'touch {saved}; exit 75' TERM; touch {mark}; while :; do sleep 0.05; done"
    with cloud.start("tpu", "--", "bash", "-c", job) as first:
        until(mark)
        first.kill()
    with cloud.start("tpu", f"--before=touch {slow}; sleep 3", "--", "bash", "-c", job) as second:
        until(slow)
        second.send_signal(signal.SIGINT)
        second.communicate(timeout=100)
    assert saved.exists()
    assert not cloud.there


def test_refused_creation_leaves_nothing_to_pay(cloud: Cloud) -> None:
    cloud.plan(create=["Quota 'GPUS' exceeded. Limit: 0"])
    code, out, _ = cloud.run("gpu", "--keep", "--", "true")
    assert code == 69
    assert "paid for" not in out


def test_ignored_signals_stay_ignored() -> None:
    """As under nohup."""
    before = signal.signal(signal.SIGHUP, signal.SIG_IGN)
    try:
        with _signals_raise():
            assert signal.getsignal(signal.SIGHUP) is signal.SIG_IGN
            assert signal.getsignal(signal.SIGTERM) is signal.default_int_handler
        assert signal.getsignal(signal.SIGHUP) is signal.SIG_IGN
    finally:
        signal.signal(signal.SIGHUP, before)


def test_commands_read_nothing_and_end(cloud: Cloud, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", f"{cloud.folder / 'bin'}:/usr/bin:/bin")
    commands = Commands(dry_run=False)
    script = "import os; assert os.path.samefile('/proc/self/fd/0', os.devnull)"
    assert commands.run([sys.executable, "-c", script]) == 0
    assert commands.run_together([[sys.executable, "-c", script]], 60) == [0]
    assert commands.ask([sys.executable, "-c", script]).code == 0
    assert commands.ask(["sleep", "60"], seconds=0.1).code == 124


def test_interrupted_list_is_told_in_one_line(cloud: Cloud) -> None:
    slow, mark = cloud.folder / "bin" / "gcloud", cloud.folder / "mark"
    slow.write_text(f"#!/usr/bin/env bash\ntouch {mark}; exec sleep 5\n")
    with cloud.start("tpu", verb="list") as process:
        until(mark)
        process.send_signal(signal.SIGINT)
        _, complaint = process.communicate(timeout=60)
    assert process.returncode == 130
    assert complaint == "\ninterrupted; 'list' shows what is there\n"


class Told(Commands):
    """Commands with answers written before; each takes ``seconds`` on a clock of its own."""

    def __init__(self, codes: list[list[int]], states: list[str], seconds: float = 0) -> None:
        self.dry_run = False
        self.codes, self.states, self.seconds, self.clock = codes, states, seconds, 0.0
        self.sent: list[int] = []

    def run_together(self, commands: Sequence[Sequence[str]], seconds: float) -> list[int | None]:
        self.sent.append(len(commands))
        self.clock += self.seconds
        return [*self.codes.pop(0)]

    def ask(self, arguments: Sequence[str], say: bool = True, seconds: float = 120) -> Answer:
        state = self.states.pop(0) if self.states else "ACTIVE"
        return Answer(1, [], "offline") if state == "offline" else Answer(0, [state], "")


def remote(commands: Told, monkeypatch: pytest.MonkeyPatch, places: int = 1) -> int | None:
    monkeypatch.setattr("time.monotonic", lambda: commands.clock)
    launcher = Launcher(TPU, Options(poll_seconds=0), commands)
    launcher.state()
    return launcher._remote([["true"]] * places)


def test_only_failures_in_a_row_are_counted(monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(CloudError, match="no connection"):
        remote(Told([[255]] * 20, []), monkeypatch)
    assert remote(Told([[255]] * 19 + [[3]], []), monkeypatch) == 3
    assert remote(Told([[255]] * 99 + [[3]], [], seconds=200), monkeypatch) == 3  # they lasted
    assert remote(Told([[255]] * 99 + [[3]], ["ACTIVE"] + ["offline"] * 99), monkeypatch) == 3


def test_only_lost_connections_are_made_again(monkeypatch: pytest.MonkeyPatch) -> None:
    told = Told([[75, 255, 0], [1], [0]], [])
    assert remote(told, monkeypatch, places=3) == 75
    assert told.sent == [3, 1, 1]


def test_waiting_is_no_part_of_max_hours(monkeypatch: pytest.MonkeyPatch) -> None:
    commands = Told([], ["WAITING_FOR_RESOURCES"] * 5)
    launcher = Launcher(TPU, Options(max_hours=2, wait_hours=24, poll_seconds=3600), commands)
    launcher.end = 7200
    monkeypatch.setattr("time.monotonic", lambda: commands.clock)
    monkeypatch.setattr("time.sleep", lambda s: setattr(commands, "clock", commands.clock + s))
    launcher._ensure()
    assert (commands.clock, launcher._left()) == (5 * 3600, 7200)
