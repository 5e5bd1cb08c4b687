"""Small splits and their feeds, for tests of training."""

from pathlib import Path
from typing import Any

import numpy as np
from ml_collections import ConfigDict

from jagree.data.frames import Frames, prepare
from jagree.data.split import Split
from jagree.training.feed import BatchPlan, Feed, ResidentFeed
from jagree.training.stream import StreamFeed
from tests.data.pictures import Drawn


def whole(n: int = 50) -> Split:
    """Images of 2x2 pixels, all different, in memory."""
    rng = np.random.default_rng(0)
    return Split(
        name="train",
        id=np.array([f"{i:05d}" for i in range(n)]),
        label=np.arange(n, dtype=np.int32) % 7,
        image=rng.integers(0, 255, (n, 2, 2, 3), np.uint8),
        class_names=tuple("abcdefg"),
    )


def ragged(folder: Path, n: int = 50) -> Split:
    """Encoded images of different sizes, 12 to 19 pixels a side."""
    return Split(
        name="train",
        id=np.array([f"{i:05d}" for i in range(n)]),
        label=np.arange(n, dtype=np.int32) % 7,
        image=Drawn.random(n, seed=0),
        class_names=tuple("abcdefg"),
        kept=folder,
    )


def frames_of(split: Split, resize: int = 0, crop: int = 0) -> Frames:
    return prepare(split, ConfigDict({"resize": resize, "crop": crop}))


def make_plan(split: Split, frames: Frames | None = None, **changes: Any) -> BatchPlan:
    options = {
        "members": 3,
        "seed": 0,
        "batch_size": 8,
        "eval_batch_size": 16,
        "steps_per_dispatch": 4,
        "eval_steps_per_dispatch": 4,
        "by_member": split.by_member,
    }
    return BatchPlan(frames or frames_of(split), split.label, **{**options, **changes})


def make_feed(kind: str, plan: BatchPlan, *, epochs: int = 3, workers: int = 0) -> Feed:
    if kind == "resident":
        return ResidentFeed(plan)
    return StreamFeed(plan, epochs=epochs, workers=workers)
