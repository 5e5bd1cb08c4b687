"""Names for run folders, by which people tell them apart."""

import itertools
import os
from collections import Counter
from collections.abc import Sequence
from pathlib import Path

from jagree.paths import as_path, is_remote


def as_given(path: str | Path) -> Path:
    """The absolute path with the name that was given, be that of a link; but not "..".

    What a URL names is left as it is.
    """
    found = as_path(path)
    if is_remote(found):
        return found
    return found.resolve() if found.name == ".." else found.absolute()


def place(path: str | Path) -> Path:
    """Where a folder really is, whatever its path: equal for two paths to the same folder."""
    found = as_path(path)
    return found if is_remote(found) else found.resolve()


def named(paths: Sequence[str | Path]) -> dict[str, Path]:
    """Run folders by name, each once, in the order given.

    Parameters
    ----------
    paths : sequence of path
        Folders or URLs.

    Returns
    -------
    dict of str to Path
        A folder is called by its own name; where several have that, by its path below the folder
        that all of them share, or its whole path if they share none.
    """
    first: dict[Path, Path] = {}
    for path in paths:
        first.setdefault(place(path), as_given(path))
    folders = list(first.values())
    times = Counter(folder.name for folder in folders)
    above = common_parent(folders) if folders else None
    return {
        folder.name if times[folder.name] == 1 else _below(folder, above): folder
        for folder in folders
    }


def _below(folder: Path, above: Path | None) -> str:
    if above is None:
        return str(folder)
    if is_remote(folder):
        return str(folder).removeprefix(f"{above}").strip("/")
    return Path(os.path.relpath(folder, above)).as_posix()


def common_parent(folders: Sequence[Path]) -> Path | None:
    """The deepest folder that holds all of these; None if there is none but the root.

    Parameters
    ----------
    folders : sequence of Path
        One or more; absolute, or all in object stores.
    """
    parents = [str(folder.parent) for folder in folders]
    remote = [is_remote(folder) for folder in folders]
    if any(remote):
        return _common_url(parents) if all(remote) else None
    found = Path(os.path.commonpath([os.path.normpath(parent) for parent in parents]))
    return None if found == Path(found.anchor) else found


def _common_url(urls: Sequence[str]) -> Path | None:
    if len({url.partition("://")[0] for url in urls}) > 1:
        return None
    protocol = urls[0].partition("://")[0]
    parts = [url.partition("://")[2].strip("/").split("/") for url in urls]
    shared = list(
        itertools.takewhile(lambda level: len(set(level)) == 1, zip(*parts, strict=False))
    )
    path = "/".join(level[0] for level in shared)
    return as_path(f"{protocol}://{path}") if path else None
