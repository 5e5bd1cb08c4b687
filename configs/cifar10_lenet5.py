"""Five LeNet5 on all of CIFAR-10 (paper v1 fig. 9, v2 fig. 5: LeNet5).

Command:  python -m jagree.main --config=configs/cifar10_lenet5.py
          ...cifar10_lenet5.py:small  a sample, 2 networks, 3 epochs
Shows:    agreement of a simple network, train and test
Expect:   with --config.epochs=20, after epoch 20: train accuracy 90 %, agreement 76 % (chance
          59 %), test 70 %, 51 % (16 %; docs/results); all 60 epochs have not been run yet. The
          paper: agreement is there, its curve resembles those of small batches
Time:     one minute an epoch on two CPU cores; not yet measured on an accelerator; 0.06 PFLOP
Data:     python -m jagree.data --prepare=cifar10 (the paper had JPEG copies: cifar10_densenet.py)
"""

from ml_collections import ConfigDict

from jagree.configs import default, variants


def get_config(variant: str = "") -> ConfigDict:
    """What differs from the defaults, which are the paper's recipe for CIFAR-10."""
    _, small = variants.split(variant)
    config = default.get_config()
    config.name = "cifar10_lenet5"
    config.data.name = "cifar10"
    config.data.train_size = 0
    config.data.test_size = 0
    return variants.with_size(config, small)
