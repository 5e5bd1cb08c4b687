"""What is said of runs side by side, against records with known contents."""

import math
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from jagree import config as rules
from jagree.configs import default
from jagree.study import chance_agreement, side_by_side
from tests.study.on_disk import LABEL, LAST, note, record


def test_a_row_is_of_the_last_epoch(tmp_path: Path) -> None:
    about = {"invocations": [{"train_seconds": 2.5}, {}, {"train_seconds": 4.0}]}
    row = side_by_side.row(record(tmp_path / "a"), about)
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
    for row in (side_by_side.row(folder, about), side_by_side.row(folder, {}, [2])):
        assert row["train_accuracy_mean"] == pytest.approx(0.6)
        assert row["train_accuracy_std"] == pytest.approx(0.2)
        assert row["train_true_positive_agreement"] == pytest.approx(2 / 4)
        assert row["train_chance_agreement"] == pytest.approx(float(chance_agreement(right)))
        assert row["train_chance_agreement"] != pytest.approx(row["train_chance_within_classes"])
    assert side_by_side.row(folder, about, [])["train_true_positive_agreement"] == 0
    assert "cannot leave out member 5" in side_by_side.row(folder, {}, [5])["problem"]


def test_a_run_without_a_record_has_an_empty_row(tmp_path: Path) -> None:
    for folder in (tmp_path / "nothing", record(tmp_path / "empty", epochs=0)):
        row = side_by_side.row(folder, {})
        assert all(math.isnan(value) for value in row.values())
        assert len(row) == 2 + 2 * 5
    (tmp_path / "a").mkdir()
    (tmp_path / "a/record.zarr").write_text("a file")
    row = side_by_side.row(tmp_path / "a", {})
    assert row.pop("problem")
    assert all(math.isnan(value) for value in row.values())


def test_the_table_is_tidy_and_the_text_is_for_people(tmp_path: Path) -> None:
    about = note(
        record(tmp_path / "seed=0"), status="complete", invocations=[{"train_seconds": 61}]
    )
    rows = [
        {"name": "seed=0", "seed": 0, "status": "done"}
        | side_by_side.row(tmp_path / "seed=0", about),
        {"name": "seed=1", "seed": 1, "status": "waiting"} | side_by_side.row(tmp_path / "no", {}),
    ]
    rows[1]["problem"] = "x"
    side_by_side.table(rows).to_csv(tmp_path / "sweep.csv", index=False)
    lines = (tmp_path / "sweep.csv").read_text().splitlines()
    assert lines[0].startswith("name,seed,status,epochs_recorded,train_accuracy_mean,train_")
    assert lines[0].endswith("test_chance_within_classes,seconds")
    assert lines[1].startswith("seed=0,0,done,7,0.4,")
    assert lines[2] == "seed=1,1,waiting" + "," * 12
    read = pd.read_csv(tmp_path / "sweep.csv")
    assert read["seconds"].tolist()[0] == 61
    above, heads, first, second = side_by_side.text(rows).splitlines()
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
    row = {f"{s}_{m}": 0.0 for s in side_by_side.SPLITS for m in side_by_side.MEASURES}
    row |= {"train_true_positive_agreement": math.nan, "name": "a", "status": ""}
    text = side_by_side.text([row | {"epochs_recorded": 1, "seconds": 1.0}]).splitlines()[-1]
    assert text.split()[2:8] == ["0.0", "±", "0.0", "no", "0.0", "0.0"]


def test_a_field_that_varies_is_no_column_of_a_measure(tmp_path: Path) -> None:
    columns = {"name", "status", *side_by_side.row(tmp_path, {})}
    assert columns & rules.flatten(default.get_config()).keys() == {"name"}
