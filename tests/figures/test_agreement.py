"""The figure, by the numbers it draws."""

import math

import numpy as np
import pandas as pd
import pytest
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.colors import same_color
from matplotlib.lines import Line2D

from jagree.errors import UsageError
from jagree.figures import draw_agreement


def make_table(splits: tuple[str, ...] = ("train", "test"), epochs: int = 4) -> pd.DataFrame:
    rng = np.random.default_rng(0)
    measures = ["accuracy_mean", "true_positive_agreement", "chance_agreement", "lower_bound"]
    measures.append("chance_within_classes")
    rows = [
        {"split": split, "epoch": 2 * e, "members": 5, "accuracy_std": 0.01 * e}
        | {name: rng.uniform(0.2, 0.8) for name in measures}
        for split in splits
        for e in range(1, epochs + 1)
    ]
    return pd.DataFrame(rows)


def lines(axes: Axes) -> dict[str, Line2D]:
    return {str(line.get_label()): line for line in axes.get_lines()}


def area(axes: Axes, label: str) -> np.ndarray:
    """Corners [..., 2] of a filled area."""
    (found,) = [a for a in axes.collections if a.get_label() == label]
    return np.concatenate([path.vertices for path in found.get_paths()])


@pytest.mark.parametrize("splits", [("train",), ("train", "test")])
def test_each_split_has_a_panel_with_its_curves_in_percent(splits: tuple[str, ...]) -> None:
    table = make_table(splits)
    panels = draw_agreement(table).axes
    assert [axes.get_title(loc="left") for axes in panels] == [f"{s}, K = 5" for s in splits]
    for axes, split in zip(panels, splits, strict=True):
        rows = table[table["split"] == split]
        drawn = lines(axes)
        for label, column in [
            ("accuracy", "accuracy_mean"),
            ("agreement", "true_positive_agreement"),
            ("chance", "chance_agreement"),
            ("within", "chance_within_classes"),
        ]:
            np.testing.assert_array_equal(drawn[label].get_xdata(), rows["epoch"])
            np.testing.assert_allclose(drawn[label].get_ydata(), 100 * rows[column])
        assert axes.get_ylim() == (0, 100)
        assert axes.get_xlabel() == "epochs completed"
    assert panels[0].get_ylabel() == "accuracy and agreement (%)"


def test_the_bands_lie_where_they_should() -> None:
    table = make_table(("train",))
    axes = draw_agreement(table).axes[0]
    for label, low, high in [
        ("area", table["lower_bound"], table["true_positive_agreement"]),
        (
            "deviation",
            table["accuracy_mean"] - table["accuracy_std"],
            table["accuracy_mean"] + table["accuracy_std"],
        ),
    ]:
        corners = {(x, round(y, 9)) for x, y in area(axes, label)}
        for edge in (low, high):
            expected = zip(table["epoch"], (100 * edge).round(9), strict=True)
            assert corners >= set(expected), label


def test_what_is_undefined_is_a_gap() -> None:
    table = make_table(("train",), epochs=6)
    table.loc[[0, 3], ["true_positive_agreement", "chance_agreement"]] = math.nan
    axes = draw_agreement(table).axes[0]
    for label in ("agreement", "chance"):
        gaps = np.isnan(np.asarray(lines(axes)[label].get_ydata(), float))
        np.testing.assert_array_equal(np.flatnonzero(gaps), [0, 3])
    assert not np.isnan(np.asarray(lines(axes)["accuracy"].get_ydata(), float)).any()
    assert not {2, 8} & set(area(axes, "area")[:, 0])


def marked(line: Line2D) -> list[bool]:
    return list(line.get_markevery()) if line.get_marker() else []


def test_few_epochs_have_markers_and_many_have_none() -> None:
    few = lines(draw_agreement(make_table(epochs=25)).axes[0])
    assert all(marked(line) == [True] * 25 for line in few.values())
    many = lines(draw_agreement(make_table(epochs=26)).axes[0])
    assert all(marked(line) == [] for line in many.values())


def test_among_many_epochs_a_value_between_gaps_is_marked() -> None:
    table = make_table(("train",), epochs=30)
    table.loc[[1, 2, 4, 28], "true_positive_agreement"] = math.nan
    drawn = lines(draw_agreement(table).axes[0])
    assert np.flatnonzero(marked(drawn["agreement"])).tolist() == [0, 3, 29]
    assert marked(drawn["chance"]) == []


def test_one_epoch_shows_something() -> None:
    table = make_table(("train",), epochs=1)
    axes = draw_agreement(table).axes[0]
    assert all(marked(line) == [True] for line in lines(axes).values())
    for label in ("area", "deviation"):
        width, height = np.ptp(area(axes, label), axis=0)
        assert width > 0
        assert height > 0
    assert axes.get_xlim() == (1.5, 2.5)
    assert [tick for tick in axes.get_xticks() if 1.5 <= tick <= 2.5] == [2]


def test_the_legend_names_all_curves_and_covers_none() -> None:
    figure = draw_agreement(make_table())
    FigureCanvasAgg(figure).draw()
    (legend,) = figure.legends
    assert [text.get_text() for text in legend.get_texts()] == [
        "mean accuracy ± standard deviation",
        "agreement (TPa)",
        "chance level of agreement (independent networks)",
        "chance level within classes",
        "agreement above its lower bound",
    ]
    assert not any(legend.get_window_extent().overlaps(a.get_window_extent()) for a in figure.axes)
    assert figure.bbox.containsx(legend.get_window_extent().x1)
    assert figure.bbox.containsx(legend.get_window_extent().x0)


def test_entries_of_the_legend_look_like_their_curves() -> None:
    figure = draw_agreement(make_table())
    drawn = lines(figure.axes[0])
    (legend,) = figure.legends
    handles = [h for h in legend.findobj(Line2D) if h.get_xdata(orig=True).size]
    legend_lines = {h.get_color(): h.get_linestyle() for h in handles}
    expected = {line.get_color(): line.get_linestyle() for line in drawn.values()}
    assert legend_lines == expected
    assert same_color(drawn["accuracy"].get_color(), "#CC3311")
    assert same_color(drawn["agreement"].get_color(), "#0077BB")
    assert drawn["chance"].get_linestyle() == "--"
    assert drawn["within"].get_linestyle() == ":"


def test_an_empty_table_is_refused() -> None:
    with pytest.raises(UsageError, match="no epoch is recorded yet"):
        draw_agreement(make_table().iloc[:0])
