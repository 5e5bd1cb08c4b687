"""The run in time order: train an epoch, judge every example, record, save."""

import collections
import time
from collections.abc import Mapping
from typing import Any, NamedTuple, Protocol

import jax
import numpy as np
from ml_collections import ConfigDict

from jagree import registry
from jagree.config import per_member
from jagree.data.split import Split
from jagree.errors import UsageError
from jagree.record import EpochAssembly, Recorder
from jagree.training.checkpoint import Checkpoints
from jagree.training.ensemble import Ensemble, choose_engine
from jagree.training.feed import ResidentFeed
from jagree.training.optimizers import Hyper
from jagree.training.state import init_members, parameter_count
from jagree.training.steps import Learner
from jagree.training.tasks import Outcome

Fields = dict[str, dict[str, np.ndarray]]  # split -> variable -> [K, N] or [K]


class Plan(NamedTuple):
    """What is about to be done, for the person who waits for it."""

    parameters: int  # of one member
    engine: str
    reason: str
    device: str
    steps: int  # training steps of an epoch
    first_epoch: int  # the first one to train now; 1 unless resumed
    last_epoch: int


class Listener(Protocol):
    """Whoever wants to know how the run goes."""

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
    trainer = Trainer(config, splits)
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


class Trainer:
    """The compiled ensemble and its feeds.

    Parameters
    ----------
    config : ConfigDict
    splits : mapping of str to Split
    """

    def __init__(self, config: ConfigDict, splits: Mapping[str, Split]) -> None:
        self._config = config
        self._splits = splits
        train = splits["train"]
        backend = jax.default_backend()
        self._engine, self._reason = choose_engine(config.training.engine, backend)
        network = registry.load("network", config.network)(classes=len(train.class_names))
        learner = Learner(
            network,
            registry.load("task", config.task),
            registry.load("optimizer", config.optimizer.name)(config.optimizer),
        )
        states = init_members(
            network,
            learner.optimizer,
            train.image.shape[1:],
            seed=config.seed,
            members=config.members,
        )
        self._parameters = parameter_count(states[0])
        self._online = config.recording.mode == "online"
        self.ensemble = Ensemble(learner, states, engine=self._engine, with_outcome=self._online)
        self._schedule = registry.load("schedule", config.schedule.name)
        # A loop in the compiled program saves launches on an accelerator, but on a CPU it slows
        # convolutions by an order of magnitude (jax#12868). Large batches fill an accelerator, but
        # fall out of a CPU's caches (bench/convolution.py).
        steps, eval_batch_size = (1, 125) if backend == "cpu" else (100, 1_000)
        self.feeds = {
            name: ResidentFeed(
                split,
                members=config.members,
                seed=config.seed,
                batch_size=config.batch_size,
                eval_batch_size=config.training.eval_batch_size or eval_batch_size,
                steps_per_dispatch=config.training.steps_per_dispatch or steps,
            )
            for name, split in splits.items()
        }

    def plan(self, first_epoch: int) -> Plan:
        """What training from that epoch on means."""
        devices = jax.devices()
        return Plan(
            parameters=self._parameters,
            engine=self._engine,
            reason=self._reason,
            device=f"{len(devices)} x {devices[0].device_kind}",
            steps=self.feeds["train"].steps,
            first_epoch=first_epoch,
            last_epoch=self._config.epochs,
        )

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
        in_flight: collections.deque = collections.deque()

        def finish(index: np.ndarray, result: Any) -> None:
            trained = self.ensemble.gather(result)
            nonlocal loss
            loss += trained.loss.astype(np.float64).sum(1) * index.shape[2]
            if trained.outcome is not None:
                assembly.put(index.reshape(len(index), -1), _by_example(trained.outcome))
            listener.stepped(epoch, index.shape[1])

        step = 0
        for index in feed.train_batches(epoch):
            hyper = Hyper(*(h[:, step : step + index.shape[1]] for h in rates))
            in_flight.append((index, self.ensemble.train(feed.data, index, hyper)))
            step += index.shape[1]
            # The device always has a dispatch waiting, and the host never runs far ahead of it.
            if len(in_flight) > 2:
                finish(*in_flight.popleft())
        while in_flight:
            finish(*in_flight.popleft())
        return (assembly.finish() if self._online else {}) | {"loss": loss / feed.size}

    def _rates(self, epoch: int) -> Hyper:
        """Hyperparameters of each member and step of the epoch, float32 [K, steps]."""
        config, steps = self._config, self.feeds["train"].steps
        learning_rate = [
            self._schedule(initial, epoch - 1, config.epochs, steps, config.schedule)
            for initial in per_member(config, "learning_rate")
        ]
        weight_decay = [np.full(steps, decay) for decay in per_member(config, "weight_decay")]
        return Hyper(np.array(learning_rate, np.float32), np.array(weight_decay, np.float32))

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
        results = [
            (np.where(mask, index, -1), self.ensemble.evaluate(feed.data, index))
            for index, mask in feed.eval_batches()
        ]
        for index, result in results:
            assembly.put(index.reshape(-1), _by_example(self.ensemble.gather(result)))
        return assembly.finish()


def _by_example(outcome: Outcome) -> dict[str, np.ndarray]:
    """The variables of S batches [K, S, B, ...] as [K, S * B, ...]."""
    return {
        name: values.reshape(len(values), -1, *values.shape[3:])
        for name, values in outcome._asdict().items()
    }
