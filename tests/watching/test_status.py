"""Where a run stands: its state, its numbers, when it will be done; and garbage in one line."""

import datetime
import fcntl
import json
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from ml_collections import ConfigDict

from jagree.errors import UsageError
from jagree.preemption import Preempted
from jagree.runfolder import RunFolder
from jagree.watching.metrics import MetricsFile
from jagree.watching.numbers import EpochNumbers
from jagree.watching.standing import Standing, standing
from jagree.watching.status import tell
from tests.privileges import unprivileged
from tests.record.conftest import make_fields, make_recorder
from tests.record.test_writer import digest
from tests.watching.test_numbers import numbers

NOW = datetime.datetime(2026, 3, 1, 12, 0, 0, tzinfo=datetime.UTC)


def at(seconds_ago: float) -> str:
    return (NOW - datetime.timedelta(seconds=seconds_ago)).isoformat()


HELD: list[RunFolder] = []


@pytest.fixture(autouse=True)
def let_go() -> Iterator[None]:
    yield
    while HELD:
        killed(HELD.pop())


def run_of(
    path: Path,
    config: ConfigDict,
    status: str = "training",
    recorded: int = 3,
    lines: list[EpochNumbers] | None = None,
) -> RunFolder:
    """A run of 12 epochs, some recorded, with a process at work in it."""
    config.epochs = 12
    folder = RunFolder(path)
    folder.begin(config.to_dict(), "a test")
    HELD.append(folder)
    recorder = make_recorder(folder.record)
    for epoch in range(1, recorded + 1):
        recorder.append(epoch, make_fields(epoch))
    if lines is None:
        lines = [
            numbers(epoch)._replace(seconds=10.0 * epoch, time=at(5 + 30 * (recorded - epoch)))
            for epoch in range(1, recorded + 1)
        ]
    MetricsFile(folder.metrics).began(lines)
    data = {"name": "toy", "train": {"examples": 96}, "test": {"examples": 4}}
    members = [{"member": k, "network": "lenet5"} for k in range(3)]
    folder.update(status=status, data=data, members=members)
    folder.note(from_epoch=0, to_epoch=recorded, train_seconds=61.0, device="1 x cpu")
    return folder


def killed(folder: RunFolder) -> None:
    """Let go of the folder as a dying process does."""
    assert folder._lock is not None
    folder._lock.close()


STATES = {  # status, whether a process is at work -> state, settled
    ("training", True): ("training", True),
    ("training", False): ("process gone", False),
    ("complete", True): ("complete", True),
    ("complete", False): ("complete", True),
    ("interrupted", True): ("starting", True),
    ("interrupted", False): ("interrupted", False),
    ("preempted", False): ("preempted", False),
    ("failed", True): ("starting", True),
    ("failed", False): ("failed", False),
    ("new", True): ("starting", True),
    ("new", False): ("process gone", False),
}


@pytest.mark.parametrize("case", STATES, ids=str)
def test_the_lock_tells_whether_a_process_is_at_work(
    small: ConfigDict, tmp_path: Path, case: tuple[str, bool], capsys: pytest.CaptureFixture
) -> None:
    status, at_work = case
    folder = run_of(tmp_path / "run", small, status)
    if not at_work:
        killed(folder)
    state, settled = STATES[case]
    found = standing(tmp_path / "run", NOW)
    assert (found.state, found.at_work, found.settled) == (state, at_work, settled)
    assert tell([str(tmp_path / "run")], NOW) == (0 if settled else 3)
    assert capsys.readouterr().out.startswith(f"{tmp_path / 'run'}: {state}")


def test_who_only_measured_images_is_not_gone(small: ConfigDict, tmp_path: Path) -> None:
    folder = run_of(tmp_path / "run", small, "new", recorded=0)
    folder.end(outcome="done")
    found = standing(tmp_path / "run", NOW)
    assert (found.state, found.settled, found.last) == ("not trained", False, None)


def test_where_locks_are_not_known_nothing_is_claimed(
    small: ConfigDict, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: Any
) -> None:
    run_of(tmp_path / "run", small)

    def no_locks(*_: object) -> None:
        raise OSError("no locks")

    monkeypatch.setattr(fcntl, "flock", no_locks)
    assert tell([str(tmp_path / "run")], NOW) == 0
    first = capsys.readouterr().out.splitlines()[0]
    assert first.endswith("run: training (whether a process is at work cannot be told here)")


