"""Shares of classes, by the numbers they draw."""

from typing import Any

import numpy as np
import pandas as pd
import pytest
from matplotlib.collections import LineCollection

from jagree.figures import NothingToDrawError, draw_class_shares
from tests.figures.tables import check_layout, lines, xy


def table(classes: int = 4, epochs: int = 6, size: Any = 50) -> pd.DataFrame:
    rng = np.random.default_rng(0)
    parts = []
    for epoch in range(1, epochs + 1):
        share = rng.dirichlet(np.ones(classes))
        parts.append(
            pd.DataFrame(
                {
                    "split": "train",
                    "epoch": epoch,
                    "class": np.arange(classes),
                    "class_name": [f"class{c}" for c in range(classes)],
                    "examples": size,
                    "agreed": (100 * share).round(),
                    "share": share,
                }
            )
        )
    return pd.concat(parts, ignore_index=True)


def test_each_class_is_a_line_in_percent_in_the_order_of_the_last() -> None:
    rows = table()
    (axes,) = draw_class_shares(rows, "train").axes
    drawn = {name: line for name, line in lines(axes).items() if name != "whole"}
    last = rows[rows["epoch"] == 6].sort_values("share", ascending=False)
    assert list(drawn) == last["class_name"].tolist()
    for name, line in drawn.items():
        mine = rows[rows["class_name"] == name]
        np.testing.assert_array_equal(xy(line)[0], mine["epoch"])
        np.testing.assert_allclose(xy(line)[1], 100 * mine["share"])
    assert axes.get_ylabel() == "share of the examples agreed on (%)"
    assert axes.get_ylim()[0] == 0
    named = [text.get_text() for text in axes.get_legend().get_texts()]
    assert named == list(drawn)


def test_triangles_are_the_shares_of_the_whole_split() -> None:
    sizes = np.array([10, 20, 30, 140])
    (axes,) = draw_class_shares(table(size=sizes), "train").axes
    names = [str(x.get_label()) for x in axes.get_lines() if x.get_label() != "whole"]
    heights = [float(xy(x)[1][0]) for x in axes.get_lines() if x.get_label() == "whole"]
    whole = dict(zip((f"class{c}" for c in range(4)), 100 * sizes / 200, strict=True))
    assert heights == pytest.approx([whole[name] for name in names])
    colours = {str(x.get_color()) for x in axes.get_lines() if x.get_label() == "whole"}
    assert len(colours) == 4
    (even,) = draw_class_shares(table(), "train").axes
    assert len({str(x.get_color()) for x in even.get_lines() if x.get_label() == "whole"}) == 1


def test_of_many_the_ten_that_change_most_have_colours() -> None:
    rows = table(classes=30)
    figure = draw_class_shares(rows, "train")
    (axes,) = figure.axes
    change = rows.groupby("class_name")["share"].agg(lambda s: s.max() - s.min())
    most = set(change.sort_values().index[-10:])
    assert {name for name in lines(axes) if name != "whole"} == most
    (rest,) = [c for c in axes.collections if isinstance(c, LineCollection)]
    others = rows[~rows["class_name"].isin(most)].groupby("class", sort=True)["share"]
    expected = [100 * share.to_numpy() for _, share in others]
    for line, values in zip(rest.get_segments(), expected, strict=True):
        np.testing.assert_allclose(np.asarray(line)[:, 1], values)
    assert axes.get_legend().get_texts()[-1].get_text() == "20 other classes"
    assert axes.get_ylim()[1] >= 100 * rows["share"].max()
    check_layout(figure)


def test_eleven_leave_one_other_class() -> None:
    (axes,) = draw_class_shares(table(classes=11), "train").axes
    assert axes.get_legend().get_texts()[-1].get_text() == "1 other class"


def test_epochs_in_which_nothing_is_agreed_on_are_gaps() -> None:
    rows = table()
    rows.loc[rows["epoch"].isin([1, 3, 6]), "share"] = np.nan
    (axes,) = draw_class_shares(rows, "train").axes
    x, y = xy(lines(axes)["class0"])
    assert x[np.isnan(y)].tolist() == [1, 3, 6]


def test_one_class_and_one_epoch() -> None:
    check_layout(draw_class_shares(table(classes=1, epochs=1), "train"))
    rows = table().assign(class_name="犬 $x_1$ _")
    draw_class_shares(rows, "train").draw_without_rendering()


def test_nothing_agreed_on_is_told() -> None:
    for rows in (table().assign(share=np.nan), table().iloc[:0]):
        with pytest.raises(NothingToDrawError, match="nothing of 'train' is ever agreed on"):
            draw_class_shares(rows, "train")
