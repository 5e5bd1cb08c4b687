"""Several runs as one study on disk: what is written, where, and what is refused."""

import json
import subprocess
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import fsspec
import numpy as np
import pandas as pd
import pytest

from jagree.comparison import check_folder, compare_runs, folder_of
from jagree.configs import default
from jagree.errors import UsageError
from jagree.paths import as_path
from jagree.study.several import DifferentDataError, compare, open_several
from tests.study.records import write

FILES = {
    "study.json",
    "report.html",
    *(f"results/{n}.csv" for n in ("runs", "agreement", "members", "together", "across", "order")),
    *(f"figures/{n}.{e}" for n in ("runs", "run_pairs") for e in ("png", "pdf")),
}


def run(
    path: Path, seed: int = 0, epochs: Sequence[int] = (1, 2), n: int = 30, **fields: Any
) -> Path:
    rng = np.random.default_rng(seed)
    label = {"train": np.arange(n) % 3}
    values = np.where(rng.random((len(epochs), 3, n)) < 0.7, label["train"], 0)
    write(path, label, {"train": values}, epochs=epochs)
    config = default.get_config()
    config.update(fields | {"seed": seed})
    config.data.name = "nowhere"
    (path / "run.json").write_text(json.dumps({"config": json.loads(config.to_json())}))
    return path


@pytest.fixture
def runs(tmp_path: Path) -> list[Path]:
    return [run(tmp_path / "runs/a"), run(tmp_path / "runs/b c#", 1, batch_size=32)]


def files(folder: Path) -> set[str]:
    return {str(f.relative_to(folder)) for f in folder.rglob("*") if f.is_file()}


def test_tables_figures_and_page_are_written_and_said(
    runs: list[Path], capsys: pytest.CaptureFixture[str]
) -> None:
    folder = folder_of(runs, None)
    assert folder == runs[0].parent / "together"
    (runs[1] / "report.html").write_text("b's")
    compare_runs(runs, folder)
    assert files(folder) == FILES
    about = json.loads((folder / "study.json").read_text())
    assert [r["name"] for r in about["runs"]] == ["a", "b c#"]
    assert about["runs"][0]["networks"] == ["net0", "net1", "net2"]
    assert about["epochs"] == "1 to 2"
    assert about["data"] == {"train": {"fingerprint": "train", "examples": 30}}
    assert about["versions"]["numpy"] == np.__version__
    for name, table in compare(open_several(runs)).tables().items():
        read = pd.read_csv(folder / "results" / f"{name}.csv")
        pd.testing.assert_frame_equal(read, table, check_dtype=False)
    out = capsys.readouterr().out
    assert "2 runs on the same data, which differ in batch_size and seed." in out
    assert out.splitlines()[-1].startswith(f"together: {folder / 'report.html'}; ")
    assert all(len(line) <= 100 for line in out.splitlines()[:-1])
    page = (folder / "report.html").read_text()
    assert 'href="../b%20c%23/report.html"' in page
    assert page.count("href=") == 1  # the other has no report


def test_jax_is_not_needed(runs: list[Path], tmp_path: Path) -> None:
    code = (
        "import sys\n"
        "from pathlib import Path\n"
        "for name in ('jax', 'jaxlib', 'flax', 'optax', 'orbax'):\n"
        "    sys.modules[name] = None\n"
        "from jagree.comparison import compare_runs\n"
        "compare_runs(sys.argv[2:], Path(sys.argv[1]))\n"
    )
    command = [sys.executable, "-c", code, str(tmp_path / "out"), *map(str, runs)]
    result = subprocess.run(command, capture_output=True, text=True, timeout=120)
    assert result.returncode == 0, result.stderr
    assert files(tmp_path / "out") == FILES


def test_a_study_is_written_anew_and_nothing_else_is(
    runs: list[Path], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    folder = tmp_path / "out"
    compare_runs(runs, folder)
    first = {f: (folder / f).read_bytes() for f in FILES - {"study.json"}}
    (folder / "notes.txt").write_text("mine")
    compare_runs(runs, folder)
    assert {f: (folder / f).read_bytes() for f in FILES - {"study.json"}} == first
    assert "In place of" not in capsys.readouterr().out
    compare_runs([runs[0], run(tmp_path / "runs/c", 2)], folder)
    assert "In place of the study of a and b c#." in capsys.readouterr().out
    assert (folder / "notes.txt").read_text() == "mine"


@pytest.mark.parametrize("mark", [None, "{", "[]", '{"kind": "other"}', "\udcff"])
def test_a_folder_of_something_else_is_left_alone(
    runs: list[Path], tmp_path: Path, mark: str | None
) -> None:
    folder = tmp_path / "mine"
    folder.mkdir()
    check_folder(folder)  # empty
    (folder / "study.json.partial").write_text("{")
    check_folder(folder)
    (folder / "notes.txt").write_text("x")
    if mark is not None:
        (folder / "study.json").write_text(mark, errors="surrogateescape")
    before = files(folder)
    with pytest.raises(UsageError, match=r"holds something else .* with --out=FOLDER"):
        compare_runs(runs, folder)
    assert files(folder) == before
    with pytest.raises(UsageError, match="is a file"):
        check_folder(folder / "notes.txt")
    with pytest.raises(UsageError, match="holds something else"):
        check_folder(runs[0])


def test_different_data_leave_no_folder(runs: list[Path], tmp_path: Path) -> None:
    other = run(tmp_path / "runs/other", n=33)
    root = other / "record.zarr/train/zarr.json"
    about = json.loads(root.read_text())
    about["attributes"]["fingerprint"] = "other"
    root.write_text(json.dumps(about))
    with pytest.raises(DifferentDataError, match=r"3 ids only in the second, 'train_30' for one"):
        compare_runs([runs[0], other], tmp_path / "out")
    assert not (tmp_path / "out").exists()


def test_runs_without_a_common_folder_need_one() -> None:
    for paths in (["/a/x", "/b/y"], ["memory://a/x", "/b/y"]):
        with pytest.raises(UsageError, match="--out=FOLDER"):
            folder_of(paths, None)
    assert folder_of(["/a/x", "/b/y"], "here") == Path("here")


def test_a_folder_that_cannot_be_written_is_said_so(runs: list[Path], tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(UsageError, match=r"cannot write to .*--out=FOLDER"):
        compare_runs(runs, tmp_path / "file" / "below")


@pytest.fixture
def memory() -> Iterator[Any]:
    found = fsspec.filesystem("memory")
    yield found
    found.store.clear()
    found.pseudo_dirs[:] = [""]


def test_runs_and_their_study_may_be_in_an_object_store(runs: list[Path], memory: Any) -> None:
    urls = [f"memory://bucket/runs/{name}" for name in "ab"]
    for path, url in zip(runs, urls, strict=True):
        for file in sorted(path.rglob("*")):
            if file.is_file():
                place = f"/{url.partition('://')[2]}/{file.relative_to(path).as_posix()}"
                memory.pipe(place, file.read_bytes())
    folder = folder_of(urls, None)
    assert folder == as_path("memory://bucket/runs/together")
    for _ in range(2):
        compare_runs(urls, folder)
    below = "/bucket/runs/together/"
    assert {name.removeprefix(below) for name in memory.find(below)} == FILES
    memory.pipe("/bucket/mine/notes.txt", b"x")
    with pytest.raises(UsageError, match="holds something else"):
        compare_runs(urls, as_path("memory://bucket/mine"))
