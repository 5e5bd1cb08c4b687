"""One epoch: every training step of every member, then every example judged."""

import collections
import itertools
from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import Any, NamedTuple

import numpy as np
from ml_collections import ConfigDict

from jagree import registry
from jagree.config import per_member
from jagree.data.split import Split
from jagree.record import EpochAssembly
from jagree.training.ensemble import Trained
from jagree.training.feed import Feed
from jagree.training.groups import Groups
from jagree.training.listener import Fields
from jagree.training.optimizers import Hyper
from jagree.training.tasks import by_example


class Dispatch(NamedTuple):
    """What has been handed to the devices."""

    split: str
    position: np.ndarray  # of the examples, [K, S, B]; of judging [S, B]
    result: Any  # being computed
    kept: bool = False  # whether all is to be kept after it, before the next is begun


class Midway(NamedTuple):
    """A point within an epoch, between two dispatches.

    Attributes
    ----------
    step : int
        Training steps of the epoch that have been taken. After the last one no example has been
        judged yet with fixed weights, or all will be again.
    gathered : dict of str to array
        What they gave: ``loss`` float64 [K], the sum over their examples, and with
        ``recording.mode = "online"`` what `EpochAssembly.gathered` is of the train split.
    """

    step: int
    gathered: dict[str, np.ndarray]


def _nobody(midway: Midway) -> None:
    """Keep nothing."""


class Epochs:
    """Trains and judges the members of an ensemble, an epoch at a time.

    Parameters
    ----------
    config : ConfigDict
    splits : mapping of str to Split
    ensemble : Groups
        Ready to train.
    feeds : mapping of str to Feed
        Of each split.
    """

    def __init__(
        self,
        config: ConfigDict,
        splits: Mapping[str, Split],
        ensemble: Groups,
        feeds: Mapping[str, Feed],
    ) -> None:
        self._config, self._splits = config, splits
        self._ensemble, self._feeds = ensemble, feeds
        self._online = config.recording.mode == "online"
        self._schedule = registry.load("schedule", config.schedule.name)

    def run(
        self,
        number: int,
        stepped: Callable[[int, int], None],
        *,
        start: Midway | None = None,
        every: int = 0,
        keep: Callable[[Midway], None] = _nobody,
        stopping: Callable[[], bool] = lambda: False,
    ) -> Fields | Midway:
        """Take all steps of an epoch with every member, then judge every example.

        Parameters
        ----------
        number : int
            From 1; 0 judges only, with the weights as they are.
        stepped : callable
            Called with the epoch and how many of its steps have been finished since the last call.
        start : Midway, optional
            Where to go on, with the ensemble's states of that point.
        every : int
            Steps from one call of `keep` to the next, each at the end of the dispatch in which so
            many are full; 0: never. The end of the epoch's training is none.
        keep : callable
            Given where the epoch stands, as do the ensemble's states until it returns.
        stopping : callable
            Asked after each dispatch is begun, once; if it says so no other is.

        Returns
        -------
        dict
            The record's variables of each split, [K, N], and of "train" also ``loss`` [K], the
            mean over the epoch's examples, nan in epoch 0. Fixed weights judge each example after
            the training; with ``recording.mode = "online"`` those of the train split are judged by
            the training forward passes instead.
        Midway
            If it was stopped before its end: where it stands.
        """
        online = self._online and number > 0
        judged = [name for name in self._splits if name != "train" or not online]
        gathering = _Gathering(self._splits, self._ensemble.members, start, online=online)
        # One course of dispatches: judging is begun before the last training steps are over.
        begun = itertools.chain(
            self._train(number, gathering.step, every) if number else (),
            *(self._judge(name) for name in judged),
        )
        stopped = False

        def asked() -> bool:
            nonlocal stopped
            stopped = stopping()
            return stopped

        for dispatch in _ahead(begun, asked):
            steps = gathering.put(dispatch, self._ensemble.gather(dispatch.result))
            if steps:
                stepped(number, steps)
            if dispatch.kept:
                keep(gathering.midway())
        if stopped and not gathering.complete:
            return gathering.midway()
        return gathering.finish(self._feeds["train"].plan.size if number else 0)

    def _train(self, epoch: int, first_step: int, every: int) -> Iterator[Dispatch]:
        """Take the steps of an epoch from one on, a dispatch when one is asked for."""
        feed, rates, step = self._feeds["train"], self._rates(epoch), first_step
        for batch in feed.train_batches(epoch, first_step):
            steps = batch.position.shape[1]
            hyper = Hyper(*(h[:, step : step + steps] for h in rates))
            due = every > 0 and (step + steps) // every > step // every
            step += steps
            result = self._ensemble.train(feed.data, batch.inputs, hyper)
            yield Dispatch("train", batch.position, result, due and step < feed.plan.steps)

    def _judge(self, split: str) -> Iterator[Dispatch]:
        """Judge every example of a split once, a dispatch when one is asked for."""
        feed = self._feeds[split]
        for batch in feed.eval_batches():
            result = self._ensemble.evaluate(feed.data, batch.inputs)
            yield Dispatch(split, batch.position, result)

    def _rates(self, epoch: int) -> Hyper:
        """Hyperparameters of each member and step of the epoch, float32 [K, steps]."""
        config, steps = self._config, self._feeds["train"].plan.steps
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


