"""Runs in memory, of which it is known what they show."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import xarray as xr

from jagree.study.findings.evidence import About, Run

CLASSES = ("ant", "bee", "cow", "dog", "eel")
EPOCHS, EXAMPLES = 20, 600


def dataset(
    right: np.ndarray,
    *,
    split: str = "train",
    data: str = "toy",
    networks: tuple[str, ...] = (),
    label: np.ndarray | None = None,
    true_label: np.ndarray | None = None,
    first: int = 1,
    fingerprint: str = "",
    recording: str = "epoch_end",
) -> xr.Dataset:
    """A split of a record in which the members get these examples right: bool [E, K, N]."""
    epochs, members, n = right.shape
    label = np.arange(n) % len(CLASSES) if label is None else label
    true_label = label if true_label is None else true_label
    prediction = np.where(right, label, (label + 1) % len(CLASSES))
    return xr.Dataset(
        {"prediction": (("epoch", "member", "example"), prediction)},
        {
            "epoch": np.arange(first, first + epochs),
            "member": np.arange(members),
            "network": ("member", np.array(networks or ["densenet121"] * members, object)),
            "id": ("example", np.array([f"{split}_{i}" for i in range(n)], object)),
            "label": (("member", "example")[2 - label.ndim :], label),
            "true_label": ("example", true_label),
        },
        {
            "data": data,
            "fingerprint": fingerprint or f"{data} {split}",
            "class_names": list(CLASSES),
            "correctness": "single_label",
            "recording": recording,
        },
    )


def run(
    right: np.ndarray,
    test: np.ndarray | None = None,
    *,
    name: str = "a",
    columns: Mapping[str, Any] | None = None,
    test_columns: Mapping[str, Any] | None = None,
    batch_size: int | None = None,
    config: Mapping[str, Any] | None = None,
    rate_drops: tuple[int, ...] | None = None,
    **options: Any,
) -> Run:
    """A run in which the members get these examples right: bool [E, K, N], for each split."""
    record = {"train": dataset(right, **options)}
    if test is not None:
        shared = {k: v for k, v in options.items() if k not in ("label", "true_label")}
        record["test"] = dataset(test, split="test", **shared)
    given = {"train": columns, "test": test_columns}
    config = config or ({"batch_size": batch_size} if batch_size else {})
    return Run(
        name=name,
        path=Path("/runs") / name,
        record=record,
        about=About(
            config=config,
            batch_size=config.get("batch_size"),
            rate_drops=rate_drops,
        ),
        statistics={k: pd.DataFrame(c) for k, c in given.items() if c is not None},
        units={"entropy": "bit"},
    )


def nested(accuracy: np.ndarray, examples: int = EXAMPLES) -> np.ndarray:
    """Members get the first examples right, as many as their accuracy [E, K] says: [E, K, N].

    They agree as much as they can: all that the worst one gets right.
    """
    count = np.round(np.asarray(accuracy) * examples)
    return np.arange(examples) < count[..., None]


def independent(accuracy: np.ndarray, examples: int = EXAMPLES, seed: int = 0) -> np.ndarray:
    """Each member gets examples right by chance, with its accuracy [E, K]: bool [E, K, N]."""
    drawn = np.random.default_rng(seed).random((*np.shape(accuracy), examples))
    return drawn < np.asarray(accuracy)[..., None]


def blended(
    accuracy: np.ndarray, together: np.ndarray | float, examples: int = EXAMPLES, seed: int = 0
) -> np.ndarray:
    """Nested for the first share `together` ([E] or one) of examples, independent for the rest.

    The rest is a random sample, so that both parts have every kind of example.
    """
    accuracy = np.asarray(accuracy)
    rank = np.random.default_rng(seed + 1).permutation(examples) / examples
    share = np.broadcast_to(together, accuracy.shape[:1])[:, None, None]
    mixed: np.ndarray = np.where(
        rank < share, nested(accuracy, examples), independent(accuracy, examples, seed)
    )
    return mixed


def curve(low: float, high: float, epochs: int = EPOCHS) -> np.ndarray:
    """Accuracy that rises in a line, float [E]."""
    return np.linspace(low, high, epochs)


def members(*accuracies: np.ndarray) -> np.ndarray:
    """Accuracy curves of members side by side: float [E, K]."""
    return np.stack(accuracies, axis=1)


def learning(
    low: float = 0.25, high: float = 0.95, epochs: int = EPOCHS, examples: int = EXAMPLES
) -> np.ndarray:
    """Two members that learn the examples in their order; agreement rises as the worse catches up.

    Mean accuracy starts at `low`; what is agreed on grows with every epoch.
    """
    best = curve(low + 0.1, high + 0.02, epochs)
    return nested(members(best, curve(low - 0.1, high - 0.02, epochs)), examples)
