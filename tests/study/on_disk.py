"""Small run folders on disk, with a run.json where a test wants one."""

import json
from pathlib import Path

import numpy as np

from tests.study.records import write

CONFIG: dict = {"data": {"name": "nowhere"}}  # no images are looked for
LABEL = np.array([0, 1, 2, 0, 1])
FIRST = [[0, 0, 0, 0, 0], [0, 0, 0, 0, 0], [0, 0, 0, 0, 0]]
# Right: 1 1 1 1 0, 1 1 0 0 0 and 0 0 0 0 0.
LAST = [[0, 1, 2, 0, 0], [0, 1, 1, 1, 2], [1, 2, 0, 2, 2]]


def record(folder: Path, epochs: int = 2) -> Path:
    train = np.array([FIRST, LAST])[:epochs]
    write(
        folder,
        {"train": LABEL, "test": LABEL[:3]},
        {"train": train, "test": np.flip(train, 1)[..., :3]},
        epochs=[3, 7][:epochs],
    )
    return folder


def note(folder: Path, **about: object) -> dict:
    folder.mkdir(exist_ok=True)
    (folder / "run.json").write_text(json.dumps({"config": CONFIG, **about}))
    return about


def sweep(folder: Path) -> Path:
    """Two runs, one that has recorded nothing, and what lies beside them."""
    for name in ("seed=1", "seed=0"):
        note(record(folder / name), status="complete")
    for name in ("logs", "statistics", "seed=2"):
        (folder / name).mkdir()
    note(folder / "seed=2", status="new")
    (folder / "sweep.csv").write_text("name\n")
    return folder
