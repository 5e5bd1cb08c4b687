"""Where a run stands, read from its folder while the run may be going on; nothing is touched."""

from __future__ import annotations

import contextlib
import datetime
import math
import statistics
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

from jagree.errors import UsageError
from jagree.record import open_record
from jagree.runfolder import RunFolder
from jagree.watching.metrics import read
from jagree.watching.numbers import EpochNumbers, of_record

GONE = "process gone"
_LAST = 5  # epochs whose median is the speed


class Standing(NamedTuple):
    """Where a run stands."""

    folder: RunFolder
    state: str  # training, starting, complete, interrupted, failed, ..., or `GONE`
    at_work: bool | None  # whether a process is; None: it cannot be told
    recorded: int  # epochs, without the untrained networks' epoch 0
    planned: int
    last: EpochNumbers | None  # of the newest epoch whose numbers are known
    diverged: Mapping[int, int]  # member to the first epoch in which it was
    seconds: float  # of an epoch, the median of the last ones; nan: not known
    silent: float  # seconds since the last epoch was recorded; nan: not known
    left: float  # seconds to the end of training; nan: not known, or nobody is training
    checkpoint: int | None  # training steps taken at the newest one

    @property
    def settled(self) -> bool:
        """Whether nothing is to be done: the run is complete, or a process is at work."""
        at_work = self.state == "training" if self.at_work is None else self.at_work
        return self.state == "complete" or at_work


def standing(path: str | Path, now: datetime.datetime) -> Standing:
    """Where the run in a folder stands.

    Parameters
    ----------
    path : path
    now : datetime
        With a time zone.

    Raises
    ------
    UsageError
        If there is no run, or its run.json is damaged.
    """
    folder = RunFolder(path)
    if not folder.about:
        raise UsageError(f"'{path}' holds no run (no run.json); name the folder that --workdir was")
    with tells_damage(folder):
        return _standing(folder, now)


@contextlib.contextmanager
def tells_damage(folder: RunFolder) -> Iterator[None]:
    """Say of whatever is missing or of another kind in a run.json that the file is damaged."""
    try:
        yield
    except (KeyError, TypeError, ValueError, AttributeError, IndexError) as error:
        raise UsageError(
            f"'{folder.path / 'run.json'}' is damaged ({type(error).__name__}: {error}); put it "
            "right"
        ) from error


def _standing(folder: RunFolder, now: datetime.datetime) -> Standing:
    about, at_work = folder.about, folder.at_work
    recorded, planned = _recorded(folder), int(about["config"]["epochs"])
    known = [numbers for numbers in read(folder.metrics) if numbers.epoch <= recorded]
    if recorded and (not known or known[-1].epoch < recorded):
        known += _of_last(folder)
    seconds = _median([n.seconds for n in known if math.isfinite(n.seconds)][-_LAST:])
    silent = _silent(known, now)
    state = _state(about, at_work)
    left = math.nan
    if state == "training" and planned >= recorded:
        under_way = 0.0 if math.isnan(silent) else min(silent, seconds)
        left = (planned - recorded) * seconds - under_way
    return Standing(
        folder=folder,
        state=state,
        at_work=at_work,
        recorded=recorded,
        planned=planned,
        last=known[-1] if known else None,
        diverged={k: n.epoch for n in reversed(known) for k in n.diverged},
        seconds=seconds,
        silent=silent,
        left=max(left, 0.0) if math.isfinite(left) else math.nan,
        checkpoint=_checkpoint(folder),
    )


def _recorded(folder: RunFolder) -> int:
    """Epochs of training in the record, by its own word, or else by that of run.json."""
    committed = folder.committed
    if committed is None:
        return int(folder.about.get("epochs_recorded", 0))
    return max(0, committed - bool(folder.about["config"]["recording"]["untrained"]))


def _of_last(folder: RunFolder) -> Sequence[EpochNumbers]:
    """The newest epoch's numbers, from the record: a run of an older version has no other."""
    try:
        return [of_record(open_record(folder.record), -1)]
    except UsageError:  # damaged; whoever studies it is told
        return []


def _state(about: Mapping[str, Any], at_work: bool | None) -> str:
    status = str(about["status"])
    if at_work is None or status == "complete":
        return status
    if at_work:
        return "training" if status == "training" else "starting"
    if status == "new":  # who only measured images has ended in order
        return "not trained" if about["invocations"][-1]["ended"] else GONE
    return GONE if status == "training" else status


def _silent(known: Sequence[EpochNumbers], now: datetime.datetime) -> float:
    if not known or not known[-1].time:
        return math.nan
    return max(0.0, (now - datetime.datetime.fromisoformat(known[-1].time)).total_seconds())


def _median(values: Sequence[float]) -> float:
    return statistics.median(values) if values else math.nan


def _checkpoint(folder: RunFolder) -> int | None:
    found = [int(path.name) for path in folder.checkpoints.glob("[0-9]*") if path.name.isdigit()]
    return max(found, default=None)
