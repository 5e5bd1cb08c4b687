"""What all figures share: sizes, axes, and lines that leave gaps where there is no value."""

import math
import textwrap
from collections.abc import Sequence
from functools import cache
from pathlib import Path
from typing import Any

import matplotlib
import numpy as np
from matplotlib.axes import Axes
from matplotlib.axis import Axis
from matplotlib.figure import Figure
from matplotlib.ft2font import FT2Font
from matplotlib.lines import Line2D
from matplotlib.ticker import Formatter, MaxNLocator

from jagree.errors import UsageError
from jagree.figures.palette import Palette
from jagree.words import NO_VALUE

WIDTH = 6.75  # inches, the text width
COLUMN = 4.5  # inches, of a panel that stands alone
FONT, NOTE = 8.0, 7.0  # points, at the printed size
LETTER = 0.53 / 72  # inches per point of size, about the width of a letter
GRID, FRAME, REST = "#DDDDDD", "#666666", "#BBBBBB"

FEW = 25  # epochs, up to which each value gets a marker
MARKERS = "osD^vPX"  # one less than colours, so that no two lines have both alike
SPARSE = 6  # markers on each of many long lines
DASHES = ("-", "--", ":", "-.")


class NothingToDrawError(UsageError):
    """The tables have nothing that a figure could show; one of many figures is then left out."""


def panels(
    count: int, columns: int, height: float, *, sharey: bool = False
) -> tuple[Figure, list[Axes]]:
    """A figure of the text width, or less if one panel stands alone, and its panels by rows.

    Parameters
    ----------
    count : int
    columns : int
        At most so many in a row.
    height : float
        Inches, of each row with its labels.
    sharey : bool
    """
    columns = min(columns, count)
    rows = math.ceil(count / columns)
    size = (WIDTH if columns > 1 else COLUMN, rows * height)
    figure = Figure(figsize=size, layout="constrained")
    grid = figure.subplots(rows, columns, squeeze=False, sharey=sharey)
    for axes in grid.flat[count:]:
        axes.remove()
    found = list(grid.flat[:count])
    for axes in found:
        style(axes)
    return figure, found


def settled(figure: Figure) -> Figure:
    """The figure with its layout made once, which would else be made for each file again."""
    figure.draw_without_rendering()
    figure.set_layout_engine("none")
    return figure


def style(axes: Axes, size: float = FONT) -> None:
    """A light grid behind, no frame above and to the right."""
    axes.tick_params(labelsize=size, color=FRAME)
    axes.grid(color=GRID, linewidth=0.5)
    axes.set_axisbelow(True)
    axes.spines[["top", "right"]].set_visible(False)
    axes.spines[["left", "bottom"]].set_color(FRAME)


def title(axes: Axes, text: str, size: float = FONT + 1) -> None:
    """Above the panel, at its left."""
    axes.set_title(text, fontsize=size, loc="left")


def epoch_axis(axes: Axes, epoch: np.ndarray, label: str = "epochs completed") -> None:
    """Whole numbers; room to either side of a single epoch."""
    axes.set_xlabel(label, fontsize=FONT)
    axes.margins(x=0.02)
    if len(epoch) and epoch.min() == epoch.max():
        axes.set_xlim(epoch[0] - 0.5, epoch[0] + 0.5)
    locator = MaxNLocator(nbins=7, steps=[1, 2, 5, 10], integer=True, min_n_ticks=1)
    axes.xaxis.set_major_locator(locator)


def number_axis(axis: Axis) -> None:
    """The whole number at each tick, never a factor or a summand set apart from them."""
    axis.set_major_locator(MaxNLocator(nbins=5, steps=[1, 2, 2.5, 5, 10]))
    axis.set_major_formatter(_Numbers())


class _Numbers(Formatter):
    def __call__(self, value: float, position: int | None = None) -> str:
        return numbers([value])[0]

    def format_ticks(self, values: Sequence[float]) -> list[str]:
        return numbers(values)


