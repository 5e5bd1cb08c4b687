"""Where runs lie: a folder on a disk, or one in an object store, by its URL (gs://bucket/runs/a).

A folder on a disk is a plain `pathlib.Path`. What a URL names is a `upath.UPath`, which reads and
writes by fsspec and has the methods of a Path; here and elsewhere it is called a Path.

An object store has no folders to be made, no renaming and no locks; an object is written whole or
not at all. So what a disk needs for that, another name first, is left out there.
"""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import TYPE_CHECKING, Any

from jagree.errors import UsageError

if TYPE_CHECKING:
    from zarr.storage import FsspecStore

_NEEDS = {"gs": "gcs", "gcs": "gcs"}  # protocol to the extra of this package that brings it


def as_path(path: str | Path) -> Path:
    """The path that a person wrote: a folder, or a URL.

    Raises
    ------
    UsageError
        If the URL is of a kind that is not known, or whose package is missing.
    """
    protocol, is_url, _ = str(path).partition("://")
    if not is_url or isinstance(path, Path):
        return Path(path)
    import fsspec
    from upath import UPath

    try:
        fsspec.get_filesystem_class(protocol)
    except ImportError as error:
        extra = f"pip install 'jagree[{_NEEDS[protocol]}]'; " if protocol in _NEEDS else ""
        raise UsageError(f"'{path}' cannot be reached: {extra}{error}") from error
    except ValueError as error:
        raise UsageError(
            f"'{path}' is of no kind that is known; name a folder, or a URL such as "
            "gs://bucket/runs/a"
        ) from error
    found: Any = UPath(path)
    return Path(found.path) if protocol in ("file", "local") else found


def is_remote(path: Path) -> bool:
    """Whether a path made by `as_path` is in an object store."""
    return not isinstance(path, Path)


def beside(path: str | Path, name: str) -> Path:
    """The folder of that name beside a run's, for what several runs share and a disk must hold.

    A run in an object store has no neighbours on a disk: there it is ``runs/NAME`` in the working
    directory.
    """
    run = as_path(path)
    return (Path("runs", name) if is_remote(run) else run.parent / name).absolute()


def store(path: str | Path, *, read_only: bool = False) -> str | FsspecStore:
    """What zarr and xarray open for a path: a URL in itself may mean something else to them."""
    place: Any = as_path(path)
    if not is_remote(place):
        return str(place)
    from zarr.storage import FsspecStore

    return FsspecStore.from_url(
        str(place), storage_options=dict(place.storage_options), read_only=read_only
    )


def make_folder(path: Path) -> None:
    """Make a folder and those above it, if there are none."""
    if not is_remote(path):
        path.mkdir(parents=True, exist_ok=True)


def remove_folder(path: Path) -> None:
    """Remove a folder with all that is in it."""
    if not is_remote(path):
        shutil.rmtree(path)
        return
    remote: Any = path
    remote.fs.rm(remote.path, recursive=True)


def write(path: Path, content: bytes) -> None:
    """Write a file such that there is the old one or the new one, never a part.

    Its folder must be there. A process that is killed may leave ``NAME.partial`` on a disk.
    """
    if is_remote(path):
        path.write_bytes(content)
        return
    partial = path.with_name(f"{path.name}.partial")
    partial.write_bytes(content)
    partial.replace(path)


def upload(folder: Path, path: Path, last: str) -> None:
    """Copy a folder to an object store, in place of what is there.

    Parameters
    ----------
    folder : path
        On a disk.
    path : path
        In an object store.
    last : str
        The file in `folder` without which the rest counts for nothing: it is removed first and
        copied last.
    """
    (path / last).unlink(missing_ok=True)
    if path.exists():
        remove_folder(path)
    files = [file for file in sorted(folder.rglob("*")) if file.is_file()]
    for file in sorted(files, key=lambda file: file == folder / last):
        (path / file.relative_to(folder).as_posix()).write_bytes(file.read_bytes())
