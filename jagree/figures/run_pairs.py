"""How far the networks of one run agree with those of another: each run against each."""

import numpy as np
import pandas as pd
from matplotlib import colormaps
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from jagree.errors import UsageError
from jagree.figures.palette import SAFE, Palette
from jagree.figures.style import COLUMN, FONT, NOTE, WIDTH, plain, settled, title

MOST_NUMBERS = 12  # runs up to which each cell has its number
CELL = 0.42  # inches, of a cell with a number
LEAST = 20.0  # percentage points that the colours span
LABELS = 1.2  # inches, for names beside and below the cells


def draw_run_pairs(across: pd.DataFrame, palette: Palette = SAFE) -> Figure:
    """Mean agreement of two networks, within each run and across each two, as maps.

    Parameters
    ----------
    across : pandas.DataFrame
        Of the runs, as `jagree.study.several.compare` gives it.
    palette : Palette

    Returns
    -------
    matplotlib.figure.Figure
        A panel per split, at its last epoch, in percent: on the diagonal pairs within a run,
        elsewhere pairs across two. Up to 12 runs have the numbers written in; what is not defined
        is white, and a dash. One scale of colour for all panels, from the lowest value to the
        highest, but over `LEAST` percentage points: what is nearly equal should look so.

    Raises
    ------
    UsageError
        If there is no pair of runs.
    """
    if across.empty:
        raise UsageError("there are no two runs to compare; name two or more")
    rows = across[across["measure"] == "agreement"]
    names = list(dict.fromkeys([*rows["run_1"].astype(str), *rows["run_2"].astype(str)]))
    splits = {
        str(split): (int(of["epoch"].max()), matrix(of[of["epoch"] == of["epoch"].max()], names))
        for split, of in rows.groupby("split", sort=False)
    }
    width = COLUMN if len(splits) == 1 else WIDTH
    side = min(CELL * len(names), (width - LABELS) / len(splits))
    figure = Figure(figsize=(width, max(side, 0.9) + LABELS + 0.3), layout="constrained")
    grid = figure.subplots(1, len(splits), squeeze=False, sharey=True)[0]
    known = np.concatenate([values[~np.isnan(values)] for _, values in splits.values()])
    low, high = (100 * known.min(), 100 * known.max()) if known.size else (0.0, 100.0)
    if high - low < LEAST:
        low = min(max((low + high - LEAST) / 2, 0), 100 - LEAST)
        high = low + LEAST
    for axes, (split, (epoch, values)) in zip(grid, splits.items(), strict=True):
        image = axes.imshow(100 * values, cmap=palette.ramp, vmin=low, vmax=high)
        _label(axes, names, f"{plain(split)}, epoch {epoch}")
        if len(names) <= MOST_NUMBERS:
            _write(axes, 100 * values, low, high, palette)
    grid[0].set_yticks(range(len(names)), [plain(name, 24) for name in names])
    bar = figure.colorbar(image, ax=list(grid), shrink=0.9, pad=0.02)
    bar.set_label("agreement of two networks (%)", fontsize=FONT)
    bar.ax.tick_params(labelsize=NOTE)
    bar.outline.set_visible(False)
    return settled(figure)


def matrix(rows: pd.DataFrame, names: list[str]) -> np.ndarray:
    """Agreement of each two runs, and within each: float [R, R] of the rows of one epoch."""
    values = np.full((len(names), len(names)), np.nan)
    for row in rows.to_dict("records"):
        i, j = names.index(str(row["run_1"])), names.index(str(row["run_2"]))
        values[i, i], values[j, j] = row["within_1"], row["within_2"]
        values[i, j] = values[j, i] = row["between"]
    return values


def _label(axes: Axes, names: list[str], text: str) -> None:
    axes.set_xticks(range(len(names)), [plain(name, 24) for name in names])
    axes.tick_params(labelsize=NOTE, length=0)
    axes.tick_params(axis="x", labelrotation=90 if max(map(len, names)) > 4 else 0)
    axes.spines[:].set_visible(False)
    title(axes, text, FONT)


def _write(axes: Axes, percent: np.ndarray, low: float, high: float, palette: Palette) -> None:
    colours = colormaps[palette.ramp]
    for (i, j), value in np.ndenumerate(percent):
        red, green, blue, _ = colours((value - low) / (high - low))
        dark = not np.isnan(value) and 0.299 * red + 0.587 * green + 0.114 * blue < 0.5
        axes.text(
            j,
            i,
            "-" if np.isnan(value) else f"{value:.0f}",
            ha="center",
            va="center",
            fontsize=NOTE,
            color="white" if dark else "black",
        )
