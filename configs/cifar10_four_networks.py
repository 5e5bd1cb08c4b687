"""Four architectures together on all of CIFAR-10 (paper v1 fig. 2c).

One network of each; the paper does not say how many it had.

Command:  python -m jagree.main --config=configs/cifar10_four_networks.py
          ...cifar10_four_networks.py:small  100 images, 2 epochs
Shows:    agreement between networks that have nothing but the data in common
Expect:   not yet run in full. The paper: agreement like that within one architecture, while
          accuracies deviate far more
Time:     not yet measured; 30 PFLOP of training, a fifth of what five of each cost
Data:     python -m jagree.data --prepare=cifar10 (the paper had JPEG copies: cifar10_densenet.py)
"""

from ml_collections import ConfigDict

from jagree.configs import default, variants

NETWORKS = ("lenet5", "vgg16", "resnet50", "densenet121")


def get_config(variant: str = "") -> ConfigDict:
    """What differs from the defaults, which are the paper's recipe for CIFAR-10."""
    _, small = variants.split(variant)
    config = default.get_config()
    config.name = "cifar10_four_networks"
    config.per_member.network = NETWORKS
    config.members = len(NETWORKS)
    config.data.name = "cifar10"
    config.data.train_size = 0
    config.data.test_size = 0
    return variants.with_size(config, small, heavy=True)
