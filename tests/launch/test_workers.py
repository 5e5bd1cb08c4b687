"""Short children in place of runs: how many at a time, how they end, what stops them."""

import os
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest

from jagree.sweep.workers import TRIES, Job, Outcome, Workers, device

PYTHON = sys.executable


def job(folder: Path, name: str, code: str, *arguments: object) -> Job:
    return Job(name, (PYTHON, "-c", code, *map(str, arguments)), folder / f"{name}.log")


def run(jobs: list[Job], parallel: int = 1, **options) -> tuple[Outcome, list[str]]:
    said: list[str] = []
    devices = options.pop("devices", ())
    return Workers(jobs, parallel, devices, said.append, **options).run(), said


def test_all_run_and_a_failure_stops_no_other(tmp_path: Path) -> None:
    jobs = [
        job(tmp_path, "a", "print('fine')"),
        job(
            tmp_path, "b", "import sys; print('x'); print('no luck', file=sys.stderr); sys.exit(7)"
        ),
        job(tmp_path, "c", "import os, signal; os.kill(os.getpid(), signal.SIGKILL)"),
        job(tmp_path, "d", "import sys; sys.exit(3)"),
        job(tmp_path, "e", "import sys; sys.exit(9)"),
        Job("f", (str(tmp_path / "nothing"),), tmp_path / "f.log"),
        job(tmp_path, "g", "pass"),
    ]
    outcome, said = run(jobs)
    assert outcome.codes == {"a": 0, "b": 7, "c": -9, "d": 3, "e": 9, "f": 1, "g": 0}
    assert outcome.stopped_by == 0
    assert outcome.reasons.keys() == {"b", "c", "e", "f"}
    assert outcome.reasons["b"] == "exit code 7: no luck"
    assert outcome.reasons["c"] == "killed by SIGKILL; if nobody did that, memory ran out"
    assert outcome.reasons["e"].startswith("exit code 9: $ ")  # its log has only the command
    assert outcome.reasons["f"].startswith("could not be started: ")
    assert said[0] == f"[1/7] a begins; its output: {tmp_path / 'a.log'}"
    assert said[1].startswith("[1/7] a done in ")
    assert said[3] == "[2/7] b ended: exit code 7: no luck"
    assert said[7].endswith("; some images could not be measured")
    assert len(said) == 14
    log = (tmp_path / "a.log").read_text().splitlines()
    assert log == [f"$ {PYTHON} -c 'print('\"'\"'fine'\"'\"')'", "fine"]
    run(jobs[:1])
    assert (tmp_path / "a.log").read_text().splitlines() == log * 2


COUNT = """
import os, sys, time
from pathlib import Path
folder, name = Path(sys.argv[1]), sys.argv[2]
here = folder / f"{name}-{os.environ.get('CUDA_VISIBLE_DEVICES', 'none')}.on"
here.touch()
wanted, end, most = int((sys.argv[3:] or ["1"])[0]), time.monotonic() + 20, 0
while most < wanted and time.monotonic() < end and not (folder / "enough").exists():
    time.sleep(0.05)
    most = max(most, len(list(folder.glob("*.on"))))
(folder / "enough").touch()
time.sleep(0.7)  # for one too many
print(max(most, len(list(folder.glob("*.on")))))
here.rename(here.with_suffix(".was"))
"""


@pytest.mark.parametrize("parallel", [1, 3])
def test_so_many_run_at_a_time(tmp_path: Path, parallel: int) -> None:
    names = "abcd"[: parallel + 1]
    jobs = [job(tmp_path, name, COUNT, tmp_path, name, parallel) for name in names]
    outcome, _ = run(jobs, parallel)
    assert set(outcome.codes.values()) == {0}
    seen = [int(j.log.read_text().split()[-1]) for j in jobs]
    assert max(seen) == parallel
    device = os.environ.get("CUDA_VISIBLE_DEVICES", "none")
    assert {p.name for p in tmp_path.glob("*.was")} == {f"{name}-{device}.was" for name in names}


