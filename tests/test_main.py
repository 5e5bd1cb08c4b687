"""The program as a person uses it: run, resume, kill, and feed it garbage."""

import json
import random
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest
import xarray as xr
import zarr
from ml_collections import ConfigDict

from jagree import stages
from jagree.errors import UsageError
from jagree.record import RecordWriter, correct, open_record, schema
from tests.conftest import REPOSITORY
from tests.privileges import unprivileged
from tests.record.test_writer import digest

SMALL = {
    "members": "3",
    "epochs": "2",
    "batch_size": "48",
    "data.train_size": "160",
    "data.test_size": "70",
    "statistics.edges.examples": "50",
}


def command(workdir: Path, *arguments: str, **fields: str) -> list[str]:
    changed = [f"--config.{k.replace('__', '.')}={v}" for k, v in {**SMALL, **fields}.items()]
    config = REPOSITORY / "configs/quickstart.py"
    main = [sys.executable, "-m", "jagree.main", f"--config={config}", f"--workdir={workdir}"]
    return [*main, *changed, *arguments]


def call(arguments: list[str], cwd: Path) -> subprocess.CompletedProcess:
    return subprocess.run(arguments, cwd=cwd, capture_output=True, text=True, timeout=300)


def run(config: ConfigDict, workdir: Path, *which: str) -> dict[str, xr.Dataset]:
    stages.run(config, workdir, which or ("train",), "a test")
    return {name: split.load() for name, split in open_record(workdir / "record.zarr").items()}


def test_the_whole_way_from_any_folder(tmp_path: Path) -> None:
    done = call(command(tmp_path / "run"), tmp_path)
    assert done.returncode == 0, done.stderr
    assert done.stderr == ""
    assert "3 lenet5 (62,290 parameters each) on controlled: 160 train and 70 test" in done.stdout
    assert "2 epochs of 4 steps, batch 48" in done.stdout
    assert done.stdout.rstrip().endswith(f"report: {tmp_path / 'run' / 'report.html'}")
    assert sum(line.lstrip().startswith(("1/2", "2/2")) for line in done.stdout.splitlines()) == 2
    about = json.loads((tmp_path / "run/run.json").read_text())
    assert about["status"] == "complete"
    assert about["config"]["data"]["train_size"] == 160
    (invocation,) = about["invocations"]
    assert invocation["outcome"] == "done"
    assert invocation["versions"]["jax"]
    assert "--config.members=3" in invocation["command"]
    assert "cpu" in invocation["device"]
    record = open_record(tmp_path / "run/record.zarr")
    assert dict(record["train"].sizes) == {"epoch": 2, "member": 3, "example": 160}
    table = (tmp_path / "run/results/agreement.csv").read_text().splitlines()
    assert table[0].startswith(
        "split,epoch,members,examples,accuracy_mean,accuracy_std,true_positive"
    )
    assert len(table) == 5
    for figure in ("agreement.png", "agreement.pdf"):
        assert (tmp_path / "run/figures" / figure).stat().st_size > 5_000

    again = call(command(tmp_path / "run"), tmp_path)
    assert again.returncode == 0, again.stderr
    assert "training is complete" in again.stdout

    study = [sys.executable, "-m", "jagree.study", str(tmp_path / "run")]
    alone = call(study, tmp_path)
    assert alone.returncode == 0, alone.stderr
    assert (tmp_path / "run/results/agreement.csv").read_text().splitlines() == table


def test_help_says_what_the_stages_do(tmp_path: Path) -> None:
    done = call([sys.executable, "-m", "jagree.main", "--help"], tmp_path)
    text = " ".join(done.stdout.split())
    assert "--config: The experiment: a file in configs/." in text
    for stage in ("train (train the", "statistics (measure", "study (agree", "report (all"):
        assert stage in text
    assert "(default: 'train,statistics,study,report')" in text


