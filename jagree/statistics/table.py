"""The table of image statistics: measured in parts, joined into one Dataset, stored in Zarr."""

import contextlib
import errno
import json
import shutil
import tempfile
import uuid
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import xarray as xr
import zarr
from ml_collections import ConfigDict

from jagree import pool
from jagree.errors import UsageError
from jagree.paths import as_path, is_remote, store, upload
from jagree.statistics import parts
from jagree.statistics.parts import Examples, Part, Request
from jagree.statistics.progress import Progress
from jagree.statistics.store import Store, Task, sweep
from jagree.words import counted

SCHEMA, VERSION = "jagree-statistics", 1


def table(
    examples: Examples, options: ConfigDict, *, store: str | Path, source: str = "data"
) -> xr.Dataset:
    """Statistics of a split: measure what is not yet in the store, and join.

    Parameters
    ----------
    examples : Examples
        A `jagree.data.split.Split`, `jagree.data.files.ImageFiles`, or what has their attributes.
    options : ConfigDict
        ``config.statistics``: names, input options, settings, workers.
    store : path
        Folder of the parts; a second call with the same data and options measures nothing.
    source : str
        Name of the data source.

    Returns
    -------
    xarray.Dataset
        As `joined` describes it.

    Examples
    --------
    >>> import tempfile
    >>> from jagree.configs import default
    >>> from jagree.data.sources.controlled import load
    >>> config = default.get_config()
    >>> config.data.train_size = 4
    >>> config.statistics.names = ("entropy", "segments")
    >>> config.statistics.workers = 1
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     found = table(load("train", config.data), config.statistics, store=folder)
    >>> found["segments"].dims, found["entropy"].attrs["units"]
    (('example',), 'bit')
    """
    kept = Store(store, source, examples)
    measure(kept, options)
    return joined(kept, options, source)


def measure(
    store: Store, options: ConfigDict, *, shard: tuple[int, int] = (0, 1), quiet: bool = True
) -> dict[str, str]:
    """Measure what is not yet in the store.

    Parameters
    ----------
    store : Store
    options : ConfigDict
        ``config.statistics``.
    shard : (i, n)
        Only every n-th part, from part i on, so that n machines can share the work.
    quiet : bool
        Whether to show no progress.

    Returns
    -------
    dict of str to str
        Ids of the images, among those measured now, that could not be read or measured, and why.

    Raises
    ------
    UsageError
        If a worker process was killed.
    OSError
        If the store cannot be written. What was kept before stays.
    """
    sweep(store.folder, "*/*.partial")
    missing = _missing(store, parts.requests(options))
    tasks = [t for t in store.tasks(missing) if t.index % shard[1] == shard[0]]
    workers = min(options.workers or pool.cores(), max(len(tasks), 1))
    failures = Failures()
    # Closed at once if a part cannot be kept, so that no process goes on measuring for nobody.
    running = contextlib.closing(
        pool.run(parts.measure, _with_images(store, tasks), workers, field="statistics.workers")
    )
    work = sum(t.seconds for t in tasks)
    with Progress(store.examples.name, work, quiet=quiet) as progress, running as results:
        for task, found in results:
            for request, part in zip(task.requests, found, strict=True):
                store.write(request, task.index, part)
                failures.add(request, part)
            progress.advance(task.seconds)
    return failures.told


class Failures:
    """What could not be measured: each image once, with the reasons and what they stop."""

    def __init__(self) -> None:
        self._statistics: dict[str, dict[str, list[str]]] = {}

    def add(self, request: Request, part: Part) -> None:
        """Take down the failures of a part."""
        for example, reason in part.failed.items():
            self._statistics.setdefault(example, {}).setdefault(reason, []).append(request.name)

    @property
    def told(self) -> dict[str, str]:
        """Id to a sentence, in order of id."""
        return {
            example: "; ".join(f"{', '.join(names)}: {why}" for why, names in reasons.items())
            for example, reasons in sorted(self._statistics.items())
        }


