"""What the stages after training do with a run folder, and what it says of itself."""

import json
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
import xarray as xr
from ml_collections import ConfigDict

from jagree import analysis, data, illustration, stages
from jagree.console import Console
from jagree.errors import UsageError
from jagree.record import correct, open_record
from jagree.runfolder import RunFolder, host
from jagree.statistics import segments
from jagree.statistics.table import open_tables
from jagree.training.listener import Compiled, Plan
from jagree.training.memory import Capacity, Need
from tests.privileges import unprivileged
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
    monkeypatch.setattr(data, "load", lambda options, kept: other)
    run(small, trained, "study", "report")
    assert (
        "no pictures of 'train': the data found is not what was recorded" in capsys.readouterr().out
    )
    page = (trained / "report.html").read_text()
    assert page.count("<img") == len(list((trained / "figures").glob("*.png")))  # the figures
    assert "wall_train" not in page


def test_what_an_earlier_study_drew_and_this_one_cannot_is_removed(
    small: ConfigDict, trained: Path
) -> None:
    run(small, trained, "study")
    figures, results = trained / "figures", trained / "results"
    (figures / "mine_train.png").write_text("not ours")
    assert (figures / "pabak.pdf").exists()
    assert (results / "pairs.csv").exists()
    analysis.analyse_run(trained, leave_out=[0, 1])
    assert (figures / "agreement.pdf").exists()
    assert not list(figures.glob("pabak.*"))
    assert not (results / "pairs.csv").exists()
    assert (figures / "mine_train.png").exists()
    shutil.rmtree(results)
    results.write_text("a file")
    with pytest.raises(UsageError, match=r"cannot write to '.*results' \(File exists\); results"):
        analysis.analyse_run(trained)


def test_members_named_in_the_config_are_left_out(small: ConfigDict, trained: Path) -> None:
    small.study.leave_out = (1,)
    run(small, trained, "study", "report")
    table = pd.read_csv(trained / "results/agreement.csv")
    assert (table["members"] == 2).all()
    right = correct(open_record(trained / "record.zarr")["train"], -1)
    row = table[table["split"] == "train"].iloc[-1]
    assert row["accuracy_mean"] == pytest.approx(right[[0, 2]].mean())
    assert "over 2 of the 3 networks" in (trained / "report.html").read_text()


def test_statistics_are_measured_once_and_joined_by_every_run_beside(
    small: ConfigDict, trained: Path, capsys: pytest.CaptureFixture
) -> None:
    run(small, trained, "statistics", "study", "report")
    found = open_tables(trained / "statistics.zarr")
    record = open_record(trained / "record.zarr")
    for name, table in found.items():
        assert table.attrs["fingerprint"] == record[name].attrs["fingerprint"]
        rows = pd.read_csv(trained / f"results/examples_{name}.csv")
        assert rows["id"].tolist() == table["id"].values.tolist()
        np.testing.assert_allclose(rows["entropy"], table["entropy"])
        np.testing.assert_array_equal(rows["clutter"], table["clutter"])
    for figure in ("histograms_train", "histograms_test", "panel_train"):
        assert (trained / "figures" / f"{figure}.pdf").exists()
    summary = pd.read_csv(trained / "results/statistics.csv")
    assert set(summary["split"]) == {"train", "test"}
    page = (trained / "report.html").read_text()
    for title in (
        "Image statistics, training",
        "Image statistics, test",
        "What is measured, training",
    ):
        assert f"<h3>{title}</h3>" in page
    assert "distributed over the training images" in page

    kept = {f: f.stat().st_mtime_ns for f in (trained.parent / "statistics").rglob("*.npz")}
    assert len(kept) == 4
    run(small, trained.parent / "other", "statistics")
    assert {f: f.stat().st_mtime_ns for f in kept} == kept
    again = open_tables(trained.parent / "other/statistics.zarr")
    for name, table in found.items():
        xr.testing.assert_identical(again[name], table)
    # Measured before it is trained, a run goes on as any other.
    run(small, trained.parent / "other", "train", "study")
    assert (trained.parent / "other/results/examples_train.csv").exists()


