"""The real images that statistics are tested on."""

from pathlib import Path

import numpy as np
import pytest

from jagree.configs import default
from jagree.data.sources.cifar10 import load


@pytest.fixture(scope="session")
def cifar(real_data: Path) -> np.ndarray:
    """The test images of CIFAR-10, uint8 [10000, 32, 32, 3], read only."""
    options = default.get_config().data
    options.dir, options.test_size = str(real_data / "tfds"), 0
    images = load("test", options).image
    images.flags.writeable = False
    return images
