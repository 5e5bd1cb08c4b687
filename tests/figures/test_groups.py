"""Deviation over groups, by the numbers drawn."""

import numpy as np
import pandas as pd
import pytest
from matplotlib.axes import Axes

from jagree.figures import NothingToDrawError, draw_groups
from jagree.study.groups import GROUPED
from tests.figures.tables import check_layout, headings, lines, xy


def table(epochs: int = 8, networks: tuple[str, ...] = ("lenet5",)) -> pd.DataFrame:
    rng = np.random.default_rng(0)
    rows = [
        {
            "split": split,
            "epoch": e,
            "network": network,
            "groups": 5,
            "measure": measure,
            "mean": rng.uniform(0.3, 0.6),
            "std": rng.uniform(0.01, 0.05),
        }
        for split in ("train", "test")
        for e in range(1, epochs + 1)
        for network in networks
        for measure in GROUPED
    ]
    return pd.DataFrame(rows)


def band(axes: Axes, place: int) -> set[tuple[float, float]]:
    paths = axes.collections[place].get_paths()
    corners = np.concatenate([path.vertices for path in paths])
    return {(float(x), round(float(y), 9)) for x, y in corners}


def test_means_bands_and_deviations_are_the_table() -> None:
    rows = table()
    rows.loc[(rows["epoch"] == 2) & (rows["measure"] == GROUPED[0]), ["mean", "std"]] = np.nan
    figure = draw_groups(rows)
    above, other, below, _ = figure.axes
    assert headings(figure)[:2] == ["train, 5 groups of 5 lenet5", "test, 5 groups of 5 lenet5"]
    for place, measure in enumerate(GROUPED):
        mine = rows[(rows["split"] == "train") & (rows["measure"] == measure)]
        for axes, column in ((above, "mean"), (below, "std")):
            x, y = xy(lines(axes)[measure])
            np.testing.assert_array_equal(x, mine["epoch"])
            np.testing.assert_allclose(y, 100 * mine[column])
        known = mine.dropna()
        for edge in (known["mean"] - known["std"], known["mean"] + known["std"]):
            expected = zip(known["epoch"], (100 * edge).round(9), strict=True)
            assert band(above, place) >= set(expected)
    assert above.get_ylim() == other.get_ylim() == (0, 100)
    assert (above.get_ylabel(), below.get_ylabel()) == ("mean (%)", "deviation (points)")
    assert below.get_xlabel() == "epochs completed"


@pytest.mark.parametrize("epochs", [1, 30])
@pytest.mark.parametrize("networks", [("lenet5",), ("lenet5", "densenet121", "vgg16")])
def test_nothing_is_cut_and_nothing_overlaps(epochs: int, networks: tuple[str, ...]) -> None:
    figure = draw_groups(table(epochs, networks))
    assert len(figure.axes) == 2 * min(4, 2 * len(networks))
    check_layout(figure)


def test_no_group_is_told() -> None:
    with pytest.raises(NothingToDrawError, match="two groups of five members"):
        draw_groups(table().iloc[:0])
