"""PABAK beside agreement, by the numbers drawn."""

import numpy as np
import pytest

from jagree.figures import NothingToDrawError, draw_pabak
from tests.figures.tables import agreement_table, check_layout, headings, lines, xy


def test_lines_are_the_table() -> None:
    table = agreement_table()
    table.loc[[3, 15], ["pabak", "true_positive_agreement"]] = np.nan
    figure = draw_pabak(table)
    left, right = figure.axes[:2], figure.axes[2:]
    assert headings(figure)[:2] == ["train, K = 5", "test, K = 5"]
    for a, b, split in zip(left, right, ("train", "test"), strict=True):
        rows = table[table["split"] == split]
        for name in ("true_positive_agreement", "expected_random_agreement", "lower_bound"):
            np.testing.assert_array_equal(xy(lines(a)[name])[0], rows["epoch"])
            np.testing.assert_allclose(xy(lines(a)[name])[1], 100 * rows[name])
        np.testing.assert_array_equal(xy(lines(b)["pabak"])[1], rows["pabak"])
    assert left[0].get_ylabel() == "agreement, ERA and LB (%)"
    assert right[1].get_ylabel() == "PABAK"


def test_pabak_read_on_the_left_is_the_observed_agreement() -> None:
    table = agreement_table(splits=("train",))
    left, right = draw_pabak(table).axes
    observed = (table["pabak"] + 1) / 2  # PABAK = 2 observed - 1
    of_left = left.transData.transform(np.column_stack([table["epoch"], 100 * observed]))
    of_right = right.transData.transform(np.column_stack([table["epoch"], table["pabak"]]))
    np.testing.assert_allclose(of_left, of_right)


@pytest.mark.parametrize("splits", [("train",), ("train", "test"), ("train", "test", "other")])
@pytest.mark.parametrize("epochs", [1, 12, 60])
def test_nothing_is_cut_and_nothing_overlaps(splits: tuple[str, ...], epochs: int) -> None:
    check_layout(draw_pabak(agreement_table(epochs, splits)))


def test_one_member_is_told() -> None:
    for table in (agreement_table(pabak=np.nan), agreement_table().iloc[:0]):
        with pytest.raises(NothingToDrawError, match="one member only"):
            draw_pabak(table)
