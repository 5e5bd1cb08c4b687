"""Five DenseNet121 on CIFAR-10 with batches of several sizes (paper v1 fig. 8, v2 fig. 4).

The paper says "several" sizes, all else equal, and does not name them; 128 is cifar10_densenet.py.

Command:  python -m jagree.main --config=configs/sweeps/cifar10_batch_size.py
          ...sweeps/cifar10_batch_size.py:small  a sample, 2 networks, 3 epochs of each
          python launch/sweep.py --config=configs/sweeps/cifar10_batch_size.py --devices=0,1,2,3
Shows:    agreement at each batch size, side by side in sweep.csv; one of them alone is
          configs/cifar10_batch_size.py
Expect:   not yet run in full. The paper: agreement at every size; small batches learn and agree
          more slowly and resemble simple networks, large ones complex networks
Time:     not yet measured; 5.2 PFLOP of training for each of the 5 sizes
Data:     python -m jagree.data --prepare=cifar10 (the paper had JPEG copies: cifar10_densenet.py)
"""

from collections.abc import Mapping, Sequence

from ml_collections import ConfigDict

from jagree.configs import cifar10_densenet, variants


def get_config(variant: str = "") -> ConfigDict:
    """What all runs have in common."""
    _, small = variants.split(variant)
    config = cifar10_densenet.get_config()
    config.name = "cifar10_batch_size"
    return variants.with_size(config, small)


def get_grid() -> tuple[Mapping[str, Sequence[int]], str]:
    """The fields that vary, with their values, and how they are combined: product or zip."""
    return {"batch_size": (32, 64, 128, 256, 512)}, "product"
