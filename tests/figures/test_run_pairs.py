"""The map of pairs of runs, by the numbers it draws."""

from itertools import combinations

import numpy as np
import pandas as pd
import pytest

from jagree.errors import UsageError
from jagree.figures.palette import PAPER
from jagree.figures.run_pairs import MOST_NUMBERS, draw_run_pairs, matrix


def make_table(runs: int = 3, splits: tuple[str, ...] = ("train", "test")) -> pd.DataFrame:
    rng = np.random.default_rng(0)
    within = rng.uniform(0.3, 0.9, (2, runs))
    rows = [
        {"run_1": f"r{i}", "run_2": f"r{j}", "split": split, "epoch": epoch, "measure": measure}
        | {"within_1": within[s, i], "within_2": within[s, j], "between": rng.uniform(0.2, 0.8)}
        for epoch in (1, 2)
        for s, split in enumerate(splits)
        for i, j in combinations(range(runs), 2)
        for measure in ("agreement", "error_consistency")
    ]
    return pd.DataFrame(rows)


def maps(figure: object) -> list:
    return [axes for axes in figure.axes if axes.images]  # type: ignore[attr-defined]


def test_the_diagonal_is_within_and_the_rest_across_after_the_last_epoch() -> None:
    table = make_table()
    panels = maps(draw_run_pairs(table))
    assert [axes.get_title(loc="left") for axes in panels] == ["train, epoch 2", "test, epoch 2"]
    assert [label.get_text() for label in panels[0].get_yticklabels()] == ["r0", "r1", "r2"]
    for axes, split in zip(panels, ("train", "test"), strict=True):
        drawn = np.asarray(axes.images[0].get_array())
        rows = table[
            (table["split"] == split) & (table["epoch"] == 2) & (table["measure"] == "agreement")
        ]
        for row in rows.to_dict("records"):
            i, j = int(row["run_1"][1]), int(row["run_2"][1])
            values = row["within_1"], row["within_2"], row["between"], row["between"]
            cells = drawn[i, i], drawn[j, j], drawn[i, j], drawn[j, i]
            assert cells == pytest.approx([100 * value for value in values])
        assert {t.get_text() for t in axes.texts} == {f"{v:.0f}" for v in drawn.ravel()}
    low, high = panels[0].images[0].get_clim()
    assert panels[1].images[0].get_clim() == (low, high)


def test_what_is_not_defined_is_a_dash() -> None:
    table = make_table(2, ("train",)).assign(within_1=np.nan)
    (axes,) = maps(draw_run_pairs(table, PAPER))
    assert axes.texts[0].get_text() == "-"
    assert np.isnan(np.asarray(axes.images[0].get_array())[0, 0])
    (empty,) = maps(draw_run_pairs(table.assign(within_2=np.nan, between=np.nan)))
    assert {t.get_text() for t in empty.texts} == {"-"}


def test_values_that_are_all_alike_look_alike() -> None:
    table = make_table(2, ("train",)).assign(within_1=0.5, within_2=0.5, between=0.5)
    (axes,) = maps(draw_run_pairs(table))
    low, high = axes.images[0].get_clim()
    assert low < 50 < high


def test_many_runs_have_no_numbers() -> None:
    (axes,) = maps(draw_run_pairs(make_table(MOST_NUMBERS + 1, ("train",))))
    assert not axes.texts
    assert np.isfinite(np.asarray(axes.images[0].get_array())).all()


def test_numbers_are_read_on_every_colour() -> None:
    (axes,) = maps(draw_run_pairs(make_table(4, ("train",))))
    colours = {t.get_color() for t in axes.texts}
    assert colours == {"white", "black"}


def test_no_pair_is_an_error() -> None:
    with pytest.raises(UsageError, match="two or more"):
        draw_run_pairs(make_table().iloc[:0])
    assert matrix(make_table().iloc[:0], []).shape == (0, 0)
