"""Kappas and mistakes against their definitions, pair by pair, and against other libraries."""

import itertools
import math
import warnings
from collections import Counter

import hypothesis.extra.numpy as npst
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.metrics import cohen_kappa_score
from statsmodels.stats import inter_rater

from jagree.study import kappa, mistakes

steady = settings(deadline=None, database=None)
shapes = st.tuples(st.integers(1, 5), st.integers(1, 12))
correct_arrays = npst.arrays(bool, shapes)
prediction_arrays = npst.arrays(np.int16, shapes, elements=st.integers(-1, 3))
finite_arrays = npst.arrays(np.int16, shapes, elements=st.integers(0, 3))


def mean(values: list[float]) -> float:
    known = [v for v in values if not math.isnan(v)]
    return sum(known) / len(known) if known else math.nan


def over_pairs(function, members: int) -> float:
    return mean([function(i, j) for i, j in itertools.combinations(range(members), 2)])


def same_as(value: object, expected: float) -> bool:
    return float(value) == pytest.approx(expected, rel=1e-12, abs=1e-12, nan_ok=True)  # type: ignore[arg-type]


@steady
@given(correct=correct_arrays)
def test_error_consistency_is_its_definition(correct: np.ndarray) -> None:
    members, n = correct.shape

    def of(i: int, j: int) -> float:
        observed = sum(int(correct[i, e] == correct[j, e]) for e in range(n)) / n
        a, b = sum(correct[i].tolist()) / n, sum(correct[j].tolist()) / n
        expected = a * b + (1 - a) * (1 - b)
        return 1.0 if observed == 1 else (observed - expected) / (1 - expected)

    assert same_as(kappa.error_consistency(correct), over_pairs(of, members))


@steady
@given(correct=correct_arrays)
def test_error_consistency_is_cohens_kappa_of_scikit_learn(correct: np.ndarray) -> None:
    def of(i: int, j: int) -> float:
        if (correct[i] == correct[j]).all():
            return 1.0  # where both are constant scikit-learn has nan
        return cohen_kappa_score(correct[i], correct[j])

    assert same_as(kappa.error_consistency(correct), over_pairs(of, len(correct)))


@steady
@given(correct=correct_arrays)
def test_fleiss_kappa_is_its_definition(correct: np.ndarray) -> None:
    k, n = correct.shape
    s = [sum(int(c) for c in correct[:, e]) for e in range(n)]
    value = kappa.fleiss_kappa(correct)
    p = sum(s) / (k * n)
    if k == 1 or p in (0, 1):
        assert math.isnan(float(value))
        return
    bar = sum(x * (x - 1) + (k - x) * (k - x - 1) for x in s) / (n * k * (k - 1))
    chance = p**2 + (1 - p) ** 2
    assert same_as(value, (bar - chance) / (1 - chance))
    table = np.stack([np.array(s), k - np.array(s)], -1)
    assert same_as(value, inter_rater.fleiss_kappa(table))


@steady
@given(prediction=prediction_arrays)
def test_fleiss_kappa_of_labels_is_its_definition(prediction: np.ndarray) -> None:
    k, n = prediction.shape
    counts = [Counter(c for c in prediction[:, e].tolist() if c >= 0) for e in range(n)]
    share = [sum(c[j] for c in counts) / (k * n) for j in range(4)]
    chance = sum(x**2 for x in share)
    value = kappa.fleiss_kappa_labels(prediction)
    if k == 1 or chance == 1:
        assert math.isnan(float(value))
        return
    bar = sum(x * (x - 1) for c in counts for x in c.values()) / (n * k * (k - 1))
    assert same_as(value, (bar - chance) / (1 - chance))


@steady
@given(prediction=finite_arrays)
def test_kappas_of_labels_are_those_of_other_libraries(prediction: np.ndarray) -> None:
    members = len(prediction)
    if members == 1:
        return
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # where they divide by 0
        table = inter_rater.aggregate_raters(prediction.T)[0]
        fleiss = inter_rater.fleiss_kappa(table) if table.shape[1] > 1 else math.nan
        light = over_pairs(lambda i, j: cohen_kappa_score(prediction[i], prediction[j]), members)
    assert same_as(kappa.fleiss_kappa_labels(prediction), fleiss)
    assert same_as(kappa.light_kappa(prediction), light)


