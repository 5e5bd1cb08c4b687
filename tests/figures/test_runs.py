"""Runs side by side, by the numbers drawn."""

import numpy as np
import pandas as pd
import pytest

from jagree.errors import UsageError
from jagree.figures import draw_runs
from tests.figures.tables import agreement_table, check_layout, headings, lines, xy


def table(runs: int, epochs: int = 12) -> pd.DataFrame:
    parts = []
    for run in range(runs):
        rows = agreement_table(epochs + run)
        rows.insert(0, "run", f"batch_size_{2 ** (run + 4)}")
        rows["true_positive_agreement"] *= 1 - 0.01 * run
        parts.append(rows)
    return pd.concat(parts, ignore_index=True)


@pytest.mark.parametrize("runs", [1, 2, 3])
def test_few_runs_have_a_panel_each_as_in_the_paper(runs: int) -> None:
    rows = table(runs)
    figure = draw_runs(rows)
    names = list(rows["run"].unique())
    expected = [f"{run}, {split}, K = 5" for split in ("train", "test") for run in names]
    assert headings(figure) == expected
    places = [(split, run) for split in ("train", "test") for run in names]
    for axes, (split, run) in zip(figure.axes, places, strict=True):
        mine = rows[(rows["run"] == run) & (rows["split"] == split)]
        for label, column in (
            ("agreement", "true_positive_agreement"),
            ("accuracy", "accuracy_mean"),
            ("chance", "chance_agreement"),
        ):
            np.testing.assert_array_equal(xy(lines(axes)[label])[0], mine["epoch"])
            np.testing.assert_allclose(xy(lines(axes)[label])[1], 100 * mine[column])
    check_layout(figure)


@pytest.mark.parametrize("runs", [4, 9, 20])
def test_many_runs_are_lines_in_the_same_panels(runs: int) -> None:
    rows = table(runs)
    rows.loc[2, "true_positive_agreement"] = np.nan
    figure = draw_runs(rows)
    assert headings(figure) == ["train", "train", "test", "test"]
    columns = ["true_positive_agreement", "accuracy_mean"] * 2
    assert [axes.get_ylabel() for axes in figure.axes] == [
        "agreement (%)",
        "mean accuracy (%)",
    ] * 2
    for axes, column, split in zip(
        figure.axes, columns, ("train", "train", "test", "test"), strict=True
    ):
        drawn = lines(axes)
        assert list(drawn) == list(rows["run"].unique())
        for run, line in drawn.items():
            mine = rows[(rows["run"] == run) & (rows["split"] == split)]
            np.testing.assert_allclose(xy(line)[1], 100 * mine[column])
    looks = [(x.get_color(), x.get_marker(), x.get_linestyle()) for x in axes.get_lines()]
    assert len(set(looks)) == runs
    check_layout(figure)


def test_a_run_without_a_split_leaves_its_place_empty() -> None:
    rows = table(2)
    rows = rows[~((rows["run"] == "batch_size_16") & (rows["split"] == "test"))]
    figure = draw_runs(rows)
    assert [bool(axes.get_lines()) for axes in figure.axes] == [True, True, False, True]
    draw_runs(table(5).query("not (run == 'batch_size_16' and split == 'test')"))


def test_awkward_names_and_one_epoch() -> None:
    rows = table(4, 1)
    rows["run"] = rows["run"].replace({"batch_size_16": "_$x", "batch_size_32": "犬"})
    draw_runs(rows).draw_without_rendering()


def test_no_run_is_refused() -> None:
    with pytest.raises(UsageError, match="no epoch of any run is recorded"):
        draw_runs(table(1).iloc[:0])
