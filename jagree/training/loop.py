"""The run in time order: train an epoch, judge every example, record, save (beside the next)."""

import collections
import contextlib
import itertools
import time
from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import Any

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
from jagree.training.compilation import keep_programs
from jagree.training.ensemble import Ensemble, Trained, at_once, choose_engine
from jagree.training.feeds import (
    choose_feed,
    common_shape,
    eval_shapes,
    make_feeds,
    train_shapes,
)
from jagree.training.groups import Groups, group_members
from jagree.training.listener import Compiled, Fields, Listener, Plan
from jagree.training.memory import (
    COMPILER_TOO_LARGE,
    Need,
    bytes_of,
    capacity,
    is_shortage,
    need,
    refusal,
    tells_shortage,
    too_large,
)
from jagree.training.optimizers import Hyper
from jagree.training.precision import PRECISIONS, note
from jagree.training.state import check_shape, fresh_members, member_shape, parameter_count
from jagree.training.steps import Learner
from jagree.training.tasks import by_example, outcome_shapes
from jagree.training.writer import EpochWriter

Dispatch = tuple[str, np.ndarray, Any]  # split, positions [K, S, B] or [S, B], what is computed


@tells_shortage
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
        If record and checkpoints do not belong together, or memory does not suffice.
    """
    done = resume_point(recorder, checkpoints)
    with contextlib.closing(Trainer(config, splits, listener)) as trainer:
        listener.planned(trainer.plan(done + 1))
        listener.compiled(trainer.begin(fresh=not done))
        if done:
            trainer.ensemble.stacked = checkpoints.restore(trainer.ensemble.stacked)
        untrained = config.recording.untrained and not recorder.epochs
        with EpochWriter(recorder, checkpoints, listener) as writer:
            for epoch in range(0 if untrained else done + 1, config.epochs + 1):
                fields = trainer.epoch(epoch, writer.stepped)
                last = epoch == config.epochs
                writer.write(epoch, fields, lambda: trainer.ensemble.stacked, last=last)


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
    dtype = PRECISIONS[config.precision].dtype
    made = {
        name: registry.load("network", name)(classes=classes, dtype=dtype)
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
        self._programs = keep_programs(config.training.compilation_cache)
        self._memory = capacity()  # before anything is there
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
        products = PRECISIONS[config.precision].products
        self._learners = {n: Learner(net, task, optimizer, products) for n, net in made.items()}
        self._members = group_members(per_member(config, "network"))
        self._like = {name: member_shape(net, optimizer, self._shape) for name, net in made.items()}
        outcome = outcome_shapes(task, len(train.class_names), multi_label=train.multi_label)
        self._recorded = config.members * bytes_of(outcome) * sum(map(len, splits.values()))
        self.ensemble = self._lift()
        self._schedule = registry.load("schedule", config.schedule.name)
        self._feed, self._feed_reason = choose_feed(config.training.feed, frames)
        self.feeds = make_feeds(config, splits, frames, self._feed, backend)

    def plan(self, first_epoch: int) -> Plan:
        """What training from that epoch on means."""
        devices = jax.devices()
        return Plan(
            parameters={name: parameter_count(like) for name, like in self._like.items()},
            image_shape=self._shape,
            engine=self._engine,
            reason=self._reason,
            feed=self._feed,
            feed_reason=self._feed_reason,
            device=f"{len(devices)} x {devices[0].device_kind}",
            precision=note(self._config.precision, jax.default_backend()),
            steps=self.feeds["train"].plan.steps,
            first_epoch=first_epoch,
            last_epoch=self._config.epochs,
            programs=self._programs,
        )

    def _lift(self) -> Groups:
        """All members, with the chosen engine, as shapes without arrays."""
        counts = [len(self._members[name]) for name in self._learners]
        before = itertools.accumulate(counts, initial=0)
        ensembles = {
            name: Ensemble(
                learner,
                [self._like[name]] * len(self._members[name]),
                engine=self._engine,
                with_outcome=self._online,
                first=first,
            )
            for (name, learner), first in zip(self._learners.items(), before, strict=False)
        }
        return Groups(ensembles, self._members)

    def begin(self, *, fresh: bool) -> Compiled:
        """Compile every program of the run, with an engine that fits into memory.

        Parameters
        ----------
        fresh : bool
            Whether members get their first weights, too. Else there are only the shapes of them,
            for `Checkpoints.restore`.

        Raises
        ------
        UsageError
            If no engine fits.
        """
        started = time.monotonic()
        needed = self._fit()
        if fresh:
            self.ensemble.begin(
                {
                    name: fresh_members(
                        learner.network,
                        learner.optimizer,
                        self._shape,
                        seed=self._config.seed,
                        members=self._members[name],
                    )
                    for name, learner in self._learners.items()
                }
            )
        return Compiled(
            programs=self.ensemble.programs,
            seconds=time.monotonic() - started,
            engine=self._engine,
            reason=self._reason,
            need=needed,
            memory=self._memory,
        )

    def _fit(self) -> Need | None:
        """Compile with the chosen engine or, if that does not fit and may be changed, another."""
        config, needs = self._config, {}
        usable = self._memory.usable if config.training.check_memory else None
        least = Need(self._least(), 0, config.members)
        if usable is not None and least.total > usable:  # known before anything is compiled
            raise refusal({self._engine: least}, self._memory, config, least=True)
        while True:
            try:
                needed = self._compile()
            except jax.errors.JaxRuntimeError as error:
                if not is_shortage(error) or not self._exchange(COMPILER_TOO_LARGE):
                    raise
                continue
            if needed is None or usable is None or needed.total <= usable:
                return needed
            needs[self._engine] = needed
            if not self._exchange(too_large(self._engine, needed, self._memory)):
                raise refusal(needs, self._memory, config)

    def _least(self) -> int:
        """Bytes that the run needs whatever its programs are: states, predictions, their copies."""
        states = sum(bytes_of(like) * len(self._members[name]) for name, like in self._like.items())
        return 2 * (states + self._recorded) if self._memory.is_main else states

    def _exchange(self, reason: str) -> bool:
        """Take another engine for that reason; whether there is one to take."""
        wanted, backend = self._config.training.engine, jax.default_backend()
        engine, reason = choose_engine(wanted, backend, reason)
        if engine == self._engine:
            return False
        self._engine, self._reason = engine, reason
        self.ensemble = self._lift()
        return True

    def _compile(self) -> Need | None:
        """Compile every program with the chosen engine; what it needs of memory, if known."""
        train = self.feeds["train"]
        judged = [
            (feed.data, inputs)
            for name, feed in self.feeds.items()
            if name != "train" or not self._online or self._config.recording.untrained
            for inputs in eval_shapes(feed)
        ]
        trained = [(train.data, inputs) for inputs in train_shapes(train)]
        groups = [group for group in self.ensemble.compile(trained, judged) if group is not None]
        if len(groups) < len(self._members):
            return None
        images = bytes_of([feed.data for feed in self.feeds.values()])
        return need(
            groups,
            images=images,
            engine=self._engine,
            is_main=self._memory.is_main,
            at_once=at_once(self._config.members) if self._engine == "loop" else 1,
            recorded=self._recorded,
        )

    def close(self) -> None:
        """Let go of what the feeds hold."""
        for feed in self.feeds.values():
            feed.close()

    def epoch(self, number: int, stepped: Callable[[int, int], None]) -> Fields:
        """Take all steps of an epoch with every member, then judge every example.

        Parameters
        ----------
        number : int
            From 1; 0 judges only, with the weights as they are.
        stepped : callable
            Called with the epoch and how many of its steps have been finished since the last call.

        Returns
        -------
        dict
            The record's variables of each split, [K, N], and of "train" also ``loss`` [K], the
            mean over the epoch's examples, nan in epoch 0. Fixed weights judge each example after
            the training; with ``recording.mode = "online"`` those of the train split are judged by
            the training forward passes instead.
        """
        online = self._online and number > 0
        judged = [name for name in self._splits if name != "train" or not online]
        assemblies = {
            name: EpochAssembly(split.id, self.ensemble.members)
            for name, split in self._splits.items()
        }
        loss = np.full(self.ensemble.members, 0.0 if number else np.nan)
        # One course of dispatches: judging is begun before the last training steps are over.
        started = itertools.chain(
            self._train(number) if number else (), *(self._judge(name) for name in judged)
        )
        for split, index, result in _ahead(started):
            outcome = self.ensemble.gather(result)
            if isinstance(outcome, Trained):
                loss += outcome.loss.astype(np.float64).sum(1) * index.shape[2]
                stepped(number, index.shape[1])
                outcome = outcome.outcome
            if outcome is not None:
                by_row = index.reshape(*index.shape[:-2], -1)
                assemblies[split].put(by_row, by_example(outcome))
        fields = {name: assembly.finish() for name, assembly in assemblies.items()}
        fields["train"]["loss"] = loss / self.feeds["train"].plan.size
        return fields

    def _train(self, epoch: int) -> Iterator[Dispatch]:
        """Take the steps of an epoch, a dispatch when one is asked for."""
        feed, rates, step = self.feeds["train"], self._rates(epoch), 0
        for batch in feed.train_batches(epoch):
            steps = batch.position.shape[1]
            hyper = Hyper(*(h[:, step : step + steps] for h in rates))
            step += steps
            yield "train", batch.position, self.ensemble.train(feed.data, batch.inputs, hyper)

    def _judge(self, split: str) -> Iterator[Dispatch]:
        """Judge every example of a split once, a dispatch when one is asked for."""
        feed = self.feeds[split]
        for batch in feed.eval_batches():
            yield split, batch.position, self.ensemble.evaluate(feed.data, batch.inputs)

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


def _ahead(started: Iterable[Dispatch]) -> Iterator[Dispatch]:
    """The same dispatches in order, each when two more have been started.

    So the device always has a dispatch waiting, and the host never runs far ahead of it.
    """
    in_flight: collections.deque[Dispatch] = collections.deque()
    for dispatch in started:
        in_flight.append(dispatch)
        if len(in_flight) > 2:
            yield in_flight.popleft()
    yield from in_flight
