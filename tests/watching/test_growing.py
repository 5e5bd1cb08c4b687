"""A file that grows: what is there after each failure, and after the next success."""

import errno
from pathlib import Path
from typing import Any

import pytest

from jagree.watching.growing import GrowingFile


class HalfWritten:
    """A file that takes the first half of what is written, and is full."""

    def __init__(self, file: Any) -> None:
        self.file = file

    def __enter__(self) -> "HalfWritten":
        return self

    def __exit__(self, *_: object) -> None:
        self.file.close()

    def __getattr__(self, name: str) -> Any:
        return getattr(self.file, name)

    def write(self, content: bytes) -> None:
        self.file.write(content[: len(content) // 2])
        raise OSError(errno.ENOSPC, "No space left on device")


@pytest.fixture
def full_disk() -> Any:
    open_file = Path.open

    def half(self: Path, mode: str = "r", *args: Any, **kwargs: Any) -> Any:
        file = open_file(self, mode, *args, **kwargs)
        return HalfWritten(file) if "w" in mode or "+" in mode else file

    def fill(patch: pytest.MonkeyPatch) -> None:
        patch.setattr(Path, "open", half)

    return fill


def test_it_grows_by_whole_pieces(tmp_path: Path) -> None:
    path = tmp_path / "new" / "file"
    file = GrowingFile(path)
    file.begin(b"one\n")
    assert path.read_bytes() == b"one\n"
    file.append(b"two\n")
    file.append(b"")
    file.append(b"three\n")
    assert path.read_bytes() == b"one\ntwo\nthree\n"
    file.begin(b"another\n")
    assert path.read_bytes() == b"another\n"
    file.append(b"and more\n")
    assert path.read_bytes() == b"another\nand more\n"
    assert list(path.parent.iterdir()) == [path]


def test_after_a_full_disk_the_next_piece_brings_what_is_missing(
    tmp_path: Path, full_disk: Any
) -> None:
    path = tmp_path / "file"
    file = GrowingFile(path)
    file.begin(b"one\n")
    with pytest.MonkeyPatch.context() as patch:
        full_disk(patch)
        for piece in (b"second\n", b"third\n"):
            with pytest.raises(OSError, match="No space left"):
                file.append(piece)
    assert path.read_bytes().startswith(b"one\nsec")
    file.append(b"4\n")
    assert path.read_bytes() == b"one\nsecond\nthird\n4\n"


def test_a_beginning_that_failed_left_the_old_file_and_comes_later(
    tmp_path: Path, full_disk: Any
) -> None:
    path = tmp_path / "file"
    path.write_bytes(b"old")
    file = GrowingFile(path)
    with pytest.MonkeyPatch.context() as patch:
        full_disk(patch)
        for call, piece in ((file.begin, b"one\n"), (file.append, b"two\n")):
            with pytest.raises(OSError, match="No space left"):
                call(piece)
            assert path.read_bytes() == b"old"
    file.append(b"three\n")
    assert path.read_bytes() == b"one\ntwo\nthree\n"
