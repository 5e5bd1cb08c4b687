"""ImageNet (ILSVRC 2012) as TensorFlow Datasets stores it, read without TensorFlow."""

import hashlib
from contextlib import suppress
from pathlib import Path
from typing import Any

import numpy as np
from tqdm import tqdm

from jagree.data.images import write_whole
from jagree.data.split import Split
from jagree.data.tfds_reader import Records, open_split

SPLITS = {"train": "train", "test": "validation"}  # the labels of the test set are not public


def load(split: str, options: Any) -> Split:
    """Open one split; images are decoded when they are taken out.

    Names and labels lie in the records beside the images, so to learn them the first time all of
    the data set is read: minutes. They are then kept in a file beside the records.

    Parameters
    ----------
    split : {"train", "test"}
        1,281,167 images of 1,000 classes, and the 50,000 of the official validation set.
    options : ConfigDict
        ``config.data``: `dir` (TFDS folder, "" for TFDS's own default).

    Returns
    -------
    Split
        Ids are the names of files: ``n01440764_10026.JPEG``, ``ILSVRC2012_val_00000001.JPEG``.
        Classes are named by their WordNet ids.

    Raises
    ------
    UsageError
        If the data has not been prepared.
    """
    records = open_split("imagenet2012", options.dir, SPLITS[split])
    names, label = _names_and_labels(records)
    order = np.argsort(names)
    return Split(
        name=split,
        id=names[order],
        label=label[order],
        image=records.images().take(order),
        class_names=records.class_names("label"),
    )


def _names_and_labels(records: Records) -> tuple[np.ndarray, np.ndarray]:
    """File names, str [N], and labels, int32 [N], in the order of the records."""
    kept = records.folder / f"jagree-{records.split}-{_stamp(records)}.npy"
    table = _kept(kept, len(records))
    if table is None:
        table = _read(records)
        with suppress(OSError):  # where only others may write it is read each time
            for outdated in records.folder.glob(f"jagree-{records.split}-*.npy"):
                outdated.unlink()
            write_whole(kept, table)
    return table["name"].astype(np.str_), table["label"].astype(np.int32)


def _stamp(records: Records) -> str:
    """Other if a file of the split has changed, as far as its size and time of change tell."""
    paths = sorted(records.folder.glob(f"{records.name}-{records.split}.*"))
    about = [(path.name, path.stat().st_size, path.stat().st_mtime_ns) for path in paths]
    return hashlib.sha256(repr(about).encode()).hexdigest()[:16]


def _kept(path: Path, length: int) -> np.ndarray | None:
    """What was read before, a row for each record; None if it was not, or the file is damaged."""
    try:
        table = np.load(path, allow_pickle=False)
    except (OSError, ValueError, EOFError):
        return None
    return table if table.shape == (length,) and table.dtype.names == ("name", "label") else None


def _read(records: Records) -> np.ndarray:
    rows = tqdm(
        records.rows(["file_name", "label"]),
        desc=f"reading names and labels of {records.split}, once",
        total=len(records),
        unit=" images",
        leave=False,
        disable=None,
        delay=1,
    )
    found = [(row["file_name"], row["label"]) for row in rows]
    longest = max(len(name) for name, _ in found)
    return np.array(found, [("name", f"S{longest}"), ("label", "<i4")])
