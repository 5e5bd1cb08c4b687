"""Five ResNet50 on all of CIFAR-10 (paper v1 fig. 9, v2 fig. 5: ResNet50).

Command:  python -m jagree.main --config=configs/cifar10_resnet50.py
          ...cifar10_resnet50.py:small  100 images, 2 networks, 2 epochs
Shows:    agreement of a complex network, train and test
Expect:   not yet run in full. The paper: agreement is there, its curve resembles those of large
          batches
Time:     not yet measured; 117 PFLOP of training, since nothing shrinks the images at its entrance
Data:     python -m jagree.data --prepare=cifar10 (the paper had JPEG copies: cifar10_densenet.py)
"""

from ml_collections import ConfigDict

from jagree.configs import default, variants


def get_config(variant: str = "") -> ConfigDict:
    """What differs from the defaults, which are the paper's recipe for CIFAR-10."""
    _, small = variants.split(variant)
    config = default.get_config()
    config.name = "cifar10_resnet50"
    config.network = "resnet50"
    config.data.name = "cifar10"
    config.data.train_size = 0
    config.data.test_size = 0
    return variants.with_size(config, small, heavy=True)
