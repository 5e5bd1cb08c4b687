"""Several runs as one study: what is known of simulated ones, and what is refused."""

import json
import math
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
import xarray as xr
from scipy import stats

from jagree.configs import default
from jagree.errors import UsageError
from jagree.study import agreement_table, example_table, member_table, tables
from jagree.study.several import (
    DifferentDataError,
    OpenRun,
    compare,
    differing,
    open_several,
)
from tests.study.findings.simulated import blended, dataset, independent
from tests.study.records import write

ACCURACY = np.linspace(0.3, 0.8, 4)[:, None] * np.ones(3)  # [E, K]


def run(
    name: str,
    right: np.ndarray,
    *,
    test: np.ndarray | None = None,
    seed: int = 0,
    config: dict[str, Any] | None = None,
    **options: Any,
) -> OpenRun:
    """A run in which the members get these examples right: bool [E, K, N]."""

    def seeded(split: xr.Dataset) -> xr.Dataset:
        return split.assign_coords(seed=("member", np.full(split.sizes["member"], seed)))

    record = {"train": seeded(dataset(right, **options))}
    if test is not None:
        record["test"] = seeded(dataset(test, split="test"))
    known = {"seed": seed, "batch_size": 128} if config is None else config
    return OpenRun(name, Path("/runs") / name, record, known)


def easy(seed: int, examples: int = 2000) -> np.ndarray:
    """Members that find the same examples easy, and are else independent."""
    return blended(ACCURACY, 0.5, examples, seed)


def last(table: pd.DataFrame, measure: str = "agreement") -> dict[str, Any]:
    rows = table[(table["epoch"] == table["epoch"].max()) & (table["measure"] == measure)]
    assert len(rows) == 1
    return {str(k): v for k, v in rows.iloc[0].items()}


def test_the_same_members_twice_agree_across_as_within() -> None:
    right = easy(1)
    found = compare([run("a", right), run("b", right, config={"batch_size": 32})], resamples=50)
    for measure in ("agreement", "error_consistency"):
        row = last(found.across, measure)
        assert row["between"] == pytest.approx(row["within_1"])
        assert row["within_1"] == pytest.approx(row["within_2"])
        assert row["difference"] == pytest.approx(0, abs=1e-12)
        assert (row["low"], row["high"]) == pytest.approx((0, 0), abs=1e-12)
        assert row["between_twins"] == 1
    assert found.order[["rho", "first_overlap", "never_overlap"]].to_numpy().tolist() == [[1, 1, 1]]
    assert found.together["true_positive_agreement"].to_numpy() == pytest.approx(
        found.agreement["true_positive_agreement"].to_numpy()[:4]
    )
    assert any("a and b" in note and "began alike" in note for note in found.notes)


def test_independent_runs_are_at_chance() -> None:
    runs = [run(n, independent(ACCURACY, 20_000, s), seed=s) for s, n in enumerate("ab")]
    found = compare(runs, resamples=100)
    row = last(found.across)
    assert row["between"] == pytest.approx(row["chance"], abs=0.01)
    assert row["low"] < 0 < row["high"]
    assert abs(last(found.across, "error_consistency")["between"]) < 0.02
    together = found.together.iloc[-1]
    chance = together["chance_agreement"]
    assert together["true_positive_agreement"] == pytest.approx(chance, abs=0.01)
    assert found.order["low"].item() < 0 < found.order["high"].item()
    assert math.isnan(row["between_twins"])


def test_runs_that_each_have_an_order_of_their_own_agree_less_across() -> None:
    one = easy(1)
    shuffle = np.random.default_rng(0).permutation(one.shape[-1])
    found = compare([run("a", one), run("b", easy(2)[..., shuffle], seed=1)], resamples=100)
    row = last(found.across)
    assert row["difference"] < -0.05
    assert row["low"] < row["difference"] < row["high"] < 0


