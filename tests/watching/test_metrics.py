"""metrics.jsonl: whatever befell the file, after a resume it has each recorded epoch once."""

from pathlib import Path

import numpy as np
import pytest

from jagree.errors import UsageError
from jagree.record import RecordWriter
from jagree.watching.metrics import MetricsFile, history, read
from jagree.watching.numbers import EpochNumbers, to_line
from tests.record.conftest import make_fields, make_recorder
from tests.watching.test_numbers import numbers

LINES = {epoch: to_line(numbers(epoch)) for epoch in (1, 2, 3, 4)}
# Of an epoch that was recorded without a word: all but its time.
FROM_RECORD = {
    epoch: line.replace('"2026-03-01T10:12:00Z"', "null").replace("2.5,", "null,", 1)
    for epoch, line in LINES.items()
}


@pytest.fixture
def recorder(tmp_path: Path) -> RecordWriter:
    made = make_recorder(tmp_path / "record.zarr")
    for epoch in (1, 2, 3):
        made.append(epoch, make_fields(epoch))
    return made


def text(epochs: list[EpochNumbers]) -> list[str]:
    return [to_line(numbers) for numbers in epochs]


def test_a_line_is_added_for_each_epoch(tmp_path: Path) -> None:
    path = tmp_path / "run" / "metrics.jsonl"
    metrics = MetricsFile(path)
    metrics.began([])
    assert path.read_text() == ""
    for epoch in (1, 2):
        metrics.recorded(numbers(epoch))
        assert path.read_text() == "".join(f"{LINES[e]}\n" for e in range(1, epoch + 1))
    metrics = MetricsFile(path)
    metrics.began(read(path)[:1])
    metrics.recorded(numbers(4))
    assert path.read_text() == f"{LINES[1]}\n{LINES[4]}\n"


def test_without_a_file_there_is_none(tmp_path: Path) -> None:
    assert read(tmp_path / "metrics.jsonl") == []
    assert read(tmp_path) == []


FILES = {
    "whole": (f"{LINES[1]}\n{LINES[2]}\n{LINES[3]}\n", LINES),
    "cut in mid-line": (f"{LINES[1]}\n{LINES[2]}\n{LINES[3][:70]}", {**LINES, 3: FROM_RECORD[3]}),
    "without the last end": (f"{LINES[1]}\n{LINES[2]}\n{LINES[3]}", LINES),
    "one too many": ("".join(f"{LINES[epoch]}\n" for epoch in (1, 2, 3, 4)), LINES),
    "one too few": (f"{LINES[1]}\n{LINES[3]}\n", {**LINES, 2: FROM_RECORD[2]}),
    "twice and in disorder": ("".join(f"{LINES[epoch]}\n" for epoch in (2, 3, 1, 2)), LINES),
    "none": ("", FROM_RECORD),
    "no text": ("\x00\ud800\n" + f"{LINES[2]}\n", {**FROM_RECORD, 2: LINES[2]}),
}


@pytest.mark.parametrize("case", FILES)
def test_the_history_is_that_of_the_record(
    recorder: RecordWriter, tmp_path: Path, case: str
) -> None:
    path = tmp_path / "metrics.jsonl"
    content, expected = FILES[case]
    path.write_bytes(content.encode(errors="surrogatepass"))
    assert text(history(path, recorder.path)) == [expected[epoch] for epoch in (1, 2, 3)]
    assert text(history(path, recorder.path, before=3)) == [expected[epoch] for epoch in (1, 2)]
    assert history(path, recorder.path, before=1) == []


def test_what_was_rewound_is_not_history(recorder: RecordWriter, tmp_path: Path) -> None:
    path = tmp_path / "metrics.jsonl"
    path.write_text(FILES["whole"][0])
    recorder.rewind(1)
    assert text(history(path, recorder.path)) == [LINES[1]]


def test_an_epoch_that_nobody_knows_any_more_is_left_out(
    recorder: RecordWriter, tmp_path: Path
) -> None:
    chunk = recorder.path / "train/prediction/c/1/0/0"
    content = np.frombuffer(chunk.read_bytes(), np.uint8).copy()
    content[len(content) // 2] ^= 1
    chunk.write_bytes(content.tobytes())
    path = tmp_path / "metrics.jsonl"
    assert text(history(path, recorder.path)) == [FROM_RECORD[1], FROM_RECORD[3]]
    path.write_text(f"{LINES[2]}\n")
    assert text(history(path, recorder.path)) == [FROM_RECORD[1], LINES[2], FROM_RECORD[3]]


def test_without_a_record_there_is_no_history(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="no record at"):
        history(tmp_path / "metrics.jsonl", tmp_path / "record.zarr")
