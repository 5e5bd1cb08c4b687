"""Preparing data sets as TensorFlow Datasets would, without TensorFlow.

The result is what TFDS's own classes write, in its format array_record: read by them, by
``tfds.builder_from_directory`` and by this package's sources.
"""

import fcntl
import importlib
import json
import os
import shutil
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import TYPE_CHECKING

from jagree.errors import UsageError
from jagree.words import counted, enumeration

if TYPE_CHECKING:  # they import what takes a second
    from jagree.data.builders.writing import Recipe

NAMES = ("cifar10", "voc", "kth_tips2b", "imagenet2012")

_STAGING = ".preparing"  # in the folder of the data set's name; TFDS does not look there


def recipes(name: str) -> "list[Recipe]":
    """What there is to prepare under one of `NAMES`: a recipe for each config."""
    return importlib.import_module(f"jagree.data.builders.{name}").recipes()


def prepare(
    name: str, directory: str | Path = "", archives: str | Path = "", check: bool = True
) -> list[Path]:
    """Prepare a data set, unless it is there, and say what is done.

    Parameters
    ----------
    name : str
        One of `NAMES`.
    directory : str or path
        TFDS folder; "" for the default one.
    archives : str or path
        Folder of the official archives. "": they are downloaded, to the folder downloads in the
        TFDS folder, and stay there.
    check : bool
        Whether archives are refused that do not have the known checksum.

    Returns
    -------
    list of path
        Where it lies: a folder for each config.

    Raises
    ------
    UsageError
        If it cannot be prepared. Nothing is left then that could be taken for a data set.
    """
    from jagree.data.tfds_reader import folder_of

    if name not in NAMES:
        raise UsageError(f"cannot prepare '{name}'; what can be is {', '.join(NAMES)}")
    folder = folder_of(str(directory))
    try:
        (folder / name).mkdir(parents=True, exist_ok=True)
        with _alone(folder / name):
            return [_prepare(recipe, folder, archives, check) for recipe in recipes(name)]
    except OSError as error:
        where = f" '{error.filename}'" if error.filename else ""
        raise UsageError(
            f"cannot prepare '{name}' in '{folder}' ({error.strerror or error}{where}); make room "
            "there, or choose another --dir"
        ) from error
    finally:
        _remove_if_empty(folder / name)


@contextmanager
def _alone(folder: Path) -> Iterator[None]:
    """Let no other process prepare here meanwhile."""
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            raise UsageError(f"another process is preparing '{folder}'; wait for it") from error
        yield
    finally:
        os.close(descriptor)


def _remove_if_empty(folder: Path) -> None:
    with suppress(OSError):  # the usual case: it holds the data set
        folder.rmdir()


def _prepare(recipe: "Recipe", folder: Path, archives: str | Path, check: bool) -> Path:
    from jagree.data.builders.fetching import verify
    from jagree.data.builders.writing import write

    target = folder / recipe.folder
    if _is_there(target):
        print(f"'{target}' is there already, and is left as it is")
        return target
    paths = _files(recipe, folder, archives)
    for file in recipe.files:
        if file.name not in paths:
            print(f"there is no '{file.name}': the split made from it is left out")
        elif check and paths[file.name].is_file():
            verify(file, paths[file.name])
    staging = folder / recipe.name / _STAGING
    shutil.rmtree(staging, ignore_errors=True)  # what a killed process left
    try:
        _check_room(staging.parent, paths)
        print(f"preparing '{target}'", flush=True)
        counts = write(recipe, paths, staging)
        _move(staging, folder, recipe)
    finally:
        shutil.rmtree(staging, ignore_errors=True)
    print(f"prepared '{target}': {_summary(counts, recipe.official)}")
    if recipe.note:
        print(f"note: {recipe.note}")
    return target


def _is_there(target: Path) -> bool:
    """Whether a data set is in a folder in the right format; a UsageError if another is."""
    if not target.exists():
        return False
    try:
        form = json.loads((target / "dataset_info.json").read_text())["fileFormat"]
    except (OSError, ValueError, LookupError, TypeError) as error:
        raise UsageError(
            f"'{target}' is there but is no finished data set; remove it, or choose another --dir"
        ) from error
    if form != "array_record":
        raise UsageError(
            f"'{target}' is there in the format {form}, which cannot be read without TensorFlow; "
            "choose another --dir"
        )
    return True


def _files(recipe: "Recipe", folder: Path, archives: str | Path) -> dict[str, Path]:
    """Where the files are that it is made from, by name; they are downloaded if need be."""
    from jagree.data.builders.fetching import download, find

    if str(archives):
        return find(recipe.files, Path(archives).expanduser())
    if recipe.how_to_get:
        raise UsageError(recipe.how_to_get)
    return {file.name: download(file, folder / "downloads") for file in recipe.files}


def _check_room(folder: Path, paths: Mapping[str, Path]) -> None:
    """Raise a UsageError if what is made of the files cannot fit; it is about as large as they."""
    needed = sum(path.stat().st_size for path in paths.values() if path.is_file())
    free = shutil.disk_usage(folder).free
    if free < needed:
        raise UsageError(
            f"'{folder}' has room for {free / 1e9:.1f} GB, but some {needed / 1e9:.1f} GB are "
            "needed; make room there, or choose another --dir"
        )


def _move(staging: Path, folder: Path, recipe: "Recipe") -> None:
    """Put a finished data set in its place, at one stroke."""
    target = folder / recipe.folder
    target.parent.mkdir(parents=True, exist_ok=True)
    configs = Path(recipe.name, ".config")  # names the default config
    if (staging / configs).is_dir() and not (folder / configs).exists():
        (staging / configs).rename(folder / configs)
    (staging / recipe.folder).rename(target)


def _summary(counts: Mapping[str, int], official: Mapping[str, int]) -> str:
    parts = []
    for split, count in counts.items():
        expected = official.get(split, count)
        fewer = "" if count == expected else f" (officially {expected:,})"
        parts.append(f"{counted(count, 'image')} for {split}{fewer}")
    return enumeration(parts)
