"""Tables to draw, with gaps, and what can be asked of any figure."""

from typing import Any

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.axis import Axis
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.text import Text

SPLITS = ("train", "test")
MEASURES = (
    "accuracy_mean",
    "true_positive_agreement",
    "chance_agreement",
    "chance_within_classes",
    "lower_bound",
    "expected_random_agreement",
)
STATISTICS = ("gradient_strength", "dct_share", "entropy", "segments")


def agreement_table(
    epochs: int = 12, splits: tuple[str, ...] = SPLITS, **columns: Any
) -> pd.DataFrame:
    rng = np.random.default_rng(0)
    rows = [
        {"split": split, "epoch": e, "members": 5, "examples": 100, "accuracy_std": 0.02}
        | {name: rng.uniform(0.3, 0.8) for name in MEASURES}
        | {"pabak": rng.uniform(-0.5, 0.5)}
        for split in splits
        for e in range(1, epochs + 1)
    ]
    return pd.DataFrame(rows).assign(**columns)


def curve_table(agreement: pd.DataFrame, statistics: tuple[str, ...] = STATISTICS) -> pd.DataFrame:
    rng = np.random.default_rng(1)
    rows = [
        {"split": split, "epoch": e, "statistic": name, "mean": rng.uniform(0, 1), "examples": 9}
        for split, e in zip(agreement["split"], agreement["epoch"], strict=True)
        for name in statistics
    ]
    return pd.DataFrame(rows)


def correlation_table(
    statistics: tuple[str, ...] = STATISTICS, splits: tuple[str, ...] = SPLITS
) -> pd.DataFrame:
    rng = np.random.default_rng(2)
    rows = []
    for split in splits:
        for name in statistics:
            for kind in ("curves_v1", "curves_v2", "examples", "within_class", "partial"):
                middle = rng.uniform(-0.8, 0.8)
                rows.append(
                    {
                        "split": split,
                        "statistic": name,
                        "units": "bit" if name == "entropy" else "",
                        "kind": kind,
                        "coefficient": middle,
                        "low": middle - 0.1,
                        "high": middle + 0.1,
                        "p": rng.choice([0.5, 1e-5]),
                        "p_adjusted": rng.choice([0.04, 0.06]),
                        "points": 7,
                        "controls": "",
                    }
                )
    return pd.DataFrame(rows)


def lines(axes: Axes) -> dict[str, Line2D]:
    return {str(line.get_label()): line for line in axes.get_lines()}


def xy(line: Line2D) -> tuple[np.ndarray, np.ndarray]:
    return np.asarray(line.get_xdata(), float), np.asarray(line.get_ydata(), float)


def headings(figure: Figure) -> list[str]:
    return [axes.get_title(loc="left") for axes in figure.axes]


def _of_axis(axis: Axis) -> list[Text]:
    """Labels at the ticks that are in view, and that of the axis."""
    low, high = sorted(axis.get_view_interval())
    slack = 1e-6 * (high - low)
    ticks = [
        tick for tick in axis.get_major_ticks() if low - slack <= tick.get_loc() <= high + slack
    ]
    labels = [label for tick in ticks for label in (tick.label1, tick.label2)]
    return [*(label for label in labels if label.get_visible()), axis.label]


def texts(figure: Figure) -> list[Text]:
    """All that is written and seen."""
    found = [*figure.texts, *(t for legend in figure.legends for t in legend.get_texts())]
    for axes in figure.axes:
        if axes.axison:
            found += _of_axis(axes.xaxis) + _of_axis(axes.yaxis)
        found += [t for t in axes.get_children() if isinstance(t, Text) and t not in found]
        if axes.get_legend():
            found += axes.get_legend().get_texts()
    return [text for text in found if text.get_text().strip() and text.get_visible()]


def check_layout(figure: Figure) -> None:
    """Nothing that is written is cut off, and no two of it overlap."""
    figure.draw_without_rendering()
    whole = figure.bbox
    boxes = [(text.get_text(), text.get_window_extent()) for text in texts(figure)]
    assert len(boxes) > 2
    for text, box in boxes:
        assert whole.x0 - 0.5 <= box.x0 < box.x1 <= whole.x1 + 0.5, text
        assert whole.y0 - 0.5 <= box.y0 < box.y1 <= whole.y1 + 0.5, text
    corners = np.array([box.padded(-0.75).extents for _, box in boxes])
    low, high = corners[:, None, :2], corners[:, None, 2:]
    both = (np.minimum(high, high.swapaxes(0, 1)) > np.maximum(low, low.swapaxes(0, 1))).all(-1)
    overlapping = [(boxes[i][0], boxes[j][0]) for i, j in np.argwhere(np.triu(both, 1))]
    assert not overlapping
