"""Five VGG16 on all of CIFAR-10 (paper v1 fig. 9, v2 fig. 5: VGG16).

Command:  python -m jagree.main --config=configs/cifar10_vgg16.py
          ...cifar10_vgg16.py:small  a sample, 2 networks, 3 epochs
Shows:    agreement of another architecture, train and test
Expect:   not yet run in full. The paper: agreement is there for every architecture
Time:     not yet measured; 28 PFLOP of training
Data:     python -m jagree.data --prepare=cifar10 (the paper had JPEG copies: cifar10_densenet.py)
"""

from ml_collections import ConfigDict

from jagree.configs import default, variants


def get_config(variant: str = "") -> ConfigDict:
    """What differs from the defaults, which are the paper's recipe for CIFAR-10."""
    _, small = variants.split(variant)
    config = default.get_config()
    config.name = "cifar10_vgg16"
    config.network = "vgg16"
    config.data.name = "cifar10"
    config.data.train_size = 0
    config.data.test_size = 0
    return variants.with_size(config, small)