def numbers(values: Sequence[float]) -> list[str]:
    """Numbers as they stand at ticks, with as many decimals as the one that needs most.

    >>> numbers([24935.0, 25000.0]), numbers([5.5, 6.0, 0.1 + 0.2])
    (['24,935', '25,000'], ['5.5', '6.0', '0.3'])
    """
    shown = [np.format_float_positional(v, 10, fractional=False, trim="-") for v in values]
    decimals = max((len(text.partition(".")[2]) for text in shown), default=0)
    return [f"{v:,.{decimals}f}".replace("-", "\N{MINUS SIGN}") for v in values]


def draw_line(
    axes: Axes,
    x: np.ndarray,
    y: np.ndarray,
    label: str,
    *,
    color: str,
    linestyle: str = "-",
    marker: str = "o",
    linewidth: float = 1.4,
    place: int | None = None,
) -> Line2D:
    """A line with a marker at each value if they are few, else where one stands alone.

    One of many lines, at a `place` among them, has a few markers more: colours are not enough to
    tell it from the others. The places of these differ between lines.
    """
    y = np.asarray(y, np.float64)
    marked = np.full(len(y), True) if len(y) <= FEW else isolated(y)
    if place is not None and len(y) > FEW:
        step = len(y) // SPARSE
        marked |= np.arange(len(y)) % step == (place * step // 3) % step
    return axes.plot(
        x,
        y,
        label=label,
        color=color,
        linestyle=linestyle,
        linewidth=linewidth,
        marker=marker if marked.any() else "",
        markersize=3.0,
        markevery=marked,
        clip_on=False,
    )[0]


def isolated(y: np.ndarray) -> np.ndarray:
    """Where a value has no neighbour to draw a line to, and would not be seen: bool [E]."""
    gap = np.isnan(np.concatenate([[np.nan], y, [np.nan]]))
    return gap[:-2] & ~gap[1:-1] & gap[2:]


def line_styles(count: int, palette: Palette) -> list[dict[str, Any]]:
    """What `draw_line` takes of so many categories; no two look alike up to 32."""
    colours = palette.categories
    return [
        {
            "color": colours[i % len(colours)],
            "marker": MARKERS[i % len(MARKERS)],
            "linestyle": DASHES[i // len(colours) % len(DASHES)],
            "place": i,
        }
        for i in range(count)
    ]


def legend_below(figure: Figure, handles: Sequence[Any], labels: Sequence[str]) -> None:
    """Below the panels, so that it covers no curve."""
    longest = max(map(len, labels), default=1)
    room = (figure.get_figwidth() - 0.2) / (LETTER * FONT * longest + 0.6)
    figure.legend(
        list(handles),
        list(labels),
        loc="outside lower center",
        ncols=max(1, min(int(room), len(labels))),
        fontsize=FONT,
        frameon=False,
        handlelength=3.0,
    )


def wrapped(text: str, width: float, size: float = FONT) -> str:
    """The text in lines of about `width` inches, at `size` points."""
    return "\n".join(textwrap.wrap(text, max(1, int(width / (LETTER * size)))))


def write_no_value(axes: Axes) -> None:
    """Say in the middle of the axes why they are empty."""
    axes.annotate(
        NO_VALUE, (0.5, 0.5), xycoords="axes fraction", ha="center", va="center", fontsize=NOTE
    )


def plain(text: str, longest: int = 24) -> str:
    """A name that somebody gave, as it can be drawn.

    A dollar sign would begin a formula, a leading underscore hides a line from the legend; letters
    that the font lacks become boxes, and what is too long ends in an ellipsis.
    """
    if not text:
        return "(no name)"  # without any, a line would be missing in the legend
    known = _letters()
    text = "".join(c if ord(c) in known else "\N{WHITE SQUARE}" for c in text)
    if len(text) > longest:
        text = f"{text[: longest - 1]}…"
    text = text.replace("$", r"\$")
    return f"\N{ZERO WIDTH SPACE}{text}" if text.startswith("_") else text


@cache
def _letters() -> frozenset[int]:
    folder = Path(matplotlib.get_data_path()) / "fonts" / "ttf"
    return frozenset(FT2Font(folder / "DejaVuSans.ttf").get_charmap())
