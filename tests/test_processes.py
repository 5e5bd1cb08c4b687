"""Runs of several processes, each with one device, and what becomes of them."""

import contextlib
import itertools
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from jagree import processes
from jagree.errors import UsageError
from jagree.processes import Processes
from jagree.record import open_record
from tests.conftest import REPOSITORY

FIELDS = {
    "members": 3,  # of which the last row of two devices has one, and a place without
    "epochs": 2,
    "batch_size": 48,
    "data.train_size": 160,
    "data.test_size": 70,
    "training.eval_batch_size": 64,
}


def free_port() -> int:
    with socket.socket() as s:
        s.bind(("localhost", 0))
        return s.getsockname()[1]


def command(workdir: Path, **fields: object) -> list[str]:
    changed = FIELDS | {name.replace("__", "."): value for name, value in fields.items()}
    return [
        *(sys.executable, "-m", "jagree.main", f"--config={REPOSITORY}/configs/quickstart.py"),
        *("--stages=train", f"--workdir={workdir}"),
        *(f"--config.{name}={value}" for name, value in changed.items()),
    ]


@contextlib.contextmanager
def started(commands: Sequence[list[str]], **options: Any) -> Iterator[list[subprocess.Popen[str]]]:
    """So many processes of one run; none is left at the end."""
    port = free_port()
    with contextlib.ExitStack() as stack:
        all_ = []
        for i, line in enumerate(commands):
            number = [f"--processes={len(commands)}", f"--process={i}"]
            process = subprocess.Popen(
                [*line, f"--coordinator=localhost:{port}", *number],
                stdout=subprocess.PIPE,
                stderr=subprocess.STDOUT,
                text=True,
                **options,
            )
            stack.enter_context(process)
            stack.callback(process.kill)
            all_.append(process)
        yield all_


def ended(all_: Sequence[subprocess.Popen[str]], timeout: float = 120) -> list[tuple[int, str]]:
    """Exit code and output of each."""
    return [(p.wait(timeout), p.communicate(timeout=timeout)[0]) for p in all_]


def in_two(workdir: Path, **fields: object) -> list[tuple[int, str]]:
    """Of a run of two processes, of which the second need not see the first one's folder."""
    lines = [command(workdir, **fields), command(workdir.parent / "nowhere", **fields)]
    with started(lines) as both:
        return ended(both)


def alone(workdir: Path, env: dict[str, str] | None = None, **fields: object) -> None:
    line = command(workdir, **fields)
    subprocess.run(line, check=True, capture_output=True, timeout=120, env=env)


def recorded(workdir: Path) -> dict[str, np.ndarray]:
    splits = open_record(workdir / "record.zarr")
    return {
        f"{split}/{name}": data[name].values
        for split, data in splits.items()
        for name in [*data.data_vars, *data.coords]
    }


def check_same(workdir: Path, other: Path, *, bits: bool) -> None:
    found, expected = recorded(workdir), recorded(other)
    assert found.keys() == expected.keys()
    for name, values in expected.items():
        if bits or name.endswith("prediction") or values.dtype.kind not in "f":
            np.testing.assert_array_equal(found[name], values, err_msg=name)
        else:
            np.testing.assert_allclose(found[name], values, rtol=2e-3, atol=2e-3, err_msg=name)


def until(workdir: Path, epochs: int) -> None:
    """Wait until so many epochs are recorded."""
    end = time.monotonic() + 90
    while time.monotonic() < end:
        with contextlib.suppress(UsageError, KeyError, OSError, ValueError):
            if len(open_record(workdir / "record.zarr")["train"]["epoch"]) >= epochs:
                return
        time.sleep(0.05)
    raise AssertionError(f"no epoch {epochs} in 90 s")


def test_two_processes_give_the_record_of_one(tmp_path: Path) -> None:
    (first, out), (second, silent) = in_two(tmp_path / "two")
    assert (first, second) == (0, 0), out + silent
    assert "2 x cpu of 2 processes" in out
    assert "members over 2 rows of devices" in out
    assert not (tmp_path / "nowhere").exists()  # the first alone writes
    alone(tmp_path / "one")
    check_same(tmp_path / "two", tmp_path / "one", bits=False)
    again = in_two(tmp_path / "two")  # there is nothing left to do, and both know
    assert [code for code, _ in again] == [0, 0]
    assert "training is complete" in again[0][1]


@pytest.mark.slow
def test_a_batch_in_two_processes_is_one_on_two_devices(tmp_path: Path) -> None:
    fields = {"training__mesh": "1x2", "data__train_size": 157}  # the last batch cannot be halved
    outcome = in_two(tmp_path / "two", **fields)
    assert [code for code, _ in outcome] == [0, 0], outcome
    flags = f"{os.environ.get('XLA_FLAGS', '')} --xla_force_host_platform_device_count=2"
    alone(tmp_path / "one", env={**os.environ, "XLA_FLAGS": flags}, **fields)
    check_same(tmp_path / "two", tmp_path / "one", bits=False)


