"""All who watch a run, told from one place."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING

from jagree.runfolder import now
from jagree.watching.numbers import EpochNumbers, Labelled, measured

if TYPE_CHECKING:  # training is imported by main alone, and late
    from jagree.training.listener import Compiled, Fields, Plan


class Watcher:
    """Is told how a run goes, and by itself does nothing with it.

    Attributes
    ----------
    file : str
        What it keeps, if that is a file that a run can do without: when writing it fails, training
        goes on. "" if it must not fail.
    """

    file = ""

    def prepared(self, split: str, images: int, of: int) -> None:
        """So many more images of a split have been decoded and resized, of so many."""

    def damaged(self, text: str) -> None:
        """A checkpoint was found damaged: which, why, and where the run goes on; a sentence."""

    def planned(self, plan: Plan) -> None:
        """Called once, before anything is compiled."""

    def began(self, past: Sequence[EpochNumbers]) -> None:
        """Called once, before the first `recorded`: the epochs that the run went on after."""

    def compiled(self, compiled: Compiled) -> None:
        """Called once, when all is compiled and has been found to fit into memory."""

    def stepped(self, epoch: int, steps: int) -> None:
        """So many training steps of the epoch have been finished since the last call."""

    def recorded(self, numbers: EpochNumbers) -> None:
        """The epoch is recorded and saved."""

    def finishing(self, epoch: int) -> None:
        """The run was interrupted, and the epoch is still being written; the run waits for it."""

    def troubled(self, text: str) -> None:
        """A file that the run can do without could not be written."""


class Audience:
    """Listens to a training run (`jagree.training.listener.Listener`) for all who watch it.

    Parameters
    ----------
    watchers : sequence of Watcher
    splits : mapping of str to Labelled
    correctness : str
        The rule by which a prediction is right.
    history : callable
        Gives the numbers of the recorded epochs before one, or of all (None). Called once, and
        late: a run may find that its newest checkpoint is damaged, and go on after an earlier one.
    """

    def __init__(
        self,
        watchers: Sequence[Watcher],
        splits: Mapping[str, Labelled],
        correctness: str,
        history: Callable[[int | None], Sequence[EpochNumbers]],
    ) -> None:
        self._watchers = watchers
        self._splits, self._correctness = splits, correctness
        self._history = history
        self._began = False
        self._troubled: set[str] = set()

    def prepared(self, split: str, images: int, of: int) -> None:
        """Tell of images that were decoded and resized."""
        self._tell(lambda watcher: watcher.prepared(split, images, of))

    def damaged(self, text: str) -> None:
        """Tell of a damaged checkpoint."""
        self._tell(lambda watcher: watcher.damaged(text))

    def planned(self, plan: Plan) -> None:
        """Tell what is about to be done."""
        self._tell(lambda watcher: watcher.planned(plan))

    def compiled(self, compiled: Compiled) -> None:
        """Tell what the programs came to."""
        self._tell(lambda watcher: watcher.compiled(compiled))

    def stepped(self, epoch: int, steps: int) -> None:
        """Tell of training steps."""
        self._tell(lambda watcher: watcher.stepped(epoch, steps))

    def recorded(self, epoch: int, fields: Fields, seconds: float) -> None:
        """Take the numbers of an epoch and tell them."""
        self._begin(epoch)
        numbers = measured(
            epoch, fields, self._splits, self._correctness, time=now(), seconds=round(seconds, 3)
        )
        self._tell(lambda watcher: watcher.recorded(numbers))

    def finishing(self, epoch: int) -> None:
        """Tell what is waited for."""
        self._tell(lambda watcher: watcher.finishing(epoch))

    def finished(self) -> None:
        """Training is over; nothing was left of it, perhaps."""
        self._begin(None)

    def _begin(self, before: int | None) -> None:
        if not self._began:
            self._began = True
            past = self._history(before)
            self._tell(lambda watcher: watcher.began(past))

    def _tell(self, call: Callable[[Watcher], None]) -> None:
        for watcher in self._watchers:
            try:
                call(watcher)
            except OSError as error:
                if not watcher.file:
                    raise
                self._say_trouble(watcher.file, error)

    def _say_trouble(self, file: str, error: OSError) -> None:
        """Say it once; each epoch is tried again, and may fail again."""
        if file in self._troubled:
            return
        self._troubled.add(file)
        for watcher in self._watchers:
            watcher.troubled(
                f"cannot write {file} ({error.strerror or error}); training goes on, and after "
                "each epoch this is tried again"
            )
