"""The examples: they run as their first lines say, and their records are what they printed."""

import os
import re
import shlex
import subprocess
import sys
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from jagree.record import correct, open_record
from tests.conftest import REPOSITORY

EXAMPLES = sorted((REPOSITORY / "examples").glob("*.py"))
NEEDS = {"numpy_loop": "numpy", "pytorch_loop": "torch", "sklearn_loop": "sklearn"}
EPOCHS, MEMBERS = 2, 2

each = pytest.mark.parametrize("example", EXAMPLES, ids=lambda path: path.stem)


def python(*arguments: str, where: Path) -> subprocess.CompletedProcess[str]:
    """As a person would, on one thread: tests run side by side."""
    return subprocess.run(
        [sys.executable, *arguments],
        capture_output=True,
        text=True,
        timeout=300,
        cwd=where,
        env={**os.environ, "OMP_NUM_THREADS": "1"},
    )


def test_all_are_known() -> None:
    assert [path.stem for path in EXAMPLES] == sorted(NEEDS)


@each
def test_it_is_short_and_has_jagrees_three_lines_once(example: Path) -> None:
    code = example.read_text()
    assert len(code.splitlines()) < 100
    for number, line in enumerate(("jagree.Recorder(", "recorder.add(", "recorder.commit("), 1):
        assert code.count(line) == code.count(f"# {number}. ") == 1
        assert code.index(f"# {number}. ") < code.index(line)


@each
def test_its_record_is_what_it_printed_and_can_be_studied(example: Path, tmp_path: Path) -> None:
    pytest.importorskip(NEEDS[example.stem])
    command = [str(example), "--workdir=mine", f"--epochs={EPOCHS}", f"--members={MEMBERS}"]
    trained = python(*command, where=tmp_path)
    assert trained.returncode == 0, trained.stderr
    *lines, last = trained.stdout.splitlines()
    record = open_record(tmp_path / "mine/record.zarr")
    assert set(record) == {"train", "test"}
    for position, line in enumerate(lines):
        said = re.fullmatch(r"epoch (\d+): test accuracy ([\d. ]+)", line)
        assert said, line
        assert int(said[1]) == record["test"]["epoch"].values[position]
        accuracy = [f"{a:.4f}" for a in correct(record["test"], position).mean(1)]
        assert accuracy == said[2].split()
    assert len(lines) == record["train"].sizes["epoch"] == EPOCHS
    assert np.isfinite(record["train"]["log_prob"]).all()

    again = python(*command, where=tmp_path)
    assert again.returncode == 2
    assert "'mine' holds a record already; choose another --workdir" in again.stderr

    door, study = last.split(": ", 1)[1].split(" ", 1)
    assert door == "python"
    studied = python(*shlex.split(study), where=tmp_path)
    assert studied.returncode == 0, studied.stderr
    assert (tmp_path / "mine/report.html").exists()
    table = pd.read_csv(tmp_path / "mine/results/agreement.csv")
    for split, rows in table.groupby("split"):
        right = [correct(record[str(split)], e) for e in range(EPOCHS)]
        np.testing.assert_allclose(rows["accuracy_mean"], [r.mean() for r in right], atol=1e-9)
        agreement = [r.all(0).sum() / r.any(0).sum() for r in right]
        np.testing.assert_allclose(rows["true_positive_agreement"], agreement, atol=1e-9)


@each
def test_its_first_lines_are_commands_that_work(example: Path) -> None:
    """What they name exists: the file, its flags with their defaults, and the study's door."""
    code = example.read_text()
    train, study = re.findall(r"^    (python .*)$", code, re.MULTILINE)
    _, file, *flags = train.split()
    assert REPOSITORY / file == example
    for flag in flags:
        name, value = flag.removeprefix("--").split("=")
        assert re.search(rf'"--{name}", .*default="?{re.escape(value)}"?[,)]', code), flag
    assert study == f"python -m jagree.study runs/{example.stem}"


def test_the_loop_of_the_document_works(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    text = (REPOSITORY / "docs/record.md").read_text().split("## From a training loop")[1]
    code = re.findall(r"```python\n(.*?)```", text, re.DOTALL)[0]
    label = {"train": np.array([0, 2, 1, 1, 0]), "test": np.array([1, 2, 0])}
    logits = {n: np.random.default_rng(len(y)).normal(size=(len(y), 3)) for n, y in label.items()}
    halves = {n: np.array_split(np.arange(len(y)), 2) for n, y in label.items()}
    monkeypatch.chdir(tmp_path)
    given = {
        "train_labels": label["train"],
        "test_labels": label["test"],
        "epochs": 2,
        "judged": {n: [(index, (n, index)) for index in halves[n]] for n in label},
        "model": lambda images: logits[images[0]][images[1]],
    }
    exec(code, given)
    for name, found in open_record(tmp_path / "runs/mine/record.zarr").items():
        assert found["epoch"].values.tolist() == [1, 2]
        said = np.broadcast_to(logits[name].argmax(-1), (2, len(label[name])))
        np.testing.assert_array_equal(found["prediction"].values[:, 0], said)
