"""The densities, by the numbers drawn."""

from typing import Any

import numpy as np
import pandas as pd
import pytest
from matplotlib.axes import Axes
from matplotlib.collections import QuadMesh

from jagree.figures import NothingToDrawError, draw_density
from jagree.figures.density import EpochBins
from tests.figures.tables import check_layout, lines, xy


def table(n: int = 2000, last: int = 12, **columns: Any) -> pd.DataFrame:
    rng = np.random.default_rng(0)
    learned = rng.integers(1, last + 1, n).astype(float)
    learned[rng.random(n) < 0.2] = np.nan
    values = {
        "entropy": rng.normal(6, 0.2, n),
        "segments": rng.integers(1, 9, n).astype(float),
        "dct_share": rng.random(n),
    }
    return pd.DataFrame({"agreed_for_good": learned} | values | columns)


def meshes(axes: Axes) -> tuple[np.ndarray, np.ndarray]:
    """Examples in [value, epoch], and of those never agreed on; those of no example are 0."""
    found = [c for c in axes.collections if isinstance(c, QuadMesh)]
    main, strip = (np.ma.filled(np.ma.asarray(c.get_array()), 0) for c in found)
    return main, strip


def test_colours_are_the_numbers_of_examples() -> None:
    rows = table()
    axes = draw_density(rows, ["segments"]).axes[0]
    main, strip = meshes(axes)
    assert main.shape == (8, 12)
    for value in range(1, 9):
        for epoch in range(1, 13):
            here = (rows["segments"] == value) & (rows["agreed_for_good"] == epoch)
            assert main[value - 1, epoch - 1] == here.sum()
        never = (rows["segments"] == value) & rows["agreed_for_good"].isna()
        assert strip[value - 1, 0] == never.sum()
    assert main.sum() + strip.sum() == len(rows)
    assert axes.get_ylim() == (0.5, 8.5)


def test_the_line_joins_the_medians_of_ten_examples_or_more() -> None:
    rows = table()
    rows.loc[rows.index[rows["agreed_for_good"] == 4][9:], "agreed_for_good"] = 5
    rows.loc[rows.index[rows["agreed_for_good"] == 7][10:], "agreed_for_good"] = 8
    axes = draw_density(rows, ["entropy"]).axes[0]
    x, y = xy(lines(axes)["median"])
    expected = rows.groupby("agreed_for_good")["entropy"].median()
    expected[4] = np.nan
    assert x.tolist() == list(range(1, 13))
    np.testing.assert_allclose(y, expected)
    (place,), (never,) = xy(lines(axes)["never"])
    assert never == rows.loc[rows["agreed_for_good"].isna(), "entropy"].median()
    assert place > 12.5
    (text,) = axes.texts
    assert text.get_text() == "never"
    assert text.get_position()[0] > 12.5


def test_percent_units_and_labels() -> None:
    figure = draw_density(table(), ["dct_share", "entropy"], units={"entropy": "bit"})
    labels = [axes.get_ylabel().replace("\n", " ") for axes in figure.axes]
    assert labels == ["DCT coefficients (%)", "local entropy (bit)", "examples"]
    assert figure.axes[0].get_ylim()[1] == pytest.approx(99.5, abs=1)
    assert {axes.get_xlabel() for axes in figure.axes[:2]} == {"agreed on from epoch"}


def test_examples_without_a_value_and_far_values_are_left_out_of_the_picture() -> None:
    rows = table()
    rows.loc[:99, "entropy"] = np.nan
    rows.loc[100, "entropy"] = 1e6
    main, strip = meshes(draw_density(rows, ["entropy"]).axes[0])
    assert 0.98 * 1900 <= main.sum() + strip.sum() < 1900
    _, y = xy(lines(draw_density(rows, ["entropy"]).axes[0])["median"])
    np.testing.assert_allclose(y, rows.groupby("agreed_for_good")["entropy"].median())


@pytest.mark.parametrize(
    ("epochs", "edges"),
    [
        ([3.0, 5.0, 4.0], [2.5, 3.5, 4.5, 5.5]),
        ([5.0, 15.0, 10.0, np.nan], [2.5, 7.5, 12.5, 17.5]),
        ([7.0], [6.5, 7.5]),
        ([np.nan], [0.5, 1.5]),
    ],
)
def test_columns_are_recorded_epochs(epochs: list[float], edges: list[float]) -> None:
    assert EpochBins.of(np.array(epochs)).edges.tolist() == edges


def test_of_many_epochs_some_stand_together() -> None:
    bins = EpochBins.of(np.arange(1.0, 101.0))
    assert np.diff(bins.edges).tolist() == [3.0] * 34
    assert bins.place(np.array([1.0, 3.0, 4.0, 100.0, np.nan])).tolist() == [0, 0, 1, 33, 34]
    main, _ = meshes(draw_density(table(last=100), ["segments"]).axes[0])
    assert main.shape == (8, 34)


def test_nobody_learned_and_nobody_never() -> None:
    rows = table()
    all_never = draw_density(rows.assign(agreed_for_good=np.nan), ["segments"]).axes[0]
    main, strip = meshes(all_never)
    assert (main.sum(), strip.sum()) == (0, len(rows))
    learned = draw_density(rows.assign(agreed_for_good=3.0), ["segments"]).axes[0]
    main, strip = meshes(learned)
    assert (main.sum(), strip.sum()) == (len(rows), 0)


@pytest.mark.parametrize("count", [1, 2, 3, 5, 14])
def test_nothing_is_cut_and_nothing_overlaps(count: int) -> None:
    more = {f"another column {i}": np.random.default_rng(i).random(2000) for i in range(12)}
    figure = draw_density(table(**more), ["entropy", "segments", *more][:count])
    assert len(figure.axes) == min(count, 12) + 1
    check_layout(figure)


def test_what_does_not_differ_is_left_out_and_nothing_is_told() -> None:
    rows = table(height=32.0, nothing=np.nan)
    figure = draw_density(rows, ["height", "entropy", "nothing"])
    assert [axes.get_ylabel() for axes in figure.axes] == ["local entropy", "examples"]
    for names in (["height", "nothing"], []):
        with pytest.raises(NothingToDrawError, match="no statistic differs between examples"):
            draw_density(rows, names)
