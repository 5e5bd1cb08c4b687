"""Areas under the margin, as the package ``aum`` writes them.

Pleiss et al., "Identifying mislabeled data using the area under the margin ranking", NeurIPS 2020:
``aum_values.csv`` with ``sample_id`` and ``aum``, the largest first.
"""

from pathlib import Path

import numpy as np
import pandas as pd

from jagree.export.source import Source, told
from jagree.export.written import Written
from jagree.study.epochs import Epoch, walk
from jagree.words import counted


def write(source: Source, folder: Path) -> Written:
    """Write ``aum_values.csv``, the mean over members, and ``member_K/aum_values.csv``.

    Means over the recorded epochs. An example whose output was not finite in one of them has no
    value and comes last.
    """
    tally = _Tally()
    walk(source.split, tally)
    values = tally.sum / len(source.epochs)
    ids = source.ids
    for k, of_member in zip(source.members, values, strict=True):
        place = folder / f"member_{k}"
        place.mkdir()
        _write(place / "aum_values.csv", ids, of_member)
    mean = values.mean(0)
    _write(folder / "aum_values.csv", ids, mean)
    without = int(np.isnan(mean).sum())
    lacking = [f"{counted(without, 'example')} of outputs that are not finite: no value"]
    return Written(
        epochs=source.epochs,
        exact=[
            "aum, the mean over epochs of the recorded margins of logits (half precision), "
            "and its mean over members"
        ],
        not_exact=lacking if without else [],
    )


class _Tally:
    """Sums the margins."""

    def __init__(self) -> None:
        self.sum = np.zeros(())  # [K, N] from the first epoch on

    def add(self, epoch: Epoch) -> None:
        """Add an epoch."""
        self.sum = self.sum + told(epoch, "margin")["margin"]


def _write(path: Path, ids: np.ndarray, values: np.ndarray) -> None:
    table = pd.DataFrame({"sample_id": ids, "aum": values})
    table.sort_values("aum", ascending=False, kind="stable").to_csv(path, index=False)
