"""The curves of statistics, by the numbers they draw."""

import math

import numpy as np
import pandas as pd
import pytest
from matplotlib.axes import Axes
from matplotlib.colors import same_color
from matplotlib.figure import Figure

from jagree.figures import PAPER, NothingToDrawError, draw_curves
from tests.figures.tables import (
    STATISTICS,
    agreement_table,
    check_layout,
    correlation_table,
    curve_table,
    headings,
    lines,
    xy,
)


def draw(statistics: tuple[str, ...] = STATISTICS, **columns: float) -> Figure:
    agreement = agreement_table(**columns)
    return draw_curves(
        curve_table(agreement, statistics), agreement, correlation_table(statistics), "test"
    )


def both(figure: Figure) -> list[tuple[Axes, Axes]]:
    """Left and right axes of each panel."""
    half = len(figure.axes) // 2
    return list(zip(figure.axes[:half], figure.axes[half:], strict=True))


def test_each_statistic_has_a_panel_the_papers_first() -> None:
    labels = [left.get_ylabel().replace("\n", " ") for left, _ in both(draw())]
    expected = ["local entropy (bit)", "segments", "DCT coefficients (%)", "gradient strength"]
    assert labels == expected


def test_lines_are_the_table_over_the_shown_epochs() -> None:
    agreement = agreement_table()
    agreement.loc[agreement["epoch"] == 9, "accuracy_mean"] = 0.19  # less than the paper shows
    agreement.loc[agreement["epoch"] == 10, "accuracy_mean"] = 0.2
    curves = curve_table(agreement)
    figure = draw_curves(curves, agreement, correlation_table(), "test")
    shown = [6, 7, 8, 10, 11, 12]
    names = ["entropy", "segments", "dct_share", "gradient_strength"]
    for name, (left, right) in zip(names, both(figure), strict=True):
        rows = curves[(curves["split"] == "test") & (curves["statistic"] == name)]
        mean = rows.set_index("epoch").loc[shown, "mean"] * (100 if name == "dct_share" else 1)
        agreed = agreement[agreement["split"] == "test"].set_index("epoch").loc[shown]
        for line, values in (
            (lines(left)["statistic"], mean),
            (lines(right)["agreement"], 100 * agreed["true_positive_agreement"]),
        ):
            np.testing.assert_array_equal(xy(line)[0], shown)
            np.testing.assert_allclose(xy(line)[1], values)
        assert left.get_xlabel() == "epochs completed"
        assert right.get_ylim() == (0, 100)


@pytest.mark.parametrize(
    ("r", "p", "text"),
    [
        (-0.923, 0.0009, "r = \N{MINUS SIGN}0.92"),
        (0.5, 0.001, "r = 0.50"),
        (0.5, 0.0011, "r = (0.50)"),
        (math.nan, math.nan, "r: no value"),
    ],
)
def test_r_is_in_brackets_where_the_paper_has_them(r: float, p: float, text: str) -> None:
    agreement = agreement_table()
    found = correlation_table()
    here = (found["statistic"] == "entropy") & (found["split"] == "test")
    found.loc[here & (found["kind"] == "curves_v1"), ["coefficient", "p"]] = (r, p)
    figure = draw_curves(curve_table(agreement), agreement, found, "test")
    assert headings(figure)[0] == text
    assert headings(figure)[1] != text


def test_what_is_undefined_is_a_gap_and_a_lone_value_is_seen() -> None:
    agreement = agreement_table(40)
    curves = curve_table(agreement)
    missing = (curves["statistic"] == "entropy") & curves["epoch"].isin([20, 22])
    curves.loc[missing, "mean"] = math.nan
    left, right = both(draw_curves(curves, agreement, correlation_table(), "test"))[0]
    x, y = xy(lines(left)["statistic"])
    assert x[np.isnan(y)].tolist() == [20, 22]
    assert x[np.asarray(lines(left)["statistic"].get_markevery())].tolist() == [21]
    assert not np.isnan(xy(lines(right)["agreement"])[1]).any()


def test_of_others_those_that_change_are_drawn_and_at_most_twelve() -> None:
    many = (*STATISTICS, *(f"x{i}" for i in range(12)))
    agreement = agreement_table()
    curves = curve_table(agreement, many)
    curves.loc[curves["statistic"].isin(["x0", "segments"]), "mean"] = 32.0
    curves.loc[curves["statistic"] == "x1", "mean"] = math.nan
    figure = draw_curves(curves, agreement, correlation_table(many), "train")
    labels = [left.get_ylabel() for left, _ in both(figure)]
    assert len(labels) == 12
    assert {"segments", "x2", "x9"} <= set(labels)
    assert not {"x0", "x1", "x10"} & set(labels)


def test_a_statistic_of_the_papers_without_a_value_says_so() -> None:
    agreement = agreement_table()
    curves = curve_table(agreement)
    curves.loc[curves["statistic"] == "entropy", "mean"] = math.nan
    left, _ = both(draw_curves(curves, agreement, correlation_table(), "test"))[0]
    assert [text.get_text() for text in left.texts] == ["no value"]


def test_a_column_without_a_correlation_is_left_out() -> None:
    agreement = agreement_table()
    curves = curve_table(agreement, (*STATISTICS, "edge_strength_se"))
    figure = draw_curves(curves, agreement, correlation_table(), "test")
    assert len(both(figure)) == len(STATISTICS)


def test_one_shown_epoch_shows_something() -> None:
    agreement = agreement_table(6)
    left, right = both(draw_curves(curve_table(agreement), agreement, correlation_table(), "test"))[
        0
    ]
    assert lines(left)["statistic"].get_marker() == "o"
    assert lines(right)["agreement"].get_marker() == "s"
    assert left.get_xlim() == (5.5, 6.5)


@pytest.mark.parametrize("count", [1, 2, 3, 4, 5, 7, 12])
def test_nothing_is_cut_and_nothing_overlaps(count: int) -> None:
    names = (*STATISTICS, "entropy_uint8", "dct_share_ac", *(f"column_{i}" for i in range(6)))
    check_layout(draw(names[:count]))


def test_what_cannot_be_drawn_is_told() -> None:
    early = agreement_table(5)
    with pytest.raises(NothingToDrawError, match="no epoch of 'test' is one that the paper shows"):
        draw_curves(curve_table(early), early, correlation_table(), "test")
    agreement = agreement_table()
    none = correlation_table().iloc[:0]
    with pytest.raises(NothingToDrawError, match="no statistic of 'test' changes"):
        draw_curves(curve_table(agreement).iloc[:0], agreement, none, "test")


def test_colours_are_the_palettes() -> None:
    agreement = agreement_table()
    curves: pd.DataFrame = curve_table(agreement)
    figure = draw_curves(curves, agreement, correlation_table(), "test", PAPER)
    left, right = both(figure)[0]
    assert same_color(lines(left)["statistic"].get_color(), PAPER.statistic)
    assert same_color(lines(right)["agreement"].get_color(), PAPER.agreement)
    (legend,) = figure.legends
    assert [text.get_text() for text in legend.get_texts()] == [
        "mean over the examples agreed on",
        "agreement (right axis, 0 to 100 %)",
    ]
