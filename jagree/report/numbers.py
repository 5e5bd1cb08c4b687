"""Numbers as the page writes them, beyond those of `jagree.words`."""

import math
from collections.abc import Callable

import numpy as np

from jagree.words import NO_VALUE, SPACE

SMALL_P = 0.001
LEVEL = 0.05  # of p adjusted for the number of tests: what is called clear


def _signed(text: str) -> str:
    """With a minus that is as wide as a plus, and none before a zero."""
    if text.startswith("-") and not text.strip("-0."):
        text = text[1:]
    return text.replace("-", "\N{MINUS SIGN}")


def plain(value: float) -> str:
    """A number that is no fraction, with three decimals.

    >>> plain(0.25), plain(float("nan"))
    ('0.250', 'no value')
    """
    return NO_VALUE if math.isnan(value) else _signed(f"{value:.3f}")


def coefficient(value: float) -> str:
    """A correlation, or an effect in epochs, with two decimals.

    >>> coefficient(0.256), coefficient(-0.001)
    ('0.26', '0.00')
    """
    return NO_VALUE if math.isnan(value) else _signed(f"{value:.2f}")


def measured(value: float) -> str:
    """A number of any size, with four digits that count, at least.

    >>> measured(12345.678), measured(0.123456), measured(7.0)
    ('12,346', '0.1235', '7')
    """
    if math.isnan(value):
        return NO_VALUE
    return _signed(f"{value:,.0f}" if 1000 <= abs(value) < 1e15 else f"{value:.4g}")


def aligned(values: np.ndarray) -> Callable[[float], str]:
    """How to write a column: the same decimals for all, four digits for the largest.

    >>> written = aligned(np.array([4.339, 12.5]))
    >>> written(4.339), written(12.5)
    ('4.34', '12.50')
    """
    largest = float(np.abs(values[np.isfinite(values)]).max(initial=0))
    digits = 3 - math.floor(math.log10(largest)) if largest > 0 else 0
    decimals = min(max(digits, 0), 8)
    return lambda value: NO_VALUE if math.isnan(value) else _signed(f"{value:,.{decimals}f}")


def rounded(value: float) -> str:
    """The same with three digits: enough for an end of a range.

    >>> rounded(79.99), rounded(0.00259)
    ('80', '0.00259')
    """
    return measured(float(f"{value:.3g}"))


def whole(value: float) -> str:
    """A count.

    >>> whole(1203)
    '1,203'
    """
    return NO_VALUE if math.isnan(value) else f"{value:,.0f}"


def p_value(p: float) -> str:
    r"""A p with three decimals; smaller ones by their bound.

    >>> p_value(0.0001), p_value(0.0414)
    ('<\xa00.001', '0.041')
    """
    if math.isnan(p):
        return NO_VALUE
    return f"<{SPACE}{SMALL_P}" if p < SMALL_P else f"{p:.3f}"


def adjusted_p(p: float) -> str:
    r"""The same within a sentence.

    >>> adjusted_p(0.0414)
    'adjusted p\xa0=\xa00.041'
    """
    said = p_value(p)
    return (
        f"adjusted p{SPACE}{said}" if said.startswith("<") else f"adjusted p{SPACE}={SPACE}{said}"
    )


def between(low: float, high: float, written: Callable[[float], str]) -> str:
    r"""An interval; the unit is said once.

    >>> between(0.1, 0.25, coefficient), between(0.1, 0.2, "{:.0%}".format)
    ('0.10 to 0.25', '10 to 20%')
    """
    if math.isnan(low) or math.isnan(high):
        return NO_VALUE
    return f"{written(low).removesuffix('%').rstrip(SPACE)} to {written(high)}"
