"""What a run folder holds that findings can be checked on: record, statistics, run.json."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import xarray as xr

from jagree.config import flatten
from jagree.errors import UsageError
from jagree.paths import as_path
from jagree.record import open_record
from jagree.runfolder import RunFolder
from jagree.study.findings.observed import CannotTellError, Observed, observe
from jagree.study.named import named, place
from jagree.study.statistics import check_same_data, with_statistics
from jagree.study.tables import diverged
from jagree.words import TIMES, counted

__all__ = ["About", "CannotTellError", "Run", "open_run", "open_runs"]

LISTED = 8  # run folders that an error names
# How training examples are judged: after each epoch by fixed weights, or as they are trained on.
JUDGED = {"epoch_end": "after the epoch", "online": "online"}


@dataclass(frozen=True)
class About:
    """What run.json tells; what it does not is empty or None.

    Attributes
    ----------
    config : mapping of str to value
        Every field of the config, flattened; one that is newer than the run has its default.
    batch_size : int or None
    rate_drops : tuple of int or None
        First epochs trained with a lower rate, under the schedule "step".
    left_out : tuple of int
        Members that the run's study does without.
    planned : int or None
        Epochs that the run is to have.
    """

    config: Mapping[str, Any] = field(default_factory=dict)
    batch_size: int | None = None
    rate_drops: tuple[int, ...] | None = None
    left_out: tuple[int, ...] = ()
    planned: int | None = None


@dataclass(eq=False)
class Run:
    """One run, opened for reading.

    Attributes
    ----------
    name : str
        What it is called in the output.
    path : Path
        The folder.
    record : mapping of str to xarray.Dataset
        Per split, as `jagree.record.open_record` gives it, without the untrained networks' epoch 0
        and the members that the run's config leaves out of its study.
    about : About
        What run.json tells.
    statistics : mapping of str to pandas.DataFrame
        Per split a row per example of the record, in its order.
    units : mapping of str to str
        Of the columns of the statistics.
    notes : list of str
        What is missing or odd.
    trends : dict
        What `jagree.study.findings.trends.trend` has found in it, so that it does so once.
    """

    name: str
    path: Path
    record: Mapping[str, xr.Dataset]
    about: About = field(default_factory=About)
    statistics: Mapping[str, pd.DataFrame] = field(default_factory=dict)
    units: Mapping[str, str] = field(default_factory=dict)
    notes: list[str] = field(default_factory=list)
    trends: dict[tuple[str, str, str], Any] = field(default_factory=dict, repr=False)
    _observed: dict[str, Observed] = field(default_factory=dict, repr=False)

    @property
    def _some(self) -> xr.Dataset:
        """A split; what is asked of it is the same in all."""
        return next(iter(self.record.values()))

    @property
    def data(self) -> str:
        """Name of the data, as it was recorded."""
        return str(self._some.attrs["data"])

    @property
    def networks(self) -> tuple[str, ...]:
        """Name of each member's network."""
        return tuple(str(n) for n in self._some["network"].values)

    @property
    def data_set(self) -> str:
        """Name of the data source; a stock set read through TensorFlow Datasets counts as it."""
        stock = re.fullmatch(r"tfds-(cifar10|imagenet)(2012)?(-[\d.]+)?", self.data)
        return stock[1] if stock else self.data

    @property
    def network(self) -> str:
        """Name of the network, or of all of them joined by " + "."""
        return " + ".join(dict.fromkeys(self.networks))

    def all_of(self, network: str) -> bool:
        """Whether all members are of one kind, with whatever stem: "resnet50" has two."""
        return all(n.startswith(network) for n in self.networks)

    @property
    def recording(self) -> str:
        """How training examples are judged, "epoch_end" or "online"; "" if they are not."""
        return str(self.record["train"].attrs["recording"]) if "train" in self.record else ""

    @property
    def judged_how(self) -> str:
        """How training examples are judged, beside how the paper does."""
        papers = ", as the paper's" if self.recording == "online" else "; the paper's are online"
        return f"judged {JUDGED[self.recording]}{papers}"

    @property
    def has_epochs(self) -> bool:
        """Whether an epoch of training is recorded."""
        return self._some.sizes["epoch"] > 0

    @property
    def label_noise(self) -> float:
        """Share of the training labels that are not the original ones, 0 to 1."""
        train = self.record.get("train")
        if train is None or not train.sizes["example"]:
            return 0.0
        label, true = train["label"].values, train["true_label"].values
        changed = label != true
        return float((changed.any(-1) if true.ndim == 2 else changed).mean())

    @property
    def is_sample(self) -> bool:
        """Whether its config asks for so many training examples only, be that all there are."""
        return bool(self.about.config.get("data.train_size"))

    @property
    def random_labels(self) -> float:
        """Probability that a training label was drawn at random; some of these hit the truth.

        As the config says, or estimated from how many labels changed.
        """
        asked = self.about.config.get("data.label_noise")
        if asked and not self.about.config.get("per_member.label_noise"):
            return float(asked)
        classes = len(self._some.attrs["class_names"])
        return min(1.0, self.label_noise * classes / max(classes - 1, 1))

    def observed(self, split: str) -> Observed:
        """What was seen of a split; the record is read once, epoch by epoch.

        Raises
        ------
        CannotTellError
            If the split, or an epoch of it, is not recorded.
        """
        if split not in self.record:
            raise CannotTellError(f"no split '{split}' is recorded")
        if split not in self._observed:
            table = self.statistics.get(split, pd.DataFrame())
            self._observed[split] = observe(split, self.record[split], table)
        return self._observed[split]

    def column(self, split: str, name: str) -> np.ndarray:
        """One statistic of a split's examples, in the record's order.

        Raises
        ------
        CannotTellError
            If there is none.
        """
        if split not in self.statistics:
            raise CannotTellError(f"no image statistics of '{split}' beside its record")
        if name not in self.statistics[split]:
            raise CannotTellError(f"its statistics of '{split}' have no column '{name}'")
        return self.statistics[split][name].to_numpy()

    def same_data(self, other: Run) -> bool:
        """Whether both are of the same examples and true labels, in all splits."""
        prints = [
            {n: s.attrs["fingerprint"] for n, s in run.record.items()} for run in (self, other)
        ]
        return prints[0] == prints[1]

    def summary(self) -> str:
        """Data, networks, batch size, epochs, labels, examples, as one line."""
        counts = Counter(self.networks)
        parts = [self.data, " + ".join(f"{k} {TIMES} {n}" for n, k in counts.items())]
        if self.about.batch_size:
            parts.append(f"batch {self.about.batch_size}")
        epochs = self._some["epoch"].values
        parts.append(f"epochs {epochs[0]} to {epochs[-1]}" if len(epochs) else "no epoch yet")
        noise = self.label_noise
        told = f"{self.random_labels:.2f} of the labels drawn at random, {noise:.3f} changed"
        parts.append(told if noise else "true labels")
        if "train" in self.record:
            sample = " (a sample)" if self.is_sample else ""
            examples = counted(self.record["train"].sizes["example"], "training example")
            parts += [f"{examples}{sample}", f"judged {JUDGED[self.recording]}"]
        return ", ".join(parts)