def test_statistics_of_other_data_are_refused(small: ConfigDict, trained: Path) -> None:
    run(small, trained, "statistics")
    small.data.seed = 1
    run(small, trained.parent / "other", "statistics")
    shutil.rmtree(trained / "statistics.zarr")
    shutil.copytree(trained.parent / "other/statistics.zarr", trained / "statistics.zarr")
    with pytest.raises(UsageError, match="measured on other data than was recorded"):
        analysis.analyse_run(trained)


def test_a_run_says_how_many_images_could_not_be_measured(
    small: ConfigDict,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture,
) -> None:
    def fails(image: np.ndarray) -> int:
        if image.sum() == worst:
            raise ValueError("no")
        return 1

    splits = data.load(small.data)
    worst = splits["test"].image[5].sum()
    monkeypatch.setattr(segments, "segment_count", fails)
    assert stages.run(small, tmp_path / "run", ("statistics",), "a test") == 1
    out = capsys.readouterr().out
    assert f"no value for '{splits['test'].id[5]}': segments: ValueError: no" in out
    outcome = RunFolder(tmp_path / "run").about["invocations"][-1]["outcome"]
    assert outcome == "done, but for 1 image"


def test_a_store_that_cannot_be_is_known_before_anything_is_trained(
    small: ConfigDict, tmp_path: Path
) -> None:
    (tmp_path / "statistics").write_text("a file")
    with pytest.raises(UsageError, match=r"cannot keep image statistics in .*statistics.dir"):
        run(small, tmp_path / "run", "train", "statistics")
    assert not (tmp_path / "run/record.zarr").exists()
    small.statistics.dir = str(tmp_path / "elsewhere")
    run(small, tmp_path / "run", "statistics")
    assert (tmp_path / "run/statistics.zarr").exists()


@pytest.mark.filterwarnings("ignore:Error writing persistent compilation cache")  # the tests' own
def test_a_complete_store_may_be_read_only_and_another_is_refused_at_once(
    small: ConfigDict, reachable: Path
) -> None:
    small.statistics.dir = str(reachable / "store")
    run(small, reachable / "one", "train", "statistics", "study", "report")
    folders = [p for p in (reachable / "store").rglob("*") if p.is_dir()]
    for folder in folders:
        folder.chmod(0o500)
    with unprivileged(reachable):
        run(small, reachable / "two", "statistics")
        small.data.train_size -= 1
        with pytest.raises(UsageError, match=r"cannot keep image statistics in .*statistics.dir"):
            run(small, reachable / "three", "train", "statistics")
    assert not (reachable / "three/record.zarr").exists()
    for folder in folders:
        folder.chmod(0o700)


def test_a_part_that_may_not_be_kept_is_no_traceback(small: ConfigDict, reachable: Path) -> None:
    small.statistics.dir = str(reachable / "store")
    run(small, reachable / "one", "statistics")
    (part, *_) = [p.parent for p in (reachable / "store").rglob("*.npz")]
    for path in part.iterdir():
        path.unlink()
    part.chmod(0o500)
    with (
        unprivileged(reachable),
        pytest.raises(UsageError, match=r"\(Permission denied\).* --config.statistics.dir"),
    ):
        run(small, reachable / "two", "statistics")
    part.chmod(0o700)


def test_a_run_of_somebody_else_is_to_be_copied(reachable: Path) -> None:
    recorder = make_recorder(reachable / "record.zarr")
    recorder.append(1, make_fields(1))
    analysis.analyse_run(reachable)
    (reachable / "results").chmod(0o500)
    for path in (reachable / "results").iterdir():
        path.chmod(0o400)
    with (
        unprivileged(reachable),
        pytest.raises(UsageError, match=r"results/agreement.csv' \(Permission denied\); copy '"),
    ):
        analysis.analyse_run(reachable)
    (reachable / "results").chmod(0o700)


