"""How many members are right, by the numbers drawn."""

import numpy as np
import pandas as pd
import pytest
from matplotlib.axes import Axes

from jagree.figures import NothingToDrawError, draw_right_counts
from tests.figures.tables import check_layout, headings, xy


def table(epochs: int = 10, members: int = 5) -> pd.DataFrame:
    rng = np.random.default_rng(0)
    rows = [
        {
            "split": "train",
            "epoch": epoch,
            "members_right": right,
            "examples": rng.integers(0, 50),
            "expected": 50 * rng.random(),
        }
        for epoch in range(epochs)
        for right in range(members + 1)
    ]
    return pd.DataFrame(rows)


def heights(axes: Axes) -> list[float]:
    return [bar.get_height() for bar in axes.patches]


def test_bars_and_line_are_the_table_in_percent() -> None:
    rows = table()
    figure = draw_right_counts(rows, "train")
    assert headings(figure) == ["epoch 0", "epoch 3", "epoch 6", "epoch 9"]
    for axes, epoch in zip(figure.axes, [0, 3, 6, 9], strict=True):
        here = rows[rows["epoch"] == epoch]
        total = here["examples"].sum()
        assert heights(axes) == pytest.approx((100 * here["examples"] / total).tolist())
        middles = [bar.get_x() + bar.get_width() / 2 for bar in axes.patches]
        assert middles == pytest.approx(range(6))
        x, y = xy(axes.get_lines()[0])
        assert x.tolist() == list(range(6))
        np.testing.assert_allclose(y, 100 * here["expected"] / total)
        assert axes.get_xlabel() == "members that are right"
    assert figure.axes[0].get_ylabel() == "examples (%)"


@pytest.mark.parametrize("epochs", [1, 2, 3, 4, 5])
@pytest.mark.parametrize("members", [1, 5, 25])
def test_few_epochs_and_many_members(epochs: int, members: int) -> None:
    figure = draw_right_counts(table(epochs, members), "train")
    assert len(figure.axes) == min(epochs, 4)
    assert headings(figure)[-1] == f"epoch {epochs - 1}"
    check_layout(figure)


def test_nothing_recorded_is_told() -> None:
    for rows in (table().iloc[:0], table().assign(examples=0)):
        with pytest.raises(NothingToDrawError, match="nothing of 'train' is recorded"):
            draw_right_counts(rows, "train")
