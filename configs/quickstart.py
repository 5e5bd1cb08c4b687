"""Five LeNet5 on the embedded data set: the whole way in about a minute, with no download.

Command:  python -m jagree.main --config=configs/quickstart.py
Shows:    the layout of paper fig. 2a, on synthetic images whose difficulty has known causes
Expect:   TODO
Time:     TODO
"""

from ml_collections import ConfigDict

from jagree.configs import default


def get_config() -> ConfigDict:
    """What differs from the defaults."""
    config = default.get_config()
    config.name = "quickstart"
    config.epochs = 12
    return config