def open_run(path: str | Path, name: str) -> Run:
    """Open a run folder; only ``record.zarr`` must be there.

    Parameters
    ----------
    path : path
        The folder, or its URL, that holds ``record.zarr``; beside it ``statistics.zarr`` and
        ``run.json``.
    name : str
        What it is to be called.

    Raises
    ------
    UsageError
        If there is no record, it is of a newer schema, or the config leaves all members out.
    """
    path, notes = as_path(path), list[str]()
    _check_folder(path)
    whole = open_record(path / "record.zarr")
    if not whole:
        raise UsageError(f"the record in '{path}' has no split; run the training command again")
    about = _about(path, notes)
    record = {split: _trained(dataset, about.left_out) for split, dataset in whole.items()}
    if not next(iter(record.values())).sizes["member"]:
        raise UsageError(
            f"the config of '{path}' leaves all members out (study.leave_out); leave one in"
        )
    notes += [*_unfinished(about, record), *_members(record, about.left_out)]
    statistics, units = _statistics(path, record, notes)
    return Run(name, path, record, about, statistics, units, notes)


def _check_folder(path: Path) -> None:
    """Name the runs below a folder that is none itself."""
    if (path / "record.zarr").exists() or not path.is_dir():
        return
    below = sorted(found.parent.name for found in path.glob("*/record.zarr"))
    if below:
        some = ", ".join(below[:LISTED]) + (", ..." if len(below) > LISTED else "")
        raise UsageError(
            f"'{path}' is no run folder, but holds {counted(len(below), 'run folder')}: {some}; "
            f"name those that you mean, or all of them as {path / '*'}"
        )


