"""When each example is agreed on: per-example quantities over all recorded epochs."""

from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np


@dataclass(frozen=True)
class LearningOrder:
    """What `learning_order` gives for N examples.

    Attributes
    ----------
    agreed_for_good : float array [N]
        The first recorded epoch from which on all members get the example right in every recorded
        epoch; nan if not in the last one.
    ever_agreed : bool array [N]
        Whether there was an epoch in which all members got the example right.
    accessibility : float array [N]
        Mean over epochs and members of being right, 0 to 1.
    """

    agreed_for_good: np.ndarray
    ever_agreed: np.ndarray
    accessibility: np.ndarray


def learning_order(epochs: Iterable[tuple[int, np.ndarray]]) -> LearningOrder:
    """Run once over the epochs, holding one at a time.

    Parameters
    ----------
    epochs : iterable of (epoch, correct)
        Ascending epochs, each with bool [K, N]. Where the untrained networks are recorded (epoch
        0), they count like any other epoch.

    Returns
    -------
    LearningOrder

    Raises
    ------
    ValueError
        If there is no epoch, or one that is not after the one before.

    References
    ----------
    ``agreed_for_good`` is the per-example twin of true-positive agreement (derived here, after
    "learned for good" of Maini et al. 2022); ``accessibility``: Hacohen et al., "Let's agree to
    agree", 2020.

    Examples
    --------
    >>> import numpy as np
    >>> first = np.array([[1, 1, 0], [1, 0, 0]], bool)
    >>> second = np.array([[1, 1, 0], [1, 1, 1]], bool)
    >>> order = learning_order([(1, first), (2, second)])
    >>> order.agreed_for_good.tolist()
    [1.0, 2.0, nan]
    >>> order.ever_agreed.tolist()
    [True, True, False]
    >>> order.accessibility.tolist()
    [1.0, 0.75, 0.25]
    """
    since, ever, right = np.array(np.nan), np.array(False), np.array(0)  # [N] from the first epoch
    last, tries = -1, 0
    for epoch, correct in epochs:
        if epoch <= last:
            raise ValueError(f"epochs must be ascending, but {epoch} comes after {last}")
        agreed = correct.all(0)
        since = np.where(agreed, np.where(np.isnan(since), epoch, since), np.nan)
        ever = ever | agreed
        right = right + correct.sum(0, dtype=np.int64)
        last, tries = epoch, tries + len(correct)
    if tries == 0:
        raise ValueError("no epoch is given")
    return LearningOrder(since, ever, right / tries)
