"""Run folders on disk: what is read of them, and what is said where something is missing."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import xarray as xr

from jagree.configs import default
from jagree.errors import UsageError
from jagree.statistics.table import write_tables
from jagree.study.findings import check, open_runs
from jagree.study.findings.evidence import open_run
from jagree.words import TIMES
from tests.study.findings.simulated import EXAMPLES, learning, run
from tests.study.records import write

LABELS = {"train": np.array([0, 1, 2, 0, 1]), "test": np.array([0, 1, 2])}
NO_RUN_JSON = "no run.json: batch size, schedule and all of the recipe are not known"
NO_STATISTICS = "no statistics.zarr: nothing is known of its images"
DAMAGED = "run.json is damaged or not jagree's, and not used"


def record(path: Path, epochs: tuple[int, ...] = (0, 1, 2), members: int = 3) -> Path:
    path.mkdir(parents=True, exist_ok=True)
    rng = np.random.default_rng(0)
    predictions = {n: rng.integers(0, 3, (len(epochs), members, len(y))) for n, y in LABELS.items()}
    write(path, LABELS, predictions, epochs=epochs)
    return path


def about(**fields: Any) -> dict[str, Any]:
    config = default.get_config()
    config.update(fields)
    return {
        "config": json.loads(config.to_json()),
    }


def table(split: str, **columns: Any) -> xr.Dataset:
    """Statistics of the record's examples, in the reverse order."""
    ids = [f"{split}_{n}" for n in range(len(LABELS[split]))]
    values = {k: ("example", np.asarray(v), {"units": "bit"}) for k, v in columns.items()}
    attributes = {"split": split, "fingerprint": split, "columns": list(columns)}
    return xr.Dataset(values, {"id": ("example", np.array(ids, object))}, attributes).isel(
        example=slice(None, None, -1)
    )


def test_a_record_alone_is_enough(tmp_path: Path) -> None:
    found = open_run(record(tmp_path), "a")
    assert found.record["train"]["epoch"].values.tolist() == [1, 2]  # without the untrained
    assert found.networks == ("net0", "net1", "net2")
    assert found.network == "net0 + net1 + net2"
    assert found.data == found.data_set == "toy"
    assert found.notes == [NO_RUN_JSON, NO_STATISTICS]
    each = " + ".join(f"1 {TIMES} net{k}" for k in range(3))
    assert found.summary() == (
        f"toy, {each}, epochs 1 to 2, true labels, 5 training examples, judged after the epoch"
    )


@pytest.mark.parametrize("epochs", [41, 60])  # the third drop would come after 60
def test_run_json_tells_the_rest(tmp_path: Path, epochs: int) -> None:
    record(tmp_path)
    schedule = {"name": "step", "step_epochs": 20, "step_factor": 0.2}
    text = json.dumps(about(batch_size=32, epochs=epochs, schedule=schedule))
    (tmp_path / "run.json").write_text(text)
    found = open_run(tmp_path, "a")
    assert found.about.batch_size == 32
    assert found.about.config["schedule.step_factor"] == 0.2
    assert found.about.rate_drops == (21, 41)
    assert ", batch 32, " in found.summary()
    assert found.notes == [f"not finished: 2 of {epochs} planned epochs", NO_STATISTICS]


@pytest.mark.parametrize(
    "schedule",
    [
        {"name": "cosine"},
        {"name": "step", "step_factor": 1.0},
        {"name": "step", "step_factor": 2.0},
    ],
)
def test_a_rate_that_does_not_drop_in_steps(tmp_path: Path, schedule: dict[str, Any]) -> None:
    record(tmp_path)
    (tmp_path / "run.json").write_text(json.dumps(about(schedule=schedule)))
    assert open_run(tmp_path, "a").about.rate_drops is None


