"""CIFAR-10 (Krizhevsky 2009) as TensorFlow Datasets stores it, read without TensorFlow."""

from pathlib import Path
from typing import Any

import numpy as np
from scipy.special import entr

from jagree.data.split import Column, Split, take_first
from jagree.data.tfds_reader import read
from jagree.errors import UsageError


def load(split: str, options: Any) -> Split:
    """Read one split, decoded once into memory.

    Parameters
    ----------
    split : {"train", "test"}
        50,000 and 10,000 images, 32x32.
    options : ConfigDict
        ``config.data``: `dir` (TFDS folder, "" for TFDS's own default), `train_size`, `test_size`,
        `cifar10h` (file of CIFAR-10H's probabilities, "" for none).

    Returns
    -------
    Split
        Ids are TFDS's (``train_00000`` ...), whose order is that of the original files.
        With `cifar10h`, the test split has the metadata column ``human_entropy``.
    """
    columns, class_names = read("cifar10", options.dir, split, ("id", "image", "label"))
    ids = np.array([i.decode() for i in columns["id"]])
    order = np.argsort(ids)  # records come in the order of their key hashes
    label = np.array(columns["label"], np.int32)[order]
    metadata = {}
    if options.cifar10h and split == "test":
        metadata["human_entropy"] = _human_entropy(Path(options.cifar10h), ids[order], label)
    whole = Split(
        name=split,
        id=ids[order],
        label=label,
        image=np.stack(columns["image"])[order],
        class_names=class_names,
        metadata=metadata,
    )
    return take_first(whole, options[f"{split}_size"])


def _human_entropy(path: Path, ids: np.ndarray, label: np.ndarray) -> Column:
    """Entropy of the labels that people gave (CIFAR-10H, Peterson et al. 2019).

    The file has one row per test image in the official order, and an id ends in that very number:
    rows are joined by it, never by the position in some listing.
    """
    try:
        probability = np.asarray(np.load(path.expanduser(), allow_pickle=False), np.float64)
    except Exception as error:  # whatever another kind of file makes NumPy raise
        raise UsageError(
            f"data.cifar10h: cannot read '{path}' ({error}); it should be cifar10h-probs.npy of "
            "the CIFAR-10H repository, or empty"
        ) from error
    if probability.shape != (10_000, 10):
        raise UsageError(
            f"data.cifar10h: '{path}' must hold 10,000 rows of 10 probabilities, not an array "
            f"{list(probability.shape)}"
        )
    if not (probability >= 0).all() or not np.allclose(probability.sum(1), 1, atol=1e-3):
        raise UsageError(
            f"data.cifar10h: the rows of '{path}' must be probabilities, 0 or more and 1 in sum; "
            "cifar10h-probs.npy is the file that holds them"
        )
    row = probability[[int(i.rsplit("_", 1)[1]) for i in ids]]
    agreeing = (row.argmax(1) == label).mean()
    if agreeing < 0.9:  # 0.992 in the official order, 0.1 by chance
        raise UsageError(
            f"data.cifar10h: in '{path}' people agree with only {agreeing:.0%} of the labels; its "
            "rows are not in the official order of the test set"
        )
    bits = entr(row).sum(1) / np.log(2)
    return Column(bits, "bit", "entropy of the labels that people gave (CIFAR-10H)")
