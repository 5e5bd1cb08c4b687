"""Five DenseNet121 on all of CIFAR-10 (paper v1 figs. 2a 7a 12 16, v2 figs. 1 3 7a 14 16).

Command:  python -m jagree.main --config=configs/cifar10_densenet.py
          ...cifar10_densenet.py:small  a sample, 2 networks, 3 epochs
Shows:    agreement against its lower bound and chance, PABAK; image statistics of what all agree on
Expect:   not yet run in full. The paper: agreement well above the lower bound, most before accuracy
          levels off; the deviation of accuracy tiny; entropy flat near 6.5 bits, edges, segments
          and DCT share fall slightly, as does people's entropy on the test images
Time:     not yet measured; 5.2 PFLOP of training. Edges of all images: 20 minutes of one core
Data:     python -m jagree.data --prepare=cifar10; for fig. 7a also CIFAR-10H:
          --config.data.cifar10h=cifar10h-probs.npy. The paper trained on and measured JPEG copies
          of quality 75, here it is the originals; --config.statistics.jpeg75 measures copies
"""

from ml_collections import ConfigDict

from jagree.configs import default, variants


def get_config(variant: str = "") -> ConfigDict:
    """What differs from the defaults, which are the paper's recipe for CIFAR-10."""
    _, small = variants.split(variant)
    config = default.get_config()
    config.name = "cifar10_densenet"
    config.network = "densenet121"
    config.data.name = "cifar10"
    config.data.train_size = 0
    config.data.test_size = 0
    return variants.with_size(config, small)
