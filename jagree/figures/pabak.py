"""Agreement beside PABAK, expected random agreement and the lower bound: figures 1 and 3 of v2."""

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from jagree.figures.groups import MEASURES, looks
from jagree.figures.palette import SAFE, Palette
from jagree.figures.style import (
    FONT,
    FRAME,
    NothingToDrawError,
    draw_line,
    epoch_axis,
    legend_below,
    panels,
    plain,
    settled,
    title,
)

HEIGHT = 3.0  # inches


def draw_pabak(agreement: pd.DataFrame, palette: Palette = SAFE) -> Figure:
    """One panel per split: agreement, ERA and lower bound in percent, PABAK on the right axis.

    Parameters
    ----------
    agreement : pandas.DataFrame
        As `jagree.study.agreement_table` gives it.
    palette : Palette

    Returns
    -------
    matplotlib.figure.Figure
        PABAK is twice the observed agreement of pairs of members less one; the axes are aligned
        such that its curve, read on the left axis, is the observed agreement. A value that is not
        defined, such as PABAK of one member, is a gap.

    Raises
    ------
    NothingToDrawError
        If PABAK is defined nowhere.
    """
    if agreement["pabak"].isna().all():
        raise NothingToDrawError(
            "PABAK compares pairs of members, and there is one member only or no epoch; train two "
            "or more"
        )
    splits = list(agreement.groupby("split", sort=False))
    figure, grid = panels(len(splits), 2, HEIGHT, sharey=True)
    for place, (axes, (split, rows)) in enumerate(zip(grid, splits, strict=True)):
        last = place % 2 == 1 or place == len(splits) - 1
        right = _draw_panel(axes, rows, palette, last=last)
        title(axes, f"{plain(str(split))}, K = {rows['members'].iloc[0]}")
        if place % 2 == 0:
            axes.set_ylabel("agreement, ERA and LB (%)", fontsize=FONT)
        if last:
            right.set_ylabel("PABAK", fontsize=FONT)
    handles = [*grid[0].get_lines(), *figure.axes[len(splits)].get_lines()]
    legend_below(figure, handles, [*MEASURES.values(), "PABAK (right axis)"])
    return settled(figure)


def _draw_panel(axes: Axes, rows: pd.DataFrame, palette: Palette, *, last: bool) -> Axes:
    epoch = rows["epoch"].to_numpy()
    for measure, look in looks(palette).items():
        values = 100 * rows[measure].to_numpy(np.float64)
        draw_line(axes, epoch, values, measure, **look)
    right = axes.twinx()
    pabak = rows["pabak"].to_numpy(np.float64)
    draw_line(right, epoch, pabak, "pabak", color=palette.statistic, marker="o", linestyle=":")
    axes.set_ylim(0, 100)
    right.set_ylim(-1, 1)  # 0 to 100 % of observed agreement
    axes.set_yticks(range(0, 101, 25))
    right.set_yticks([-1, -0.5, 0, 0.5, 1])
    right.spines[["top", "left"]].set_visible(False)
    right.spines[["right", "bottom"]].set_color(FRAME)
    right.tick_params(labelsize=FONT, color=FRAME, labelright=last)
    epoch_axis(axes, epoch)
    return right