def is_complete(store: Store, options: ConfigDict) -> bool:
    """Whether all that ``config.statistics`` asks for has been measured."""
    return not any(True for _ in _missing(store, parts.requests(options)))


def _missing(store: Store, requests: Sequence[Request]) -> Iterator[tuple[Request, int]]:
    for request in requests:
        kept = store.kept(request)
        for index in range(len(store.positions(request))):
            # What failed may have failed for a reason that has passed, a broken network disk say.
            if index not in kept or kept[index].failed:
                yield request, index


def _with_images(store: Store, tasks: Sequence[Task]) -> Iterator[Any]:
    examples = store.examples

    def arguments(task: Task) -> tuple[Any, ...]:
        ids = examples.id[task.positions].tolist()
        return ids, examples.originals(task.positions), task.requests

    for task in tasks:
        yield task, lambda task=task: arguments(task)


def joined(store: Store, options: ConfigDict, source: str = "data") -> xr.Dataset:
    """The parts in the store as one table.

    Parameters
    ----------
    store : Store
    options : ConfigDict
        ``config.statistics``.
    source : str
        Name of the data source.

    Returns
    -------
    xarray.Dataset
        Dimension ``example``, coordinate ``id``; a float64 variable per statistic, nan where an
        image has no value; then the source's metadata. Attributes of a variable: ``long_name``,
        ``units``, ``description``, ``fraction`` (1: lies in 0..1), ``kind`` ("statistic" or
        "metadata"), of a statistic ``settings``, of metadata ``assigned`` (1: drawn at random for
        each example, see `jagree.data.split.Column`; tables written before there was such a thing
        lack it, which counts as 0). Attributes of the table: ``fingerprint``, ``split``, ``data``,
        ``columns`` (names of the variables in order), ``failed`` (JSON: id to reason).

    Raises
    ------
    UsageError
        If parts are missing, or a metadata column has the name of a statistic.
    """
    examples = store.examples
    variables: dict[str, Any] = {}
    failures = Failures()
    for request in parts.requests(options):
        kept, positions = store.kept(request), store.positions(request)
        if len(kept) < len(positions):
            raise UsageError(
                f"'{request.name}' lacks {counted(len(positions) - len(kept), 'part')} of "
                f"{len(positions)} in '{store.folder}'; run the shards that are missing, or "
                "measure without --shard"
            )
        for variable in request.statistic.variables:
            values = np.full(len(examples.id), np.nan)
            for index, part in kept.items():
                values[positions[index]] = part.values[variable.name]
            if variable is not request.statistic.variables[0] and np.isnan(values).all():
                continue  # a standard error, say, where nothing was repeated
            attributes = {
                "long_name": variable.long_name,
                "units": variable.unit,
                "description": variable.description,
                "fraction": int(variable.fraction),
                "kind": "statistic",
                "settings": json.dumps(dict(request.settings), sort_keys=True),
            }
            variables[variable.name] = ("example", values, attributes)
        for part in kept.values():
            failures.add(request, part)
    metadata = _metadata(examples)
    for name in metadata.keys() & variables.keys():
        raise UsageError(
            f"the data source '{source}' has a metadata column '{name}', as the statistic is "
            "called; rename it there"
        )
    variables |= metadata
    attributes = {
        "split": examples.name,
        "data": source,
        "fingerprint": examples.fingerprint,
        "columns": list(variables),  # Zarr does not keep their order
        "failed": json.dumps(failures.told),
    }
    coordinates = {"id": ("example", examples.id.astype(object))}
    return xr.Dataset(variables, coordinates, attributes)


def _metadata(examples: Examples) -> dict[str, Any]:
    columns = {}
    for name, column in examples.metadata.items():
        text = column.values.dtype.kind in "US"
        attributes = {
            "long_name": name.replace("_", " "),
            "units": column.unit,
            "description": column.description,
            "fraction": 0,
            "kind": "metadata",
            "assigned": int(column.assigned),
        }
        values = column.values.astype(object) if text else column.values
        columns[name] = ("example", values, attributes)
    return columns


