"""Accuracy, agreement and its chance level over epochs: figure 2 of the paper."""

from typing import Any

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from jagree.errors import UsageError
from jagree.figures.palette import SAFE, Palette
from jagree.figures.style import COLUMN, FONT, draw_line, epoch_axis, plain, style, title

PANEL_WIDTH = {1: COLUMN, 2: 3.375}  # inches: one in a column, two across the text width
HEIGHT = 3.0  # inches

BAR = 0.02  # epochs, half the width of what stands for an area where there is one epoch only


def draw_agreement(table: pd.DataFrame, palette: Palette = SAFE) -> Figure:
    """One panel per split: accuracy, agreement, its lower bound and chance levels, in percent.

    Parameters
    ----------
    table : pandas.DataFrame
        As `jagree.study.agreement_table` gives it.
    palette : Palette

    Returns
    -------
    matplotlib.figure.Figure
        Per split, in the table's order: mean accuracy with a band of one standard deviation to
        either side, agreement with the area down to its lower bound, and its chance levels, among
        all examples and within classes.
        A value that is not defined (nan) is a gap.

    Raises
    ------
    UsageError
        If the table is empty.
    """
    if table.empty:
        raise UsageError("no epoch is recorded yet, so there is no agreement to draw")
    splits = list(table.groupby("split", sort=False))
    width = PANEL_WIDTH.get(len(splits), PANEL_WIDTH[2]) * len(splits)
    figure = Figure(figsize=(width, HEIGHT), layout="constrained")
    panels = figure.subplots(1, len(splits), sharey=True, squeeze=False)[0]
    for axes, (name, rows) in zip(panels, splits, strict=True):
        draw_one(axes, rows, f"{plain(str(name))}, K = {rows['members'].iloc[0]}", palette)
    panels[0].set_ylabel("accuracy and agreement (%)", fontsize=FONT)
    add_legend(figure, panels[0])
    return figure


def draw_one(axes: Axes, rows: pd.DataFrame, heading: str, palette: Palette) -> None:
    """A panel in the paper's layout, of one split of one run.

    Parameters
    ----------
    axes : matplotlib.axes.Axes
    rows : pandas.DataFrame
        Of `jagree.study.agreement_table`.
    heading : str
    palette : Palette
    """
    epoch = rows["epoch"].to_numpy()
    curves = [
        "accuracy_mean",
        "accuracy_std",
        "true_positive_agreement",
        "lower_bound",
        "chance_agreement",
        "chance_within_classes",
    ]
    mean, std, agreement, bound, chance, within = (rows[curves].to_numpy(np.float64) * 100).T
    _fill(axes, epoch, bound, agreement, palette.bound, "area")
    _fill(axes, epoch, mean - std, mean + std, palette.accuracy, "deviation")
    draw_line(axes, epoch, chance, "chance", color=palette.chance, linestyle="--", marker="D")
    draw_line(axes, epoch, mean, "accuracy", color=palette.accuracy)
    draw_line(axes, epoch, agreement, "agreement", color=palette.agreement, marker="s")
    # Last, to be seen where agreement is no more than that.
    draw_line(axes, epoch, within, "within", color=palette.within, linestyle=":", marker="x")
    title(axes, heading)
    axes.set_ylim(0, 100)
    epoch_axis(axes, epoch)
    style(axes)


def _fill(
    axes: Axes, epoch: np.ndarray, low: np.ndarray, high: np.ndarray, color: str, label: str
) -> None:
    if len(epoch) == 1:  # an area over a single epoch has no width: draw a bar
        epoch = epoch + np.array([-BAR, BAR])
        low, high = low.repeat(2), high.repeat(2)
    axes.fill_between(epoch, low, high, color=color, alpha=0.25, linewidth=0, label=label)


def add_legend(figure: Figure, axes: Axes) -> None:
    """Below the panels, so that it covers no curve; a line and its band are one entry."""
    handles, labels = axes.get_legend_handles_labels()
    drawn = dict(zip(labels, handles, strict=True))
    entries: dict[str, Any] = {
        "mean accuracy ± standard deviation": (drawn["deviation"], drawn["accuracy"]),
        "agreement (TPa)": drawn["agreement"],
        "chance level of agreement (independent networks)": drawn["chance"],
        "chance level within classes": drawn["within"],
        "agreement above its lower bound": drawn["area"],
    }
    figure.legend(
        list(entries.values()),
        list(entries),
        loc="outside lower center",
        ncols=2 if figure.get_figwidth() > COLUMN else 1,
        fontsize=FONT,
        frameon=False,
        handlelength=3.0,
    )
