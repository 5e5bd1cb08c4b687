"""What Dataset Cartography computes of the files is what jagree computes of the record."""

import itertools
import json
import re
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import xarray as xr

from jagree.errors import UsageError
from jagree.export import export
from jagree.export.scores import UNSEEN
from jagree.record import correct
from jagree.study.cartography import Cartography, CartographyTally
from jagree.study.epochs import Epoch, walk
from jagree.study.order import OrderTally
from tests.export.records import random_logits, record

E, K, N = 4, 3, 400


def read(folder: Path) -> dict[int, dict]:
    """A model's dynamics, as that tool reads them: by the number of files, from 0."""
    found: dict[int, dict] = {}
    folder = folder / "training_dynamics"
    for e in range(len(list(folder.iterdir()))):
        for line in (folder / f"dynamics_epoch_{e}.jsonl").read_text().splitlines():
            told = json.loads(line)
            assert set(told) == {"guid", f"logits_epoch_{e}", "gold"}
            one = found.setdefault(told["guid"], {"gold": told["gold"], "logits": []})
            assert one["gold"] == told["gold"]
            one["logits"].append(told[f"logits_epoch_{e}"])
    return found


def metrics(dynamics: dict[int, dict]) -> pd.DataFrame:
    """What that tool says of each example; softmax in single precision, as PyTorch's."""
    rows = []
    for guid, told in dynamics.items():
        trend, right = [], []
        for logits in told["logits"]:
            single = np.array(logits, np.float32)
            powers = np.exp(single - single.max())
            trend.append(float((powers / powers.sum())[told["gold"]]))
            right.append(bool(np.argmax(logits) == told["gold"]))
        forgotten = sum(before and not now for before, now in itertools.pairwise(right))
        rows.append(
            {
                "guid": guid,
                "confidence": np.mean(trend),
                "variability": np.std(trend),
                "correctness": sum(right),
                "forgetfulness": forgotten if any(right) else 1000,
                "loss": -np.log(max(trend[-1], 1e-300)),
            }
        )
    return pd.DataFrame(rows)


class _Map:
    def __init__(self) -> None:
        self.tally = CartographyTally()

    def add(self, epoch: Epoch) -> None:
        self.tally.add(epoch.values("log_prob"), epoch.values("margin"))


def recorded(split: xr.Dataset) -> Cartography:
    """The same by jagree."""
    tally = _Map()
    walk(split, tally)
    return tally.tally.result()


@pytest.mark.parametrize("classes", [2, 3, 10])
def test_its_metrics_are_those_of_the_record(classes: int, tmp_path: Path) -> None:
    label = np.random.default_rng(0).integers(0, classes, N)
    logits = random_logits((E, K, N, classes), label)
    split = record(tmp_path / "run", logits, label, epochs=(0, 1, 5, 9))
    line = export(tmp_path / "run", "cartography", tmp_path / "out")
    expected = recorded(split)
    right = np.stack([correct(split, e) for e in range(E)])
    order = OrderTally()
    for e in range(E):
        order.add(e, right[e])
    forgetting = order.members.result().forgetting_events
    moves = 0
    for k in range(K):
        found = metrics(read(tmp_path / "out" / f"member_{k}"))
        assert found["guid"].tolist() == list(range(N))
        times = right[:, k].sum(0)
        np.testing.assert_array_equal(found["correctness"], times)
        np.testing.assert_array_equal(
            found["forgetfulness"], np.where(times > 0, forgetting[k], 1000)
        )
        off = np.abs(found["confidence"] - expected.confidence[k])
        moves += (off > 1e-6).sum()
        assert off.max() < 3e-4
        np.testing.assert_allclose(found["variability"], expected.variability[k], atol=3e-4)
        closeness = found["confidence"] * (1 - found["confidence"])
        np.testing.assert_allclose(closeness, expected.threshold_closeness[k], atol=3e-4)
        same = off < 1e-6
        np.testing.assert_allclose(
            found["variability"][same], expected.variability[k][same], atol=1e-6
        )
    # What was moved is said, and it is little.
    told = json.loads((tmp_path / "out/about.json").read_text())["exact"][0]
    assert told in line
    said = re.search(r"moved in ([\d,]+) of ([\d,]+), by (\S+) at most", told)
    count, of, largest = (float(number.replace(",", "")) for number in said.groups())
    assert of == E * K * N
    assert moves <= count < 0.1 * of
    assert 1e-6 < largest < 3e-4


def test_without_contradictions_nothing_is_moved(tmp_path: Path) -> None:
    label = np.arange(60) % 3
    logits = np.random.default_rng(3).normal(size=(2, 1, 60, 3)) * 3
    split = record(tmp_path / "run", logits, label)
    line = export(tmp_path / "run", "cartography", tmp_path / "out")
    assert "moved" not in line
    found = metrics(read(tmp_path / "out/member_0"))
    expected = recorded(split)
    np.testing.assert_allclose(found["confidence"], expected.confidence[0], atol=2 * UNSEEN + 2e-7)
    np.testing.assert_allclose(found["variability"], expected.variability[0], atol=4e-7)
    np.testing.assert_allclose(found["loss"], expected.loss[0], atol=1e-5)


def test_numbers_stand_for_ids_and_epochs(tmp_path: Path) -> None:
    label = np.array([0, 1, 2, 1])
    logits = random_logits((2, 2, 4, 3), label)
    ids = ["d,1", "b", "a", "c"]
    record(tmp_path / "run", logits, label, epochs=(3, 7), ids=ids)
    export(tmp_path / "run", "cartography", tmp_path / "out", members=[1])
    assert not (tmp_path / "out/member_0").exists()
    guids = pd.read_csv(tmp_path / "out/guids.csv")
    assert dict(zip(guids["guid"], guids["id"], strict=True)) == dict(enumerate(sorted(ids)))
    epochs = pd.read_csv(tmp_path / "out/epochs.csv")
    assert epochs.to_dict("list") == {"file": [0, 1], "epochs_completed": [3, 7]}
    dynamics = read(tmp_path / "out/member_1")
    gold = {guids["id"][guid]: told["gold"] for guid, told in dynamics.items()}
    assert gold == dict(zip(ids, label.tolist(), strict=True))
    about = json.loads((tmp_path / "out/about.json").read_text())
    assert about["members"] == [{"member": 1, "network": "net_1", "seed": 0}]
    assert about["epochs"] == [3, 7]


def test_a_record_that_contradicts_itself_is_refused(tmp_path: Path) -> None:
    from tests.study.records import write  # whose probabilities of the label are 1

    write(
        tmp_path,
        {"train": np.array([0, 1, 2])},
        {"train": np.array([[[0, 1, 0]]])},
        epochs=[4],
    )
    told = r"epoch 4: member 0 gives the label of 'train_2' the probability 1 and predicts class 0"
    with pytest.raises(UsageError, match=told):
        export(tmp_path, "cartography", tmp_path / "out")
    assert not (tmp_path / "out").exists()