def failures(dataset: xr.Dataset) -> dict[str, str]:
    """Ids of the examples that could not be read or measured, and why."""
    return json.loads(dataset.attrs["failed"])


def write_tables(tables: Mapping[str, xr.Dataset], path: str | Path) -> None:
    """Store tables, one group per split, in place of the ones that `path` held.

    Raises
    ------
    UsageError
        If `path` is there and is no such store.
    """
    path = as_path(path)
    if is_remote(path):
        _check_replaceable(path)
        with tempfile.TemporaryDirectory() as folder:
            write_tables(tables, Path(folder) / path.name)
            upload(Path(folder) / path.name, path, last="zarr.json")
        return
    _check_replaceable(path)
    sweep(path.parent, f"{path.name}.*.partial")
    partial, aside = (path.with_name(f"{path.name}.{uuid.uuid4().hex}.partial") for _ in range(2))
    root = xr.Dataset(attrs={"schema": SCHEMA, "schema_version": VERSION})
    root.to_zarr(partial, mode="w", zarr_format=3, consolidated=False)
    for split, dataset in tables.items():
        dataset.to_zarr(partial, group=split, mode="a", zarr_format=3, consolidated=False)
    _replace(partial, path, aside)


def _check_replaceable(path: Path) -> None:
    """Refuse what is no such store; look again if another writer replaced it under our eyes."""
    while (seen := _identity(path)) is not None:
        try:
            _check_root(path)
            return
        except UsageError:
            if _identity(path) == seen:
                raise


def _identity(path: Path) -> tuple[int, int] | None:
    """Differs between a folder and the one put in its place; None if there is nothing."""
    if is_remote(path):  # which cannot tell one from the other
        return (0, 0) if path.exists() else None
    try:
        status = path.stat()
    except FileNotFoundError:
        return None
    return status.st_ino, status.st_mtime_ns


def _replace(new: Path, path: Path, aside: Path) -> None:
    """Put a folder in the place of another, which cannot be done in one step."""
    while True:
        with contextlib.suppress(FileNotFoundError):
            path.rename(aside)
        try:
            new.rename(path)
            break
        except OSError as error:
            if error.errno not in (errno.ENOTEMPTY, errno.EEXIST):
                raise
            shutil.rmtree(aside, ignore_errors=True)  # another process has put its own there
    shutil.rmtree(aside, ignore_errors=True)


def _check_root(path: Path) -> zarr.Group:
    """The root of a store; see `open_tables` for what is refused."""
    try:
        root = zarr.open_group(store(path), mode="r")
    except (FileNotFoundError, ValueError) as error:
        raise UsageError(f"'{path}' holds no image statistics") from error
    version = root.attrs.get("schema_version")
    if root.attrs.get("schema") != SCHEMA or not isinstance(version, int):
        raise UsageError(f"'{path}' holds no image statistics")
    if version > VERSION:
        raise UsageError(
            f"'{path}' has schema version {version}, newer than this program's {VERSION}; "
            "install a newer jagree"
        )
    return root


def open_tables(path: str | Path) -> dict[str, xr.Dataset]:
    """Read what `write_tables` wrote: one Dataset per split, the training split first.

    Raises
    ------
    UsageError
        If `path` holds no such store, a damaged one, or one of a newer schema.
    """
    path = as_path(path)
    root = _check_root(path)
    splits = sorted(root.group_keys(), key=lambda name: (name != "train", name))
    try:
        return {
            split: _as_written(xr.open_zarr(store(path), group=split, consolidated=False).load())
            for split in splits
        }
    except (OSError, ValueError, RuntimeError, KeyError) as error:
        raise UsageError(
            f"'{path}' is damaged ({error}); remove it and run the stage 'statistics' again, which "
            "need not measure anew"
        ) from error


def _as_written(dataset: xr.Dataset) -> xr.Dataset:
    """Columns in their order; text as Python strings, whichever of NumPy's types it was read as."""
    for name, variable in dataset.variables.items():
        if variable.dtype.kind in "TU":
            dataset[name] = variable.dims, variable.values.astype(object), variable.attrs
    return dataset[dataset.attrs["columns"]]