def test_the_record_holds_what_the_table_says(small: ConfigDict, tmp_path: Path) -> None:
    record = run(small, tmp_path / "run", "train", "study")
    import pandas as pd

    table = pd.read_csv(tmp_path / "run/results/agreement.csv")
    for name, split in record.items():
        rows = table[table["split"] == name]
        for position, row in enumerate(rows.itertuples()):
            right = correct(split, position)
            assert row.accuracy_mean == pytest.approx(right.mean())
            every, some = right.all(0).sum(), right.any(0).sum()
            assert row.true_positive_agreement == pytest.approx(every / some)


def test_two_runs_with_one_seed_are_equal_and_with_another_are_not(
    small: ConfigDict, tmp_path: Path
) -> None:
    for name, seed in (("a", 0), ("b", 0), ("c", 1)):
        small.seed = seed
        run(small, tmp_path / name)
    a, b, c = (digest(tmp_path / name / "record.zarr") for name in "abc")
    assert a == b
    assert a != c


def test_both_engines_give_the_same_record(small: ConfigDict, tmp_path: Path) -> None:
    small.optimizer.learning_rate = 0.02  # a high one soon turns rounding into other predictions
    records = []
    for engine in ("loop", "vmap"):
        small.training.engine = engine
        records.append(run(small, tmp_path / engine)["test"])
    np.testing.assert_array_equal(records[0]["prediction"], records[1]["prediction"])
    np.testing.assert_allclose(records[0]["log_prob"], records[1]["log_prob"], rtol=2e-2, atol=2e-3)


def test_the_untrained_networks_and_the_online_mode(small: ConfigDict, tmp_path: Path) -> None:
    small.recording.untrained = True
    at_end = run(small, tmp_path / "epoch_end")
    small.recording.mode = "online"
    online = run(small, tmp_path / "online")
    np.testing.assert_array_equal(at_end["train"]["epoch"], [0, 1, 2])
    np.testing.assert_array_equal(online["train"]["epoch"], [0, 1, 2])
    assert online["train"].attrs["recording"] == "online"
    assert online["test"].attrs["recording"] == "epoch_end"
    # The same training; the test split and the untrained networks are judged in the same way.
    xr.testing.assert_equal(online["test"], at_end["test"])
    np.testing.assert_array_equal(online["train"]["loss"], at_end["train"]["loss"])
    ours, theirs = (r["train"]["log_prob"].values for r in (online, at_end))
    np.testing.assert_array_equal(ours[0], theirs[0])
    assert not np.allclose(ours[1], theirs[1], atol=0.1)
    # The online loss is the mean of what was recorded, so each example was counted once.
    np.testing.assert_allclose(
        -online["train"]["log_prob"][1:].mean("example"), online["train"]["loss"][1:], rtol=1e-3
    )


