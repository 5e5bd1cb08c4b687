"""Measuring in several processes: all is done, and nobody survives the parent."""

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from jagree import pool
from jagree.errors import UsageError
from tests.conftest import REPOSITORY
from tests.statistics import workers


@pytest.mark.parametrize("processes", [1, 2])
def test_every_task_is_done_once_and_comes_with_its_result(processes: int) -> None:
    tasks = [(n, lambda n=n: (n,)) for n in range(20)]
    found = list(pool.run(workers.square, tasks, processes, field="f"))
    assert sorted(found) == [(n, n**2) for n in range(20)]


def test_arguments_are_made_when_they_are_needed() -> None:
    made = []

    def arguments(n: int) -> tuple[int]:
        made.append(n)
        return (n,)

    running = pool.run(
        workers.square, [(n, lambda n=n: arguments(n)) for n in range(50)], 2, field="f"
    )
    next(running)
    assert len(made) <= 5  # two workers, two each, and the one whose turn it is
    running.close()


def test_a_killed_worker_is_told_in_words() -> None:
    with pytest.raises(UsageError, match=r"was killed, for want of memory perhaps.*f=1"):
        list(pool.run(workers.die, [(0, lambda: (0,)), (1, lambda: (1,))], 2, field="f"))


def wait_for(condition, seconds: float = 60.0) -> None:
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end
        time.sleep(0.05)


def alive(process: int) -> bool:
    try:
        return Path(f"/proc/{process}/stat").read_text().split(") ")[1][0] != "Z"
    except FileNotFoundError:
        return False


SLEEPER = """
import sys
from jagree import pool
from tests.statistics import workers
if __name__ == "__main__":
    tasks = [(n, lambda: (sys.argv[1],)) for n in range(4)]
    list(pool.run(workers.sleep_beside, tasks, 2, field="f"))
"""


@pytest.mark.parametrize("how", [signal.SIGKILL, signal.SIGINT])
def test_workers_die_with_their_parent(how: signal.Signals, tmp_path: Path) -> None:
    script = tmp_path / "sleeper.py"
    script.write_text(SLEEPER)
    marks = tmp_path / "marks"
    marks.mkdir()
    command = [sys.executable, str(script), str(marks)]
    environment = os.environ | {"PYTHONPATH": str(REPOSITORY)}
    with subprocess.Popen(command, env=environment, stderr=subprocess.PIPE) as parent:
        wait_for(lambda: len(list(marks.iterdir())) == 2)
        children = [int(mark.name) for mark in marks.iterdir()]
        assert all(alive(child) for child in children)
        parent.send_signal(how)
        _, stderr = parent.communicate(timeout=30)  # far less than the children would sleep
    wait_for(lambda: not any(alive(child) for child in children), 30)
    assert stderr.count(b"Traceback") <= (how == signal.SIGINT)
