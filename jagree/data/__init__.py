"""Data sources, NumPy at the border: ``load(config.data) -> {"train": Split, "test": Split}``."""

from typing import Any

from jagree import registry
from jagree.data.split import Column, Split

__all__ = ["Column", "Split", "load"]


def load(options: Any) -> dict[str, Split]:
    """Both splits of the source that ``config.data`` names."""
    source = registry.load("source", options.name)
    return {split: source(split, options) for split in ("train", "test")}
