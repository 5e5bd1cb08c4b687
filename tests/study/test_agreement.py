"""Each measure against its definition, spelled out in whole numbers."""

import itertools
import math
import tracemalloc
from fractions import Fraction

import hypothesis.extra.numpy as npst
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from jagree.study import agreement, chance, distribution
from jagree.study.tables import MEASURES

HAND_MADE = np.array([[1, 1, 0, 0], [1, 1, 1, 0], [1, 0, 0, 0]], bool)  # accuracies 2/4, 3/4, 1/4

# A busy machine is no failure, and nothing is written to the folder the tests run in.
steady = settings(deadline=None, database=None)
correct_arrays = npst.arrays(bool, st.tuples(st.integers(1, 5), st.integers(1, 13)))


def exactly(correct: np.ndarray) -> dict[str, Fraction | float]:
    """Every measure by the formulas of the paper, member by member and example by example."""
    members, examples = correct.shape
    right = [sum(int(c) for c in row) for row in correct]
    a = [Fraction(r, examples) for r in right]
    intersection = union = 0
    for n in range(examples):
        product, maximum = 1, 0
        for k in range(members):
            product, maximum = product * int(correct[k, n]), max(maximum, int(correct[k, n]))
        intersection, union = intersection + product, union + maximum
    mean = sum(a) / members
    same = [
        Fraction(sum(int(correct[i, n] == correct[j, n]) for n in range(examples)), examples)
        for i, j in itertools.combinations(range(members), 2)
    ]
    none_right = max(right) == 0
    return {
        "accuracy_mean": mean,
        "accuracy_std": math.sqrt(sum((x - mean) ** 2 for x in a) / members),
        "true_positive_agreement": math.nan if none_right else Fraction(intersection, union),
        "right_by_any": Fraction(union, examples),
        "lower_bound": 1 - min(sum(1 - x for x in a), Fraction(1)),
        "expected_random_agreement": math.prod(a),
        "chance_agreement": math.nan
        if none_right
        else math.prod(a) / (1 - math.prod(1 - x for x in a)),
        "largest_agreement": math.nan if none_right else min(a) / max(a),
        "pabak": 2 * sum(same) / len(same) - 1 if same else math.nan,
    }


COUNTED = (
    "accuracy_mean",
    "right_by_any",
    "true_positive_agreement",
    "lower_bound",
    "largest_agreement",
    "pabak",
)


def test_the_hand_made_example() -> None:
    values = {name: float(measure(HAND_MADE)) for name, measure in MEASURES.items()}
    assert values == pytest.approx(
        {
            "accuracy_mean": 0.5,
            "accuracy_std": math.sqrt(1 / 24),
            "true_positive_agreement": 1 / 3,
            "right_by_any": 0.75,
            "lower_bound": 0.0,
            "expected_random_agreement": 3 / 32,
            "chance_agreement": (3 / 32) / (29 / 32),
            "largest_agreement": 1 / 3,
            "pabak": 1 / 3,  # the pairs agree on 3, 3 and 2 of 4
        },
        rel=1e-15,
    )


@steady
@given(correct=correct_arrays)
def test_each_measure_is_its_definition(correct: np.ndarray) -> None:
    for name, expected in exactly(correct).items():
        value = float(MEASURES[name](correct))
        tolerance = 0 if name in COUNTED else 1e-14  # ratios of counts are rounded once
        assert value == pytest.approx(float(expected), rel=tolerance, abs=0, nan_ok=True), name


@steady
@given(correct=correct_arrays)
def test_the_order_of_the_measures(correct: np.ndarray) -> None:
    v = {name: float(measure(correct)) for name, measure in MEASURES.items()}
    assert 0 <= v["lower_bound"] <= v["expected_random_agreement"] <= v["accuracy_mean"] <= 1
    assert v["accuracy_std"] <= 0.5
    if correct.any():
        agreed, largest = v["true_positive_agreement"], v["largest_agreement"]
        assert v["expected_random_agreement"] <= v["chance_agreement"] <= largest <= 1
        assert v["lower_bound"] <= agreed <= largest
    if len(correct) > 1:
        k = len(correct)
        assert -1 / (k - 1 if k % 2 == 0 else k) - 1e-15 <= v["pabak"] <= 1


@steady
@given(correct=correct_arrays, seed=st.integers(0, 99))
def test_neither_members_nor_examples_have_an_order(correct: np.ndarray, seed: int) -> None:
    rng = np.random.default_rng(seed)
    shuffled = rng.permutation(rng.permutation(correct, axis=0), axis=1)
    for name, measure in MEASURES.items():
        np.testing.assert_allclose(measure(shuffled), measure(correct), rtol=1e-14, err_msg=name)


