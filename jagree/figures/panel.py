"""What the statistics see in chosen images: figure 3 of the paper, 11 and 12 of the supplement."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.cm import ScalarMappable
from matplotlib.collections import LineCollection
from matplotlib.colors import Normalize, hsv_to_rgb
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

from jagree.errors import UsageError
from jagree.figures.palette import SAFE, Palette
from jagree.figures.save import DPI
from jagree.figures.style import FONT, FRAME, NOTE, WIDTH, wrapped, write_no_value
from jagree.words import enumeration

COLUMNS = {
    "image": "image",
    "segments": "segments",
    "edges": "edge strengths",
    "entropy": "local entropy",
    "dct": "DCT coefficients",
}
DCT_COLOURS, EDGE_COLOURS = "magma", "Greys"

# Inches.
MARGIN, GAP = 0.06, 0.1
MAP = (WIDTH - 2 * MARGIN - (len(COLUMNS) - 1) * GAP) / len(COLUMNS)
HIGHEST = 1.4 * MAP
HEADER, LINE = 0.2, 0.15  # of text
CLEAR = 0.03  # between a map and its caption
BAR, TICKS = 0.07, 0.16  # a colour bar, the numbers below it

DECADES = 5  # of the DCT coefficients' magnitude: below lies what rounding to 8 bits leaves
FLAT = 1e-9  # bits: entropies that differ by less are one
HUES = 8  # at least; neighbouring segments never share one
BORDER = "#222222"  # of segments
EMPTY = "#F2F2F2"  # where there is no value

Extent = tuple[float, float, float, float]  # left, right, bottom, top, in pixels


@dataclass(frozen=True, eq=False)
class PanelRow:
    """One image and what the statistics make of it.

    Attributes
    ----------
    title : str
        "" for none.
    image : uint8 array [H, W, 3]
    segments : int array [H, W]
        Equal within a segment.
    edges : float array [h, w]
        Strengths, not negative; drawn over the whole image, whatever its resolution.
    entropy : float array [H - k + 1, W - k + 1]
        Bits, of the windows of k x k pixels that lie inside the image; without elements if none
        does.
    dct : float array [H, W]
        Coefficients, frequency 0 at [0, 0].
    captions : mapping of str to str
        What to write below a map; keys are some of "image", "segments", "edges", "entropy", "dct".

    Raises
    ------
    ValueError
        If a caption is of no map.
    """

    title: str
    image: np.ndarray
    segments: np.ndarray
    edges: np.ndarray
    entropy: np.ndarray
    dct: np.ndarray
    captions: Mapping[str, str]

    def __post_init__(self) -> None:
        unknown = [key for key in self.captions if key not in COLUMNS]
        if unknown:
            raise ValueError(
                f"no column is called {unknown[0]!r}; captions are of {enumeration(list(COLUMNS))}"
            )


def draw_panel(rows: Sequence[PanelRow], palette: Palette = SAFE) -> Figure:
    """A row per image: itself, its segments, edge strengths, local entropy and DCT coefficients.

    Parameters
    ----------
    rows : sequence of PanelRow
        Images may differ in size and shape.
    palette : Palette
        Entropy is drawn in its `ramp`; the other maps have colours of their own.

    Returns
    -------
    matplotlib.figure.Figure
        Each segment has a colour of its own, and touching ones differ in hue. Edges are white
        where there is none and black at the strongest of the image: their size depends on the
        resolution, so images are not to be compared by it. Entropy, at its windows' centres, has
        one range of colours over all rows; so has the logarithm of the coefficients' magnitude,
        down to 10^-5 of the largest; the lowest colour also stands for what is smaller, and for 0.

    Raises
    ------
    UsageError
        If there is no row.
    """
    if not rows:
        raise UsageError("no image was chosen, so there is no panel to draw; choose at least one")
    spaces = [_Space.of(row) for row in rows]
    height = 2 * MARGIN + HEADER + sum(space.total for space in spaces) + BAR + TICKS + LINE
    figure = Figure(figsize=(WIDTH, height), dpi=DPI)
    top = height - MARGIN
    for column, title in enumerate(COLUMNS.values()):
        _write(figure, title, _middle(column), top, ha="center", fontsize=FONT)
    top -= HEADER
    entropy = _entropy_range([row.entropy for row in rows])
    decades = _decades([row.dct for row in rows])
    for row, space in zip(rows, spaces, strict=True):
        panels = _place_row(figure, row, space, top)
        _show(panels["image"], row.image)
        _draw_segments(panels["segments"], row.segments)
        _draw_edges(panels["edges"], row.edges)
        _draw_entropy(panels["entropy"], row.entropy, row.segments.shape, entropy, palette.ramp)
        _draw_dct(panels["dct"], row.dct, decades)
        top -= space.total
    _add_bar(figure, "entropy", top, entropy, cmap=palette.ramp, label="bit")
    # Pointed, as the lowest colour also stands for what is below it.
    label = "log₁₀ of magnitude"
    _add_bar(figure, "dct", top, decades, cmap=DCT_COLOURS, label=label, extend="min")
    return figure


@dataclass(frozen=True)
class _Space:
    """A row's text, broken into lines, and the size of its maps, inches."""

    title: str
    captions: dict[str, str]
    width: float
    height: float

    @classmethod
    def of(cls, row: PanelRow) -> "_Space":
        rows, columns = row.image.shape[:2]
        width = min(MAP, HIGHEST * columns / rows)
        return cls(
            title=wrapped(row.title, WIDTH - 2 * MARGIN),
            captions={key: wrapped(text, MAP, NOTE) for key, text in row.captions.items()},
            width=width,
            height=width * rows / columns,
        )

    @property
    def above(self) -> float:
        return LINE * _lines(self.title)

    @property
    def total(self) -> float:
        below = max(map(_lines, self.captions.values()), default=0)
        return self.above + self.height + LINE * below + GAP


