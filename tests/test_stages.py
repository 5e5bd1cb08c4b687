"""What the stages after training do with a run folder, and what it says of itself."""

import json
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from ml_collections import ConfigDict

from jagree import data, stages
from jagree.console import Console
from jagree.record import correct, open_record
from jagree.runfolder import RunFolder
from tests.record.conftest import make_fields, make_recorder, make_splits


def run(config: ConfigDict, workdir: Path, *which: str) -> None:
    stages.run(config, workdir, which, "a test")


@pytest.fixture
def trained(small: ConfigDict, tmp_path: Path) -> Path:
    run(small, tmp_path / "run", "train")
    return tmp_path / "run"


def test_pictures_are_shown_of_the_recorded_data_alone(
    small: ConfigDict, trained: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture
) -> None:
    run(small, trained, "report")
    assert (trained / "report.html").read_text().count("<img") > 20
    changed = small.data.copy_and_resolve_references()
    changed.seed = 1
    other = data.load(changed)
    monkeypatch.setattr(data, "load", lambda options: other)
    run(small, trained, "report")
    assert (
        "no pictures of 'train': the data found is not what was recorded" in capsys.readouterr().out
    )
    assert (trained / "report.html").read_text().count("<img") == 1  # the figure


def test_members_named_in_the_config_are_left_out(small: ConfigDict, trained: Path) -> None:
    small.study.leave_out = (1,)
    run(small, trained, "study", "report")
    table = pd.read_csv(trained / "results/agreement.csv")
    assert (table["members"] == 2).all()
    right = correct(open_record(trained / "record.zarr")["train"], -1)
    row = table[table["split"] == "train"].iloc[-1]
    assert row["accuracy_mean"] == pytest.approx(right[[0, 2]].mean())
    assert "over 2 of the 3 networks" in (trained / "report.html").read_text()


def test_a_failed_study_leaves_a_complete_run_complete(
    small: ConfigDict, trained: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(*_: object, **__: object) -> None:
        raise RuntimeError("no ink")

    monkeypatch.setattr(stages, "analyse", fail)
    with pytest.raises(RuntimeError, match="no ink"):
        run(small, trained, "study")
    about = RunFolder(trained).about
    assert about["status"] == "complete"
    assert about["invocations"][-1]["outcome"] == "failed: RuntimeError: no ink"
    assert about["invocations"][0]["outcome"] == "done"


def test_a_record_that_came_alone_is_studied(tmp_path: Path) -> None:
    recorder = make_recorder(tmp_path / "record.zarr")
    recorder.append(1, make_fields(1))
    stages.analyse_run(tmp_path, leave_out=[2])
    assert (pd.read_csv(tmp_path / "results/agreement.csv")["members"] == 2).all()
    assert (tmp_path / "report.html").exists()
    assert not (tmp_path / "run.json").exists()


def test_run_json_is_the_old_one_or_the_new_one_and_never_a_part(
    small: ConfigDict, trained: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    before = (trained / "run.json").read_text()

    def half(self: Path, text: str) -> None:
        with self.open("w") as file:
            file.write(text[: len(text) // 2])
        raise OSError("the plug was pulled")

    folder = RunFolder(trained)
    monkeypatch.setattr(Path, "write_text", half)
    with pytest.raises(OSError, match="the plug"):
        folder.update(status="new")
    assert (trained / "run.json").read_text() == before
    monkeypatch.undo()
    assert json.loads(before)["status"] == RunFolder(trained).about["status"] == "complete"


def test_a_member_without_finite_predictions_is_named_even_if_its_loss_is_finite(
    small: ConfigDict, capsys: pytest.CaptureFixture
) -> None:
    console = Console(small, make_splits(), "single_label")
    fields = make_fields(1)
    fields["test"]["prediction"][2, 3] = -1
    console._name_diverged(4, fields)
    console._name_diverged(5, fields)
    out = capsys.readouterr().out
    assert out.count("member 2 (lenet5) diverged in epoch 4") == 1
    assert out.count("diverged") == 1


def test_the_loss_of_epoch_0_is_not_a_divergence(
    small: ConfigDict, capsys: pytest.CaptureFixture
) -> None:
    fields = make_fields(1)
    fields["train"]["loss"][:] = np.nan
    Console(small, make_splits(), "single_label")._name_diverged(0, fields)
    assert capsys.readouterr().out == ""
