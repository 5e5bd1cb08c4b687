"""Several who watch, told from one place; a file that fails stops nobody."""

import errno
from collections.abc import Sequence
from typing import Any

import pytest

from jagree.watching.audience import Audience, Watcher
from jagree.watching.numbers import EpochNumbers
from tests.record.conftest import make_fields, make_splits
from tests.watching.test_numbers import numbers


class Diary(Watcher):
    def __init__(self, told: list[Any]) -> None:
        self.told = told

    def prepared(self, split: str, images: int, of: int) -> None:
        self.told.append(("prepared", split, images, of))

    def planned(self, plan: Any) -> None:
        self.told.append(("planned", plan))

    def began(self, past: Sequence[EpochNumbers]) -> None:
        self.told.append(("began", [p.epoch for p in past]))

    def compiled(self, compiled: Any) -> None:
        self.told.append(("compiled", compiled))

    def stepped(self, epoch: int, steps: int) -> None:
        self.told.append(("stepped", epoch, steps))

    def recorded(self, numbers: EpochNumbers) -> None:
        self.told.append(("recorded", numbers))

    def finishing(self, epoch: int) -> None:
        self.told.append(("finishing", epoch))

    def troubled(self, text: str) -> None:
        self.told.append(("troubled", text))


class Full(Watcher):
    def __init__(self, file: str) -> None:
        self.file = file

    def began(self, past: object) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    recorded = began


def audience(*watchers: Watcher) -> Audience:
    past = [numbers(epoch) for epoch in (1, 2, 3)]
    return Audience(
        watchers,
        make_splits(),
        "single_label",
        lambda before: [p for p in past if before is None or p.epoch < before],
    )


def test_all_are_told_all_in_order() -> None:
    told: list[Any] = []
    listener = audience(Diary(told), Watcher(), Diary(told))
    listener.prepared("train", 3, 9)
    listener.planned("plan")  # type: ignore[arg-type]
    listener.compiled("compiled")  # type: ignore[arg-type]
    listener.stepped(3, 7)
    listener.recorded(3, make_fields(3), 2.50049)
    listener.recorded(4, make_fields(4), 2.5)
    listener.finishing(5)
    listener.finished()
    assert told[::2] == told[1::2]
    names = "prepared planned compiled stepped began recorded recorded finishing"
    assert [call[0] for call in told[::2]] == names.split()
    assert told[0] == ("prepared", "train", 3, 9)
    assert told[2] == ("planned", "plan")
    assert told[4] == ("compiled", "compiled")
    assert told[6] == ("stepped", 3, 7)
    assert told[8] == ("began", [1, 2])  # as the run went on after 2, whatever was planned
    first, second = told[10][1], told[12][1]
    assert first.time.endswith("Z")
    assert first._replace(time="") == numbers(3)._replace(time="")
    assert first.seconds == 2.5
    assert second.epoch == 4
    assert told[14] == ("finishing", 5)


def test_numbers_are_taken_once(monkeypatch: pytest.MonkeyPatch) -> None:
    calls: list[int] = []

    def counting(epoch: int, *_: object, **__: object) -> EpochNumbers:
        calls.append(epoch)
        return numbers(epoch)

    monkeypatch.setattr("jagree.watching.audience.measured", counting)
    told: list[Any] = []
    audience(Diary(told), Diary(told)).recorded(1, make_fields(1), 1.0)
    assert calls == [1]
    assert told[-1][1] is told[-2][1]


def test_where_nothing_was_left_to_train_the_past_is_told_at_the_end() -> None:
    told: list[Any] = []
    listener = audience(Diary(told))
    listener.planned("plan")  # type: ignore[arg-type]
    listener.finished()
    assert told == [("planned", "plan"), ("began", [1, 2, 3])]


def test_a_file_that_cannot_be_written_is_named_once_and_stops_nobody() -> None:
    told: list[Any] = []
    listener = audience(Full("metrics.jsonl"), Full("tensorboard"), Diary(told))
    listener.recorded(1, make_fields(1), 1.0)
    listener.recorded(2, make_fields(2), 1.0)
    trouble = [call[1] for call in told if call[0] == "troubled"]
    assert trouble == [
        f"cannot write {file} (No space left on device); training goes on, and after each epoch "
        "this is tried again"
        for file in ("metrics.jsonl", "tensorboard")
    ]
    assert [call[1].epoch for call in told if call[0] == "recorded"] == [1, 2]


def test_what_must_not_fail_is_an_error() -> None:
    told: list[Any] = []
    with pytest.raises(OSError, match="No space left"):
        audience(Full(""), Diary(told)).finished()
    assert told == []