def test_the_tables_are_those_of_each_run_and_of_all_members() -> None:
    one, two = easy(1, 300), easy(2, 300)[:, :2]
    options = {"test": easy(3, 90)}, {"test": easy(4, 90)[:, :2]}
    runs = [
        run("a", one, config={"data.label_noise": 0.0, "batch_size": 8}, **options[0]),
        run("b", two, seed=1, config={"data.label_noise": 0.2, "batch_size": 8}, **options[1]),
    ]
    found = compare(runs, resamples=10)
    assert list(found.agreement.columns[:5]) == ["run", "label_noise", "seed", "split", "epoch"]
    assert list(found.agreement["split"].unique()) == ["train", "test"]
    for one_run in runs:
        noise = one_run.config["data.label_noise"]
        for table, expected in (
            (found.agreement, agreement_table(one_run.record)),
            (found.members, None),
        ):
            rows = table[table["run"] == one_run.name].reset_index(drop=True)
            assert set(rows["label_noise"]) == {noise}
            if expected is not None:
                pd.testing.assert_frame_equal(rows[expected.columns], expected)
    both = np.concatenate([one, two], axis=1)
    every = {"train": dataset(both)}
    expected = agreement_table(every)
    rows = found.together[found.together["split"] == "train"]
    assert rows["runs"].tolist() == [2] * 4
    for name in ("members", "examples", *tables.MEASURES, *tables.CLASS_MEASURES):
        np.testing.assert_allclose(rows[name], expected[name])
    assert list(found.across.columns[:6]) == [
        *("run_1", "run_2", "label_noise_1", "label_noise_2", "seed_1", "seed_2"),
    ]
    assert set(found.across["label_noise_2"]) == {0.2}
    assert found.runs["labels_changed"].tolist() == [0, 0]


def test_the_order_is_of_when_all_agree_for_good() -> None:
    runs = [run("a", easy(1, 500)), run("b", easy(2, 500), seed=1), run("c", easy(3, 500), seed=2)]
    found = compare(runs, resamples=10)
    since = {r.name: example_table(r.record["train"])["agreed_for_good"].to_numpy() for r in runs}
    assert found.order[["run_1", "run_2"]].to_numpy().tolist() == [
        ["a", "b"], ["a", "c"], ["b", "c"],
    ]  # fmt: skip
    for row in found.order.to_dict("records"):
        never = [np.isnan(since[row[name]]) for name in ("run_1", "run_2")]
        assert row["never_overlap"] == pytest.approx(
            (never[0] & never[1]).sum() / (never[0] | never[1]).sum()
        )
        one, two = (np.nan_to_num(since[row[name]], nan=99) for name in ("run_1", "run_2"))
        assert row["rho"] == pytest.approx(stats.spearmanr(one, two).statistic)
        assert row["examples"] == 500


def test_runs_with_other_labels_are_judged_each_by_its_own() -> None:
    right, label = easy(1, 500), np.arange(500) % 5
    noisy = label.copy()
    noisy[:100] = (noisy[:100] + 1) % 5
    runs = [
        run("clean", right, label=label, true_label=label),
        run("noisy", right, seed=1, label=noisy, true_label=label),
    ]
    found = compare(runs, resamples=10)
    assert found.runs["labels_changed"].tolist() == [0, 0.2]
    rows = found.together
    expected = tables.measures(np.tile(right[-1], (2, 1)), np.repeat([label, noisy], 3, axis=0))
    for name, value in expected.items():
        assert rows[name].iloc[-1] == pytest.approx(value)
    (note,) = [n for n in found.notes if "different labels" in n]
    assert "noisy 20.0\N{NO-BREAK SPACE}%" in note


