"""CIFAR-10 (Krizhevsky 2009) as TensorFlow Datasets stores it, read without TensorFlow."""

from pathlib import Path
from typing import Any

import numpy as np
from scipy.special import entr

from jagree.data.split import Column, Split
from jagree.data.tfds_reader import decoded, open_split
from jagree.errors import UsageError


def load(split: str, options: Any) -> Split:
    """Read one split, decoded once into memory.

    Parameters
    ----------
    split : {"train", "test"}
        50,000 and 10,000 images, 32x32.
    options : ConfigDict
        ``config.data``: `dir` (TFDS folder, "" for TFDS's own default), `cifar10h` (file of
        CIFAR-10H's probabilities, "" for none).

    Returns
    -------
    Split
        Ids are TFDS's (``train_00000`` ...), whose order is that of the original files.
        With `cifar10h`, the test split has the metadata column ``human_entropy``.
    """
    people = _people(Path(options.cifar10h)) if options.cifar10h and split == "test" else None
    records = open_split("cifar10", options.dir, split)
    name, label, image = [], [], np.empty((len(records), 32, 32, 3), np.uint8)
    for i, row in enumerate(records.rows(("id", "label", "image"))):
        name.append(row["id"].decode())
        label.append(row["label"])
        image[i] = decoded(row["image"], (32, 32), name[-1])
    ids, labels = np.array(name), np.array(label, np.int32)
    order = np.argsort(ids)  # records come in the order of their key hashes
    metadata = {}
    if people is not None:
        metadata["human_entropy"] = _human_entropy(
            people, ids[order], labels[order], options.cifar10h
        )
    return Split(
        name=split,
        id=ids[order],
        label=labels[order],
        image=image[order],
        class_names=records.class_names("label"),
        metadata=metadata,
    )


def _people(path: Path) -> np.ndarray:
    """Probabilities of CIFAR-10H (Peterson et al. 2019), float64 [10000, 10]."""
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
    return probability


def _human_entropy(
    probability: np.ndarray, ids: np.ndarray, label: np.ndarray, path: str
) -> Column:
    """Entropy of the labels that people gave.

    There is one row per test image in the official order, and an id ends in that very number: rows
    are joined by it, never by the position in some listing.
    """
    row = probability[[int(i.rsplit("_", 1)[1]) for i in ids]]
    agreeing = (row.argmax(1) == label).mean()
    if agreeing < 0.9:  # 0.992 in the official order, 0.1 by chance
        raise UsageError(
            f"data.cifar10h: in '{path}' people agree with only {agreeing:.0%} of the labels; its "
            "rows are not in the official order of the test set"
        )
    bits = entr(row).sum(1) / np.log(2)
    return Column(bits, "bit", "entropy of the labels that people gave (CIFAR-10H)")
