"""When each example is learned: by each member, and by all of them.

Letters: E epochs, K members, N examples; c[e, k, n] is 1 where member k is right after epoch e. All
of it is gathered in one pass, one epoch in memory at a time. Where the untrained networks are
recorded (epoch 0), they count like any other epoch.
"""

from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np


@dataclass(frozen=True)
class Learning:
    """What `LearningTally` gathers.

    Attributes
    ----------
    first_learned : float32 array [K, N]
        min {e : c[e] = 1}, the first recorded epoch in which the member is right; nan if never.
        Toneva et al., "An empirical study of example forgetting", ICLR 2019.
    learned_for_good : float32 array [K, N]
        The recorded epoch after the last wrong one: the first recorded epoch for an example that
        was never wrong; nan if it is wrong in the last. Maini et al., "Characterizing datapoints
        via second-split forgetting", NeurIPS 2022.
    forgetting_events : int32 array [K, N]
        #{e : c[e] = 1 and c[e + 1] = 0}, over recorded epochs that follow each other. 0 for an
        example that was never learned, which `first_learned` tells apart (other tools count such
        ones as T, infinity or 1000). Toneva et al. 2019.
    times_right : int32 array [K, N]
        sum over epochs of c: the correctness of Dataset Cartography, Swayamdipta et al., EMNLP
        2020.
    epochs : int
        E.
    """

    first_learned: np.ndarray
    learned_for_good: np.ndarray
    forgetting_events: np.ndarray
    times_right: np.ndarray
    epochs: int


class LearningTally:
    """Gathers `Learning` epoch by epoch.

    Examples
    --------
    >>> import numpy as np
    >>> tally = LearningTally()
    >>> for epoch, right in enumerate([[1, 0, 0], [0, 0, 1], [1, 0, 1]], start=1):
    ...     tally.add(epoch, np.array([right], bool))
    >>> tally.result().first_learned.tolist()
    [[1.0, nan, 2.0]]
    >>> tally.result().learned_for_good.tolist()
    [[3.0, nan, 2.0]]
    >>> tally.result().forgetting_events.tolist()
    [[1, 0, 0]]
    """

    def __init__(self) -> None:
        self._epochs = 0
        self._last = -1
        self._first: np.ndarray
        self._since: np.ndarray
        self._forgotten: np.ndarray
        self._right: np.ndarray
        self._before: np.ndarray

    def add(self, epoch: int, correct: np.ndarray) -> None:
        """Count an epoch.

        Parameters
        ----------
        epoch : int
            Later than the one before.
        correct : bool array [K, N]

        Raises
        ------
        ValueError
            If the epoch is not later.
        """
        if epoch <= self._last:
            raise ValueError(f"epochs must be ascending, but {epoch} comes after {self._last}")
        if not self._epochs:
            self._first, self._since = (np.full(correct.shape, np.nan, np.float32) for _ in "12")
            self._forgotten, self._right = (np.zeros(correct.shape, np.int32) for _ in "12")
            self._before = np.zeros_like(correct)
        new = correct & ~self._before
        np.copyto(self._since, epoch, where=new)
        np.copyto(self._first, epoch, where=new & np.isnan(self._first))
        self._forgotten += self._before & ~correct
        self._right += correct
        self._before = correct.copy()  # not to hold what it may be a part of
        self._epochs, self._last = self._epochs + 1, epoch

    def result(self) -> Learning:
        """All that was counted so far.

        Raises
        ------
        ValueError
            If no epoch was.
        """
        if not self._epochs:
            raise ValueError("no epoch is given")
        return Learning(
            first_learned=self._first,
            learned_for_good=np.where(self._before, self._since, np.float32(np.nan)),
            forgetting_events=self._forgotten,
            times_right=self._right,
            epochs=self._epochs,
        )


def middle_member(epoch: np.ndarray) -> np.ndarray:
    """The epoch by which half of the members have got there, or more.

    Parameters
    ----------
    epoch : float array [K, N]
        As `Learning` has them; nan is never, and comes after every epoch.

    Returns
    -------
    float array [N]
        Of K members the ceil(K / 2)-th to get there: the median, or the lower of the two middle
        ones; nan if fewer than half ever do. So it is an epoch that was recorded, and defined
        without inventing an epoch for never.

    Examples
    --------
    >>> import numpy as np
    >>> middle_member(np.array([[1, 4, 2], [3, np.nan, np.nan], [2, 5, np.nan]])).tolist()
    [2.0, 5.0, nan]
    """
    middle = (len(epoch) - 1) // 2
    found: np.ndarray = np.sort(epoch, axis=0)[middle]  # nan is sorted to the end
    return found


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
        Ascending epochs, each with bool [K, N].

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
    tally = OrderTally()
    for epoch, correct in epochs:
        tally.add(epoch, correct)
    return tally.result()


class OrderTally:
    """Gathers `LearningOrder`, and `Learning` of the members, epoch by epoch."""

    def __init__(self) -> None:
        self.members = LearningTally()
        self._all = LearningTally()

    def add(self, epoch: int, correct: np.ndarray) -> None:
        """Count an epoch, bool [K, N]; see `LearningTally.add`."""
        self.members.add(epoch, correct)
        agreed: np.ndarray = np.all(correct, axis=0, keepdims=True)
        self._all.add(epoch, agreed)

    def result(self) -> LearningOrder:
        """All that was counted so far; a ValueError if no epoch was."""
        members, together = self.members.result(), self._all.result()
        right = members.times_right.sum(0, dtype=np.int64)
        return LearningOrder(
            agreed_for_good=together.learned_for_good[0].astype(np.float64),
            ever_agreed=together.times_right[0] > 0,
            accessibility=right / (members.epochs * len(members.times_right)),
        )
