"""Run folders among paths."""

from pathlib import Path

import pytest

from jagree.errors import UsageError
from jagree.record.folders import run_folders
from tests.study import on_disk


@pytest.fixture
def sweep(tmp_path: Path) -> Path:
    return on_disk.sweep(tmp_path / "sweep")


def names(found: tuple[list, list]) -> tuple[list[str], list[str]]:
    return [Path(p).name for p in found[0]], [Path(p).name for p in found[1]]


def test_a_folder_of_runs_means_them_all(sweep: Path) -> None:
    assert names(run_folders([sweep])) == (["seed=0", "seed=1"], ["seed=2"])
    given = [sweep / "seed=1", sweep, sweep / "seed=1/../seed=1"]
    assert names(run_folders(given)) == (["seed=1", "seed=0"], ["seed=2"])
    others = ["logs", "seed=2", "statistics", "sweep.csv"]
    assert names(run_folders(sorted(sweep.iterdir()))) == (["seed=0", "seed=1"], others)
    assert run_folders(["gs://a/b", sweep / "seed=0"])[0] == ["gs://a/b", sweep / "seed=0"]


def test_numbers_in_names_are_ordered_by_size(tmp_path: Path) -> None:
    for name in ("b=128", "b=32", "b=512", "a=1000", "b=", "b=32,c=2"):
        (tmp_path / name / "record.zarr").mkdir(parents=True)
    expected = ["a=1000", "b=", "b=32", "b=32,c=2", "b=128", "b=512"]
    assert names(run_folders([tmp_path]))[0] == expected


@pytest.mark.parametrize("which", [["logs"], ["logs", "sweep.csv"], ["seed=0", "seed=9"]])
def test_no_run_is_an_error(sweep: Path, which: list[str]) -> None:
    named = "seed=9" if "seed=9" in which else "logs"
    with pytest.raises(UsageError, match=rf"no record at '.*{named}/record.zarr'; expected the"):
        run_folders([sweep / name for name in which])
