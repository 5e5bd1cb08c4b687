"""CIFAR-10 (Krizhevsky 2009) as TensorFlow Datasets stores it, read without TensorFlow."""

from typing import Any

import numpy as np

from jagree.data.split import Split, take_first
from jagree.data.tfds_reader import read


def load(split: str, options: Any) -> Split:
    """Read one split, decoded once into memory.

    Parameters
    ----------
    split : {"train", "test"}
        50,000 and 10,000 images, 32x32.
    options : ConfigDict
        ``config.data``: `dir` (TFDS folder, "" for TFDS's own default), `train_size`, `test_size`.

    Returns
    -------
    Split
        Ids are TFDS's (``train_00000`` ...), whose order is that of the original files.
    """
    columns, class_names = read("cifar10", options.dir, split, ("id", "image", "label"))
    ids = np.array([i.decode() for i in columns["id"]])
    order = np.argsort(ids)  # records come in the order of their key hashes
    whole = Split(
        name=split,
        id=ids[order],
        label=np.array(columns["label"], np.int32)[order],
        image=np.stack(columns["image"])[order],
        class_names=class_names,
    )
    return take_first(whole, options[f"{split}_size"])
