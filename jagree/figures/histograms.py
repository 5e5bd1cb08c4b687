"""How image statistics are distributed over a data set: figures 13 to 17 of the supplement."""

import math

import numpy as np
import pandas as pd
import xarray as xr
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import FuncFormatter, MaxNLocator

from jagree.errors import UsageError
from jagree.figures.palette import SAFE, Palette
from jagree.figures.style import (
    FONT,
    FRAME,
    LETTER,
    NOTE,
    WIDTH,
    plain,
    style,
    wrapped,
    write_no_value,
)

HEIGHT = 0.9  # inches, of a panel without its labels
AMPLE = 3.0  # inches, more than a panel needs with the longest labels
TICKS = 0.45  # inches, about the width of the labels at the y axis

FEWEST, MOST = 10, 60  # bins
CATEGORIES = 12  # bars, that of the others among them
LONGEST = 18  # letters of a category's name
STEPS = [1, 2, 2.5, 5, 10]  # between ticks, times a power of ten
FLAT = 1e-9  # of the values' size: what differs by less is one value


def draw_histograms(statistics: xr.Dataset, palette: Palette = SAFE, *, title: str = "") -> Figure:
    """One small panel per variable: how many images have which value.

    Parameters
    ----------
    statistics : xarray.Dataset
        Each variable over the dimension ``example`` alone gets a panel, in the dataset's order;
        others are left out. Its attribute ``long_name`` is drawn (without one, its name), and
        ``units`` ("" for none); where ``fraction`` is 1 and there is no unit, it is drawn in
        percent. Strings are categories.
    palette : Palette
        Bars in the colour of agreement, the mean in that of accuracy.
    title : str
        Above the panels; "" for none.

    Returns
    -------
    matplotlib.figure.Figure
        Whole numbers less than 60 apart: a bar for each, centred on it. Categories: a bar for each,
        sorted by name; of more than 12 the most frequent 11, and "other" for the rest. All else: 10
        to 60 bins of one width, near that of Freedman and Diaconis; of whole numbers, each bin has
        room for equally many. The line is the mean, sd the standard deviation (divided by N - 1).
        Ticks are in thousands (k) or millions (M) where they reach 10,000, means from a million on.
        Rows without a value (nan, infinite, None or an empty string) are left out, and counted.

    Raises
    ------
    UsageError
        If there is no such variable, or no example.
    """
    variables = [v for v in statistics.data_vars.values() if v.dims == ("example",)]
    if not variables:
        raise UsageError(
            "no variable of the dataset is over 'example' alone, so there is no histogram to draw; "
            "compute at least one statistic"
        )
    if statistics.sizes["example"] == 0:
        raise UsageError("the dataset has no example, so there is no histogram to draw")
    columns = min(4, max(2, math.ceil(math.sqrt(len(variables)))))
    width = WIDTH / columns
    rows = math.ceil(len(variables) / columns)
    columns = min(columns, len(variables))  # a single panel stands alone
    figure = Figure(figsize=(columns * width, rows * AMPLE))
    figure.set_layout_engine("constrained", h_pad=0.06)
    grid = figure.subplots(rows, columns, squeeze=False)
    for axes, variable in zip(grid.flat, variables, strict=False):
        _draw_panel(axes, variable, width, palette)
    for axes in grid.flat[len(variables) :]:
        axes.remove()
    if title:
        text = wrapped(title, columns * width, FONT + 1)
        figure.suptitle(text, fontsize=FONT + 1, x=0.01, ha="left")
    _fit_height(figure, grid)
    return figure


def _fit_height(figure: Figure, grid: np.ndarray) -> None:
    """Take away what the panels do not need, now that the labels are known; label the middle."""
    shared = figure.supylabel("images", fontsize=FONT)
    figure.draw_without_rendering()  # the layout is made only then
    first, last = (axes.get_position() for axes in grid[[0, -1], 0])
    before = figure.get_figheight()
    above, below = before * (1 - first.y1), before * last.y0
    after = before - len(grid) * (before * first.height - HEIGHT)
    figure.set_figheight(after)
    shared.set_y((below + after - above) / 2 / after)


def _draw_panel(axes: Axes, variable: xr.DataArray, width: float, palette: Palette) -> None:
    _style(axes)
    values = variable.to_numpy()
    unit = variable.attrs.get("units", "")
    fraction = variable.attrs.get("fraction", 0) == 1 and not unit
    if values.dtype.kind in "OTU":
        names = pd.Series(values.astype(object))
        present = names[names.notna() & (names != "")].astype(str)
        if len(present):
            _draw_categories(axes, present, width, palette)
    else:
        present = values[np.isfinite(values)].astype(np.float64)
        if fraction:
            present, unit = 100 * present, "%"
        if len(present):
            whole = not fraction and bool((present % 1 == 0).all())
            _draw_numbers(axes, present, width, palette, whole=whole)
    if not len(present):
        write_no_value(axes)
        axes.set(xticks=[], yticks=[])
    if len(present) < len(values):
        _note(axes, f"{len(values) - len(present):,} without a value", line=1, color=FRAME)
    name = str(variable.attrs.get("long_name", variable.name))
    axes.set_xlabel(wrapped(f"{name} ({unit})" if unit else name, width - TICKS), fontsize=FONT)


