"""Five DenseNet121 on ImageNet (paper v1 figs. 6 13 19, v2 figs. 6 15).

Command:  python -m jagree.main --config=configs/imagenet_densenet.py
          ...imagenet_densenet.py:small  100 images, 2 networks, 2 epochs
Shows:    image statistics of what all agree on, where there are a thousand classes
Expect:   not yet run in full. The paper: weak trends, in the directions of KTH-TIPS2b; histograms
          like CIFAR-10's; agreement on test, too
Time:     not yet measured; 11,000 PFLOP of training. Edges of 10,000 images of each split are
          measured, 9 hours of one core; --config.statistics.edges.examples=0, all: 26 days
Data:     python -m jagree.data --prepare=imagenet2012 (register at image-net.org for its archives).
          Entropy and DCT are of images reduced to 128x128, as in the paper
"""

from ml_collections import ConfigDict

from jagree.configs import default, variants


def get_config(variant: str = "") -> ConfigDict:
    """The paper's recipe for ImageNet."""
    _, small = variants.split(variant)
    config = default.get_config()
    config.name = "imagenet_densenet"
    config.network = "densenet121"
    config.epochs = 100
    config.data.name = "imagenet"
    config.data.train_size = 0
    config.data.test_size = 0
    config.data.resize = 256
    config.data.crop = 224
    config.optimizer.weight_decay = 1e-5
    config.schedule.name = "step"
    config.schedule.step_epochs = 30
    config.schedule.step_factor = 0.1
    config.statistics.resize = 128
    config.statistics.resized = ("entropy", "entropy_uint8", "dct_share", "dct_share_ac")
    config.statistics.edges.examples = 10_000
    return variants.with_size(config, small)
