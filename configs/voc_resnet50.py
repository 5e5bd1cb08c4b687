"""Five ResNet50 on Pascal VOC, by DenseNet121's recipe (paper v1 fig. 18, v2 figs. 8 9 10).

As the authors ran it, with the stem for 32x32 images, which keeps the resolution; with the usual
stem (--config.network=resnet50_imagenet) it costs a sixteenth and is another experiment.

Command:  python -m jagree.main --config=configs/voc_resnet50.py
          ...voc_resnet50.py:small  100 images, 2 networks, 2 epochs
Shows:    as voc_densenet.py, with another architecture
Expect:   not yet run in full. The paper: learns more slowly than DenseNet121; statistics go the
          same ways, with weaker correlations, and none for the DCT share
Time:     not yet measured; 4,700 PFLOP of training. Statistics are those of voc_densenet.py
Data:     as voc_densenet.py: python -m jagree.data --prepare=voc
"""

from ml_collections import ConfigDict

from jagree.configs import variants, voc_densenet


def get_config(variant: str = "") -> ConfigDict:
    """What differs from voc_densenet.py."""
    _, small = variants.split(variant)
    config = voc_densenet.get_config()
    config.name = "voc_resnet50"
    config.network = "resnet50"
    return variants.with_size(config, small)
