"""A small record to write to."""

from pathlib import Path

import numpy as np
import pytest

from jagree.data.split import Split
from jagree.record import RecordWriter

N = {"train": 7, "test": 4}
K = 3


def make_splits(multi_label: bool = False) -> dict[str, Split]:
    rng = np.random.default_rng(1)

    def labels(n: int) -> np.ndarray:
        return rng.random((n, 3)) < 0.5 if multi_label else rng.integers(0, 3, n, np.int32)

    return {
        name: Split(
            name=name,
            id=np.array([f"{name}_{i}" for i in range(n)]),
            label=labels(n),
            true_label=labels(n),
            image=rng.integers(0, 255, (n, 2, 2, 3), np.uint8),
            class_names=("a", "b", "c"),
        )
        for name, n in N.items()
    }


def make_fields(seed: int, multi_label: bool = False) -> dict[str, dict[str, np.ndarray]]:
    rng = np.random.default_rng(seed)
    fields = {}
    for name, n in N.items():
        shape = (K, n, 3) if multi_label else (K, n)
        fields[name] = {
            "prediction": rng.integers(0, 2 if multi_label else 3, shape),
            "log_prob": -rng.random((K, n)),
            "margin": rng.normal(size=(K, n)),
        }
        if not multi_label:
            fields[name]["sum_sq_other"] = rng.random((K, n))
    fields["train"]["loss"] = rng.random(K)
    return fields


def make_recorder(path: Path, multi_label: bool = False) -> RecordWriter:
    return RecordWriter.create(
        path,
        make_splits(multi_label),
        networks=["lenet5"] * K,
        seed=5,
        correctness="exact_match" if multi_label else "single_label",
        recording={"train": "online", "test": "epoch_end"},
        data="toy",
    )


@pytest.fixture
def recorder(tmp_path: Path) -> RecordWriter:
    return make_recorder(tmp_path / "record.zarr")
