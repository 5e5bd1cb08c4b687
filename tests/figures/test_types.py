"""Curves per type, by the numbers they draw."""

import numpy as np
import pandas as pd
import pytest

from jagree.figures import NothingToDrawError, draw_types
from tests.figures.tables import check_layout, headings, lines, xy

LIGHT = ["frontal", "ambient", "side_45"]


def table(epochs: int = 9, **columns: list[str]) -> pd.DataFrame:
    rng = np.random.default_rng(0)
    rows = [
        {"split": split, "epoch": e, "column": column, "type": kind, "share": rng.random()}
        for split in ("train", "test")
        for e in range(1, epochs + 1)
        for column, kinds in (columns or {"illumination": LIGHT}).items()
        for kind in kinds
    ]
    return pd.DataFrame(rows)


def test_each_type_is_a_line_in_percent_with_a_marker_of_its_own() -> None:
    rows = table()
    rows.loc[[3, 40], "share"] = np.nan
    (axes,) = draw_types(rows, "test").axes
    drawn = lines(axes)
    assert list(drawn) == sorted(LIGHT)
    for kind, line in drawn.items():
        mine = rows[(rows["split"] == "test") & (rows["type"] == kind)]
        np.testing.assert_array_equal(xy(line)[0], mine["epoch"])
        np.testing.assert_allclose(xy(line)[1], 100 * mine["share"])
    assert len({line.get_marker() for line in drawn.values()}) == 3
    assert (axes.get_ylabel(), axes.get_xlabel()) == ("agreed on (%)", "epochs completed")
    assert axes.get_ylim() == (0, 100)


def test_each_column_has_a_panel_and_a_legend() -> None:
    figure = draw_types(table(illumination=LIGHT, scale=["10", "9", "2"]), "train")
    assert headings(figure) == ["illumination", "scale"]
    named = [[t.get_text() for t in axes.get_legend().get_texts()] for axes in figure.axes]
    assert named == [sorted(LIGHT), ["2", "9", "10"]]


def test_numbers_have_colours_that_rise() -> None:
    (axes,) = draw_types(table(scale=[str(i) for i in range(2, 11)]), "train").axes
    colours = [line.get_color() for line in axes.get_lines()]
    light = [int(str(c)[1:3], 16) + int(str(c)[3:5], 16) for c in colours]
    assert len(set(colours)) == 9
    assert light == sorted(light)


def test_long_runs_keep_markers() -> None:
    (axes,) = draw_types(table(epochs=60), "train").axes
    assert all(4 <= np.sum(line.get_markevery()) <= 10 for line in axes.get_lines())


def test_thirty_types_fit() -> None:
    kinds = [f"a breed of which there is much to say {i}" for i in range(30)]
    figure = draw_types(table(breed=kinds, illumination=LIGHT), "train")
    check_layout(figure)
    (of_breed, _) = figure.axes
    looks = {(x.get_color(), x.get_marker(), x.get_linestyle()) for x in of_breed.get_lines()}
    assert len(looks) == 30


def test_one_epoch_and_none() -> None:
    (axes,) = draw_types(table(epochs=1), "train").axes
    assert all(np.sum(line.get_markevery()) == 1 for line in axes.get_lines())
    with pytest.raises(NothingToDrawError, match="the examples of 'train' are of no types"):
        draw_types(table().iloc[:0], "train")
