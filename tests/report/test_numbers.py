"""Numbers as they are written, where a docstring cannot show it."""

import math

import pytest

from jagree.report.numbers import between, coefficient, measured, plain
from jagree.words import NO_VALUE, percent

MINUS = "\N{MINUS SIGN}"


def test_a_minus_is_one() -> None:
    assert plain(-0.25) == f"{MINUS}0.250"
    assert coefficient(-1.5) == f"{MINUS}1.50"
    assert measured(-12345.6) == f"{MINUS}12,346"


@pytest.mark.parametrize("value", [-0.0, -0.0004])
def test_zero_has_no_sign(value: float) -> None:
    assert plain(value) == "0.000"


@pytest.mark.parametrize(("value", "text"), [(1e15, "1e+15"), (999.96, "1000"), (1e-9, "1e-09")])
def test_numbers_of_any_size(value: float, text: str) -> None:
    assert measured(value).replace(MINUS, "-") == text


def test_an_interval_says_its_unit_once() -> None:
    assert between(0.1, 0.2, percent) == "10.0 to 20.0\N{NO-BREAK SPACE}%"
    assert between(math.nan, 0.2, percent) == NO_VALUE
