"""``python -m jagree.study`` on several runs: what a person sees."""

import json
from pathlib import Path

import fsspec
import pandas as pd
import pytest

from jagree import analysis
from jagree.errors import UsageError
from jagree.study.__main__ import run as study
from jagree.study.findings.__main__ import run as findings
from tests.study import on_disk
from tests.study.on_disk import note, record


@pytest.fixture
def sweep(tmp_path: Path) -> Path:
    return on_disk.sweep(tmp_path / "sweep")


def test_the_study_takes_a_sweep_and_what_a_shell_makes_of_it(
    sweep: Path, capsys: pytest.CaptureFixture
) -> None:
    assert study([str(sweep)]) == 0
    out = capsys.readouterr().out
    assert f"left out, nothing is recorded there: {sweep / 'seed=2'}" in out
    for name in ("seed=0", "seed=1"):
        assert (sweep / name / "report.html").exists()
        (row,) = [line.split() for line in out.splitlines() if line.startswith(f"{name} ")]
        assert row[:6] == [name, "complete", "7", "40.0", "±", "32.7"]
        (sweep / name / "report.html").unlink()
    assert study([*map(str, sorted(sweep.iterdir())), "--leave_out", "2"]) == 0
    out = capsys.readouterr().out
    assert out.count("left out") == 4
    assert out.count("60.0 ± 20.0") == 2
    assert (sweep / "seed=1/report.html").exists()


def test_one_run_that_cannot_be_studied_stops_no_other(
    sweep: Path, capsys: pytest.CaptureFixture
) -> None:
    record(sweep / "a", epochs=0)
    assert study([str(sweep / "a"), str(sweep / "seed=1")]) == 2
    told = capsys.readouterr()
    assert told.err.startswith(f"jagree: {sweep / 'a'}: the record has no epoch yet")
    assert (sweep / "seed=1/report.html").exists()
    (row,) = [line for line in told.out.splitlines() if line.startswith("seed=1 ")]
    assert len(row.split()) > 10
    assert told.err.endswith("not studied together: fewer than two runs could be read\n")
    assert not (sweep / "together").exists()
    (sweep / "seed=0/run.json").write_text('{"epochs_recorded": 1}')
    assert study([str(sweep)]) == 2
    told = capsys.readouterr()
    assert "run.json' is damaged (it has no config)" in told.err
    rows = {line.split()[0]: line.split()[1] for line in told.out.splitlines() if " ± " in line}
    assert rows == {"seed=0": "damaged", "seed=1": "complete"}
    assert (sweep / "together/study.json").exists() is False
    assert study([str(sweep / "seed=9")]) == 2
    assert "no record at" in capsys.readouterr().err


def test_runs_on_the_same_data_are_studied_together(
    sweep: Path, capsys: pytest.CaptureFixture
) -> None:
    for arguments, folder in (
        ([str(sweep)], sweep / "together"),
        ([*map(str, sweep.glob("seed=*")), f"--out={sweep / 'here'}"], sweep / "here"),
    ):
        assert study(arguments) == 0
        out = capsys.readouterr().out
        assert f"together: {folder / 'report.html'}" in out
        assert "2 runs on the same data. " in out
        table = pd.read_csv(folder / "results/across.csv")
        assert table[["run_1", "run_2"]].drop_duplicates().to_numpy().tolist() in (
            [["seed=0", "seed=1"]],
            [["seed=1", "seed=0"]],
        )
        # The same predictions in both: who is of which run makes no difference.
        last = table[(table["epoch"] == 7) & (table["measure"] == "agreement")]
        assert last["between"].to_numpy() == pytest.approx(last["within_1"].to_numpy())
        assert 'href="../seed=0/report.html"' in (folder / "report.html").read_text()


def other_data(run: Path) -> None:
    for split in ("train", "test"):
        about = json.loads((run / f"record.zarr/{split}/zarr.json").read_text())
        about["attributes"]["fingerprint"] = "other"
        (run / f"record.zarr/{split}/zarr.json").write_text(json.dumps(about))


