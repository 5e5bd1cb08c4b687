"""Coefficients and intervals, by the numbers drawn."""

import numpy as np
import pytest
from matplotlib.axes import Axes
from matplotlib.colors import same_color
from matplotlib.lines import Line2D

from jagree.figures import NothingToDrawError, draw_correlations
from tests.figures.tables import SPLITS, check_layout, correlation_table, headings, xy

KINDS = ("examples", "within_class", "partial")


def markers(axes: Axes) -> dict[str, Line2D]:
    return {str(x.get_label()): x for x in axes.get_lines() if " " in str(x.get_label())}


def hollow(line: Line2D) -> bool:
    return same_color(line.get_markerfacecolor(), "white")


def intervals(axes: Axes) -> set[tuple[float, float, float]]:
    """Low, high, and the height at which they are drawn."""
    found = set()
    for line in axes.get_lines():
        x, y = xy(line)
        if len(x) == 2 and y[0] == y[1]:
            found.add((round(x[0], 9), round(x[1], 9), round(y[0], 9)))
    return found


def test_markers_and_intervals_are_the_table() -> None:
    table = correlation_table()
    figure = draw_correlations(table)
    assert headings(figure) == list(SPLITS)
    for axes, split in zip(figure.axes, SPLITS, strict=True):
        drawn = markers(axes)
        rows = table[(table["split"] == split) & table["kind"].isin(KINDS)]
        assert len(drawn) == len(rows) == 12
        for row in rows.itertuples():
            line = drawn[f"{row.statistic} {row.kind}"]
            (x,), (y,) = xy(line)
            assert x == row.coefficient
            assert hollow(line) == (row.p_adjusted >= 0.05)
            assert (round(row.low, 9), round(row.high, 9), round(y, 9)) in intervals(axes)
        assert {hollow(line) for line in drawn.values()} == {True, False}
        assert axes.get_xlabel().replace("\n", " ") == "rank correlation with epoch of learning"


def test_each_statistic_is_a_row_and_each_kind_has_a_look() -> None:
    figure = draw_correlations(correlation_table())
    axes = figure.axes[0]
    labels = [text.get_text() for text in axes.get_yticklabels()]
    assert labels == ["local entropy", "segments", "DCT coefficients", "gradient strength"]
    top, bottom = axes.get_ylim()
    assert top > bottom  # the first row is on top
    drawn = markers(axes)
    assert {round(float(xy(drawn[f"segments {kind}"])[1][0])) for kind in KINDS} == {1}
    looks = {(x.get_color(), x.get_marker()) for x in drawn.values()}
    assert len(looks) == 3
    (legend,) = figure.legends
    assert [text.get_text() for text in legend.get_texts()] == [
        "all examples",
        "within classes",
        "given class and the paper's other statistics",
        "hollow: p ≥ 0.05 after adjustment",
    ]


def test_what_has_no_value_is_not_drawn_and_doubt_is_hollow() -> None:
    table = correlation_table(splits=("train",))
    numbers = ["coefficient", "low", "high", "p_adjusted"]
    no_value = (table["statistic"] == "entropy") & (table["kind"] == "partial")
    table.loc[no_value, numbers] = np.nan
    no_doubt = (table["statistic"] == "entropy") & (table["kind"] == "examples")
    table.loc[no_doubt, ["p_adjusted", "low", "high"]] = np.nan
    drawn = markers(draw_correlations(table).axes[0])
    assert "entropy partial" not in drawn
    assert hollow(drawn["entropy examples"])
    assert len(drawn) == 11


def test_a_p_at_the_level_is_hollow() -> None:
    """As in the words: clear is below the level."""
    table = correlation_table(splits=("train",))
    for p, expected in ((0.05, True), (0.0499, False)):
        drawn = markers(draw_correlations(table.assign(p_adjusted=p)).axes[0])
        assert {hollow(line) for line in drawn.values()} == {expected}


def test_all_is_in_view_and_zero_in_the_middle() -> None:
    table = correlation_table()
    low, high = draw_correlations(table).axes[0].get_xlim()
    assert low == -high
    assert high > table[["low", "high"]].abs().to_numpy().max()


@pytest.mark.parametrize("splits", [("train",), SPLITS, ("train", "test", "sketches")])
@pytest.mark.parametrize("count", [1, 4, 16])
def test_nothing_is_cut_and_nothing_overlaps(splits: tuple[str, ...], count: int) -> None:
    names = ("entropy", "dct_share_ac", "entropy_uint8", *(f"column_{i}" for i in range(13)))
    check_layout(draw_correlations(correlation_table(names[:count], splits)))


def test_no_coefficient_is_told() -> None:
    table = correlation_table()
    for none in (table.iloc[:0], table.assign(coefficient=np.nan)):
        with pytest.raises(NothingToDrawError, match="no correlation over examples"):
            draw_correlations(none)
