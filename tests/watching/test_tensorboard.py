"""Event files, read with tensorboardX's messages and compared with what its writer writes."""

import math
import struct
from pathlib import Path

import numpy as np
import pytest
from tensorboardX.proto.event_pb2 import Event, SessionLog
from tensorboardX.record_writer import RecordWriter, masked_crc32c

from jagree.watching.numbers import EpochNumbers
from jagree.watching.tensorboard import TensorBoardFile, framed, scalars
from tests.record.conftest import K
from tests.watching.test_numbers import WHEN, numbers


def events(folder: Path) -> list[Event]:
    """The events of the newest file."""
    *_, path = sorted(folder.iterdir())
    assert path.name.startswith("events.out.tfevents.")
    content, found = path.read_bytes(), []
    while content:
        (length,) = struct.unpack("<Q", content[:8])
        assert struct.unpack("<I", content[8:12]) == (masked_crc32c(content[:8]),)
        data, content = content[12 : 12 + length], content[12 + length :]
        assert struct.unpack("<I", content[:4]) == (masked_crc32c(data),)
        content = content[4:]
        found.append(Event.FromString(data))
    return found


def values(event: Event) -> dict[str, float]:
    return {value.tag: value.simple_value for value in event.summary.value}


@pytest.mark.parametrize("length", [0, 1, 127, 128, 300, 70_000])
def test_frames_are_those_of_tensorboardx(tmp_path: Path, length: int) -> None:
    data = np.random.default_rng(length).bytes(length)
    writer = RecordWriter(str(tmp_path / "records"))
    writer.write(data)
    writer.close()
    assert framed(data) == (tmp_path / "records").read_bytes()


def test_every_number_of_every_epoch_is_there(tmp_path: Path) -> None:
    file = TensorBoardFile(tmp_path / "tensorboard")
    epochs = [1, 2, 128, 70_000]  # steps of one byte and of several
    file.began([numbers(epoch) for epoch in epochs[:2]])
    for epoch in epochs[2:]:
        file.recorded(numbers(epoch))
    version, restart, *steps = events(tmp_path / "tensorboard")
    assert version.file_version == "brain.Event:2"
    assert restart.session_log.status == SessionLog.START
    assert restart.step == 0
    assert [event.step for event in steps] == epochs
    for event, epoch in zip(steps, epochs, strict=True):
        told = numbers(epoch)
        expected = {f"loss/member_{k}": loss for k, loss in enumerate(told.loss)}
        for name in ("train", "test"):
            split = told.splits[name]
            expected[f"accuracy/{name}"] = split.accuracy_mean
            expected[f"agreement/{name}"] = split.agreement
            expected[f"chance/{name}"] = split.chance
        found = values(event)
        assert found == pytest.approx({t: v for t, v in expected.items() if not math.isnan(v)})
        assert len(found) >= 5
        assert event.wall_time == 1772359920  # WHEN


def test_a_resumed_run_begins_a_file_with_each_epoch_once(tmp_path: Path) -> None:
    written: list[str] = []
    for _ in range(4):
        file = TensorBoardFile(tmp_path / "tensorboard")
        file.began([numbers(1), numbers(2)])
        file.recorded(numbers(3))
        names = sorted(path.name for path in (tmp_path / "tensorboard").iterdir())
        assert names[:-1] == written[-1:]  # which a TensorBoard may have open
        written.append(names[-1])
        assert [event.step for event in events(tmp_path / "tensorboard")[2:]] == [1, 2, 3]


def test_files_that_are_not_ours_stay(tmp_path: Path) -> None:
    (tmp_path / "notes.txt").write_text("kept")
    file = TensorBoardFile(tmp_path)
    file.began([])
    assert (tmp_path / "notes.txt").read_text() == "kept"


def odd(**changed: object) -> EpochNumbers:
    return numbers(1)._replace(**changed)  # type: ignore[arg-type]


def test_what_has_no_value() -> None:
    nothing = numbers(1, prediction=np.full((K, 7), 9))
    assert "agreement/train" not in scalars(nothing)
    assert "chance/train" not in scalars(nothing)
    assert scalars(nothing)["accuracy/train"] == 0.0
    assert math.isnan(scalars(odd(loss=(1.0, math.nan, 2.0)))["loss/member_1"])
    assert not any("loss" in tag for tag in scalars(odd(epoch=0, loss=(math.nan,) * K)))


def test_an_epoch_of_unknown_time_is_of_now(tmp_path: Path) -> None:
    file = TensorBoardFile(tmp_path / "tensorboard")
    file.began([odd(time=""), odd(time=WHEN)])
    version, _, unknown, known = events(tmp_path / "tensorboard")
    assert unknown.wall_time == pytest.approx(version.wall_time, abs=60)
    assert known.wall_time == 1772359920
