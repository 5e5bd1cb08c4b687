"""The shapes of distributions: numbers that are known, and the words for them."""

import math

import numpy as np
import pytest

from jagree.study.findings.evidence import CannotTellError
from jagree.study.findings.histograms import (
    FEWEST,
    FINDINGS,
    SHAPES,
    Shape,
    exponential,
    few_values,
    gaussian,
    several_peaks,
    shape_of,
    skewed,
)
from tests.study.findings.simulated import EXAMPLES, learning, run

N = 4000
RNG = np.random.default_rng(1)
NORMAL = RNG.normal(size=N)


def shape(**changes: float) -> Shape:
    """A Gaussian's, but for what is changed."""
    fields = {"skewness": 0.0, "kurtosis": 0.0, "peaks": 1, "mode": 0.5, "concentrated": 0.2}
    return Shape(**(fields | {"numbers": 900, "values": 1000} | changes))  # type: ignore[arg-type]


def test_moments_are_their_definitions() -> None:
    values = RNG.gamma(2, 3, 1200)
    found = shape_of(np.append(values, np.nan))
    mean = math.fsum(values) / 1200
    second, third, fourth = (math.fsum((v - mean) ** k for v in values) / 1200 for k in (2, 3, 4))
    assert found.skewness == pytest.approx(third / second**1.5)
    assert found.kurtosis == pytest.approx(fourth / second**2 - 3)
    assert found.values == 1200


def test_concentration_is_the_fullest_tenth_of_the_range() -> None:
    values = np.round(RNG.normal(20, 4, 1500)).clip(
        10, 30
    )  # a tenth of the range is a whole number
    tenth = (values.max() - values.min()) / 10
    fullest = max(sum(1 for v in values if low <= v <= low + tenth) for low in set(values))
    assert shape_of(values).concentrated == fullest / 1500


def test_numbers_are_the_fewest_that_hold_most_values() -> None:
    values = np.repeat([3.0, 1.0, 2.0, 9.0], [700, 200, 50, 50])
    assert shape_of(values).numbers == 3  # 950 of 1,000
    assert shape_of(np.append(values, 5.0)).numbers == 4


@pytest.mark.parametrize("factor", [1.0, 1e-9, 1e9])
def test_neither_scale_nor_place_nor_order_matters(factor: float) -> None:
    values = np.concatenate([NORMAL, NORMAL / 2 + 6])
    one, other = shape_of(values), shape_of(factor * (values[::-1] + 100))
    assert (one.peaks, one.numbers) == (other.peaks, other.numbers)
    assert one.mode == pytest.approx(other.mode, abs=0.02)
    assert one.skewness == pytest.approx(other.skewness, rel=1e-3)


