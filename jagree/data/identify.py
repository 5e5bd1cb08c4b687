"""Ids for examples that come without: made of what the image shows, and of nothing else."""

import numpy as np


def content_ids(digests: np.ndarray, label: np.ndarray) -> np.ndarray:
    """Ids that are the same on every machine, whatever the order in which examples are stored.

    16 hexadecimal digits of the digest; all 64 where two different digests begin alike. Exact
    duplicates are numbered in ascending order of their labels: "0f...", "0f...-2", "0f...-3".
    Duplicates that share their label, too, are interchangeable: which of them is the second
    is left to the order of storage, and nothing but their position tells.

    Parameters
    ----------
    digests : uint8 array [N, 32]
        Of the images: `jagree.data.images.digests`.
    label : int array [N] or bool array [N, C]

    Returns
    -------
    str array [N]
        Unique.
    """
    rows = [bytes(row) for row in digests]
    first: dict[bytes, bytes] = {}
    ambiguous = {row[:8] for row in rows if first.setdefault(row[:8], row) != row}
    labels = label.tolist()
    ids, seen = [""] * len(rows), dict[bytes, int]()
    for i in sorted(range(len(rows)), key=lambda i: labels[i]):
        row = rows[i]
        seen[row] = number = seen.get(row, 0) + 1
        name = row.hex() if row[:8] in ambiguous else row[:8].hex()
        ids[i] = name if number == 1 else f"{name}-{number}"
    return np.array(ids, np.str_)
