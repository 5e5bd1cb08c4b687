"""How sure agreement is, over groups of five members: figure 2 of the supplement."""

from typing import Any

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from jagree.figures.palette import SAFE, Palette
from jagree.figures.style import (
    COLUMN,
    FONT,
    WIDTH,
    NothingToDrawError,
    draw_line,
    epoch_axis,
    legend_below,
    plain,
    settled,
    style,
    title,
)

HEIGHT = 3.6  # inches
MOST_PANELS = 4

MEASURES = {
    "true_positive_agreement": "agreement (TPa)",
    "expected_random_agreement": "expected random agreement (ERA)",
    "lower_bound": "lower bound (LB)",
}


def looks(palette: Palette) -> dict[str, dict[str, Any]]:
    """Colour, marker and style of line of each of `MEASURES`."""
    return {
        "true_positive_agreement": {"color": palette.agreement, "marker": "s", "linestyle": "-"},
        "expected_random_agreement": {"color": palette.chance, "marker": "D", "linestyle": "--"},
        "lower_bound": {"color": palette.bound, "marker": "v", "linestyle": "-."},
    }


def draw_groups(groups: pd.DataFrame, palette: Palette = SAFE) -> Figure:
    """Agreement, ERA and lower bound: mean over groups of five members, and deviation.

    Parameters
    ----------
    groups : pandas.DataFrame
        Of `jagree.study.whole.Study`.
    palette : Palette

    Returns
    -------
    matplotlib.figure.Figure
        A column of two panels per split and network, of the first four: above, means with a band of
        one population standard deviation to either side, in percent; below, the deviations on a
        scale of their own, in percentage points. A value that is not defined is a gap.

    Raises
    ------
    NothingToDrawError
        If no network has two groups.
    """
    if groups.empty:
        raise NothingToDrawError(
            "no network has two groups of five members, so there is no deviation over groups to "
            "draw; train ten or more"
        )
    columns = list(groups.groupby(["split", "network"], sort=False))[:MOST_PANELS]
    width = COLUMN if len(columns) == 1 else WIDTH
    figure = Figure(figsize=(width, HEIGHT), layout="constrained")
    grid = figure.subplots(
        2, len(columns), sharex="col", sharey="row", squeeze=False, height_ratios=[2, 1]
    )
    for (above, below), ((split, network), rows) in zip(grid.T, columns, strict=True):
        _draw_column(above, below, rows, palette)
        number = int(rows["groups"].iloc[0])
        text = f"{plain(str(split))}, {number} groups of 5 {plain(str(network))}"
        title(above, text, FONT + 1 if len(columns) < 3 else FONT - 2)
        for axes in (above, below):
            style(axes)
        above.margins(x=0.02)
        epoch_axis(below, rows["epoch"].to_numpy())
    grid[0, 0].set_ylim(0, 100)
    grid[1, 0].set_ylim(bottom=0)
    grid[0, 0].set_ylabel("mean (%)", fontsize=FONT)
    grid[1, 0].set_ylabel("deviation (points)", fontsize=FONT)
    legend_below(figure, grid[0, 0].get_lines(), list(MEASURES.values()))
    return settled(figure)


def _draw_column(above: Axes, below: Axes, rows: pd.DataFrame, palette: Palette) -> None:
    for measure, look in looks(palette).items():
        mine = rows[rows["measure"] == measure]
        epoch = mine["epoch"].to_numpy()
        mean, std = (100 * mine[["mean", "std"]].to_numpy(np.float64)).T
        above.fill_between(
            epoch, mean - std, mean + std, color=look["color"], alpha=0.25, linewidth=0
        )
        draw_line(above, epoch, mean, measure, **look)
        draw_line(below, epoch, std, measure, **look)
