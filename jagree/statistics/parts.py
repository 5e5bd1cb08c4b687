"""What is measured and kept together: a part, some examples' values of one statistic.

Parts are what makes a table resumable, shared by runs and spread over machines: each is one small
file, written whole or not at all, whose name says of what data, statistic and settings it is.

DIR/parts/cifar10/test-3f2a.../edge_strength-v1-preset=speedy-repeats=1-seed=0/00012.npz
"""

import hashlib
import io
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

import numpy as np
from ml_collections import ConfigDict

from jagree import registry, seeds
from jagree.data.split import Column

if TYPE_CHECKING:  # the compiled statistics are imported by who measures, not by who reads
    from jagree.statistics.catalogue import Statistic


class Originals(Protocol):
    """Images that are read when they are asked for; may be sent to another process."""

    def __getitem__(self, position: int, /) -> np.ndarray:
        """One image, uint8 [H, W, 3]."""


class Examples(Protocol):
    """What a table can be made of; `jagree.data.split.Split` and `files.ImageFiles` are such."""

    @property
    def name(self) -> str:
        """Of the split."""

    @property
    def id(self) -> np.ndarray:
        """Unique names in ascending order, str [N]."""

    @property
    def fingerprint(self) -> str:
        """Equal exactly where the data is."""

    @property
    def metadata(self) -> Mapping[str, Column]:
        """Values that the source itself knows of each example."""

    def originals(self, positions: np.ndarray) -> Originals:
        """The images at these positions, as they were before any crop or resizing."""


@dataclass(frozen=True)
class Request:
    """A statistic with all that its values depend on.

    Attributes
    ----------
    name : str
        In the registry.
    settings : mapping of str to value
        Input options (`jpeg75`, `resize`) that are in force, and the statistic's own settings.
    examples : int
        How many are to be measured at least, in the order of `measuring_order`; 0: all.
    """

    name: str
    settings: Mapping[str, Any]
    examples: int = 0

    @property
    def statistic(self) -> "Statistic":
        """Its entry in the catalogue."""
        return registry.load("statistic", self.name)

    @property
    def key(self) -> str:
        """Name of the folder of its parts."""
        settings = [f"{k}={v}" for k, v in sorted(self.settings.items())]
        return "-".join([self.name, f"v{self.statistic.version}", *settings])


def requests(options: ConfigDict) -> list[Request]:
    """What ``config.statistics`` asks for, in its order."""
    return [request(name, options) for name in options.names]


def request(name: str, options: ConfigDict) -> Request:
    """One statistic with the settings of ``config.statistics``."""
    settings: dict[str, Any] = {}
    if options.jpeg75:
        settings["jpeg75"] = True
    if options.resize and name in options.resized:
        settings["resize"] = options.resize
    section = registry.load("statistic", name).settings
    own = options[section].to_dict() if section else {}
    examples = own.pop("examples", 0)
    return Request(name, settings | own, examples)


def measuring_order(ids: np.ndarray) -> np.ndarray:
    """Positions in the order of the hash of their id.

    So whatever has been measured of a large data set, be it cut short or asked for in part, is a
    random sample of it, and the same one on every machine.
    """
    digests = b"".join(hashlib.blake2b(i.encode(), digest_size=8).digest() for i in ids.tolist())
    return np.argsort(np.frombuffer(digests, ">u8"), kind="stable")


def ranges(request: Request, examples: int) -> list[slice]:
    """The part numbers' ranges in the order of measuring; the last part may be smaller."""
    end = min(request.examples, examples) or examples
    size = request.statistic.per_part
    # A part is never cut short by `Request.examples`: asked for more later, it is still of use.
    return [slice(i, min(i + size, examples)) for i in range(0, end, size)]


def measured(request: Request, examples: int) -> int:
    """Of how many examples a request is measured: whole parts, as far as there are examples."""
    return max((part.stop for part in ranges(request, examples)), default=0)


