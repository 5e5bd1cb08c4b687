"""Five DenseNet121 on Pascal VOC, 20 classes at once (paper v1 figs. 4 7b 15 17b, v2 figs. 7b 17).

Trained on 2007's and 2012's trainval images, tested on 2007's test images without the objects that
are called difficult; right is who names every class and no other.

Command:  python -m jagree.main --config=configs/voc_densenet.py
          ...voc_densenet.py:small  100 images, 2 networks, 2 epochs
Shows:    image statistics, boxes and people's search time of the images that all agree on
Expect:   not yet run in full. The paper: images of low entropy, few segments, low DCT share, few
          labels (1.1 rising to 1.4), short search and large boxes come first; segments, DCT share
          and search time dip before they rise; edges rise; jumps where the rate drops; about 50 %
          exact matches on test, where entropy correlates as on train
Time:     not yet measured; 210 PFLOP of training. Edges of all images: 10 hours of one core
Data:     python -m jagree.data --prepare=voc; for people's search time also Ionescu et al. 2016:
          --config.data.search_difficulty=VSD_dataset.csv. The paper trained on and measured images
          that had been compressed again (JPEG, quality 75), here it is the originals
"""

from ml_collections import ConfigDict

from jagree.configs import default, variants


def get_config(variant: str = "") -> ConfigDict:
    """The paper's recipe for Pascal."""
    _, small = variants.split(variant)
    config = default.get_config()
    config.name = "voc_densenet"
    config.network = "densenet121"
    config.epochs = 150
    config.data.name = "voc"
    config.data.train_size = 0
    config.data.test_size = 0
    config.data.resize = 256
    config.data.crop = 224
    config.schedule.name = "step"
    config.schedule.step_epochs = 50
    config.schedule.step_factor = 0.2
    return variants.with_size(config, small)
