"""The stages of a run, each starting from what the one before left in the run folder."""

from __future__ import annotations

import errno
import tempfile
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from ml_collections import ConfigDict

from jagree import analysis, data, preemption, processes
from jagree import config as rules
from jagree.console import Console, say
from jagree.data.noise import with_label_noise
from jagree.data.split import Split
from jagree.errors import UsageError
from jagree.paths import beside, is_remote, remove_folder
from jagree.processes import Processes
from jagree.runfolder import RunFolder, host
from jagree.watching.audience import Audience, Watcher
from jagree.watching.metrics import MetricsFile, history
from jagree.watching.numbers import EpochNumbers
from jagree.watching.tensorboard import TensorBoardFile
from jagree.words import counted, duration, enumeration

if TYPE_CHECKING:  # imported where it is needed, and late
    from jagree.training.listener import Compiled, Plan

STAGES = {
    "train": "train the networks and record what they predict",
    "statistics": "measure the images",
    "study": "agreement, order of learning and statistics as tables and figures",
    "report": "all of it on one page, report.html",
}


@preemption.noticed()
def run(
    config: ConfigDict,
    workdir: str | Path,
    stages: Sequence[str],
    command: str,
    together: Processes | None = None,
) -> int:
    """Run the stages, in their natural order, in one run folder.

    Parameters
    ----------
    config : ConfigDict
    workdir : path
        Created if need be; a run that is there is continued.
    stages : sequence of str
        Any of `STAGES`.
    command : str
        Noted in the run folder.
    together : Processes, optional
        Of a run of several, each of which calls this. The first does all that is not training, and
        it alone reads and writes the run folder.

    Returns
    -------
    int
        Images that could not be measured; they have been named.

    Raises
    ------
    UsageError
        Before anything is written, if something is wrong that can be known by then.
    Preempted
        On SIGTERM, if this is the main thread: as soon as all is saved.
    """
    check_stages(stages)
    rules.check(config)
    if together is not None:
        if "train" not in stages:
            raise UsageError("several processes are of use to the stage 'train' alone; name it")
        if not processes.join(together):
            follow(config, workdir)
            return 0
    folder = RunFolder(workdir)
    folder.check_config(config.to_dict())
    splits: Mapping[str, Split] = {}
    if {"train", "statistics"} & set(stages):
        splits = data.load(config.data, data.cache_folder(config.data, folder.path))
    if "train" in stages:
        _check_checkpoints(folder)
        rules.check_against_data(config, len(splits["train"]))
        if config.data.crop:  # what can be known now is said now, not after hours of preparing
            from jagree.training.trainer import make_networks

            make_networks(config, classes=len(splits["train"].class_names))
        splits = with_noise(config, splits)
    late = [stage for stage in stages if stage in ("study", "report")]
    if late and "train" not in stages and not folder.record.exists():
        raise UsageError(f"'{folder.path}' holds no run yet; start with the stage 'train'")
    folder.begin(config.to_dict(), command)
    folder.note(stages=list(stages))
    failed = 0
    try:
        if "statistics" in stages:  # known before hours of training are over
            _make_store(config, folder, splits)
        if "train" in stages:
            train(config, splits, folder)
        if "statistics" in stages:
            failed = measure(config, splits, folder)
        analysis.analyse(folder.path, folder.about, splits, late)
    except BaseException as error:
        _note_end(folder, error)
        if isinstance(error, OSError) and error.errno in (errno.ENOSPC, errno.EDQUOT):
            raise UsageError(
                f"the disk is full ({error.strerror}); {_recorded(folder)}: make room, and the "
                "same command goes on"
            ) from error
        raise
    folder.end(outcome=f"done, but for {counted(failed, 'image')}" if failed else "done")
    return failed


def follow(config: ConfigDict, workdir: str | Path) -> None:
    """Train with the first process of a run, which does all the rest.

    Parameters
    ----------
    config : ConfigDict
    workdir : path
        Of the first process's run; prepared images are looked for, and kept, beside it.
    """
    from jagree.training import loop
    from jagree.training.together import Silence, check_alike, of_first

    splits = data.load(config.data, data.cache_folder(config.data, workdir))
    rules.check_against_data(config, len(splits["train"]))
    splits = with_noise(config, splits)
    check_alike(config, splits)
    if of_first(None):
        processes.leave()
        return
    loop.train(config, splits, None, None, Silence(), processes.deferred)
    if processes.leave():
        raise preemption.Preempted


