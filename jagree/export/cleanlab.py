"""Probabilities of an epoch, as cleanlab takes them: arrays [N, C] with labels [N]."""

from pathlib import Path

import numpy as np

from jagree.export.reconstruction import Nearness, scores_in
from jagree.export.scores import Scores
from jagree.export.source import Source
from jagree.export.written import Written

_BLOCK = 1 << 22  # values of [K, block, C] in memory at a time


def write(source: Source, folder: Path, *, epoch: int | None, per_member: bool) -> Written:
    """Write ``pred_probs.npy``, ``labels.npy`` and ``ids.npy``.

    ``pred_probs`` is float32 [N, C], the mean over members; with `per_member` there is besides
    ``member_K/pred_probs.npy`` of each. ``labels`` is int64 [N], what was trained on; ``ids`` is
    str [N]. None of them needs pickle to be read.
    """
    labels = source.common_labels
    chosen = source.epoch(epoch)
    scores = scores_in(source, chosen)
    nearness = Nearness()
    nearness.add(scores)
    np.save(folder / "labels.npy", labels)
    np.save(folder / "ids.npy", source.ids)
    _write(source, folder, scores, per_member=per_member)
    return Written(
        epochs=[chosen.number],
        exact=[
            *nearness.told,
            "and so cleanlab's self_confidence, also of the mean over members",
        ],
        not_exact=[
            "the other probabilities: what is left, in equal parts",
            "and so cleanlab's confident joint: which label issues its filters find, but for "
            "predicted_neq_given, and how many low_self_confidence finds, not in which order",
            "in the mean over members also the largest class and the margin",
        ],
    )


def _write(source: Source, folder: Path, scores: Scores, *, per_member: bool) -> None:
    """Write the probabilities, a block of examples in memory at a time."""
    members, (n, classes) = source.members, (len(source.ids), len(source.class_names))
    mean = _array(folder / "pred_probs.npy", n, classes)
    alone = []
    if per_member:
        for k in members:
            (folder / f"member_{k}").mkdir()
            alone.append(_array(folder / f"member_{k}" / "pred_probs.npy", n, classes))
    step = max(1, _BLOCK // (classes * len(members)))
    for start in range(0, n, step):
        block = slice(start, start + step)
        found = scores.part(block).probabilities(classes)
        mean[block] = found.mean(0)
        for array, of_member in zip(alone, found, strict=False):
            array[block] = of_member
    for array in (mean, *alone):
        array.flush()


def _array(path: Path, n: int, classes: int) -> np.memmap:
    return np.lib.format.open_memmap(path, mode="w+", dtype=np.float32, shape=(n, classes))
