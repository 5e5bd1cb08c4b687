"""The stages of a run, each starting from what the one before left in the run folder."""

import errno
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from ml_collections import ConfigDict

from jagree import config as rules
from jagree import data
from jagree.console import Console, say
from jagree.data.split import Split
from jagree.errors import UsageError
from jagree.runfolder import RunFolder, host

STAGES = ("train", "study", "report")


def run(config: ConfigDict, workdir: str | Path, stages: Sequence[str], command: str) -> None:
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

    Raises
    ------
    UsageError
        Before anything is written, if something is wrong that can be known by then.
    """
    _check_stages(stages)
    rules.check(config)
    folder = RunFolder(workdir)
    folder.check_config(config.to_dict())
    splits: Mapping[str, Split] = {}
    if "train" in stages:
        splits = data.load(config.data)
        rules.check_against_data(config, len(splits["train"]))
    elif not folder.about:
        raise UsageError(f"'{folder.path}' holds no run yet; start with the stage 'train'")
    folder.begin(config.to_dict(), command)
    try:
        if "train" in stages:
            train(config, splits, folder)
        analyse(folder.path, folder.about, splits, [s for s in stages if s != "train"])
    except BaseException as error:
        _note_end(folder, error)
        if isinstance(error, OSError) and error.errno in (errno.ENOSPC, errno.EDQUOT):
            raise UsageError(
                f"the disk is full ({error.strerror}); {_recorded(folder)}: make room, and the "
                "same command goes on"
            ) from error
        raise
    folder.end(outcome="done")


def _check_stages(stages: Sequence[str]) -> None:
    for stage in stages:
        if stage not in STAGES:
            raise UsageError(f"unknown stage '{stage}'; known: {', '.join(STAGES)}")
    if not stages:
        raise UsageError(f"no stage to run; choose from {', '.join(STAGES)}")


def _note_end(folder: RunFolder, error: BaseException) -> None:
    status = "interrupted" if isinstance(error, KeyboardInterrupt) else "failed"
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
    from jagree.record import Recorder, is_debris
    from jagree.training import loop
    from jagree.training.checkpoint import Checkpoints

    task = registry.load("task", config.task)
    if not folder.record.exists() or is_debris(folder.record):
        Recorder.create(
            folder.record,
            splits,
            networks=[config.network] * config.members,
            seed=config.seed,
            correctness=task.correctness,
            recording={"train": config.recording.mode, "test": "epoch_end"},
            data=config.data.name,
        )
    recorder = Recorder(folder.record)
    recorder.check_same_data(splits)
    if folder.complete:
        say(f"training is complete: {config.epochs} epochs are recorded in {folder.record}")
        return
    folder.update(
        status="training",
        epochs_planned=config.epochs,
        data={"name": config.data.name}
        | {n: {"examples": len(s), "fingerprint": s.fingerprint} for n, s in splits.items()},
    )
    listener = _FolderListener(config, splits, task.correctness, folder)
    with Checkpoints(folder.checkpoints, every=config.training.checkpoint_every) as checkpoints:
        loop.train(config, splits, recorder, checkpoints, listener)
    folder.update(status="complete")


class _FolderListener(Console):
    """Tells the run folder what the console tells the person."""

    def __init__(
        self, config: ConfigDict, splits: Mapping[str, Split], correctness: str, folder: RunFolder
    ) -> None:
        super().__init__(config, splits, correctness)
        self._folder = folder

    def planned(self, plan: Any) -> None:
        super().planned(plan)
        members = [
            {"member": k, "network": self._config.network, "parameters": plan.parameters}
            for k in range(self._config.members)
        ]
        self._folder.update(members=members)
        device = f"{plan.device} ({host()})"
        self._folder.note(
            device=device, engine=plan.engine, from_epoch=plan.first_epoch - 1, train_seconds=0.0
        )

    def recorded(self, epoch: int, fields: Any, seconds: float) -> None:
        super().recorded(epoch, fields, seconds)
        self._folder.update(epochs_recorded=epoch)
        self._folder.note(to_epoch=epoch, train_seconds=round(self.train_seconds, 1))


def analyse_run(path: str | Path, leave_out: Sequence[int] | None = None) -> None:
    """Study and report of the record in a folder, whoever wrote it.

    Parameters
    ----------
    path : path
        The folder that holds ``record.zarr``; a run.json beside it is not needed.
    leave_out : sequence of int, optional
        Members to do without; by default what the run's config says.
    """
    about_file = Path(path) / "run.json"
    about = RunFolder(path).about if about_file.exists() else {}
    analyse(Path(path), about, {}, ("study", "report"), leave_out)


def analyse(
    path: Path,
    about: Mapping[str, Any],
    splits: Mapping[str, Split],
    stages: Sequence[str],
    leave_out: Sequence[int] | None = None,
) -> None:
    """Tables, figures and the report of a run's record. Needs no JAX.

    Parameters
    ----------
    path : path
        The folder that holds ``record.zarr``; results, figures and report go there.
    about : mapping
        What run.json says; may be empty.
    splits : mapping of str to Split
        The data, for the report's pictures; loaded as `about` says if empty.
    stages : sequence of str
        "study", "report", both or none.
    leave_out : sequence of int, optional
        Members to do without; by default what the config in `about` says.
    """
    if not stages:
        return
    from jagree import figures
    from jagree import study as studies
    from jagree.record import open_record

    record = open_record(path / "record.zarr")
    if leave_out is None:
        leave_out = about.get("config", {}).get("study", {}).get("leave_out", ())
    table = studies.agreement_table(record, leave_out=leave_out)
    figure = figures.draw_agreement(table)
    if "study" in stages:
        results = path / "results"
        results.mkdir(exist_ok=True)
        table.to_csv(results / "agreement.csv", index=False)
        drawn = figures.save(figure, path / "figures" / "agreement")
        say(f"study:  {results / 'agreement.csv'}, {', '.join(str(p) for p in drawn)}")
    if "report" in stages:
        from jagree.report import write_report

        write_report(
            path / "report.html",
            about=about,
            agreement=table,
            examples={
                name: studies.example_table(split, leave_out=leave_out)
                for name, split in record.items()
            },
            diverged=studies.diverged(record),
            figures={"Agreement": figures.to_png(figure)},
            images=_pictures(record, about, splits),
        )
        say(f"report: {path / 'report.html'}")


def _pictures(
    record: Mapping[str, Any], about: Mapping[str, Any], splits: Mapping[str, Split]
) -> dict[str, np.ndarray]:
    """The images behind a record, of the splits for which exactly they are at hand."""
    if not splits and "config" in about:
        try:
            splits = data.load(ConfigDict(about["config"]["data"]))
        except UsageError as error:
            say(f"the report has no pictures: {error}")
    images = {}
    for name, split in splits.items():
        if split.fingerprint == record[name].attrs["fingerprint"]:
            images[name] = split.image
        else:
            say(f"no pictures of '{name}': the data found is not what was recorded")
    return images