def test_runs_on_other_data_are_each_studied_alone(
    sweep: Path, capsys: pytest.CaptureFixture
) -> None:
    other_data(sweep / "seed=1")
    assert study([str(sweep)]) == 0
    told = capsys.readouterr()
    assert "jagree: not studied together: the runs are not of the same data" in told.err
    assert "seed=0 and seed=1: 'train' has the same ids" in told.err
    assert not (sweep / "together").exists()
    for name in ("seed=0", "seed=1"):
        assert (sweep / name / "report.html").exists()
    assert study([str(sweep), f"--out={sweep / 'here'}"]) == 2  # it was asked for
    assert not (sweep / "here").exists()


def test_a_damaged_run_is_left_out_of_the_study_of_all(
    sweep: Path, capsys: pytest.CaptureFixture
) -> None:
    note(record(sweep / "seed=3"), status="complete")
    for chunk in (sweep / "seed=0/record.zarr/train/prediction/c").rglob("*"):
        if chunk.is_file():
            chunk.write_bytes(b"damage")
    assert study([str(sweep)]) == 2
    told = capsys.readouterr()
    assert f"jagree: {sweep / 'seed=0'}: 'prediction' of epoch 3 cannot be read" in told.err
    about = json.loads((sweep / "together/study.json").read_text())
    assert [run["name"] for run in about["runs"]] == ["seed=1", "seed=3"]


def test_a_folder_of_something_else_is_no_place_for_it(
    sweep: Path, capsys: pytest.CaptureFixture
) -> None:
    (sweep / "together").mkdir()
    (sweep / "together/thesis.tex").write_text("x")
    assert study([str(sweep), f"--out={sweep / 'together'}"]) == 2
    assert "holds something else" in capsys.readouterr().err
    assert not (sweep / "seed=0/report.html").exists()  # told before any work
    assert study([str(sweep)]) == 2
    assert "not studied together: " in capsys.readouterr().err
    assert (sweep / "seed=0/report.html").exists()
    assert [file.name for file in (sweep / "together").iterdir()] == ["thesis.tex"]


def test_one_run_has_no_study_with_others(sweep: Path, capsys: pytest.CaptureFixture) -> None:
    run = sweep / "seed=0"
    assert study([str(run), f"--out={sweep / 'here'}"]) == 2
    assert f"'{run}' is the only one" in capsys.readouterr().err
    assert study([str(run)]) == 0
    assert "together" not in capsys.readouterr().out
    assert not (sweep / "together").exists()


def test_runs_that_only_others_may_write_to_are_compared_all_the_same(
    sweep: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture
) -> None:
    def refused(path: Path, leave_out: object, palette: object) -> None:
        raise UsageError("cannot write to it") from PermissionError(13, "no")

    monkeypatch.setattr(analysis, "analyse_run", refused)
    assert study([str(sweep), f"--out={sweep / 'here'}"]) == 2
    assert capsys.readouterr().err.count("cannot write to it") == 2
    assert (sweep / "here/report.html").exists()


def test_runs_in_an_object_store(sweep: Path, capsys: pytest.CaptureFixture) -> None:
    memory = fsspec.filesystem("memory")
    try:
        for name in ("seed=0", "seed=1"):
            memory.put(str(sweep / name), f"/bucket/{name}", recursive=True)
        urls = [f"memory://bucket/seed={seed}" for seed in (0, 1)]
        assert study(urls) == 0
        assert "together: memory://bucket/together/report.html" in capsys.readouterr().out
        assert memory.exists("/bucket/seed=1/report.html")
        assert memory.exists("/bucket/together/results/across.csv")
        assert findings(urls) == 0
        out = capsys.readouterr().out
        assert out.startswith("The paper's findings, checked on 2 runs.\n  seed=0: toy, ")
    finally:
        memory.store.clear()
        memory.pseudo_dirs[:] = [""]


def test_the_findings_take_what_a_shell_makes_of_a_sweep(
    sweep: Path, capsys: pytest.CaptureFixture
) -> None:
    assert findings([*map(str, sorted(sweep.iterdir()))]) == 0
    assert "seed=1" in capsys.readouterr().out
    assert findings([str(sweep)]) == 2
    assert "holds 2 run folders" in capsys.readouterr().err
