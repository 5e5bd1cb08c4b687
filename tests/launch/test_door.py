"""A sweep from its flags to its table: what is refused, shown, run, left and tried again."""

import dataclasses
import json
import shlex
import subprocess
import sys
import threading
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from jagree import commandline
from jagree import config as rules
from jagree.errors import UsageError
from jagree.runfolder import RunFolder
from jagree.stages import STAGES
from jagree.sweep import door, plan
from jagree.sweep.grid import Grid
from tests.conftest import REPOSITORY
from tests.study.records import write

QUICKSTART = str(REPOSITORY / "configs/quickstart.py")
SIZES = "configs/sweeps/cifar10_batch_size.py"
ALL = tuple(STAGES)

ALONE = (
    "jagree: the runs of a sweep are of one process each; leave out --distributed, --coordinator, "
    "--processes and --process, or start one run by --nosweep\n"
)

# ml_collections loads a config file by it.
pytestmark = pytest.mark.filterwarnings(r"ignore:the load_module\(\) method is deprecated")

FAKE = """
import json, os, signal, sys, time
from pathlib import Path
folder, config, *ends = sys.argv[1:]
folder = Path(folder)
folder.mkdir(exist_ok=True)
file = folder / "run.json"
about = json.loads(file.read_text()) if file.exists() else {"status": "new", "invocations": []}
end = ends[min(len(about["invocations"]), len(ends) - 1)]
outcome = {"done": "done", "images": "done, but for 1 image"}.get(end)
about["config"] = json.loads(config)
about["status"] = "complete" if outcome else "training"
about["invocations"].append({"stages": sys.argv[0].split(","), "outcome": outcome})
file.write_text(json.dumps(about))
print("it ends:", end)
if end in ("no config", "no list"):
    about = about | {"invocations": 1} if end == "no list" else {"epochs_recorded": 1}
    file.write_text(json.dumps(about))
    sys.exit(0)
if end == "stubborn":  # two times Ctrl-C, for what SIGTERM is not heard
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
    for _ in range(2):
        os.kill(os.getppid(), signal.SIGINT)
        time.sleep(0.5)
    time.sleep(60)
if end == "kill":
    os.kill(os.getpid(), signal.SIGKILL)
if end == "stop":
    os.kill(os.getppid(), signal.SIGTERM)
    signal.pause()
sys.exit({"done": 0, "images": 3, "fail": 1, "preempted": 75}[end])
"""


def runs(workdir: Path, ends: dict[int, list[str]]) -> list[plan.Run]:
    """Runs of as many seeds, whose commands only note how they end, one time after the other."""
    made = plan.make(QUICKSTART, {}, Grid({"seed": tuple(ends)}), workdir, ALL)
    code = FAKE.replace("sys.argv[0]", repr(",".join(ALL)))
    return [
        dataclasses.replace(
            run,
            command=(
                *(sys.executable, "-c", code, str(run.folder), json.dumps(run.config.to_dict())),
                *ends[run.changes["seed"]],
            ),
        )
        for run in made
    ]


def record(folder: Path) -> None:
    """One epoch of one member."""
    write(folder, {"train": np.zeros(2, int)}, {"train": np.zeros((1, 1, 2), int)}, epochs=[1])


def begun(capsys: pytest.CaptureFixture) -> list[str]:
    lines = capsys.readouterr().out.splitlines()
    return [line.split()[1] for line in lines if line.startswith("[") and " begins; " in line]


def statuses(workdir: Path) -> list[str]:
    return pd.read_csv(workdir / "sweep.csv")["status"].tolist()


def test_what_is_done_is_left_and_the_rest_is_tried_again(
    tmp_path: Path, capsys: pytest.CaptureFixture
) -> None:
    ends = {0: ["done"], 1: ["fail", "done"], 2: ["kill", "images"], 3: ["preempted", "done"]}
    sweep = runs(tmp_path, ends)
    assert door.carry_out(sweep, tmp_path, ALL) == door.FAILED
    told = capsys.readouterr()
    assert statuses(tmp_path) == ["done", "failed", "failed", "done"]
    assert told.err.splitlines() == [
        "jagree: 2 runs of 4 failed:",
        f"  seed=1: exit code 1: it ends: fail ({tmp_path / 'logs/seed=1.log'})",
        "  seed=2: killed by SIGKILL; if nobody did that, memory ran out "
        f"({tmp_path / 'logs/seed=2.log'})",
    ]
    assert door.carry_out(sweep, tmp_path, ALL) == commandline.INCOMPLETE
    told = capsys.readouterr()
    assert "2 runs of 4 done already" in told.out
    assert statuses(tmp_path) == ["done", "done", "done, but for images", "done"]
    assert "begins" not in "".join(x for x in told.out.splitlines() if "seed=0" in x)
    assert told.err == ""
    assert door.carry_out(sweep, tmp_path, ALL) == commandline.INCOMPLETE
    assert begun(capsys) == []
    times = [len(json.loads((r.folder / "run.json").read_text())["invocations"]) for r in sweep]
    assert times == [1, 2, 2, 2]


