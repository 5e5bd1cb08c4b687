"""The table of a sweep against records with known contents; several runs as one study."""

import json
import math
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from jagree import config as rules
from jagree.configs import default
from jagree.errors import UsageError
from jagree.record.folders import run_folders
from jagree.study import chance_agreement
from jagree.study.__main__ import run as study
from jagree.study.findings.__main__ import run as findings
from jagree.sweep import summary
from tests.study.records import write

CONFIG: dict = {"data": {"name": "nowhere"}}  # no images are looked for
LABEL = np.array([0, 1, 2, 0, 1])
FIRST = [[0, 0, 0, 0, 0], [0, 0, 0, 0, 0], [0, 0, 0, 0, 0]]
# Right: 1 1 1 1 0, 1 1 0 0 0 and 0 0 0 0 0.
LAST = [[0, 1, 2, 0, 0], [0, 1, 1, 1, 2], [1, 2, 0, 2, 2]]


def record(folder: Path, epochs: int = 2) -> Path:
    train = np.array([FIRST, LAST])[:epochs]
    write(
        folder,
        {"train": LABEL, "test": LABEL[:3]},
        {"train": train, "test": np.flip(train, 1)[..., :3]},
        epochs=[3, 7][:epochs],
    )
    return folder


def note(folder: Path, **about: object) -> dict:
    folder.mkdir(exist_ok=True)
    (folder / "run.json").write_text(json.dumps({"config": CONFIG, **about}))
    return about


def test_a_row_is_of_the_last_epoch(tmp_path: Path) -> None:
    about = {"invocations": [{"train_seconds": 2.5}, {}, {"train_seconds": 4.0}]}
    row = summary.row(record(tmp_path / "a"), about)
    assert row["epochs_recorded"] == 7
    assert row["seconds"] == 6.5
    assert row["train_accuracy_mean"] == pytest.approx((0.8 + 0.4 + 0) / 3)
    assert row["train_accuracy_std"] == pytest.approx(np.std([0.8, 0.4, 0]))
    assert row["train_true_positive_agreement"] == 0
    assert row["test_accuracy_mean"] == pytest.approx((1 + 2 / 3) / 3)
    assert "problem" not in row


def test_a_row_does_without_the_members_that_are_left_out(tmp_path: Path) -> None:
    folder, about = record(tmp_path / "a"), {"config": {"study": {"leave_out": [2]}}}
    right = np.array(LAST)[:2] == LABEL
    for row in (summary.row(folder, about), summary.row(folder, {}, [2])):
        assert row["train_accuracy_mean"] == pytest.approx(0.6)
        assert row["train_accuracy_std"] == pytest.approx(0.2)
        assert row["train_true_positive_agreement"] == pytest.approx(2 / 4)
        assert row["train_chance_agreement"] == pytest.approx(float(chance_agreement(right)))
        assert row["train_chance_agreement"] != pytest.approx(row["train_chance_within_classes"])
    assert summary.row(folder, about, [])["train_true_positive_agreement"] == 0
    assert "cannot leave out member 5" in summary.row(folder, {}, [5])["problem"]


def test_a_run_without_a_record_has_an_empty_row(tmp_path: Path) -> None:
    for folder in (tmp_path / "nothing", record(tmp_path / "empty", epochs=0)):
        row = summary.row(folder, {})
        assert all(math.isnan(value) for value in row.values())
        assert len(row) == 2 + 2 * 5
    (tmp_path / "a").mkdir()
    (tmp_path / "a/record.zarr").write_text("a file")
    row = summary.row(tmp_path / "a", {})
    assert row.pop("problem")
    assert all(math.isnan(value) for value in row.values())


def test_the_table_is_tidy_and_the_text_is_for_people(tmp_path: Path) -> None:
    about = note(
        record(tmp_path / "seed=0"), status="complete", invocations=[{"train_seconds": 61}]
    )
    rows = [
        {"name": "seed=0", "seed": 0, "status": "done"} | summary.row(tmp_path / "seed=0", about),
        {"name": "seed=1", "seed": 1, "status": "waiting"} | summary.row(tmp_path / "no", {}),
    ]
    rows[1]["problem"] = "x"
    summary.table(rows).to_csv(tmp_path / "sweep.csv", index=False)
    lines = (tmp_path / "sweep.csv").read_text().splitlines()
    assert lines[0].startswith("name,seed,status,epochs_recorded,train_accuracy_mean,train_")
    assert lines[0].endswith("test_chance_within_classes,seconds")
    assert lines[1].startswith("seed=0,0,done,7,0.4,")
    assert lines[2] == "seed=1,1,waiting" + "," * 12
    read = pd.read_csv(tmp_path / "sweep.csv")
    assert read["seconds"].tolist()[0] == 61
    above, heads, first, second = summary.text(rows).splitlines()
    assert heads.split() == [
        *("run", "status", "epochs"),
        *("accuracy", "agreement", "chance", "in", "classes") * 2,
        "training",
    ]
    assert first.split() == [
        *("seed=0", "done", "7", "40.0", "±", "32.7", "0.0", "0.0", "0.0"),
        *("55.6", "±", "41.6", "0.0", "0.0", "0.0", "1", "min", "1", "s"),
    ]
    assert second == "seed=1  waiting"
    assert above.index("train (%)") + len("train (%)") == heads.index("accuracy") + len("accuracy")
    assert above.index("test (%)") + len("test (%)") == heads.rindex("accuracy") + len("accuracy")
    assert first.index("32.7") + 4 == heads.index("accuracy") + len("accuracy")


