"""Where examples lie by an image statistic and by the epoch at which they are agreed on."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Self

import matplotlib
import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.cm import ScalarMappable
from matplotlib.colors import LogNorm
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

from jagree.figures.naming import MOST, shown_as, values_of
from jagree.figures.palette import SAFE, Palette
from jagree.figures.style import (
    FONT,
    FRAME,
    NOTE,
    NothingToDrawError,
    draw_line,
    number_axis,
    panels,
    settled,
    wrapped,
)

HEIGHT = {1: 2.2, 2: 2.0, 3: 1.75}  # inches of a panel, by the number of columns
EPOCH_BINS, VALUE_BINS = 40, 36  # at most; along the epochs and along the statistic
BEYOND = 0.005  # of the values at each end that the axis leaves out
FEWEST = 10  # examples, of which a median is drawn
STRIP = 0.07  # of the width of the panel, for what is never agreed on


def draw_density(
    examples: pd.DataFrame,
    statistics: Sequence[str],
    palette: Palette = SAFE,
    *,
    units: Mapping[str, str] | None = None,
) -> Figure:
    """One panel per statistic: how many examples lie where, and the median of each epoch.

    Parameters
    ----------
    examples : pandas.DataFrame
        With ``agreed_for_good`` (the epoch from which on an example is agreed on; nan: never) and a
        column per statistic, nan where an example has none.
    statistics : sequence of str
        Which; those that do not differ between examples are left out, and what goes beyond 12.
    palette : Palette
    units : mapping of str to str, optional
        Of the statistics that have one.

    Returns
    -------
    matplotlib.figure.Figure
        Colours are numbers of examples, on a logarithmic scale that all panels share. The strip to
        the right has the examples that are never agreed on for good. The line joins the medians of
        the epochs with ten examples or more; the strip has a median of its own. The 0.5 % of values
        at each end are left out of the picture, though not of the medians. More than 40 recorded
        epochs stand together, as many as make no more than 40 columns.

    Raises
    ------
    NothingToDrawError
        If there is no such statistic.
    """
    learned = values_of(examples, "agreed_for_good")
    values = {name: values_of(examples, name, last=True) for name in statistics}
    names = [name for name, value in values.items() if _differs(value)][:MOST]
    if not names:
        raise NothingToDrawError(
            "no statistic differs between examples, so there is no density to draw"
        )
    shown = [shown_as(name, (units or {}).get(name, "")) for name in names]
    x = EpochBins.of(learned)
    all_bins = [
        Bins.of(x, learned, one.scale * values[name])
        for name, one in zip(names, shown, strict=True)
    ]
    norm = LogNorm(1, max(2.0, *(float(bins.count.max()) for bins in all_bins)))
    columns = 1 if len(names) == 1 else 2 if len(names) <= 4 else 3
    figure, grid = panels(len(names), columns, HEIGHT[columns])
    for axes, one, bins in zip(grid, shown, all_bins, strict=True):
        _draw_panel(axes, bins, norm, palette)
        number_axis(axes.yaxis)
        axes.set_ylabel(wrapped(one.label, 1.4), fontsize=FONT)
    picture = ScalarMappable(norm, matplotlib.colormaps[palette.density])
    bar = figure.colorbar(picture, ax=grid, pad=0.01, aspect=30, fraction=0.03, shrink=0.8)
    bar.set_label("examples", fontsize=FONT)
    bar.ax.tick_params(labelsize=FONT)
    return settled(figure)


def _differs(value: np.ndarray) -> bool:
    known = value[np.isfinite(value)]
    return bool(known.size and np.ptp(known) > 0)


@dataclass(frozen=True, eq=False)
class EpochBins:
    """Where the columns of a density lie along the epochs.

    Attributes
    ----------
    edges : float array [B + 1]
        Half-way between epochs; the first and the last column have examples.
    strip : tuple of float
        Left and right of the strip for what is never agreed on.
    """

    edges: np.ndarray
    strip: tuple[float, float]

    @classmethod
    def of(cls, learned: np.ndarray) -> Self:
        """Of the epochs at which examples are agreed on, nan for never: float [N]."""
        epochs = np.unique(learned[~np.isnan(learned)])
        if not epochs.size:
            return cls(np.array([0.5, 1.5]), (1.6, 1.7))
        step = float(np.gcd.reduce(np.diff(epochs).astype(int))) or 1.0  # epochs between two
        span = (epochs[-1] - epochs[0]) / step + 1
        together = math.ceil(span / EPOCH_BINS)
        columns = math.ceil(span / together)
        edges = epochs[0] - step / 2 + step * together * np.arange(columns + 1)
        width = STRIP * (edges[-1] - edges[0])
        return cls(edges, (edges[-1] + width / 2, edges[-1] + 1.5 * width))

    def place(self, learned: np.ndarray) -> np.ndarray:
        """The column of each example; the strip is the last, B: int [N]."""
        last = len(self.edges) - 1
        column = np.searchsorted(self.edges, learned, side="right") - 1
        return np.where(np.isnan(learned), last, column)


@dataclass(frozen=True, eq=False)
class Bins:
    """A density and its medians.

    Attributes
    ----------
    x : EpochBins
    y : float array [V + 1]
        Edges along the statistic.
    count : int array [V, B + 1]
        Examples; the last column is the strip.
    median : float array [B + 1]
        nan where there are fewer than ten.
    """

    x: EpochBins
    y: np.ndarray
    count: np.ndarray
    median: np.ndarray

    @classmethod
    def of(cls, x: EpochBins, learned: np.ndarray, value: np.ndarray) -> Self:
        """Of examples with a value: float [N] each."""
        known = np.isfinite(value)
        learned, value = learned[known], value[known]
        column, y = x.place(learned), _edges(value)
        sides = np.arange(len(x.edges) + 1) - 0.5
        count = np.histogram2d(value, column, [y, sides])[0].astype(int)
        groups = pd.Series(value).groupby(column)
        median = groups.median().where(groups.size() >= FEWEST).reindex(range(len(x.edges)))
        return cls(x, y, count, median.to_numpy(np.float64))


def _edges(value: np.ndarray) -> np.ndarray:
    low, high = np.quantile(value, [BEYOND, 1 - BEYOND], method="closest_observation")
    if low == high:  # nearly all are one
        low, high = value.min(), value.max()
    if (value % 1 == 0).all():  # bins that hold equally many whole numbers
        width = math.ceil((high - low + 1) / VALUE_BINS)
        edges: np.ndarray = low - 0.5 + width * np.arange(math.ceil((high - low + 1) / width) + 1)
        return edges
    return np.linspace(low, high, VALUE_BINS + 1)


def _draw_panel(axes: Axes, bins: Bins, norm: LogNorm, palette: Palette) -> None:
    parts = ((bins.x.edges, bins.count[:, :-1]), (np.array(bins.x.strip), bins.count[:, -1:]))
    for edges, count in parts:
        axes.pcolormesh(
            edges,
            bins.y,
            np.ma.masked_equal(count, 0),
            norm=norm,
            cmap=palette.density,
            rasterized=True,
        )
    middle = (bins.x.edges[:-1] + bins.x.edges[1:]) / 2
    never = sum(bins.x.strip) / 2
    draw_line(axes, middle, bins.median[:-1], "median", color=palette.accuracy)
    draw_line(axes, np.array([never]), bins.median[-1:], "never", color=palette.accuracy)
    axes.axvline((bins.x.edges[-1] + bins.x.strip[0]) / 2, color=FRAME, linewidth=0.8)
    axes.set_xlim(bins.x.edges[0], bins.x.strip[1])
    axes.set_ylim(bins.y[0], bins.y[-1])
    locator = MaxNLocator(nbins=5, steps=[1, 2, 5, 10], integer=True, min_n_ticks=1)
    low, high = middle[0], middle[-1]
    axes.set_xticks([tick for tick in locator.tick_values(low, high) if low <= tick <= high])
    axes.set_xlabel("agreed on from epoch", fontsize=FONT)
    # Above the strip, since below it would cover the numbers of the last epochs.
    where = axes.get_xaxis_transform()
    axes.text(bins.x.strip[1], 1.02, "never", fontsize=NOTE, ha="right", transform=where)
    axes.grid(visible=False)
