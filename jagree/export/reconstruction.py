"""Scores of a record's epochs, and how near they are to what is recorded."""

from dataclasses import dataclass

import numpy as np

from jagree.errors import UsageError
from jagree.export.scores import Scores, scores_of
from jagree.export.source import Source, refuse_not_finite, told
from jagree.study.epochs import Epoch


@dataclass
class Nearness:
    """How near reconstructed scores are to the recorded values, over all that were made.

    Attributes
    ----------
    values : int
        Predictions, of one member for one example in one epoch.
    moved : int
        Of these, the ones whose probability of the label had to be moved.
    largest_move : float
        Of that probability.
    largest_margin_error : float
        As `jagree.export.scores.Scores.margin_error`.
    """

    values: int = 0
    moved: int = 0
    largest_move: float = 0.0
    largest_margin_error: float = 0.0

    def add(self, scores: Scores) -> None:
        """Count these."""
        self.values += scores.moved.size
        self.moved += int((scores.moved > 0).sum())
        self.largest_move = max(self.largest_move, float(scores.moved.max(initial=0)))
        error = float(scores.margin_error.max(initial=0))
        self.largest_margin_error = max(self.largest_margin_error, error)

    @property
    def told(self) -> list[str]:
        """In words."""
        label = "the probability of the label, as the record has it"
        if self.moved:
            label += (
                f" (moved in {self.moved:,} of {self.values:,}, by {self.largest_move:.1g} at "
                "most, where half precision contradicts the predicted class)"
            )
        margin = "the margin"
        if self.largest_margin_error > 0:
            margin += f", to {self.largest_margin_error:.1g} of its size"
        return [label, "the predicted class", margin]


def scores_in(source: Source, epoch: Epoch) -> Scores:
    """Scores of an epoch: [K, N].

    Raises
    ------
    UsageError
        If there are fewer than two classes, the record lacks what they are made of or contradicts
        itself, or an output is not finite.
    """
    classes = len(source.class_names)
    if classes < 2:
        raise UsageError("a record of one class has no scores of other classes to export")
    found = told(epoch, "log_prob", "margin")
    refuse_not_finite(epoch)
    scores = scores_of(epoch.prediction, source.labels, found["log_prob"], found["margin"], classes)
    member, example = (where[:1] for where in np.nonzero(scores.impossible))
    if member.size:
        at = (member[0], example[0])
        raise UsageError(
            f"the record contradicts itself in epoch {epoch.number}: member "
            f"{source.members[at[0]]} gives the label of '{source.ids[at[1]]}' the probability "
            f"{np.exp(found['log_prob'][at]):.3g} and predicts class {epoch.prediction[at]}, where "
            f"the label is {source.labels[at]}; record both from the same scores"
        )
    return scores
