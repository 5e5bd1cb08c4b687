"""Folders of image files: ``train/cat/1.png``, ``test/dog/2.jpg``, or ``cat/1.png`` alone."""

import itertools
import os
import unicodedata
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from jagree.data.files import (
    SUFFIXES,
    FileImages,
    Listing,
    check_link,
    check_names,
    listing,
    readable,
)
from jagree.data.split import Split
from jagree.errors import UsageError
from jagree.words import counted

_TESTS = ("test", "val", "valid", "validation")  # the first that is there


def load(split: str, options: Any) -> Split:
    """Find the images of one split; none is opened.

    A class is a sub-folder of the split's folder; what lies in deeper folders counts to it, too.
    Classes are those of the train split, in alphabetical order (of code points: capitals first).

    Parameters
    ----------
    split : {"train", "test"}
    options : ConfigDict
        ``config.data``: `dir`; `train_split` and `test_split`, the folders in it ("": ``train``;
        ``test``, ``val``, ``valid`` or ``validation``; ".": `dir` itself); `test_share`, with which
        no folder for tests is needed and `dir` itself holds the classes, unless `train_split`
        names a folder.

    Returns
    -------
    Split
        Ids are paths relative to `dir`, with slashes, in Unicode's composed form (NFC).

    Raises
    ------
    UsageError
        If the folder is laid out otherwise, a link leads out of it, or a name cannot be an id.
    """
    if not options.dir:
        raise UsageError("source folder: say where the images are with --config.data.dir=FOLDER")
    root = Path(options.dir).expanduser()
    try:
        if not root.is_dir():
            raise UsageError(f"there is no folder '{root}'; name one that holds {_LAYOUT}")
        root = root.resolve()
        train = _train_folder(root, options)
        here = train if split == "train" else _test_folder(root, train, options)
        classes = _classes(root, train)
    except OSError as error:
        raise UsageError(f"cannot look into '{root}' ({error}); make it readable") from error
    found = listing(root / here, confined_to=root)
    label, notes = _labels(split, root / here, found, classes)
    if split == "test" and here != "test" and not options.test_split:
        notes.insert(0, f"the test split is the folder '{here}'")
    names = found.images if here == "." else [f"{here}/{name}" for name in found.images]
    ids, order = _ids(root, names)
    same = ids == [names[i] for i in order]  # nearly always; one array then serves as both
    id_array = np.array(ids, np.str_)
    return Split(
        name=split,
        id=id_array,
        label=np.array(label, np.int32)[order],
        image=FileImages(root, id_array if same else np.array(names, np.str_)[order]),
        class_names=tuple(classes),
        notes=tuple(notes),
    )


_LAYOUT = (
    "train/CLASS/IMAGE and test/CLASS/IMAGE (other names: data.train_split, data.test_split), or "
    "CLASS/IMAGE with a data.test_share to hold out"
)


def _train_folder(root: Path, options: Any) -> str:
    """The train split's folder, relative to the root; "." is the root."""
    if options.train_split:
        return _named(root, "train_split", options.train_split)
    there = _is_folder(root, "train")
    if not there and not options.test_share:
        raise UsageError(f"'{root}' has no folder 'train'{_instead(root)}; expected is {_LAYOUT}")
    if there and options.test_share:
        raise UsageError(
            f"'{root}' has a folder 'train', and with data.test_share that may be the split to "
            "part or a class: say --config.data.train_split=train or --config.data.train_split=."
        )
    return "train" if there else "."


def _test_folder(root: Path, train: str, options: Any) -> str:
    if options.test_split:
        test = _named(root, "test_split", options.test_split)
    else:
        test = next((name for name in _TESTS if name != train and _is_folder(root, name)), "")
    if not test:
        raise UsageError(
            f"'{root}' has no folder for tests ({', '.join(_TESTS)}); name one with "
            "--config.data.test_split=FOLDER, or hold out a part of the train split with "
            "--config.data.test_share=0.2"
        )
    one, other = root / train, root / test
    if one.is_relative_to(other) or other.is_relative_to(one):
        raise UsageError(
            f"'{one}' and '{other}', the folders of the splits, must lie apart; name others with "
            "data.train_split and data.test_split"
        )
    return test


