"""Twenty-five DenseNet121 on Pascal VOC: five times five (paper v2 fig. 2).

One run of 25 networks. Members 0 to 4 are the first five, 5 to 9 the second, and so on; the first
five are those of voc_densenet.py.

Command:  python -m jagree.main --config=configs/voc_densenet_25.py
          ...voc_densenet_25.py:small  100 images, 2 epochs, 10 networks: two groups of five
Shows:    how much agreement, its lower bound and its expectation by chance deviate between groups
Expect:   not yet run in full. The paper: they deviate little
Time:     not yet measured; 1,050 PFLOP of training. Statistics are those of voc_densenet.py
Data:     as voc_densenet.py: python -m jagree.data --prepare=voc
"""

from ml_collections import ConfigDict

from jagree.configs import variants, voc_densenet

GROUP = 5  # networks


def get_config(variant: str = "") -> ConfigDict:
    """What differs from voc_densenet.py."""
    _, small = variants.split(variant)
    config = voc_densenet.get_config()
    config.name = "voc_densenet_25"
    config.members = 5 * GROUP
    return variants.with_size(config, small, members=2 * GROUP)
