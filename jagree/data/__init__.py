"""Data sources, NumPy at the border: ``load(config.data) -> {"train": Split, "test": Split}``."""

import re
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from jagree import registry, seeds
from jagree.data.images import Encoded, Images
from jagree.data.split import Column, Split, sample
from jagree.errors import UsageError
from jagree.paths import beside
from jagree.words import counted

__all__ = ["Column", "Encoded", "Images", "Split", "cache_folder", "load", "name"]


def name(options: Any) -> str:
    """What the data is called, as a title and in file names: the source's name, or "tfds-mnist"."""
    return "-".join(filter(None, [options.name, re.sub("[/:]", "-", options.set)]))


def cache_folder(options: Any, run: str | Path) -> Path:
    """Where digests and resized images are kept: beside the run, unless ``config.data`` says."""
    return Path(options.cache or beside(run, "prepared")).expanduser()


def load(options: Any, kept: Path | None = None) -> dict[str, Split]:
    """Both splits of the source that ``config.data`` names, with their true labels.

    Parameters
    ----------
    options : ConfigDict
        ``config.data``.
    kept : path or None
        Folder for what is computed once of encoded images; None: nothing is kept.

    Raises
    ------
    UsageError
        If the data is not there, or does not have what the options name.
    """
    source = registry.load("source", options.name)
    if options.test_share:
        splits = _held_out(source("train", options), options)
    else:
        splits = {split: source(split, options) for split in ("train", "test")}
    _check_left_out(splits, options.leave_out)
    for name, split in splits.items():
        if not len(split):
            raise UsageError(f"the split '{name}' of this data has no example; choose another")
    return {
        name: replace(
            _without(sample(split, options[f"{name}_size"], options.seed), options.leave_out),
            kept=kept,
        )
        for name, split in splits.items()
    }


def _held_out(whole: Split, options: Any) -> dict[str, Split]:
    """Part a split in two, each example on its own: no other file decides where it goes."""
    drawn = [seeds.uniform_of_example(options.seed, "held out", i) for i in whole.id.tolist()]
    held_out = np.array(drawn) < options.test_share
    note = f"held out of the {counted(len(whole), 'training example')} (data.test_share)"
    splits = {
        "train": replace(whole.take(np.flatnonzero(~held_out)), name="train"),
        "test": replace(
            whole.take(np.flatnonzero(held_out)), name="test", notes=(*whole.notes, note)
        ),
    }
    for name, split in splits.items():
        if not len(split):
            raise UsageError(
                f"data.test_share={options.test_share} of {counted(len(whole), 'example')} leaves "
                f"none for '{name}'; choose another share"
            )
    return splits


def _check_left_out(splits: dict[str, Split], ids: Any) -> None:
    if not ids:
        return
    known = set().union(*(split.id.tolist() for split in splits.values()))
    for example in ids:
        if example not in known:
            raise UsageError(
                f"data.leave_out names '{example}', but no example has this id; ids look like "
                f"'{min(known)}'"
            )


def _without(split: Split, ids: Any) -> Split:
    stay = ~np.isin(split.id, list(ids))
    if stay.all():
        return split
    if not stay.any():
        raise UsageError(f"data.leave_out leaves no example of '{split.name}'; leave one in")
    note = f"{counted(int((~stay).sum()), 'example')} left out, as data.leave_out says"
    return replace(split.take(np.flatnonzero(stay)), notes=(*split.notes, note))
