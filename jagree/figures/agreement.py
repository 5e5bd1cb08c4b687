"""Accuracy, agreement and its chance level over epochs: figure 2 of the paper."""

from typing import Any

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

from jagree.errors import UsageError

# Tol's "vibrant" colours: the paper's red and blue, in tones that the colour-blind tell apart.
ACCURACY, AGREEMENT, BOUND, CHANCE = "#CC3311", "#0077BB", "#33BBEE", "#222222"
WITHIN = "#777777"
GRID, FRAME = "#DDDDDD", "#666666"

PANEL_WIDTH = {1: 4.5, 2: 3.375}  # inches: one in a column, two across a text width of 6.75
HEIGHT = 3.0  # inches
FONT = 8.0  # points, at the printed size

BAR = 0.02  # epochs, half the width of what stands for an area where there is one epoch only
FEW = 25  # epochs, up to which each value gets a marker


def draw_agreement(table: pd.DataFrame) -> Figure:
    """One panel per split: accuracy, agreement, its lower bound and chance levels, in percent.

    Parameters
    ----------
    table : pandas.DataFrame
        As `jagree.study.agreement_table` gives it.

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
        _draw_panel(axes, rows)
        title = f"{name}, K = {rows['members'].iloc[0]}"
        _label_panel(axes, title, rows["epoch"].to_numpy())
    panels[0].set_ylabel("accuracy and agreement (%)", fontsize=FONT)
    _add_legend(figure, panels[0])
    return figure


def _draw_panel(axes: Axes, rows: pd.DataFrame) -> None:
    percent = rows.drop(columns=["split", "epoch", "members"]) * 100
    epoch = rows["epoch"].to_numpy()
    mean, std = percent["accuracy_mean"], percent["accuracy_std"]
    agreement, chance = percent["true_positive_agreement"], percent["chance_agreement"]
    _fill(axes, epoch, percent["lower_bound"], agreement, BOUND, "area")
    _fill(axes, epoch, mean - std, mean + std, ACCURACY, "deviation")
    _line(axes, epoch, chance, "chance", color=CHANCE, linestyle="--", marker="D")
    _line(axes, epoch, mean, "accuracy", color=ACCURACY, linestyle="-", marker="o")
    _line(axes, epoch, agreement, "agreement", color=AGREEMENT, linestyle="-", marker="s")
    # Last, to be seen where agreement is no more than that.
    within = percent["chance_within_classes"]
    _line(axes, epoch, within, "within", color=WITHIN, linestyle=":", marker="x")


def _line(
    axes: Axes,
    epoch: np.ndarray,
    y: pd.Series,
    label: str,
    *,
    color: str,
    linestyle: str,
    marker: str,
) -> None:
    marked = np.full(len(y), True) if len(y) <= FEW else _isolated(y.to_numpy())
    axes.plot(
        epoch,
        y,
        label=label,
        color=color,
        linestyle=linestyle,
        linewidth=1.4,
        marker=marker if marked.any() else "",
        markersize=3.0,
        markevery=marked,
        clip_on=False,
    )


def _isolated(y: np.ndarray) -> np.ndarray:
    """Where a value has no neighbour to draw a line to, and would not be seen: bool [E]."""
    gap = np.isnan(np.concatenate([[np.nan], y, [np.nan]]))
    return gap[:-2] & ~gap[1:-1] & gap[2:]


def _fill(
    axes: Axes, epoch: np.ndarray, low: pd.Series, high: pd.Series, color: str, label: str
) -> None:
    if len(epoch) == 1:  # an area over a single epoch has no width: draw a bar
        epoch = epoch + np.array([-BAR, BAR])
        low, high = low.repeat(2), high.repeat(2)
    axes.fill_between(epoch, low, high, color=color, alpha=0.25, linewidth=0, label=label)


def _label_panel(axes: Axes, title: str, epoch: np.ndarray) -> None:
    axes.set_title(title, fontsize=FONT + 1, loc="left")
    axes.set_xlabel("epochs completed", fontsize=FONT)
    axes.set_ylim(0, 100)
    axes.margins(x=0.02)
    if len(epoch) == 1:
        axes.set_xlim(epoch[0] - 0.5, epoch[0] + 0.5)
    locator = MaxNLocator(nbins=7, steps=[1, 2, 5, 10], integer=True, min_n_ticks=1)
    axes.xaxis.set_major_locator(locator)
    axes.tick_params(labelsize=FONT, color=FRAME)
    axes.grid(color=GRID, linewidth=0.5)
    axes.set_axisbelow(True)
    axes.spines[["top", "right"]].set_visible(False)
    axes.spines[["left", "bottom"]].set_color(FRAME)


def _add_legend(figure: Figure, axes: Axes) -> None:
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
        ncols=2 if figure.get_figwidth() > PANEL_WIDTH[1] else 1,
        fontsize=FONT,
        frameon=False,
        handlelength=3.0,
    )