def test_runs_are_joined_on_the_epochs_that_all_have() -> None:
    one, two = easy(1, 300), easy(2, 300)
    found = compare([run("a", one), run("b", two[:2], seed=1, first=3)], resamples=10)
    assert found.agreement.groupby("run")["epoch"].agg(list).to_dict() == {
        "a": [1, 2, 3, 4],
        "b": [3, 4],
    }
    for table in (found.together, found.across):
        assert table["epoch"].unique().tolist() == [3, 4]
    both = np.concatenate([one[2:], two[:2]], axis=1)
    expected = agreement_table({"train": dataset(both)})["true_positive_agreement"]
    np.testing.assert_allclose(found.together["true_positive_agreement"], expected)
    (note,) = [n for n in found.notes if "recorded are" in n]
    assert "2 epochs" in note
    assert "a 1 to 4 and b 3 to 4" in note
    with pytest.raises(DifferentDataError, match=r"no epoch in common \(a: 1 to 4; b: 7 to 8\)"):
        compare([run("a", one), run("b", two[:2], first=7)])


def test_other_ways_of_judging_and_other_splits_are_named() -> None:
    one = run("a", easy(1, 90), test=easy(3, 90))
    two = run("b", easy(2, 90), seed=1, recording="online")
    notes = compare([one, two], resamples=5).notes
    assert (
        "Training examples are not judged in the same way: a after the epoch and b online." in notes
    )
    assert "Not all runs recorded 'test', which is left out." in notes


@pytest.mark.parametrize(
    ("other", "what"),
    [
        ({"fingerprint": "f00"}, "'train' has the same ids and original labels, but other images"),
        ({"true_label": np.ones(60, int)}, "other original labels for 48 examples, 'train_0' for"),
    ],
)
def test_other_data_are_refused_with_what_differs(other: dict, what: str) -> None:
    one = run("a", easy(1, 60))
    two = run("b", easy(1, 60), **({"fingerprint": "x"} | other))
    with pytest.raises(DifferentDataError) as error:
        compare([one, run("c", easy(1, 60)), two])
    assert "a and b: 'train' " in str(error.value)
    assert what in str(error.value)
    assert str(error.value).endswith("Name only runs on the same data; a, c are")


def test_other_examples_classes_and_rules_are_named() -> None:
    def refusal(two: OpenRun) -> str:
        with pytest.raises(DifferentDataError) as error:
            compare([run("a", easy(1, 60)), two])
        return str(error.value)

    more = refusal(run("b", easy(1, 62), fingerprint="x"))
    assert "has 60 examples and 62 examples, 2 ids only in the second, 'train_60' for one" in more
    assert "(fingerprints toy train and x)" in more
    named = run("b", easy(1, 60))
    named.record["train"].attrs["class_names"] = ["x"] * 5
    assert "differs in class names: ['ant', 'bee', " in refusal(named)
    judged = run("b", easy(1, 60))
    judged.record["train"].attrs["correctness"] = "exact_match"
    assert "differs in the rule of correctness: single_label, exact_match" in refusal(judged)
    turned = run("b", easy(1, 60), fingerprint="x")
    ids = turned.record["train"]["id"].values[::-1]
    turned.record["train"]["id"] = ("example", ids)
    assert "has the same examples in another order" in refusal(turned)
    alone = OpenRun("b", Path("b"), {"test": dataset(easy(1, 60), split="test")}, {})
    assert "no split in common (a: train; b: test)" in refusal(alone)


def test_one_run_is_no_comparison() -> None:
    with pytest.raises(UsageError, match="two runs or more"):
        compare([run("a", easy(1, 20))])


def test_a_run_of_one_network_has_nothing_within() -> None:
    found = compare([run("a", easy(1, 90)[:, :1]), run("b", easy(2, 90), seed=1)], resamples=5)
    row = last(found.across)
    assert math.isnan(row["within_1"])
    assert math.isnan(row["difference"])
    assert 0 < row["between"] < 1
    assert "Of one network there is no agreement within the run: a." in found.notes


def test_several_labels_for_each_example() -> None:
    rng = np.random.default_rng(0)
    label = rng.random((40, 3)) < 0.5
    said = [np.where(rng.random((2, 3, 40, 1)) < 0.3, ~label, label).astype(int) for _ in "12"]
    noisy = label.copy()
    noisy[:10] = ~noisy[:10]
    opened = [_written(said[0], label, label, 0), _written(said[1], noisy, label, 1)]
    found = compare(opened, resamples=5)
    right = [(v == g).all(-1) for v, g in zip(said, (label, noisy), strict=True)]
    codes = [g @ [1, 2, 4] for g in (label, noisy)]
    expected = tables.measures(np.concatenate([r[1] for r in right]), np.repeat(codes, 3, axis=0))
    for name, value in expected.items():
        assert found.together[name].iloc[-1] == pytest.approx(value), name


