"""Labels replaced at random, shared and nested over members (paper v1 sec. 3, fig. 2b)."""

from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from jagree import seeds
from jagree.data.split import Split
from jagree.errors import UsageError


def with_label_noise(split: Split, rates: Sequence[float], seed: int) -> Split:
    """The split with labels to train on of which a share is replaced.

    For each example one uniform number u and one replacement label are drawn, from the seed and the
    example's id alone. A member with rate p trains on the replacement where u < p. So all members
    of one rate share their labels, what is replaced at a low rate is replaced at a higher one too,
    and it is the same in every epoch and run.

    The replacement is uniform over all classes, the true one included: of C classes a share
    p (C - 1) / C of the labels is wrong, and at p = 1 labels tell nothing of the images.

    Parameters
    ----------
    split : Split
        With its true labels.
    rates : sequence of float
        Probability p of each member, 0 to 1.
    seed : int
        The data's seed.

    Returns
    -------
    Split
        `label` is int [N] if all rates are equal, else [K, N]; `true_label` is as it was.

    Raises
    ------
    UsageError
        If the split is multi-label, for which this noise is not defined.
    """
    if not any(rates):
        return split
    if split.multi_label:
        raise UsageError(
            "label noise replaces the one class of an image, but this data gives an image any "
            "number of classes; set data.label_noise=0 (and per_member.label_noise=())"
        )
    ids = split.id.tolist()
    uniform = np.array([seeds.uniform_of_example(seed, "label noise", i) for i in ids])
    drawn = np.array([seeds.of_example(seed, "replacement", i) for i in ids], np.uint64)
    classes = np.uint64(len(split.class_names))
    replacement = (drawn % classes).astype(split.true_label.dtype)
    if len(set(rates)) == 1:
        rates = rates[:1]
    label = np.stack([np.where(uniform < p, replacement, split.true_label) for p in rates])
    changed = [f"{n:,}" for n in (label != split.true_label).sum(1).tolist()]
    by_member = ", member by member" if len(rates) > 1 else ""
    note = (
        f"labels drawn at random{by_member} with probability {', '.join(f'{p:g}' for p in rates)}: "
        f"{', '.join(changed)} of {len(split):,} differ from the true ones (a drawn label may be "
        "the true one)"
    )
    return replace(split, label=label if len(label) > 1 else label[0], notes=(*split.notes, note))
