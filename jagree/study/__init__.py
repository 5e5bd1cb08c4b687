"""From the record to numbers: agreement per epoch, and when each example is agreed on.

Array functions first (`agreement`, `order`), then tables of a whole record (`tables`).
"""

from jagree.study.agreement import (
    accuracy_mean,
    accuracy_std,
    chance_agreement,
    expected_random_agreement,
    largest_agreement,
    lower_bound,
    pabak,
    true_positive_agreement,
)
from jagree.study.order import LearningOrder, learning_order
from jagree.study.tables import agreement_table, diverged, example_table

__all__ = [
    "LearningOrder",
    "accuracy_mean",
    "accuracy_std",
    "agreement_table",
    "chance_agreement",
    "diverged",
    "example_table",
    "expected_random_agreement",
    "largest_agreement",
    "learning_order",
    "lower_bound",
    "pabak",
    "true_positive_agreement",
]