def _lines(text: str) -> int:
    return text.count("\n") + 1 if text else 0


def _middle(column: int) -> float:
    return MARGIN + column * (MAP + GAP) + MAP / 2


def _write(figure: Figure, text: str, x: float, top: float, **style: Any) -> None:
    """Text whose first line begins at a point, inches from the lower left corner."""
    height = figure.get_figheight()
    # Names of files may hold dollar signs, which are not mathematics.
    figure.text(x / WIDTH, top / height, text, va="top", parse_math=False, **style)


def _add_axes(figure: Figure, column: int, top: float, width: float, height: float) -> Axes:
    """Axes in the middle of a column, without ticks; all in inches."""
    left, whole = _middle(column) - width / 2, figure.get_figheight()
    axes = figure.add_axes(
        (left / WIDTH, (top - height) / whole, width / WIDTH, height / whole), xticks=[], yticks=[]
    )
    axes.spines[:].set(color=FRAME, linewidth=0.5)
    return axes


def _place_row(figure: Figure, row: PanelRow, space: _Space, top: float) -> dict[str, Axes]:
    """The row's title and captions, and empty axes for its maps."""
    _write(figure, space.title, MARGIN, top, fontsize=FONT)
    top -= space.above
    panels = {}
    for column, key in enumerate(COLUMNS):
        panels[key] = _add_axes(figure, column, top, space.width, space.height)
        caption = space.captions.get(key, "")
        below = top - space.height - CLEAR
        _write(figure, caption, _middle(column), below, ha="center", fontsize=NOTE)
    return panels


def _show(axes: Axes, pixels: np.ndarray, extent: Extent | None = None, **style: Any) -> None:
    """An array over all of the axes, or over a part of them."""
    rows, columns = pixels.shape[:2]
    # A small image is its pixels; a large one loses some, and would be ragged without a filter.
    small = columns <= axes.bbox.width
    axes.imshow(
        pixels,
        aspect="auto",
        extent=extent or (0, columns, rows, 0),
        interpolation="nearest" if small else "antialiased",
        **style,
    )


def _draw_segments(axes: Axes, segments: np.ndarray) -> None:
    _show(axes, _segment_colours(segments))
    lines = LineCollection(
        list(_borders(segments)), colors=BORDER, linewidths=0.3, capstyle="butt", rasterized=True
    )
    axes.add_collection(lines, autolim=False)


def _draw_edges(axes: Axes, edges: np.ndarray) -> None:
    _show(axes, edges, cmap=EDGE_COLOURS, vmin=0, vmax=edges.max() or 1)


def _draw_entropy(
    axes: Axes,
    entropy: np.ndarray,
    shape: tuple[int, ...],
    limits: tuple[float, float],
    colours: str,
) -> None:
    axes.set_facecolor(EMPTY)
    if not entropy.size:
        write_no_value(axes)
        return
    # There are k - 1 windows less than pixels, and a window's centre is (k - 1) / 2 pixels inside.
    (rows, columns), (inner_rows, inner_columns) = shape, entropy.shape
    x, y = (columns - inner_columns) / 2, (rows - inner_rows) / 2
    extent = (x, columns - x, rows - y, y)
    _show(axes, entropy, extent, cmap=colours, vmin=limits[0], vmax=limits[1])
    axes.set(xlim=(0, columns), ylim=(rows, 0))