def open_runs(paths: Sequence[str | Path]) -> list[Run]:
    """Open run folders; each once, named as `jagree.study.named.named` says."""
    times = Counter(place(path) for path in paths)
    runs = []
    for name, path in named(paths).items():
        run = open_run(path, name)
        if times[place(path)] > 1:
            run.notes.append(f"given {times[place(path)]} times, and counted once")
        runs.append(run)
    return runs


def _about(path: Path, notes: list[str]) -> About:
    if not (path / "run.json").exists():
        notes.append("no run.json: batch size, schedule and all of the recipe are not known")
        return About()
    try:
        return _described(RunFolder(path).about)
    except (UsageError, KeyError, TypeError, ValueError, AttributeError):
        notes.append(
            "run.json is damaged or not jagree's, and not used: batch size, schedule and all of "
            "the recipe are not known"
        )
        return About()


def _described(about: Mapping[str, Any]) -> About:
    from jagree.configs import default

    config = about["config"]
    return About(
        config=flatten(default.get_config()) | flatten(config),
        batch_size=int(config["batch_size"]),
        rate_drops=_rate_drops(config),
        left_out=tuple(int(k) for k in config["study"]["leave_out"]),
        planned=int(config["epochs"]),
    )


def _rate_drops(config: Mapping[str, Any]) -> tuple[int, ...] | None:
    """The first epochs with a lower rate; None where it does not drop in steps."""
    schedule = config["schedule"]
    if schedule["name"] != "step" or not 0 < schedule["step_factor"] < 1:
        return None
    step = int(schedule["step_epochs"])
    return tuple(range(step + 1, int(config["epochs"]) + 1, step))


def _trained(split: xr.Dataset, left_out: Sequence[int]) -> xr.Dataset:
    """Without the untrained networks and the members to leave out."""
    epochs = np.flatnonzero(split["epoch"].values > 0)
    members = np.flatnonzero(~np.isin(split["member"].values, list(left_out)))
    return split.isel(epoch=epochs, member=members)


def _unfinished(about: About, record: Mapping[str, xr.Dataset]) -> Iterator[str]:
    """Whether epochs are still to come."""
    epochs = next(iter(record.values()))["epoch"].values
    last = int(epochs[-1]) if len(epochs) else 0
    if about.planned is not None and last < about.planned:
        yield f"not finished: {last} of {counted(about.planned, 'planned epoch')}"


def _members(record: Mapping[str, xr.Dataset], left_out: Sequence[int]) -> Iterator[str]:
    """What is to be known of the members."""
    if left_out:
        named = ", ".join(map(str, left_out))
        yield f"without member {named}, as its config says (study.leave_out)"
    for row in diverged(record).to_dict("records"):
        yield (
            f"member {row['member']} ({row['network']}) diverged in epoch {row['epoch']} and is in "
            "all numbers; study.leave_out does without it"
        )


def _statistics(
    path: Path, record: Mapping[str, xr.Dataset], notes: list[str]
) -> tuple[dict[str, pd.DataFrame], dict[str, str]]:
    """Per split a row per recorded example, and the columns' units."""
    from jagree.statistics.table import open_tables  # compiled loops, which take a second

    found: dict[str, pd.DataFrame] = {}
    units: dict[str, str] = {}
    if not (path / "statistics.zarr").exists():
        notes.append("no statistics.zarr: nothing is known of its images")
        return found, units
    try:
        for name, table in open_tables(path / "statistics.zarr").items():
            if name in record:
                check_same_data(record[name], table)
                ids = pd.DataFrame({"id": record[name]["id"].values.astype(object)})
                found[name] = with_statistics(ids, table).drop(columns="id")
                units |= {str(k): str(v.attrs.get("units", "")) for k, v in table.items()}
    except UsageError as error:
        notes.append(f"statistics.zarr is not used: {error}")
        return {}, {}
    return found, units
