"""Counts over pairs of members, from which measures of pairs follow.

Letters: K members, N examples; leading axes, such as epochs, are kept.
"""

from collections.abc import Iterator

import numpy as np

BLOCK = 1 << 20  # examples that are counted at once: float32 counts are exact up to 2**24


def pair_counts(right: np.ndarray) -> np.ndarray:
    """How many examples each pair of members both get right: int [..., K, K] of bool [..., K, N].

    The diagonal holds how many each member gets right.
    """
    counts = np.zeros((*right.shape[:-1], right.shape[-2]), np.int64)
    for start in range(0, right.shape[-1], BLOCK):
        block = right[..., start : start + BLOCK].astype(np.float32)
        counts += (block @ np.swapaxes(block, -1, -2)).astype(np.int64)
    return counts


def pair_agreement(both: np.ndarray) -> np.ndarray:
    """Agreement of each pair, float [..., K, K] of `pair_counts`; nan where none is right."""
    alone = np.diagonal(both, axis1=-2, axis2=-1)
    either = alone[..., :, None] + alone[..., None, :] - both
    return np.divide(both, either, out=np.full(both.shape, np.nan), where=either > 0)


def pair_chance(right: np.ndarray, classes: np.ndarray) -> np.ndarray:
    """Chance level within classes of each pair: float [K, K] of bool [K, N] and int [N].

    `jagree.study.chance_within_classes` of all pairs at once, as their classes are the same; nan
    where neither member gets anything right.
    """
    code, count = np.unique(classes, return_inverse=True, return_counts=True)[1:]
    hits = np.array([np.bincount(code, weights=row, minlength=len(count)) for row in right])
    accuracy = hits / count  # [K, classes]
    both = (hits[:, None] * accuracy).sum(-1)
    either = hits.sum(-1)[:, None] + hits.sum(-1) - both
    return np.divide(both, either, out=np.full(both.shape, np.nan), where=either > 0)


def pairs(members: int) -> Iterator[tuple[int, int]]:
    """Each pair of members once, as positions i < j."""
    return ((i, j) for j in range(members) for i in range(j))


def same_answers(prediction: np.ndarray, among: np.ndarray | None = None) -> np.ndarray:
    """How many examples each pair of members gives the same answer to.

    Parameters
    ----------
    prediction : int array [K, N]
        A class each; negative, for outputs that are not finite, is like no other answer.
    among : bool array [K, N], optional
        Answers that count, both of a pair's; default: all.

    Returns
    -------
    int array [K, K]
        Symmetric. The diagonal holds how many answers of the member count.
    """
    counts = prediction >= 0 if among is None else among & (prediction >= 0)
    found = np.diag([np.count_nonzero(row) for row in counts])
    everything = bool((found.diagonal() == prediction.shape[-1]).all())
    for i, j in pairs(len(prediction)):
        same = prediction[i] == prediction[j]
        if not everything:
            same &= counts[i]
            same &= counts[j]
        found[i, j] = found[j, i] = np.count_nonzero(same)
    return found


def pair_mean(values: np.ndarray) -> np.ndarray:
    """Mean over the pairs i < j of [..., K, K] that have a value; nan if none has, and for K = 1.

    Sums run in the order of `pairs`.
    """
    i, j = np.array(list(pairs(values.shape[-1])), int).reshape(-1, 2).T
    some = values[..., i, j]
    known = ~np.isnan(some)
    total, count = np.where(known, some, 0).sum(-1), known.sum(-1)
    return np.divide(total, count, out=np.full(np.shape(total), np.nan), where=count > 0)[()]
