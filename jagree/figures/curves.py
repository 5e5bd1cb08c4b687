"""What the examples agreed on are like, epoch by epoch: figures 4 to 7, 16 and 17 of the paper."""

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from jagree.figures.naming import MOST, PAPER_STATISTICS, Shown, paper_first, shown_as, units_of
from jagree.figures.palette import SAFE, Palette
from jagree.figures.style import (
    FONT,
    FRAME,
    NothingToDrawError,
    draw_line,
    epoch_axis,
    legend_below,
    number_axis,
    panels,
    settled,
    title,
    wrapped,
    write_no_value,
)
from jagree.study.agreed import curve_of
from jagree.study.curves import Correlation, shown_epochs
from jagree.words import NO_VALUE

HEIGHT = {2: 1.9, 3: 1.65}  # inches of a panel, by the number of columns


def draw_curves(
    curves: pd.DataFrame,
    agreement: pd.DataFrame,
    correlations: pd.DataFrame,
    split: str,
    palette: Palette = SAFE,
) -> Figure:
    """One panel per image statistic: its mean over the examples agreed on, and agreement.

    Parameters
    ----------
    curves, agreement, correlations : pandas.DataFrame
        Of `jagree.study.whole.Study`.
    split : str
    palette : Palette

    Returns
    -------
    matplotlib.figure.Figure
        The epochs that version 1 of the paper shows: not the first five, and only those in which
        mean accuracy is 20 % or more. On the left axis the statistic, on the right one agreement in
        percent. Above the panel is Pearson's r of the two curves over these epochs, in brackets, as
        the paper prints it, where p is above 0.001. The paper's statistics come first; others that
        do not change over these epochs are left out, and so is what goes beyond 12. An epoch
        without an example agreed on that has a value is a gap.

    Raises
    ------
    NothingToDrawError
        If the split has no statistic or no epoch that is shown.
    """
    rows = agreement[agreement["split"] == split]
    level = rows["accuracy_mean"].to_numpy(np.float64)
    shown = shown_epochs(rows["epoch"].to_numpy(), level)
    if not shown.any():
        raise NothingToDrawError(
            f"no epoch of '{split}' is one that the paper shows (from the sixth on, with a mean "
            "accuracy of 20 % or more), so there is no curve to draw; train for longer"
        )
    epoch = rows["epoch"].to_numpy()[shown]
    agreed = 100 * rows["true_positive_agreement"].to_numpy(np.float64)[shown]
    found = correlations[(correlations["split"] == split) & (correlations["kind"] == "curves_v1")]
    correlated = _by_statistic(found)
    mine = curves[curves["split"] == split]
    means = {name: curve_of(mine, name, epoch) for name in paper_first(correlated)}
    names = [n for n, mean in means.items() if n in PAPER_STATISTICS or _varies(mean)][:MOST]
    if not names:
        raise NothingToDrawError(
            f"no statistic of '{split}' changes, so there is no curve to draw; measure some "
            "(stage 'statistics')"
        )
    columns = 2 if len(names) <= 4 else 3
    figure, grid = panels(len(names), columns, HEIGHT[columns])
    units = units_of(found)
    for place, (name, axes) in enumerate(zip(names, grid, strict=True)):
        title(axes, written(correlated[name]), FONT)
        last = (place + 1) % min(columns, len(names)) == 0
        shown_name = shown_as(name, units[name])
        _draw_panel(axes, epoch, means[name], agreed, shown_name, palette, last=last)
    handles = [axes.get_lines()[0] for axes in figure.axes[:: len(names)]]
    legend_below(
        figure, handles, ["mean over the examples agreed on", "agreement (right axis, 0 to 100 %)"]
    )
    return settled(figure)


def _by_statistic(correlations: pd.DataFrame) -> dict[str, Correlation]:
    columns = (correlations[c].tolist() for c in ("statistic", "coefficient", "p", "points"))
    return {name: Correlation(r, p, points) for name, r, p, points in zip(*columns, strict=True)}


def _varies(mean: np.ndarray) -> bool:
    known = mean[~np.isnan(mean)]
    return bool(len(known) and (len(mean) == 1 or np.ptp(known) > 0))


def written(r: Correlation) -> str:
    """As the paper prints it: in brackets where p is above 0.001.

    >>> written(Correlation(0.5, 0.2, 9)), written(Correlation(0.97, 1e-9, 30))
    ('r = (0.50)', 'r = 0.97')
    """
    return f"r: {NO_VALUE}" if np.isnan(r.r) else f"r = {r}".replace("-", "\N{MINUS SIGN}")


def _draw_panel(
    axes: Axes,
    epoch: np.ndarray,
    mean: np.ndarray,
    agreed: np.ndarray,
    shown: Shown,
    palette: Palette,
    *,
    last: bool,
) -> None:
    right = axes.twinx()
    draw_line(right, epoch, agreed, "agreement", color=palette.agreement, marker="s")
    draw_line(axes, epoch, shown.scale * mean, "statistic", color=palette.statistic, linestyle="--")
    right.set_ylim(0, 100)
    right.spines[["top", "left"]].set_visible(False)
    right.spines[["right", "bottom"]].set_color(FRAME)
    right.tick_params(labelsize=FONT, color=FRAME, labelright=last)
    axes.set_zorder(right.get_zorder() + 1)  # the statistic over agreement
    axes.patch.set_visible(False)
    number_axis(axes.yaxis)
    axes.set_ylabel(wrapped(shown.label, 1.3), fontsize=FONT)
    epoch_axis(axes, epoch)
    if last:
        right.set_ylabel("agreement (%)", fontsize=FONT)
    if np.isnan(mean).all():
        axes.set_yticks([])
        write_no_value(axes)
