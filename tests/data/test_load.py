"""What `jagree.data.load` does with whatever a source gives."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from ml_collections import ConfigDict

from jagree import data, registry
from jagree.configs import default
from jagree.data.split import Split
from jagree.errors import UsageError

N = {"train": 400, "test": 90}
HELD_OUT = ["train/0033", "train/0117", "train/0131", "train/0200", "train/0352"]


def toy(split: str, options: Any) -> Split:
    """A source."""
    n = N[split]
    return Split(
        name=split,
        id=np.array([f"{split}/{i:04d}" for i in range(n)]),
        label=np.arange(n, dtype=np.int32) % 3,
        image=np.random.default_rng(n).integers(0, 255, (n, 2, 2, 3), np.uint8),
        class_names=("a", "b", "c"),
        notes=("made up",),
    )


@pytest.fixture
def options(monkeypatch: pytest.MonkeyPatch) -> ConfigDict:
    monkeypatch.setitem(registry.TABLE["source"], "toy", "tests.data.test_load:toy")
    options = default.get_config().data
    options.update({"name": "toy", "train_size": 0, "test_size": 0})
    return options


def test_all_of_it(options: ConfigDict) -> None:
    splits = data.load(options)
    assert {name: len(s) for name, s in splits.items()} == N
    assert splits["train"].notes == ("made up",)


def test_sizes(options: ConfigDict) -> None:
    options.train_size, options.test_size = 50, 20
    splits = data.load(options)
    assert {name: len(s) for name, s in splits.items()} == {"train": 50, "test": 20}
    options.seed = 1
    assert data.load(options)["train"].id.tolist() != splits["train"].id.tolist()


def test_a_share_is_held_out_example_by_example(
    options: ConfigDict, monkeypatch: pytest.MonkeyPatch
) -> None:
    options.test_share = 0.25
    splits = data.load(options)
    held_out = set(splits["test"].id.tolist())
    assert held_out | set(splits["train"].id.tolist()) == {f"train/{i:04d}" for i in range(400)}
    assert len(splits["train"]) + len(splits["test"]) == 400
    assert splits["test"].name == "test"
    assert abs(len(held_out) - 100) < 4 * np.sqrt(400 * 0.25 * 0.75)
    np.testing.assert_array_equal(
        splits["test"].image, toy("train", None).image[[int(i[6:]) for i in splits["test"].id]]
    )
    # An example stays where it is whatever else is there, and a larger share only adds.
    monkeypatch.setitem(N, "train", 200)
    fewer = set(data.load(options)["test"].id.tolist())
    assert fewer == {i for i in held_out if i < "train/0200"}
    options.test_share = 0.5
    assert fewer < set(data.load(options)["test"].id.tolist())
    options.seed = 1
    assert not fewer < set(data.load(options)["test"].id.tolist())


def test_a_share_that_leaves_nothing_is_refused(options: ConfigDict) -> None:
    options.test_share = 1e-9
    with pytest.raises(UsageError, match="of 400 examples leaves none for 'test'"):
        data.load(options)


def test_examples_can_be_left_out_by_id(options: ConfigDict) -> None:
    options.leave_out = ("train/0003", "test/0000", "train/0001")
    splits = data.load(options)
    assert splits["train"].id[:3].tolist() == ["train/0000", "train/0002", "train/0004"]
    assert splits["train"].notes == ("made up", "2 examples left out, as data.leave_out says")
    assert splits["test"].notes == ("made up", "1 example left out, as data.leave_out says")
    options.leave_out = ("train/3",)
    with pytest.raises(
        UsageError, match="names 'train/3', but no example has this id; ids look like 'test/0000'"
    ):
        data.load(options)


def test_what_the_data_is_called() -> None:
    options = default.get_config().data
    assert data.name(options) == "controlled"
    options.name, options.set = "hf", "uoft-cs/cifar10"
    assert data.name(options) == "hf-uoft-cs-cifar10"


def test_what_is_held_out_stays_what_it_was(options: ConfigDict) -> None:
    options.test_share = 0.02
    splits = data.load(options)
    assert splits["test"].id.tolist() == HELD_OUT
    assert splits["test"].notes == (
        "made up",
        "held out of the 400 training examples (data.test_share)",
    )


def test_no_example_left_is_an_error(options: ConfigDict, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(N, "test", 2)
    options.leave_out = ("test/0000", "test/0001")
    with pytest.raises(UsageError, match=r"data.leave_out leaves no example of 'test'"):
        data.load(options)
    monkeypatch.setitem(N, "test", 0)
    options.leave_out = ()
    with pytest.raises(UsageError, match="the split 'test' of this data has no example"):
        data.load(options)


def test_an_example_is_left_out_of_the_sample(options: ConfigDict) -> None:
    options.train_size = 50
    sampled = data.load(options)["train"].id
    options.leave_out = (str(sampled[7]),)
    np.testing.assert_array_equal(data.load(options)["train"].id, np.delete(sampled, 7))


def test_the_folder_for_what_is_kept_reaches_the_splits(
    options: ConfigDict, tmp_path: Path
) -> None:
    assert {s.kept for s in data.load(options, tmp_path).values()} == {tmp_path}


def test_what_is_kept_lies_beside_the_run_unless_the_config_says(
    options: ConfigDict, tmp_path: Path
) -> None:
    run = tmp_path / "runs" / "one"
    assert data.cache_folder(options, run) == tmp_path / "runs" / "prepared"
    options.cache = str(tmp_path / "kept")
    assert data.cache_folder(options, run) == tmp_path / "kept"