@pytest.mark.parametrize("name", MEASURES)
def test_leading_axes_are_kept(name: str) -> None:
    correct = np.random.default_rng(0).random((2, 5, 3, 7)) < 0.6
    correct[1, 2] = False  # one epoch in which no member gets any example right
    values = MEASURES[name](correct)
    assert values.shape == (2, 5)
    one_by_one = [[float(MEASURES[name](epoch)) for epoch in run] for run in correct]
    np.testing.assert_array_equal(values, one_by_one)
    assert MEASURES[name](correct[0, 0]).shape == ()


@pytest.mark.parametrize("shape", [(1, 1), (1, 6), (4, 1), (4, 6)])
def test_all_right_and_all_wrong(shape: tuple[int, int]) -> None:
    pair = 1.0 if shape[0] > 1 else math.nan
    right = {name: float(measure(np.full(shape, True))) for name, measure in MEASURES.items()}
    assert right == pytest.approx(
        dict.fromkeys(MEASURES, 1.0) | {"accuracy_std": 0.0, "pabak": pair}, nan_ok=True
    )
    wrong = {name: float(measure(np.full(shape, False))) for name, measure in MEASURES.items()}
    undefined = ("true_positive_agreement", "chance_agreement", "largest_agreement")
    assert wrong == pytest.approx(
        dict.fromkeys(MEASURES, 0.0) | dict.fromkeys(undefined, math.nan) | {"pabak": pair},
        nan_ok=True,
    )


def test_one_member_agrees_with_itself() -> None:
    one = HAND_MADE[:1]
    assert agreement.true_positive_agreement(one) == 1
    assert chance.chance_agreement(one) == 1
    assert agreement.lower_bound(one) == agreement.expected_random_agreement(one) == 0.5
    assert math.isnan(agreement.pabak(one))


def test_half_observed_agreement_is_pabak_zero_and_opposites_are_minus_one() -> None:
    row = np.array([True, True, False, False])
    assert agreement.pabak(np.stack([row, ~row])) == -1
    assert agreement.pabak(np.stack([row, np.array([True, False, True, False])])) == 0


@pytest.mark.parametrize("name", MEASURES)
def test_without_examples_nothing_is_defined(name: str) -> None:
    assert math.isnan(MEASURES[name](np.zeros((3, 0), bool)))


@pytest.mark.parametrize("name", MEASURES)
@pytest.mark.parametrize(
    "array", [HAND_MADE.astype(np.uint8), HAND_MADE[0], np.zeros((0, 4), bool)], ids=str
)
def test_other_arrays_are_refused(name: str, array: np.ndarray) -> None:
    with pytest.raises(ValueError, match=r"correct must be bool \[\.\.\., K, N\]"):
        MEASURES[name](array)


def test_small_accuracies_do_not_cancel() -> None:
    n = 1_300_000
    correct = np.zeros((5, n), bool)
    correct[:, 0] = True
    a = Fraction(1, n)
    expected = float(a**5 / (1 - (1 - a) ** 5))
    assert chance.chance_agreement(correct) == pytest.approx(expected, rel=1e-15, abs=0)


def test_equal_accuracies_deviate_by_exactly_nothing() -> None:
    assert agreement.accuracy_std(np.eye(3, 10, dtype=bool)) == 0  # 0.1 three times


def test_memory_is_linear_in_one_epoch() -> None:
    correct = np.random.default_rng(0).random((60, 20_000)) < 0.7
    for name, measure in MEASURES.items():
        tracemalloc.start()
        measure(correct)
        _, peak = tracemalloc.get_traced_memory()
        tracemalloc.stop()
        assert peak < 2 * correct.nbytes, name


# --- within classes -----------------------------------------------------------------------------
@st.composite
def with_classes(draw: st.DrawFn) -> tuple[np.ndarray, np.ndarray]:
    """Who is right, and the classes, for all members or for each its own."""
    correct = draw(correct_arrays)
    shape = correct.shape if draw(st.booleans()) else correct.shape[-1:]
    return correct, draw(npst.arrays(np.int64, shape, elements=st.sampled_from([-7, 0, 3])))


def within(correct: np.ndarray, classes: np.ndarray) -> Fraction | float:
    """The definition, example by example."""
    members, examples = correct.shape
    classes = np.broadcast_to(classes, correct.shape)
    both = union = Fraction(0)
    for n in range(examples):
        hit, miss = Fraction(1), Fraction(1)
        for k in range(members):
            alike = [m for m in range(examples) if classes[k, m] == classes[k, n]]
            p = Fraction(sum(int(correct[k, m]) for m in alike), len(alike))
            hit, miss = hit * p, miss * (1 - p)
        both, union = both + hit, union + 1 - miss
    return both / union if union else math.nan