def _draw_numbers(
    axes: Axes, values: np.ndarray, width: float, palette: Palette, *, whole: bool
) -> None:
    low, high = values.min(), values.max()
    ticks = MaxNLocator(round(2.2 * width), steps=STEPS, integer=whole)
    axes.xaxis.set_major_locator(ticks)
    if high - low <= FLAT * max(abs(low), abs(high)):
        mean, deviation = low, 0.0
        reach = max(1.0, abs(mean))
        axes.bar([mean], [len(values)], width=0.4 * reach, color=palette.agreement)
        axes.set(xlim=(mean - reach, mean + reach), xticks=[mean])
    else:
        mean, deviation = values.mean(), values.std(ddof=1)
        counts, edges = np.histogram(values, _edges(values, whole))
        if whole and high - low < MOST:
            axes.bar(edges[:-1] + 0.5, counts, width=0.8, color=palette.agreement)
        else:
            axes.stairs(counts, edges, fill=True, color=palette.agreement)
    axes.axvline(mean, color=palette.accuracy, linewidth=1.0)
    # Two digits of the deviation say how many of the mean are of interest.
    step = deviation or (10 if whole else abs(mean) / 10)
    size, letter = (1e6, "M") if 1e6 <= max(abs(mean), deviation) < 1e9 else (1, "")
    mean_text, sd_text = (_number(v / size, step / size) for v in (mean, deviation))
    _note(axes, f"mean {mean_text}{letter}, sd {sd_text}{letter}", line=0)


def _edges(values: np.ndarray, whole: bool) -> np.ndarray:
    """Edges of bins of one width that hold all values."""
    low, high = values.min(), values.max()
    quarter, three_quarters = np.percentile(values, [25, 75])
    rule = 2 * (three_quarters - quarter) / len(values) ** (1 / 3)  # 0 if most values are equal
    if not whole:
        bins = (high - low) / rule if rule else MOST
        return np.linspace(low, high, math.ceil(min(max(bins, FEWEST), MOST)) + 1)
    # Bins of unequally many whole numbers would show steps that are not in the data.
    span = high - low + 1
    if span <= MOST:
        rule = 1
    width = min(max(round(rule), math.ceil(span / MOST)), max(span // FEWEST, 1))
    return low - 0.5 + width * np.arange(math.ceil(span / width) + 1)


def _draw_categories(axes: Axes, names: pd.Series, width: float, palette: Palette) -> None:
    counts = names.value_counts()
    bars = sorted((str(name), int(count)) for name, count in counts.items())
    if len(counts) > CATEGORIES:
        bars.sort(key=lambda bar: -bar[1])
        rest = sum(count for _, count in bars[CATEGORIES - 1 :])
        bars = [*bars[: CATEGORIES - 1], ("other", rest)]
    axes.bar(range(len(bars)), [count for _, count in bars], width=0.8, color=palette.agreement)
    labels = [plain(name, LONGEST) for name, _ in bars]
    axes.set_xticks(range(len(bars)), labels)
    if max(map(len, labels)) * LETTER * NOTE > (width - TICKS) / len(bars) - LETTER:
        axes.tick_params(axis="x", labelrotation=90, labelsize=NOTE - 1)
    axes.tick_params(axis="x", length=0)
    _note(axes, "1 category" if len(counts) == 1 else f"{len(counts):,} categories", line=0)


def _style(axes: Axes) -> None:
    axes.yaxis.set_major_locator(MaxNLocator(5, steps=STEPS, integer=True))
    # The whole number at each tick, never a factor or a summand set apart from them.
    axes.xaxis.set_major_formatter(
        FuncFormatter(lambda value, _: _short(value, max(map(abs, axes.get_xlim()))))
    )
    axes.yaxis.set_major_formatter(FuncFormatter(_thousands))
    style(axes, NOTE)
    axes.grid(visible=False, axis="x")


def _note(axes: Axes, text: str, *, line: int, color: str = "black") -> None:
    """Small text above the bars, the given number of lines up, where it covers nothing."""
    axes.annotate(
        text,
        (0, 1),
        xycoords="axes fraction",
        xytext=(0, 3 + line * 1.25 * NOTE),
        textcoords="offset points",
        fontsize=NOTE,
        color=color,
    )


def _thousands(count: float, position: int | None = None) -> str:
    """Short, since labels at the y axis take width from the bars: 500, 2k, 1.5M."""
    for size, letter in ((1e6, "M"), (1e3, "k")):
        if count >= size:
            return f"{count / size:.10g}{letter}"
    return f"{count:g}"


def _short(value: float, largest: float) -> str:
    """Whole at an axis of four digits, else as at the y axis: 2,500; 20k; 1.5M."""
    if largest < 1e4:
        return f"{value:,.7g}".replace("-", "\N{MINUS SIGN}")
    return ("\N{MINUS SIGN}" if value < 0 else "") + _thousands(abs(value))


def _number(value: float, step: float) -> str:
    """To two digits of `step`, but at least to whole numbers; far from 1, three of its own."""
    if value == 0:
        return "0"
    decimals = max(0, 1 - math.floor(math.log10(step)))
    if decimals > 5 or abs(value) >= 1e9:
        text = f"{value:.3g}"
    else:
        text = f"{round(value, decimals) + 0.0:,.{decimals}f}"  # adding 0 makes -0.0 positive
    return text.replace("-", "\N{MINUS SIGN}")
