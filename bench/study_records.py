"""Records of a training that never was, of any size: what bench/study.py is measured on.

Each example has a difficulty, each network a mind of its own about it, and each epoch some noise;
the margin of the label's logit is skill less difficulty, and what the trainer would store follows
from it. Statistics go with difficulty, a little.

Letters: E epochs, K members, N examples, C classes.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import xarray as xr

from jagree.record import RecordWriter, SplitDescription
from jagree.seeds import generator
from jagree.statistics.table import write_tables

# Name, whether it is a whole number, and how far it goes with difficulty.
STATISTICS = {
    "entropy": (False, 0.1),
    "entropy_uint8": (False, 0.1),
    "segments": (True, 0.2),
    "edge_strength": (False, 0.15),
    "gradient_strength": (False, 0.1),
    "dct_share": (False, 0.05),
    "dct_share_ac": (False, 0.05),
    "colourfulness": (False, 0.0),
}


@dataclass(frozen=True)
class Size:
    """What is simulated.

    Attributes
    ----------
    splits : mapping of str to int
        Examples of each.
    classes, epochs, members : int
    """

    splits: Mapping[str, int]
    classes: int
    epochs: int
    members: int = 5


SIZES = {
    "small": Size({"train": 4_000, "test": 1_000}, 10, 20),
    "cifar10": Size({"train": 50_000, "test": 10_000}, 10, 60),
    "imagenet": Size({"train": 1_281_167}, 1_000, 100),
}


class _Split:
    """Networks that learn a split; nothing but one epoch is in memory."""

    def __init__(self, name: str, examples: int, size: Size) -> None:
        draw = generator(0, f"examples of {name}")
        self._name, self._size, self._n = name, size, examples
        self.label = draw.integers(0, size.classes, examples).astype(np.int32)
        # Classes differ in difficulty, too.
        easier = draw.normal(0, 0.5, size.classes)[self.label]
        self.difficulty = (draw.normal(0, 1, examples) + easier).astype(np.float32)
        self._own = draw.normal(0, 0.7, (size.members, examples)).astype(np.float32)
        self._taken_for = self._wrong(draw, (examples,))

    def _wrong(self, draw: np.random.Generator, shape: tuple[int, ...]) -> np.ndarray:
        """Some class that is not the label's."""
        away = draw.integers(1, self._size.classes, shape, dtype=np.int32)
        found: np.ndarray = (self.label + away) % self._size.classes
        return found

    @property
    def described(self) -> SplitDescription:
        """What the record keeps of it."""
        ids = np.array([f"{self._name}_{n:08d}" for n in range(self._n)])
        names = tuple(f"class {c}" for c in range(self._size.classes))
        return SplitDescription(ids, self.label, self.label, names, self._name)

    def epoch(self, number: int) -> dict[str, np.ndarray]:
        """What all members give after that epoch."""
        draw = generator(0, f"epoch of {self._name}", epoch=number)
        shape = (self._size.members, self._n)
        skill = -1.5 + 4 * (1 - np.exp(-4 * number / self._size.epochs))
        noise = draw.standard_normal(shape, np.float32)
        margin = 2 * (np.float32(skill) - self.difficulty + self._own) + noise
        log_prob = -np.logaddexp(np.float32(0), -margin)
        usual = draw.random(shape, np.float32) < 0.5
        wrong = np.where(usual, self._taken_for, self._wrong(draw, shape))
        return {
            "prediction": np.where(margin > 0, self.label, wrong),
            "log_prob": log_prob,
            "margin": margin,
            "sum_sq_other": np.square(np.expm1(log_prob)) / 2,
        }

    def statistics(self) -> xr.Dataset:
        """A table as the stage of statistics stores it."""
        draw = generator(0, f"statistics of {self._name}")
        columns = {}
        for name, (whole, share) in STATISTICS.items():
            value = share * self.difficulty + draw.standard_normal(self._n)
            value = np.rint(20 + 5 * value) if whole else value
            columns[name] = ("example", value, {"units": "1"})
        described = self.described
        attributes = {"split": self._name, "data": "simulated", "columns": list(columns)}
        attributes |= {"fingerprint": described.fingerprint, "failed": "{}"}
        ids = described.id.astype(object)
        return xr.Dataset(columns, {"id": ("example", ids)}, attributes)


def simulate(folder: Path, size: Size) -> None:
    """Write ``record.zarr`` and ``statistics.zarr`` into a folder, epoch by epoch."""
    splits = {name: _Split(name, n, size) for name, n in size.splits.items()}
    writer = RecordWriter.create(
        folder / "record.zarr",
        {name: split.described for name, split in splits.items()},
        networks=["simulated"] * size.members,
        seed=0,
        correctness="single_label",
        recording=dict.fromkeys(splits, "epoch_end"),
        data="simulated",
    )
    write_tables(
        {name: split.statistics() for name, split in splits.items()}, folder / "statistics.zarr"
    )
    for number in range(1, size.epochs + 1):
        fields = {name: split.epoch(number) for name, split in splits.items()}
        fields["train"]["loss"] = -fields["train"]["log_prob"].mean(-1)
        writer.append(number, fields)
