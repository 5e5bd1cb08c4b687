"""Runs that are killed at random moments, again and again, and one that goes away in good order."""

import json
import os
import random
import re
import signal
import subprocess
import sys
import time
from collections import Counter
from pathlib import Path

import pytest

from tests.conftest import REPOSITORY
from tests.training.mortal import PHASES
from tests.training.runs import same

LASTS = {"start": 3.0, "steps": 0.5, "record": 0.02, "checkpoint": 0.15}  # seconds, about
SAVED = 75


def command(folder: Path, phases: Path, steps: int, mode: str, feed: str) -> list[str]:
    if not phases.exists():
        phases.write_bytes(b"b \0")
    names = [str(folder), str(phases), str(steps), mode, feed]
    return [sys.executable, "-m", "tests.training.mortal", *names]


def to_its_end(folder: Path, phases: Path, mode: str, feed: str) -> None:
    done = subprocess.run(
        command(folder, phases, 0, mode, feed),
        cwd=REPOSITORY,
        capture_output=True,
        text=True,
        timeout=300,
    )
    assert done.returncode == 0, done.stderr


class Killer:
    """Kills one run after another at random moments.

    Attributes
    ----------
    hits : Counter
        (signal, what the run was at): how often.
    """

    def __init__(self, folder: Path, mode: str, feed: str, seed: int) -> None:
        self._folder, self._mode, self._feed = folder, mode, feed
        self._random = random.Random(seed)
        self._phases = folder / "phases"
        self.hits: Counter[tuple[str, str]] = Counter()
        self.runs = [folder / "killed"]
        self.kills = 0

    def kill(self, target: str, how: signal.Signals) -> None:
        """Start a run, or go on with one, and kill it once it is at the target."""
        steps = 60 if self.kills % 2 else 0
        self._phases.write_bytes(b"b \0")
        entries = self._random.randint(1, 3)  # records or checkpoints begun
        delay = self._random.uniform(0, LASTS[target])
        arguments = command(self.runs[-1], self._phases, steps, self._mode, self._feed)
        with subprocess.Popen(
            arguments, cwd=REPOSITORY, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True
        ) as process:
            while process.poll() is None:
                main, writer, begun = self._phases.read_bytes()
                at = {"start": main, "steps": main}.get(target, writer)
                wanted = begun >= entries and (target != "steps" or writer == ord(" "))
                if PHASES.get(chr(at)) == target and (target == "start" or wanted):
                    break
                time.sleep(0.001)
            time.sleep(delay)
            main, writer, _ = self._phases.read_bytes()
            process.send_signal(how)
            _, error = process.communicate(timeout=120)
        if process.returncode == 0:  # it was faster: begin another run
            self.runs.append(self._folder / f"killed_{len(self.runs)}")
            return
        assert process.returncode in ({-9} if how == signal.SIGKILL else {-15, SAVED}), error
        self.kills += 1
        self.hits[how.name, PHASES.get(chr(writer)) or PHASES[chr(main)]] += 1


def kill_often(folder: Path, mode: str, feed: str, kills: int) -> Killer:
    """Kill so many times, let every run reach its end, and compare it with one never killed."""
    to_its_end(folder / "whole", folder / "phases", mode, feed)
    seed = random.randrange(2**32)
    print(f"seed of the random moments: {seed}")
    killer, order = Killer(folder, mode, feed, seed), random.Random(seed)
    targets: list[str] = []
    while killer.kills < kills:
        targets = targets or order.sample(list(LASTS), len(LASTS))
        how = (signal.SIGKILL, signal.SIGTERM)[killer.kills // 2 % 2]
        killer.kill(targets.pop(), how)
    for run in killer.runs:
        to_its_end(run, folder / "phases", mode, feed)
        same(folder / "whole", run)
    print(f"{killer.kills} kills of {len(killer.runs)} runs: {dict(killer.hits)}")
    return killer


def test_killed_at_random_moments_the_record_and_the_parameters_are_the_same_bits(
    tmp_path: Path,
) -> None:
    kill_often(tmp_path, "online", "resident", 3)


@pytest.mark.slow
@pytest.mark.parametrize(("mode", "feed"), [("epoch_end", "resident"), ("online", "stream")])
def test_killed_ten_times_each(tmp_path: Path, mode: str, feed: str) -> None:
    killer = kill_often(tmp_path, mode, feed, 10)
    assert len({where for _, where in killer.hits}) >= 2


def test_sigterm_in_a_long_epoch_saves_at_the_next_dispatch_and_ends_with_75(
    tmp_path: Path,
) -> None:
    config = REPOSITORY / "configs/quickstart.py"
    arguments = [sys.executable, "-m", "jagree.main", f"--config={config}", "--stages=train"]
    arguments += [f"--workdir={tmp_path / 'run'}", "--config.members=2", "--config.epochs=2"]
    arguments += ["--config.data.train_size=5000", "--config.batch_size=4"]  # minutes an epoch
    with subprocess.Popen(
        arguments,
        cwd=tmp_path,
        env={**os.environ, "PYTHONPATH": str(REPOSITORY)},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    ) as process:
        assert process.stdout is not None
        assert any("compiled" in line for line in process.stdout)
        time.sleep(1.0)
        before = time.monotonic()
        process.terminate()
        out, error = process.communicate(timeout=120)
    assert time.monotonic() - before < 20
    assert process.returncode == SAVED, error
    said = re.fullmatch(
        r"stopped by SIGTERM in epoch 1 at step (\d+) of 1250; the same command goes on from "
        r"there\n",
        error,
    )
    assert said, error
    assert (tmp_path / "run/checkpoints" / said[1]).is_dir()
    about = json.loads((tmp_path / "run/run.json").read_text())
    assert about["status"] == "preempted"
    assert about["invocations"][0]["outcome"].startswith("preempted: ")
    assert "Traceback" not in out + error


def test_sigterm_outside_training_ends_the_program_as_ctrl_c_does(tmp_path: Path) -> None:
    """In the image statistics, by worker processes, which it is sent to as well."""
    config = REPOSITORY / "configs/quickstart.py"
    arguments = [sys.executable, "-m", "jagree.main", f"--config={config}", "--stages=statistics"]
    arguments += [f"--workdir={tmp_path / 'run'}", "--config.statistics.workers=2"]
    about = tmp_path / "run/run.json"
    with subprocess.Popen(
        arguments,
        cwd=tmp_path,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
    ) as process:
        while not about.exists():
            assert process.poll() is None
            time.sleep(0.01)
        time.sleep(3.0)
        os.killpg(process.pid, signal.SIGTERM)
        _, error = process.communicate(timeout=60)
    assert process.returncode == SAVED, error
    assert error == "stopped by SIGTERM; the same command goes on from what is saved\n"
    told = json.loads(about.read_text())
    assert told["status"] == "preempted"
    assert told["invocations"][0]["outcome"].startswith("preempted: ")
