"""The pipeline: parts in, files out, the same as `jagree.statistics.table.measure` writes."""

import uuid
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import apache_beam
from apache_beam.io.filesystems import FileSystems
from apache_beam.metrics import Metrics
from apache_beam.utils.shared import Shared
from ml_collections import ConfigDict
from threadpoolctl import threadpool_limits

from jagree import data
from jagree.data.split import Split
from jagree.statistics import parts
from jagree.statistics.store import Store, Task


class _Splits(dict[str, Split]):
    """A dict that can be weakly referenced, as `Shared` needs it."""


class MeasureParts(apache_beam.DoFn):
    """Measures the parts of one task that are not there yet, and writes each as one file.

    Parameters
    ----------
    source : mapping
        ``config.data``; every worker process reads the data itself, once.
    output : str
        Folder, local or of any file system that Beam knows (``gs://...``).
    """

    def __init__(self, source: Mapping[str, Any], output: str) -> None:
        self._source = dict(source)
        self._output = output
        self._shared = Shared()

    def setup(self) -> None:
        """Read the data, unless another thread of this process has done so."""
        self._splits = self._shared.acquire(lambda: _Splits(data.load(ConfigDict(self._source))))

    def process(self, element: tuple[str, str, Task]) -> Iterator[tuple[str, str]]:
        """Yield ``(id, reason)`` for each image that could not be measured."""
        split, below, task = element
        examples, folder = self._splits[split], Path(below)
        paths = [(r, self._path(folder / parts.file_of(r, task.index))) for r in task.requests]
        wanted = [(r, path) for r, path in paths if not FileSystems.exists(path)]
        if not wanted:
            return
        with threadpool_limits(1):
            found = parts.measure(
                examples.id[task.positions].tolist(),
                examples.originals(task.positions),
                [request for request, _ in wanted],
            )
        for (request, path), part in zip(wanted, found, strict=True):
            _write(path, part.to_bytes())
            Metrics.counter("jagree", "parts").inc()
            for example, reason in part.failed.items():
                Metrics.counter("jagree", "failed").inc()
                yield example, f"{request.name}: {reason}"

    def _path(self, file: Path) -> str:
        return FileSystems.join(self._output, *file.parts)


def _write(path: str, content: bytes) -> None:
    """Whole or not at all: a worker may die, and two may write the same part."""
    folder = path.rsplit("/", 1)[0]
    try:
        if not FileSystems.exists(folder):
            FileSystems.mkdirs(folder)
    except OSError:  # another worker was faster
        if not FileSystems.exists(folder):
            raise
    partial = f"{path}.{uuid.uuid4().hex}.partial"
    with FileSystems.create(partial, mime_type="application/octet-stream") as file:
        file.write(content)
    FileSystems.rename([partial], [path])


def build(pipeline: Any, config: ConfigDict, output: str) -> Any:
    """Add the measurement of all splits of a config to a pipeline.

    Parameters
    ----------
    pipeline : apache_beam.Pipeline
    config : ConfigDict
    output : str
        The folder of the parts: ``config.statistics.dir`` of who joins them.

    Returns
    -------
    PCollection of (id, reason)
        The images that could not be measured.
    """
    tasks = []
    for name, split in data.load(config.data).items():
        store = Store("", data.name(config.data), split)
        wanted = [
            (request, index)
            for request in parts.requests(config.statistics)
            for index in range(len(store.positions(request)))
        ]
        # The folder's name holds a fingerprint, which no worker need compute again.
        tasks += [(name, store.folder.as_posix(), task) for task in store.tasks(wanted)]
    return (
        pipeline
        | "parts" >> apache_beam.Create(tasks)
        | "spread" >> apache_beam.Reshuffle()
        | "measure" >> apache_beam.ParDo(MeasureParts(config.data.to_dict(), output))
    )
