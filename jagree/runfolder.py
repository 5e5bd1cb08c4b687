"""The run folder explains itself: run.json says what was run, how, with what, and how far.

RUN/run.json         config, members, data, status, and one entry for each invocation
RUN/record.zarr      what was predicted (docs/record.md)
RUN/statistics.zarr  image statistics (docs/statistics.md)
RUN/checkpoints/     the training state
RUN/metrics.jsonl    accuracy, agreement and loss of each epoch (docs/watching.md)
RUN/tensorboard/     the same for TensorBoard
RUN/results/*.csv    tables
RUN/figures/         PNG and PDF
RUN/report.html      for people
"""

import datetime
import fcntl
import importlib.metadata
import json
import os
import platform
import time
from collections.abc import Mapping
from pathlib import Path
from typing import IO, Any

from jagree.config import differences
from jagree.errors import UsageError
from jagree.paths import as_path, is_remote, make_folder, write
from jagree.words import counted

_PACKAGES = (
    "jagree",
    "jax",
    "jaxlib",
    "flax",
    "numba",
    "optax",
    "orbax-checkpoint",
    "tensorflow-datasets",
    "numpy",
    "scikit-image",
    "scipy",
    "xarray",
    "zarr",
)


_LOCK = ".lock"  # held by the process that is at work


