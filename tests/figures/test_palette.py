"""The colours: which there are, and who can tell them apart."""

import dataclasses
import re
from itertools import combinations

import matplotlib
import numpy as np
import pytest
from skimage.color import rgb2lab

from jagree.errors import UsageError
from jagree.figures import PALETTES, PAPER, SAFE, Palette, palette_of

# Machado, Oliveira and Fernandes, "A physiologically-based model for simulation of color vision
# deficiency", IEEE TVCG 15 (6), 2009, severity 1.0, of linear RGB.
VISION = {
    "normal": np.eye(3),
    "protanopia": np.array(
        [
            [0.152286, 1.052583, -0.204868],
            [0.114503, 0.786281, 0.099216],
            [-0.003882, -0.048116, 1.051998],
        ]
    ),
    "deuteranopia": np.array(
        [
            [0.367322, 0.860646, -0.227968],
            [0.280085, 0.672501, 0.047413],
            [-0.011820, 0.042940, 0.968881],
        ]
    ),
}
APART = 20.0  # in CIELAB; a difference of 2.3 is just noticed side by side
WIDE = 35.0  # of the colours that a figure mainly compares


def seen(colour: str, matrix: np.ndarray) -> np.ndarray:
    """A colour in CIELAB, as somebody sees it."""
    rgb = np.array([int(colour[i : i + 2], 16) / 255 for i in (1, 3, 5)])
    linear = np.where(rgb <= 0.04045, rgb / 12.92, ((rgb + 0.055) / 1.055) ** 2.4)
    other = np.clip(matrix @ linear, 0, 1)
    return rgb2lab(np.where(other <= 0.0031308, 12.92 * other, 1.055 * other ** (1 / 2.4) - 0.055))


def nearest(colours: tuple[str, ...], vision: str) -> float:
    points = [seen(colour, VISION[vision]) for colour in colours]
    return min(float(np.linalg.norm(a - b)) for a, b in combinations(points, 2))


PANELS = {
    "agreement": (SAFE.accuracy, SAFE.agreement, SAFE.bound, SAFE.chance, SAFE.within, "#FFFFFF"),
    "pabak": (SAFE.agreement, SAFE.bound, SAFE.chance, SAFE.statistic, "#FFFFFF"),
    "curves": (SAFE.agreement, SAFE.statistic, "#FFFFFF"),
    "right counts": (SAFE.agreement, SAFE.chance, "#FFFFFF"),
    "categories": (*SAFE.categories, "#FFFFFF"),
}


@pytest.mark.parametrize("vision", VISION)
@pytest.mark.parametrize("panel", PANELS)
def test_colours_of_a_panel_are_told_apart_by_the_colour_blind(panel: str, vision: str) -> None:
    assert nearest(PANELS[panel], vision) >= APART


@pytest.mark.parametrize("vision", VISION)
def test_few_categories_are_far_apart(vision: str) -> None:
    assert nearest(SAFE.categories[:4], vision) >= WIDE
    assert nearest((SAFE.accuracy, SAFE.agreement, SAFE.chance), vision) >= WIDE


def test_the_check_finds_what_the_colour_blind_confuse() -> None:
    red_and_green = ("#D62728", "#2CA02C")  # of the paper's palette
    assert nearest(red_and_green, "normal") > 100
    assert nearest(red_and_green, "deuteranopia") < 60
    confused = ("#AA5500", "#7A7A00")  # brown and olive
    assert nearest(confused, "normal") > 30
    assert nearest(confused, "deuteranopia") < APART
    assert set(red_and_green) <= set(PAPER.categories)


def test_greys_stay_greys_for_everybody() -> None:
    for matrix in VISION.values():
        np.testing.assert_allclose(seen("#777777", matrix)[1:], 0, atol=0.1)


@pytest.mark.parametrize("name", PALETTES)
def test_all_colours_of_a_palette_can_be_drawn(name: str) -> None:
    palette = palette_of(name)
    assert len(set(palette.categories)) == len(palette.categories) == 8
    for field in dataclasses.fields(Palette):
        value = getattr(palette, field.name)
        if field.name in ("density", "ramp"):
            assert value in matplotlib.colormaps
        else:
            colours = value if isinstance(value, tuple) else (value,)
            assert all(re.fullmatch("#[0-9A-F]{6}", colour) for colour in colours)


def test_palettes_by_name() -> None:
    assert palette_of("safe") is SAFE
    assert palette_of("paper") is PAPER
    with pytest.raises(UsageError, match="called 'papre'; there are 'safe' and 'paper'"):
        palette_of("papre")
