"""Reading archives that nobody vouches for, without unpacking them.

Nothing is ever written: members are looked up by name and their bytes read. So no name of a member
can reach a file of the machine, whatever it says.
"""

import gzip
import io
import os
import tarfile
import zlib
from abc import ABC, abstractmethod
from pathlib import Path, PurePosixPath
from typing import Any, BinaryIO, Self, cast

from jagree.errors import UsageError

_BLOCK = 512  # bytes; a tar is made of such
_LARGEST = 1 << 28  # bytes of one file that is read whole: no image or list comes near it

# What damaged archives make their modules raise; memory and stack, of sizes that are made up.
_DAMAGED = (
    tarfile.TarError, zlib.error, ArithmeticError, AttributeError, EOFError, LookupError,
    MemoryError, OSError, RecursionError, TypeError, ValueError,
)  # fmt: skip


def shown(name: str) -> str:
    """A member's name as an error may print it: one line, no control characters, not too long."""
    name = name if name.isprintable() else ascii(name)[1:-1]
    return name if len(name) <= 200 else f"{name[:200]}..."


class Files(ABC):
    """Files known by their names, wherever they lie.

    Attributes
    ----------
    where : str
        What errors call the whole.
    """

    where: str

    @abstractmethod
    def names(self) -> list[str]:
        """All names, with slashes, in the order in which they lie."""

    @abstractmethod
    def size(self, name: str) -> int:
        """Bytes of a file; a UsageError names it if there is none such."""

    @abstractmethod
    def _read(self, name: str) -> bytes:
        """The bytes of a file that is there."""

    def read(self, name: str) -> bytes:
        """The bytes of a file; a UsageError names it if it is not there or cannot be read."""
        if self.size(name) > _LARGEST:
            raise self.wrong(name, f"has {self.size(name):,} bytes")
        return self._read(name)

    def text(self, name: str) -> str:
        """The text of a file; a UsageError names it if there is none, or it is not UTF-8."""
        try:
            return self.read(name).decode()
        except UnicodeDecodeError as error:
            raise self.wrong(name, "is no text in UTF-8") from error

    def missing(self, name: str) -> UsageError:
        """An error about a file that should be there."""
        return UsageError(f"'{self.where}' has no '{shown(name)}'; get the official data")

    def wrong(self, name: str, what: str) -> UsageError:
        """An error about a file that is there: `what` goes on from its name."""
        return UsageError(f"'{shown(name)}' in '{self.where}' {what}; get the official data")