@pytest.mark.slow
def test_streams_of_two_processes_give_the_record_of_one(tmp_path: Path) -> None:
    outcome = in_two(tmp_path / "two", training__feed="stream")
    assert [code for code, _ in outcome] == [0, 0], outcome
    alone(tmp_path / "one")
    check_same(tmp_path / "two", tmp_path / "one", bits=False)


@pytest.mark.slow
def test_a_run_of_two_processes_goes_on_in_one(tmp_path: Path) -> None:
    lines = [command(tmp_path / "two", epochs=3)] * 2
    with started(lines) as both:
        until(tmp_path / "two", 1)
        both[1].terminate()  # one is told, and both stop at the same step
        outcome = ended(both)
    assert {code for code, _ in outcome} in ({75}, {0}), outcome  # 0: it was too late
    for name in ("two", "one"):
        alone(tmp_path / name, epochs=3)
    check_same(tmp_path / "two", tmp_path / "one", bits=False)


LONG = {"epochs": 8, "data__train_size": 1_200}


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An uninterrupted run of two processes."""
    workdir = tmp_path_factory.mktemp("whole") / "run"
    assert [code for code, _ in in_two(workdir, **LONG)] == [0, 0]
    return workdir


@pytest.mark.slow
@pytest.mark.parametrize("lost", [0, 1])
def test_if_one_is_killed_the_other_ends_and_says_why(
    lost: int, whole: Path, tmp_path: Path
) -> None:
    lines = [command(tmp_path / "run", **LONG), command(tmp_path / "nowhere", **LONG)]
    with started(lines) as both:
        until(tmp_path / "run", 2)
        time.sleep(0.2)  # into an epoch
        assert both[1 - lost].poll() is None
        both[lost].kill()
        begun = time.monotonic()
        code, out = ended(both)[1 - lost]
        assert time.monotonic() - begun < 60
    assert code == 75, out
    assert "the run has lost one of its processes" in out.splitlines()[-1]
    assert len(recorded(tmp_path / "run")["train/epoch"]) < LONG["epochs"]
    assert [code for code, _ in in_two(tmp_path / "run", **LONG)] == [0, 0]
    check_same(tmp_path / "run", whole, bits=True)


@pytest.mark.slow
@pytest.mark.parametrize("told", [0, 1])
def test_if_one_is_told_to_stop_both_save_and_stop(told: int, whole: Path, tmp_path: Path) -> None:
    fields = LONG | {"training__checkpoint_every": 100}  # nothing is saved but by being told
    lines = [command(tmp_path / "run", **fields), command(tmp_path / "nowhere", **fields)]
    with started(lines) as both:
        until(tmp_path / "run", 2)
        both[told].terminate()
        outcome = ended(both)
    assert [code for code, _ in outcome] == [75, 75], outcome
    assert "stopped by SIGTERM" in outcome[0][1]
    kept = [p.name for p in (tmp_path / "run/checkpoints").iterdir() if p.name.isdecimal()]
    assert len(kept) == 1
    steps = -(-LONG["data__train_size"] // 48)
    assert 2 * steps <= int(kept[0]) < LONG["epochs"] * steps
    assert [code for code, _ in in_two(tmp_path / "run", **LONG)] == [0, 0]
    check_same(tmp_path / "run", whole, bits=True)


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        ({"seed": 1}, "differ in seed: 1 here, 0 there"),
        ({"data__seed": 1}, "differ in "),
    ],
)
@pytest.mark.slow
def test_processes_that_would_train_different_things_are_refused(
    fields: dict, message: str, tmp_path: Path
) -> None:
    with started([command(tmp_path / "run"), command(tmp_path / "run", **fields)]) as both:
        (first, _), (second, said) = ended(both)
    assert second == 2
    assert message in said
    assert first == 75


SLOW_DISK = """
import sys, time
from jagree import processes
from jagree.training.checkpoint import Checkpoints
save = Checkpoints.save
def slowly(self, steps, *rest):
    time.sleep(8 if steps == 8 else 0)
    save(self, steps, *rest)