def test_an_agreement_that_is_not_defined_is_told_from_one_that_is_not_known() -> None:
    row = {f"{s}_{m}": 0.0 for s in summary.SPLITS for m in summary.MEASURES}
    row |= {"train_true_positive_agreement": math.nan, "name": "a", "status": ""}
    text = summary.text([row | {"epochs_recorded": 1, "seconds": 1.0}]).splitlines()[-1]
    assert text.split()[2:8] == ["0.0", "±", "0.0", "no", "0.0", "0.0"]


def test_a_field_that_varies_is_no_column_of_a_measure(tmp_path: Path) -> None:
    columns = {"name", "status", *summary.row(tmp_path, {})}
    assert columns & rules.flatten(default.get_config()).keys() == {"name"}


def test_a_table_keeps_the_rows_of_other_runs(tmp_path: Path) -> None:
    def of(*names: str) -> pd.DataFrame:
        for name in names:
            (tmp_path / name).mkdir(exist_ok=True)
        fields = [dict(field.split("=") for field in name.split(",")) for name in names]
        rows = [
            {"name": name, **{k: int(v) for k, v in f.items()}, "status": "done"}
            | summary.row(tmp_path / name, {})
            for name, f in zip(names, fields, strict=True)
        ]
        return summary.table(rows)

    kept, done = tmp_path / "sweep.csv", ",done" + "," * 12
    for bad in ("", "no table", "name\nseed=0\n", "name,status\na,b\nc,d,e,f\n", "\udcff"):
        kept.write_text(bad, errors="surrogateescape")
        pd.testing.assert_frame_equal(summary.together(kept, of("seed=0")), of("seed=0"))
    kept.unlink()
    pd.testing.assert_frame_equal(summary.together(kept, of("seed=0")), of("seed=0"))
    first = of("seed=0", "seed=1", "seed=2", "seed=3")
    first["status"] = "old"
    first.to_csv(kept, index=False)
    heads = kept.read_text().splitlines()[0]
    (tmp_path / "seed=3").rmdir()
    summary.together(kept, of("seed=1", "seed=4")).to_csv(kept, index=False)
    old = done.replace("done", "old")
    expected = [f"seed=0,0{old}", f"seed=2,2{old}", f"seed=1,1{done}", f"seed=4,4{done}"]
    assert kept.read_text().splitlines() == [heads, *expected]
    summary.together(kept, of("epochs=5,members=2")).to_csv(kept, index=False)
    head, *lines = kept.read_text().splitlines()
    assert head == heads.replace("name,seed,", "name,seed,epochs,members,")
    assert lines[0] == f"seed=0,0,,{old}"
    assert lines[-1] == f'"epochs=5,members=2",,5,2{done}'


# --- run folders among paths --------------------------------------------------------------------


@pytest.fixture
def sweep(tmp_path: Path) -> Path:
    folder = tmp_path / "sweep"
    for name in ("seed=1", "seed=0"):
        note(record(folder / name), status="complete")
    for name in ("logs", "statistics", "seed=2"):
        (folder / name).mkdir()
    note(folder / "seed=2", status="new")
    (folder / "sweep.csv").write_text("name\n")
    return folder


def names(found: tuple[list, list]) -> tuple[list[str], list[str]]:
    return [Path(p).name for p in found[0]], [Path(p).name for p in found[1]]


def test_a_folder_of_runs_means_them_all(sweep: Path) -> None:
    assert names(run_folders([sweep])) == (["seed=0", "seed=1"], ["seed=2"])
    given = [sweep / "seed=1", sweep, sweep / "seed=1/../seed=1"]
    assert names(run_folders(given)) == (["seed=1", "seed=0"], ["seed=2"])
    others = ["logs", "seed=2", "statistics", "sweep.csv"]
    assert names(run_folders(sorted(sweep.iterdir()))) == (["seed=0", "seed=1"], others)
    assert run_folders(["gs://a/b", sweep / "seed=0"])[0] == ["gs://a/b", sweep / "seed=0"]


@pytest.mark.parametrize("which", [["logs"], ["logs", "sweep.csv"], ["seed=0", "seed=9"]])
def test_no_run_is_an_error(sweep: Path, which: list[str]) -> None:
    named = "seed=9" if "seed=9" in which else "logs"
    with pytest.raises(UsageError, match=rf"no record at '.*{named}/record.zarr'; expected the"):
        run_folders([sweep / name for name in which])


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
