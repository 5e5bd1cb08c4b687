"""RUN/metrics.jsonl: a line of JSON for each recorded epoch, for jq, pandas and `--status`."""

from collections.abc import Sequence
from pathlib import Path

from jagree.errors import UsageError
from jagree.record import open_record
from jagree.watching.audience import Watcher
from jagree.watching.growing import GrowingFile
from jagree.watching.numbers import EpochNumbers, from_line, of_record, to_line


class MetricsFile(Watcher):
    """Keeps the file.

    Parameters
    ----------
    path : path
    """

    def __init__(self, path: Path) -> None:
        self.file = path.name
        self._lines = GrowingFile(path)

    def began(self, past: Sequence[EpochNumbers]) -> None:
        """Write the lines of the epochs that the run goes on after, and no other."""
        self._lines.begin(b"".join(map(_encoded, past)))

    def recorded(self, numbers: EpochNumbers) -> None:
        """Add the epoch's line."""
        self._lines.append(_encoded(numbers))


def _encoded(numbers: EpochNumbers) -> bytes:
    return to_line(numbers).encode() + b"\n"


def read(path: Path) -> list[EpochNumbers]:
    """The epochs of a metrics file in ascending order, each once, passing over damaged lines.

    Without a file, or with one that may not be read, none.
    """
    try:
        lines = path.read_bytes().decode(errors="replace").splitlines()
    except OSError:
        return []
    found = {numbers.epoch: numbers for numbers in map(from_line, lines) if numbers}
    return [found[epoch] for epoch in sorted(found)]


def history(path: Path, record: Path, before: int | None = None) -> list[EpochNumbers]:
    """The numbers of the epochs that a record holds, of those only, in ascending order.

    From the metrics file where it has them. What it lacks (a process that is killed may have
    recorded an epoch without a word) is taken from the record, without its time; an epoch that the
    record cannot give either, because it is damaged, is left out.

    Parameters
    ----------
    path : path
        The metrics file; need not be there.
    record : path
    before : int, optional
        An epoch: that one and later ones are left out.

    Raises
    ------
    UsageError
        If there is no record.
    """
    known = {numbers.epoch: numbers for numbers in read(path)}
    recorded = open_record(record)
    found = []
    for position, epoch in enumerate(next(iter(recorded.values()))["epoch"].values.tolist()):
        if before is not None and epoch >= before:
            break
        try:
            found.append(known.get(epoch) or of_record(recorded, position))
        except UsageError:
            continue
    return found
