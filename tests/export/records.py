"""Records of logits that a test has in its hands, told to the recorder as a person would."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import xarray as xr

import jagree
from jagree.record import open_record

NAMES = ("cat", "dog", "eel", "fox", "gnu", "hen", "ibis", "jay", "koi", "lynx")


def random_logits(
    shape: tuple[int, int, int, int], label: np.ndarray, *, seed: int = 0
) -> np.ndarray:
    """[E, K, N, C] of all sizes, with ties, from near none to sure; the label leads in half."""
    rng = np.random.default_rng(seed)
    logits = rng.normal(size=shape) * 10.0 ** rng.uniform(-3, 3, (*shape[:-1], 1))
    tied = rng.random(shape[:-1]) < 0.1
    logits = np.where(tied[..., None], np.round(logits / 10) * 10, logits)
    towards = rng.random(shape[:-1]) < 0.5
    top = logits.argmax(-1)
    at = np.broadcast_to(np.arange(shape[-1]), shape)
    of_label = np.take_along_axis(logits, np.broadcast_to(label, top.shape)[..., None], -1)
    swapped = np.where(at == label[:, None], logits.max(-1, keepdims=True), logits)
    swapped = np.where((at == top[..., None]) & (at != label[:, None]), of_label, swapped)
    return np.where(towards[..., None], swapped, logits).astype(np.float32)


def record(
    path: Path,
    logits: np.ndarray,
    label: np.ndarray,
    *,
    epochs: Sequence[int] | None = None,
    class_names: Sequence[str] | None = None,
    ids: Sequence[str] | None = None,
    networks: Sequence[str] | None = None,
    data: str = "toy",
) -> xr.Dataset:
    """Record logits [E, K, N, C], or classes alone [E, K, N], as the split "train"."""
    members = logits.shape[1]
    names = class_names or (NAMES[: logits.shape[-1]] if logits.ndim == 4 else NAMES)
    recorder = jagree.Recorder(
        path,
        class_names=names,
        networks=networks or [f"net_{k}" for k in range(members)],
        data=data,
        train=jagree.Examples(label, id=ids),
    )
    for position, scores in enumerate(logits):
        for member in range(members):
            recorder.add("train", np.arange(len(label)), scores[member], member=member)
        recorder.commit(position + 1 if epochs is None else epochs[position])
    return open_record(path / "record.zarr")["train"]
