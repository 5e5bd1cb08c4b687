"""Five LeNet5 on a folder of your own images, reduced to 32x32.

Command:  python -m jagree.main --config=configs/folder_lenet5.py --config.data.dir=photos
          photos/train/CLASS/*.jpg and photos/test/CLASS/*.jpg; or photos/CLASS/*.jpg and
          --config.data.test_share=0.2, which holds out a part
Shows:    which of your images are learned first, with the layout of paper fig. 2a
Expect:   depends on the images
Time:     100 photographs of ImageNet: training 14 s, statistics 1 min 44 s, most of it for the
          edges of 20 images of each split (one run on two CPU cores, beside other work)
"""

from ml_collections import ConfigDict

from jagree.configs import default


def get_config() -> ConfigDict:
    """What differs from the defaults."""
    config = default.get_config()
    config.name = "folder_lenet5"
    config.epochs = 20
    config.batch_size = 32  # such folders tend to be small
    config.data.name = "folder"
    config.data.train_size = 0
    config.data.test_size = 0
    config.data.resize = 36
    config.data.crop = 32
    config.statistics.edges.examples = 20  # of each split; they take seconds a photograph
    return config
