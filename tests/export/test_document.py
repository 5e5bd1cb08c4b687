"""docs/other_tools.md: its commands work, its code runs on what they write."""

import importlib.util
import pickle
import re
import shlex
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

import jagree
from jagree.export.__main__ import run
from jagree.record import correct, open_record
from jagree.study.kappa import error_consistency
from tests.conftest import REPOSITORY
from tests.export.records import random_logits
from tests.export.test_cartography import metrics, recorded

DOCUMENT = (REPOSITORY / "docs/other_tools.md").read_text()
LABEL = {"train": np.arange(30) % 3, "test": np.arange(14) % 3}


def blocks(heading: str) -> list[str]:
    """The Python code below a heading."""
    (section,) = re.findall(rf"^## {heading}\n(.*?)(?=^## |\Z)", DOCUMENT, re.DOTALL | re.MULTILINE)
    return re.findall(r"```python\n(.*?)```", section, re.DOTALL)


@pytest.fixture
def exported(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Every command of the document, run on a record of the epochs 1 and 10."""
    monkeypatch.chdir(tmp_path)
    recorder = jagree.Recorder("runs/mine", networks=["net"] * 2, data="toy", **LABEL)
    for epoch in (1, 10):
        for split, label in LABEL.items():
            logits = random_logits((1, 2, len(label), 3), label, seed=epoch)[0]
            for member in (0, 1):
                recorder.add(split, range(len(label)), logits[member], member=member)
        recorder.commit(epoch)
    commands = re.findall(r"^python -m jagree\.export (.*)$", DOCUMENT, re.MULTILINE)
    assert len(commands) == 4
    for command in commands:
        assert run(shlex.split(command)) == 0


def test_what_is_exported_is_read_as_the_document_says(exported: None) -> None:
    record = open_record("runs/mine/record.zarr")

    (code,) = blocks("Dataset Cartography")
    exec(code, found := {})
    gold = dict(enumerate(record["train"]["label"].values))
    read = {guid: {"gold": gold[guid], "logits": found["logits"][guid]} for guid in gold}
    expected = recorded(record["train"]).confidence[0]
    np.testing.assert_allclose(metrics(read)["confidence"], expected, atol=3e-4)

    (code,) = blocks("AUM")
    exec(code.replace("tail(100)", "tail(5)"), found := {})
    assert found["suspects"]["aum"].max() <= found["aum"]["aum"].iloc[:25].min()

    load, rank = blocks("cleanlab")
    exec(load, found := {})
    assert found["pred_probs"].shape == (30, 3)
    assert found["ids"].tolist() == record["train"]["id"].values.tolist()
    if importlib.util.find_spec("cleanlab"):
        exec(rank, found)
        own = found["pred_probs"][np.arange(30), found["labels"]]
        np.testing.assert_allclose(found["quality"], own)

    (code,) = blocks("Error consistency")
    exec(code, found := {})
    assert found["right"].shape == (14, 2)
    assert found["kappa"] == pytest.approx(error_consistency(correct(record["test"], -1)))


def test_pickled_predictions_become_a_record(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    rng = np.random.default_rng(2)
    told = rng.integers(0, 3, (2, 4, 30)).tolist()  # members, epochs, examples: lists of lists
    predictions = pickle.loads(pickle.dumps(told))
    (code,) = blocks("From the authors' pickles")
    exec(code, {"predictions": predictions, "labels": LABEL["train"].tolist()})
    split = open_record("runs/theirs/record.zarr")["train"]
    assert split["epoch"].values.tolist() == [1, 2, 3, 4]
    np.testing.assert_array_equal(split["prediction"].values, np.array(told).swapaxes(0, 1))
    flags = ["runs/theirs", "--to=error_consistency", "--out=out"]
    assert run(flags) == 0
    assert pd.read_csv(tmp_path / "out/imagenames.csv").shape == (30, 2)
    assert run([*flags[:1], "--to=aum", "--out=aum"]) == 2


def test_what_the_document_points_to_is_there() -> None:
    for name in re.findall(r"`(examples/\w+\.py)`", DOCUMENT):
        assert (REPOSITORY / name).exists(), name
    for name in re.findall(r"\]\((\w+\.md)\)", DOCUMENT):
        assert (REPOSITORY / "docs" / name).exists(), name
    assert '"From a training loop of your own"' in DOCUMENT
    assert "## From a training loop of your own" in (REPOSITORY / "docs/record.md").read_text()
