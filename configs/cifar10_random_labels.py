"""Five DenseNet121 on CIFAR-10 with random labels (paper v1 fig. 2b).

A label is replaced with probability p by one drawn from all classes, once, for all networks.

Command:  python -m jagree.main --config=configs/cifar10_random_labels.py
          ...cifar10_random_labels.py:0.5  p = 0, 0.25, 0.5, 0.75 or 1; 1 if none is given
          ...cifar10_random_labels.py:0.5,small  a sample, 2 networks, 3 epochs
Shows:    whether networks agree where labels tell nothing of the images; python -m
          jagree.study.findings calls labels random from p = 0.7 on, so not those of p = 0.5
Expect:   not yet run in full. The paper: accuracy and agreement rise later than with true labels,
          and agreement is still there (against Hacohen et al. 2020)
Time:     not yet measured; 5.2 PFLOP of training
Data:     python -m jagree.data --prepare=cifar10 (the paper had JPEG copies: cifar10_densenet.py)

This is the paper's own text. Its authors' script trains longer, by another schedule, and also draws
the test labels at random:
--config.epochs=90 --config.optimizer.learning_rate=0.01 --config.schedule.name=step
--config.schedule.step_epochs=30 --config.schedule.step_factor=0.3 --config.data.test_label_noise
"""

from ml_collections import ConfigDict

from jagree.configs import cifar10_densenet, variants

PROBABILITIES = (0, 0.25, 0.5, 0.75, 1)


def get_config(variant: str = "") -> ConfigDict:
    """What differs from cifar10_densenet.py."""
    meaning = "the probability that a label is replaced, 0, 0.25, 0.5, 0.75 or 1"
    probability, small = variants.split(variant, PROBABILITIES, meaning)
    config = cifar10_densenet.get_config()
    config.data.label_noise = 1.0 if probability is None else probability
    config.name = f"cifar10_random_labels_{config.data.label_noise:g}"
    config.optimizer.learning_rate = 0.001
    return variants.with_size(config, small)