def with_noise(config: ConfigDict, splits: Mapping[str, Split]) -> dict[str, Split]:
    """The splits with the labels that the members are to be trained (and tested) on."""
    rates = rules.per_member(config, "label_noise")
    noisy = ("train", "test") if config.data.test_label_noise else ("train",)
    return {
        name: with_label_noise(split, rates, config.data.seed) if name in noisy else split
        for name, split in splits.items()
    }


def _store_folder(config: ConfigDict, folder: RunFolder) -> Path:
    return Path(config.statistics.dir or beside(folder.path, "statistics"))


def _check_checkpoints(folder: RunFolder) -> None:
    """Refuse a place that Orbax, which writes by itself, would take for a local folder."""
    place = folder.checkpoints
    if is_remote(place) and not str(place).startswith("gs://"):
        raise UsageError(
            f"checkpoints cannot be written to '{place}'; train with a --workdir that is a folder, "
            "or gs://bucket/..., and copy the run"
        )


def _make_store(config: ConfigDict, folder: RunFolder, splits: Mapping[str, Split]) -> None:
    """Where image statistics are kept; one that is complete may be read-only."""
    from jagree.statistics.store import Store
    from jagree.statistics.table import is_complete

    kept = _store_folder(config, folder)
    stores = [Store(kept, data.name(config.data), split) for split in splits.values()]
    try:
        for store in stores:
            if not is_complete(store, config.statistics):
                store.folder.mkdir(parents=True, exist_ok=True)
                with tempfile.TemporaryFile(dir=store.folder):
                    pass
    except OSError as error:
        raise UsageError(
            f"cannot keep image statistics in '{kept}' ({error.strerror}); choose another folder "
            "by --config.statistics.dir"
        ) from error


def check_stages(stages: Sequence[str]) -> None:
    """Raise a UsageError unless all names are those of stages."""
    for stage in stages:
        if stage not in STAGES:
            raise UsageError(f"unknown stage '{stage}'; known: {', '.join(STAGES)}")
    if not stages:
        raise UsageError(f"no stage to run; choose from {', '.join(STAGES)}")


def _note_end(folder: RunFolder, error: BaseException) -> None:
    status = "interrupted" if isinstance(error, KeyboardInterrupt) else "failed"
    if isinstance(error, preemption.Preempted):
        status = "preempted"
    try:
        if not folder.complete:
            folder.update(status=status)
        folder.end(outcome=f"{status}: {type(error).__name__}: {error}")
    except OSError:  # a full disk, say: the error that brought us here matters more
        pass


def _recorded(folder: RunFolder) -> str:
    """What of a run is safe, in a clause."""
    from jagree.record import open_record

    try:
        epochs = next(iter(open_record(folder.record).values()))["epoch"].values.tolist()
    except UsageError:  # not even the empty record was made
        epochs = []
    if not epochs:
        return "nothing was recorded yet"
    return f"the record '{folder.record}' is whole up to epoch {epochs[-1]}"


def train(config: ConfigDict, splits: Mapping[str, Split], folder: RunFolder) -> None:
    """Train and record what is not yet trained and recorded."""
    from jagree import registry
    from jagree.record import RecordWriter, is_debris
    from jagree.training import loop
    from jagree.training.checkpoint import Checkpoints
    from jagree.training.together import check_alike, of_first

    name = rules.task_name(config, multi_label=splits["train"].multi_label)
    task = registry.load("task", name)
    if folder.record.exists() and not folder.in_use:
        remove_folder(folder.record)  # of other data or another config, perhaps, and empty
    if not folder.record.exists() or is_debris(folder.record):
        RecordWriter.create(
            folder.record,
            splits,
            networks=rules.per_member(config, "network"),
            seed=config.seed,
            correctness=task.correctness,
            recording={"train": config.recording.mode, "test": "epoch_end"},
            data=data.name(config.data),
        )
    recorder = RecordWriter(folder.record)
    recorder.check_same_data(splits)
    if processes.joined():
        check_alike(config, splits)
        of_first(folder.complete)
    if folder.complete:
        processes.leave()
        say(f"training is complete: {counted(config.epochs, 'epoch')} recorded in {folder.record}")
        return
    folder.update(
        status="training",
        correctness=task.correctness,
        epochs_planned=config.epochs,
        data={"name": data.name(config.data)}
        | {
            n: {"examples": len(s), "fingerprint": s.fingerprint, "notes": list(s.notes)}
            for n, s in splits.items()
        },
    )
    listener = Audience(
        _watchers(config, splits, folder),
        splits,
        task.correctness,
        lambda before: history(folder.metrics, folder.record, before),
    )
    deferred = processes.deferred if processes.joined() else preemption.deferred
    with Checkpoints(folder.checkpoints, every=config.training.checkpoint_every) as checkpoints:
        loop.train(config, splits, recorder, checkpoints, listener, deferred)
    told = processes.leave()
    listener.finished()
    folder.update(status="complete")
    preemption.check()  # SIGTERM in the last moments of training
    if told:
        raise preemption.Preempted


