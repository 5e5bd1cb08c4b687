"""Files of records (shards) as TensorFlow Datasets writes them, read without TensorFlow."""

import os
import struct
import threading
from abc import ABC, abstractmethod
from collections import OrderedDict
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from jagree.words import counted

_HELD_OPEN = 256  # files at once, in a process; a shell's usual limit is 1,024


@dataclass(frozen=True)
class Shard:
    """One file of records. Small, and may be sent to another process: opened where it is read.

    Attributes
    ----------
    path : Path
        Absolute.
    format : str
        One of `FORMATS`.
    length : int
        Records that it must hold.
    size, changed : int
        Its bytes, and the time of its last change in nanoseconds, as the data set was opened.
    """

    path: Path
    format: str
    length: int
    size: int
    changed: int

    def read(self, positions: Sequence[int]) -> list[bytes]:
        """The records at these positions, in this order. Several threads may read at once.

        Raises
        ------
        OSError
            If the file is missing, damaged or of another length; the message names it.
        """
        return _opened(self).read(positions) if len(positions) else []


class _File(ABC):
    """An opened shard; OSError wherever its bytes are not what they should be."""

    def __init__(self, path: Path) -> None:
        self.path = path

    @abstractmethod
    def __len__(self) -> int:
        """Number of records."""

    @abstractmethod
    def read(self, positions: Sequence[int]) -> list[bytes]:
        """The records at these positions."""

    def damaged(self, why: object) -> OSError:
        """An error that names the file."""
        return OSError(f"'{self.path}' is damaged or cut short: {why}")


class _ArrayRecord(_File):
    """A file of https://github.com/google/array_record, whose reader verifies its checksums."""

    def __init__(self, path: Path) -> None:
        super().__init__(path)
        from array_record.python import array_record_module

        # No reading ahead: it is costly where records are read at random.
        self._reader = array_record_module.ArrayRecordReader(
            os.fspath(path),
            options="readahead_buffer_size:0,max_parallelism:0",
            file_reader_buffer_size=32_768,
        )
        if not self._reader.ok():
            try:
                self._reader.read([0])
            except (RuntimeError, ValueError, IndexError) as error:  # which says why
                raise self.damaged(error) from error
            raise self.damaged("it cannot be read")

    def __len__(self) -> int:
        return self._reader.num_records()

    def read(self, positions: Sequence[int]) -> list[bytes]:
        # Neither way changes the reader's state, so no lock is needed. That of a range takes a
        # tenth of the time, for the other one goes through the places of all records.
        ascending = range(positions[0], positions[0] + len(positions))
        try:
            if list(positions) == list(ascending):
                return self._reader.read(ascending.start, ascending.stop)
            return self._reader.read(list(positions))
        except (RuntimeError, ValueError, IndexError) as error:
            raise self.damaged(error) from error


class _TFRecord(_File):
    """For each record: its length (8 bytes), a checksum of that (4), the data, one of that (4).

    All little-endian. Where the records begin stands nowhere: found by going from length to length.
    """

    def __init__(self, path: Path) -> None:
        super().__init__(path)
        starts, at, size = [0], 0, path.stat().st_size
        with path.open("rb", buffering=0) as file:
            while at < size:
                header = os.pread(file.fileno(), 12, at)
                if _masked_checksum(header[:8]) != header[8:]:
                    raise self.damaged(f"no record begins at byte {at}")
                at += 12 + int.from_bytes(header[:8], "little") + 4
                starts.append(at)
        if at > size:
            raise self.damaged(f"the record at byte {starts[-2]} goes beyond its end")
        self._starts = np.array(starts, np.int64)

    def __len__(self) -> int:
        return len(self._starts) - 1

    def read(self, positions: Sequence[int]) -> list[bytes]:
        found = []
        # Opened for each call. What is kept is where the records begin, which takes long to find.
        with self.path.open("rb", buffering=0) as file:
            for position in positions:
                at, end = self._starts[position : position + 2].tolist()
                data = os.pread(file.fileno(), end - at - 12, at + 12)
                if _masked_checksum(data[:-4]) != data[-4:]:
                    raise self.damaged(f"wrong checksum of the record at byte {at}")
                found.append(data[:-4])
        return found


def _masked_checksum(data: bytes) -> bytes:
    """CRC-32C, rotated right by 15 bits, plus a constant.

    So TFRecord defines it, for a checksum over data that hold their own checksum says nothing.
    """
    import google_crc32c

    crc = google_crc32c.value(data)
    return struct.pack("<I", ((crc >> 15 | crc << 17) + 0xA282EAD8) & 0xFFFFFFFF)


class _Parquet(_File):
    """One column of records. They are read in groups, as they were written: slow at random."""

    def __init__(self, path: Path) -> None:
        super().__init__(path)
        import pyarrow.parquet

        try:
            self._file = pyarrow.parquet.ParquetFile(path, page_checksum_verification=True)
        except (pyarrow.ArrowException, OSError) as error:
            raise self.damaged(error) from error
        metadata = self._file.metadata
        lengths = [metadata.row_group(i).num_rows for i in range(metadata.num_row_groups)]
        self._ends = np.cumsum(lengths)
        self._group: tuple[int, Any] = -1, None  # the last one read
        self._lock = threading.Lock()

    def __len__(self) -> int:
        return self._file.metadata.num_rows

    def read(self, positions: Sequence[int]) -> list[bytes]:
        with self._lock:
            return [self._one(position) for position in positions]

    def _one(self, position: int) -> bytes:
        import pyarrow

        number = int(np.searchsorted(self._ends, position, "right"))
        if self._group[0] != number:
            try:
                self._group = number, self._file.read_row_group(number).column(0)
            except (pyarrow.ArrowException, OSError) as error:
                raise self.damaged(error) from error
        return self._group[1][position - self._ends[number]].as_py()  # counted from the group's end


FORMATS: dict[str, Callable[[Path], _File]] = {
    "array_record": _ArrayRecord,
    "tfrecord": _TFRecord,
    "parquet": _Parquet,
}

# A shard that has changed is another key, so what stands here is never out of date.
_open: OrderedDict[Shard, _File] = OrderedDict()
_lock = threading.Lock()


def _opened(shard: Shard) -> _File:
    with _lock:
        if shard in _open:
            _open.move_to_end(shard)
            return _open[shard]
    file = FORMATS[shard.format](shard.path)
    if len(file) != shard.length:
        raise OSError(
            f"'{shard.path}' holds {counted(len(file), 'record')}, but dataset_info.json "
            f"says {shard.length:,}"
        )
    with _lock:
        _open[shard] = file
        holding = [s for s in _open if s.format != "tfrecord"]  # which is not held open
        if len(holding) > _HELD_OPEN:
            del _open[holding[0]]  # closed when the last thread is done with it
    return file


def _forget() -> None:
    """After a fork: files and locks may be in the middle of something that will never end."""
    global _open, _lock, _of_parent
    _of_parent = _open  # kept, because closing may wait as well
    _open, _lock = OrderedDict(), threading.Lock()


_of_parent: OrderedDict[Shard, _File] | None = None
os.register_at_fork(after_in_child=_forget)
