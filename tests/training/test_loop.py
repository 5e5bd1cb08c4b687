from pathlib import Path
from types import SimpleNamespace
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from ml_collections import ConfigDict

from jagree import data, registry
from jagree.errors import UsageError
from jagree.networks.lenet5 import LeNet5
from jagree.record import RecordWriter, open_record
from jagree.training import listener, loop, optimizers, tasks
from jagree.training.checkpoint import Checkpoints
from jagree.training.feed import shuffle
from jagree.training.loop import resume_point
from jagree.training.optimizers import Hyper
from jagree.training.schedules import Course
from jagree.training.state import init_members
from jagree.training.steps import Learner, eval_step, train_step


def ramp(rate: float, momentum: float, epoch: int, epochs: int, steps: int, options: Any) -> Course:
    """A schedule in which no two steps of a run have the same rate, or the same momentum."""
    share = (1 + np.arange(epoch * steps, (epoch + 1) * steps)) / (epochs * steps)
    return Course(rate * share, momentum * share)


class Ears:
    """A listener that remembers."""

    def __init__(self) -> None:
        self.steps: list[tuple[int, int]] = []
        self.epochs: list[int] = []

    def prepared(self, split: str, images: int, of: int) -> None:
        raise AssertionError("nothing is to be prepared")

    def planned(self, plan: listener.Plan) -> None:
        self.plan = plan

    def compiled(self, compiled: listener.Compiled) -> None:
        self.programs = compiled.programs

    def stepped(self, epoch: int, steps: int) -> None:
        self.steps.append((epoch, steps))

    def recorded(self, epoch: int, fields: listener.Fields, seconds: float) -> None:
        self.epochs.append(epoch)


def alone(config: ConfigDict, splits: dict[str, data.Split], member: int):
    """The slow, obvious twin of a run: one member, (loss, predictions by split) of each epoch."""
    optimizer = optimizers.sgd(config.optimizer)
    learner = Learner(LeNet5(classes=10), tasks.SINGLE_LABEL, optimizer)
    state = init_members(
        learner.network, optimizer, (32, 32, 3), seed=config.seed, members=range(config.members)
    )[member]
    train = jax.jit(lambda *a: train_step(learner, *a))
    arrays = {n: (jnp.array(s.image), jnp.array(s.label)) for n, s in splits.items()}
    image, label = arrays["train"]
    n, batch = len(image), config.batch_size
    steps = -(-n // batch)
    for epoch in range(1, config.epochs + 1):
        order = shuffle(n, seed=config.seed, member=member, epoch=epoch)
        total = 0.0
        for step in range(steps):
            index = order[step * batch : (step + 1) * batch]
            share = (1 + (epoch - 1) * steps + step) / (config.epochs * steps)
            rate = config.per_member.learning_rate[member] * share
            decay = config.per_member.weight_decay[member]
            hyper = Hyper(*np.float32([rate, decay, config.optimizer.momentum * share]))
            state, loss, _ = train(state, image[index], label[index], hyper)
            total += float(loss) * len(index)
        predictions = {s: eval_step(learner, state, *a).prediction for s, a in arrays.items()}
        yield total / n, predictions


def test_a_run_is_what_its_members_do_alone(
    small: ConfigDict, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(registry.TABLE["schedule"], "ramp", "tests.training.test_loop:ramp")
    small.schedule.name = "ramp"
    small.seed = 7
    small.training.steps_per_dispatch = 2
    small.per_member.learning_rate = (0.02, 0.05, 0.03)
    small.per_member.weight_decay = (0.0, 0.05, 5e-4)
    splits = data.load(small.data)
    recorder = RecordWriter.create(
        tmp_path / "record.zarr",
        splits,
        networks=["lenet5"] * 3,
        seed=7,
        correctness="single_label",
        recording=dict.fromkeys(splits, "epoch_end"),
        data="controlled",
    )
    ears = Ears()
    with Checkpoints(tmp_path / "checkpoints", every=5) as checkpoints:
        loop.train(small, splits, recorder, checkpoints, ears)
        assert checkpoints.latest == 8  # steps: the last epoch, due or not
    # 160 examples in batches of 48: three full ones, at most two a dispatch, and one of 16.
    assert ears.steps == [(1, 2), (1, 1), (1, 1), (2, 2), (2, 1), (2, 1)]
    assert ears.epochs == [1, 2]
    assert (ears.plan.steps, ears.plan.first_epoch, ears.plan.last_epoch) == (4, 1, 2)
    assert ears.plan.parameters == {"lenet5": 62_290}
    record = open_record(tmp_path / "record.zarr")
    for member in range(3):
        for position, (loss, predictions) in enumerate(alone(small, splits, member)):
            found = record["train"]["loss"].values[position, member]
            np.testing.assert_allclose(found, loss, rtol=1e-4)
            for name, prediction in predictions.items():
                ours = record[name]["prediction"].values[position, member]
                np.testing.assert_array_equal(ours, prediction)


class FakeRecorder:
    path = "RUN/record.zarr"

    def __init__(self, epochs: list[int]) -> None:
        self.epochs = epochs

    def rewind(self, epochs: int) -> None:
        self.epochs = self.epochs[:epochs]


@pytest.mark.parametrize(
    ("recorded", "saved", "every", "point"),
    [
        ([], 0, 1, (0, 0)),
        ([0], 0, 1, (0, 0)),  # the untrained networks, recorded before any checkpoint
        ([0, 1], 0, 1, (0, 0)),
        ([1], 0, 1, (0, 0)),
        ([1, 2], 20, 1, (2, 0)),
        ([1, 2, 3], 20, 1, (2, 0)),
        ([1, 2, 3, 4], 20, 2, (2, 0)),
        ([1, 2, 3, 4], 20, 1, (2, 0)),  # the checkpoint of epoch 3 was damaged
        ([0, 1, 2, 3], 20, 1, (2, 0)),
        ([], 3, 1, (0, 3)),
        ([0], 3, 1, (0, 3)),
        ([1, 2], 29, 1, (2, 9)),
        ([1, 2, 3, 4], 21, 1, (2, 1)),
        ([1, 2], 30, 1, (2, 10)),  # epoch 3 is to be judged
        ([], 10, 1, (0, 10)),
        ([1, 2, 3], 30, 1, (3, 0)),
    ],
)
def test_a_checkpoint_says_where_the_run_goes_on(
    recorded: list[int], saved: int, every: int, point: tuple[int, int]
) -> None:
    recorder = SimpleNamespace(path="RUN/record.zarr", epochs=recorded)
    assert resume_point(recorder, saved, every, 10) == point  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("recorded", "saved", "every"),
    [
        ([1], 21, 1),
        ([1], 30, 1),
        ([], 11, 1),
        ([1, 2], 0, 1),
        ([1, 2, 3], 0, 2),
        ([1, 2, 3, 4], 10, 1),
        ([1, 2, 3, 4], 19, 1),
    ],
)
def test_a_record_that_the_checkpoint_cannot_account_for_is_refused(
    recorded: list[int], saved: int, every: int
) -> None:
    recorder = SimpleNamespace(path="RUN/record.zarr", epochs=recorded)
    with pytest.raises(UsageError, match="put the right checkpoints back, or use another"):
        resume_point(recorder, saved, every, 10)  # type: ignore[arg-type]
