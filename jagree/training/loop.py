"""The run in time order: train an epoch, judge every example, record, save."""

import collections
import contextlib
import time
from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import Any, NamedTuple, Protocol

import flax.linen as nn
import jax
import numpy as np
from ml_collections import ConfigDict

from jagree import pool, registry
from jagree.config import per_member, task_name
from jagree.data.frames import prepare
from jagree.data.split import Split
from jagree.errors import UsageError
from jagree.record import EpochAssembly, Recorder
from jagree.training.checkpoint import Checkpoints
from jagree.training.ensemble import Ensemble, choose_engine
from jagree.training.feed import Batch
from jagree.training.feeds import choose_feed, common_shape, make_feeds
from jagree.training.groups import Groups, group_members
from jagree.training.optimizers import Hyper
from jagree.training.state import check_shape, init_members, parameter_count
from jagree.training.steps import Learner
from jagree.training.tasks import Outcome

Fields = dict[str, dict[str, np.ndarray]]  # split -> variable -> [K, N] or [K]


class Plan(NamedTuple):
    """What is about to be done, for the person who waits for it."""

    parameters: Mapping[str, int]  # of one member of each network
    image_shape: tuple[int, int, int]  # height, width, channels of what a network sees
    engine: str
    reason: str
    feed: str
    feed_reason: str
    device: str
    steps: int  # training steps of an epoch
    first_epoch: int  # the first one to train now; 1 unless resumed
    last_epoch: int


class Listener(Protocol):
    """Whoever wants to know how the run goes."""

    def prepared(self, split: str, images: int, of: int) -> None:
        """So many more images of a split have been decoded and resized, of so many."""

    def planned(self, plan: Plan) -> None:
        """Called once, before anything is compiled."""

    def stepped(self, epoch: int, steps: int) -> None:
        """So many training steps of the epoch have been finished since the last call."""

    def recorded(self, epoch: int, fields: Fields, seconds: float) -> None:
        """The epoch is committed to the record; seconds is the time it took."""


def train(
    config: ConfigDict,
    splits: Mapping[str, Split],
    recorder: Recorder,
    checkpoints: Checkpoints,
    listener: Listener,
) -> None:
    """Train all members to the last epoch, from the newest checkpoint if there is one.

    Parameters
    ----------
    config : ConfigDict
        A checked config.
    splits : mapping of str to Split
        "train" and "test".
    recorder, checkpoints
        Of this run; what they hold decides where training starts.
    listener : Listener

    Raises
    ------
    UsageError
        If record and checkpoints do not belong together.
    """
    done = resume_point(recorder, checkpoints)
    with contextlib.closing(Trainer(config, splits, listener)) as trainer:
        listener.planned(trainer.plan(done + 1))
        if done:
            trainer.ensemble.stacked = checkpoints.restore(trainer.ensemble.stacked)
        elif config.recording.untrained and not recorder.epochs:
            started = time.monotonic()
            untrained = trainer.judge({})
            untrained["train"]["loss"] = np.full(config.members, np.nan)
            recorder.append(0, untrained)
            listener.recorded(0, untrained, time.monotonic() - started)
        for epoch in range(done + 1, config.epochs + 1):
            started = time.monotonic()
            fields = trainer.judge(trainer.train_epoch(epoch, listener))
            recorder.append(epoch, fields)
            checkpoints.save(epoch, trainer.ensemble.stacked, last=epoch == config.epochs)
            listener.recorded(epoch, fields, time.monotonic() - started)


def resume_point(recorder: Recorder, checkpoints: Checkpoints) -> int:
    """The epoch to go on after; cuts from the record what was recorded after that checkpoint.

    An epoch is recorded before its checkpoint is written, so a killed run may have recorded up to
    `checkpoints.every` epochs more than it saved, and twice as many if the newest of its two
    checkpoints was damaged and deleted. They are trained again, so that the record is that of one
    run of the weights, not of two.
    """
    saved = checkpoints.latest
    recorded = recorder.epochs[-1] if recorder.epochs else 0
    at_most = 2 * checkpoints.every if saved else checkpoints.every
    if saved > recorded or recorded - saved > at_most:
        raise UsageError(
            f"the record '{recorder.path}' ends with epoch {recorded}, but the newest checkpoint "
            f"is of epoch {saved}: they are not of one run, or checkpoints were lost; put the "
            "right checkpoints back, or use another --workdir"
        )
    recorder.rewind(sum(epoch <= saved for epoch in recorder.epochs))
    return saved


def make_networks(config: ConfigDict, classes: int) -> dict[str, nn.Module]:
    """The networks of a run's members, each once.

    Raises
    ------
    UsageError
        If one of them cannot take the crops that it would be given.
    """
    made = {
        name: registry.load("network", name)(classes=classes, dtype=config.precision)
        for name in dict.fromkeys(per_member(config, "network"))
    }
    if config.data.crop:
        for network in made.values():
            check_shape(network, (config.data.crop, config.data.crop, 3))
    return made


