"""Reading with the package ``datasets``: a set of the Hugging Face hub, or a folder of parquet."""

import atexit
import contextlib
import errno
import functools
import logging
import re
import shutil
import tempfile
import warnings
from abc import ABC, abstractmethod
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from jagree.data.files import listing, readable, stamp
from jagree.errors import UsageError

# Words by which the name of a file or folder says of which split it is.
_SPLIT_WORDS = (
    "train", "training", "test", "testing", "eval", "evaluation", "validation", "valid", "val",
    "dev",
)  # fmt: skip


def library() -> Any:
    """The package ``datasets``.

    Raises
    ------
    UsageError
        If it is not installed, or cannot be imported.
    """
    try:
        with warnings.catch_warnings():  # of its own dependencies, which are not ours to mend
            warnings.simplefilter("ignore")
            import datasets
    except ImportError as error:
        raise UsageError(
            f"source hf needs the package 'datasets' ({error}); pip install 'jagree[hf]'"
        ) from error
    return datasets


@contextlib.contextmanager
def quiet(datasets: Any) -> Iterator[None]:
    """No progress bars, messages or warnings of the libraries: what goes wrong they raise."""
    import huggingface_hub

    loggers = [logging.getLogger(name) for name in ("datasets", "huggingface_hub", "httpx")]
    levels = [logger.level for logger in loggers]
    showing = [
        utils
        for utils in (datasets.utils, huggingface_hub.utils)
        if not utils.are_progress_bars_disabled()
    ]
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        for logger in loggers:
            logger.setLevel(logging.CRITICAL + 1)
        for utils in showing:
            utils.disable_progress_bars()
        try:
            yield
        finally:
            for logger, level in zip(loggers, levels, strict=True):
                logger.setLevel(level)
            for utils in showing:
                utils.enable_progress_bars()


class Reader(ABC):
    """Where splits are read from.

    Attributes
    ----------
    name : str
        What errors call it.
    splits : sequence of str
    folder : Path
        What relative paths of images start from.
    """

    name: str
    splits: Sequence[str]
    folder: Path

    @abstractmethod
    def read(self, split: str) -> Any:
        """One of the splits, a ``datasets.Dataset``."""

    @abstractmethod
    def origin(self, split: str) -> str:
        """Stamp of the files that a split is read from."""


class Hub(Reader):
    """A set of the hub, downloaded unless the library's cache has it.

    Parameters
    ----------
    datasets : module
    name : str
        "OWNER/NAME" or "OWNER/NAME:CONFIG".

    Raises
    ------
    UsageError
        If there is no such set, or it cannot be downloaded or read.
    """

    folder = Path()

    def __init__(self, datasets: Any, name: str) -> None:
        repository, _, config = name.partition(":")
        if not re.fullmatch(r"[\w.-]+/[\w.-]+", repository) or Path(repository).exists():
            raise UsageError(
                f"data.set='{name}' must be a name on the Hugging Face hub, OWNER/NAME or "
                "OWNER/NAME:CONFIG, such as ylecun/mnist; a folder is named by data.dir"
            )
        self.name = f"'{name}'"
        if getattr(datasets.config, "HF_DATASETS_TRUST_REMOTE_CODE", False) is None:
            # Version 3 would ask whether to run a program of the set's own; later ones run none.
            datasets.config.HF_DATASETS_TRUST_REMOTE_CODE = False
        try:
            self._sets = datasets.load_dataset(repository, config or None)
        except datasets.exceptions.DatasetNotFoundError as error:
            raise UsageError(
                f"the Hugging Face hub has no data set '{repository}', or none that may be read "
                "without logging in (hf auth login); check data.set"
            ) from error
        except ConnectionError as error:
            raise UsageError(
                f"cannot reach the Hugging Face hub for '{repository}' ({reason(error)}); try "
                "again, or fetch its parquet files elsewhere and name their folder with data.dir"
            ) from error
        except Exception as error:  # of many libraries
            raise UsageError(
                f"cannot read '{name}' of the Hugging Face hub ({reason(error)}); check data.set"
            ) from error
        self.splits = sorted(self._sets)

    def read(self, split: str) -> Any:
        """One of the splits, in the library's cache."""
        return self._sets[split]

    def origin(self, split: str) -> str:
        """Stamp of the cached files."""
        return stamp(Path(), [file["filename"] for file in self._sets[split].cache_files])


