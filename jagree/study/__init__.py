"""From the record to numbers: agreement per epoch, and when each example is agreed on.

Array functions first (`agreement`, `order`), then tables of a whole record (`tables`), the join
with image statistics (`statistics`), and all of it at once (`whole`).
"""

from jagree.study.agreement import (
    accuracy_mean,
    accuracy_std,
    expected_random_agreement,
    largest_agreement,
    lower_bound,
    pabak,
    true_positive_agreement,
)
from jagree.study.chance import chance_agreement, chance_within_classes
from jagree.study.examples import example_table
from jagree.study.order import LearningOrder, learning_order
from jagree.study.statistics import check_same_data, statistics_table, with_statistics
from jagree.study.tables import agreement_table, diverged, member_table
from jagree.study.whole import Study, study_record

__all__ = [
    "LearningOrder",
    "Study",
    "accuracy_mean",
    "accuracy_std",
    "agreement_table",
    "chance_agreement",
    "chance_within_classes",
    "check_same_data",
    "diverged",
    "example_table",
    "expected_random_agreement",
    "largest_agreement",
    "learning_order",
    "lower_bound",
    "member_table",
    "pabak",
    "statistics_table",
    "study_record",
    "true_positive_agreement",
    "with_statistics",
]
