"""Small records on disk, with the predictions that a test wants."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import xarray as xr

from jagree.record import RecordWriter, open_record


@dataclass(frozen=True)
class Examples:
    """What a record keeps of a split."""

    label: np.ndarray
    true_label: np.ndarray
    class_names: tuple[str, ...]
    prefix: str

    @property
    def id(self) -> np.ndarray:
        return np.array([f"{self.prefix}_{n}" for n in range(self.true_label.shape[0])])

    @property
    def fingerprint(self) -> str:
        return self.prefix


def write(
    path: Path,
    labels: Mapping[str, np.ndarray],
    predictions: Mapping[str, np.ndarray],
    *,
    epochs: Sequence[int],
    loss: np.ndarray | None = None,
    true_labels: Mapping[str, np.ndarray] | None = None,
    class_names: tuple[str, ...] = ("cat", "dog", "eel"),
    networks: Sequence[str] | None = None,
) -> dict[str, xr.Dataset]:
    """Record `predictions` [E, K, N] or [E, K, N, C] of each split, and open the record."""
    any_split = next(iter(predictions.values()))
    members, multi_label = any_split.shape[1], any_split.ndim == 4
    recorder = RecordWriter.create(
        path / "record.zarr",
        {
            name: Examples(label, (true_labels or labels)[name], class_names, name)
            for name, label in labels.items()
        },
        networks=networks or [f"net{k}" for k in range(members)],
        seed=0,
        correctness="exact_match" if multi_label else "single_label",
        recording=dict.fromkeys(labels, "epoch_end"),
        data="toy",
    )
    others = ("log_prob", "margin") if multi_label else ("log_prob", "margin", "sum_sq_other")
    for position, epoch in enumerate(epochs):
        fields: dict[str, dict[str, np.ndarray]] = {}
        width = len(class_names) if multi_label else 1
        for name, values in predictions.items():
            not_finite = (values[position].reshape(*values.shape[1:3], width) < 0).any(-1)
            numbers = np.where(not_finite, np.nan, 0.0)
            fields[name] = {"prediction": values[position]} | dict.fromkeys(others, numbers)
        if "train" in fields:
            fields["train"]["loss"] = np.ones(members) if loss is None else loss[position]
        recorder.append(epoch, fields)
    return open_record(path / "record.zarr")
