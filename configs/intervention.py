"""What makes an example hard, cause or correlation? Factors drawn at random, and their effects.

Command:  python -m jagree.main --config=configs/intervention.py
Shows:    results/effects.csv: by how many epochs each factor of the synthetic images delays the
          epoch from which on all networks get an image right; responses.csv: dose by dose;
          moves.csv: what the image statistics alone would have suggested; docs/intervention.md
Expect:   train images, from the least to the largest dose: contrast -4.7 epochs, size -3.0, texture
          frequency -1.4 (each is learned the sooner), clutter +1.2, noise +1.5, all intervals
          without 0; test images the same signs, contrast -7.5 and clutter +3.0; what entropy
          alone suggests contrast to do is +0.02
          epoch 15: train accuracy 98 %, agreement 94 % (chance 90 %), test 73 %, 61 % (21 %)
Time:     four minutes of CPU time on two cores (one run, beside other programs)
"""

from ml_collections import ConfigDict

from jagree.configs import default


def get_config() -> ConfigDict:
    """What differs from the defaults."""
    config = default.get_config()
    config.name = "intervention"
    config.epochs = 15
    config.data.train_size = 10_000  # twice as many as by default: test images are learned, too
    config.data.test_size = 2_000
    config.statistics.edges.examples = 500  # of each split; the other statistics are cheap
    return config
