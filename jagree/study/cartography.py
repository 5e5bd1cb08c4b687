"""What probabilities and margins over the epochs say of each example.

Letters: E epochs, K members, N examples; p is the probability that a member gives to the label it
is trained on, m the margin of that label's logit above the largest other one. All of it is gathered
in one pass, one epoch in memory at a time. Where a member's output was not finite in any epoch, its
values are nan.
"""

from dataclasses import dataclass

import numpy as np


@dataclass(frozen=True)
class Cartography:
    """What `CartographyTally` gathers.

    Attributes
    ----------
    confidence : float array [K, N]
        mean over epochs of p. This and the next: Swayamdipta et al., "Dataset cartography", EMNLP
        2020.
    variability : float array [K, N]
        Standard deviation of p over the epochs, as of a population; 0 for one epoch.
    aleatoric : float array [K, N]
        mean over epochs of p (1 - p). Seedat et al., "Data-IQ", NeurIPS 2022.
    area_under_margin : float array [K, N]
        mean over epochs of m, of logits. Pleiss et al., "Identifying mislabeled data using the area
        under the margin ranking", NeurIPS 2020. With several labels m is their smallest margin,
        which is no AUM in their sense.
    loss : float array [K, N]
        -log p in the last epoch, in nat; nan where the output is not finite in that one.
    """

    confidence: np.ndarray
    variability: np.ndarray
    aleatoric: np.ndarray
    area_under_margin: np.ndarray
    loss: np.ndarray

    @property
    def threshold_closeness(self) -> np.ndarray:
        """confidence (1 - confidence), float [K, N]: Swayamdipta et al. 2020."""
        return self.confidence * (1 - self.confidence)


class CartographyTally:
    """Gathers `Cartography` epoch by epoch.

    Examples
    --------
    >>> import numpy as np
    >>> tally = CartographyTally()
    >>> for p in (0.25, 0.75):
    ...     tally.add(np.log([[p]]), np.array([[2.0]]))
    >>> found = tally.result()
    >>> found.confidence.round(6).tolist(), found.variability.round(6).tolist()
    ([[0.5]], [[0.25]])
    """

    def __init__(self) -> None:
        self._epochs = 0
        self._p: np.ndarray
        self._squared: np.ndarray
        self._margin: np.ndarray
        self._log_prob: np.ndarray

    def add(self, log_prob: np.ndarray, margin: np.ndarray) -> None:
        """Add an epoch.

        Parameters
        ----------
        log_prob, margin : float arrays [K, N]
            As recorded; summed in double precision.
        """
        p = np.exp(log_prob.astype(np.float32)).astype(np.float64)
        if not self._epochs:
            self._p, self._squared, self._margin = (np.zeros(p.shape) for _ in "123")
        self._p += p
        p *= p
        self._squared += p
        self._margin += margin
        self._log_prob = log_prob
        self._epochs += 1

    def result(self) -> Cartography:
        """All that was added so far.

        Raises
        ------
        ValueError
            If nothing was.
        """
        if not self._epochs:
            raise ValueError("no epoch is given")
        mean, square = self._p / self._epochs, self._squared / self._epochs
        return Cartography(
            confidence=mean,
            # p is at most 1: in double precision the difference is right to 1e-8.
            variability=np.sqrt(np.maximum(square - mean**2, 0)),
            aleatoric=mean - square,
            area_under_margin=self._margin / self._epochs,
            loss=-self._log_prob.astype(np.float64),
        )


def el2n(log_prob: np.ndarray, sum_sq_other: np.ndarray) -> np.ndarray:
    """The norm of the error of the predicted probabilities, in one epoch.

    sqrt((1 - p_y)^2 + sum over j != y of p_j^2): the norm, not its square, of p - onehot(y).

    Parameters
    ----------
    log_prob, sum_sq_other : float arrays [..., N]
        As recorded: log p_y, and the sum.

    Returns
    -------
    float array [..., N]
        0 to sqrt 2. To be averaged over members, at an early epoch.

    References
    ----------
    Paul, Ganguli and Dziugaite, "Deep learning on a data diet", NeurIPS 2021.

    Notes
    -----
    1 - p_y is -expm1(log p_y): near certainty it would cancel.

    Examples
    --------
    >>> import numpy as np
    >>> float(el2n(np.log([0.5]), np.array([0.25]))[0].round(6))
    0.707107
    """
    missing = np.expm1(log_prob.astype(np.float64))
    found: np.ndarray = np.sqrt(missing**2 + sum_sq_other)
    return found
