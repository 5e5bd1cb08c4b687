"""What is read of a record, against loops over members and examples."""

import numpy as np
import pandas as pd
import pytest
import xarray as xr

from jagree.study import agreement, epochs, learning_order
from jagree.study.curves import metric_curve, type_curves
from jagree.study.findings.observed import CannotTellError, observe
from jagree.study.groups import GROUPED, groups_of
from jagree.study.tables import MEASURES
from tests.study.findings.simulated import dataset


def some_right(epochs: int = 4, members: int = 3, examples: int = 30) -> np.ndarray:
    return np.random.default_rng(2).random((epochs, members, examples)) < 0.6


def test_all_is_read_in_one_go() -> None:
    right = some_right()
    value = np.random.default_rng(3).normal(size=30)
    columns = pd.DataFrame(
        {"entropy": value, "count": np.arange(30), "rotation": ["left", "right", "top"] * 10}
    )
    found = observe("train", dataset(right, first=3), columns)
    assert found.epoch.tolist() == [3, 4, 5, 6]
    assert (found.examples, found.networks) == (30, ("densenet121",) * 3)
    for name, function in MEASURES.items():
        np.testing.assert_array_equal(found.measure(name), function(right))
    np.testing.assert_allclose(found.accuracy, right.mean(-1), rtol=1e-15)
    assert found.union.tolist() == right.any(1).sum(1).tolist()
    agreed = right.all(1)
    assert set(found.metrics) == {"entropy", "count"}
    np.testing.assert_array_equal(found.metrics["entropy"], metric_curve(agreed, value))
    expected = type_curves(agreed, columns["rotation"].to_numpy())
    assert list(found.types) == ["rotation"]
    for kind, curve in expected.items():
        np.testing.assert_array_equal(found.types["rotation"][kind], curve)
    order = learning_order(zip([3, 4, 5, 6], right, strict=True))
    np.testing.assert_array_equal(found.order.agreed_for_good, order.agreed_for_good)


def test_the_record_is_read_once(monkeypatch: pytest.MonkeyPatch) -> None:
    read: list[int] = []
    whole = epochs.predictions

    def counting(split: xr.Dataset, position: int) -> np.ndarray:
        read.append(position)
        return whole(split, position)

    monkeypatch.setattr(epochs, "predictions", counting)
    observe("train", dataset(some_right()), pd.DataFrame())
    assert read == [0, 1, 2, 3]


def test_groups_are_five_consecutive_members_of_a_network() -> None:
    networks = tuple("xxyxxxxxxyxxx")  # eleven of one, two of the other
    groups = groups_of(networks)
    assert list(groups) == ["x"]
    assert [g.tolist() for g in groups["x"]] == [[0, 1, 3, 4, 5], [6, 7, 8, 10, 11]]
    assert groups_of(("x",) * 9) == {}
    right = some_right(members=13)
    found = observe("train", dataset(right, networks=networks), pd.DataFrame())
    for name in GROUPED:
        expected = [getattr(agreement, name)(right[:, g]) for g in groups["x"]]
        np.testing.assert_array_equal(found.groups["x"][name], np.stack(expected, 1))


def test_one_member_and_no_epoch() -> None:
    found = observe("train", dataset(some_right(members=1)), pd.DataFrame())
    with pytest.raises(CannotTellError, match="1 member: agreement takes two"):
        found.measure("lower_bound")
    with pytest.raises(CannotTellError, match="no epoch is recorded yet"):
        observe("train", dataset(some_right(epochs=0)), pd.DataFrame())