def test_the_images_of_the_panel_are_at_the_deciles() -> None:
    values = np.array([np.nan, *range(100, 0, -1), np.nan])
    ids = np.array([f"i{n}" for n in range(102)], object)
    table = xr.Dataset({"segments": ("example", values)}, {"id": ("example", ids)})
    chosen = illustration.few_and_many(table)
    assert [values[position] for position in chosen.values()] == [11, 90]
    assert list(chosen) == [f"i{position}" for position in chosen.values()]
    assert illustration.few_and_many(table.isel(example=[0, 101])) == {}


def test_a_failed_study_leaves_a_complete_run_complete(
    small: ConfigDict, trained: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(*_: object, **__: object) -> None:
        raise RuntimeError("no ink")

    monkeypatch.setattr(analysis, "analyse", fail)
    with pytest.raises(RuntimeError, match="no ink"):
        run(small, trained, "study")
    about = RunFolder(trained).about
    assert about["status"] == "complete"
    assert about["invocations"][-1]["outcome"] == "failed: RuntimeError: no ink"
    assert about["invocations"][0]["outcome"] == "done"


def test_a_record_that_came_alone_is_studied(tmp_path: Path) -> None:
    recorder = make_recorder(tmp_path / "record.zarr")
    recorder.append(1, make_fields(1))
    analysis.analyse_run(tmp_path, leave_out=[2])
    assert (pd.read_csv(tmp_path / "results/agreement.csv")["members"] == 2).all()
    assert (tmp_path / "report.html").exists()
    assert not (tmp_path / "run.json").exists()


def test_a_run_folder_that_says_little_is_studied(tmp_path: Path) -> None:
    make_recorder(tmp_path / "record.zarr").append(1, make_fields(1))
    (tmp_path / "run.json").write_text('{"config": {}}')
    analysis.analyse_run(tmp_path)
    assert (tmp_path / "report.html").exists()


def test_run_json_is_the_old_one_or_the_new_one_and_never_a_part(
    small: ConfigDict, trained: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    before = (trained / "run.json").read_text()

    def half(self: Path, content: bytes) -> None:
        with self.open("wb") as file:
            file.write(content[: len(content) // 2])
        raise OSError("the plug was pulled")

    folder = RunFolder(trained)
    monkeypatch.setattr(Path, "write_bytes", half)
    with pytest.raises(OSError, match="the plug"):
        folder.update(status="new")
    assert (trained / "run.json").read_text() == before
    monkeypatch.undo()
    assert json.loads(before)["status"] == RunFolder(trained).about["status"] == "complete"


def test_every_epoch_is_in_the_files_that_are_watched(small: ConfigDict, trained: Path) -> None:
    run(small, trained, "study")
    table = pd.read_csv(trained / "results/agreement.csv").set_index(["split", "epoch"])
    lines = [json.loads(line) for line in (trained / "metrics.jsonl").read_text().splitlines()]
    assert [line["epoch"] for line in lines] == [1, 2]
    seconds = sum(line["seconds"] for line in lines)
    first = RunFolder(trained).about["invocations"][0]
    assert first["train_seconds"] == pytest.approx(seconds, abs=0.06)
    for line in lines:
        for name, found in line["splits"].items():
            row = table.loc[name, line["epoch"]]
            assert found["accuracy_mean"] == pytest.approx(row["accuracy_mean"])
            assert found["agreement"] == pytest.approx(row["true_positive_agreement"])
            assert found["chance"] == pytest.approx(row["chance_agreement"])
    assert len(list((trained / "tensorboard").iterdir())) == 1


def test_no_file_for_tensorboard_where_none_is_wanted(small: ConfigDict, tmp_path: Path) -> None:
    small.training.tensorboard, small.epochs = False, 1
    run(small, tmp_path / "run", "train")
    assert not (tmp_path / "run/tensorboard").exists()
    assert (tmp_path / "run/metrics.jsonl").exists()


def test_an_epoch_that_nobody_was_told_of_is_told_by_the_next_start(
    small: ConfigDict, tmp_path: Path
) -> None:
    """Killed once after the first epoch was saved, and once after the last one was."""

    class KilledError(Exception):
        pass

    def killed(*_: object) -> None:
        raise KilledError

    for _ in range(2):
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr("jagree.stages._Notes.recorded", killed)
            with pytest.raises(KilledError):
                run(small, tmp_path / "killed", "train")
    run(small, tmp_path / "killed", "train")
    run(small, tmp_path / "whole", "train")
    found, expected = (
        [json.loads(line) for line in (tmp_path / name / "metrics.jsonl").read_text().splitlines()]
        for name in ("killed", "whole")
    )
    assert found == [{**line, "time": None, "seconds": None} for line in expected]


def test_a_run_folder_full_of_obstacles_is_trained_in_all_the_same(
    small: ConfigDict, tmp_path: Path, capsys: pytest.CaptureFixture
) -> None:
    (tmp_path / "run/metrics.jsonl").mkdir(parents=True)
    (tmp_path / "run/run.json").write_text("{}")
    (tmp_path / "run/tensorboard").write_text("in the way")
    run(small, tmp_path / "run", "train")
    out = capsys.readouterr().out
    assert out.count("cannot write metrics.jsonl (Is a directory); training goes on") == 1
    assert out.count("cannot write tensorboard (") == 1
    assert RunFolder(tmp_path / "run").complete


def plan(**changed: Any) -> Plan:
    usual = Plan(
        parameters={"lenet5": 9},
        image_shape=(2, 2, 3),
        engine="loop",
        reason="why",
        feed="stream",
        feed_reason="so",
        device="1 x cpu",
        mesh="",
        spare="",
        precision="",
        steps=4,
        first_epoch=1,
        last_epoch=12,
        programs="kept there",
    )
    return usual._replace(**changed)


def told(config: ConfigDict, planned: Plan, capsys: pytest.CaptureFixture) -> list[str]:
    """What the console says of a plan."""
    Console(config, make_splits()).planned(planned)
    return capsys.readouterr().out.splitlines()


def test_the_plan_is_told(small: ConfigDict, capsys: pytest.CaptureFixture) -> None:
    assert told(small, plan(), capsys) == [
        "3 lenet5 (9 parameters each) on controlled: 7 train and 4 test images, seen at 2x2",
        "12 epochs of 4 steps, batch 48",
        "engine loop on 1 x cpu: why",
        "feed stream: so",
        "compiling the steps of lenet5 (kept there) ...",
    ]


def test_what_the_device_makes_of_the_precision_is_told(
    small: ConfigDict, capsys: pytest.CaptureFixture
) -> None:
    small.precision = "tensorfloat32"
    lines = told(small, plan(precision="it cannot"), capsys)
    assert lines[2:4] == ["engine loop on 1 x cpu: why", "precision tensorfloat32: it cannot"]


def test_what_was_compiled_is_told(small: ConfigDict, capsys: pytest.CaptureFixture) -> None:
    console = Console(small, make_splits())
    console.planned(plan())
    capsys.readouterr()
    memory = Capacity(9 * 10**9, 8 * 10**9, "the device's memory", is_main=False)
    need = Need(10**9, shared=4 * 10**8, members=3)
    usual = Compiled(4, 61.2, engine="loop", reason="so", need=need, memory=memory)
    console.compiled(usual)
    told = "compiled 4 programs in 1 min 1 s"
    room = " of the 8.0 GB free in the device's memory"
    assert (
        capsys.readouterr().out == f"{told}; memory: up to 1.0 GB{room}, 0.2 GB for each network\n"
    )
    console.compiled(usual._replace(memory=memory._replace(free=None), engine="vmap"))
    assert capsys.readouterr().out.splitlines() == [
        "engine vmap in its place: so",
        f"{told}; memory: up to 1.0 GB, 0.2 GB for each network",
    ]
    console.compiled(usual._replace(need=None, programs=1))
    assert capsys.readouterr().out == "compiled 1 program in 1 min 1 s\n"


def test_a_resumed_run_says_after_which_epoch_it_goes_on(
    small: ConfigDict, capsys: pytest.CaptureFixture
) -> None:
    _, epochs, *_ = told(small, plan(first_epoch=3), capsys)
    assert epochs == "goes on after epoch 2 of 12: 10 epochs of 4 steps, batch 48"
    _, epochs, *_ = told(small, plan(first_epoch=12, steps=1), capsys)
    assert epochs == "goes on after epoch 11 of 12: 1 epoch of 1 step, batch 48"
    _, epochs, *_ = told(small, plan(first_epoch=3, first_step=2), capsys)
    assert epochs == "goes on in epoch 3 of 12 at step 2 of 4: 10 epochs of 4 steps, batch 48"
    _, epochs, *_ = told(small, plan(first_epoch=1, first_step=4), capsys)
    assert epochs == "goes on in epoch 1 of 12 at step 4 of 4: 12 epochs of 4 steps, batch 48"


def test_all_networks_that_are_compiled_are_named(
    small: ConfigDict, capsys: pytest.CaptureFixture
) -> None:
    small.per_member.network = ("vgg16", "lenet5", "vgg16")
    both = plan(parameters={"vgg16": 8, "lenet5": 9}, programs="")
    assert told(small, both, capsys)[-1] == "compiling the steps of vgg16 and lenet5 ..."


def test_one_image_is_no_images(small: ConfigDict, capsys: pytest.CaptureFixture) -> None:
    splits = {name: split.take(np.array([0])) for name, split in make_splits().items()}
    console = Console(small, splits)
    console.planned(plan())
    console.prepared("test", 1, 1)
    first, *_, last = capsys.readouterr().out.splitlines()
    assert first.endswith("1 train and 1 test image, seen at 2x2")
    assert last == "preparing 1 test image, once for all runs ..."


def test_one_of_anything_is_said_so_at_the_end(
    small: ConfigDict,
    tmp_path: Path,
    capsys: pytest.CaptureFixture,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    small.epochs, small.data.test_size = 1, 1
    run(small, tmp_path / "run", "train", "statistics")
    run(small, tmp_path / "run", "train")
    out = capsys.readouterr().out
    assert "statistics of 160 train images and 1 test image (" in out
    assert "training is complete: 1 epoch recorded in" in out
    monkeypatch.setattr("os.cpu_count", lambda: 1)
    assert host().endswith(", 1 core")


def test_more_examples_than_asked_for_are_told(
    small: ConfigDict, capsys: pytest.CaptureFixture
) -> None:
    small.statistics.names = ("entropy", "edge_strength")
    small.statistics.edges.examples = 1_041
    stages.report_rounding(small.statistics, {"train": 5_000, "test": 30})
    assert capsys.readouterr().out == (
        "  edge_strength of 1,060 (train) and 30 (test) images: statistics.edges.examples=1041 is "
        "rounded up to whole parts of 20\n"
    )
    for examples, size in ((0, 5_000), (40, 5_000), (50, 50), (50, 49), (50, 7)):
        small.statistics.edges.examples = examples
        stages.report_rounding(small.statistics, {"train": size, "test": 20})
    assert capsys.readouterr().out == ""


def test_a_run_tells_what_was_rounded_up(
    small: ConfigDict, tmp_path: Path, capsys: pytest.CaptureFixture
) -> None:
    small.statistics.names = ("edge_strength",)
    small.statistics.edges.examples = 1
    run(small, tmp_path / "run", "statistics")
    assert "edge_strength of 20 (train) and 20 (test) images" in capsys.readouterr().out
    for table in open_tables(tmp_path / "run/statistics.zarr").values():
        assert np.isfinite(table["edge_strength"]).sum() == 20


@pytest.mark.parametrize(
    "content", ["", "{}", "[]", '{"attributes": null}', '{"attributes": {"epochs_committed": 1}}']
)
def test_a_record_that_may_hold_an_epoch_is_in_use(tmp_path: Path, content: str) -> None:
    """One that is not is removed to begin anew."""
    folder = RunFolder(tmp_path / "run")
    assert not folder.in_use
    folder.record.mkdir(parents=True)
    assert not folder.in_use
    (folder.record / "zarr.json").write_text(content)
    assert folder.in_use
