"""Runs of which an epoch is recorded while the next one trains."""

import errno
import threading
from typing import Any

import jax
import pytest
from ml_collections import ConfigDict

from jagree import data, registry
from jagree.training import loop
from tests.training.disk import Disk, held


class Run(Disk):
    """A disk with all that a run asks for."""

    path, latest = "RUN/record.zarr", 0

    def __init__(self) -> None:
        super().__init__()
        self.epochs: list[int] = []

    def rewind(self, epochs: int) -> None:
        assert epochs == 0

    def append(self, epoch: int, fields: Any) -> None:
        assert set(fields) == {"train", "test"}
        self._note("record", epoch)

    def prepared(self, *_: Any) -> None: ...

    def planned(self, plan: Any) -> None: ...

    def compiled(self, compiled: Any) -> None: ...

    def recorded(self, epoch: int, fields: Any, seconds: float) -> None:
        self._note("told", epoch)


@pytest.fixture
def tiny(small: ConfigDict, monkeypatch: pytest.MonkeyPatch) -> ConfigDict:
    where = "tests.training.tiny_networks:TinyA"
    monkeypatch.setitem(registry.TABLE["network"], "tiny_a", where)
    small.network, small.members, small.epochs = "tiny_a", 2, 3
    small.data.train_size, small.data.test_size = 96, 20
    return small


def test_a_run_records_and_saves_an_epoch_while_the_next_one_trains(tiny: ConfigDict) -> None:
    run, stepped = Run(), threading.Event()
    tiny.recording.untrained = True
    run.each = 2
    run.before["step", 2] = stepped.set
    run.before["save", 1] = held(stepped)
    loop.train(tiny, data.load(tiny.data), run, run, run)  # type: ignore[arg-type]
    order = [("record", 0), ("told", 0)]
    order += [(w, e) for e in (1, 2, 3) for w in ("record", "save", "told")]
    assert [what for what in run.log if what[0] != "step"] == order
    assert [e for w, e in run.log if w == "step"] == [1, 1, 2, 2, 3, 3]
    assert run.log.index(("step", 2)) < run.log.index(("save", 1))
    assert run.log.index(("told", 1)) < run.log.index(("step", 3))
    # What was saved of an epoch is not what the next one made of it.
    first, second, _ = (jax.tree.leaves(run.state[e]) for e in (1, 2, 3))
    assert any((a != b).any() for a, b in zip(first, second, strict=True))


def test_a_full_disk_stops_a_run_within_the_next_epoch(tiny: ConfigDict) -> None:
    def fill() -> None:
        raise OSError(errno.ENOSPC, "full")

    run = Run()
    run.before["record", 1] = fill
    with pytest.raises(OSError, match="full"):
        loop.train(tiny, data.load(tiny.data), run, run, run)  # type: ignore[arg-type]
    assert ("step", 3) not in run.log
    assert {w for w, _ in run.log} == {"step"}
