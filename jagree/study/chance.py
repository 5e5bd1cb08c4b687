"""What agreement would be by chance: of members with the same accuracies, or the same per class.

Letters and the axes of ``correct`` are those of `jagree.study.agreement`.
"""

from collections.abc import Iterable

import numpy as np

from jagree.study.agreement import (
    accuracies,
    checked,
    largest_agreement,
    ratio,
    true_positive_agreement,
)

SAME = 1e-12  # levels that differ by less are the same but for rounding


def chance_agreement(correct: np.ndarray) -> np.ndarray:
    """Agreement of independent members with the same accuracies: its chance level.

    chance = prod_k a_k / (1 - prod_k (1 - a_k)), the expected intersection over the expected union.

    Parameters
    ----------
    correct : bool array [..., K, N]

    Returns
    -------
    float array [...]
        0 to 1. nan where no member gets any example right. 1 for K = 1 otherwise.

    Notes
    -----
    Derived here: `jagree.study.expected_random_agreement` normalised as agreement is. The ratio of
    expectations stands for the expectation of the ratio, from which it differs by the order of 1/N.

    Examples
    --------
    >>> import numpy as np
    >>> correct = np.array([[1, 1, 0, 0], [1, 1, 1, 0]], bool)
    >>> float(chance_agreement(correct))  # 3/8 of the examples, over 7/8
    0.42857142857142855
    """
    return chance_of(accuracies(correct))


def chance_of(accuracy: np.ndarray) -> np.ndarray:
    """`chance_agreement` of members with these accuracies: float [...] of float [..., K]."""
    union = np.zeros(accuracy.shape[:-1])
    # Member by member, as 1 - prod (1 - a) would cancel where all accuracies are small.
    for a in np.moveaxis(accuracy, -1, 0):
        union = union + a * (1 - union)
    return ratio(accuracy.prod(-1), union)


def chance_within_classes(correct: np.ndarray, classes: np.ndarray) -> np.ndarray:
    """Agreement of members that are independent within each class: the finer chance level.

    chance = sum_n prod_k p[k, n] / sum_n (1 - prod_k (1 - p[k, n])), where p[k, n] is the accuracy
    of member k over the examples of the class of n.

    Members that prefer the same classes agree more than `chance_agreement` tells, without finding
    the same examples easy: two that always say "cat" agree on every cat. This level has that in it;
    what agreement has above it is a matter of single examples.

    Parameters
    ----------
    correct : bool array [..., K, N]
    classes : int array [N] or [K, N]
        Any numbers; the latter where members have labels of their own.

    Returns
    -------
    float array [...]
        0 to 1. nan where no member gets any example right. 1 for K = 1 otherwise. With one class it
        is `chance_agreement`.

    Notes
    -----
    Derived here: what agreement comes to if each member's hits are shuffled within each class (the
    means of numerator and denominator over all shuffles; see `chance_agreement`). In a small class
    there is little to shuffle, which draws this level towards agreement, from either side; a class
    of one example adds the same to both.

    Examples
    --------
    >>> import numpy as np
    >>> correct = np.array([[1, 1, 0, 0], [1, 1, 0, 0]], bool)  # both say "cat" to everything
    >>> float(chance_agreement(correct)), float(chance_within_classes(correct, [0, 0, 1, 1]))
    (0.3333333333333333, 1.0)
    """
    correct, classes = checked(correct), np.asarray(classes)
    if classes.shape not in (correct.shape[-1:], correct.shape[-2:]):
        raise ValueError(
            f"classes must be [N] or [K, N] for correct {list(correct.shape)}, "
            f"not {list(classes.shape)}"
        )
    code = _class_codes(classes)
    found = np.empty(correct.shape[:-2])
    for row in np.ndindex(found.shape):
        found[row] = _chance(correct[row], code)
    return found[()]


def _chance(correct: np.ndarray, code: np.ndarray) -> np.ndarray:
    """`chance_within_classes` of bool [K, N] and int [N] or [K, N]."""
    if code.ndim == 1:  # what is the same for all examples of a class is worked out once
        count = np.bincount(code)
        both, union = _both_and_union(
            _hits(right, code) / np.maximum(count, 1) for right in correct
        )
        return ratio((count * both).sum(), (count * union).sum())
    members = zip(correct, code, strict=True)
    both, union = _both_and_union(_class_accuracies(right, own) for right, own in members)
    return ratio(both.sum(), union.sum())


def _both_and_union(accuracies: Iterable[np.ndarray]) -> tuple[np.ndarray, np.ndarray]:
    """Probability that all, and that any, of independent members are right: float [...] each."""
    both, union = np.ones(()), np.zeros(())
    for p in accuracies:
        both = both * p
        union = union + p * (1 - union)  # without cancellation, as in `chance_agreement`
    return both, union


def corrected_agreement(correct: np.ndarray) -> np.ndarray:
    """Where agreement lies between its chance level and the largest possible, as a kappa does.

    (TPa - chance) / (largest - chance)

    Parameters
    ----------
    correct : bool array [..., K, N]

    Returns
    -------
    float array [...]
        0 at `chance_agreement`, 1 at `jagree.study.agreement.largest_agreement`; below 0 where
        members agree less than by chance. nan where these two are the same: for K = 1, for members
        that get everything right, and beside one that gets nothing right.

    Notes
    -----
    Derived here, in the form of Cohen's kappa.

    Examples
    --------
    >>> import numpy as np
    >>> correct = np.array([[1, 1, 0, 0], [1, 1, 1, 0]], bool)
    >>> float(corrected_agreement(correct))  # as much as a half and three quarters can
    1.0
    """
    agreement = true_positive_agreement(correct)
    return corrected_of(agreement, chance_agreement(correct), largest_agreement(correct))


def corrected_of(agreement: np.ndarray, level: np.ndarray, largest: np.ndarray) -> np.ndarray:
    """`corrected_agreement` of agreement, its chance level and its largest value: float [...]."""
    room = np.where(largest - level > SAME, largest - level, 0.0)
    return ratio(agreement - level, room)


def standard_error(chance: np.ndarray, examples: np.ndarray) -> np.ndarray:
    """Standard error over examples that agreement has where it is at a chance level.

    sqrt(chance (1 - chance) / examples): as if each example of the union were agreed on with the
    same probability. It differs from class to class, which makes the error smaller.

    Parameters
    ----------
    chance : float array [...]
    examples : int array [...]
        Of the union: `jagree.study.agreement.right_by_any` times N.

    Returns
    -------
    float array [...]
        nan where `chance` is; 0 examples count as 1.
    """
    return np.sqrt(chance * (1 - chance) / np.maximum(examples, 1))


def _class_codes(classes: np.ndarray) -> np.ndarray:
    """Numbers from 0 on, equal for equal classes; not all need occur."""
    least = int(classes.min(initial=0))
    if int(classes.max(initial=0)) - least <= classes.size:
        return classes.astype(np.int64) - least
    return np.unique(classes, return_inverse=True)[1].reshape(classes.shape)


def _hits(right: np.ndarray, code: np.ndarray) -> np.ndarray:
    """How many examples of each class are right: int [C] of bool [N] and int [N]."""
    return np.bincount(code[right], minlength=int(code.max(initial=-1)) + 1)


def _class_accuracies(right: np.ndarray, code: np.ndarray) -> np.ndarray:
    """A member's accuracy in the class of each example: float [N] of bool [N].

    Classes are counted, not sorted: they are int [N] from 0 on.
    """
    count = np.maximum(np.bincount(code), 1)  # members with labels of their own may lack a class
    accuracies: np.ndarray = (_hits(right, code) / count)[code]
    return accuracies
