"""Members of several networks in one run: each is what it is in a run of its own kind."""

import doctest
import json
from pathlib import Path

import jax
import numpy as np
import pytest
from ml_collections import ConfigDict

from jagree import stages
from jagree.record import open_record
from jagree.training import groups
from jagree.training.batches import Inputs
from jagree.training.checkpoint import Checkpoints
from jagree.training.groups import Groups, group_members
from jagree.words import TIMES

# An order that is not its own inverse.
NETWORKS = ("tiny_b", "tiny_a", "tiny_a", "tiny_b")


def test_doctests() -> None:
    assert doctest.testmod(groups).failed == 0


class FakeEnsemble:
    """Gives back what it was given, as [members, ...]; enough to see who gets what."""

    def __init__(self, name: str) -> None:
        self.stacked = name

    def train(self, data, inputs, hyper):
        return {"data": data, **inputs, **hyper}

    def evaluate(self, data, inputs):
        return {"data": data, "position": inputs.position, "label": inputs.label}

    def gather(self, result):
        return {name: x for name, x in result.items() if name != "data"}


def test_each_network_gets_its_members_rows_and_results_come_in_the_order_of_members() -> None:
    members = group_members(["b", "a", "a", "b", "c"])
    assert members == {"b": [0, 3], "a": [1, 2], "c": [4]}
    parts = Groups({name: FakeEnsemble(name) for name in members}, members)
    assert parts.members == 5
    inputs, hyper = {"x": np.arange(10).reshape(5, 2)}, {"rate": np.arange(5) / 10}
    results = parts.train("the data", inputs, hyper)
    assert [r["data"] for r in results] == ["the data"] * 3
    np.testing.assert_array_equal(results[0]["x"], [[0, 1], [6, 7]])
    np.testing.assert_array_equal(results[1]["rate"], [0.1, 0.2])
    gathered = parts.gather(results)
    np.testing.assert_array_equal(gathered["x"], inputs["x"])
    np.testing.assert_array_equal(gathered["rate"], hyper["rate"])
    assert parts.stacked == {"b": "b", "a": "a", "c": "c"}
    judged = Inputs(position=np.arange(3), corner=None, image=None, label=np.arange(5) * 10)
    results = parts.evaluate("the data", judged)
    for result in results:  # all judge the same images, each by its own labels
        np.testing.assert_array_equal(result.pop("position"), [0, 1, 2])
    np.testing.assert_array_equal(results[0]["label"], [0, 30])
    np.testing.assert_array_equal(parts.gather(results)["label"], judged.label)


def test_a_member_in_no_group_or_in_two_is_a_fault() -> None:
    for wrong in ({"a": [0], "b": [2]}, {"a": [0, 1], "b": [1]}):
        with pytest.raises(ValueError, match="every member must be in one group"):
            Groups({"a": FakeEnsemble("a"), "b": FakeEnsemble("b")}, wrong)


@pytest.fixture
def two_networks(small: ConfigDict, monkeypatch: pytest.MonkeyPatch) -> ConfigDict:
    """Two registered networks more, narrow ones, so that runs take seconds."""
    from jagree import registry

    table = {**registry.TABLE["network"]}
    table |= {f"tiny_{x}": f"tests.training.tiny_networks:Tiny{x.upper()}" for x in "ab"}
    monkeypatch.setitem(registry.TABLE, "network", table)
    small.members = 4
    small.per_member.learning_rate = (0.1, 0.05, 0.02, 0.1)
    small.per_member.label_noise = (0.0, 0.1, 0.2, 0.3)
    return small


def recorded(config: ConfigDict, path: Path) -> dict:
    stages.run(config, path, ["train"], "test")
    return open_record(path / "record.zarr")


