"""What a person at the terminal sees while a run goes on."""

from __future__ import annotations

import sys
import time
from collections import Counter
from collections.abc import Mapping
from typing import TYPE_CHECKING

from ml_collections import ConfigDict
from tqdm import tqdm

from jagree import data
from jagree.config import per_member
from jagree.data.split import Split
from jagree.watching.audience import Watcher
from jagree.watching.numbers import EpochNumbers, SplitNumbers
from jagree.words import counted, duration, enumeration, size

if TYPE_CHECKING:  # training is imported by main alone, and late
    from jagree.training.listener import Compiled, Plan


def say(text: str) -> None:
    """One line, at once, above the progress bar if there is one."""
    tqdm.write(text, file=sys.stdout)
    sys.stdout.flush()


class Console(Watcher):
    """Prints how a training run goes.

    Parameters
    ----------
    config : ConfigDict
    splits : mapping of str to Split
    """

    def __init__(self, config: ConfigDict, splits: Mapping[str, Split]) -> None:
        self._config = config
        self._splits = splits
        self._diverged: set[int] = set()
        self._bar: tqdm | None = None
        self._bar_epoch = 0
        self._preparing: tqdm | None = None
        self._images_prepared = 0
        self._clock: float | None = None
        self._said_estimate = False
        self._steps_timed = 0
        self._said_header = False
        self._plan: Plan

    def prepared(self, split: str, images: int, of: int) -> None:
        """Move the bar of the images that are decoded and resized before training."""
        if self._preparing is None:
            say(f"preparing {counted(of, f'{split} image')}, once for all runs ...")
            self._preparing = self._new_bar(of, f"preparing {split}", "image")
        self._preparing.update(images)
        self._images_prepared += images
        if self._images_prepared == of:
            self._preparing.close()
            self._preparing, self._images_prepared = None, 0

    def damaged(self, text: str) -> None:
        """Say which checkpoint is damaged, and what becomes of it."""
        say(text)

    def planned(self, plan: Plan) -> None:
        """Say what will be done."""
        self._plan = plan
        config, train = self._config, self._splits["train"]
        say(
            f"{self._members()} on {data.name(config.data)}: {len(train):,} train and "
            f"{counted(len(self._splits['test']), 'test image')}, seen at "
            f"{plan.image_shape[0]}x{plan.image_shape[1]}"
        )
        for name, split in self._splits.items():
            for note in split.notes:
                say(f"  {name}: {note}")
        todo = plan.last_epoch - plan.first_epoch + 1
        done = plan.first_epoch - 1
        precision = f"precision {config.precision}: {plan.precision}\n" if plan.precision else ""
        resumed = f"goes on after epoch {done} of {plan.last_epoch}: " if done else ""
        if plan.first_step:
            where = f"epoch {plan.first_epoch} of {plan.last_epoch}"
            resumed = f"goes on in {where} at step {plan.first_step} of {plan.steps}: "
        say(
            f"{resumed}{counted(todo, 'epoch')} of {counted(plan.steps, 'step')}, batch "
            f"{config.batch_size}\n"
            f"engine {plan.engine} on {plan.device}: {plan.reason}\n"
            f"{self._mesh()}"
            f"{precision}"
            f"feed {plan.feed}: {plan.feed_reason}\n"
            f"compiling the steps of {enumeration(list(plan.parameters))}"
            f"{f' ({plan.programs})' if plan.programs else ''} ..."
        )

    def _mesh(self) -> str:
        """Where members and batches are, and what the other devices could do; lines."""
        plan, lines = self._plan, ""
        if plan.mesh:
            rows, columns = plan.mesh.split("x")
            split = f", each batch over {columns} columns of them" if columns != "1" else ""
            over = f"{counted(int(rows), 'row')} of devices"
            lines = f"mesh {plan.mesh}: members over {over}{split}\n"
        if plan.spare:
            lines += f"{plan.spare}; --config.training.mesh=ROWSxPARTS splits batches as well\n"
        return lines

    def compiled(self, compiled: Compiled) -> None:
        """Say how long it took, what memory is needed, and if the engine is another for that."""
        if compiled.engine != self._plan.engine:
            say(f"engine {compiled.engine} in its place: {compiled.reason}")
        line = f"compiled {counted(compiled.programs, 'program')} in {duration(compiled.seconds)}"
        if compiled.need is not None:
            free, where = compiled.memory.free, compiled.memory.where
            of = "" if free is None else f" of the {size(free)} free in {where}"
            each = size(compiled.need.each)
            line += f"; memory: up to {size(compiled.need.total)}{of}, {each} for each network"
        say(line)

    def _members(self) -> str:
        counts = Counter(per_member(self._config, "network"))
        return enumeration(
            [
                f"{count} {name} ({self._plan.parameters[name]:,} parameters"
                + (" each)" if count > 1 else ")")
                for name, count in counts.items()
            ]
        )

    def stepped(self, epoch: int, steps: int) -> None:
        """Move the bar; after the first steps, say how long it will take."""
        now = time.monotonic()
        self._close_bar(epoch - 1)
        if self._bar is None:
            self._bar_epoch = epoch
            title = f"epoch {epoch}/{self._config.epochs}"
            self._bar = self._new_bar(self._plan.steps, title, "step")
            if epoch == self._plan.first_epoch:
                self._bar.update(self._plan.first_step)
        self._bar.update(steps)
        if self._said_estimate:
            return
        if self._clock is None:  # nobody knows when the first dispatch began
            self._clock = now
            return
        self._steps_timed += steps
        elapsed = now - self._clock
        if elapsed > 3.0:  # shorter epochs are over, and their lines say what is left
            self._said_estimate = True
            self._estimate(elapsed / self._steps_timed)

    @staticmethod
    def _new_bar(total: int, description: str, unit: str) -> tqdm:
        hidden = not sys.stderr.isatty()
        return tqdm(total=total, desc=description, unit=unit, leave=False, disable=hidden)

    def _estimate(self, per_step: float) -> None:
        config, plan = self._config, self._plan
        images = config.members * config.batch_size / per_step
        # A judged image costs 0.4 of a trained one (LeNet5 on a CPU): forward without backward.
        train = len(self._splits["train"])
        judged = len(self._splits["test"]) + (train if config.recording.mode == "epoch_end" else 0)
        epochs = plan.last_epoch - plan.first_epoch + 1
        seconds = per_step * plan.steps * (1 + 0.4 * judged / train) * epochs
        say(f"{images:,.0f} images/s over all members; about {duration(round(seconds))} to go")

    def recorded(self, numbers: EpochNumbers) -> None:
        """One line per epoch, and a line for each member that has just diverged."""
        epoch, seconds = numbers.epoch, numbers.seconds
        self._close_bar(epoch)
        if not self._said_header:
            say(self._header())
            self._said_header = True
        columns = [f"{epoch:>4}/{self._config.epochs:<4}"]
        columns += [columns_of(split) for split in numbers.splits.values()]
        self._said_estimate = True
        columns.append(f"{seconds:6.1f} s")
        if self._plan.first_epoch < epoch < self._config.epochs:  # the first begins slowly
            left = (self._config.epochs - epoch) * seconds
            columns[-1] += f", {duration(round(left))} left"
        say("  ".join(columns))
        self._name_diverged(numbers)

    def finishing(self, epoch: int) -> None:
        """Say what is waited for after Ctrl-C."""
        say(f"writing what is finished of epoch {epoch} ...; Ctrl-C once more ends at once")

    def troubled(self, text: str) -> None:
        """Say what could not be written."""
        say(text)

    def _close_bar(self, epoch: int) -> None:
        """Take away the bar of an epoch up to this one; a later one's stays, and goes on."""
        if self._bar is not None and self._bar_epoch <= epoch:
            self._bar.close()
            self._bar = None

    def _header(self) -> str:
        names = "".join(f"  {name + ' (%)':<30}" for name in self._splits)
        kinds = f"  {'accuracy':>12}{'agreement':>11}{'chance':>7}" * len(self._splits)
        return f"{'':9}{names}\n{'epoch':>9}{kinds}"

    def _name_diverged(self, numbers: EpochNumbers) -> None:
        for member in sorted(set(numbers.diverged) - self._diverged):
            self._diverged.add(member)
            network = per_member(self._config, "network")[member]
            say(
                f"member {member} ({network}) diverged in epoch {numbers.epoch}: its loss is "
                "not finite; it stays in the record, the other members are not affected"
            )


def columns_of(split: SplitNumbers) -> str:
    """Accuracy with its deviation, agreement and chance, in percent, for a table of epochs."""
    accuracy = f"{100 * split.accuracy_mean:.1f} ± {100 * split.accuracy_std:.1f}"
    return f"{accuracy:>12}{100 * split.agreement:>11.1f}{100 * split.chance:>7.1f}"