class Trainer:
    """The compiled ensemble and its feeds.

    Parameters
    ----------
    config : ConfigDict
    splits : mapping of str to Split
    listener : Listener
        Told of images that must be prepared first.
    """

    def __init__(self, config: ConfigDict, splits: Mapping[str, Split], listener: Listener) -> None:
        self._config = config
        self._splits = splits
        train = splits["train"]
        backend = jax.default_backend()
        self._engine, self._reason = choose_engine(config.training.engine, backend)
        made = make_networks(config, classes=len(train.class_names))
        workers = config.data.workers or pool.cores()
        frames = {
            name: prepare(split, config.data, workers=workers, advance=listener.prepared)
            for name, split in splits.items()
        }
        self._shape = common_shape(frames)
        self._online = config.recording.mode == "online"
        task = registry.load("task", task_name(config, multi_label=train.multi_label))
        optimizer = registry.load("optimizer", config.optimizer.name)(config.optimizer)
        self._parameters: dict[str, int] = {}
        members, ensembles = group_members(per_member(config, "network")), {}
        for name, network in made.items():
            learner = Learner(network, task, optimizer)
            states = init_members(
                network, optimizer, self._shape, seed=config.seed, members=members[name]
            )
            self._parameters[name] = parameter_count(states[0])
            ensembles[name] = Ensemble(
                learner, states, engine=self._engine, with_outcome=self._online
            )
        self.ensemble = Groups(ensembles, members)
        self._schedule = registry.load("schedule", config.schedule.name)
        self._feed, self._feed_reason = choose_feed(config.training.feed, frames)
        self.feeds = make_feeds(config, splits, frames, self._feed, backend)

    def plan(self, first_epoch: int) -> Plan:
        """What training from that epoch on means."""
        devices = jax.devices()
        return Plan(
            parameters=self._parameters,
            image_shape=self._shape,
            engine=self._engine,
            reason=self._reason,
            feed=self._feed,
            feed_reason=self._feed_reason,
            device=f"{len(devices)} x {devices[0].device_kind}",
            steps=self.feeds["train"].plan.steps,
            first_epoch=first_epoch,
            last_epoch=self._config.epochs,
        )

    def close(self) -> None:
        """Let go of what the feeds hold."""
        for feed in self.feeds.values():
            feed.close()

    def train_epoch(self, epoch: int, listener: Listener) -> dict[str, np.ndarray]:
        """Take all steps of an epoch with every member.

        Returns
        -------
        dict
            ``loss`` [K], the mean over the epoch's examples; with ``recording.mode = "online"``
            also the record's variables [K, N], as the training forward passes gave them.
        """
        feed = self.feeds["train"]
        rates = self._rates(epoch)
        assembly = EpochAssembly(self._splits["train"].id, self.ensemble.members)
        loss = np.zeros(self.ensemble.members)
        step = 0

        def start(batch: Batch) -> Any:
            nonlocal step
            steps = batch.position.shape[1]
            hyper = Hyper(*(h[:, step : step + steps] for h in rates))
            step += steps
            return self.ensemble.train(feed.data, batch.inputs, hyper)

        for index, result in _ahead(start, feed.train_batches(epoch)):
            trained = self.ensemble.gather(result)
            loss += trained.loss.astype(np.float64).sum(1) * index.shape[2]
            if trained.outcome is not None:
                assembly.put(index.reshape(len(index), -1), _by_example(trained.outcome))
            listener.stepped(epoch, index.shape[1])
        return (assembly.finish() if self._online else {}) | {"loss": loss / feed.plan.size}

    def _rates(self, epoch: int) -> Hyper:
        """Hyperparameters of each member and step of the epoch, float32 [K, steps]."""
        config, steps = self._config, self.feeds["train"].plan.steps
        momentum, of_run = config.optimizer.momentum, (config.epochs, steps, config.schedule)
        courses = [
            self._schedule(rate, momentum, epoch - 1, *of_run)
            for rate in per_member(config, "learning_rate")
        ]
        weight_decay = [np.full(steps, decay) for decay in per_member(config, "weight_decay")]
        return Hyper(
            learning_rate=np.array([course.learning_rate for course in courses], np.float32),
            weight_decay=np.array(weight_decay, np.float32),
            momentum=np.array([course.momentum for course in courses], np.float32),
        )

    def judge(self, trained: dict[str, np.ndarray]) -> Fields:
        """Every example of every split, once, with fixed weights.

        Parameters
        ----------
        trained : dict
            What `train_epoch` gave; where it holds the train split's variables already (mode
            ``online``), that split is not judged again.
        """
        judged = {
            name: self._judge(name)
            for name in self._splits
            if name != "train" or "prediction" not in trained
        }
        return judged | {"train": judged.get("train", {}) | trained}

    def _judge(self, name: str) -> dict[str, np.ndarray]:
        feed = self.feeds[name]
        assembly = EpochAssembly(self._splits[name].id, self.ensemble.members)
        batches = _ahead(
            lambda batch: self.ensemble.evaluate(feed.data, batch.inputs), feed.eval_batches()
        )
        for index, result in batches:
            assembly.put(index.reshape(-1), _by_example(self.ensemble.gather(result)))
        return assembly.finish()


def _ahead(start: Callable[[Batch], Any], batches: Iterable[Batch]) -> Iterator[tuple]:
    """Yield (index, result) of each batch in order; two more are started before one is waited for.

    So the device always has a dispatch waiting, and the host never runs far ahead of it.
    """
    in_flight: collections.deque = collections.deque()
    for batch in batches:
        in_flight.append((batch.position, start(batch)))
        if len(in_flight) > 2:
            yield in_flight.popleft()
    yield from in_flight


def _by_example(outcome: Outcome) -> dict[str, np.ndarray]:
    """The variables of S batches [K, S, B, ...] as [K, S * B, ...]."""
    return {
        name: values.reshape(len(values), -1, *values.shape[3:])
        for name, values in outcome._asdict().items()
        if values is not None
    }