@dataclass(frozen=True)
class Part:
    """Values of one statistic for some examples.

    Attributes
    ----------
    id : str array [n]
    values : mapping of str to float64 array [n]
        One entry per variable; nan where there is none.
    failed : mapping of str to str
        For each id whose image could not be read or measured, why.
    """

    id: np.ndarray
    values: Mapping[str, np.ndarray]
    failed: Mapping[str, str]

    def to_bytes(self) -> bytes:
        """The part as an npz file without pickled objects; equal parts give equal bytes."""
        arrays = {f"values/{name}": values for name, values in self.values.items()}
        arrays["id"] = self.id
        arrays["failed"] = np.array(json.dumps(dict(self.failed)))
        buffer = io.BytesIO()
        np.savez(buffer, allow_pickle=False, **arrays)
        return buffer.getvalue()

    @classmethod
    def from_bytes(cls, content: bytes) -> "Part":
        """Undo `to_bytes`; raises ValueError if the content is damaged."""
        try:
            with np.load(io.BytesIO(content), allow_pickle=False) as stored:
                values = {k[7:]: stored[k] for k in stored.files if k.startswith("values/")}
                return cls(stored["id"], values, json.loads(str(stored["failed"])))
        except Exception as error:  # there is no end to what a flipped bit makes zipfile raise
            raise ValueError(f"a damaged part: {error}") from error


def folder_of(examples: Examples, source: str) -> Path:
    """Where, below the store, the parts of a split lie."""
    return Path("parts", source, f"{examples.name}-{examples.fingerprint[:16]}")


def file_of(request: Request, index: int) -> Path:
    """Where, below its split's folder, a part lies."""
    return Path(request.key, f"{index:05d}.npz")


def measure(ids: Sequence[str], originals: Originals, wanted: Sequence[Request]) -> list[Part]:
    """Measure some examples: the pure function behind pools and pipelines.

    What is random in a statistic is drawn from the request's seed and the example's id.

    Parameters
    ----------
    ids : sequence of str [n]
    originals : sequence of uint8 arrays [n]
        Read here, each once.
    wanted : sequence of Request

    Returns
    -------
    list of Part
        One per request. An image that cannot be read has nan in all, one that a statistic cannot be
        taken of in that one; `Part.failed` says why.
    """
    values = [
        {v.name: np.full(len(ids), np.nan) for v in request.statistic.variables}
        for request in wanted
    ]
    failed: list[dict[str, str]] = [{} for _ in wanted]
    for i, example in enumerate(ids):
        try:
            image = originals[i]
        except Exception as error:  # whatever a broken file makes a decoder raise
            _raise_interrupt(error)
            for reasons in failed:
                reasons[example] = f"{type(error).__name__}: {error}"
            continue
        for request, columns, reasons in zip(wanted, values, failed, strict=True):
            try:
                numbers = _apply(request, image, example)
            except Exception as error:  # one image must not stop a million
                _raise_interrupt(error)
                reasons[example] = f"{type(error).__name__}: {error}"
                continue
            for column, number in zip(columns.values(), numbers, strict=True):
                column[i] = number
    names = np.array(ids, str)
    return [Part(names, v, f) for v, f in zip(values, failed, strict=True)]


def _raise_interrupt(error: BaseException) -> None:
    """Raise KeyboardInterrupt if that is what `error` is about.

    Compiled code that Ctrl-C falls into returns with SystemError, and the interrupt as its cause.
    """
    cause: BaseException | None = error
    while cause is not None:
        if isinstance(cause, KeyboardInterrupt):
            raise KeyboardInterrupt from error
        cause = cause.__cause__ or cause.__context__


def _apply(request: Request, image: np.ndarray, example: str) -> tuple[float, ...]:
    from jagree.statistics import inputs

    image = inputs.prepared(image, request.settings)
    seed = seeds.of_example(request.settings.get("seed", 0), request.name, example)
    return request.statistic.measure(image, request.settings, seed)
