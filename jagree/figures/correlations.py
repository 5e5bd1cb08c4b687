"""How statistics go with the order of learning, over examples: coefficients and intervals."""

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from jagree.figures.naming import paper_first, shown_as
from jagree.figures.palette import SAFE, Palette
from jagree.figures.style import (
    COLUMN,
    FONT,
    FRAME,
    WIDTH,
    NothingToDrawError,
    legend_below,
    plain,
    settled,
    style,
    title,
    wrapped,
)

SIGNIFICANT = 0.05  # p after adjustment, below which a marker is filled
KINDS = {
    "examples": "all examples",
    "within_class": "within classes",
    "partial": "given class and the paper's other statistics",
}
MARKERS = ("o", "s", "D")
ROW, AROUND = 0.42, 1.1  # inches: of a statistic; of title, axis and legend
NAMES = 1.4  # inches, for those of the statistics
OFFSET = 0.24  # rows between two kinds


def draw_correlations(correlations: pd.DataFrame, palette: Palette = SAFE) -> Figure:
    """One panel per split: each statistic's rank correlation with the epoch of learning.

    Parameters
    ----------
    correlations : pandas.DataFrame
        Of `jagree.study.whole.Study`.
    palette : Palette

    Returns
    -------
    matplotlib.figure.Figure
        Per statistic three coefficients with their intervals: over all examples, within classes,
        and given the class and the paper's other statistics. Filled where p, adjusted for the
        number of statistics, is below 0.05; hollow elsewhere. What has no value is not drawn.

    Raises
    ------
    NothingToDrawError
        If there is no coefficient.
    """
    rows = correlations[correlations["kind"].isin(list(KINDS))]
    rows = rows[rows["coefficient"].notna()]
    if rows.empty:
        raise NothingToDrawError(
            "there is no correlation over examples, so there is nothing to draw; it takes a "
            "statistic that differs between examples, and examples that differ in when they are "
            "learned"
        )
    names = paper_first(rows["statistic"].astype(str))
    splits = list(rows.groupby("split", sort=False))
    figure = Figure(
        figsize=(COLUMN if len(splits) == 1 else WIDTH, AROUND + ROW * len(names)),
        layout="constrained",
    )
    grid = figure.subplots(1, len(splits), sharey=True, sharex=True, squeeze=False)[0]
    for axes, (split, mine) in zip(grid, splits, strict=True):
        _draw_panel(axes, mine, names, palette)
        title(axes, plain(str(split)))
        style(axes)
        axes.grid(visible=False, axis="y")
        room = (figure.get_figwidth() - NAMES) / len(splits)
        axes.set_xlabel(wrapped("rank correlation with epoch of learning", room), fontsize=FONT)
    reach = 1.08 * np.nanmax(rows[["coefficient", "low", "high"]].abs().to_numpy(np.float64))
    grid[0].set_xlim(-max(reach, 0.1), max(reach, 0.1))
    labels = [wrapped(shown_as(name).name, NAMES) for name in names]
    grid[0].set_yticks(range(len(names)), labels, fontsize=FONT)
    grid[0].set_ylim(len(names) - 0.5, -0.5)  # the first on top
    _add_legend(figure, palette)
    return settled(figure)


def _draw_panel(axes: Axes, rows: pd.DataFrame, names: list[str], palette: Palette) -> None:
    axes.axvline(0, color=FRAME, linewidth=0.8)
    for place, kind in enumerate(KINDS):
        mine = rows[rows["kind"] == kind].set_index("statistic")
        color, marker = palette.categories[place], MARKERS[place]
        for name in mine.index:
            found = mine.loc[name]
            y = names.index(name) + OFFSET * (place - 1)
            axes.plot([found["low"], found["high"]], [y, y], color=color, linewidth=1.2)
            axes.plot(
                [found["coefficient"]],
                [y],
                marker=marker,
                color=color,
                markerfacecolor=color if found["p_adjusted"] < SIGNIFICANT else "white",
                markersize=4.5,
                linestyle="",
                label=f"{name} {kind}",
            )


def _add_legend(figure: Figure, palette: Palette) -> None:
    handles = [
        Line2D([], [], color=palette.categories[place], marker=marker, markersize=4.5)
        for place, marker in enumerate(MARKERS)
    ]
    hollow = Line2D(
        [], [], color=FRAME, marker="o", markerfacecolor="white", markersize=4.5, linestyle=""
    )
    labels = [*KINDS.values(), f"hollow: p ≥ {SIGNIFICANT} after adjustment"]
    legend_below(figure, [*handles, hollow], labels)
