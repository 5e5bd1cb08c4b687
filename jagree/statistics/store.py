"""The folder where parts are kept: written whole or not at all, shared by runs and by machines."""

import contextlib
import shutil
import time
import uuid
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from jagree.errors import UsageError
from jagree.statistics import parts
from jagree.statistics.parts import Examples, Part, Request

_OLD = 3600.0  # seconds after which a half-written file is nobody's any more


@dataclass(frozen=True)
class Task:
    """Parts of the same examples, one for each of several requests, so that images are read once.

    Attributes
    ----------
    index : int
        Number of the parts.
    requests : tuple of Request
    positions : int array [n]
        Of the examples in their split.
    """

    index: int
    requests: tuple[Request, ...]
    positions: np.ndarray

    @property
    def seconds(self) -> float:
        """Roughly what it costs one core, for images of 32x32 pixels."""
        return len(self.positions) * sum(r.statistic.seconds for r in self.requests)


class Store:
    """The parts of one split.

    Parameters
    ----------
    folder : path
        Of the whole store; several machines may write to it at once.
    source : str
        Name of the data source.
    examples : Examples
        The split.
    """

    def __init__(self, folder: str | Path, source: str, examples: Examples) -> None:
        self.examples = examples
        self.folder = Path(folder) / parts.folder_of(examples, source)
        self._order = parts.measuring_order(examples.id)

    def positions(self, request: Request) -> list[np.ndarray]:
        """Positions in the split of each part of a request."""
        return [self._order[r] for r in parts.ranges(request, len(self._order))]

    def tasks(self, wanted: Iterable[tuple[Request, int]]) -> list[Task]:
        """Parts, given by request and number, as tasks."""
        together: dict[tuple[int, int], list[Request]] = {}
        for request, index in wanted:
            together.setdefault((request.statistic.per_part, index), []).append(request)
        return [
            Task(
                index,
                tuple(requests),
                self._order[parts.ranges(requests[0], len(self._order))[index]],
            )
            for (_, index), requests in together.items()
        ]

    def write(self, request: Request, index: int, part: Part) -> None:
        """Keep a part.

        Raises
        ------
        OSError
            If the disk is full, for one; what was kept before stays as it was.
        UsageError
            If the folder is another user's.
        """
        path = self.folder / parts.file_of(request, index)
        partial = path.with_name(f"{path.name}.{uuid.uuid4().hex}.partial")
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            partial.write_bytes(part.to_bytes())
            partial.replace(path)
        except PermissionError as error:
            raise UsageError(
                f"cannot keep image statistics in '{path.parent}' ({error.strerror}); choose "
                "another folder by --config.statistics.dir"
            ) from error
        except OSError:
            partial.unlink(missing_ok=True)
            raise

    def read(self, request: Request, index: int, positions: np.ndarray) -> Part | None:
        """A part that is kept; None if there is none, or not one of these examples."""
        try:
            content = (self.folder / parts.file_of(request, index)).read_bytes()
            part = Part.from_bytes(content)
        except (FileNotFoundError, ValueError):  # a damaged one is measured again
            return None
        names = {v.name for v in request.statistic.variables}
        same = np.array_equal(part.id, self.examples.id[positions]) and set(part.values) == names
        return part if same else None

    def kept(self, request: Request) -> Mapping[int, Part]:
        """All parts of a request that are kept, by number."""
        found = {}
        for index, positions in enumerate(self.positions(request)):
            part = self.read(request, index, positions)
            if part is not None:
                found[index] = part
        return found


def sweep(folder: Path, pattern: str) -> None:
    """Remove the files and folders that killed processes left half-written long ago."""
    for debris in folder.glob(pattern):
        try:
            old = time.time() - debris.stat().st_mtime > _OLD
        except FileNotFoundError:  # another process was faster
            continue
        if old and debris.is_dir():
            shutil.rmtree(debris, ignore_errors=True)
        elif old:
            with contextlib.suppress(PermissionError):  # another user's, who will see to it
                debris.unlink(missing_ok=True)
