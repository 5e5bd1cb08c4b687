"""Five LeNet5 on all of CIFAR-10 (paper v1 fig. 9, v2 fig. 5: LeNet5).

Command:  python -m jagree.main --config=configs/cifar10_lenet5.py
Shows:    agreement of a simple network, train and test
Expect:   epoch 3 of 3: train accuracy 62 %, agreement 45 % (chance 10 %), test 59 %, 42 % (7 %);
          all 60 epochs have not been run yet
Time:     one minute an epoch on two CPU cores; not yet measured on an accelerator
"""

from ml_collections import ConfigDict

from jagree.configs import default


def get_config() -> ConfigDict:
    """What differs from the defaults, which are the paper's recipe for CIFAR-10."""
    config = default.get_config()
    config.name = "cifar10_lenet5"
    config.data.name = "cifar10"
    config.data.train_size = 0
    config.data.test_size = 0
    return config