@pytest.mark.parametrize(
    ("engine", "mode", "feed"),
    [("loop", "epoch_end", "resident"), ("vmap", "online", "stream")],
)
def test_a_member_beside_other_networks_is_what_it_is_among_its_own(
    two_networks: ConfigDict, tmp_path: Path, engine: str, mode: str, feed: str
) -> None:
    config = two_networks
    config.training.engine, config.recording.mode, config.training.feed = engine, mode, feed
    config.per_member.network = NETWORKS
    mixed = recorded(config, tmp_path / "mixed")
    assert mixed["train"]["network"].values.tolist() == list(NETWORKS)
    config.per_member.network = ()
    seen = set()
    for network in dict.fromkeys(NETWORKS):
        config.network = network
        alone = recorded(config, tmp_path / network)
        for member in (k for k, name in enumerate(NETWORKS) if name == network):
            for split in ("train", "test"):
                ours, own = (r[split].isel(member=member) for r in (mixed, alone))
                np.testing.assert_array_equal(ours["prediction"], own["prediction"])
                np.testing.assert_allclose(ours["log_prob"], own["log_prob"], rtol=0.02, atol=0.01)
            seen.add(bytes(mixed["train"]["prediction"].isel(member=member).values))
    assert len(seen) == len(NETWORKS)  # members differ


def test_a_run_of_several_networks_goes_on_bit_for_bit(
    two_networks: ConfigDict, tmp_path: Path
) -> None:
    config = two_networks
    config.per_member.network = NETWORKS
    whole = recorded(config, tmp_path / "whole")

    class KilledError(Exception):
        pass

    def killed(*arguments):
        raise KilledError

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("jagree.stages._Notes.recorded", killed)
        with pytest.raises(KilledError):
            recorded(config, tmp_path / "broken")
    resumed = recorded(config, tmp_path / "broken")
    # The first invocation was killed before it could note the epoch that it had trained and saved.
    calls = json.loads((tmp_path / "broken" / "run.json").read_text())["invocations"]
    assert [(c["from_epoch"], c["to_epoch"]) for c in calls] == [(0, 1), (1, 2)]
    for split in ("train", "test"):
        for name in ("prediction", "log_prob", "margin"):
            np.testing.assert_array_equal(whole[split][name], resumed[split][name])


def test_terminal_and_run_folder_name_each_network(
    two_networks: ConfigDict, tmp_path: Path, capsys: pytest.CaptureFixture
) -> None:
    config = two_networks
    config.epochs = 1
    config.per_member.network = NETWORKS
    stages.run(config, tmp_path / "run", ["train", "report"], "test")
    out = capsys.readouterr().out
    assert "2 tiny_b (" in out
    assert "parameters each) and 2 tiny_a (" in out
    about = json.loads((tmp_path / "run" / "run.json").read_text())
    assert [m["network"] for m in about["members"]] == list(NETWORKS)
    counts = [m["parameters"] for m in about["members"]]
    # Convolution with bias, norm, dense: 3 * 9 * f + f + 2 f + 10 f + 10 of f features.
    assert counts == [40 * 7 + 10, 40 * 4 + 10, 40 * 4 + 10, 40 * 7 + 10]
    page = (tmp_path / "run" / "report.html").read_text()
    assert f"(2 {TIMES} tiny_b and 2 {TIMES} tiny_a) were trained" in page


def test_in_half_precision_a_run_differs_and_its_weights_stay_single(
    two_networks: ConfigDict, tmp_path: Path
) -> None:
    small = two_networks
    small.network, small.epochs, small.data.train_size = "tiny_b", 1, 100
    small.recording.untrained = True
    single = recorded(small, tmp_path / "single")
    small.precision = "bfloat16"
    half = recorded(small, tmp_path / "half")
    one, other = (r["test"]["log_prob"].values.astype(np.float64) for r in (single, half))
    assert np.isfinite(other).all()
    assert 1e-4 < np.abs(one[0] - other[0]).mean() < 0.05  # the same weights, rounded on the way
    assert (one[1] != other[1]).any()
    with Checkpoints(tmp_path / "half" / "checkpoints", every=1) as checkpoints:
        saved = checkpoints.read(checkpoints.latest)["state"]
    assert {leaf.dtype for leaf in jax.tree.leaves(saved)} == {np.dtype("float32")}
