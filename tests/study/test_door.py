"""``python -m jagree.study`` on several runs: what a person sees."""

from pathlib import Path

import pytest

from jagree.study.__main__ import run as study
from jagree.study.findings.__main__ import run as findings
from tests.study import on_disk
from tests.study.on_disk import record


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
    assert len(told.out.splitlines()[-1].split()) > 10
    (sweep / "seed=0/run.json").write_text('{"epochs_recorded": 1}')
    assert study([str(sweep)]) == 2
    told = capsys.readouterr()
    assert "run.json' is damaged (it has no config)" in told.err
    rows = {line.split()[0]: line.split()[1] for line in told.out.splitlines() if " ± " in line}
    assert rows == {"seed=0": "damaged", "seed=1": "complete"}
    assert study([str(sweep / "seed=9")]) == 2
    assert "no record at" in capsys.readouterr().err


def test_the_findings_take_what_a_shell_makes_of_a_sweep(
    sweep: Path, capsys: pytest.CaptureFixture
) -> None:
    assert findings([*map(str, sorted(sweep.iterdir()))]) == 0
    assert "seed=1" in capsys.readouterr().out
    assert findings([str(sweep)]) == 2
    assert "holds 2 run folders" in capsys.readouterr().err
