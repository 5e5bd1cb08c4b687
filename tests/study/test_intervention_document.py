"""docs/intervention.md: its code runs, and it describes every column of its tables."""

import re
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from jagree.data.split import Column
from jagree.study import agreement_table, example_table
from jagree.study.intervention import EFFECTS, RESPONSES, effect_table
from jagree.study.moves import MOVES
from tests.conftest import REPOSITORY
from tests.study.records import write

DOCUMENT = (REPOSITORY / "docs/intervention.md").read_text()


@pytest.mark.parametrize("columns", [EFFECTS, RESPONSES, MOVES])
def test_every_column_is_described(columns: dict[str, str]) -> None:
    for column in columns:
        assert f"`{column}`" in DOCUMENT, column


def test_the_code_runs(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    source, mine = re.findall(r"```python\n(.*?)```", DOCUMENT, re.DOTALL)
    noise = np.random.default_rng(0).random(60)
    exec(source, given := {"Column": Column, "noise": noise})
    assert given["metadata"]["noise"].assigned

    label = np.arange(60) % 3
    at = 1 + (8 * noise).astype(int)  # the epoch at which it is learned; of some after the last
    right = np.arange(1, 8)[:, None, None] >= at
    predictions = np.where(np.repeat(right, 2, 1), label, (label + 1) % 3)
    record = write(tmp_path, {"train": label}, {"train": predictions}, epochs=range(1, 8))
    results = tmp_path / "runs/mine/results"
    results.mkdir(parents=True)
    examples = example_table(record["train"])
    examples.to_csv(results / "examples_train.csv", index=False)
    agreement_table(record).to_csv(results / "agreement.csv", index=False)
    drawn = pd.DataFrame({"id": examples["id"], "noise": noise})
    drawn.sample(frac=1, random_state=0).to_csv(tmp_path / "drawn.csv", index=False)
    monkeypatch.chdir(tmp_path)
    exec(mine, found := {})
    printed = capsys.readouterr().out
    when = examples["agreed_for_good"].to_numpy()
    assert np.isnan(when).any()
    effect = effect_table("train", {"noise": noise}, {}, when, label, 7)["effect"][0]
    assert effect > 4
    assert f"{effect:.6f}" in printed
    assert found["last"] == 7