class RunFolder:
    """One run's folder. Making the object reads; `begin` is the first to write.

    Parameters
    ----------
    path : path

    Raises
    ------
    UsageError
        If the path exists and is no run folder, or its run.json is damaged.
    """

    def __init__(self, path: str | Path) -> None:
        self.path = as_path(path)
        self._about_file = self.path / "run.json"
        self._lock: IO[str] | None = None
        self.about: dict[str, Any] = self._read()

    @property
    def record(self) -> Path:
        """Where the record lies."""
        return self.path / "record.zarr"

    @property
    def checkpoints(self) -> Path:
        """Where the checkpoints lie."""
        return self.path / "checkpoints"

    @property
    def metrics(self) -> Path:
        """Where the numbers of each epoch lie."""
        return self.path / "metrics.jsonl"

    @property
    def tensorboard(self) -> Path:
        """Where the files for TensorBoard lie."""
        return self.path / "tensorboard"

    @property
    def statistics(self) -> Path:
        """Where the image statistics lie."""
        return self.path / "statistics.zarr"

    @property
    def complete(self) -> bool:
        """Whether all planned epochs have been trained, recorded and saved."""
        return self.about.get("status") == "complete"

    @property
    def in_use(self) -> bool:
        """Whether an epoch is recorded or saved (or there may be one, in a damaged record)."""
        return any(self.checkpoints.glob("[0-9]*")) or self.committed != 0

    @property
    def committed(self) -> int | None:
        """Epochs that the record holds, 0 without a record; None if that cannot be read."""
        try:
            root = json.loads((self.record / "zarr.json").read_text())
            return int(root["attributes"].get("epochs_committed", 0))
        except (FileNotFoundError, NotADirectoryError):
            return 0
        except (OSError, ValueError, KeyError, TypeError, AttributeError):
            return None

    @property
    def at_work(self) -> bool | None:
        """Whether a process is at work in the folder; None: it cannot be told.

        Asks for the lock, for reading and for a moment, and writes nothing.
        """
        if is_remote(self.path):
            return None
        try:
            with (self.path / _LOCK).open() as lock:
                fcntl.flock(lock, fcntl.LOCK_SH | fcntl.LOCK_NB)
        except FileNotFoundError:
            return False
        except BlockingIOError:
            return True
        except OSError:  # it may not be read, or the file system knows no locks
            return None
        return False

    def check_config(self, config: Mapping[str, Any]) -> None:
        """Raise a UsageError, naming the fields, if the folder belongs to another config.

        It belongs to none before an epoch is recorded: who mends a config because images could not
        be read, or because a network would not take them, need not choose another folder.
        """
        if not self.about or not self.in_use:
            return
        differing = differences(self.about["config"], config)
        if differing:
            raise UsageError(
                f"'{self.path}' belongs to a run with another config ({'; '.join(differing)}); "
                "use that config, or another --workdir"
            )

    def begin(self, config: Mapping[str, Any], command: str) -> None:
        """Create the folder if need be, lock it, and note the invocation.

        Raises
        ------
        UsageError
            If the folder cannot be written, another process is at work in it, or it has come to
            belong to another config since it was looked at.
        """
        try:
            self._hold()
        except BlockingIOError as error:
            self._let_go()
            raise UsageError(
                f"another process is at work in '{self.path}'; wait for it, or use another "
                "--workdir"
            ) from error
        except OSError as error:
            raise UsageError(
                f"cannot write to the run folder '{self.path}' ({error.strerror}); choose another "
                "--workdir"
            ) from error
        self.about = self._read()
        try:
            self.check_config(config)
        except UsageError:
            self._let_go()
            raise
        self.about |= {"name": config["name"], "config": config}
        self.about.setdefault("status", "new")
        invocation = {"command": command, "started": now(), "ended": None, "versions": versions()}
        self.about.setdefault("invocations", []).append(invocation)
        self.write()

    def update(self, **values: Any) -> None:
        """Set top-level entries of run.json."""
        self.about |= values
        self.write()

    def note(self, **values: Any) -> None:
        """Set entries of the current invocation in run.json."""
        self.about["invocations"][-1] |= values
        self.write()

    def end_training_before(self, epoch: int) -> None:
        """Note where an earlier invocation's training ended, which one that was killed could not.

        Parameters
        ----------
        epoch : int
            Epochs completed that the current invocation starts from.
        """
        earlier = [i for i in self.about["invocations"][:-1] if "from_epoch" in i]
        if earlier:
            earlier[-1]["to_epoch"] = epoch

    def end(self, **values: Any) -> None:
        """Note how the invocation ended and let go of the folder (as a dying process does)."""
        try:
            self.note(ended=now(), **values)
        finally:
            self._let_go()

    def _hold(self) -> None:
        """Make the folder and lock it; an object store has nothing to lock."""
        make_folder(self.path)
        if not is_remote(self.path):
            self._lock = (self.path / _LOCK).open("w")
            _take(self._lock)

    def _let_go(self) -> None:
        if self._lock is not None:
            self._lock.close()

    def write(self) -> None:
        """Write run.json, whole or not at all."""
        write(self._about_file, f"{json.dumps(self.about, indent=2)}\n".encode())

    def _read(self) -> dict[str, Any]:
        try:
            about = json.loads(self._about_file.read_text())
            if not isinstance(about, dict):
                raise ValueError("no object of JSON")
            if about and not isinstance(about.get("config"), dict):
                raise ValueError("it has no config")
            return about
        except FileNotFoundError:
            pass
        except OSError as error:
            raise UsageError(
                f"cannot use '{self.path}' as a run folder ({error.strerror}); choose another "
                "--workdir"
            ) from error
        except ValueError as error:
            raise UsageError(
                f"'{self._about_file}' is damaged ({error}); put it right, or choose another "
                "--workdir"
            ) from error
        ours = {_LOCK, "run.json.partial"}  # left by a process killed at its very start
        if self.path.is_dir() and any(p.name not in ours for p in self.path.iterdir()):
            raise UsageError(
                f"'{self.path}' is not empty and not a run's folder; use another --workdir"
            )
        return {}


def _take(lock: IO[str]) -> None:
    """Lock an open file, in patience with who only asks whether it is locked (`at_work`)."""
    until = time.monotonic() + 0.3
    while True:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            return
        except BlockingIOError:
            if time.monotonic() > until:
                raise
            time.sleep(0.02)


def versions() -> dict[str, str]:
    """Versions of Python and of the packages that results may depend on, where installed."""
    found = {"python": platform.python_version()}
    for package in _PACKAGES:
        try:
            found[package] = importlib.metadata.version(package)
        except importlib.metadata.PackageNotFoundError:
            continue
    return found


def host() -> str:
    """The machine in a few words."""
    return f"{platform.system()} {platform.machine()}, {counted(os.cpu_count() or 1, 'core')}"


def now() -> str:
    """This second, in UTC, as ISO 8601 writes it."""
    second = datetime.datetime.now(datetime.UTC)
    return second.isoformat(timespec="seconds").replace("+00:00", "Z")