def _written(values: np.ndarray, label: np.ndarray, true: np.ndarray, seed: int) -> OpenRun:
    split = xr.Dataset(
        {"prediction": (("epoch", "member", "example", "class"), values)},
        {
            "epoch": [1, 2],
            "member": np.arange(3),
            "network": ("member", np.array(["net"] * 3, object)),
            "seed": ("member", np.full(3, seed)),
            "id": ("example", np.array([f"{i}" for i in range(40)], object)),
            "label": (("example", "class"), label),
            "true_label": (("example", "class"), true),
        },
        {
            "fingerprint": "f",
            "class_names": ["x", "y", "z"],
            "correctness": "exact_match",
            "recording": "epoch_end",
        },
    )
    return OpenRun("ab"[seed], Path("ab"[seed]), {"train": split}, {})


def test_what_configs_differ_in() -> None:
    base = {"name": "a", "seed": 0, "optimizer.name": "sgd", "members": 5, "data.dir": "x"}
    assert differing([base, base]) == {}
    other = base | {"name": "b", "seed": 1, "members": 3, "data.dir": "y", "network": "vgg16"}
    assert differing([base, other]) == {"seed": [0, 1], "config.members": [5, 3]}
    rates = [{"optimizer.name": "sgd", "schedule.name": "step"}, {"optimizer.name": "adam"}]
    assert differing([*rates, {}]) == {
        "optimizer.name": ["sgd", "adam", None],
        "schedule.name": ["step", None, None],
    }
    assert differing([{}, {}]) == {}


# --- run folders --------------------------------------------------------------------------------


def folder(path: Path, epochs: Sequence[int] = (1, 2), **fields: Any) -> Path:
    rng = np.random.default_rng(len(path.name))
    label = {"train": np.arange(30) % 3}
    write(path, label, {"train": rng.integers(0, 3, (len(epochs), 3, 30))}, epochs=epochs)
    config = default.get_config()
    config.update(fields)
    (path / "run.json").write_text(json.dumps({"config": json.loads(config.to_json())}))
    return path


def test_run_folders_are_opened_by_what_they_say(tmp_path: Path) -> None:
    one = folder(tmp_path / "a", batch_size=32)
    two = folder(tmp_path / "bb", study={"leave_out": (1,)})
    opened = open_several([one, two, one])
    assert [r.name for r in opened] == ["a", "bb"]
    assert [len(r.networks) for r in opened] == [3, 2]
    found = compare(opened, resamples=5)
    assert list(found.runs.columns[:4]) == ["run", "network", "batch_size", "path"]
    assert found.runs["batch_size"].tolist() == [32, 128]
    assert "network" in member_table(opened[0].record)
    assert set(found.members["network"]) == {"net0", "net1", "net2"}
    assert [len(r.networks) for r in open_several([one, two], [0, 1])] == [1, 1]


def test_a_record_that_tells_nothing_is_no_run(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="has no epoch yet"):
        open_several([folder(tmp_path / "new", epochs=())])
    with pytest.raises(UsageError, match="no record at"):
        open_several([tmp_path / "nowhere"])


def test_without_run_json_it_is_not_known_what_differs(tmp_path: Path) -> None:
    paths = [folder(tmp_path / name) for name in ("a", "bb")]
    (paths[1] / "run.json").unlink()
    notes = compare(open_several(paths), resamples=5).notes
    assert "What else the runs differ in is not known: no run.json for bb." in notes
    assert not any("began alike" in note for note in notes)
    assert any(
        "copies of one run" in n
        for n in compare(open_several([paths[0], folder(tmp_path / "ccc")]), resamples=5).notes
    )
