"""A run of seconds as a process that says what it is at, so that it can be killed there.

``python -m tests.training.mortal FOLDER PHASES STEPS MODE FEED``: STEPS is
``training.checkpoint_steps``. PHASES is a file of three bytes: what the main thread is at, what the
thread that writes is at (or a space), and how often the latter has begun something.
"""

import mmap
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

from jagree import commandline, registry, stages
from jagree.configs import default
from jagree.preemption import Preempted
from jagree.record import RecordWriter
from jagree.training.checkpoint import Checkpoints
from jagree.training.epochs import Epochs

PHASES = {"b": "start", "s": "steps", "r": "record", "c": "checkpoint", "e": "end"}


def marked(method: Callable, at: mmap.mmap, where: int, during: str) -> Callable:
    """The method, told about while it works."""

    def work(*args: Any, **kwargs: Any) -> Any:
        before = at[where]
        at[where] = ord(during)
        at[2] = (at[2] + where) % 256
        try:
            return method(*args, **kwargs)
        finally:
            at[where] = before

    return work


def main(folder: str, phases: str, steps: str, mode: str, feed: str) -> int:
    """Train; the exit code of the program."""
    with Path(phases).open("r+b") as file:
        at = mmap.mmap(file.fileno(), 3)
    at[:] = b"b \0"
    registry.TABLE["network"]["tiny_a"] = "tests.training.tiny_networks:TinyA"
    config = default.get_config()
    config.name, config.network, config.members, config.epochs = "mortal", "tiny_a", 2, 4
    config.batch_size, config.data.train_size, config.data.test_size = 16, 4_000, 200
    config.recording.mode, config.recording.untrained = mode, True
    config.training.feed, config.training.checkpoint_steps = feed, int(steps)
    config.training.tensorboard = False
    for owner, name, where, phase in (
        (Epochs, "run", 0, "s"),
        (RecordWriter, "append", 1, "r"),
        (Checkpoints, "save", 1, "c"),
    ):
        setattr(owner, name, marked(getattr(owner, name), at, where, phase))
    try:
        stages.run(config, folder, ["train"], "a test")
    except Preempted as stopped:
        return commandline.preempted(stopped)
    finally:
        at[0] = ord("e")
    return 0


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