def test_all_done_is_0_and_more_stages_are_not_done(
    tmp_path: Path, capsys: pytest.CaptureFixture
) -> None:
    sweep = runs(tmp_path, {0: ["done"], 1: ["done"]})
    assert door.carry_out(sweep, tmp_path, ALL, parallel=2) == 0
    assert begun(capsys) == ["seed=0", "seed=1"]
    about = sweep[0].folder / "run.json"
    about.write_text(about.read_text().replace('"study", "report"', '"study"'))
    assert door.carry_out(sweep, tmp_path, ALL) == 0
    assert begun(capsys) == ["seed=0"]


def test_a_sweep_that_is_told_to_end_says_75_and_goes_on(
    tmp_path: Path, capsys: pytest.CaptureFixture
) -> None:
    sweep = runs(tmp_path, {0: ["done"], 1: ["stop", "done"], 2: ["done"]})
    assert door.carry_out(sweep, tmp_path, ALL) == commandline.PREEMPTED == 75
    assert statuses(tmp_path) == ["done", "process gone", "waiting"]
    told = capsys.readouterr()
    assert "next:" not in told.out  # nothing is recorded
    assert told.err == "stopped; the same command goes on where its runs were stopped\n"
    assert "[3/3]" not in told.out
    assert door.carry_out(sweep, tmp_path, ALL) == 0
    assert begun(capsys) == ["seed=1", "seed=2"]
    assert statuses(tmp_path) == ["done"] * 3


def test_runs_that_are_preempted_again_and_again_make_the_sweep_say_75(tmp_path: Path) -> None:
    sweep = runs(tmp_path, {0: ["preempted"], 1: ["done"], 2: ["fail"]})
    assert door.carry_out(sweep, tmp_path, ALL) == 75
    assert statuses(tmp_path) == ["preempted", "done", "failed"]


def test_who_failed_before_the_sweep_was_stopped_has_failed(
    tmp_path: Path, capsys: pytest.CaptureFixture
) -> None:
    sweep = runs(tmp_path, {0: ["fail"], 1: ["stubborn"], 2: ["done"], 3: ["done"]})
    for run, status in zip(sweep[2:], ("preempted", "failed"), strict=True):
        run.folder.mkdir(parents=True)
        about = {"config": run.config.to_dict(), "status": status, "invocations": []}
        (run.folder / "run.json").write_text(json.dumps(about))
    assert door.carry_out(sweep, tmp_path, ALL) == commandline.INTERRUPTED
    assert statuses(tmp_path) == ["failed", "process gone", "preempted", "waiting"]
    told = capsys.readouterr().err.splitlines()
    assert told[:2] == [
        "jagree: 1 run of 4 failed:",
        f"  seed=0: exit code 1: it ends: fail ({tmp_path / 'logs/seed=0.log'})",
    ]
    assert len(told) == 4  # an empty line, and that the same command goes on


def test_other_runs_stay_in_the_table(tmp_path: Path) -> None:
    assert door.carry_out(runs(tmp_path, {0: ["done"], 1: ["fail"]}), tmp_path, ALL) == 1
    assert door.carry_out(runs(tmp_path, {2: ["done"], 1: ["done"]}), tmp_path, ALL) == 0
    table = pd.read_csv(tmp_path / "sweep.csv")
    assert table["name"].tolist() == ["seed=0", "seed=2", "seed=1"]
    assert table["seed"].tolist() == [0, 2, 1]
    assert statuses(tmp_path) == ["done"] * 3


