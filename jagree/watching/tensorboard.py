"""RUN/tensorboard/: an event file for TensorBoard, written without TensorFlow.

What a file holds is three messages of TensorBoard's (tensorflow/core/util/event.proto and
framework/summary.proto) in the frames of a tfrecord file. They are encoded here, because
tensorboardX imports PyTorch wherever that is installed: seconds, and a second set of CUDA libraries
in a process that trains. The tests read the files with tensorboardX.
"""

import datetime
import math
import os
import platform
import struct
import time
from collections.abc import Mapping, Sequence
from pathlib import Path

import google_crc32c

from jagree.watching.audience import Watcher
from jagree.watching.growing import GrowingFile
from jagree.watching.numbers import EpochNumbers

_PREFIX = "events.out.tfevents."  # by which TensorBoard knows them


class TensorBoardFile(Watcher):
    """Keeps one event file: epochs as steps, a scalar for each number.

    A resumed run begins a new one, with all epochs so far; its first record tells who reads the
    files in their order to forget what was before. The file before it stays, for a TensorBoard that
    has it open finds the new one by it; older ones go.

    Parameters
    ----------
    folder : path
        Holds these files only.
    """

    def __init__(self, folder: Path) -> None:
        self.file = folder.name
        self._folder = folder
        self._events: GrowingFile

    def began(self, past: Sequence[EpochNumbers]) -> None:
        """Write a file of the epochs that the run goes on after."""
        now = time.time()
        # In the order of their names they must be in the order of time.
        name = f"{_PREFIX}{now:017.6f}.{platform.node() or 'host'}.{os.getpid()}"
        self._events = GrowingFile(self._folder / name)
        old = sorted(self._folder.glob(f"{_PREFIX}*"))
        head = framed(_event(now, 0, _VERSION)) + framed(_event(now, 0, _RESTART))
        self._events.begin(head + b"".join(map(_of_epoch, past)))
        for path in old[:-1]:
            path.unlink(missing_ok=True)

    def recorded(self, numbers: EpochNumbers) -> None:
        """Add the epoch's scalars."""
        self._events.append(_of_epoch(numbers))


def scalars(numbers: EpochNumbers) -> dict[str, float]:
    """Tag to value, as TensorBoard shows them: fractions, and losses in the record's unit.

    An agreement that is not defined is left out; a loss that is not finite stands there as nan,
    but in epoch 0, which has none.
    """
    found = {}
    for name, split in numbers.splits.items():
        found[f"accuracy/{name}"] = split.accuracy_mean
        found[f"agreement/{name}"] = split.agreement
        found[f"chance/{name}"] = split.chance
    found = {tag: value for tag, value in found.items() if not math.isnan(value)}
    if numbers.epoch:
        found |= {f"loss/member_{k}": value for k, value in enumerate(numbers.loss)}
    return found


def framed(data: bytes) -> bytes:
    """A record of a tfrecord file: its length and the data, each with a masked CRC-32C."""
    length = struct.pack("<Q", len(data))
    return length + _checksum(length) + data + _checksum(data)


def _checksum(data: bytes) -> bytes:
    crc = google_crc32c.value(data)
    return struct.pack("<I", (((crc >> 15) | (crc << 17)) + 0xA282EAD8) & 0xFFFFFFFF)


def _of_epoch(numbers: EpochNumbers) -> bytes:
    try:
        when = datetime.datetime.fromisoformat(numbers.time).timestamp()
    except ValueError:  # it was found in the record later
        when = time.time()
    return framed(_event(when, numbers.epoch, _message(5, _summary(scalars(numbers)))))


def _summary(values: Mapping[str, float]) -> bytes:
    """Message Summary: value = 1, of messages with tag = 1 and simple_value = 2."""
    return b"".join(
        _message(1, _message(1, tag.encode()) + _key(2, 5) + struct.pack("<f", value))
        for tag, value in values.items()
    )


def _event(when: float, step: int, what: bytes) -> bytes:
    """Message Event: wall_time = 1, step = 2, and one of the others."""
    return _key(1, 1) + struct.pack("<d", when) + _key(2, 0) + _varint(step) + what


def _message(field: int, content: bytes) -> bytes:
    """A field of a protocol buffer that is a string or a message."""
    return _key(field, 2) + _varint(len(content)) + content


def _key(field: int, wire_type: int) -> bytes:
    return _varint(field << 3 | wire_type)


def _varint(number: int) -> bytes:
    """A number of 0 or more in groups of 7 bits, the lowest first."""
    groups = []
    while number > 0x7F:
        groups.append(number & 0x7F | 0x80)
        number >>= 7
    return bytes([*groups, number])


_VERSION = _message(3, b"brain.Event:2")  # Event.file_version: the first record of any file
_RESTART = _message(7, _key(1, 0) + _varint(1))  # Event.session_log, of status START
