"""What a person at the terminal sees while a run goes on."""

from __future__ import annotations

import sys
import time
from collections import Counter
from collections.abc import Mapping
from typing import TYPE_CHECKING

import numpy as np
from ml_collections import ConfigDict
from tqdm import tqdm

from jagree import data
from jagree.config import per_member
from jagree.data.split import Split
from jagree.record.correctness import RULES
from jagree.words import counted, duration, enumeration, size

if TYPE_CHECKING:  # training is imported by main alone, and late
    from jagree.training.loop import Compiled, Fields, Plan


def say(text: str) -> None:
    """One line, at once, above the progress bar if there is one."""
    tqdm.write(text, file=sys.stdout)
    sys.stdout.flush()


class Console:
    """Listens to a training run (`jagree.training.loop.Listener`) and prints how it goes.

    Parameters
    ----------
    config : ConfigDict
    splits : mapping of str to Split
    correctness : str
        The rule by which a prediction is right.
    """

    def __init__(self, config: ConfigDict, splits: Mapping[str, Split], correctness: str) -> None:
        self._config = config
        self._splits = splits
        self._right = RULES[correctness]
        self._diverged: set[int] = set()
        self._bar: tqdm | None = None
        self._bar_epoch = 0
        self._preparing: tqdm | None = None
        self._images_prepared = 0
        self._clock: float | None = None
        self._said_estimate = False
        self._steps_timed = 0
        self._plan: Plan
        self.train_seconds = 0.0

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
        say(
            f"{resumed}{counted(todo, 'epoch')} of {counted(plan.steps, 'step')}, batch "
            f"{config.batch_size}\n"
            f"engine {plan.engine} on {plan.device}: {plan.reason}\n"
            f"{precision}"
            f"feed {plan.feed}: {plan.feed_reason}\n"
            f"compiling the steps of {enumeration(list(plan.parameters))}"
            f"{f' ({plan.programs})' if plan.programs else ''} ..."
        )

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

    def recorded(self, epoch: int, fields: Fields, seconds: float) -> None:
        """One line per epoch, and a line for each member that has just diverged."""
        self._close_bar(epoch)
        if not self.train_seconds:
            say(self._header())
        self.train_seconds += seconds
        columns = [f"{epoch:>4}/{self._config.epochs:<4}"]
        for name, split in self._splits.items():
            columns.append(_numbers(self._right(fields[name]["prediction"], split.label)))
        self._said_estimate = True
        columns.append(f"{seconds:6.1f} s")
        if self._plan.first_epoch < epoch < self._config.epochs:  # the first begins slowly
            left = (self._config.epochs - epoch) * seconds
            columns[-1] += f", {duration(round(left))} left"
        say("  ".join(columns))
        self._name_diverged(epoch, fields)

    def finishing(self, epoch: int) -> None:
        """Say what is waited for after Ctrl-C."""
        say(f"writing what is finished of epoch {epoch} ...; Ctrl-C once more ends at once")

    def _close_bar(self, epoch: int) -> None:
        """Take away the bar of an epoch up to this one; a later one's stays, and goes on."""
        if self._bar is not None and self._bar_epoch <= epoch:
            self._bar.close()
            self._bar = None

    def _header(self) -> str:
        names = "".join(f"  {name + ' (%)':<30}" for name in self._splits)
        kinds = f"  {'accuracy':>12}{'agreement':>11}{'chance':>7}" * len(self._splits)
        return f"{'':9}{names}\n{'epoch':>9}{kinds}"

    def _name_diverged(self, epoch: int, fields: Fields) -> None:
        bad = (epoch > 0) & ~np.isfinite(fields["train"]["loss"])
        for split in fields.values():
            prediction = split["prediction"]
            bad |= (prediction == -1).any(axis=tuple(range(1, prediction.ndim)))
        for member in sorted(set(np.flatnonzero(bad).tolist()) - self._diverged):
            self._diverged.add(member)
            network = per_member(self._config, "network")[member]
            say(
                f"member {member} ({network}) diverged in epoch {epoch}: its loss is "
                "not finite; it stays in the record, the other members are not affected"
            )


def _numbers(correct: np.ndarray) -> str:
    """Accuracy with its deviation, agreement and chance, in percent, for the table of epochs."""
    from jagree.study import agreement, chance_agreement

    accuracy = f"{100 * agreement.accuracy_mean(correct):.1f}"
    deviation = f"{100 * agreement.accuracy_std(correct):.1f}"
    agreed = 100 * agreement.true_positive_agreement(correct)
    chance = 100 * chance_agreement(correct)
    return f"{accuracy + ' ± ' + deviation:>12}{agreed:>11.1f}{chance:>7.1f}"
