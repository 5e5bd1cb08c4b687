"""Training dynamics as Dataset Cartography reads them.

Swayamdipta et al., "Dataset cartography", EMNLP 2020; its code counts the files of a folder
``training_dynamics`` and reads ``dynamics_epoch_0.jsonl`` and on, a JSON object a line with
``guid``, ``logits_epoch_0`` and ``gold``.
"""

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pandas as pd

from jagree.export.reconstruction import Nearness, scores_in
from jagree.export.scores import Scores
from jagree.export.source import Source
from jagree.export.written import Written
from jagree.study.epochs import Epoch, walk


def write(source: Source, folder: Path) -> Written:
    """Write ``member_K/training_dynamics/dynamics_epoch_E.jsonl``, ``guids.csv``, ``epochs.csv``.

    E is the position of the epoch in the record, from 0, since that tool wants all numbers from 0
    on; ``epochs.csv`` has which epoch it is. ``guid`` is the position of the example, as the tool
    wants numbers; ``guids.csv`` has which id it is of.
    """
    tally = _Tally(source, folder)
    walk(source.split, tally)
    guids = np.arange(source.split.sizes["example"])
    pd.DataFrame({"id": source.ids, "guid": guids}).to_csv(folder / "guids.csv", index=False)
    numbers = source.epochs
    files = pd.DataFrame({"file": np.arange(len(numbers)), "epochs_completed": numbers})
    files.to_csv(folder / "epochs.csv", index=False)
    return Written(
        epochs=numbers,
        exact=[*tally.nearness.told, "and so all that Cartography computes of them"],
        not_exact=["the other logits: what is left of the probability, in equal parts"],
    )


class _Tally:
    """Writes epoch by epoch."""

    def __init__(self, source: Source, folder: Path) -> None:
        self.nearness = Nearness()
        self._source = source
        self._labels = source.labels
        self._folders = [folder / f"member_{k}" / "training_dynamics" for k in source.members]
        for place in self._folders:
            place.mkdir(parents=True)

    def add(self, epoch: Epoch) -> None:
        """Write an epoch of all members."""
        scores = scores_in(self._source, epoch)
        self.nearness.add(scores)
        classes = len(self._source.class_names)
        for k, place in enumerate(self._folders):
            path = place / f"dynamics_epoch_{epoch.position}.jsonl"
            with path.open("w", encoding="ascii") as file:
                file.writelines(_lines(scores, k, epoch.position, classes))


def _lines(scores: Scores, member: int, position: int, classes: int) -> Iterator[str]:
    """A line for each example. Nine digits are more than the single precision it is read in."""
    of_label, of_other, of_rest = (
        [f"{value:.9g}" for value in values[member].tolist()]
        for values in (scores.of_label, scores.of_other, scores.of_rest)
    )
    label, other = scores.label[member].tolist(), scores.other[member].tolist()
    for guid, gold in enumerate(label):
        logits = [of_rest[guid]] * classes
        logits[other[guid]], logits[gold] = of_other[guid], of_label[guid]
        yield (
            f'{{"guid": {guid}, "logits_epoch_{position}": [{", ".join(logits)}], '
            f'"gold": {gold}}}\n'
        )
