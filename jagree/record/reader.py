"""Reading a record: one xarray Dataset per split, committed epochs only."""

from pathlib import Path
from typing import Any

import numpy as np
import xarray as xr
import zarr

from jagree.errors import UsageError
from jagree.paths import store
from jagree.record import schema
from jagree.record.correctness import RULES


def committed_epochs(root: zarr.Group, path: str | Path) -> int:
    """Number of epochs that the record's pointer commits.

    Raises
    ------
    UsageError
        If the store is no (whole) record, or of a schema newer than this version of jagree knows.
    """
    if root.attrs.get("schema") != schema.NAME:
        raise UsageError(f"'{path}' is a Zarr store but not a record of jagree")
    if schema.COMMITTED not in root.attrs:
        raise UsageError(
            f"whoever made the record '{path}' was stopped before it was ready; nothing is "
            "recorded there: run the training command again"
        )
    version = int(str(root.attrs["schema_version"]))
    if version > schema.VERSION:
        raise UsageError(
            f"the record '{path}' has schema version {version}, this jagree reads up to "
            f"{schema.VERSION}; install a newer jagree to read or continue it"
        )
    return int(str(root.attrs[schema.COMMITTED]))


def open_record(path: str | Path) -> dict[str, xr.Dataset]:
    """Open a record for reading.

    Parameters
    ----------
    path : path
        The Zarr store, ``RUN/record.zarr``.

    Returns
    -------
    dict of str to xarray.Dataset
        Split name to the dataset described in docs/record.md, loaded lazily, holding the committed
        epochs (none at all is possible: the run was stopped before the first one ended).

    Raises
    ------
    UsageError
        If there is no record, or none that can be read, or its schema is newer than this version of
        jagree knows.
    """
    try:
        root = zarr.open_group(store(path), mode="r")
    except (FileNotFoundError, NotADirectoryError) as error:
        raise UsageError(
            f"no record at '{path}'; expected the folder 'record.zarr' that a run writes"
        ) from error
    except (ValueError, TypeError, KeyError) as error:
        raise UsageError(
            f"the record '{path}' is damaged ({error}); copy it anew from where it is whole"
        ) from error
    epochs = committed_epochs(root, path)
    return {name: _open_split(path, group, epochs) for name, group in sorted(root.groups())}


def _open_split(path: str | Path, group: zarr.Group, epochs: int) -> xr.Dataset:
    options: dict[str, Any] = {"group": group.basename, "consolidated": False}
    committed = {"epoch": slice(0, epochs)}
    try:
        return _named(xr.open_zarr(store(path), **options).isel(committed), path)
    except ValueError:
        # A process that died between the array lengths and the pointer of an append left arrays
        # that differ in length. What the pointer commits is whole: read the arrays one by one.
        names = set(group.array_keys())
        alone = [
            xr.open_zarr(store(path), drop_variables=names - {name}, **options)
            for name in sorted(names)
        ]
        parts = [part.isel(committed) if "epoch" in part.dims else part for part in alone]
        return _named(xr.merge(parts, combine_attrs="override", join="exact"), path)


def _named(split: xr.Dataset, path: str | Path) -> xr.Dataset:
    """The dataset with the name of the store that it is from, for what is said of damage."""
    split.encoding["source"] = str(path)
    return split


def predictions(split: xr.Dataset, position: int) -> np.ndarray:
    """What each member predicts, in the epoch at `position` along ``epoch``.

    Parameters
    ----------
    split : xarray.Dataset
        One split of `open_record`.
    position : int
        0 for the first recorded epoch, -1 for the last.

    Returns
    -------
    int array [K, N], or [K, N, C] for several labels

    Raises
    ------
    UsageError
        If the files cannot be read, do not fit their checksums, or are missing.
    """
    found = values(split, "prediction", position)
    # A missing file reads as -1 throughout, as the predictions of networks that all diverged; but
    # theirs have no finite probability.
    absent = found.size > 0 and bool((found == -1).all()) and "log_prob" in split
    if absent and np.isfinite(values(split, "log_prob", position)).any():
        raise _damaged(split, "prediction", position, "missing")
    return found


def values(split: xr.Dataset, name: str, position: int) -> np.ndarray:
    """One variable in the epoch at `position`, or whole where it has no epochs, as it is stored.

    Parameters
    ----------
    split : xarray.Dataset
        One split of `open_record`.
    name : str
        As in docs/record.md.
    position : int
        0 for the first recorded epoch, -1 for the last.

    Raises
    ------
    UsageError
        If the files cannot be read, or do not fit their checksums.
    """
    variable = split[name]
    try:
        return (variable.isel(epoch=position) if "epoch" in variable.dims else variable).values
    except (OSError, RuntimeError, ValueError) as error:
        raise _damaged(split, name, position, str(error)) from error


def losses(split: xr.Dataset, position: int) -> np.ndarray:
    """The training loss of each member in the epoch at `position`: float [K], nan for epoch 0.

    Raises
    ------
    UsageError
        If the files cannot be read, or do not fit their checksums.
    """
    return values(split, "loss", position)


def _damaged(split: xr.Dataset, name: str, position: int, why: str) -> UsageError:
    return UsageError(
        f"'{name}' of epoch {int(split['epoch'].values[position])} cannot be read ({why}): the "
        f"files of record '{split.encoding.get('source', '')}' are damaged or not all there; copy "
        "them anew from where they are whole"
    )


def judged(split: xr.Dataset, prediction: np.ndarray) -> np.ndarray:
    """Which of these predictions are right: bool [K, N] of int [K, N] or [K, N, C].

    By the split's own rule (attribute ``correctness``) and against the labels trained on.
    """
    rule = RULES[split.attrs["correctness"]]
    return rule(prediction, values(split, "label", -1))


def correct(split: xr.Dataset, position: int) -> np.ndarray:
    """Which examples each member gets right, in the epoch at `position` along ``epoch``.

    Parameters
    ----------
    split : xarray.Dataset
        One split of `open_record`.
    position : int
        0 for the first recorded epoch, -1 for the last.

    Returns
    -------
    bool array [K, N]
        See `judged`.
    """
    return judged(split, predictions(split, position))
