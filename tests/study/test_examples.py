"""What the table of examples takes from probabilities, and sets of labels as numbers."""

from pathlib import Path

import hypothesis.extra.numpy as npst
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from jagree.record import RecordWriter, open_record
from jagree.study import example_table
from jagree.study.cartography import CartographyTally, el2n
from jagree.study.epochs import sets_as_numbers
from tests.record.conftest import K, N, make_fields, make_splits
from tests.study.records import write


def record(path: Path, epochs: list[int], multi_label: bool = False) -> dict:
    """What was recorded, by epoch, and the record."""
    correctness = "exact_match" if multi_label else "single_label"
    recorder = RecordWriter.create(
        path / "record.zarr",
        make_splits(multi_label),
        networks=["lenet5"] * K,
        seed=0,
        correctness=correctness,
        recording=dict.fromkeys(N, "epoch_end"),
        data="toy",
    )
    fields = {epoch: make_fields(epoch, multi_label) for epoch in epochs}
    for epoch, values in fields.items():
        recorder.append(epoch, values)
    return fields


@pytest.mark.parametrize(
    ("epochs", "early"),
    [([1, 2], 2), ([4, 10, 11], 10), ([12, 15], 12), ([0, 9, 20], 9), ([0, 20, 40], 20)],
)
def test_columns_of_probabilities_are_means_over_members(
    epochs: list[int], early: int, tmp_path: Path
) -> None:
    fields = record(tmp_path, epochs)
    table = example_table(open_record(tmp_path / "record.zarr")["test"])
    tally = CartographyTally()
    for epoch in epochs:
        of = fields[epoch]["test"]
        tally.add(*(of[name].astype(np.float16) for name in ("log_prob", "margin")))
    expected = tally.result()
    columns = ("confidence", "variability", "aleatoric", "threshold_closeness")
    for name in (*columns, "area_under_margin", "loss"):
        np.testing.assert_array_equal(table[name], getattr(expected, name).mean(0))
    of = fields[early]["test"]
    found = el2n(*(of[name].astype(np.float16) for name in ("log_prob", "sum_sq_other")))
    np.testing.assert_array_equal(table["el2n"], found.mean(0))


def test_members_are_left_out_of_all_columns(tmp_path: Path) -> None:
    record(tmp_path, [1, 2])
    split = open_record(tmp_path / "record.zarr")["test"]
    whole, some = example_table(split), example_table(split, leave_out=[0, 2])
    assert (some["never_learned_by"] <= 1).all()
    for name in ("confidence", "area_under_margin", "loss", "el2n"):
        assert (whole[name] != some[name]).any()


def test_untrained_networks_alone_have_no_el2n(tmp_path: Path) -> None:
    record(tmp_path, [0])
    table = example_table(open_record(tmp_path / "record.zarr")["test"])
    assert "el2n" not in table
    assert table["loss"].notna().all()


def own_labels(path: Path, true: np.ndarray, own: np.ndarray, said: np.ndarray) -> list[bool]:
    """`same_mistake` of members with labels `own` [K, N], who say `said` [K, N] in the end."""
    split = write(path, {"train": true}, {"train": said[None]}, epochs=[1])["train"]
    dimensions = ("member", *split["label"].dims)
    split = split.assign_coords(label=(dimensions, own))
    assert not example_table(split)["never_learned_by"].lt(len(own)).any()  # all are wrong
    found: list[bool] = example_table(split)["same_mistake"].tolist()
    return found


def test_members_that_all_give_the_original_label_make_no_mistake(tmp_path: Path) -> None:
    true = np.array([0, 0, 0])
    own = np.array([[1, 1, 1], [1, 2, 1]])
    # The original label, by other labels of their own than it; another one; not the same.
    said = np.array([[0, 0, 2], [0, 0, 0]])
    assert own_labels(tmp_path / "1", true, own, said) == [False, False, False]
    assert own_labels(tmp_path / "2", true, own, np.full((2, 3), 0)) == [False] * 3
    own = np.array([[1, 1, 0], [1, 0, 1]])
    assert own_labels(tmp_path / "3", true, own, np.full((2, 3), 2)) == [True] * 3


def test_so_it_is_with_several_labels(tmp_path: Path) -> None:
    true = np.array([[1, 0, 0], [1, 1, 0]], bool)
    own = np.array([~true, ~true])
    same = np.array([[1, 0, 0], [1, 0, 0]])  # of the first example the original set
    assert own_labels(tmp_path, true, own, np.stack([same, same])) == [False, True]


def test_labels_changed_for_all_members_alike_are_those_that_count(tmp_path: Path) -> None:
    label, true = np.array([1, 1]), np.array([0, 1])
    said = np.array([[[0, 0], [0, 0]]])  # by the label both are wrong; by the original one
    labels, originals = {"train": label}, {"train": true}
    split = write(tmp_path, labels, {"train": said}, epochs=[1], true_labels=originals)["train"]
    assert example_table(split)["same_mistake"].tolist() == [True, True]


def test_several_labels_have_no_el2n(tmp_path: Path) -> None:
    record(tmp_path, [1], multi_label=True)
    table = example_table(open_record(tmp_path / "record.zarr")["train"])
    assert "el2n" not in table
    assert table["area_under_margin"].notna().all()


@settings(deadline=None, database=None)
@given(
    labels=npst.arrays(
        np.int8, npst.array_shapes(min_dims=2, max_dims=3, max_side=11), elements=st.integers(-1, 1)
    )
)
def test_equal_sets_of_labels_have_equal_numbers(labels: np.ndarray) -> None:
    numbers = sets_as_numbers(labels)
    assert numbers.shape == labels.shape[:-1]
    rows = [tuple(row) for row in labels.reshape(-1, labels.shape[-1]).tolist()]
    named: dict[int, tuple[int, ...]] = {}
    for number, row in zip(numbers.reshape(-1).tolist(), rows, strict=True):
        if min(row) < 0:
            assert number == -1
        else:
            assert named.setdefault(number, row) == row
    assert len(set(named.values())) == len(named)
    assert min(named, default=0) >= 0
