"""How many members are right on an example, and what chance would make of it."""

import numpy as np
import pandas as pd
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

from jagree.figures.palette import SAFE, Palette
from jagree.figures.style import (
    FONT,
    WIDTH,
    NothingToDrawError,
    legend_below,
    panels,
    settled,
    title,
)

EPOCHS = 4  # that are shown
HEIGHT = 2.2  # inches
EACH = 8  # bars, up to which each has its number


def draw_right_counts(right_counts: pd.DataFrame, split: str, palette: Palette = SAFE) -> Figure:
    """The distribution of how many members are right, in a few epochs.

    Parameters
    ----------
    right_counts : pandas.DataFrame
        Of `jagree.study.whole.Study`.
    split : str
    palette : Palette

    Returns
    -------
    matplotlib.figure.Figure
        Up to four epochs, evenly spread from the first recorded to the last. Bars: percent of the
        examples. Line: what is expected of independent members of the same accuracies, a
        Poisson-binomial distribution. Members that agree are all right or all wrong, which makes
        the outer bars high.

    Raises
    ------
    NothingToDrawError
        If there is no epoch or no example.
    """
    rows = right_counts[right_counts["split"] == split]
    if rows.empty or not rows["examples"].any():
        raise NothingToDrawError(f"nothing of '{split}' is recorded, so there is nothing to count")
    epochs = rows["epoch"].unique()
    places = np.unique(np.linspace(0, len(epochs) - 1, EPOCHS).round().astype(int))
    figure, grid = panels(len(places), EPOCHS, HEIGHT, sharey=True)
    if len(places) > 1:
        figure.set_figwidth(WIDTH * max(0.6, len(places) / EPOCHS))
    for axes, epoch in zip(grid, epochs[places], strict=True):
        here = rows[rows["epoch"] == epoch].sort_values("members_right")
        total = here["examples"].sum()
        right = here["members_right"].to_numpy()
        found = axes.bar(right, 100 * here["examples"] / total, color=palette.agreement, width=0.8)
        (chance,) = axes.plot(
            right,
            100 * here["expected"] / total,
            color=palette.chance,
            linestyle="--",
            linewidth=1.2,
            marker="D",
            markersize=3.0,
            clip_on=False,
        )
        title(axes, f"epoch {epoch}", FONT)
        axes.set_xlabel("members that are right", fontsize=FONT)
        axes.xaxis.set_major_locator(
            MaxNLocator(len(right) if len(right) <= EACH else 5, steps=[1, 2, 5, 10], integer=True)
        )
        axes.grid(visible=False, axis="x")
    grid[0].set_ylabel("examples (%)", fontsize=FONT)
    labels = ["recorded", "expected of independent members of the same accuracies"]
    legend_below(figure, [found, chance], labels)
    return settled(figure)