def test_those_that_run_at_a_time_are_on_different_devices(tmp_path: Path) -> None:
    code = COUNT.replace("print(max", "print([p.stem for p in folder.glob('*.on')], max")
    jobs = [job(tmp_path, name, code, tmp_path, name) for name in "abcde"]
    run(jobs, 2, devices=("3", "GPU-7"))
    used = [p.stem.split("-", 1)[1] for p in sorted(tmp_path.glob("*.was"))]
    assert len(used) == 5
    assert set(used) == {"3", "GPU-7"}
    assert used[:2] == ["3", "GPU-7"]
    told = [j.log.read_text() for j in jobs]
    assert all(text.count("-3'") <= 1 and text.count("-GPU-7'") <= 1 for text in told)
    assert told[1].startswith(f"$ CUDA_VISIBLE_DEVICES=GPU-7 {PYTHON}")
    assert [device(slot, ("a", "b"))["CUDA_VISIBLE_DEVICES"] for slot in range(4)] == list("abab")
    assert device(3, ()) == {}


PREEMPTED = """
import sys
from pathlib import Path
tries = Path(sys.argv[1])
count = int(tries.read_text()) if tries.exists() else 0
tries.write_text(str(count + 1))
sys.exit(75 if count < int(sys.argv[2]) else 0)
"""


def test_a_run_that_is_preempted_alone_is_run_again(tmp_path: Path) -> None:
    jobs = [
        job(tmp_path, "a", PREEMPTED, tmp_path / "a", TRIES - 1),
        job(tmp_path, "b", PREEMPTED, tmp_path / "b", 99),
        job(tmp_path, "c", "pass"),
    ]
    outcome, said = run(jobs)
    assert outcome.codes == {"a": 0, "b": 75, "c": 0}
    assert outcome.stopped_by == 0
    assert [(tmp_path / n).read_text() for n in "ab"] == [str(TRIES)] * 2
    assert said[1:3] == ["[1/3] a was preempted", "[1/3] a begins again"]
    assert outcome.reasons == {"b": f"preempted {TRIES} times"}


WAITS = """
import signal, sys, time
from pathlib import Path
folder, name, ending = Path(sys.argv[1]), sys.argv[2], sys.argv[3]
def end(number, frame):
    if ending == "stubborn":
        return
    (folder / f"{name}.{signal.Signals(number).name}").touch()
    sys.exit(75)
signal.signal(signal.SIGTERM, end)
(folder / f"{name}.ready").touch()
for _ in range(600):
    time.sleep(0.1)
"""


def stopped(folder: Path, *signals: int, endings: str, patience: float) -> tuple[Outcome, float]:
    """Run two jobs of three at a time, and tell the sweep to stop once both are at work."""
    jobs = [job(folder, n, WAITS, folder, n, e) for n, e in zip("abc", [endings] * 3, strict=True)]
    told: list[float] = []

    def tell() -> None:
        while not all((folder / f"{name}.ready").exists() for name in "ab"):
            time.sleep(0.02)
        told.append(time.monotonic())
        for number in signals:
            os.kill(os.getpid(), number)
            time.sleep(0.4)

    before = [signal.getsignal(s) for s in (signal.SIGINT, signal.SIGTERM)]
    thread = threading.Thread(target=tell)
    thread.start()
    outcome, _ = run(jobs, 2, patience=patience)
    took = time.monotonic() - told[0]
    thread.join()
    assert [signal.getsignal(s) for s in (signal.SIGINT, signal.SIGTERM)] == before
    assert not (folder / "c.ready").exists()
    return outcome, took


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
def test_what_stops_the_sweep_is_passed_on_as_sigterm(tmp_path: Path, number: int) -> None:
    outcome, took = stopped(tmp_path, number, endings="polite", patience=60)
    assert outcome.stopped_by == number
    assert outcome.codes == {"a": 75, "b": 75}
    assert outcome.reasons == dict.fromkeys("ab", "stopped with the sweep")
    assert outcome.stopped == {"a", "b"}
    assert {p.name for p in tmp_path.glob("*.SIG*")} == {"a.SIGTERM", "b.SIGTERM"}
    assert took < 20


def test_who_does_not_end_is_killed_when_patience_is_over(tmp_path: Path) -> None:
    outcome, took = stopped(tmp_path, signal.SIGTERM, endings="stubborn", patience=1.5)
    assert outcome.codes == {"a": -9, "b": -9}
    assert outcome.stopped == {"a", "b"}
    assert 1.5 < took < 20


def test_a_second_control_c_ends_all_at_once(tmp_path: Path) -> None:
    signals = (signal.SIGINT, signal.SIGINT)
    outcome, took = stopped(tmp_path, *signals, endings="stubborn", patience=300)
    assert outcome.stopped_by == signal.SIGINT
    assert outcome.codes == {"a": -9, "b": -9}
    assert outcome.stopped == {"a", "b"}
    assert took < 20