@steady
@given(drawn=with_classes())
def test_chance_within_classes_is_its_definition(drawn: tuple[np.ndarray, np.ndarray]) -> None:
    value = float(chance.chance_within_classes(*drawn))
    assert value == pytest.approx(float(within(*drawn)), rel=1e-13, nan_ok=True)


@steady
@given(drawn=with_classes())
def test_chance_within_classes_has_the_same_bounds(drawn: tuple[np.ndarray, np.ndarray]) -> None:
    correct, classes = drawn
    value = float(chance.chance_within_classes(correct, classes))
    if not correct.any():
        assert math.isnan(value)
    elif classes.ndim == 1:  # labels of one's own may set apart what one agrees on
        low, high = agreement.lower_bound(correct), agreement.largest_agreement(correct)
        assert low - 1e-12 <= value <= high + 1e-12


@steady
@given(correct=correct_arrays)
def test_with_one_class_it_is_the_chance_level_and_with_as_many_as_examples_agreement(
    correct: np.ndarray,
) -> None:
    n = correct.shape[1]
    one, each = np.zeros(n, int), np.arange(n)[::-1]
    assert float(chance.chance_within_classes(correct, one)) == pytest.approx(
        float(chance.chance_agreement(correct)), rel=1e-12, nan_ok=True
    )
    assert float(chance.chance_within_classes(correct, each)) == pytest.approx(
        float(agreement.true_positive_agreement(correct)), rel=1e-12, nan_ok=True
    )


def test_within_classes_it_is_what_shuffled_hits_come_to() -> None:
    """Two classes that both members find unlike in difficulty."""
    rng = np.random.default_rng(0)
    classes = np.repeat([0, 1], 3000)
    p = np.where(classes == 0, 0.9, 0.2)
    correct = rng.random((2, 6000)) < p
    shuffled = np.array(
        [np.concatenate([rng.permutation(row[classes == c]) for c in (0, 1)]) for row in correct]
    )
    level = float(chance.chance_within_classes(correct, classes))
    assert float(agreement.true_positive_agreement(shuffled)) == pytest.approx(level, abs=0.02)
    assert level > float(chance.chance_agreement(correct)) + 0.1


def test_within_classes_leading_axes_are_kept_and_no_example_is_nan() -> None:
    rng = np.random.default_rng(0)
    correct, classes = rng.random((2, 5, 3, 40)) < 0.6, rng.integers(0, 4, (3, 40))
    values = chance.chance_within_classes(correct, classes)
    one_by_one = [
        [float(chance.chance_within_classes(epoch, classes)) for epoch in run] for run in correct
    ]
    np.testing.assert_array_equal(values, one_by_one)
    empty = np.zeros((3, 0), bool)
    assert math.isnan(chance.chance_within_classes(empty, np.zeros(0, int)))


@pytest.mark.parametrize("shape", [(), (3,), (1, 4), (2, 4)])
def test_classes_of_other_examples_are_refused(shape: tuple[int, ...]) -> None:
    with pytest.raises(ValueError, match=r"classes must be \[N\] or \[K, N\] for correct \[3, 4\]"):
        chance.chance_within_classes(HAND_MADE, np.zeros(shape, int))


def test_the_standard_error_is_that_of_so_many_draws() -> None:
    rng = np.random.default_rng(0)
    drawn = rng.binomial(400, 0.3, 20_000) / 400
    assert chance.standard_error(np.array(0.3), np.array(400)) == pytest.approx(
        drawn.std(), rel=0.02
    )
    np.testing.assert_array_equal(
        chance.standard_error(np.array([0.5, math.nan]), np.array([0, 9])), [0.5, math.nan]
    )


@pytest.mark.parametrize("name", sorted(MEASURES))
def test_long_rows_are_counted_as_short_ones(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    correct = np.random.default_rng(5).random((2, 3, 4, 50)) < 0.3
    expected = MEASURES[name](correct)
    monkeypatch.setattr(agreement, "LONG", 1)
    np.testing.assert_array_equal(MEASURES[name](correct), expected)
    assert math.isnan(float(MEASURES[name](np.zeros((2, 0), bool))))


def test_more_members_than_a_byte_counts() -> None:
    correct = np.ones((300, 3), bool)
    correct[:20, 1] = False
    assert agreement.count_right(correct).nonzero()[0].tolist() == [280, 300]
    assert agreement.count_right(correct)[[280, 300]].tolist() == [1, 2]
    prediction = np.zeros((300, 2), int)
    prediction[:10, 0] = 1
    assert float(distribution.hacohen_agreement(prediction)) == (290 + 300) / 600
