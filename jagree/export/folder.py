"""The folder that an export is written to: a new one, with all of it or nothing."""

import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from jagree.errors import UsageError

_UNFINISHED = "unfinished_export"  # within the folder, while it is written


@contextmanager
def new_folder(path: str | Path) -> Iterator[Path]:
    """Where to write what shall be in `path` in the end.

    Parameters
    ----------
    path : path
        On a disk; it must be empty, or not be there. If the body fails nothing is left.

    Raises
    ------
    UsageError
        If there is something in it, or it is a file or a URL.
    """
    if "://" in str(path):
        raise UsageError(f"an export is written to a disk, not to '{path}'; copy it there after")
    folder = Path(path)
    if folder.exists() and not folder.is_dir():
        raise UsageError(f"'{path}' is a file; name a folder that is empty or new")
    existed = folder.exists()
    if existed and any(folder.iterdir()):
        told = "; an export that was stopped left it" if (folder / _UNFINISHED).exists() else ""
        raise UsageError(
            f"'{path}' holds '{min(folder.iterdir()).name}' already{told}; nothing was changed: "
            "name a folder that is empty or new"
        )
    unfinished = folder / _UNFINISHED
    unfinished.mkdir(parents=True)
    try:
        yield unfinished
        for entry in sorted(unfinished.iterdir()):
            entry.rename(folder / entry.name)
        unfinished.rmdir()
    except BaseException:
        shutil.rmtree(unfinished, ignore_errors=True)
        if not existed:
            folder.rmdir()
        raise
