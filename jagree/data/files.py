"""Image files, one or a folder of them: which there are, and their bytes."""

import functools
import hashlib
import os
import re
import stat
from collections.abc import Iterable, Mapping, Sequence
from collections.abc import Set as AbstractSet
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from jagree.data.images import Encoded
from jagree.data.split import Column
from jagree.errors import UsageError

SUFFIXES = (".png", ".jpg", ".jpeg", ".bmp", ".gif", ".tif", ".tiff", ".webp")
CONTROL = re.compile(r"[\x00-\x1f\x7f-\x9f]")  # what no name may hold: it would break tables

_LARGEST = 2**31  # bytes of one file: more than the largest image that is decoded, uncompressed


@dataclass(frozen=True)
class Listing:
    """What is in a folder and the folders in it, in no order: paths relative to it, with slashes.

    Attributes
    ----------
    images : list of str
        Files whose name ends in one of `SUFFIXES`, in capitals or not. None has been opened.
    folders : list of str
    others : list of str
        Whatever else is a file, pipes and devices named like images among them.
    links : list of str
        Links to folders, which are not followed.
    """

    images: list[str] = field(default_factory=list)
    folders: list[str] = field(default_factory=list)
    others: list[str] = field(default_factory=list)
    links: list[str] = field(default_factory=list)


def listing(
    folder: Path, leave_out: AbstractSet[Path] = frozenset(), confined_to: Path | None = None
) -> Listing:
    """Walk through a folder; what is hidden (a name that begins with a dot) is left out.

    A link to a file counts as the file, under its own name; one to nowhere counts as an image if it
    is named like one.

    Parameters
    ----------
    folder : Path
    leave_out : set of Path
        Folders that are not looked into, resolved.
    confined_to : Path or None
        Folder, resolved, that no link to an image or to a folder may lead out of; then one to
        nowhere is refused, too.

    Raises
    ------
    UsageError
        If a folder cannot be read, or a link is not allowed.
    """
    found = Listing()
    waiting = [""]
    try:
        while waiting:
            above = waiting.pop()
            with os.scandir(folder / above) as entries:
                for entry in entries:
                    if entry.name.startswith("."):
                        continue
                    path = above + entry.name
                    if entry.is_symlink():
                        _sort_link(entry, path, found, confined_to)
                    elif not entry.is_dir():
                        is_image = is_named_like_image(path) and entry.is_file()
                        (found.images if is_image else found.others).append(path)
                    elif not leave_out or Path(entry.path).resolve() not in leave_out:
                        found.folders.append(path)
                        waiting.append(path + "/")
    except OSError as error:
        raise UsageError(
            f"cannot look into '{readable(error.filename or folder)}' ({error.strerror}); "
            "make it readable, or move it away"
        ) from error
    return found


def is_named_like_image(path: str) -> bool:
    """Whether a path ends in one of `SUFFIXES`, in capitals or not."""
    return path.lower().endswith(SUFFIXES)


def _sort_link(
    entry: os.DirEntry[str], path: str, found: Listing, confined_to: Path | None
) -> None:
    image = is_named_like_image(path)
    try:
        mode = entry.stat().st_mode
    except OSError:  # nowhere, or in a circle
        mode = 0
    if confined_to is not None and (image or stat.S_ISDIR(mode)):
        check_link(entry.path, confined_to)
    if stat.S_ISDIR(mode):
        found.links.append(path)
    elif image and (not mode or stat.S_ISREG(mode)):
        found.images.append(path)
    else:
        found.others.append(path)


def check_link(path: str | os.PathLike[str], confined_to: Path) -> None:
    """Raise a UsageError if a link leads nowhere, or out of a folder (which is resolved)."""
    try:
        target = Path(path).resolve(strict=True)
    except (OSError, RuntimeError) as error:  # RuntimeError: Python 3.11 and 3.12, of a circle
        raise UsageError(f"'{readable(path)}' is a link to nowhere; remove it") from error
    if not target.is_relative_to(confined_to):
        raise UsageError(
            f"'{readable(path)}' is a link that leads out of '{readable(confined_to)}', to "
            f"'{readable(target)}'; put there what it leads to, or remove it"
        )


def check_names(folder: Path, names: Sequence[str]) -> None:
    """Raise a UsageError unless names can be ids: in UTF-8, without control characters."""
    for name in names:
        if not name.isprintable():  # quick, and true of nearly all
            _check_name(folder, name)


def _check_name(folder: Path, name: str) -> None:
    try:
        name.encode()
    except UnicodeEncodeError as error:
        raise UsageError(
            f"'{readable(folder)}': {name!r} is not in UTF-8; rename the file"
        ) from error
    if CONTROL.search(name):
        raise UsageError(f"'{readable(folder)}': {name!r} has a control character; rename the file")


def readable(name: str | os.PathLike[str]) -> str:
    """A file's name as it can be printed: what is not in UTF-8, or moves the cursor, escaped."""
    text = os.fspath(name).encode("utf-8", "backslashreplace").decode()
    return CONTROL.sub(lambda found: repr(found[0])[1:-1], text)