def test_the_epochs_that_vary_are_not_those_recorded(
    tmp_path: Path, capsys: pytest.CaptureFixture
) -> None:
    (run,) = plan.make(QUICKSTART, {}, Grid({"epochs": (5,)}), tmp_path, ALL)
    run = dataclasses.replace(run, command=(sys.executable, "-c", ""))
    record(run.folder)
    about = {"config": run.config.to_dict(), "status": "complete"}
    (run.folder / "run.json").write_text(json.dumps(about))
    assert door.carry_out([run], tmp_path, ALL) == 0
    table = pd.read_csv(tmp_path / "sweep.csv")
    assert (table["epochs"].tolist(), table["epochs_recorded"].tolist()) == ([5], [1])
    assert f"next:  python -m jagree.study {tmp_path}" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("end", "problem"),
    [("no config", "it has no config"), ("no list", "TypeError: 'int' object is not iterable")],
)
def test_a_damaged_run_loses_no_table(
    tmp_path: Path, capsys: pytest.CaptureFixture, end: str, problem: str
) -> None:
    sweep = runs(tmp_path, {0: [end], 1: ["done"]})
    about = sweep[0].folder / "run.json"
    assert door.carry_out(sweep, tmp_path, ALL) == door.FAILED
    assert statuses(tmp_path) == ["failed", "done"]
    told = capsys.readouterr()
    assert f"\nseed=0: '{about}' is damaged ({problem})" in told.out
    assert f"\n  seed=0: '{about}' is damaged ({problem})" in told.err


def test_a_damaged_run_is_told_before_any_begins(tmp_path: Path) -> None:
    runs(tmp_path, {0: ["no config"]})[0].folder.mkdir()
    (tmp_path / "seed=0/run.json").write_text('{"epochs_recorded": 1}')
    with pytest.raises(UsageError, match=r"run 'seed=0': '.*run\.json' is damaged \(it has no con"):
        runs(tmp_path, {0: ["done"]})


def test_a_run_that_is_still_at_work_is_waited_for(
    tmp_path: Path, capsys: pytest.CaptureFixture
) -> None:
    sweep = runs(tmp_path, {0: ["done"], 1: ["done"]})
    left = RunFolder(sweep[0].folder)  # by a sweep that was killed
    left.begin(sweep[0].config.to_dict(), "a run")
    timer = threading.Timer(1.5, left.end)
    timer.start()
    assert door.carry_out(sweep, tmp_path, ALL) == 0
    timer.join()
    out = capsys.readouterr().out
    assert out.count("[1/2] seed=0 waits: another process is at work in its folder") == 1
    assert out.index("seed=0 waits") < out.index("seed=1 done") < out.index("seed=0 begins")


def test_two_sweeps_in_one_folder(tmp_path: Path) -> None:
    sweep = runs(tmp_path, {0: ["done"]})
    with (
        door._lock(tmp_path),
        pytest.raises(UsageError, match=r"another sweep is at work in '.*'; wait for it"),
    ):
        door.carry_out(sweep, tmp_path, ALL)
    assert door.carry_out(sweep, tmp_path, ALL) == 0
    (tmp_path / "file").write_text("")
    with pytest.raises(UsageError, match=r"cannot write to the sweep's folder '.*file'"):
        door.carry_out(sweep, tmp_path / "file", ALL)


# --- the program --------------------------------------------------------------------------------


def program(*arguments: str, cwd: Path = REPOSITORY) -> subprocess.CompletedProcess:
    command = [sys.executable, str(REPOSITORY / "launch/sweep.py"), *arguments]
    return subprocess.run(command, cwd=cwd, capture_output=True, text=True, timeout=120)


def test_a_dry_run_prints_commands_that_are_the_runs(tmp_path: Path) -> None:
    done = program(
        "--config=configs/cifar10_lenet5.py:small",
        *("--grid=batch_size=32,128", "--grid=data.set=a b,it's", "--config.data.name=tfds"),
        *(f"--workdir={tmp_path / 'my sweep'}", "--dry_run", "--devices=4,5"),
        *("--stages=study,train", "--noconfig.training.check_memory"),
    )
    assert done.returncode == 0, done.stderr
    *commands, count = done.stdout.splitlines()
    assert count == f"# 4 runs in {tmp_path / 'my sweep'}"
    points = [(b, s) for b in (32, 128) for s in ("a b", "it's")]
    base = commandline.load([f"--config={REPOSITORY}/configs/cifar10_lenet5.py:small"])
    for number, (line, (batch, data)) in enumerate(zip(commands, points, strict=True)):
        device, python, *words = shlex.split(line)
        assert device == f"CUDA_VISIBLE_DEVICES={4 + number % 2}"
        assert python == sys.executable
        assert words[:3] == ["-m", "jagree.main", "--config=configs/cifar10_lenet5.py:small"]
        given = [w.replace("=configs", f"={REPOSITORY}/configs") for w in words if "--config" in w]
        config = rules.flatten(commandline.load(given))
        assert config == rules.flatten(base) | {
            "batch_size": batch,
            "data.set": data,
            "data.name": "tfds",
            "training.check_memory": False,
            "name": config["name"],
        }
        assert words[-1] == "--stages=study,train"
        assert len([w for w in words if "--workdir" in w]) == 1
    assert not any(tmp_path.iterdir())


