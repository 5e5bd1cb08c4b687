"""Dose and response, by the numbers drawn."""

import numpy as np
import pandas as pd
import pytest
from matplotlib.axes import Axes

from jagree.figures import NothingToDrawError, draw_responses
from jagree.study.intervention import effect_table, response_table
from tests.figures.tables import check_layout, headings, xy


def tables(factors: int = 3, n: int = 800) -> tuple[pd.DataFrame, pd.DataFrame]:
    rng = np.random.default_rng(0)
    values = {f"factor_{i}": rng.random(n) for i in range(factors)}
    values["factor_0"] = rng.integers(0, 3, n).astype(float)
    units = {"factor_1": "grey levels"}
    learned = 2 + np.round(3 * values["factor_0"] + 2 * rng.random(n))
    learned[rng.random(n) < 0.1] = np.nan
    classes = rng.integers(0, 2, n)
    effects = effect_table("train", values, units, learned, classes, 12, resamples=20)
    return response_table("train", values, units, learned, 12), effects


def bars(axes: Axes) -> np.ndarray:
    """Low and high end of each interval: float [D, 2]."""
    (found,) = axes.collections
    return np.array([np.asarray(segment)[:, 1] for segment in found.get_segments()])  # type: ignore[attr-defined]


def middle(axes: Axes) -> tuple[np.ndarray, np.ndarray]:
    return xy(axes.get_lines()[0])


def test_lines_and_intervals_are_the_table() -> None:
    responses, effects = tables()
    figure = draw_responses(responses, effects, "train")
    for axes, (_, rows) in zip(figure.axes, responses.groupby("factor", sort=False), strict=True):
        x, y = middle(axes)
        np.testing.assert_array_equal(x, rows["dose"])
        np.testing.assert_array_equal(y, rows["epoch"])
        np.testing.assert_allclose(bars(axes), rows[["low", "high"]])
    assert len(middle(figure.axes[0])[0]) == 3
    labels = [axes.get_xlabel() for axes in figure.axes]
    assert labels == ["factor 0", "factor 1 (grey levels)", "factor 2"]
    assert figure.axes[0].get_ylabel() == "epoch of learning"
    assert len({axes.get_ylim() for axes in figure.axes}) == 1


def test_the_effect_is_written_above_with_its_interval() -> None:
    responses, effects = tables()
    row = effects.iloc[0]
    numbers = [f"{row[name]:+.1f}" for name in ("effect", "low", "high")]
    text = f"effect {numbers[0]} ({numbers[1]} to {numbers[2]}) epochs".replace("-", "−")  # noqa: RUF001
    figure = draw_responses(responses, effects, "train")
    assert headings(figure)[0] == text
    assert row["effect"] > 4


def test_a_factor_that_does_not_vary_and_a_group_of_one() -> None:
    values = {"still": np.ones(5), "each": np.arange(5.0)}
    learned = np.array([1, 2, 3, np.nan, 5])
    effects = effect_table("train", values, {}, learned, np.zeros(5, int), 6, resamples=5)
    responses = response_table("train", values, {}, learned, 6)
    figure = draw_responses(responses, effects, "train")
    assert headings(figure)[0] == "effect: no value"
    alone = middle(figure.axes[1])
    np.testing.assert_array_equal(alone[1], [1, 2, 3, 7, 5])
    np.testing.assert_array_equal(bars(figure.axes[1]), np.column_stack([alone[1]] * 2))


@pytest.mark.parametrize("factors", [1, 2, 3, 4, 5, 7])
def test_nothing_is_cut_and_nothing_overlaps(factors: int) -> None:
    responses, effects = tables(factors)
    long = {"factor_0": "texture_frequency_of_the_background"}
    check_layout(
        draw_responses(
            responses.replace({"factor": long}), effects.replace({"factor": long}), "train"
        )
    )


def test_no_factor_is_told() -> None:
    responses, effects = tables()
    with pytest.raises(NothingToDrawError, match="no factor of 'test' was assigned"):
        draw_responses(responses, effects, "test")