def test_a_run_that_trains_is_told_whole(
    small: ConfigDict, tmp_path: Path, capsys: pytest.CaptureFixture
) -> None:
    folder = run_of(tmp_path / "run", small)
    (folder.checkpoints / "5").mkdir(parents=True)
    (folder.checkpoints / "14").mkdir()
    (folder.checkpoints / "16.partial").mkdir()
    small.batch_size = 0  # what is told is the folder's
    assert tell([str(tmp_path / "run")], NOW) == 0
    train, test = numbers(3).splits["train"], numbers(3).splits["test"]
    started = folder.about["invocations"][0]["started"].replace("T", " ").replace("Z", " UTC")
    # 96 images of 3 members in 20 s (the median of 10, 20 and 30); 5 s of the next epoch are over.
    assert capsys.readouterr().out.splitlines() == [
        f"{tmp_path / 'run'}: training",
        "  config    small: 3 lenet5 on toy (96 train examples and 4 test examples)",
        "  epochs    3 of 12 recorded, the last 5 s ago, newest checkpoint of epoch 7",
        "  speed     20.0 s an epoch, 14 images/s over all members",
        "  done      in about 2 min 55 s, at 2026-03-01 12:02:55 UTC",
        "  epoch 3       accuracy  agreement  chance (%)",
        f"    train   {columns(train)}",
        f"    test    {columns(test)}",
        "  started   1 time",
        f"            {started}; from epoch 0 to 3; "
        "1 min 1 s of training; on 1 x cpu; no end noted",
    ]


def test_how_an_invocation_ended_is_said_once(
    small: ConfigDict, tmp_path: Path, capsys: pytest.CaptureFixture
) -> None:
    ends = {  # as `jagree.stages` notes them
        f"preempted: {type(Preempted()).__name__}: {Preempted(' after 3 steps')}": (
            "preempted: stopped by SIGTERM after 3 steps"
        ),
        f"interrupted: {KeyboardInterrupt.__name__}: {KeyboardInterrupt()}": "interrupted",
        "failed: RuntimeError: no ink": "failed: RuntimeError: no ink",
    }
    folder = run_of(tmp_path / "run", small)
    for outcome, told in ends.items():
        folder.note(outcome=outcome)
        tell([str(tmp_path / "run")], NOW)
        assert capsys.readouterr().out.endswith(f"; on 1 x cpu; {told}\n")


def columns(split: Any) -> str:
    accuracy = f"{100 * split.accuracy_mean:.1f} ± {100 * split.accuracy_std:.1f}"
    return f"{accuracy:>12}{100 * split.agreement:>11.1f}{100 * split.chance:>8.1f}"


def found_of(folder: RunFolder) -> Standing:
    return standing(folder.path, NOW)


def test_a_checkpoint_within_an_epoch(small: ConfigDict, tmp_path: Path, capsys: Any) -> None:
    small.batch_size = 40  # 3 steps of 96 examples
    folder = run_of(tmp_path / "run", small)
    (folder.checkpoints / "11").mkdir(parents=True)
    tell([str(tmp_path / "run")], NOW)
    assert "newest checkpoint of epoch 3 and 2 steps\n" in capsys.readouterr().out


def test_the_speed_is_the_median_of_the_last_five(small: ConfigDict, tmp_path: Path) -> None:
    seconds = [999.0, 999.0, 1.0, 2.0, 50.0, 3.0, 4.0]
    lines = [
        numbers(epoch)._replace(seconds=s, time=at(1)) for epoch, s in enumerate(seconds, start=1)
    ]
    found = found_of(run_of(tmp_path / "run", small, recorded=7, lines=lines))
    assert found.seconds == 3.0
    assert found.left == 5 * 3.0 - 1
    assert found.silent == 1.0


def test_an_epoch_that_lasts_longer_than_usual_leaves_the_others(
    small: ConfigDict, tmp_path: Path
) -> None:
    lines = [numbers(1)._replace(seconds=10.0, time=at(500))]
    found = found_of(run_of(tmp_path / "run", small, recorded=1, lines=lines))
    assert (found.silent, found.left) == (500.0, 100.0)


def test_a_clock_that_goes_after_ours_is_no_future(small: ConfigDict, tmp_path: Path) -> None:
    lines = [numbers(1)._replace(seconds=10.0, time=at(-60))]
    found = found_of(run_of(tmp_path / "run", small, recorded=1, lines=lines))
    assert (found.silent, found.left) == (0.0, 110.0)


