"""docs/analysis.md: its code runs, and its commands exist."""

import re
from pathlib import Path

import numpy as np
import pytest

from jagree.analysis import analyse_run
from jagree.study.findings import open_runs, printing
from jagree.study.findings.dynamics import ABOVE_CHANCE
from tests.conftest import REPOSITORY
from tests.study.findings.simulated import learning, run
from tests.study.records import write

DOCUMENT = (REPOSITORY / "docs/analysis.md").read_text()


def test_the_recipe_for_comparing_runs_works(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    rng = np.random.default_rng(0)
    label = {"train": np.arange(30) % 3}
    for name in ("one", "two"):
        write(tmp_path / name, label, {"train": rng.integers(0, 3, (2, 2, 30))}, epochs=[1, 2])
        analyse_run(tmp_path / name)
    (code,) = re.findall(r"```python\n(.*?)```", DOCUMENT, re.DOTALL)
    given = re.search(r"runs = \[.*?\]", code)
    assert given
    there = f"runs = [{str(tmp_path / 'one')!r}, {str(tmp_path / 'two')!r}]"
    capsys.readouterr()
    exec(code.replace(given[0], there), found := {})
    printed = capsys.readouterr().out
    assert str(tmp_path / "one") in printed
    assert [line.split()[0] for line in printed.splitlines()[-2:]] == ["1", "2"]
    lines = found["axes"].get_lines()
    assert len(lines) == 2
    for line, name in zip(lines, ("one", "two"), strict=True):
        (opened,) = open_runs([tmp_path / name])
        measures = opened.observed("train").measures
        above = measures["true_positive_agreement"] - measures["chance_within_classes"]
        np.testing.assert_allclose(line.get_ydata(), above)


def test_what_the_check_prints_looks_as_the_document_says() -> None:
    one, few = run(learning(), name="a"), run(learning(epochs=3), name="b")
    verdicts = ABOVE_CHANCE.verdicts([one, few])
    text = printing.report([one, few], [(ABOVE_CHANCE, verdicts)], [("Training dynamics", 1)])
    shown = re.search(r"```\n(\w.*?): Agreement lies well above its chance level", DOCUMENT)
    assert shown
    assert shown[1].replace("3 runs", "2 runs").replace("in 2)", "in 1)") in text
    assert "criterion: in no epoch 2 standard errors below chance within classes, " in DOCUMENT
    assert "criterion: in no epoch 2 standard errors below chance within classes, " in text