@pytest.mark.parametrize(
    "text", ["{", "", "[]", "{}", '{"config": 3}', '{"config": {"batch_size": 2}}', "\ud800"]
)
def test_a_damaged_run_json_is_told_and_done_without(tmp_path: Path, text: str) -> None:
    record(tmp_path)
    (tmp_path / "run.json").write_bytes(text.encode("utf-16", "surrogatepass") if text > "~" else
                                        text.encode())  # fmt: skip
    found = open_run(tmp_path, "a")
    assert found.notes[0].startswith(DAMAGED)
    assert found.about.batch_size is None


def test_members_that_the_config_leaves_out(tmp_path: Path) -> None:
    record(tmp_path)
    (tmp_path / "run.json").write_text(json.dumps(about(study={"leave_out": (1,)})))
    found = open_run(tmp_path, "a")
    assert found.networks == ("net0", "net2")
    assert "without member 1, as its config says (study.leave_out)" in found.notes
    assert len(found.observed("train").accuracy[0]) == 2
    (tmp_path / "run.json").write_text(json.dumps(about(study={"leave_out": (0, 1, 2)})))
    with pytest.raises(UsageError, match="leaves all members out"):
        open_run(tmp_path, "a")


def test_a_member_that_diverged_is_named(tmp_path: Path) -> None:
    predictions = {n: np.tile(y, (2, 2, 1)) for n, y in LABELS.items()}
    predictions["test"][1, 1, 0] = -1
    write(tmp_path, LABELS, predictions, epochs=[1, 2])
    notes = open_run(tmp_path, "a").notes
    assert notes[1].startswith("member 1 (net1) diverged in epoch 2 and is in all numbers")


def test_statistics_are_joined_by_id(tmp_path: Path) -> None:
    record(tmp_path)
    kinds = np.array(["top", "side", "top", "side", "top"], object)
    tables = {"train": table("train", entropy=[1.0, 2.0, 3.0, 4.0, 5.0], illumination=kinds)}
    write_tables(tables, tmp_path / "statistics.zarr")
    found = open_run(tmp_path, "a")
    assert found.column("train", "entropy").tolist() == [1, 2, 3, 4, 5]
    assert found.column("train", "illumination").tolist() == kinds.tolist()
    assert found.units["entropy"] == "bit"
    assert set(found.observed("train").types) == {"illumination"}
    assert found.notes == [NO_RUN_JSON]


def test_statistics_of_other_data_are_not_used(tmp_path: Path) -> None:
    record(tmp_path)
    other = table("test", entropy=[1.0, 2.0, 3.0])
    other.attrs["fingerprint"] = "another"
    tables = {"train": table("train", entropy=[1.0] * 5), "test": other}
    write_tables(tables, tmp_path / "statistics.zarr")
    found = open_run(tmp_path, "a")
    assert found.statistics == {}
    assert found.notes[1].startswith("statistics.zarr is not used: the statistics of 'test' were")


def test_damaged_statistics_are_not_used(tmp_path: Path) -> None:
    (record(tmp_path) / "statistics.zarr").mkdir()
    found = open_run(tmp_path, "a")
    assert found.notes[1].startswith("statistics.zarr is not used: ")


def test_runs_are_named_by_their_folders_and_opened_once(tmp_path: Path) -> None:
    one, two = record(tmp_path / "x" / "run"), record(tmp_path / "y" / "run")
    assert [r.name for r in open_runs([one, f"{one}/"])] == ["run"]
    assert [r.name for r in open_runs([one, two])] == ["x/run", "y/run"]
    other = record(tmp_path / "x" / "other")
    assert [r.name for r in open_runs([one, other])] == ["run", "other"]


def test_no_record_is_said_so(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match=r"no record at .*record\.zarr"):
        open_runs([tmp_path / "nowhere"])


@pytest.mark.parametrize(
    ("data", "data_set"),
    [
        ("tfds-cifar10", "cifar10"),
        ("tfds-cifar10-3.0.2", "cifar10"),
        ("tfds-imagenet2012", "imagenet"),
        ("tfds-cifar100", "tfds-cifar100"),
        ("tfds-cifar10_1", "tfds-cifar10_1"),
        ("tfds-voc-2007", "tfds-voc-2007"),  # the paper trains on two years
        ("voc", "voc"),
    ],
)
def test_stock_sets_by_another_source(data: str, data_set: str) -> None:
    assert run(learning(), data=data).data_set == data_set


