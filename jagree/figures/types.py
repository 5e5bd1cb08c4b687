"""Agreement on each type of example, such as its illumination: figures 5 and 7 of the paper."""

from collections.abc import Sequence

import matplotlib
import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.colors import to_hex
from matplotlib.figure import Figure

from jagree.figures.naming import shown_as
from jagree.figures.palette import SAFE, Palette
from jagree.figures.style import (
    FONT,
    WIDTH,
    NothingToDrawError,
    draw_line,
    epoch_axis,
    line_styles,
    panels,
    plain,
    settled,
    title,
)

HEIGHT = 2.2  # inches of a panel
LONG = 12  # types, from which on the legend has two columns


def draw_types(types: pd.DataFrame, split: str, palette: Palette = SAFE) -> Figure:
    """One panel per column of categories: of each type, the share that all members get right.

    Parameters
    ----------
    types : pandas.DataFrame
        Of `jagree.study.whole.Study`.
    split : str
    palette : Palette

    Returns
    -------
    matplotlib.figure.Figure
        In percent of all examples of the type, over all recorded epochs, the panels below each
        other. Types that are numbers are in their order, in colours that rise with them.

    Raises
    ------
    NothingToDrawError
        If the split has no column of categories.
    """
    rows = types[types["split"] == split]
    if rows.empty:
        raise NothingToDrawError(
            f"the examples of '{split}' are of no types (no column of categories), so there are no "
            "curves per type to draw"
        )
    columns = list(rows.groupby("column", sort=False))
    figure, grid = panels(len(columns), 1, HEIGHT)
    figure.set_figwidth(WIDTH)
    for axes, (name, of_column) in zip(grid, columns, strict=True):
        title(axes, shown_as(str(name)).name)
        _draw_panel(axes, of_column, palette)
    return settled(figure)


def _draw_panel(axes: Axes, rows: pd.DataFrame, palette: Palette) -> None:
    kinds = in_order(rows["type"].astype(str).unique().tolist())
    styles = line_styles(len(kinds), palette)
    if _numbers(kinds):
        ramp = matplotlib.colormaps[palette.ramp]
        for place, style in enumerate(styles):
            style["color"] = to_hex(ramp(0.9 * place / max(1, len(kinds) - 1)))
    for kind, style in zip(kinds, styles, strict=True):
        curve = rows[rows["type"].astype(str) == kind]
        share = 100 * curve["share"].to_numpy(np.float64)
        draw_line(axes, curve["epoch"].to_numpy(), share, plain(kind), **style)
    axes.set_ylim(0, 100)
    axes.set_ylabel("agreed on (%)", fontsize=FONT)
    epoch_axis(axes, rows["epoch"].to_numpy())
    axes.legend(
        loc="center left",
        bbox_to_anchor=(1.01, 0.5),
        fontsize=FONT - 1,
        frameon=False,
        ncols=1 if len(kinds) <= LONG else 2,
        labelspacing=0.3,
    )


def in_order(kinds: Sequence[str]) -> list[str]:
    """By number if all are numbers, else by name.

    >>> in_order(["10", "9"]), in_order(["b", "10", "a"])
    (['9', '10'], ['10', 'a', 'b'])
    """
    return sorted(kinds, key=float) if _numbers(kinds) else sorted(kinds)


def _numbers(kinds: Sequence[str]) -> bool:
    return all(kind.replace(".", "", 1).lstrip("-").isdecimal() for kind in kinds)
