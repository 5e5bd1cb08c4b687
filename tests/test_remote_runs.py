"""A run whose folder is in an object store: fsspec's in-memory file system stands for it."""

import datetime
import json
import shutil
from collections.abc import Iterator
from pathlib import Path

import fsspec
import pytest
import xarray as xr
from ml_collections import ConfigDict

from jagree import analysis, stages
from jagree.errors import UsageError
from jagree.paths import as_path
from jagree.runfolder import RunFolder
from jagree.statistics.table import open_tables
from jagree.watching.status import tell
from tests.record.test_remote import files, objects

URL = "memory://bucket/runs/a"


@pytest.fixture(autouse=True)
def elsewhere(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """What is written to a disk is written below this folder."""
    monkeypatch.chdir(tmp_path)
    yield
    memory = fsspec.filesystem("memory")
    memory.store.clear()
    memory.pseudo_dirs[:] = [""]


@pytest.fixture
def checkpoints_here(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Orbax writes by itself, and not to a memory of fsspec's."""
    monkeypatch.setattr(
        RunFolder,
        "checkpoints",
        property(lambda self: tmp_path / "checkpoints" / str(self.path).replace("/", "_")),
    )


def untimed(lines: bytes) -> list[dict]:
    found = [json.loads(line) for line in lines.splitlines()]
    return [{**line, "time": None, "seconds": None} for line in found]


def test_a_whole_run_is_what_it_would_be_on_a_disk(
    small: ConfigDict, tmp_path: Path, checkpoints_here: None
) -> None:
    everything = tuple(stages.STAGES)
    stages.run(small, URL, everything, "a test")
    stages.run(small, tmp_path / "runs/a", everything, "a test")
    found, expected = objects(URL), files(tmp_path / "runs/a")
    assert untimed(found.pop("/metrics.jsonl")) == untimed(expected.pop("/metrics.jsonl"))
    about, other = (json.loads(content.pop("/run.json")) for content in (found, expected))
    assert about["config"] == other["config"]
    assert about["status"] == other["status"] == "complete"
    assert about["invocations"][0]["outcome"] == "done"
    for content in (found, expected):
        events = [name for name in content if name.startswith("/tensorboard/")]
        assert len(events) == 1
        assert len(content.pop(events[0])) > 500
    expected.pop("/.lock")
    pages = [content.pop("/report.html").decode() for content in (found, expected)]
    assert [page.count("<img") for page in pages] == [pages[1].count("<img")] * 2
    assert pages[0].count("<img") > 20
    assert "/checkpoints" not in "".join(found)
    assert found == expected  # record, statistics, results and figures: every byte
    assert len(found) > 60
    # Images were measured once: the second run found what the first had kept on the disk.
    assert (tmp_path / "runs/statistics").is_dir()


def test_study_and_report_of_a_remote_record_are_those_of_its_copy(
    small: ConfigDict, tmp_path: Path
) -> None:
    stages.run(small, tmp_path / "runs/a", ("train", "statistics"), "a test")
    shutil.rmtree(tmp_path / "runs/a/checkpoints")
    (tmp_path / "runs/a/.lock").unlink()
    for name, content in files(tmp_path / "runs/a").items():
        as_path(f"{URL}{name}").write_bytes(content)
    analysis.analyse_run(URL)
    analysis.analyse_run(tmp_path / "runs/a")
    assert objects(URL) == files(tmp_path / "runs/a")  # the page, too
    assert "/report.html" in objects(URL)


def test_a_killed_run_goes_on(
    small: ConfigDict, tmp_path: Path, checkpoints_here: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    class KilledError(Exception):
        pass

    def killed(*_: object) -> None:
        raise KilledError

    with monkeypatch.context() as patch:
        patch.setattr("jagree.stages._Notes.recorded", killed)
        with pytest.raises(KilledError):
            stages.run(small, URL, ("train",), "a test")
    small.seed = 7
    with pytest.raises(UsageError, match=f"'{URL}' belongs to a run with another config"):
        stages.run(small, URL, ("train",), "a test")
    small.seed = 0
    stages.run(small, URL, ("train",), "a test")
    stages.run(small, tmp_path / "runs/whole", ("train",), "a test")
    assert objects(f"{URL}/record.zarr") == files(tmp_path / "runs/whole/record.zarr")
    lines = objects(URL)["/metrics.jsonl"]
    expected = (tmp_path / "runs/whole/metrics.jsonl").read_bytes()
    assert untimed(lines) == untimed(expected)


def test_a_table_of_statistics_takes_the_place_of_the_one_before(
    small: ConfigDict, tmp_path: Path
) -> None:
    for names in (("entropy", "segments"), ("entropy",)):
        small.statistics.names = names
        stages.run(small, URL, ("statistics",), "a test")
    stages.run(small, tmp_path / "runs/b", ("statistics",), "a test")
    assert objects(f"{URL}/statistics.zarr") == files(tmp_path / "runs/b/statistics.zarr")
    expected = open_tables(tmp_path / "runs/b/statistics.zarr")
    for name, table in open_tables(f"{URL}/statistics.zarr").items():
        xr.testing.assert_identical(table, expected[name])


def test_what_is_no_store_of_statistics_is_not_replaced(small: ConfigDict) -> None:
    as_path(f"{URL}/statistics.zarr/thesis.tex").write_text("kept")
    as_path(f"{URL}/run.json").write_text("{}")
    with pytest.raises(UsageError, match=r"statistics.zarr' holds no image statistics"):
        stages.run(small, URL, ("statistics",), "a test")
    assert as_path(f"{URL}/statistics.zarr/thesis.tex").read_text() == "kept"


def test_checkpoints_cannot_be_in_a_place_that_orbax_does_not_know(
    small: ConfigDict, tmp_path: Path
) -> None:
    with pytest.raises(UsageError, match=r"checkpoints cannot be written to 'memory://.*gs://buck"):
        stages.run(small, URL, ("train",), "a test")
    assert objects(URL) == {}
    assert not (tmp_path / "runs").exists()


def test_a_foreign_place_is_refused(small: ConfigDict) -> None:
    as_path(f"{URL}/thesis.tex").write_text("kept")
    with pytest.raises(UsageError, match=f"'{URL}' is not empty and not a run's folder"):
        stages.run(small, URL, ("train",), "a test")
    assert objects(URL) == {"/thesis.tex": b"kept"}


def test_where_a_remote_run_stands(
    small: ConfigDict, checkpoints_here: None, capsys: pytest.CaptureFixture
) -> None:
    now = datetime.datetime.now(datetime.UTC)
    stages.run(small, URL, ("train",), "a test")
    capsys.readouterr()
    assert tell([URL], now) == 0
    assert capsys.readouterr().out.startswith(f"{URL}: complete")
    about = json.loads(as_path(f"{URL}/run.json").read_text())
    for status, code in (("training", 0), ("interrupted", 3), ("complete", 0)):
        as_path(f"{URL}/run.json").write_text(json.dumps({**about, "status": status}))
        assert tell([URL.rpartition("/")[0]], now) == code  # found in the folder above
        first = capsys.readouterr().out.splitlines()[0]
        assert first.startswith(f"{URL}: {status}")
        assert first.endswith("(whether a process is at work cannot be told here)")
    assert tell(["memory://bucket/none"], now) == 2
    assert "memory://bucket/none" in capsys.readouterr().err