def content(path: str | os.PathLike[str]) -> bytes:
    """All bytes of a file.

    Raises
    ------
    OSError
        If it cannot be read, is no regular file (a pipe is not waited for), or has more than
        2 GiB, which no image that is decoded has. The error names it.
    """
    with open(path, "rb", opener=_without_waiting) as file:
        status = os.fstat(file.fileno())
        if not stat.S_ISREG(status.st_mode):
            raise OSError(f"'{readable(path)}' is no regular file")
        if status.st_size > _LARGEST:
            raise OSError(
                f"'{readable(path)}' has {status.st_size:,} bytes; an image may have {_LARGEST:,}"
            )
        return file.read()


def _without_waiting(path: str, flags: int) -> int:
    """Open a pipe although nobody writes to it."""
    return os.open(path, flags | getattr(os, "O_NONBLOCK", 0))  # Windows has neither


class FileImages(Encoded):
    """Image files, each read when it is taken out.

    Parameters
    ----------
    folder : Path
    names : str array [N]
        Paths relative to it, with slashes.
    """

    def __init__(self, folder: Path, names: np.ndarray) -> None:
        self._folder = folder
        self._names = names

    def __len__(self) -> int:
        return len(self._names)

    def encoded(self, position: int) -> bytes:
        """The bytes of one file; OSError where they cannot be read."""
        return content(self.name(position))

    def name(self, position: int) -> str:
        """The file's path."""
        return str(self._folder / str(self._names[position]))

    def take(self, positions: np.ndarray) -> "FileImages":
        """The files at these positions."""
        return FileImages(self._folder, self._names[positions])

    @property
    def stamp(self) -> str:
        """Of paths, sizes and times of change; all files are looked up, none is read."""
        return stamp(self._folder, self._names.tolist())


def stamp(folder: Path, names: Iterable[str]) -> str:
    """SHA-256 over the paths of files, their sizes, and their last change.

    With the change of the inode, which, unlike that of the content, no copying or unpacking sets
    back: two folders made of archives may agree in all names, sizes and times.
    """
    digest = hashlib.sha256(f"{folder.resolve()}\0".encode())
    for name in names:
        try:
            status = (folder / name).stat()
            known = f"{status.st_size} {status.st_mtime_ns} {status.st_ctime_ns} {status.st_ino}"
        except OSError:
            known = "gone"  # who reads it will name it
        digest.update(f"{name}\0{known}\0".encode())
    return digest.hexdigest()


class ImageFiles:
    """All images in a folder and the folders in it, read one by one when asked for.

    Files whose name ends in one of `SUFFIXES`, in capitals or not. What is hidden (a name that
    begins with a dot) is left out, and links to folders are not followed.

    Parameters
    ----------
    folder : str or path
    leave_out : sequence of path
        Folders that are not looked into, such as one for results that lies within.

    Attributes
    ----------
    folder : Path
    name : str
        The folder's.
    id : str array [N]
        Paths relative to the folder, with slashes, in ascending order of NumPy's strings.
    metadata : mapping of str to Column
        Empty: of a file nothing is known but its pixels.

    Raises
    ------
    UsageError
        If there is no such folder, no image in it, a folder in it that cannot be read, or an image
        whose name is not UTF-8.
    """

    def __init__(
        self, folder: str | os.PathLike[str], leave_out: Sequence[str | os.PathLike[str]] = ()
    ) -> None:
        self.folder = Path(folder).expanduser()
        self.name = self.folder.resolve().name
        not_here = {Path(path).resolve() for path in leave_out}
        self.id = np.sort(np.array(_found(self.folder, not_here), np.str_))
        self.metadata: Mapping[str, Column] = {}

    def __len__(self) -> int:
        return len(self.id)

    def originals(self, positions: np.ndarray) -> FileImages:
        """The images at these positions, each read when it is taken out."""
        return FileImages(self.folder, self.id[positions])

    @functools.cached_property
    def fingerprint(self) -> str:
        """SHA-256 over ids and the files' bytes, in order of id; read in full the first time.

        A file that cannot be read counts as such: who measures it will name it.
        """
        digest = hashlib.sha256()
        for name in self.id:
            try:
                with (self.folder / name).open("rb") as file:
                    content = hashlib.file_digest(file, "sha256").digest()
            except OSError:
                content = bytes(hashlib.sha256().digest_size)
            # A name holds no zero and a digest has one length: no two folders feed the same bytes.
            digest.update(name.encode() + b"\0" + content)
        return digest.hexdigest()


def _found(folder: Path, not_here: AbstractSet[Path]) -> list[str]:
    """Images below the folder, relative to it, in no order."""
    if not folder.is_dir():
        raise UsageError(f"there is no folder '{folder}'; name one that holds images")
    found = listing(folder, not_here).images
    if not found:
        raise UsageError(f"'{folder}' holds no image; looked for are {', '.join(SUFFIXES)}")
    check_names(folder, found)
    return found
