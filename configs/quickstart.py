"""Five LeNet5 on the embedded data set: the whole way in two minutes, with no download.

Command:  python -m jagree.main --config=configs/quickstart.py
Shows:    the layout of paper fig. 2a, on synthetic images whose difficulty has known causes
Expect:   epoch 5: train accuracy 69 %, agreement 41 % (chance 16 %); epoch 12: 90 %, 78 % (59 %),
          test 68 %, 53 % (15 %)
Time:     two minutes on two CPU cores; the first time, 10 s more to compile (one run each)
"""

from ml_collections import ConfigDict

from jagree.configs import default


def get_config() -> ConfigDict:
    """What differs from the defaults."""
    config = default.get_config()
    config.name = "quickstart"
    config.epochs = 12
    config.statistics.edges.examples = 500  # of each split; the other statistics are cheap
    return config
