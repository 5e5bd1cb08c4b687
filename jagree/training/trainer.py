"""What a run trains with: networks, feeds and an engine that fits into memory, all compiled."""

import itertools
import time
from collections.abc import Mapping

import flax.linen as nn
import jax
from ml_collections import ConfigDict

from jagree import pool, registry
from jagree.config import per_member, task_name
from jagree.data.frames import prepare
from jagree.data.split import Split
from jagree.training.compilation import keep_programs
from jagree.training.engines import at_once
from jagree.training.ensemble import Ensemble, choose_engine
from jagree.training.epochs import Epochs
from jagree.training.feeds import (
    choose_feed,
    common_shape,
    eval_shapes,
    make_feeds,
    train_shapes,
)
from jagree.training.groups import Groups, group_members
from jagree.training.listener import Compiled, Listener, Plan
from jagree.training.memory import (
    COMPILER_TOO_LARGE,
    Capacity,
    Need,
    bytes_of,
    capacity,
    is_shortage,
    need,
    refusal,
    too_large,
)
from jagree.training.mesh import Placement, choose_mesh, spare
from jagree.training.precision import PRECISIONS, note
from jagree.training.state import check_shape, fresh_members, member_shape, parameter_count
from jagree.training.steps import Learner
from jagree.training.tasks import outcome_shapes
from jagree.training.together import of_first


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
        # Before anything is there; of the first process, for all have to choose alike.
        self._memory = Capacity(*of_first(capacity()))
        train = splits["train"]
        backend = jax.default_backend()
        self._engine, self._reason = choose_engine(config.training.engine, backend)
        self._members = group_members(per_member(config, "network"))
        of_network = [len(members) for members in self._members.values()]
        devices, processes = jax.device_count(), jax.process_count()
        shape = choose_mesh(
            config.training.mesh,
            of_network,
            devices,
            batch_size=config.batch_size,
            processes=processes,
        )
        self._placement, self._spare = Placement(shape), spare(shape, of_network, devices)
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
        self._like = {name: member_shape(net, optimizer, self._shape) for name, net in made.items()}
        outcome = outcome_shapes(task, len(train.class_names), multi_label=train.multi_label)
        self._recorded = config.members * bytes_of(outcome) * sum(map(len, splits.values()))
        self.ensemble = self._lift()
        self._feed, self._feed_reason = choose_feed(config.training.feed, frames, self._memory)
        own = self._placement.own(self._members.values()) if processes > 1 else None
        self.feeds = make_feeds(config, splits, frames, self._feed, backend, self._placement, own)

    def plan(self, first_epoch: int) -> Plan:
        """What training from that epoch on means."""
        return Plan(
            parameters={name: parameter_count(like) for name, like in self._like.items()},
            image_shape=self._shape,
            engine=self._engine,
            reason=self._reason,
            feed=self._feed,
            feed_reason=self._feed_reason,
            device=self._device(),
            mesh=str(self._placement.shape) if self._placement.mesh is not None else "",
            spare=self._spare,
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
                placement=self._placement,
            )
            for (name, learner), first in zip(self._learners.items(), before, strict=False)
        }
        return Groups(ensembles, self._members, self._placement)

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
                alone = jax.process_count() == 1  # the others do not know
                if not (is_shortage(error) and alone and self._exchange(COMPILER_TOO_LARGE)):
                    raise
                continue
            if needed is None or usable is None or needed.total <= usable:
                return needed
            needs[self._engine] = needed
            if not self._exchange(too_large(self._engine, needed, self._memory)):
                raise refusal(needs, self._memory, config)

    def _least(self) -> int:
        """Bytes that the run needs whatever its programs are: states, predictions, their copies."""
        rows = self._placement.shape.rows
        states = sum(
            bytes_of(like) * -(-len(self._members[name]) // rows)
            for name, like in self._like.items()
        )
        if not self._memory.is_main:
            return states
        return states * (self._devices_in_memory() + rows) + 2 * self._recorded

    def _devices_in_memory(self) -> int:
        """How many of the run's devices share the memory: those of a CPU that poses as several."""
        rows, columns = self._placement.shape
        return rows * columns // jax.process_count() if self._memory.is_main else 1

    def _takes_turns(self) -> bool:
        return self._engine == "loop" and self._placement.mesh is None

    @staticmethod
    def _device() -> str:
        """The devices, and of how many processes, in a few words."""
        devices, processes = jax.devices(), jax.process_count()
        of = f" of {processes} processes" if processes > 1 else ""
        return f"{len(devices)} x {devices[0].device_kind}{of}"

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
            at_once=at_once(self._config.members) if self._takes_turns() else 1,
            recorded=self._recorded,
            devices=self._devices_in_memory(),
        )

    def close(self) -> None:
        """Let go of what the feeds hold."""
        for feed in self.feeds.values():
            feed.close()

    def epochs(self) -> Epochs:
        """What trains and judges the members, once `begin` has made them."""
        return Epochs(self._config, self._splits, self.ensemble, self.feeds)
