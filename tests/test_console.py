"""The bar and the lines of epochs, which come while the next epoch trains."""

from types import SimpleNamespace
from typing import Any

import pytest
from ml_collections import ConfigDict

from jagree.console import Console
from tests.record.conftest import make_fields, make_splits


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
    console = Console(small, make_splits(), "single_label")
    console._plan = SimpleNamespace(steps=4, first_epoch=1)
    console.stepped(1, 3)
    console.stepped(1, 1)
    assert [(b.title, b.total, b.steps, b.open) for b in bars] == [("epoch 1/2", 4, 4, True)]
    console.stepped(2, 1)
    console.recorded(1, make_fields(1), 7.5)
    console.stepped(2, 2)
    assert [(b.title, b.steps, b.open) for b in bars] == [
        ("epoch 1/2", 4, False),
        ("epoch 2/2", 3, True),
    ]
    console.recorded(2, make_fields(2), 2.5)
    assert [b.open for b in bars] == [False, False]
    assert console.train_seconds == 10.0
    first, second = capsys.readouterr().out.splitlines()[-2:]
    assert first.lstrip().startswith("1/2 ")
    assert first.endswith(" 7.5 s")
    assert second.lstrip().startswith("2/2 ")


def test_after_ctrl_c_it_says_what_is_waited_for(
    small: ConfigDict, capsys: pytest.CaptureFixture
) -> None:
    Console(small, make_splits(), "single_label").finishing(3)
    assert capsys.readouterr().out == (
        "writing what is finished of epoch 3 ...; Ctrl-C once more ends at once\n"
    )