def test_nobody_says_when_a_run_will_be_done_that_nobody_trains(
    small: ConfigDict, tmp_path: Path, capsys: pytest.CaptureFixture
) -> None:
    killed(run_of(tmp_path / "run", small))
    tell([str(tmp_path / "run")], NOW)
    out = capsys.readouterr().out
    assert "the same command goes on" in out
    assert "\n  done " not in out
    assert "\n  speed " in out


def test_lines_beyond_the_record_are_not_told(small: ConfigDict, tmp_path: Path) -> None:
    lines = [numbers(epoch)._replace(time=at(1)) for epoch in (1, 2, 3, 4)]
    found = found_of(run_of(tmp_path / "run", small, recorded=2, lines=lines))
    assert found.recorded == 2
    assert found.last is not None
    assert found.last.epoch == 2


def test_a_run_without_lines_is_told_from_its_record(small: ConfigDict, tmp_path: Path) -> None:
    folder = run_of(tmp_path / "run", small, recorded=2, lines=[])
    folder.metrics.unlink()
    found = found_of(folder)
    assert found.last is not None
    assert found.last.epoch == 2
    assert found.last.splits == numbers(2).splits
    assert np.isnan([found.seconds, found.left, found.silent]).all()


def test_the_untrained_networks_are_no_epoch_of_training(small: ConfigDict, tmp_path: Path) -> None:
    small.recording.untrained = True
    found = found_of(run_of(tmp_path / "run", small, recorded=3, lines=[]))
    assert found.recorded == 2


def test_a_damaged_record_is_not_the_matter_here(small: ConfigDict, tmp_path: Path) -> None:
    folder = run_of(tmp_path / "run", small, recorded=2, lines=[])
    folder.update(epochs_recorded=1)
    (folder.record / "zarr.json").write_text("{")
    found = found_of(folder)
    assert (found.recorded, found.last) == (1, None)


def test_who_diverged_is_named_with_the_first_epoch(
    small: ConfigDict, tmp_path: Path, capsys: pytest.CaptureFixture
) -> None:
    lines = [
        numbers(epoch)._replace(time=at(1), diverged=diverged)
        for epoch, diverged in ((1, ()), (2, (2,)), (3, (0, 2)))
    ]
    run_of(tmp_path / "run", small, lines=lines)
    tell([str(tmp_path / "run")], NOW)
    expected = "  diverged  member 0 (lenet5) in epoch 3 and member 2 (lenet5) in epoch 2\n"
    assert expected in capsys.readouterr().out


def test_several_runs_are_a_table(
    small: ConfigDict, tmp_path: Path, capsys: pytest.CaptureFixture
) -> None:
    run_of(tmp_path / "sweep/b", small)
    lines = [numbers(1)._replace(diverged=(0, 2), time="", seconds=float("nan"))]
    killed(run_of(tmp_path / "sweep/a", small, recorded=1, lines=lines))
    killed(run_of(tmp_path / "sweep/c", small, "new", recorded=0))
    (tmp_path / "sweep/statistics").mkdir()
    assert tell([str(tmp_path / "sweep"), str(tmp_path / "sweep/b")], NOW) == 3
    header, a, b, c, total = capsys.readouterr().out.splitlines()
    names = ["run", "state", "epochs", "accuracy", "agreement", "chance"]
    assert header.split() == [*names, "an", "epoch", "left", "diverged"]
    test = columns(numbers(1).splits["test"]).split()
    assert a.split() == ["a", "process", "gone", "1/12", *test, "0,", "2"]
    test = columns(numbers(3).splits["test"]).split()
    assert b.split() == ["b", "training", "3/12", *test, "20.0", "s", "2", "min", "55", "s"]
    assert c.split() == ["c", "process", "gone", "0/12"]
    assert total == "3 runs: 2 process gone, 1 training"


def test_runs_of_one_name_are_told_by_their_paths(
    small: ConfigDict, tmp_path: Path, capsys: pytest.CaptureFixture
) -> None:
    paths = [tmp_path / "one/run", tmp_path / "two/run"]
    for path in paths:
        run_of(path, small)
    assert tell([str(path) for path in paths], NOW) == 0
    lines = capsys.readouterr().out.splitlines()
    assert [line.split()[0] for line in lines[1:3]] == [str(path) for path in paths]


