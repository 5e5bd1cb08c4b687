"""Words can be read: contrast of 4.5 or more, light and dark (WCAG 2.2, 1.4.3)."""

import re
from importlib import resources

import numpy as np
import pytest

CSS = resources.files("jagree.report").joinpath("page.css").read_text(encoding="utf-8")
LIGHT, DARK, PRINT = (
    dict(re.findall(r"--(\w+): (#\w{6});", block))
    for block in re.findall(r":root \{(.*?)\}", CSS, re.S)
)


def contrast(one: str, other: str) -> float:
    """Of two colours as #rrggbb: the ratio of their relative luminances, by WCAG's formula."""

    def luminance(colour: str) -> float:
        channels = [int(colour[i : i + 2], 16) / 255 for i in (1, 3, 5)]
        linear = [c / 12.92 if c <= 0.04045 else ((c + 0.055) / 1.055) ** 2.4 for c in channels]
        return float(np.dot(linear, [0.2126, 0.7152, 0.0722]))

    low, high = sorted([luminance(one), luminance(other)])
    return (high + 0.05) / (low + 0.05)


def test_the_formula() -> None:
    assert contrast("#000000", "#ffffff") == pytest.approx(21)
    assert contrast("#777777", "#ffffff") == pytest.approx(4.48, abs=0.005)


@pytest.mark.parametrize("colours", [LIGHT, DARK, PRINT], ids=["light", "dark", "print"])
@pytest.mark.parametrize("behind", ["page", "panel"])
@pytest.mark.parametrize("word", ["text", "quiet", "link", "alarm", "good"])
def test_words_stand_out(colours: dict[str, str], word: str, behind: str) -> None:
    assert contrast(colours[word], colours[behind]) >= 4.5


@pytest.mark.parametrize("colours", [LIGHT, DARK], ids=["light", "dark"])
def test_fields_have_an_edge(colours: dict[str, str]) -> None:
    """3 or more (1.4.11)."""
    assert contrast(colours["edge"], colours["page"]) >= 3