class Archive(Files):
    """A tar, plain or compressed by gzip.

    The list of members is read and checked at once, a member's bytes when they are asked for. To be
    used in a ``with`` statement.

    Parameters
    ----------
    file : binary file
        Can be sought in.
    where : str
        What errors call it.

    Raises
    ------
    UsageError
        If it is no tar, is cut short or damaged, or if the name of a member or the target of a link
        leads out of the folder it would be unpacked to, or a member is neither a file nor a folder
        nor a link. The member is named.
    """

    def __init__(self, file: BinaryIO, where: str) -> None:
        self.where = where
        self._file = file
        self._span: dict[str, tuple[int, int]] = {}  # name -> (its first byte, number of bytes)
        self._unusable: dict[str, str] = {}  # name -> what errors say, should anybody want it
        self._list()

    @classmethod
    def open(cls, path: Path) -> Self:
        """The archive in a file."""
        try:
            file: BinaryIO = path.open("rb")
        except OSError as error:
            raise UsageError(f"cannot read '{path}' ({error.strerror})") from error
        if file.read(2) == b"\x1f\x8b":
            file.close()
            file = cast(BinaryIO, gzip.GzipFile(path))
        try:
            return cls(file, str(path))
        except BaseException:
            file.close()
            raise

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._file.close()

    def _list(self) -> None:
        last = ""
        try:
            packed = isinstance(self._file, gzip.GzipFile)
            self._file.seek(0)
            with tarfile.open(fileobj=self._file, mode="r:") as tar:
                for member in iter(tar.next, None):
                    # Of a million members the module's notes would take a gigabyte.
                    tar.members.clear()  # type: ignore[attr-defined]
                    last = member.name
                    self._note(member)
                end = tar.offset
            # The module takes a damaged header for the end; a block of zeros is one.
            self._file.seek(end)
            ended = self._file.read(_BLOCK) == bytes(_BLOCK)
            while packed and self._file.read(1 << 20):
                pass  # to the very end, where the checksum is compared
        except _DAMAGED as error:
            raise self._damaged(last) from error
        if not ended:
            raise self._damaged(last)

    def _damaged(self, last: str) -> UsageError:
        what = f"cut short or damaged after '{shown(last)}'" if last else "no tar archive"
        return UsageError(f"'{self.where}' is {what}; get it again")

    def _note(self, member: tarfile.TarInfo) -> None:
        """Check one member and remember where it lies."""
        name = _plain(member.name)
        if name is None:
            raise self.wrong(member.name, "has a name that leads out of the folder")
        if member.isdir():
            return
        if member.islnk() or member.issym():
            # A hard link names a member; any other is followed from where it lies.
            base = "." if member.islnk() else str(PurePosixPath(name).parent)
            if _plain(f"{base}/{member.linkname}", absolute=member.linkname) is None:
                raise self.wrong(member.name, f"links to '{shown(member.linkname)}', outside of it")
            self._unusable[name] = "is a link, not a file"
        elif not member.isreg():
            raise self.wrong(member.name, "is a device or such, not a file")
        elif member.issparse():
            self._unusable[name] = "is stored with holes"
        elif name in self._span:
            self._unusable[name] = "is there twice"
        else:
            self._span[name] = (member.offset_data, member.size)

    def names(self) -> list[str]:  # noqa: D102
        return list(self._span)

    def size(self, name: str) -> int:  # noqa: D102
        return self.span(name)[1]

    def span(self, name: str) -> tuple[int, int]:
        """The place of a file's first byte, and the number of its bytes."""
        if name in self._unusable:
            raise self.wrong(name, self._unusable[name])
        if name not in self._span:
            raise self.missing(name)
        return self._span[name]

    def _read(self, name: str) -> bytes:
        return self.read_span(self.span(name), name)

    def read_span(self, span: tuple[int, int], name: str) -> bytes:
        """The bytes of a span, of which a UsageError would speak as `name`."""
        begin, length = span
        try:
            self._file.seek(begin)
            content = self._file.read(length)
        except _DAMAGED as error:
            raise self.wrong(name, f"cannot be read ({error})") from error
        if len(content) < length:
            raise self.wrong(name, "is cut short")
        return content

    def within(self, name: str) -> "Archive":
        """The archive that is a member of this one; usable as long as this one is open."""
        window: Any = _Window(self._file, *self.span(name))
        return Archive(cast(BinaryIO, io.BufferedReader(window)), f"{self.where}/{shown(name)}")


class Tree(Files):
    """The files below a folder, the form of an unpacked archive.

    Links to folders are not followed, nor links to files elsewhere.

    Parameters
    ----------
    folder : path
    """

    def __init__(self, folder: Path) -> None:
        self.where = str(folder)
        self._folder = folder

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        pass

    def names(self) -> list[str]:  # noqa: D102
        found = []
        for where, folders, files in os.walk(self._folder):
            folders.sort()
            found += [Path(where, f).relative_to(self._folder).as_posix() for f in sorted(files)]
        return found

    def size(self, name: str) -> int:  # noqa: D102
        path = self._folder / name
        try:
            if not path.resolve().is_relative_to(self._folder.resolve()):
                raise self.wrong(name, "links out of it")
            if not path.is_file():
                raise self.missing(name)
            return path.stat().st_size
        except OSError as error:
            raise self.wrong(name, f"cannot be read ({error.strerror})") from error

    def _read(self, name: str) -> bytes:
        try:
            return (self._folder / name).read_bytes()
        except OSError as error:
            raise self.wrong(name, f"cannot be read ({error.strerror})") from error


class _Window(io.RawIOBase):
    """Part of a file as a file of its own."""

    def __init__(self, file: BinaryIO, begin: int, length: int) -> None:
        self._file, self._begin, self._length = file, begin, length
        self._at = 0

    def readable(self) -> bool:
        return True

    def seekable(self) -> bool:
        return True

    def seek(self, offset: int, whence: int = os.SEEK_SET) -> int:
        base = {os.SEEK_SET: 0, os.SEEK_CUR: self._at, os.SEEK_END: self._length}[whence]
        self._at = base + offset
        return self._at

    def readinto(self, buffer: bytearray) -> int:  # type: ignore[override]
        wanted = max(0, min(len(buffer), self._length - self._at))
        self._file.seek(self._begin + self._at)
        content = self._file.read(wanted)
        buffer[: len(content)] = content
        self._at += len(content)
        return len(content)


def _plain(name: str, absolute: str = "") -> str | None:
    """A member's name without what says nothing (./a//b is a/b); None if it leads out of here."""
    if name.startswith("/") or absolute.startswith("/"):
        return None
    parts: list[str] = []
    for part in name.split("/"):
        if part == "..":
            if not parts:
                return None
            parts.pop()
        elif part not in ("", "."):
            parts.append(part)
    return "/".join(parts)
