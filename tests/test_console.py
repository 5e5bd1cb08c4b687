"""The bar and the lines of epochs, which come while the next epoch trains."""

from types import SimpleNamespace
from typing import Any

import pytest
from ml_collections import ConfigDict

from jagree.console import Console
from jagree.watching.numbers import SplitNumbers
from tests.record.conftest import make_splits
from tests.watching.test_numbers import numbers


class Bar:
    def __init__(self, total: int, title: str, unit: str) -> None:
        self.total, self.title, self.steps, self.open = total, title, 0, True

    def update(self, steps: int) -> None:
        assert self.open
        self.steps += steps

    def close(self) -> None:
        self.open = False


@pytest.fixture
def bars(monkeypatch: pytest.MonkeyPatch) -> list[Bar]:
    made: list[Bar] = []

    def new(*arguments: Any) -> Bar:
        made.append(Bar(*arguments))
        return made[-1]

    monkeypatch.setattr(Console, "_new_bar", staticmethod(new))
    return made


def test_the_line_of_an_epoch_leaves_the_bar_of_the_next_alone(
    small: ConfigDict, bars: list[Bar], capsys: pytest.CaptureFixture
) -> None:
    console = Console(small, make_splits())
    console._plan = SimpleNamespace(steps=4, first_epoch=1, first_step=0)
    console.stepped(1, 3)
    console.stepped(1, 1)
    assert [(b.title, b.total, b.steps, b.open) for b in bars] == [("epoch 1/2", 4, 4, True)]
    console.stepped(2, 1)
    console.recorded(numbers(1)._replace(seconds=7.5))
    console.stepped(2, 2)
    assert [(b.title, b.steps, b.open) for b in bars] == [
        ("epoch 1/2", 4, False),
        ("epoch 2/2", 3, True),
    ]
    console.recorded(numbers(2))
    assert [b.open for b in bars] == [False, False]
    *header, first, second = capsys.readouterr().out.splitlines()
    assert header[-1].split() == ["epoch", *["accuracy", "agreement", "chance"] * 2]
    assert len(header) == 2  # once
    assert first.lstrip().startswith("1/2 ")
    assert first.endswith(" 7.5 s")
    assert second.lstrip().startswith("2/2 ")


def test_the_line_says_in_percent_what_the_numbers_are(
    small: ConfigDict, capsys: pytest.CaptureFixture
) -> None:
    console = Console(small, make_splits())
    console._plan = SimpleNamespace(first_epoch=1)
    train = SplitNumbers(0.5, 0.0123, (0.5,), agreement=0.25, chance=0.1)
    test = SplitNumbers(0.0, 0.0, (0.0,), agreement=float("nan"), chance=float("nan"))
    console.recorded(numbers(2)._replace(splits={"train": train, "test": test}))
    last = capsys.readouterr().out.splitlines()[-1]
    assert " ".join(last.split()) == "2/2 50.0 ± 1.2 25.0 10.0 0.0 ± 0.0 nan nan 2.5 s"


def test_a_member_that_diverged_is_named_once(
    small: ConfigDict, capsys: pytest.CaptureFixture
) -> None:
    console = Console(small, make_splits())
    console._plan = SimpleNamespace(first_epoch=1)
    for epoch, diverged in ((1, ()), (2, (2,)), (3, (0, 2))):
        console.recorded(numbers(epoch)._replace(diverged=diverged))
    lines = [line for line in capsys.readouterr().out.splitlines() if "diverged" in line]
    assert [line.partition(":")[0] for line in lines] == [
        "member 2 (lenet5) diverged in epoch 2",
        "member 0 (lenet5) diverged in epoch 3",
    ]


def test_trouble_with_a_file_is_said(small: ConfigDict, capsys: pytest.CaptureFixture) -> None:
    Console(small, make_splits()).troubled("cannot write metrics.jsonl")
    assert capsys.readouterr().out == "cannot write metrics.jsonl\n"


def test_after_ctrl_c_it_says_what_is_waited_for(
    small: ConfigDict, capsys: pytest.CaptureFixture
) -> None:
    Console(small, make_splits()).finishing(3)
    assert capsys.readouterr().out == (
        "writing what is finished of epoch 3 ...; Ctrl-C once more ends at once\n"
    )