def _watchers(
    config: ConfigDict, splits: Mapping[str, Split], folder: RunFolder
) -> Sequence[Watcher]:
    told = [Console(config, splits), _Notes(config, folder), MetricsFile(folder.metrics)]
    return [*told, TensorBoardFile(folder.tensorboard)] if config.training.tensorboard else told


class _Notes(Watcher):
    """Keeps run.json."""

    def __init__(self, config: ConfigDict, folder: RunFolder) -> None:
        self._config = config
        self._folder = folder
        self._seconds = 0.0

    def planned(self, plan: Plan) -> None:
        members = [
            {"member": k, "network": network, "parameters": plan.parameters[network]}
            for k, network in enumerate(rules.per_member(self._config, "network"))
        ]
        self._folder.end_training_before(plan.first_epoch - 1)
        self._folder.update(members=members)
        device = f"{plan.device} ({host()})"
        self._folder.note(
            device=device,
            engine=plan.engine,
            feed=plan.feed,
            from_epoch=plan.first_epoch - 1,
            train_seconds=0.0,
        )

    def compiled(self, compiled: Compiled) -> None:
        self._folder.note(engine=compiled.engine, compile_seconds=round(compiled.seconds, 1))

    def recorded(self, numbers: EpochNumbers) -> None:
        self._seconds += numbers.seconds
        self._folder.update(epochs_recorded=numbers.epoch)
        self._folder.note(to_epoch=numbers.epoch, train_seconds=round(self._seconds, 1))


def measure(config: ConfigDict, splits: Mapping[str, Split], folder: RunFolder) -> int:
    """Take the image statistics of all splits that are not yet known; how many images failed."""
    from jagree.statistics.store import Store
    from jagree.statistics.table import failures, joined, write_tables
    from jagree.statistics.table import measure as measure_missing

    options = config.statistics
    kept = _store_folder(config, folder)
    begun = time.monotonic()
    tables = {}
    for name, split in splits.items():
        store = Store(kept, data.name(config.data), split)
        measure_missing(store, options, quiet=False)
        tables[name] = joined(store, options, data.name(config.data))
    write_tables(tables, folder.statistics)
    sizes = enumeration([counted(len(t["id"]), f"{name} image") for name, t in tables.items()])
    say(f"statistics of {sizes} ({duration(time.monotonic() - begun)}): {folder.statistics}")
    report_rounding(options, {name: len(split) for name, split in splits.items()})
    failed = {i: reason for table in tables.values() for i, reason in failures(table).items()}
    report_failures(failed)
    return len(failed)


def report_rounding(options: ConfigDict, sizes: Mapping[str, int]) -> None:
    """Say which statistics were measured of more examples than were asked for.

    Parameters
    ----------
    options : ConfigDict
        ``config.statistics``.
    sizes : mapping of str to int
        Examples of each split.
    """
    from jagree.statistics import parts

    for request in parts.requests(options):
        counts = {name: parts.measured(request, size) for name, size in sizes.items()}
        if any(request.examples < n for n in counts.values()) and request.examples:
            measured = enumeration([f"{n:,} ({name})" for name, n in counts.items()])
            say(
                f"  {request.name} of {measured} images: statistics."
                f"{request.statistic.settings}.examples={request.examples} is rounded up to whole "
                f"parts of {request.statistic.per_part}"
            )


def report_failures(failed: Mapping[str, str], most: int = 10) -> None:
    """Name the images that could not be measured."""
    for example, reason in list(failed.items())[:most]:
        say(f"  no value for '{example}': {reason}")
    if failed:
        more = f", {len(failed) - most:,} more are in the table" if len(failed) > most else ""
        say(f"{counted(len(failed), 'image')} could not be measured, nan in the table{more}")
