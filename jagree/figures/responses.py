"""What factors that were assigned at random do to the epoch of learning: dose and response."""

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from jagree.figures.naming import shown_as
from jagree.figures.palette import SAFE, Palette
from jagree.figures.style import (
    FONT,
    NothingToDrawError,
    number_axis,
    panels,
    settled,
    title,
    wrapped,
    write_no_value,
)
from jagree.words import NO_VALUE

HEIGHT = 1.9  # inches of a panel


def draw_responses(
    responses: pd.DataFrame, effects: pd.DataFrame, split: str, palette: Palette = SAFE
) -> Figure:
    """One panel per factor: the mean epoch of learning at each dose, with its interval.

    Parameters
    ----------
    responses, effects : pandas.DataFrame
        See `jagree.study.intervention.response_table` and `effect_table`.
    split : str
    palette : Palette

    Returns
    -------
    matplotlib.figure.Figure
        All panels share the axis of epochs, so that steep factors are seen to be. Above a panel is
        the effect from the factor's least to its largest value, in epochs, with its 95 % interval;
        "no value" where the factor does not vary.

    Raises
    ------
    NothingToDrawError
        If the split has no factor.
    """
    rows = responses[responses["split"] == split]
    if rows.empty:
        raise NothingToDrawError(
            f"no factor of '{split}' was assigned at random, so there is no response to draw"
        )
    factors = list(rows.groupby("factor", sort=False))
    columns = 2 if len(factors) in (2, 4) else 3
    figure, grid = panels(len(factors), columns, HEIGHT, sharey=True)
    known = effects[effects["split"] == split]
    for place, (axes, (name, mine)) in enumerate(zip(grid, factors, strict=True)):
        _draw_panel(axes, mine, palette)
        label = shown_as(str(name), str(mine["units"].iloc[0])).label
        axes.set_xlabel(wrapped(label, 1.9), fontsize=FONT)
        title(axes, written(known[known["factor"] == name]), FONT)
        if place % columns == 0:
            axes.set_ylabel("epoch of learning", fontsize=FONT)
    return settled(figure)


def written(effect: pd.DataFrame) -> str:
    """An effect and its interval, of the row of a factor; "no value" without either.

    >>> written(pd.DataFrame({"effect": [1.25], "low": [0.81], "high": [1.6]}))
    'effect +1.2 (+0.8 to +1.6) epochs'
    """
    found = effect[["effect", "low", "high"]].to_numpy(np.float64)
    if not len(found) or np.isnan(found[0]).any():
        return f"effect: {NO_VALUE}"
    value, low, high = (f"{number:+.1f}" for number in found[0])
    return f"effect {value} ({low} to {high}) epochs".replace("-", "\N{MINUS SIGN}")


def _draw_panel(axes: Axes, rows: pd.DataFrame, palette: Palette) -> None:
    names = ["dose", "epoch", "low", "high"]
    dose, epoch, low, high = rows.sort_values("dose")[names].to_numpy(np.float64).T
    if np.isnan(dose).all():
        write_no_value(axes)
        return
    # A group of one example has no interval.
    reach = np.nan_to_num(np.stack([epoch - low, high - epoch]))
    axes.errorbar(
        dose,
        epoch,
        yerr=reach,
        color=palette.agreement,
        linewidth=1.2,
        marker="o",
        markersize=3.0,
        capsize=2.0,
        elinewidth=1.0,
    )
    axes.margins(x=0.06)
    for axis in (axes.xaxis, axes.yaxis):
        number_axis(axis)
