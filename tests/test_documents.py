"""The documents: links lead somewhere, code runs, and the tables are described as they are."""

import re
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import xarray as xr

from jagree.analysis import analyse_run
from jagree.statistics.table import write_tables
from jagree.study import Study
from tests.conftest import REPOSITORY
from tests.study.records import write

DOCUMENTS = sorted([REPOSITORY / "README.md", *(REPOSITORY / "docs").rglob("*.md")])
QUESTIONS = sorted((REPOSITORY / "docs/questions").glob("*.md"))
TABLES = (REPOSITORY / "docs/tables.md").read_text()
INTERVENTION = (REPOSITORY / "docs/intervention.md").read_text()
N = 60


@pytest.mark.parametrize("path", DOCUMENTS, ids=lambda p: str(p.relative_to(REPOSITORY)))
def test_links_lead_somewhere(path: Path) -> None:
    for target in re.findall(r"\]\(([^)\s]+)\)", path.read_text()):
        if re.match(r"[a-z]+:", target):
            continue
        file, _, anchor = target.partition("#")
        there = path.parent / file if file else path
        assert there.exists(), f"{path}: nothing at '{target}'"
        if anchor:
            headings = re.findall(r"^#+ (.*)$", there.read_text(), re.MULTILINE)
            assert anchor in map(anchor_of, headings), f"{path}: no heading '{target}'"


def anchor_of(heading: str) -> str:
    return re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-")


def statistics(name: str) -> xr.Dataset:
    rng = np.random.default_rng(1)
    variables = {
        "entropy": ("example", rng.normal(size=N), {"units": "bit", "kind": "statistic"}),
        "noise": (
            "example",
            rng.random(N),
            {"units": "grey levels", "kind": "metadata", "assigned": 1},
        ),
        "light": ("example", np.array(["left", "right"] * (N // 2), object), {"kind": "metadata"}),
    }
    attributes = {"fingerprint": name, "split": name, "columns": list(variables), "failed": "{}"}
    ids = np.array([f"{name}_{i}" for i in range(N)], object)
    return xr.Dataset(variables, {"id": ("example", ids)}, attributes)


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Ten members and statistics: all tables have rows."""
    folder = tmp_path_factory.mktemp("run")
    rng = np.random.default_rng(0)
    labels = {name: np.arange(N) % 3 for name in ("train", "test")}
    skill = np.linspace(0.3, 0.95, 12)[:, None, None] * np.ones((12, 10, N))
    predictions = {
        name: np.where(rng.random(skill.shape) < skill, label, (label + 1) % 3)
        for name, label in labels.items()
    }
    write(folder, labels, predictions, epochs=range(1, 13), networks=["lenet5"] * 10)
    write_tables({name: statistics(name) for name in labels}, folder / "statistics.zarr")
    analyse_run(folder)
    return folder


def test_each_table_and_column_is_described(run: Path) -> None:
    written = sorted((run / "results").glob("*.csv"))
    fields = {name for name in Study.__dataclass_fields__ if name != "examples"}
    assert {f.stem for f in written} == fields | {"examples_train", "examples_test", "statistics"}
    for file in written:
        assert f"`{file.stem}.csv`" in TABLES
        columns = set(pd.read_csv(file, nrows=0).columns) - {"entropy", "noise", "light"}
        undescribed = [name for name in columns if f"`{name}`" not in TABLES + INTERVENTION]
        assert not undescribed, file.name


@pytest.mark.parametrize("path", QUESTIONS, ids=lambda p: p.stem)
def test_the_code_of_a_question_runs(
    path: Path, run: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    for code in re.findall(r"```python\n(.*?)```", path.read_text(), re.DOTALL):
        assert "runs/a/" in code
        exec(code.replace("runs/a/", f"{run}/"), {})
        assert capsys.readouterr().out
