"""Real networks in real sweeps, told to end and killed: what is recorded stays the same bits."""

import contextlib
import os
import re
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pandas as pd
import pytest

from jagree import stages
from jagree.runfolder import RunFolder
from jagree.sweep import plan
from jagree.sweep.grid import Grid
from tests.conftest import REPOSITORY
from tests.record.test_writer import digest

QUICKSTART = REPOSITORY / "configs/quickstart.py"
FIELDS = {"members": 2, "epochs": 2, "data.train_size": 100, "data.test_size": 60}
FLAGS = [f"--config.{field}={value}" for field, value in FIELDS.items()]

# ml_collections loads a config file by it.
pytestmark = pytest.mark.filterwarnings(r"ignore:the load_module\(\) method is deprecated")


@contextlib.contextmanager
def started(*command: object) -> Iterator[subprocess.Popen]:
    words = [sys.executable, *map(str, command)]
    with subprocess.Popen(words, stdout=-1, stderr=subprocess.STDOUT, text=True) as process:
        try:
            yield process
        finally:
            if process.poll() is None:  # a failed test; it passes this on to its runs
                process.terminate()


def lines(process: subprocess.Popen) -> Iterator[str]:
    assert process.stdout is not None
    return iter(process.stdout)


def until(process: subprocess.Popen, pattern: str) -> None:
    seen = []
    for line in lines(process):
        seen.append(line)
        if re.search(pattern, line):
            return
    pytest.fail("".join(seen))


def wait_for(condition: Callable[[], object], process: subprocess.Popen) -> None:
    while not condition():
        if process.poll() is not None:
            pytest.fail("".join(lines(process)))
        time.sleep(0.02)


def finish(process: subprocess.Popen) -> tuple[int, str]:
    text = "".join(lines(process))
    return process.wait(timeout=60), text


def table(sweep: Path) -> pd.DataFrame:
    return pd.read_csv(sweep / "sweep.csv").drop(columns="seconds")


@pytest.mark.slow
def test_a_small_sweep_is_told_to_end_and_goes_on_by_the_other_program(tmp_path: Path) -> None:
    mine, sweep = tmp_path / "mine.py", tmp_path / "sweep"
    grid = "{'seed': (0, 1)}, 'product'"
    mine.write_text(f"{QUICKSTART.read_text()}\n\ndef get_grid():\n    return {grid}\n")
    fields = {**FIELDS, "batch_size": 40}
    flags = [
        f"--config={mine}",
        *FLAGS,
        "--config.batch_size=40",
        f"--workdir={sweep}",
        "--stages=train",
    ]
    with started(REPOSITORY / "launch/sweep.py", *flags, "--parallel=2") as first:
        wait_for(lambda: RunFolder(sweep / "seed=1").committed, first)
        first.terminate()
        code, said = finish(first)
    assert code == 75, said
    assert "the same command goes on" in said
    with started("-m", "jagree.main", *flags) as again:
        code, said = finish(again)
    assert code == 0, said
    assert table(sweep)["status"].tolist() == ["done", "done"]
    assert table(sweep)["epochs_recorded"].tolist() == [2, 2]
    for run in plan.make(str(mine), fields, Grid({"seed": (0, 1)}), sweep, ["train"]):
        stages.run(run.config, tmp_path / run.name, ["train"], "a test")
        assert digest(run.folder / "record.zarr") == digest(tmp_path / run.name / "record.zarr")


@pytest.mark.slow
def test_six_runs_interrupted_twice_are_those_of_a_sweep_in_one_go(tmp_path: Path) -> None:
    def command(workdir: str) -> list[object]:
        grid = ["--grid=batch_size=32,48,64", "--grid=seed=0,1", "--stages=train"]
        folder = f"--workdir={tmp_path / workdir}"
        return [REPOSITORY / "launch/sweep.py", f"--config={QUICKSTART}", *FLAGS, *grid, folder]

    with started(*command("whole")) as process:
        code, said = finish(process)
    assert code == 0, said
    killed = tmp_path / "killed"
    with started(*command("killed")) as process:  # SIGTERM in the middle of the second run
        until(process, r"^\[2/6\] .* begins")
        wait_for(lambda: RunFolder(killed / "batch_size=32,seed=1").committed, process)
        process.terminate()
        code, said = finish(process)
    assert code == 75, said
    assert table(killed)["status"].tolist()[2:] == ["waiting"] * 4
    with started(*command("killed")) as process:  # SIGKILL of one run, and of no other
        until(process, r"batch_size=48,seed=0 begins")
        wait_for(lambda: RunFolder(killed / "batch_size=48,seed=0").committed, process)
        (child,) = children(process.pid)
        os.kill(child, signal.SIGKILL)
        code, said = finish(process)
    assert code == 1, said
    assert "jagree: 1 run of 6 failed:\n  batch_size=48,seed=0: killed by SIGKILL" in said
    assert table(killed)["status"].tolist() == ["done"] * 2 + ["failed"] + ["done"] * 3
    with started(*command("killed")) as process:
        code, said = finish(process)
    assert code == 0, said
    assert "5 runs of 6 done already" in said
    assert said.count(" begins") == 1
    runs = [f"batch_size={size},seed={seed}" for size in (32, 48, 64) for seed in (0, 1)]
    for run in runs:
        assert digest(killed / run / "record.zarr") == digest(
            tmp_path / "whole" / run / "record.zarr"
        )
    pd.testing.assert_frame_equal(table(killed), table(tmp_path / "whole"))
    assert table(killed)["name"].tolist() == runs
    assert table(killed)["train_accuracy_mean"].nunique() > 3


def children(pid: int) -> list[int]:
    found = subprocess.run(["ps", "--ppid", str(pid), "-o", "pid="], capture_output=True, text=True)
    return [int(word) for word in found.stdout.split()]
