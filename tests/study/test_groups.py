"""Pairs and groups of members, each against the measure of its own members."""

from pathlib import Path

import numpy as np

from jagree.study import agreement, kappa
from jagree.study.epochs import walk
from jagree.study.groups import GroupTally, PairTally
from tests.study.records import write

LABEL = np.arange(40) % 3


def predictions(members: int) -> np.ndarray:
    rng = np.random.default_rng(0)
    return np.where(rng.random((2, members, 40)) < 0.6, LABEL, (LABEL + 1) % 3)


def test_each_pair_is_measured_as_two_members(tmp_path: Path) -> None:
    said = predictions(4)
    record = write(tmp_path, {"train": LABEL}, {"train": said}, epochs=[1, 2])
    tally = PairTally("train", record["train"])
    walk(record["train"], tally)
    table = tally.table()
    assert len(table) == 2 * 6
    assert (table["member_1"] < table["member_2"]).all()
    for row in table.itertuples():
        two = said[row.epoch - 1][[row.member_1, row.member_2]]
        assert (row.network_1, row.network_2) == (f"net{row.member_1}", f"net{row.member_2}")
        assert row.agreement == float(agreement.true_positive_agreement(two == LABEL))
        assert row.error_consistency == float(kappa.error_consistency(two == LABEL))
        assert row.same_answer == (two[0] == two[1]).mean()


def test_agreement_deviates_over_groups_of_five(tmp_path: Path) -> None:
    said = predictions(12)
    record = write(tmp_path, {"train": LABEL}, {"train": said}, epochs=[1, 2])
    split = record["train"].assign_coords(network=("member", np.array(["a"] * 11 + ["b"], object)))
    tally = GroupTally("train", split)
    walk(split, tally)
    table = tally.table()
    assert set(table["network"]) == {"a"}
    assert set(table["groups"]) == {2}
    for row in table.itertuples():
        right = said[row.epoch - 1] == LABEL
        two = [float(getattr(agreement, row.measure)(right[g : g + 5])) for g in (0, 5)]
        assert (row.mean, row.std) == (sum(two) / 2, abs(two[0] - two[1]) / 2)


def test_few_members_are_no_groups_and_one_is_no_pair(tmp_path: Path) -> None:
    record = write(tmp_path, {"train": LABEL}, {"train": predictions(1)}, epochs=[1, 2])
    tallies = GroupTally("train", record["train"]), PairTally("train", record["train"])
    walk(record["train"], *tallies)
    for tally in tallies:
        assert len(tally.table()) == 0
        assert {"split", "epoch"} <= set(tally.table().columns)
