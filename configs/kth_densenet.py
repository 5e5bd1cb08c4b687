"""Five DenseNet121 on KTH-TIPS2b (paper v1 figs. 5 7c 14 17a, v2 figs. 7c 13).

Command:  python -m jagree.main --config=configs/kth_densenet.py
          ...kth_densenet.py:small  100 images, 2 networks, 2 epochs
Shows:    image statistics, illumination, rotation and scale of the textures that all agree on
Expect:   not yet run in full. The paper: edges, segments and DCT share fall, entropy slightly;
          frontal illumination is agreed on slowest, frontal rotation fastest, scale does nothing;
          on test agreement is highest under ambient, lowest under frontal illumination
Time:     not yet measured; 13 PFLOP of training
Data:     python -m jagree.data --prepare=kth_tips2b
"""

from ml_collections import ConfigDict

from jagree.configs import default, variants


def get_config(variant: str = "") -> ConfigDict:
    """The paper's recipe: Adam, and one cycle of the rate as PyTorch's defaults have it."""
    _, small = variants.split(variant)
    config = default.get_config()
    config.name = "kth_densenet"
    config.network = "densenet121"
    config.batch_size = 64
    config.data.name = "kth_tips2b"
    config.data.train_size = 0
    config.data.test_size = 0
    config.data.resize = 200
    config.data.crop = 190
    config.optimizer.name = "adam"
    config.optimizer.learning_rate = 1e-4  # at the top of the cycle
    config.optimizer.weight_decay = 1e-5
    config.schedule.name = "one_cycle"
    return variants.with_size(config, small)