def test_a_diverged_member_is_named_and_touches_no_other(
    small: ConfigDict, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    small.batch_size = 16
    small.epochs = 6
    healthy = run(small, tmp_path / "healthy")
    small.per_member.learning_rate = (0.1, 1e4, 0.1)
    capsys.readouterr()
    sick = run(small, tmp_path / "sick", "train", "study", "report")
    loss = sick["train"]["loss"].values
    epoch = 1 + int(np.argmin(np.isfinite(loss[:, 1])))
    assert not np.isfinite(loss[epoch - 1 :, 1]).any()
    out = capsys.readouterr().out
    assert f"member 1 (lenet5) diverged in epoch {epoch}" in out
    assert out.count("diverged in epoch") == 1
    assert (sick["test"]["prediction"].values[-1, 1] == -1).all()
    assert not correct(sick["test"], -1)[1].any()
    for name in ("train", "test"):
        for variable in ("prediction", "log_prob", "margin"):
            ours, theirs = sick[name][variable].values, healthy[name][variable].values
            np.testing.assert_array_equal(ours[:, [0, 2]], theirs[:, [0, 2]])
    assert f"network 1 (lenet5) in epoch {epoch}" in (tmp_path / "sick/report.html").read_text()


# --- going away and coming back -----------------------------------------------------------------


def is_said(process: subprocess.Popen, text: str) -> bool:
    """Read on until the text has been printed; whether it ever was."""
    assert process.stdout is not None
    return any(text in line for line in process.stdout)


def read_until(process: subprocess.Popen, text: str) -> None:
    assert is_said(process, text), f"'{text}' was never printed"


@pytest.mark.slow
def test_killed_at_random_moments_and_resumed_the_record_is_the_same_bits(tmp_path: Path) -> None:
    fields = {"epochs": "8", "batch_size": "16"}
    arguments = command(tmp_path / "whole", "--stages=train", **fields)
    with subprocess.Popen(arguments, stdout=subprocess.PIPE, text=True) as process:
        read_until(process, "compiled")
        started = time.monotonic()
        process.communicate(timeout=300)
    assert process.returncode == 0
    lasts = time.monotonic() - started

    seed = random.randrange(2**32)
    moments = random.Random(seed)
    kills = resumed = 0
    workdir = tmp_path / "killed"
    while kills < 5:
        arguments = command(workdir, "--stages=train", **fields)
        with subprocess.Popen(arguments, stdout=subprocess.PIPE, text=True) as process:
            begun = is_said(process, "compiled")
            if begun:
                time.sleep(moments.uniform(0, 0.7 * lasts))
            process.kill()
        kills += 1
        if process.returncode == 0 or not begun:  # it was faster: begin another run
            kills -= 1
            workdir = tmp_path / f"{workdir.name}+"
        resumed += (workdir / "checkpoints").exists()
    assert resumed
    done = call(command(workdir, "--stages=train", **fields), tmp_path)
    assert done.returncode == 0, done.stderr
    whole, killed = (digest(d / "record.zarr") for d in (tmp_path / "whole", workdir))
    assert whole == killed, f"random.Random({seed}) chose the moments"


@pytest.mark.parametrize("recorded", [0, 1])
def test_killed_between_record_and_checkpoint(
    small: ConfigDict, tmp_path: Path, recorded: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The epoch that was recorded but not saved is trained again, and is the same."""
    from jagree.training.checkpoint import Checkpoints

    small.recording.untrained = True
    run(small, tmp_path / "whole")
    save = Checkpoints.save

    def die(self: Checkpoints, steps: int, *args: object) -> None:
        if steps > 4 * recorded:  # 4 steps an epoch
            raise SystemExit("killed")
        save(self, steps, *args)  # type: ignore[arg-type]

    with monkeypatch.context() as patch:
        patch.setattr(Checkpoints, "save", die)
        with pytest.raises(SystemExit):
            run(small, tmp_path / "killed")
    assert RecordWriter(tmp_path / "killed/record.zarr").epochs == list(range(recorded + 2))
    run(small, tmp_path / "killed")
    assert digest(tmp_path / "whole/record.zarr") == digest(tmp_path / "killed/record.zarr")


def test_lost_checkpoints_do_not_cost_the_record(small: ConfigDict, tmp_path: Path) -> None:
    small.epochs = 3
    workdir = tmp_path / "run"
    run(small, workdir)
    about = json.loads((workdir / "run.json").read_text())
    (workdir / "run.json").write_text(json.dumps({**about, "status": "interrupted"}))
    before = digest(workdir / "record.zarr")
    shutil.rmtree(workdir / "checkpoints")
    with pytest.raises(
        UsageError, match=r"ends with epoch 3, but the newest checkpoint is of epoch 0"
    ):
        run(small, workdir)
    assert digest(workdir / "record.zarr") == before


def test_a_complete_run_is_never_trained_again(small: ConfigDict, tmp_path: Path) -> None:
    run(small, tmp_path / "run")
    shutil.rmtree(tmp_path / "run/checkpoints")
    before = digest(tmp_path / "run/record.zarr")
    run(small, tmp_path / "run")
    assert digest(tmp_path / "run/record.zarr") == before


def test_control_c_says_how_to_go_on(tmp_path: Path) -> None:
    arguments = command(tmp_path / "run", "--stages=train", epochs="50")
    pipes = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE}
    with subprocess.Popen(arguments, text=True, **pipes) as process:
        read_until(process, " 1/50")
        process.send_signal(signal.SIGINT)
        _, error = process.communicate(timeout=60)
    assert process.returncode == 130
    assert "the same command goes on" in error
    assert "Traceback" not in error
    assert json.loads((tmp_path / "run/run.json").read_text())["status"] == "interrupted"


# --- garbage ------------------------------------------------------------------------------------

GARBAGE = {
    "no config": ([], "say which experiment: --config=configs/quickstart.py"),
    "no such config": (["--config=configs/nothing.py"], "no config file 'configs/nothing.py'"),
    "config without a config": (
        ["--config={tmp}/empty.py"],
        "the config file has no function get_config(); see configs/quickstart.py",
    ),
    "unknown flag": (["--config={quickstart}", "--wordkir=x"], "Unknown command line flag"),
    "unknown field": (
        ["--config={quickstart}", "--config.optimizer.learningrate=1"],
        "unknown config field 'optimizer.learningrate', did you mean 'optimizer.learning_rate'",
    ),
    "wrong type": (["--config={quickstart}", "--config.epochs=many"], "--config.epochs=many"),
    "unknown network": (
        ["--config={quickstart}", "--config.network=lenet"],
        "unknown network 'lenet' (did you mean 'lenet5'?); known: densenet121, ",
    ),
    "unknown data": (
        ["--config={quickstart}", "--config.data.name=mnist"],
        "unknown source 'mnist'; known: cifar10, controlled",
    ),
    "unknown stage": (
        ["--config={quickstart}", "--stages=train,draw"],
        "unknown stage 'draw'; known: train, statistics, study, report",
    ),
    "stray argument": (["--config={quickstart}", "runs/a"], "unexpected argument 'runs/a'"),
    "missing data": (
        ["--config={quickstart}", "--config.data.name=cifar10", "--config.data.dir={tmp}/none"],
        "no 'cifar10' data in '{tmp}/none'; say where it is with --config.data.dir=FOLDER",
    ),
    "batch too large": (
        ["--config={quickstart}", "--config.data.train_size=100"],
        "batch_size is 128, but the train split has only 100 examples; choose 100 or less",
    ),
    "workdir below a file": (
        ["--config={quickstart}", "--workdir={tmp}/file/run"],
        "cannot use '{tmp}/file/run' as a run folder (Not a directory); choose another --workdir",
    ),
    "foreign workdir": (
        ["--config={quickstart}", "--workdir={tmp}/foreign"],
        "'{tmp}/foreign' is not empty and not a run's folder; use another --workdir",
    ),
    "nothing to study": (
        ["--config={quickstart}", "--workdir={tmp}/new", "--stages=study"],
        "holds no run yet; start with the stage 'train'",
    ),
}


@pytest.mark.parametrize("case", GARBAGE)
def test_garbage_is_refused_in_one_clear_sentence(
    case: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "file").write_text("kept")
    (tmp_path / "empty.py").write_text("")
    (tmp_path / "foreign").mkdir()
    (tmp_path / "foreign/thesis.tex").write_text("kept")
    before = sorted(tmp_path.rglob("*"))
    monkeypatch.setenv("PYTHONDONTWRITEBYTECODE", "1")  # beside empty.py
    arguments, message = GARBAGE[case]
    names = {"quickstart": REPOSITORY / "configs/quickstart.py", "tmp": tmp_path}
    filled = [a.format(**names) for a in arguments]
    done = call([sys.executable, "-m", "jagree.main", *filled], tmp_path)
    assert done.returncode == 2, done.stderr
    assert message.format(**names) in done.stderr
    assert len(done.stderr.strip().splitlines()) == 1
    assert done.stderr.startswith("jagree: ")
    assert sorted(tmp_path.rglob("*")) == before


def test_a_workdir_of_another_config_names_the_fields(small: ConfigDict, tmp_path: Path) -> None:
    run(small, tmp_path / "run")
    before = digest(tmp_path / "run")
    small.optimizer.learning_rate = 0.2
    small.epochs = 3
    with pytest.raises(
        UsageError, match=r"epochs is 3, was 2; optimizer.learning_rate is 0.2, was"
    ):
        run(small, tmp_path / "run")
    assert digest(tmp_path / "run") == before


def test_other_data_under_the_same_config_is_refused(
    small: ConfigDict, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from jagree import data

    run(small, tmp_path / "run")
    changed = small.data.copy_and_resolve_references()
    changed.seed = 1
    other = data.load(changed)
    monkeypatch.setattr(data, "load", lambda options, kept: other)
    with pytest.raises(UsageError, match="the 'train' data differs from what"):
        run(small, tmp_path / "run")


def test_a_record_of_a_newer_schema_is_refused_by_both_doors(
    small: ConfigDict, tmp_path: Path
) -> None:
    run(small, tmp_path / "run")
    root = zarr.open_group(tmp_path / "run/record.zarr")
    root.update_attributes({"schema_version": schema.VERSION + 1})
    before = digest(tmp_path / "run/record.zarr")
    with pytest.raises(UsageError, match="install a newer jagree"):
        run(small, tmp_path / "run")
    done = call([sys.executable, "-m", "jagree.study", str(tmp_path / "run")], tmp_path)
    assert done.returncode == 2
    assert "install a newer jagree" in done.stderr
    assert digest(tmp_path / "run/record.zarr") == before


def test_two_at_work_in_one_folder(small: ConfigDict, tmp_path: Path) -> None:
    from jagree.runfolder import RunFolder

    first = RunFolder(tmp_path / "run")
    first.begin(small.to_dict(), "the first")
    with pytest.raises(UsageError, match="another process is at work"):
        run(small, tmp_path / "run")
    assert len(json.loads((tmp_path / "run/run.json").read_text())["invocations"]) == 1
    first.end()
    run(small, tmp_path / "run")


def test_a_folder_taken_by_another_config_while_the_data_was_loaded(
    small: ConfigDict, tmp_path: Path
) -> None:
    from jagree.runfolder import RunFolder

    late = RunFolder(tmp_path / "run")
    late.check_config(small.to_dict())
    run(small, tmp_path / "run")
    before = digest(tmp_path / "run")
    small.seed = 7
    with pytest.raises(UsageError, match="seed is 7, was 0"):
        late.begin(small.to_dict(), "the late one")
    assert digest(tmp_path / "run") == before


def test_a_workdir_without_permission(small: ConfigDict, reachable: Path) -> None:
    run(small, reachable / "before")  # imports all there is
    reachable.chmod(0o500)
    with (
        unprivileged(reachable),
        pytest.raises(UsageError, match=r"cannot write to the run folder .* \(Permission denied\)"),
    ):
        run(small, reachable / "run")
    reachable.chmod(0o700)


@pytest.mark.filterwarnings("ignore:Error writing persistent compilation cache")  # the tests' own
def test_a_workdir_in_a_folder_that_may_not_be_written_to(
    small: ConfigDict, reachable: Path
) -> None:
    run(small, reachable / "before")  # imports all there is
    (reachable / "run").mkdir()
    reachable.chmod(0o500)
    with unprivileged(reachable):
        run(small, reachable / "run")  # whose images need not be prepared
    assert not (reachable / "prepared").exists()
    reachable.chmod(0o700)


def test_a_full_disk_in_mid_run_keeps_the_complete_epochs(
    small: ConfigDict, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from tests.record.test_writer import FullDisk

    append = RecordWriter.append

    def fills(self: RecordWriter, epoch: int, fields: object) -> None:
        if epoch == 2:
            with pytest.MonkeyPatch.context() as patch:
                FullDisk(patch, 4)
                append(self, epoch, fields)  # type: ignore[arg-type]
        append(self, epoch, fields)  # type: ignore[arg-type]

    with monkeypatch.context() as patch:
        patch.setattr(RecordWriter, "append", fills)
        with pytest.raises(
            UsageError, match=r"the disk is full .* is whole up to epoch 1: make room"
        ):
            run(small, tmp_path / "run")
    record = open_record(tmp_path / "run/record.zarr")["train"]
    np.testing.assert_array_equal(record["epoch"], [1])
    run(small, tmp_path / "run")
    run(small, tmp_path / "whole")
    assert digest(tmp_path / "whole/record.zarr") == digest(tmp_path / "run/record.zarr")
