"""What worker processes of the tests import."""

import os
import signal
import time
from pathlib import Path

import numpy as np

from jagree.statistics.catalogue import Statistic, Variable

SUM = Statistic(
    lambda image, settings, seed: (float(image.sum()),), (Variable("sum", "s", "", ""),)
)
DRAWN = Statistic(
    lambda image, settings, seed: (float(np.random.default_rng(seed).random()),),
    (Variable("drawn", "a random number", "", ""),),
    settings="edges",
    per_part=4,
)


def square(number: int) -> int:
    return number**2


def die(number: int) -> int:
    os.kill(os.getpid(), signal.SIGKILL)
    return number


def sleep_beside(mark: str) -> None:
    Path(mark, str(os.getpid())).touch()
    time.sleep(600)
