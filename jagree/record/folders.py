"""Run folders among paths, such as those of a sweep: ``runs/SWEEP``, or ``runs/SWEEP/*``."""

import re
from collections.abc import Sequence
from pathlib import Path

from jagree.errors import UsageError

_MARKS = ("record.zarr", "run.json")  # what a folder holds that is a run's


def run_folders(paths: Sequence[str | Path]) -> tuple[list[str | Path], list[Path]]:
    """The run folders that paths mean.

    Parameters
    ----------
    paths : sequence of path
        Run folders, and folders that hold run folders. Remote ones (``gs://...``) are taken for run
        folders unseen.

    Returns
    -------
    runs : list of path
        Folders that hold ``record.zarr``, each once, in the order given; those below a folder in
        the order of their names, numbers in these by size.
    others : list of Path
        What is there and is no run: logs and tables that lie beside runs, and runs in which
        nothing was recorded.

    Raises
    ------
    UsageError
        If a path does not exist, or there is no run at all.
    """
    runs: dict[str | Path, str | Path] = {}
    others = []
    for path in paths:
        if "://" in str(path):
            runs.setdefault(path, path)
            continue
        found, empty = _runs_of(Path(path))
        for folder in found:
            runs.setdefault(folder.resolve(), folder)
        others += empty
        if not Path(path).exists():
            raise _no_record(path)
    if not runs:
        raise _no_record(paths[0])
    return list(runs.values()), others


def _runs_of(path: Path) -> tuple[list[Path], list[Path]]:
    """The path itself or the runs below it; and what of these has no record."""
    if (path / "record.zarr").exists():
        return [path], []
    below = sorted({f.parent for name in _MARKS for f in path.glob(f"*/{name}")}, key=_natural)
    found = [folder for folder in below if (folder / "record.zarr").exists()]
    return found, [folder for folder in below if folder not in found] or ([] if found else [path])


def _natural(path: Path) -> list[tuple[int, str]]:
    """Sorts numbers in names by their size: batch_size=32 before batch_size=128."""
    parts = re.split(r"(\d+)", path.name)
    return [(int(part) if part.isdigit() else -1, part) for part in parts]


def _no_record(path: str | Path) -> UsageError:
    return UsageError(
        f"no record at '{Path(path) / 'record.zarr'}'; expected the folder 'record.zarr' that a "
        "run writes"
    )
