"""Scores of all classes, made of what a record holds: of the label, and of the class next to it.

A record has of each prediction the probability p of the label, the margin m of its logit above the
largest other one, and the predicted class; not the C logits. `Scores` are log probabilities with
just these three. What is left of the probability is spread equally over the other classes, which is
not what the network said of them.

Letters: N examples, C classes, in arrays of any leading axes.
"""

from dataclasses import dataclass

import numpy as np

# The predicted class leads by this much at least, in nat: single precision can tell it at 16.
LEAD = 1e-5
# Below the next score, where nothing is left: its exponential is 0 in single precision.
NOTHING = -104.0
# Half a unit of log p in half precision where p is near 1, and of p in single precision.
UNSEEN = 2.0**-25


@dataclass(frozen=True)
class Scores:
    """Log probabilities of all classes, by the three values that they take.

    Attributes
    ----------
    label, other : int array [..., N]
        The label, and the class next to it: the predicted one if that is not the label, otherwise
        the first that is not the label, for a record does not say which it was.
    of_label, of_other, of_rest : float array [..., N]
        Scores of the label, of `other`, and of each class that is left: log probabilities. Where
        nothing is left, the last is 104 below that of `other`.
    moved : float array [..., N]
        By how much p was moved, where it contradicts the predicted class in half precision.
    impossible : bool array [..., N]
        Where it contradicts the predicted class by more than half precision explains: the record
        is not one network's, and these scores are nothing.
    margin_error : float array [..., N]
        By how much the margin differs from the recorded one, in shares of it, or in logits where
        it is less than 1. Half precision alone explains 1e-3.
    """

    label: np.ndarray
    other: np.ndarray
    of_label: np.ndarray
    of_other: np.ndarray
    of_rest: np.ndarray
    moved: np.ndarray
    impossible: np.ndarray
    margin_error: np.ndarray

    def part(self, examples: slice) -> "Scores":
        """Those of some examples."""
        return Scores(**{name: values[..., examples] for name, values in vars(self).items()})

    def probabilities(self, classes: int) -> np.ndarray:
        """As an array [..., N, C] in double precision, of sum 1 to 1e-7."""
        shape = (*self.of_label.shape, classes)
        dense = np.broadcast_to(np.exp(self.of_rest)[..., None], shape).copy()
        np.put_along_axis(dense, self.other[..., None], np.exp(self.of_other)[..., None], -1)
        np.put_along_axis(dense, self.label[..., None], np.exp(self.of_label)[..., None], -1)
        return dense


def scores_of(
    prediction: np.ndarray,
    label: np.ndarray,
    log_prob: np.ndarray,
    margin: np.ndarray,
    classes: int,
) -> Scores:
    """Scores with these predicted classes, log probabilities of the label, and margins.

    In half precision the three can contradict each other. The predicted class is then kept; p is
    moved as little as that asks for, within its rounding; and the margin is the nearest that both
    allow. Where p is near 1 the margin says more of it than the stored log p: there p fits the
    margin, within 3e-8, which is nothing in single precision.

    Parameters
    ----------
    prediction, label : int array [..., N]
    log_prob, margin : float array [..., N]
        As recorded, finite.
    classes : int
        C, two or more.

    Examples
    --------
    >>> import numpy as np
    >>> found = scores_of(np.array([2]), np.array([0]), np.log([0.25]), np.log([0.5]), 4)
    >>> found.probabilities(4).round(6).tolist()
    [[0.25, 0.125, 0.5, 0.125]]
    """
    right = prediction == label
    lead = np.exp(LEAD)
    near = _near_certainty(log_prob, margin, classes)
    # The label leads only if p exceeds the mean of the others; another class only if that can
    # have more than p.
    least = -np.log1p((classes - 1) / lead)
    most = -np.log1p(lead)
    of_label = np.where(right, np.clip(near, least, 0.0), np.minimum(near, most))
    # Half a unit in the last of 11 bits, and as much again for the network's own rounding.
    explained = 2.0**-10 * np.abs(log_prob) + 2 * LEAD
    with np.errstate(divide="ignore"):
        left = np.log(-np.expm1(of_label))  # -inf where p is 1
    of_other = _next_score(right, of_label, margin, left, classes)
    of_rest = np.maximum(_rest_score(left, of_other, classes), of_other + NOTHING)
    first = np.where(label == 0, 1, 0)
    return Scores(
        label=label,
        other=np.where(right, first, prediction),
        of_label=of_label,
        of_other=of_other,
        of_rest=of_rest,
        moved=np.abs(np.exp(of_label) - np.exp(near)),
        impossible=np.abs(of_label - log_prob) > explained,
        margin_error=np.abs(of_label - of_other - margin) / np.maximum(np.abs(margin), 1.0),
    )


def _near_certainty(log_prob: np.ndarray, margin: np.ndarray, classes: int) -> np.ndarray:
    """log p above a half, such that what it leaves is enough for the margin, and not too much."""
    left = -np.expm1(np.minimum(log_prob, 0.0))
    of_other = np.exp(np.minimum(log_prob - margin, 0.0))
    fitting = np.clip(left, of_other, (classes - 1) * of_other)
    fitting = np.clip(fitting, np.maximum(left - UNSEEN, 0.0), left + UNSEEN)
    changed = (log_prob > -np.log(2)) & (fitting != left)
    return np.where(changed, np.log1p(-np.minimum(fitting, 0.5)), log_prob)


def _next_score(
    right: np.ndarray, of_label: np.ndarray, margin: np.ndarray, left: np.ndarray, classes: int
) -> np.ndarray:
    """The score of the class next to the label: p / exp(margin), within what is possible.

    It has no more than what p leaves, no less than any other class that is not the label, and more
    or less than p as the predicted class says.
    """
    lead = np.exp(LEAD)
    lowest = np.where(
        right,
        left - np.log(classes - 1),
        np.maximum(of_label + LEAD, left + LEAD - np.log(classes - 2 + lead)),
    )
    highest = np.where(right, np.minimum(left, of_label - LEAD), left)
    bounded = np.minimum(np.maximum(of_label - margin, lowest), highest)
    return np.where(np.isneginf(left), -margin, bounded)


def _rest_score(left: np.ndarray, of_other: np.ndarray, classes: int) -> np.ndarray:
    """The score of each class that is neither: what is left, in equal parts; -inf if nothing is."""
    if classes == 2:
        return np.full(left.shape, -np.inf)
    with np.errstate(divide="ignore", invalid="ignore"):
        share = np.minimum(np.exp(of_other - left), 1.0)
        rest = left + np.log1p(-share) - np.log(classes - 2)
    return np.where(np.isneginf(left), -np.inf, rest)