class FolderOfParquet(Reader):
    """Parquet files, each of which says by its name or its folders' of which split it is.

    The library unpacks them into a temporary folder (TMPDIR), which is removed when the program
    ends: reading leaves nothing behind, but takes about the files' space once more.

    Parameters
    ----------
    datasets : module
    folder : Path

    Raises
    ------
    UsageError
        If there is no such folder, no parquet file in it, or more than one set of them.
    """

    def __init__(self, datasets: Any, folder: Path) -> None:
        self._datasets = datasets
        self.folder = folder
        self.name = f"'{folder}'"
        if not folder.is_dir():
            raise UsageError(f"there is no folder '{folder}'; name one that holds parquet files")
        found = listing(folder)
        files = [name for name in found.others if name.endswith(".parquet")]
        if not files:
            images = "; of images, source folder reads it" if found.images else ""
            raise UsageError(
                f"'{folder}' holds no parquet file, such as train-00000-of-00001.parquet{images}"
            )
        self._files: dict[str, list[str]] = {}
        places: dict[str, set[str]] = {}
        for name in sorted(files):
            if not (folder / name).is_file():
                raise UsageError(f"'{folder / name}' is no file that can be read; remove it")
            split, place = split_of(name)
            self._files.setdefault(split, []).append(name)
            places.setdefault(split, set()).add(place)
        for split, several in places.items():
            if len(several) > 1:
                raise UsageError(
                    f"'{folder}' holds more than one data set with a split '{split}'; name one of "
                    f"their folders with data.dir: {', '.join(map(repr, sorted(several)))}"
                )
        self.splits = sorted(self._files)

    def read(self, split: str) -> Any:
        """One of the splits, unpacked."""
        paths = [self.folder / name for name in self._files[split]]
        if not _rows(paths):
            raise UsageError(f"split '{split}' of {self.name} has no example; name another")
        try:
            return self._datasets.Dataset.from_parquet(
                [str(path) for path in paths], split=split, cache_dir=str(_unpacked())
            )
        except Exception as error:  # of many libraries
            if getattr(error, "errno", 0) == errno.ENOSPC or "disk space" in str(error):
                raise UsageError(
                    f"no room to unpack split '{split}' of '{self.folder}' in '{_unpacked()}' "
                    f"({reason(error)}); set TMPDIR to a folder with more"
                ) from error
            _check_pages(paths)
            raise UsageError(
                f"cannot read the files of split '{split}' in '{self.folder}' as one data set "
                f"({reason(error)}); all must have the same columns"
            ) from error

    def origin(self, split: str) -> str:
        """Stamp of the parquet files."""
        return stamp(self.folder, self._files[split])


def split_of(path: str) -> tuple[str, str]:
    """The split of a parquet file, and the folder that the data set lies in.

    The split is the first word of the file's name, or else of the innermost folder's, that is a
    usual one ("test", "validation" ...); else the letters that the file's name begins with, and of
    one that begins otherwise "train".

    >>> split_of("data/train-00000-of-00002.parquet"), split_of("plain/test/0001.parquet")
    (('train', 'data'), ('test', 'plain'))
    >>> split_of("extra-00000-of-00001.parquet"), split_of("0000.parquet")
    (('extra', '.'), ('train', '.'))
    """
    pure = Path(path)
    for part, place in [(pure.stem, pure.parent), *((p.name, p.parent) for p in pure.parents)]:
        for word in re.split(r"[^a-z]+", part.lower()):
            if word in _SPLIT_WORDS:
                return word, place.as_posix()
    beginning = re.match(r"[A-Za-z]+", pure.stem)
    return beginning[0] if beginning else "train", pure.parent.as_posix()


@functools.cache
def _unpacked() -> Path:
    """Folder for what is unpacked, one for this process and those that it starts."""
    folder = Path(tempfile.mkdtemp(prefix="jagree-hf-"))
    atexit.register(shutil.rmtree, folder, ignore_errors=True)
    return folder


def _rows(paths: Sequence[Path]) -> int:
    """Number of rows in all files, by their footers, so that a file cut short is named at once."""
    import pyarrow.parquet as pq

    rows = 0
    for path in paths:
        try:
            rows += pq.read_metadata(path).num_rows
        except Exception as error:  # pyarrow has no end of them
            raise _damaged(path, error) from error
    return rows


def _check_pages(paths: Sequence[Path]) -> None:
    """Raise a UsageError that names the first file of which a part cannot be read."""
    import pyarrow.parquet as pq

    for path in paths:
        try:
            with pq.ParquetFile(path) as file:
                for _ in file.iter_batches(batch_size=100):
                    pass
        except Exception as error:
            raise _damaged(path, error) from error


def _damaged(path: Path, error: Exception) -> UsageError:
    return UsageError(
        f"cannot read '{readable(path)}' as parquet ({reason(error)}); make the file anew, or "
        "remove it"
    )


def reason(error: BaseException) -> str:
    """One line of what an error, or the one behind it, says."""
    error = error.__cause__ or error
    lines = [line.strip() for line in str(error).splitlines() if line.strip()]
    return (lines[0] if lines else type(error).__name__)[:300].rstrip(".")