def test_a_file_with_a_grid_is_a_sweep_for_both_programs(tmp_path: Path) -> None:
    done = program(f"--config={SIZES}:small", "--dry_run", "--combine=zip")
    assert done.returncode == 0, done.stderr
    *commands, count = done.stdout.splitlines()
    assert count == "# 5 runs in runs/cifar10_batch_size_small"
    assert all(line.endswith(" --nosweep") for line in commands)
    assert commands[0].count("--workdir=runs/cifar10_batch_size_small/batch_size=32") == 1
    main = [sys.executable, "-m", "jagree.main", f"--config={SIZES}:small"]
    for flags, told in (
        (["--config.epochs=0"], "jagree: run 'batch_size=32': epochs must be 1 or more, not 0\n"),
        (["--config.epochs=0", "--nosweep"], "jagree: epochs must be 1 or more, not 0\n"),
        (["--distributed"], ALONE),
        (["--coordinator=10.0.0.2:8476", "--processes=2", "--process=0"], ALONE),
    ):
        one = subprocess.run(
            [*main, *flags, f"--workdir={tmp_path / 'x'}"],
            cwd=REPOSITORY,
            capture_output=True,
            text=True,
            timeout=120,
        )
        assert (one.returncode, one.stderr) == (2, told)
    assert not any(tmp_path.iterdir())


@pytest.mark.parametrize(
    ("flags", "message"),
    [
        (["--grid=sead=0,1"], "unknown config field 'sead', did you mean 'seed'?"),
        (["--grid=seed=0,x"], "--grid: seed is a whole number, not 'x'"),
        (["--grid=seed="], "a value is missing"),
        (["--grid=seed=0,0"], "seed=0 twice"),
        (["--grid=batch_size=32,0"], "run 'batch_size=0': batch_size must be 1 or more"),
        (["--grid=seed=0,1", "--config.seed=3"], "seed is in the grid and set by --config.seed"),
        (["--grid=seed=0,1", "--parallel=0"], "--parallel must be 1 or more, not 0"),
        (["--grid=seed=0,1", "--devices=0,1", "--parallel=1"], "leaves some of the 2 devices idle"),
        (["--grid=seed=0,1", "--devices=0,,1"], "--devices has an empty name"),
        (["--grid=seed=0,1", "--stages=train,fly"], "unknown stage 'fly'; known: train,"),
        (["--grid=seed=0,1", "--workdir=gs://bucket/a"], "in a local folder, not in 'gs://bucket"),
        (["--grid=seed=0,1", "--workdir=RUN"], "is the folder of one run; choose another"),
        (["--grid=seed=0,1", "more"], "unexpected argument 'more'"),
        ([], "say what is to vary"),
    ],
)
def test_a_mistake_is_told_in_one_line(tmp_path: Path, flags: list[str], message: str) -> None:
    (tmp_path / "run").mkdir()
    (tmp_path / "run/run.json").write_text("{}")
    line = [f.replace("RUN", str(tmp_path / "run")) for f in flags]
    done = program(f"--config={QUICKSTART}", *line, cwd=tmp_path)
    assert (done.returncode, done.stdout) == (2, "")
    assert message in done.stderr
    assert done.stderr.startswith("jagree: ")
    assert done.stderr.count("\n") == 1
    assert {p.name for p in tmp_path.iterdir()} == {"run"}


def test_without_a_config(tmp_path: Path) -> None:
    done = program("--grid=seed=0,1", cwd=tmp_path)
    assert (done.returncode, done.stderr.count("\n")) == (2, 1)
    assert "say which experiment" in done.stderr
