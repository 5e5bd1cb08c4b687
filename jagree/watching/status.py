"""``--status``: where runs stand, printed."""

from __future__ import annotations

import datetime
import functools
import itertools
import math
import re
import sys
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, TypeVar

from jagree.errors import UsageError
from jagree.paths import as_path
from jagree.watching.numbers import SplitNumbers
from jagree.watching.standing import GONE, Standing, standing, tells_damage
from jagree.words import counted, duration, enumeration, moment

T = TypeVar("T")
U = TypeVar("U")

SETTLED, UNSETTLED, WRONG_USE = 0, 3, 2  # exit codes

_HINTS = {
    GONE: "whoever trained was killed; the same command goes on",
    "interrupted": "the same command goes on",
    "preempted": "the same command goes on",
    "failed": "mend what the last invocation says; the same command then goes on",
    "starting": "data are read, or programs made",
}


def tell(paths: Sequence[str], now: datetime.datetime | None = None) -> int:
    """Print where runs stand.

    Parameters
    ----------
    paths : sequence of str
        Run folders, and folders of run folders.
    now : datetime, optional
        With a time zone.

    Returns
    -------
    int
        Exit code: 0 if each run is complete or a process is at work in it, 3 if some is neither,
        2 if some path is no run or cannot be read (said on standard error).
    """
    now = now or datetime.datetime.now(datetime.UTC)
    wrong: list[str] = []
    given = [_attempted(run_folders, path, wrong) or [] for path in paths]
    folders = dict.fromkeys(itertools.chain.from_iterable(given))
    runs = [_attempted(functools.partial(standing, now=now), path, wrong) for path in folders]
    found = [run for run in runs if run is not None]
    if len(found) == 1:
        lines = _attempted(functools.partial(_details, now=now), found[0], wrong) or []
    else:
        lines = list(table(found)) if found else []
    print("\n".join(lines), end="\n" * bool(lines))
    for message in wrong:
        print(f"jagree: {message}", file=sys.stderr)
    if wrong:
        return WRONG_USE
    return SETTLED if all(run.settled for run in found) else UNSETTLED


def _attempted(function: Callable[[T], U], argument: T, wrong: list[str]) -> U | None:
    """What the function gives; None where it is a mistake, which is noted."""
    try:
        return function(argument)
    except UsageError as error:
        wrong.append(str(error))
        return None


def _details(run: Standing, now: datetime.datetime) -> list[str]:
    with tells_damage(run.folder):
        return list(details(run, now))


def run_folders(path: str | Path) -> list[Path]:
    """The folder itself if it holds a run, else the run folders in it, by name.

    Raises
    ------
    UsageError
        If there is none.
    """
    place = as_path(path)
    try:
        if (place / "run.json").exists():
            return [place]
        found = [p for p in place.iterdir() if (p / "run.json").exists()]
    except OSError as error:
        raise UsageError(
            f"cannot look into '{path}' ({error.strerror}); --status takes run folders, and "
            "folders of run folders"
        ) from error
    if not found:
        raise UsageError(
            f"'{path}' holds no run: there is no run.json in it, nor in a folder of it; --status "
            "takes run folders, and folders of run folders"
        )
    return sorted(found, key=lambda run: run.name)


def details(run: Standing, now: datetime.datetime) -> Iterator[str]:
    """Lines about one run."""
    about = run.folder.about
    hint = _HINTS.get(run.state, "")
    if run.state == "complete" and run.at_work:
        hint = "trained; a later stage is at work"
    doubt = " (whether a process is at work cannot be told here)" if run.at_work is None else ""
    yield f"{run.folder.path}: {run.state}{f' ({hint})' if hint else ''}{doubt}"
    yield _row("config", _what(about))
    yield _row("epochs", _epochs(run))
    if math.isfinite(run.seconds):
        yield _row("speed", _speed(run))
    if math.isfinite(run.left):
        end = now + datetime.timedelta(seconds=run.left)
        at = moment(end.isoformat(timespec="seconds").replace("+00:00", "Z"))
        yield _row("done", f"in about {duration(round(run.left))}, at {at}")
    if run.last:
        yield _row(f"epoch {run.last.epoch}", f"{_HEADER} (%)")
        for name, split in run.last.splits.items():
            yield _row(f"  {name}", _columns(split))
    if run.diverged:
        yield _row("diverged", enumeration(list(_diverged(run))))
    yield from _invocations(about["invocations"])


def _what(about: Mapping[str, Any]) -> str:
    config = about["config"]
    networks = [m["network"] for m in about.get("members", [])] or [config["network"]] * int(
        config["members"]
    )
    members = enumeration([f"{n} {network}" for network, n in Counter(networks).items()])
    data = about.get("data", {"name": config["data"]["name"]})
    sizes = [
        counted(part["examples"], f"{name} example")
        for name, part in data.items()
        if isinstance(part, dict)
    ]
    return f"{config['name']}: {members} on {data['name']}" + (
        f" ({enumeration(sizes)})" if sizes else ""
    )


