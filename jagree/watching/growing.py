"""A small file that grows at its end while somebody may be reading it."""

from pathlib import Path

from jagree.paths import is_remote, make_folder, write


class GrowingFile:
    """Begun whole, in one step, and then longer by whole pieces.

    A process that is killed leaves at most an unfinished piece at the end, as a full disk does;
    what could not be written is written with the next piece. Readers have to pass over an
    unfinished end.

    Parameters
    ----------
    path : path
        Its folder is made if there is none.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        self._size: int | None = None  # bytes that are surely there; None: not begun
        self._pending = b""
        self._object = b""  # all of it in an object store, where nothing can grow

    def begin(self, content: bytes) -> None:
        """Write the file anew, or the old one stays.

        Raises
        ------
        OSError
            The next `append` tries again.
        """
        self._size, self._pending, self._object = None, content, b""
        self._write()

    def append(self, piece: bytes) -> None:
        """Write a piece at the end, after what could not be written before.

        Raises
        ------
        OSError
            The next call tries again.
        """
        self._pending += piece
        self._write()

    def _write(self) -> None:
        if is_remote(self._path):
            write(self._path, self._object + self._pending)
            self._object += self._pending
            self._size = 0
        elif self._size is None:
            make_folder(self._path.parent)
            write(self._path, self._pending)
            self._size = 0
        else:
            with self._path.open("r+b") as file:
                file.seek(self._size)  # over what a failed write left, a part of this
                file.write(self._pending)
        self._size += len(self._pending)
        self._pending = b""
