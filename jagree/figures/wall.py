"""A wall of images in the order in which they are learned."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

import numpy as np
import pandas as pd
from matplotlib.figure import Figure
from PIL import Image

from jagree import seeds
from jagree.figures.naming import values_of
from jagree.figures.palette import SAFE, Palette
from jagree.figures.save import DPI
from jagree.figures.style import FONT, WIDTH, NothingToDrawError

COLUMNS, ROWS = 10, 8  # of tiles
CELL, GAP = 120, 6  # dots of the PNG; a tile, and between two
LABEL = 0.42  # inches to the left of the tiles
TOP, BELOW = 0.02, 0.02  # inches
WHITE = 255


class Pictures(Protocol):
    """Images by position, each a uint8 array [H, W, 3]; an array [N, H, W, 3], for one."""

    def __len__(self) -> int:
        """N."""

    def __getitem__(self, position: int, /) -> np.ndarray:
        """One image."""


def draw_wall(
    examples: pd.DataFrame,
    images: Pictures,
    palette: Palette = SAFE,
    *,
    seed: int = 0,
) -> Figure:
    """Images from the earliest agreed on to the last, then those that never are.

    Parameters
    ----------
    examples : pandas.DataFrame
        With ``agreed_for_good``: the epoch from which on an example is agreed on; nan: never.
    images : Pictures
        In the order of the rows, of any sizes; only those that are shown are taken.
    palette : Palette
        Of the frame to the left of what is never agreed on.
    seed : int
        Of the order among examples that are agreed on in the same epoch.

    Returns
    -------
    matplotlib.figure.Figure
        Up to eight rows of ten, to be read like text. Rows are shared out between the examples that
        are agreed on and those that never are by their numbers, one each at least; within either
        the picks are evenly spaced in the order (the middles of equal parts), so that the wall is
        the set in small. To the left are the epochs of a row's pictures. Each picture keeps its
        proportions inside a square.

    Raises
    ------
    NothingToDrawError
        If there is no image.
    ValueError
        If there are not as many images as examples.
    """
    learned = values_of(examples, "agreed_for_good")
    if len(images) != len(learned):
        raise ValueError(f"{len(images)} images are given for {len(learned)} examples")
    rows = chosen_rows(learned, seed)
    if not rows:
        raise NothingToDrawError("there is no image, so there is no wall to draw")
    columns = max(len(row.positions) for row in rows)
    pitch = CELL + GAP
    canvas = np.full((len(rows) * pitch - GAP, columns * pitch - GAP, 3), WHITE, np.uint8)
    for y, row in enumerate(rows):
        for x, position in enumerate(row.positions.tolist()):
            paste(canvas, np.asarray(images[position]), y * pitch, x * pitch)
    return _framed(canvas, rows, palette)


@dataclass(frozen=True, eq=False)
class WallRow:
    """A row of the wall.

    Attributes
    ----------
    label : str
    positions : int array [T]
        Of its images, from left to right.
    never : bool
    """

    label: str
    positions: np.ndarray
    never: bool


def chosen_rows(learned: np.ndarray, seed: int = 0) -> list[WallRow]:
    """Which images are shown.

    Parameters
    ----------
    learned : float array [N]
        nan: never.
    seed : int
    """
    shuffled = seeds.generator(seed, "image wall").permutation(len(learned))
    order = shuffled[np.argsort(learned[shuffled], kind="stable")]  # nan is sorted to the end
    known = len(learned) - int(np.isnan(learned).sum())
    for_never = _rows_of_never(known, len(learned) - known)
    rows = []
    for part, most, never in (
        (order[:known], ROWS - for_never, False),
        (order[known:], for_never, True),
    ):
        picks = part[evenly(len(part), most * COLUMNS)]
        for start in range(0, len(picks), COLUMNS):
            row = picks[start : start + COLUMNS]
            rows.append(WallRow("never" if never else _epochs(learned[row]), row, never))
    return rows


def _rows_of_never(known: int, never: int) -> int:
    if not never or not known:
        return ROWS if never else 0
    return min(max(round(ROWS * never / (known + never)), 1), ROWS - 1)


def _epochs(learned: np.ndarray) -> str:
    first, last = int(learned[0]), int(learned[-1])
    return f"{first}" if first == last else f"{first}\N{EN DASH}{last}"


def evenly(count: int, most: int) -> np.ndarray:
    """Positions of at most so many out of `count`, at the middles of equal parts.

    >>> evenly(6, 3).tolist(), evenly(2, 3).tolist()
    ([1, 3, 5], [0, 1])
    """
    if count <= most:
        return np.arange(count)
    found: np.ndarray = (2 * np.arange(most) + 1) * count // (2 * most)
    return found


def paste(canvas: np.ndarray, image: np.ndarray, top: int, left: int) -> None:
    """Put an image into the middle of a square of the canvas, as large as fits.

    Small ones are enlarged pixel by pixel, large ones are reduced with a filter.
    """
    height, width = image.shape[:2]
    scale = CELL / max(height, width)
    size = (max(1, round(width * scale)), max(1, round(height * scale)))
    way = Image.Resampling.NEAREST if scale >= 1 else Image.Resampling.LANCZOS
    tile = np.asarray(Image.fromarray(image).resize(size, way))
    y, x = top + (CELL - size[1]) // 2, left + (CELL - size[0]) // 2
    canvas[y : y + size[1], x : x + size[0]] = tile


def _framed(canvas: np.ndarray, rows: Sequence[WallRow], palette: Palette) -> Figure:
    """The canvas dot by dot, with the label of each row; always of the text width."""
    tall, wide = canvas.shape[0] / DPI, canvas.shape[1] / DPI
    height = TOP + tall + BELOW
    figure = Figure(figsize=(WIDTH, height), dpi=DPI)
    axes = figure.add_axes((LABEL / WIDTH, BELOW / height, wide / WIDTH, tall / height))
    axes.imshow(canvas, interpolation="none", aspect="auto")
    axes.set_axis_off()
    pitch = (CELL + GAP) / DPI
    for place, row in enumerate(rows):
        middle = height - TOP - place * pitch - CELL / DPI / 2
        figure.text(
            (LABEL - 0.06) / WIDTH,
            middle / height,
            row.label,
            fontsize=FONT,
            ha="right",
            va="center",
            color=palette.accuracy if row.never else "black",
        )
    return figure