def _named(root: Path, field: str, name: str) -> str:
    """A folder that the options name, relative to the root, with slashes."""
    path = Path(os.path.normpath(root / name))
    if not path.is_relative_to(root):
        raise UsageError(f"data.{field}='{name}' must name a folder in data.dir, '{root}'")
    relative = path.relative_to(root)
    if not _is_folder(root, relative.as_posix()):
        raise UsageError(f"data.{field}: '{root}' has no folder '{name}'{_instead(root)}")
    return relative.as_posix()


def _is_folder(root: Path, name: str) -> bool:
    """Whether there is such a folder; a link to one is refused."""
    path = root
    for part in Path(name).parts:
        path /= part
        if path.is_symlink():
            check_link(path, root)
            raise UsageError(
                f"'{path}' is a link to a folder, which is not followed; name the folder itself "
                "with data.train_split or data.test_split"
            )
    return path.is_dir()


def _instead(root: Path) -> str:
    names = _folders(root)
    more = ", ..." if len(names) > 10 else ""
    listed = ", ".join(map(readable, names[:10])) + more
    return f" but {listed}" if names else ", nor any other"


def _folders(folder: Path) -> list[str]:
    """Names of the folders in a folder, in order, without the hidden ones and links."""
    with os.scandir(folder) as entries:
        return sorted(
            entry.name
            for entry in entries
            if not entry.name.startswith(".") and entry.is_dir(follow_symlinks=False)
        )


def _composed(name: str) -> str:
    """The form of a name that is the same on all machines; some file systems store another."""
    return unicodedata.normalize("NFC", name)


def _classes(root: Path, train: str) -> list[str]:
    """The classes, in order, which folders of the train split name."""
    where = root / train
    folders = _folders(where)
    check_names(where, folders)
    for name in folders:
        if name != name.strip():
            raise UsageError(f"'{where}': the class '{name}' has a blank at an end; rename it")
    classes = sorted(map(_composed, folders))
    _refuse_twice(where, classes)
    if len(classes) < 2:
        has = f"only one folder, '{classes[0]}'" if classes else "no folder"
        raise UsageError(
            f"'{where}' must hold a folder for each of two or more classes, but holds {has}; "
            f"expected in data.dir is {_LAYOUT}"
        )
    return classes


def _refuse_twice(where: Path, names: Sequence[str]) -> None:
    """Raise a UsageError if two names in a row are equal."""
    for one, following in itertools.pairwise(names):
        if one == following:
            raise UsageError(
                f"'{where}' holds '{one}' twice, written in different normal forms of Unicode, "
                "which look alike; rename one"
            )


def _labels(
    split: str, where: Path, found: Listing, classes: Sequence[str]
) -> tuple[list[int], list[str]]:
    """Label of each image that was found, and what there is to say of the others."""
    number = {name: i for i, name in enumerate(classes)}
    for folder in sorted(found.folders):
        if "/" not in folder and _composed(folder) not in number:
            raise UsageError(
                f"'{where}' has the class '{readable(folder)}', which the train split has not; "
                "train and test must have the same classes"
            )
    label = []
    for image in found.images:
        above, slash, _ = image.partition("/")
        if not slash:
            raise UsageError(
                f"'{where}' holds the image '{readable(image)}' beside the folders of the classes; "
                "put it into one of them"
            )
        label.append(number[_composed(above)])
    without = sorted(set(range(len(classes))) - set(label))
    if without and (split == "train" or not label):
        raise UsageError(
            f"'{where}' holds no image of the class '{classes[without[0]]}'; looked for are "
            f"{', '.join(SUFFIXES)}"
        )
    notes = []
    if without:
        one = classes[without[0]]
        notes.append(
            f"{len(without):,} of {len(classes):,} classes without images, such as '{one}'"
        )
    for paths, what, why in (
        (found.others, "file", "left out, by name or kind no images"),
        (found.links, "link", "to folders not followed"),
    ):
        if paths:
            notes.append(f"{counted(len(paths), what)} {why}, such as '{readable(min(paths))}'")
    return label, notes


def _ids(root: Path, names: Sequence[str]) -> tuple[list[str], list[int]]:
    """Ids in ascending order, and the position of each one's file among the names."""
    check_names(root, names)
    composed = [_composed(name) for name in names]
    order = sorted(range(len(names)), key=composed.__getitem__)
    ids = [composed[i] for i in order]
    _refuse_twice(root, ids)
    return ids, order