def _draw_dct(axes: Axes, dct: np.ndarray, limits: tuple[float, float]) -> None:
    low, high = limits
    magnitude = np.maximum(np.abs(dct), 10.0**low)  # no logarithm of 0
    _show(axes, np.log10(magnitude), cmap=DCT_COLOURS, vmin=low, vmax=high)


def _entropy_range(maps: Sequence[np.ndarray]) -> tuple[float, float]:
    values = np.concatenate([entropy.ravel() for entropy in maps])
    low, high = (values.min(), values.max()) if values.size else (0.0, 0.0)
    return low, high if high > low + FLAT else low + 1


def _decades(maps: Sequence[np.ndarray]) -> tuple[float, float]:
    largest = max(np.abs(dct).max() for dct in maps)
    high = float(np.log10(largest)) if largest > 0 else 0.0
    return high - DECADES, high


def _add_bar(
    figure: Figure,
    key: str,
    top: float,
    limits: tuple[float, float],
    *,
    cmap: str,
    label: str,
    extend: str = "neither",
) -> None:
    """A colour bar below a column."""
    axes = _add_axes(figure, list(COLUMNS).index(key), top, MAP, BAR)
    colours = ScalarMappable(Normalize(*limits), cmap)
    bar = figure.colorbar(colours, cax=axes, orientation="horizontal", extend=extend)
    bar.locator = MaxNLocator(nbins=4, steps=[1, 2, 5, 10])
    bar.outline.set(edgecolor=FRAME, linewidth=0.5)
    axes.tick_params(labelsize=NOTE, color=FRAME, width=0.5, length=2, pad=1.5)
    axes.set_xlabel(label, fontsize=NOTE, labelpad=1)


def _segment_colours(segments: np.ndarray) -> np.ndarray:
    """RGB [H, W, 3], 0 to 1: a colour per segment; the hues of touching ones differ."""
    labels, index = np.unique(segments, return_inverse=True)
    index = index.reshape(segments.shape)
    hue = _hues(_neighbours(index, len(labels)))
    rank = np.empty(len(hue))  # among the segments of the same hue
    for group in range(hue.max() + 1):
        rank[hue == group] = np.arange((hue == group).sum())
    # Roberts' "R2" sequence: points of a square that never repeat, each far from those before it.
    saturation = 0.3 + 0.35 * ((0.5 + 0.754877666 * rank) % 1)
    value = 0.7 + 0.28 * ((0.5 + 0.569840291 * rank) % 1)
    colours = hsv_to_rgb(np.stack([hue / (hue.max() + 1), saturation, value], axis=1))
    return colours[index]


def _neighbours(index: np.ndarray, segments: int) -> list[set[int]]:
    """For each segment those that share a pixel's side with it."""
    beside = [(index[:, :-1], index[:, 1:]), (index[:-1], index[1:])]
    pairs = np.concatenate([np.stack([a.ravel(), b.ravel()], axis=1) for a, b in beside])
    found: list[set[int]] = [set() for _ in range(segments)]
    for a, b in np.unique(pairs[pairs[:, 0] != pairs[:, 1]], axis=0).tolist():
        found[a].add(b)
        found[b].add(a)
    return found


def _hues(neighbours: list[set[int]]) -> np.ndarray:
    """A hue per segment, 0, 1, ..: no neighbour's, and of those left the least used."""
    hue = np.full(len(neighbours), -1)
    used = [0] * HUES
    # Those with most neighbours first: they find fewest hues free later on.
    for segment in sorted(range(len(neighbours)), key=lambda s: -len(neighbours[s])):
        taken = {hue[other] for other in neighbours[segment]}
        free = [h for h in range(len(used)) if h not in taken]
        if not free:
            free = [len(used)]
            used.append(0)
        hue[segment] = min(free, key=lambda h: used[h])
        used[hue[segment]] += 1
    return hue


def _borders(segments: np.ndarray) -> np.ndarray:
    """Where segments meet: lines [n, 2, 2] of (x, y), each along one side of a pixel."""
    y, x = np.nonzero(segments[:, :-1] != segments[:, 1:])
    upright = np.stack([np.stack([x + 1, y], 1), np.stack([x + 1, y + 1], 1)], axis=1)
    y, x = np.nonzero(segments[:-1] != segments[1:])
    level = np.stack([np.stack([x, y + 1], 1), np.stack([x + 1, y + 1], 1)], axis=1)
    return np.concatenate([upright, level])
