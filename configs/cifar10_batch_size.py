"""Five DenseNet121 on CIFAR-10 with batches of another size (paper v1 fig. 8, v2 fig. 4).

The paper says "several" sizes, all else equal; 128 is cifar10_densenet.py.

Command:  python -m jagree.main --config=configs/cifar10_batch_size.py:512
          ...cifar10_batch_size.py:32  any size from 2 to 50,000; 512 if none is given
          ...cifar10_batch_size.py:512,small  a sample, 2 networks, 3 epochs
Shows:    agreement at this batch size, to lay beside that at others
Expect:   not yet run in full. The paper: agreement at every size; small batches learn and agree
          more slowly and resemble simple networks, large ones complex networks
Time:     not yet measured; 5.2 PFLOP of training, whatever the size
Data:     python -m jagree.data --prepare=cifar10 (the paper had JPEG copies: cifar10_densenet.py)
"""

from ml_collections import ConfigDict

from jagree.configs import cifar10_densenet, variants

SIZES = range(2, 50_001)  # a batch of one tells BatchNorm nothing


def get_config(variant: str = "") -> ConfigDict:
    """What differs from cifar10_densenet.py."""
    size, small = variants.split(variant, SIZES, "the batch size, a whole number of 2 to 50000")
    config = cifar10_densenet.get_config()
    config.batch_size = int(size or 512)
    config.name = f"cifar10_batch_size_{config.batch_size}"
    return variants.with_size(config, small)