@steady
@given(prediction=prediction_arrays)
def test_light_kappa_is_its_definition(prediction: np.ndarray) -> None:
    members, n = prediction.shape

    def of(i: int, j: int) -> float:
        alike = sum(int(a == b >= 0) for a, b in zip(*prediction[[i, j]].tolist(), strict=True))
        one, other = (Counter(prediction[k].tolist()) for k in (i, j))
        chance = sum(one[c] * other[c] for c in range(4)) / n**2
        return math.nan if chance == 1 else (alike / n - chance) / (1 - chance)

    assert same_as(kappa.light_kappa(prediction), over_pairs(of, members))


@st.composite
def judged(draw: st.DrawFn) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Predictions, labels (common, or each member's own), and who is right."""
    prediction = draw(prediction_arrays)
    shape = prediction.shape if draw(st.booleans()) else prediction.shape[1:]
    label = draw(npst.arrays(np.int16, shape, elements=st.integers(0, 3)))
    return prediction, label, prediction == label


@steady
@given(drawn=judged())
def test_mistakes_are_their_definitions(
    drawn: tuple[np.ndarray, np.ndarray, np.ndarray],
) -> None:
    prediction, label, correct = drawn
    members, n = prediction.shape
    label = np.broadcast_to(label, prediction.shape)
    some_wrong = all_wrong = same = 0
    for e in range(n):
        wrong = [int(prediction[k, e]) != int(label[k, e]) for k in range(members)]
        some_wrong += any(wrong)
        all_wrong += all(wrong)
        answers = {int(c) for c in prediction[:, e]}
        same += all(wrong) and len(answers) == 1 and answers != {-1}

    def together(i: int, j: int) -> float:
        found = [
            prediction[i, e] == prediction[j, e] >= 0
            and prediction[i, e] != label[i, e]
            and prediction[j, e] != label[j, e]
            for e in range(n)
        ]
        return sum(map(int, found)) / n

    def differently(i: int, j: int) -> float:
        return sum(int(not (prediction[i, e] == prediction[j, e] >= 0)) for e in range(n)) / n

    assert same_as(mistakes.all_wrong(correct), all_wrong / n)
    expected = same / some_wrong if some_wrong else math.nan
    assert same_as(mistakes.false_positive_agreement(prediction, correct), expected)
    expected = same / all_wrong if all_wrong else math.nan
    assert same_as(mistakes.false_positive_share(prediction, correct), expected)
    assert same_as(mistakes.same_wrong_class(prediction, correct), over_pairs(together, members))
    assert same_as(mistakes.churn(prediction), over_pairs(differently, members))


def test_guessing_members_come_to_the_share_that_is_told() -> None:
    prediction = np.random.default_rng(0).integers(1, 5, (3, 100_000))
    share = float(mistakes.false_positive_share(prediction, prediction == 0))
    assert share == pytest.approx(4.0**-2, abs=0.004)  # C = 5, K = 3; five standard errors


def test_identical_members_are_at_one_and_independent_ones_at_zero() -> None:
    rng = np.random.default_rng(0)
    prediction = rng.integers(0, 10, (5, 200_000))
    correct = prediction == rng.integers(0, 10, 200_000)
    for measure in (kappa.error_consistency, kappa.fleiss_kappa):
        assert float(measure(correct)) == pytest.approx(0, abs=0.005)
        assert float(measure(correct[:1].repeat(4, 0))) == pytest.approx(1, abs=1e-12)
    for measure in (kappa.light_kappa, kappa.fleiss_kappa_labels):
        assert float(measure(prediction)) == pytest.approx(0, abs=0.005)
        assert float(measure(prediction[:1].repeat(4, 0))) == pytest.approx(1, abs=1e-12)


@pytest.mark.parametrize("measure", [kappa.error_consistency, kappa.fleiss_kappa])
def test_leading_axes_are_kept(measure) -> None:
    correct = np.random.default_rng(0).random((2, 5, 3, 7)) < 0.6
    correct[1, 2] = True  # as fleiss: no value
    one_by_one = [[float(measure(epoch)) for epoch in run] for run in correct]
    np.testing.assert_array_equal(measure(correct), one_by_one)


@pytest.mark.parametrize("members", [1, 3])
def test_without_examples_nothing_is_defined(members: int) -> None:
    correct, prediction = np.zeros((members, 0), bool), np.zeros((members, 0), np.int16)
    for value in (
        kappa.error_consistency(correct),
        kappa.fleiss_kappa(correct),
        kappa.fleiss_kappa_labels(prediction),
        kappa.light_kappa(prediction),
        mistakes.all_wrong(correct),
        mistakes.false_positive_agreement(prediction, correct),
        mistakes.false_positive_share(prediction, correct),
        mistakes.same_wrong_class(prediction, correct),
        mistakes.churn(prediction),
    ):
        assert math.isnan(float(value))