def _epochs(run: Standing) -> str:
    parts = [f"{run.recorded} of {run.planned} recorded"]
    if math.isfinite(run.silent) and run.state != "complete":
        parts.append(f"the last {duration(round(run.silent))} ago")
    if run.checkpoint is not None:
        parts.append(f"newest checkpoint {_checkpoint(run)}")
    return ", ".join(parts)


def _checkpoint(run: Standing) -> str:
    """A number of steps, as epochs and the rest."""
    assert run.checkpoint is not None
    images, batch = _train_examples(run.folder.about), run.folder.about["config"]["batch_size"]
    if not images:
        return f"after {counted(run.checkpoint, 'step')}"
    epochs, rest = divmod(run.checkpoint, -(-images // batch))
    return f"of epoch {epochs}" + (f" and {counted(rest, 'step')}" if rest else "")


def _speed(run: Standing) -> str:
    images = run.folder.about["config"]["members"] * _train_examples(run.folder.about)
    told = f"{duration(run.seconds)} an epoch"
    return told + (f", {images / run.seconds:,.0f} images/s over all members" if images else "")


def _train_examples(about: Mapping[str, Any]) -> int:
    return int(about.get("data", {}).get("train", {}).get("examples", 0))


def _diverged(run: Standing) -> Iterator[str]:
    networks = {m["member"]: m["network"] for m in run.folder.about.get("members", [])}
    for member, epoch in sorted(run.diverged.items()):
        yield f"member {member} ({networks.get(member, '?')}) in epoch {epoch}"


def _invocations(invocations: Sequence[Mapping[str, Any]]) -> Iterator[str]:
    yield _row("started", counted(len(invocations), "time"))
    for call in invocations:
        parts = [moment(call["started"])]
        if "from_epoch" in call:
            ends = f"to {call['to_epoch']}" if "to_epoch" in call else "on"
            parts.append(f"from epoch {call['from_epoch']} {ends}")
        if call.get("train_seconds"):
            parts.append(f"{duration(call['train_seconds'])} of training")
        if call.get("device"):
            parts.append(f"on {call['device']}")
        parts.append(_end(call.get("outcome") or "no end noted"))
        yield _row("", "; ".join(parts))


def _end(outcome: str) -> str:
    """How an invocation ended; an exception's name that says its status again is left out."""
    told_once = re.sub(r"^(preempted|interrupted): (Preempted|KeyboardInterrupt)\b", r"\1", outcome)
    return told_once.rstrip(": ")


def _row(name: str, text: str) -> str:
    return f"  {name:<10}{text}".rstrip()


_HEADER = f"{'accuracy':>12}{'agreement':>11}{'chance':>8}"


def _columns(split: SplitNumbers) -> str:
    accuracy = f"{100 * split.accuracy_mean:.1f} ± {100 * split.accuracy_std:.1f}"
    return f"{accuracy:>12}{_percent(split.agreement):>11}{_percent(split.chance):>8}"


def _percent(fraction: float) -> str:
    return "-" if math.isnan(fraction) else f"{100 * fraction:.1f}"


def _names(runs: Sequence[Standing]) -> list[str]:
    """The names of the folders; where they do not tell them apart, the paths."""
    names = [run.folder.path.name for run in runs]
    return names if len(set(names)) == len(runs) else [str(run.folder.path) for run in runs]


def table(runs: Sequence[Standing]) -> Iterator[str]:
    """Lines about several runs: one each, with the numbers of the split "test" if there is one."""
    names = _names(runs)
    width = max(map(len, names))
    state = max(len(run.state) for run in runs)
    yield (
        f"{'run':<{width}}  {'state':<{state}}  {'epochs':>9}{_HEADER}  {'an epoch':>12}"
        f"  {'left':>12}  diverged"
    )
    for run, name in zip(runs, names, strict=True):
        numbers = " " * len(_HEADER)
        if run.last:
            splits = run.last.splits
            numbers = _columns(splits.get("test", splits[next(iter(splits))]))
        speed = duration(run.seconds) if math.isfinite(run.seconds) else ""
        left = duration(round(run.left)) if math.isfinite(run.left) else ""
        epochs = f"{run.recorded}/{run.planned}"
        diverged = ", ".join(str(member) for member in sorted(run.diverged))
        yield (
            f"{name:<{width}}  {run.state:<{state}}  {epochs:>9}{numbers}"
            f"  {speed:>12}  {left:>12}  {diverged}"
        ).rstrip()
    states = Counter(run.state for run in runs)
    yield f"{counted(len(runs), 'run')}: " + ", ".join(f"{n} {s}" for s, n in states.items())
