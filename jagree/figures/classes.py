"""Which classes the examples agreed on are of, epoch by epoch."""

import numpy as np
import pandas as pd
from matplotlib.collections import LineCollection
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from jagree.figures.palette import SAFE, Palette
from jagree.figures.style import (
    FONT,
    FRAME,
    REST,
    WIDTH,
    NothingToDrawError,
    draw_line,
    epoch_axis,
    line_styles,
    panels,
    plain,
    settled,
)
from jagree.words import counted

MOST_CLASSES = 10  # that have a colour
HEIGHT = 2.8  # inches
EVEN = 0.01  # of the largest class: what differs by less is of one size, told by one triangle


def draw_class_shares(classes: pd.DataFrame, split: str, palette: Palette = SAFE) -> Figure:
    """The share of each class among the examples agreed on, over epochs.

    Parameters
    ----------
    classes : pandas.DataFrame
        Of `jagree.study.whole.Study`.
    split : str
    palette : Palette

    Returns
    -------
    matplotlib.figure.Figure
        In percent of the examples agreed on (with several labels: of all their labels). Of more
        than ten classes, the ten whose share changes most (largest less smallest, over all recorded
        epochs) have a colour, the others are grey lines. The legend is in the order of the last
        shares; the triangles at the right are the shares in the whole split, where each line would
        end were everything agreed on. An epoch in which nothing is agreed on is a gap.

    Raises
    ------
    NothingToDrawError
        If there is no class, or nothing is ever agreed on.
    """
    rows = classes[classes["split"] == split]
    share = 100 * rows.pivot(index="epoch", columns="class", values="share").astype(np.float64)
    if share.empty or share.isna().all(axis=None):
        raise NothingToDrawError(
            f"nothing of '{split}' is ever agreed on, so there are no classes to draw"
        )
    about = rows.drop_duplicates("class").set_index("class")
    whole = 100 * about["examples"] / max(1, about["examples"].sum())
    change = (share.max() - share.min()).fillna(-1)
    coloured = change.sort_values(ascending=False, kind="stable").index[:MOST_CLASSES]
    last = share.ffill().iloc[-1]
    coloured = last[coloured].sort_values(ascending=False, kind="stable").index
    rest = [c for c in share.columns if c not in set(coloured)]

    figure, (axes,) = panels(1, 1, HEIGHT)
    figure.set_figwidth(WIDTH)
    epoch = share.index.to_numpy()
    lines = [np.column_stack([epoch, share[c]]) for c in rest]
    axes.add_collection(
        LineCollection(lines, colors=REST, linewidths=0.5, rasterized=len(rest) > 50, label="rest")
    )
    balanced = np.ptp(about["examples"].to_numpy()) <= EVEN * about["examples"].max()
    for c, style in zip(coloured, line_styles(len(coloured), palette), strict=True):
        name = plain(str(about.loc[c, "class_name"]))
        draw_line(axes, epoch, share[c].to_numpy(), name, **style)
        axes.plot(
            [1.015],
            [whole[c]],
            marker="<",
            color=FRAME if balanced else style["color"],
            markersize=3.5,
            clip_on=False,
            transform=axes.get_yaxis_transform(),
            label="whole",
        )
    axes.autoscale_view()
    axes.set_ylim(bottom=0)
    axes.set_ylabel("share of the examples agreed on (%)", fontsize=FONT)
    epoch_axis(axes, epoch)
    handles = [line for line in axes.get_lines() if line.get_label() != "whole"]
    labels = [str(line.get_label()) for line in handles]
    if rest:
        handles.append(Line2D([], [], color=REST, linewidth=0.8))
        labels.append("1 other class" if len(rest) == 1 else counted(len(rest), "other classe"))
    axes.legend(
        handles,
        labels,
        loc="center left",
        bbox_to_anchor=(1.04, 0.5),
        fontsize=FONT - 1,
        frameon=False,
    )
    return settled(figure)
