"""Several runs side by side: figures 2, 8 and 9 of the paper."""

import numpy as np
import pandas as pd
from matplotlib.figure import Figure

from jagree.errors import UsageError
from jagree.figures.agreement import add_legend, draw_one
from jagree.figures.palette import SAFE, Palette
from jagree.figures.style import (
    COLUMN,
    FONT,
    WIDTH,
    draw_line,
    epoch_axis,
    legend_below,
    line_styles,
    panels,
    plain,
    settled,
    title,
)

SIDE_BY_SIDE = 3  # runs, up to which each has a panel of its own
HEIGHT, LEGEND = 2.2, 0.6  # inches: of a row of panels; of the legend below
SCALES = {"accuracy_mean": "mean accuracy (%)", "true_positive_agreement": "agreement (%)"}


def draw_runs(table: pd.DataFrame, palette: Palette = SAFE) -> Figure:
    """Agreement and accuracy of several runs.

    Parameters
    ----------
    table : pandas.DataFrame
        As `jagree.study.agreement_table` gives it, with a column ``run`` before: the runs' names.
    palette : Palette

    Returns
    -------
    matplotlib.figure.Figure
        Of up to three runs: a column of panels each, a row per split, as `draw_agreement` draws
        them. Of more: per split a panel with the agreement of all runs, and one with their mean
        accuracy; a line is the same run in all of them. A value that is not defined is a gap.

    Raises
    ------
    UsageError
        If there is no run, or none has an epoch.
    """
    if table.empty:
        raise UsageError("no epoch of any run is recorded, so there are no runs to draw")
    runs = [str(name) for name in table["run"].unique()]
    if len(runs) <= SIDE_BY_SIDE:
        return _side_by_side(table, runs, palette)
    return _together(table, runs, palette)


def _side_by_side(table: pd.DataFrame, runs: list[str], palette: Palette) -> Figure:
    splits = table["split"].unique().tolist()
    width = COLUMN if len(runs) == 1 else WIDTH
    size = (width, HEIGHT * len(splits) + LEGEND)
    figure = Figure(figsize=size, layout="constrained")
    grid = figure.subplots(len(splits), len(runs), sharey=True, squeeze=False)
    for i, split in enumerate(splits):
        for j, run in enumerate(runs):
            rows = table[(table["split"] == split) & (table["run"].astype(str) == run)]
            if rows.empty:
                grid[i, j].set_axis_off()
                continue
            heading = f"{plain(run)}, {plain(str(split))}, K = {rows['members'].iloc[0]}"
            draw_one(grid[i, j], rows, heading, palette)
            grid[i, j].title.set_visible(True)
        grid[i, 0].set_ylabel("accuracy and agreement (%)", fontsize=FONT)
    for axes in figure.axes:
        axes.set_title(axes.get_title(loc="left"), loc="left", fontsize=FONT)
    drawn = [axes for axes in figure.axes if axes.get_lines()]
    add_legend(figure, drawn[0])
    return settled(figure)


def _together(table: pd.DataFrame, runs: list[str], palette: Palette) -> Figure:
    splits = table["split"].unique().tolist()
    figure, grid = panels(2 * len(splits), 2, HEIGHT, sharey=True)
    figure.set_figheight(HEIGHT * len(splits) + 0.16 * (2 + len(runs) // 3))
    wanted = [(split, measure) for split in splits for measure in reversed(SCALES)]
    styles = line_styles(len(runs), palette)
    for axes, (split, measure) in zip(grid, wanted, strict=True):
        here = table[table["split"] == split]
        for run, look in zip(runs, styles, strict=True):
            rows = here[here["run"].astype(str) == run]
            values = 100 * rows[measure].to_numpy(np.float64)
            draw_line(axes, rows["epoch"].to_numpy(), values, run, linewidth=1.1, **look)
        axes.set_ylim(0, 100)
        axes.set_ylabel(SCALES[measure], fontsize=FONT)
        title(axes, plain(str(split)))
        epoch_axis(axes, here["epoch"].to_numpy())
    legend_below(figure, grid[0].get_lines(), [plain(run, 32) for run in runs])
    return settled(figure)
