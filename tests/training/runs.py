"""Runs of seconds that are stopped, killed and resumed."""

import contextlib
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from ml_collections import ConfigDict

from jagree import registry, stages
from jagree.preemption import Preempted
from jagree.training.checkpoint import Checkpoints
from tests.record.test_writer import digest

STEPS = (
    7  # of an epoch: dispatches of 2, 2, 2 and 1; then 4 judge the train split, 2 the test split
)


def shrink(config: ConfigDict, monkeypatch: pytest.MonkeyPatch) -> ConfigDict:
    """Two members of a network that trains in no time, two epochs."""
    where = "tests.training.tiny_networks:TinyA"
    monkeypatch.setitem(registry.TABLE["network"], "tiny_a", where)
    config.network, config.members, config.epochs, config.batch_size = "tiny_a", 2, 2, 16
    config.data.train_size, config.data.test_size = 100, 40
    config.training.steps_per_dispatch, config.training.eval_batch_size = 2, 16
    config.training.tensorboard = False
    config.schedule.name = "one_cycle"  # in which each step has a rate of its own
    config.optimizer.learning_rate = 1.0
    return config


def train(config: ConfigDict, folder: Path) -> None:
    """The stage alone."""
    stages.run(config, folder, ["train"], "a test")


def arrays(folder: Path) -> dict[str, np.ndarray]:
    """What the newest checkpoint holds of the state."""
    with Checkpoints(folder / "checkpoints", every=1) as checkpoints:
        return checkpoints.read(checkpoints.latest)["state"]


def same(one: Path, other: Path) -> None:
    """Fail unless two runs recorded the same bits and ended with the same."""
    assert digest(one / "record.zarr") == digest(other / "record.zarr")
    ours, theirs = arrays(one), arrays(other)
    assert ours.keys() == theirs.keys()
    for name, array in ours.items():
        np.testing.assert_array_equal(array, theirs[name], strict=True)


def stopping_after(
    dispatches: int, monkeypatch: pytest.MonkeyPatch
) -> contextlib.AbstractContextManager[list[int]]:
    """Within it a run is told to stop when so many dispatches are begun; gives how often asked."""

    @contextlib.contextmanager
    def patched() -> Iterator[list[int]]:
        asked: list[int] = []

        @contextlib.contextmanager
        def deferred() -> Iterator[Callable[[], bool]]:
            def stop() -> bool:
                asked.append(1)
                return len(asked) == dispatches  # once, as jax's own says it

            yield stop

        with monkeypatch.context() as patch:
            patch.setattr("jagree.preemption.deferred", deferred)
            yield asked

    return patched()


def stopped(
    config: ConfigDict, folder: Path, dispatches: int, monkeypatch: pytest.MonkeyPatch
) -> str:
    """Train until so many dispatches are begun; what the run says, "" if it reached its end."""
    with stopping_after(dispatches, monkeypatch):
        try:
            train(config, folder)
        except Preempted as where:
            return str(where)
    return ""


def dying(monkeypatch: pytest.MonkeyPatch, owner: Any, name: str, call: int, after: bool) -> None:
    """Have the so-many-th call of a method end the run, before or after its work."""
    method, calls = getattr(owner, name), []

    def patched(self: Any, *args: Any, **kwargs: Any) -> Any:
        calls.append(1)
        if len(calls) == call and not after:
            raise SystemExit("killed")
        result = method(self, *args, **kwargs)
        if len(calls) == call:
            raise SystemExit("killed")
        return result

    monkeypatch.setattr(owner, name, patched)