def test_the_same_data_is_that_of_all_splits() -> None:
    a = run(learning())
    assert a.same_data(run(learning()[:3]))
    assert not a.same_data(run(learning(), learning()))  # one has a test split
    assert not a.same_data(run(learning(), fingerprint="other"))


def multi_label(path: Path) -> None:
    rng = np.random.default_rng(0)
    label = {n: rng.random((40, 3)) < 0.4 for n in ("train", "test")}
    predictions = {n: (rng.random((12, 2, 40, 3)) < 0.5).astype(int) for n in label}
    write(path, label, predictions, epochs=range(1, 13))


def test_a_record_of_several_labels_can_be_checked(tmp_path: Path) -> None:
    multi_label(tmp_path)
    runs = open_runs([tmp_path])
    assert runs[0].label_noise == 0
    assert len(check(runs)) == 41


@pytest.mark.parametrize(("size", "said"), [(0, ""), (5, " (a sample)")])
def test_a_sample_is_called_so(tmp_path: Path, size: int, said: str) -> None:
    record(tmp_path)
    (tmp_path / "run.json").write_text(json.dumps(about(data={"train_size": size})))
    assert f", 5 training examples{said}, judged" in open_run(tmp_path, "a").summary()


def test_how_training_examples_were_judged() -> None:
    online = run(learning(), learning(), recording="online")
    assert online.summary().endswith(", 600 training examples, judged online")
    assert run(learning()).summary().endswith(", judged after the epoch")
    online.record = {"test": online.record["test"]}
    assert "judged" not in online.summary()
    assert online.recording == ""


def test_a_field_that_is_newer_than_the_run_has_its_default(tmp_path: Path) -> None:
    record(tmp_path)
    old = about()
    del old["config"]["precision"]
    (tmp_path / "run.json").write_text(json.dumps(old))
    config = open_run(tmp_path, "a").about.config
    assert config["precision"] == default.get_config().precision
    assert config["data.train_size"] == default.get_config().data.train_size


def test_a_folder_of_runs_names_them(tmp_path: Path) -> None:
    for name in ("b", "a"):
        record(tmp_path / name)
    with pytest.raises(UsageError, match=r"is no run folder, but holds 2 run folders: a, b; name"):
        open_runs([tmp_path])
    (tmp_path / "empty").mkdir()
    with pytest.raises(UsageError, match=r"no record at '.*empty/record.zarr'"):
        open_runs([tmp_path / "empty"])


def test_a_run_that_is_given_twice_counts_once_and_says_so(tmp_path: Path) -> None:
    record(tmp_path / "a")
    (tmp_path / "a/checkpoints").mkdir()
    (tmp_path / "link").symlink_to(tmp_path / "a")
    (one,) = open_runs([tmp_path / "a", tmp_path / "a/../a", tmp_path / "link"])
    assert one.name == "a"
    (linked,) = open_runs([tmp_path / "link"])
    assert linked.name == "link"
    (parent,) = open_runs([tmp_path / "a/checkpoints/.."])
    assert parent.name == "a"
    assert "given 3 times, and counted once" in one.notes


def test_how_many_labels_are_random_the_config_knows_best() -> None:
    true = np.zeros(EXAMPLES, int)
    label = np.where(np.arange(EXAMPLES) < 0.54 * EXAMPLES, 1, true)  # of 5 classes
    noisy = {"label": label, "true_label": true}
    assert run(learning(), **noisy).random_labels == pytest.approx(0.54 * 5 / 4)
    assert run(learning(), config={"data.label_noise": 0.7}, **noisy).random_labels == 0.7
    each = {"data.label_noise": 0.7, "per_member.label_noise": [0.0, 1.0]}
    assert run(learning(), config=each, **noisy).random_labels == pytest.approx(0.54 * 5 / 4)
    asked = run(learning(), config={"data.label_noise": 0.7}, **noisy)
    assert ", 0.70 of the labels drawn at random, 0.540 changed, " in asked.summary()
