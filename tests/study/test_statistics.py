"""Statistics beside what was learned: joined by id, never by position."""

import numpy as np
import pandas as pd
import pytest
import xarray as xr

from jagree.errors import UsageError
from jagree.study import check_same_data, statistics_table, with_statistics


@pytest.fixture
def statistics() -> xr.Dataset:
    return xr.Dataset(
        {
            "segments": ("example", [4.0, np.nan, 9.0, 1.0], {"units": ""}),
            "entropy": ("example", [1.0, 2.0, 3.0, 6.0], {"units": "bit"}),
            "light": ("example", np.array(["top", "front", "top", "side"], object)),
        },
        {"id": ("example", np.array(list("abcd"), object))},
        {"fingerprint": "f" * 64, "split": "test"},
    )


def test_joined_by_id_in_the_order_of_the_examples(statistics: xr.Dataset) -> None:
    examples = pd.DataFrame({"id": ["d", "a", "c"], "epoch": [7, 8, 9]}, index=[5, 6, 7])
    found = with_statistics(examples, statistics)
    assert found["id"].tolist() == ["d", "a", "c"]
    assert found["epoch"].tolist() == [7, 8, 9]
    assert found["segments"].tolist() == [1.0, 4.0, 9.0]
    assert found["light"].tolist() == ["side", "top", "top"]


def test_examples_in_the_order_of_the_statistics_are_joined_as_they_are(
    statistics: xr.Dataset,
) -> None:
    ids = statistics["id"].values.tolist()
    found = with_statistics(pd.DataFrame({"id": ids}), statistics)
    again = with_statistics(pd.DataFrame({"id": ids[::-1]}), statistics)
    pd.testing.assert_frame_equal(found, again[::-1].reset_index(drop=True))
    assert found["id"].tolist() == ids


def test_an_example_without_statistics_is_named(statistics: xr.Dataset) -> None:
    with pytest.raises(UsageError, match="1 examples have no image statistics, 'e' for one"):
        with_statistics(pd.DataFrame({"id": ["a", "e"]}), statistics)


def test_other_data_is_refused(statistics: xr.Dataset) -> None:
    check_same_data(xr.Dataset(attrs={"fingerprint": "f" * 64}), statistics)
    with pytest.raises(UsageError, match="'test' were measured on other data than was recorded"):
        check_same_data(xr.Dataset(attrs={"fingerprint": "e" + "f" * 63}), statistics)


def test_the_summary_is_of_what_has_a_value(statistics: xr.Dataset) -> None:
    table = statistics_table({"test": statistics}).set_index("statistic")
    assert list(table.index) == ["segments", "entropy"]  # categories have no mean
    row = table.loc["segments"]
    assert (row["examples"], row["without_value"]) == (3, 1)
    assert row["mean"] == pytest.approx(14 / 3)
    assert row["std"] == pytest.approx(np.std([4, 9, 1], ddof=1))
    assert (row["min"], row["median"], row["max"]) == (1, 4, 9)
    entropy = table.loc["entropy"]
    assert (entropy["quartile_1"], entropy["quartile_3"]) == (1.75, 3.75)
    assert entropy["units"] == "bit"


@pytest.mark.parametrize(("values", "mean"), [([np.nan, np.nan], np.nan), ([np.nan, 2.0], 2.0)])
def test_without_values_the_summary_is_nan(values: list[float], mean: float) -> None:
    dataset = xr.Dataset({"x": ("example", values)})
    row = statistics_table({"test": dataset}).iloc[0]
    np.testing.assert_equal(row["mean"], mean)
    assert np.isnan(row["std"])