def test_peaks_and_the_mode() -> None:
    assert shape_of(NORMAL).peaks == 1
    three = np.concatenate([NORMAL, NORMAL + 5, NORMAL + 10])
    assert shape_of(three).peaks == 3
    # A second hill of a thirtieth of the first is none; one of a quarter is.
    assert shape_of(np.concatenate([NORMAL, NORMAL[: N // 30] + 8])).peaks == 1
    assert shape_of(np.concatenate([NORMAL, NORMAL[: N // 4] + 8])).peaks == 2
    assert shape_of(NORMAL).mode == pytest.approx(0.5, abs=0.1)
    quarter = np.concatenate([NORMAL, 9 + NORMAL / 5, 9 + NORMAL / 5, 9 + NORMAL / 5])
    assert shape_of(quarter).mode == pytest.approx(0.25 + 0.75 / 2, abs=0.1)


def test_many_values_are_sampled_and_the_same_sample_is_drawn_again() -> None:
    many = np.concatenate([RNG.normal(size=40_000), RNG.normal(6, 1, 20_000)])
    assert shape_of(many).peaks == 2
    assert shape_of(many) == shape_of(many)
    assert shape_of(many, seed=1).mode != shape_of(many).mode


def test_a_single_value() -> None:
    found = shape_of(np.full(FEWEST, 6.5))
    assert few_values(found)
    assert not several_peaks(found)
    assert not exponential(found)


def test_values_that_differ_by_little_but_for_one() -> None:
    # Half and more are one value, so that the quartiles tell no width.
    values = np.where(RNG.random(N) < 0.7, 6.5, RNG.uniform(3, 6.6, N))
    assert shape_of(values).peaks == 1
    values = np.append(1 + 1e-9 * NORMAL, 1e9)  # a grid of their bandwidth would be endless
    assert few_values(shape_of(values))


def test_too_few_values() -> None:
    shape_of(NORMAL[:FEWEST])
    with pytest.raises(CannotTellError, match="999 values, fewer than 1,000"):
        shape_of(np.append(NORMAL[: FEWEST - 1], np.nan))


def test_what_is_gaussian_and_what_is_skewed() -> None:
    assert gaussian(shape())
    for changes in ({"skewness": 0.5}, {"skewness": -0.5}, {"kurtosis": 1.0}, {"kurtosis": -1.0}):
        assert not gaussian(shape(**changes))
        assert skewed(shape(**changes)) == ("skewness" in changes)
    assert gaussian(shape(skewness=-0.49, kurtosis=0.99))
    assert not skewed(shape(skewness=0.49))
    assert not gaussian(shape(peaks=2))
    assert not skewed(shape(skewness=1, peaks=2))
    assert several_peaks(shape(peaks=2))
    assert not several_peaks(shape(peaks=1))


def test_what_is_on_few_values() -> None:
    assert few_values(shape(concentrated=0.5))
    assert not few_values(shape(concentrated=0.49))
    assert few_values(shape(numbers=10))
    assert not few_values(shape(numbers=11))


def test_what_is_exponential() -> None:
    assert exponential(shape(skewness=1, mode=0.25))
    assert exponential(shape(skewness=-1, mode=0.75))
    assert not exponential(shape(skewness=0.99, mode=0.1))
    assert not exponential(shape(skewness=1, mode=0.26))
    assert not exponential(shape(skewness=1, mode=0.9))
    assert not exponential(shape(skewness=-1, mode=0.74))
    assert not exponential(shape(skewness=-1, mode=0.1))  # the tail leads to the peak
    assert exponential(shape_of(RNG.exponential(size=N)))
    assert exponential(shape_of(-RNG.exponential(size=N)))
    assert not exponential(shape_of(RNG.gamma(4, 1, N) * 2))


def test_the_words_of_the_paper() -> None:
    # Of ImageNet's other statistics it says nothing that can be tested.
    assert SHAPES["imagenet"] == {"dct_share": gaussian}
    assert SHAPES["cifar10"]["edge_strength"] is SHAPES["cifar10"]["dct_share"] is gaussian
    assert {c for c, looks in SHAPES["voc"].items() if looks is skewed} == {
        "entropy",
        "segments",
        "dct_share",
        "search_difficulty",
    }
    assert SHAPES["kth_tips2b"]["segments"] is exponential
    assert SHAPES["cifar10"]["segments"] is few_values


def test_runs_with_other_columns_are_asked_apart() -> None:
    """Else what one cannot tell of a column would be told by the others."""
    columns = {name: np.zeros(EXAMPLES) for name in SHAPES["cifar10"]}
    less = {name: values for name, values in columns.items() if name != "edge_strength"}
    runs = [
        run(learning(epochs=1), name=name, data="cifar10", columns=given)
        for name, given in (("a", columns), ("b", less), ("c", less))
    ]
    (finding,) = [f for f in FINDINGS if f.data == "cifar10"]
    verdicts = finding.verdicts(runs)
    assert {v.runs for v in verdicts} == {("a",), ("b", "c")}
    assert len(verdicts) == 2 * len(columns)
    told = {v.runs: v.why for v in verdicts if v.about == "train, edge_strength"}
    assert told["b", "c"] == "its statistics of 'train' have no column 'edge_strength'"
    assert told["a",] != told["b", "c"]