class _Gathering:
    """What an epoch has given so far.

    Parameters
    ----------
    splits : mapping of str to Split
    members : int
    start : Midway, optional
        To go on from.
    online : bool
        Whether the train split is judged by the training.
    """

    def __init__(
        self, splits: Mapping[str, Split], members: int, start: Midway | None, *, online: bool
    ) -> None:
        of_train = dict(start.gathered) if start else {}
        self.step = start.step if start else 0
        self._online = online
        self._loss = of_train.pop("loss", np.zeros(members)).copy()
        self._assemblies = {
            name: EpochAssembly(split.id, members, of_train if name == "train" else None)
            for name, split in splits.items()
        }

    def put(self, dispatch: Dispatch, outcome: Any) -> int:
        """Add what a dispatch gave; how many training steps it was."""
        index, steps = dispatch.position, 0
        if isinstance(outcome, Trained):
            steps = index.shape[1]
            self._loss += outcome.loss.astype(np.float64).sum(1) * index.shape[2]
            self.step += steps
            outcome = outcome.outcome
        if outcome is not None:
            by_row = index.reshape(*index.shape[:-2], -1)
            self._assemblies[dispatch.split].put(by_row, by_example(outcome))
        return steps

    @property
    def complete(self) -> bool:
        """Whether every example of every split has been judged."""
        return all(assembly.complete for assembly in self._assemblies.values())

    def midway(self) -> Midway:
        """A copy, of what the training gave."""
        seen = self._assemblies["train"].gathered if self._online else {}
        return Midway(self.step, {"loss": self._loss.copy(), **seen})

    def finish(self, trained: int) -> Fields:
        """The record's variables, after training on so many examples."""
        fields = {name: assembly.finish() for name, assembly in self._assemblies.items()}
        mean = self._loss / trained if trained else np.full_like(self._loss, np.nan)
        fields["train"]["loss"] = mean
        return fields


def _ahead(begun: Iterable[Dispatch], stopping: Callable[[], bool]) -> Iterator[Dispatch]:
    """The same dispatches in order, each when two more have been begun, or none may be.

    So the device always has a dispatch waiting, and the host never runs far ahead of it. Where all
    is to be kept, or the run is to stop, what has been begun is given first.
    """
    in_flight: collections.deque[Dispatch] = collections.deque()
    for dispatch in begun:
        in_flight.append(dispatch)
        stopped = stopping()
        while len(in_flight) > (0 if stopped or dispatch.kept else 2):
            yield in_flight.popleft()
        if stopped:
            return
    yield from in_flight