def test_nothing_is_touched_and_nothing_need_be_writable(
    small: ConfigDict, reachable: Path, capsys: pytest.CaptureFixture
) -> None:
    folder = run_of(reachable / "run", small)
    tell([str(folder.path)], NOW)  # imports all there is
    before = digest(folder.path)
    for path in (folder.path, *folder.path.rglob("*")):
        path.chmod(0o555 if path.is_dir() else 0o444)
    expected = capsys.readouterr().out
    with unprivileged(reachable):
        assert tell([str(folder.path)], NOW) == 0
    assert capsys.readouterr().out == expected
    assert digest(folder.path) == before
    for path in (folder.path, *folder.path.rglob("*")):
        path.chmod(0o755)


def test_asking_does_not_stop_who_begins(small: ConfigDict, tmp_path: Path) -> None:
    folder = run_of(tmp_path / "run", small)
    folder.end()
    with (tmp_path / "run/.lock").open() as asking:
        fcntl.flock(asking, fcntl.LOCK_SH)
        timer = threading.Timer(0.1, lambda: fcntl.flock(asking, fcntl.LOCK_UN))
        timer.start()
        HELD.append(RunFolder(tmp_path / "run"))
        HELD[-1].begin(small.to_dict(), "another")
        timer.join()


GARBAGE: dict[str, tuple[Any, str]] = {
    "no JSON": ("{", "run.json' is damaged ("),
    "a list": ("[]", "run.json' is damaged (no object of JSON)"),
    "an empty object": ({}, "holds no run"),
    "no config": ({"config": None}, "run.json' is damaged (it has no config)"),
    "no status": ({"status": ...}, "run.json' is damaged (KeyError: 'status')"),
    "no epochs": (
        {"config": {"epochs": "many", "recording": {"untrained": False}}},
        "is damaged (ValueError: ",
    ),
    "no invocations": ({"invocations": 3}, "run.json' is damaged (TypeError: "),
    "an invocation of another kind": ({"invocations": [{}]}, "is damaged (KeyError: 'started')"),
    "members of another kind": ({"members": [3]}, "run.json' is damaged (TypeError: "),
    "data of another kind": ({"data": []}, "run.json' is damaged (AttributeError: "),
}


@pytest.mark.parametrize("case", GARBAGE)
def test_garbage_is_named_in_one_line(
    small: ConfigDict, tmp_path: Path, case: str, capsys: pytest.CaptureFixture
) -> None:
    folder = run_of(tmp_path / "bad", small)
    content, message = GARBAGE[case]
    if isinstance(content, dict) and content:
        kept = {name: value for name, value in folder.about.items() if content.get(name) != ...}
        content = json.dumps(kept | {n: v for n, v in content.items() if v != ...})
    text = content if isinstance(content, str) else json.dumps(content)
    (tmp_path / "bad/run.json").write_text(text)
    assert tell([str(tmp_path / "bad")], NOW) == 2
    printed = capsys.readouterr()
    assert printed.out == ""
    (line,) = printed.err.splitlines()
    assert line.startswith("jagree: ")
    assert str(tmp_path / "bad") in line
    assert message in line


def test_one_bad_run_does_not_hide_the_others(
    small: ConfigDict, tmp_path: Path, capsys: pytest.CaptureFixture
) -> None:
    for name in "abc":
        run_of(tmp_path / name, small)
    (tmp_path / "b/run.json").write_text("{")
    assert tell([str(tmp_path)], NOW) == 2
    printed = capsys.readouterr()
    assert [line.split()[0] for line in printed.out.splitlines()[1:-1]] == ["a", "c"]
    assert len(printed.err.splitlines()) == 1


def test_what_is_no_folder_of_runs(tmp_path: Path, capsys: pytest.CaptureFixture) -> None:
    (tmp_path / "file").write_text("")
    for path, message in (
        (tmp_path, "holds no run: there is no run.json in it, nor in a folder of it"),
        (tmp_path / "file", "file' (Not a directory); --status takes run folders"),
        (tmp_path / "none", "none' (No such file or directory); --status takes run folders"),
    ):
        assert tell([str(path)], NOW) == 2
        (line,) = capsys.readouterr().err.splitlines()
        assert message in line
    with pytest.raises(UsageError, match="holds no run"):
        standing(tmp_path / "none", NOW)