def test_a_second_sigterm_changes_nothing(tmp_path: Path) -> None:
    signals = (signal.SIGTERM, signal.SIGTERM, signal.SIGINT)
    _, took = stopped(tmp_path, *signals, endings="stubborn", patience=3)
    assert took > 3


FAILS_ONCE_STOPPED = """
import signal, sys, time
from pathlib import Path
folder, name = Path(sys.argv[1]), sys.argv[2]
if name == "b":  # as one that is told before it can hear
    signal.signal(signal.SIGTERM, signal.SIG_DFL)
else:
    signal.signal(signal.SIGTERM, lambda *_: sys.exit("no room to save"))
(folder / f"{name}.ready").touch()
time.sleep(60)
"""


def test_who_fails_while_the_sweep_is_stopped_has_failed(tmp_path: Path) -> None:
    jobs = [job(tmp_path, name, FAILS_ONCE_STOPPED, tmp_path, name) for name in "ab"]

    def tell() -> None:
        while not all((tmp_path / f"{name}.ready").exists() for name in "ab"):
            time.sleep(0.02)
        os.kill(os.getpid(), signal.SIGTERM)

    thread = threading.Thread(target=tell)
    thread.start()
    outcome, _ = run(jobs, 2)
    thread.join()
    assert outcome.codes == {"a": 1, "b": -signal.SIGTERM}
    assert outcome.reasons["a"] == "exit code 1: no room to save"
    assert outcome.stopped == {"b"}


def test_who_is_busy_begins_later_and_holds_up_no_other(tmp_path: Path) -> None:
    asked = 0

    def busy(name: str) -> bool:
        nonlocal asked
        asked += name == "a"
        return name == "a" and asked < 12

    outcome, said = run([job(tmp_path, name, "pass") for name in "ab"], busy=busy)
    assert outcome.codes == {"a": 0, "b": 0}
    assert outcome.stopped_by == 0
    first = [line.partition(" in ")[0].partition(";")[0] for line in said]
    assert first[0] == "[1/2] a waits: another process is at work"
    assert first[1:] == ["[2/2] b begins", "[2/2] b done", "[1/2] a begins", "[1/2] a done"]


def test_a_sweep_is_stopped_while_it_waits(tmp_path: Path) -> None:
    timer = threading.Timer(0.4, os.kill, (os.getpid(), signal.SIGTERM))
    timer.start()
    outcome, _ = run([job(tmp_path, "a", "pass")], busy=lambda name: True)
    timer.join()
    assert (outcome.codes, outcome.stopped_by) == ({}, signal.SIGTERM)


PARENT = """
import signal, subprocess, sys, time
child = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(60)"])
print(child.pid, flush=True)
signal.signal(signal.SIGTERM, signal.SIG_IGN)
from pathlib import Path
for name in sys.argv[2:]:
    Path(sys.argv[1], f"{name}.ready").touch()
time.sleep(60)
"""


def test_who_is_killed_takes_those_along_that_it_started(tmp_path: Path) -> None:
    jobs = [job(tmp_path, "a", PARENT, tmp_path, "a")]

    def tell() -> None:
        while not (tmp_path / "a.ready").exists():
            time.sleep(0.02)
        os.kill(os.getpid(), signal.SIGTERM)

    thread = threading.Thread(target=tell)
    thread.start()
    run(jobs, patience=0.2)
    thread.join()
    child = jobs[0].log.read_text().split()[-1]
    ended = time.monotonic() + 10
    while alive(child) and time.monotonic() < ended:
        time.sleep(0.05)
    assert not alive(child)


def alive(pid: str) -> bool:
    """Whether a process runs; one that has ended and is not waited for does not."""
    state = subprocess.run(["ps", "-o", "stat=", "-p", pid], capture_output=True, text=True)
    return state.stdout.strip()[:1] not in ("", "Z")


def test_an_error_of_the_sweeps_own_leaves_nobody_behind(tmp_path: Path) -> None:
    jobs = [job(tmp_path, "a", PARENT, tmp_path, "a"), job(tmp_path, "b", "pass")]

    def say(line: str) -> None:
        if "b begins" in line:
            while not (tmp_path / "a.ready").exists():
                time.sleep(0.02)
            raise BrokenPipeError

    with pytest.raises(BrokenPipeError):
        Workers(jobs, 2, (), say).run()
    child = jobs[0].log.read_text().split()[-1]
    ended = time.monotonic() + 10
    while alive(child) and time.monotonic() < ended:
        time.sleep(0.05)
    assert not alive(child)
