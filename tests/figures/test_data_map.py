"""The data map, by the points drawn."""

import numpy as np
import pandas as pd
import pytest
from matplotlib.collections import PathCollection
from matplotlib.figure import Figure

from jagree.figures import NothingToDrawError, draw_data_map, to_png
from tests.figures.tables import check_layout


def table(n: int = 300) -> pd.DataFrame:
    rng = np.random.default_rng(0)
    confidence = rng.random(n)
    return pd.DataFrame(
        {
            "confidence": confidence,
            "variability": rng.random(n) * np.sqrt(confidence * (1 - confidence)),
            "accessibility": rng.random(n),
        }
    )


def points(figure: Figure) -> np.ndarray:
    """Variability, confidence and what the colour stands for: float [points, 3]."""
    (found,) = [c for c in figure.axes[0].collections if isinstance(c, PathCollection)]
    assert found.get_rasterized()
    assert found.get_clim() == (0, 1)
    return np.column_stack([found.get_offsets(), np.asarray(found.get_array())])


def rows_of(values: np.ndarray) -> set[tuple[float, ...]]:
    return set(map(tuple, values.round(12).tolist()))


def test_each_example_is_a_point() -> None:
    rows = table()
    figure = draw_data_map(rows)
    drawn = points(figure)
    expected = rows[["variability", "confidence", "accessibility"]].to_numpy()
    assert len(drawn) == 300
    assert rows_of(drawn) == rows_of(expected)
    assert not np.array_equal(drawn, expected)  # in a random order
    axes, bar = figure.axes
    assert axes.get_xlabel() == "variability (standard deviation over epochs)"
    assert axes.get_ylabel() == "confidence (mean probability of the label)"
    assert bar.get_ylabel() == "right in this share of epochs and networks"
    assert axes.get_ylim() == (0, 1)
    assert axes.get_xlim()[1] > expected[:, 0].max()
    check_layout(figure)


def test_of_many_a_sample_that_is_the_same_each_time() -> None:
    rows = table(30_000)
    first, again, other = (points(draw_data_map(rows, seed=seed)) for seed in (0, 0, 1))
    assert len(first) == len(rows_of(first)) == 25_000
    assert rows_of(first) <= rows_of(rows[["variability", "confidence", "accessibility"]].values)
    np.testing.assert_array_equal(first, again)
    assert rows_of(first) != rows_of(other)
    one, two = (to_png(draw_data_map(rows)) for _ in "12")
    assert one == two


def test_examples_without_a_value_are_left_out() -> None:
    rows = table()
    rows.loc[:9, "confidence"] = np.nan
    assert len(points(draw_data_map(rows))) == 290
    check_layout(draw_data_map(table(1).assign(variability=0.0)))  # of one epoch


def test_a_record_without_probabilities_is_told() -> None:
    with pytest.raises(NothingToDrawError, match="no probabilities"):
        draw_data_map(table()[["accessibility"]])
    with pytest.raises(NothingToDrawError, match="no example has finite probabilities"):
        draw_data_map(table().assign(confidence=np.nan))