Checkpoints.save = slowly
processes.HEARTBEAT = 3
sys.argv[0] = "jagree.main"
from jagree import main
main.run()
"""


@pytest.mark.slow
def test_who_is_done_waits_for_who_still_writes(tmp_path: Path) -> None:
    (tmp_path / "slowly.py").write_text(SLOW_DISK)
    line = command(tmp_path / "run")
    slow = [line[0], str(tmp_path / "slowly.py"), *line[3:]]
    pipes = (read, _), (_, write) = os.pipe(), os.pipe()  # as a guard would have them, without one
    try:
        with pytest.MonkeyPatch.context() as patch:
            patch.setenv("JAGREE_PARENT", f"{read},{write}")
            with started([slow, slow], pass_fds=(read, write)) as both:
                outcome = ended(both)
    finally:
        for end in itertools.chain(*pipes):
            os.close(end)
    assert [code for code, _ in outcome] == [0, 0], outcome
    assert (tmp_path / "run/checkpoints/8").is_dir()


@pytest.mark.slow
def test_a_mistake_of_one_ends_both(tmp_path: Path) -> None:
    lost = {"data__name": "folder", "data__dir": str(tmp_path / "nowhere")}
    with started([command(tmp_path / "run"), command(tmp_path / "run", **lost)]) as both:
        (first, out), (second, said) = ended(both)
    assert second == 2
    assert "nowhere" in said
    assert first == 75, out
    assert "the run has lost one of its processes" in out


@pytest.mark.parametrize(
    ("flags", "message"),
    [
        ((False, None, 2, 0), "--processes and --process need --coordinator=HOST:PORT"),
        ((True, None, None, 1), "need --coordinator=HOST:PORT"),
        ((False, "here", 2, 0), "is HOST:PORT of the first process, as 10.0.0.2:8476, not 'here'"),
        ((False, ":80", 2, 0), "not ':80'"),
        ((False, "a:0", 2, 0), "not 'a:0'"),
        ((False, "a:65536", 2, 0), "not 'a:65536'"),
        ((False, "a:1", 2, 2), "of 0..N-1; not 2 and 2"),
        ((False, "a:1", None, 0), "not None and 0"),
        ((True, "a:1", 2, -1), "not 2 and -1"),
    ],
)
def test_flags_that_do_not_fit_together(flags: tuple, message: str) -> None:
    with pytest.raises(UsageError) as caught:
        processes.asked(*flags)
    assert message in str(caught.value)


def test_flags_of_processes() -> None:
    assert processes.asked(False, None, None, None) is None
    assert processes.asked(True, None, None, None) == Processes()
    assert processes.asked(False, "a:65535", 1, 0) == Processes("a:65535", 1, 0)
    assert processes.asked(True, "[::1]:80", 3, 2) == Processes("[::1]:80", 3, 2)


def guarded(code: str, **options: object) -> subprocess.Popen[str]:
    """A guard whose child runs this code in place of the program."""
    line = f"import sys; sys.executable = {str(options.pop('python'))!r}; " + (
        "from jagree.processes import guard; sys.exit(guard([]))"
    )
    return subprocess.Popen(
        [sys.executable, "-c", line], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    )


@pytest.fixture
def python(tmp_path: Path):
    """A "Python" that runs a script whatever it is asked for."""

    def of(script: str) -> str:
        (tmp_path / "child.py").write_text(script)
        path = tmp_path / "python"
        path.write_text(f'#!/bin/sh\nexec {sys.executable} {tmp_path}/child.py "$@"\n')
        path.chmod(0o755)
        return str(path)

    return of


MET = "import os; os.write(int(os.environ['JAGREE_PARENT'].split(',')[1]), b'1'); "


@pytest.mark.parametrize(
    ("script", "code", "message"),
    [
        ("raise SystemExit(3)", 3, ""),
        (MET + "os.abort()", 75, "jagree: the run has lost one of its processes"),
        ("import os; os.abort()", 134, "jagree: the processes of the run have not met"),
        ("import os; os.kill(os.getpid(), 9)", 137, "jagree: ended by SIGKILL"),
    ],
)
def test_a_guard_gives_its_childs_exit_code(script: str, code: int, message: str, python) -> None:
    with guarded("", python=python(script)) as guard:
        assert guard.wait(30) == code
        assert guard.stderr is not None
        assert guard.stderr.read().startswith(message)


WAITS = """
import os, signal, sys, threading, time
from jagree import processes
processes._end_with_parent()
signal.signal(signal.SIGTERM, lambda *_: print("heard", flush=True))
print("ready", os.getpid(), flush=True)
time.sleep(1)
while True: time.sleep(0.1)
"""


def test_a_guard_passes_signals_on_and_its_childs_life_hangs_on_it(python) -> None:
    with guarded("", python=python(WAITS)) as guard:
        assert guard.stdout is not None
        assert guard.stdout.readline().startswith("ready")
        guard.terminate()
        assert guard.stdout.readline() == "heard\n"
        guard.terminate()  # the second time it means it
        assert guard.wait(30) == 137
    with guarded("", python=python(WAITS)) as guard:
        assert guard.stdout is not None
        child = int(guard.stdout.readline().split()[1])
        guard.kill()
        guard.wait(30)
        end = time.monotonic() + 30
        while Path(f"/proc/{child}").exists() and time.monotonic() < end:
            time.sleep(0.05)
        with pytest.raises(ProcessLookupError):
            os.kill(child, signal.SIGCONT)
