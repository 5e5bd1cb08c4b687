"""docs/watching.md: its code runs, its fields and states are those there are."""

import re
from pathlib import Path

from ml_collections import ConfigDict

from jagree.watching.numbers import EpochNumbers, SplitNumbers
from tests.conftest import REPOSITORY
from tests.watching.test_metrics import LINES
from tests.watching.test_status import STATES

DOCUMENT = (REPOSITORY / "docs/watching.md").read_text()


def test_the_code_for_pandas_gives_a_row_for_each_epoch(tmp_path: Path) -> None:
    (code,) = re.findall(r"```python\n(.*?)```", DOCUMENT, re.DOTALL)
    path = tmp_path / "metrics.jsonl"
    path.write_text("".join(f"{line}\n" for line in LINES.values()))
    names: dict = {}
    exec(code.replace("runs/a/metrics.jsonl", str(path)), names)
    assert names["table"]["epoch"].tolist() == list(LINES)
    assert "splits.test.accuracy_mean" in names["table"]


def test_every_field_is_told() -> None:
    for field in (*EpochNumbers._fields, *SplitNumbers._fields):
        assert f"`{field}`" in DOCUMENT or field == "splits"
    assert "`splits.train`, `splits.test`" in DOCUMENT


def test_every_state_is_told() -> None:
    table = "\n".join(line for line in DOCUMENT.splitlines() if line.startswith("|"))
    for state, _ in STATES.values():
        assert re.search(rf"^\| .*\b{state}\b.* \|", table, re.MULTILINE)


def test_the_switch_is_there(small: ConfigDict) -> None:
    assert "--config.training.tensorboard=False" in DOCUMENT
    assert small.training.tensorboard is True
