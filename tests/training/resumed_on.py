"""A stage of training in a process with as many devices as it was started with.

``python -m tests.training.resumed_on FOLDER FIELDS STOP``: FIELDS is JSON; STOP is the number of
dispatches after which the run is told to stop, 0 for never.
"""

import json
import sys
from pathlib import Path

import pytest

from jagree import registry
from tests.training.meshes import NETWORKS, short
from tests.training.runs import stopped


def main(folder: str, fields: str, stop: str) -> None:
    """Train, and print how it was stopped."""
    registry.TABLE["network"] |= NETWORKS
    config = short(json.loads(fields))
    config.training.tensorboard = False
    with pytest.MonkeyPatch.context() as patch:
        print(stopped(config, Path(folder), int(stop), patch))


if __name__ == "__main__":
    main(*sys.argv[1:])
