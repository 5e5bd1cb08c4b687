"""What is refused, what is left when something fails, and the door."""

import json
import subprocess
import sys
from pathlib import Path

import fsspec
import numpy as np
import pytest

import jagree
from jagree.errors import UsageError
from jagree.export import FORMATS, export
from jagree.export.__main__ import run
from jagree.record import RecordWriter
from jagree.record.join import SplitDescription
from tests.export.records import random_logits, record

LABEL = np.arange(12) % 3
LOGITS = random_logits((2, 2, 12, 3), LABEL)


def contents(folder: Path) -> dict[str, bytes]:
    found = [path for path in sorted(folder.rglob("*")) if path.is_file()]
    return {path.relative_to(folder).as_posix(): path.read_bytes() for path in found}


@pytest.mark.parametrize("to", FORMATS)
def test_a_folder_with_something_in_it_is_left_alone(to: str, tmp_path: Path) -> None:
    record(tmp_path / "run", LOGITS, LABEL)
    out = tmp_path / "out"
    out.mkdir()
    export(tmp_path / "run", to, out)
    before = contents(out)
    assert "about.json" in before
    with pytest.raises(UsageError, match=r"holds 'about.json' already; nothing was changed"):
        export(tmp_path / "run", to, out)
    assert contents(out) == before
    with pytest.raises(UsageError, match="is a file; name a folder"):
        export(tmp_path / "run", to, out / "about.json")
    with pytest.raises(UsageError, match="written to a disk, not to 'memory://a'"):
        export(tmp_path / "run", to, "memory://a")


@pytest.mark.parametrize("to", FORMATS)
def test_several_labels_are_refused(to: str, tmp_path: Path) -> None:
    label = np.array([[1, 0], [1, 1]], bool)
    recorder = jagree.Recorder(tmp_path, train=label)
    recorder.add("train", [0, 1], np.zeros((2, 2)))
    recorder.commit(1)
    with pytest.raises(UsageError, match="any number of labels"):
        export(tmp_path, to, tmp_path / "out")
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize(
    ("to", "lacking"),
    [
        ("cartography", "log_prob and margin in epoch 1"),
        ("aum", "margin in epoch 1"),
        ("cleanlab", "log_prob and margin in epoch 2"),
    ],
)
def test_what_a_record_lacks_is_named(to: str, lacking: str, tmp_path: Path) -> None:
    record(tmp_path, LOGITS.argmax(-1), LABEL, class_names=("a", "b", "c"))
    with pytest.raises(UsageError, match=f"the record lacks {lacking}, of which"):
        export(tmp_path, to, tmp_path / "out")
    assert not (tmp_path / "out").exists()
    export(tmp_path, "error_consistency", tmp_path / "out")


@pytest.mark.parametrize("to", ["cartography", "cleanlab"])
def test_members_that_diverged_can_be_left_out(to: str, tmp_path: Path) -> None:
    scores = LOGITS.copy()
    scores[-1, 1, 4] = np.nan
    record(tmp_path / "run", scores, LABEL)
    told = r"member 1 is not finite in epoch 2 \(first for 'train_0000004'\)"
    out = tmp_path / "out"
    out.mkdir()
    with pytest.raises(UsageError, match=told):
        export(tmp_path / "run", to, out)
    assert list(out.iterdir()) == []  # the first epoch was written already
    export(tmp_path / "run", to, out, members=[0])
    assert json.loads((out / "about.json").read_text())["members"][0]["member"] == 0


def with_own_labels(path: Path) -> np.ndarray:
    """A record of two members that were trained on different labels; these."""
    label = np.stack([LABEL, LABEL[::-1]])
    ids = np.array([f"train_{n:02}" for n in range(12)])
    known = SplitDescription(ids, label, LABEL, ("a", "b", "c"), "print")
    writer = RecordWriter.create(
        path / "record.zarr",
        {"train": known},
        networks=["net"] * 2,
        seed=0,
        correctness="single_label",
        recording={"train": "online"},
        data="toy",
        with_loss=False,
    )
    third = np.full((2, 12), -np.log(3))
    fields = {"prediction": np.zeros((2, 12), int), "log_prob": third, "margin": 0 * third}
    writer.append(1, {"train": {**fields, "sum_sq_other": np.full((2, 12), 2 / 9)}})
    return label


def test_members_with_labels_of_their_own(tmp_path: Path) -> None:
    label = with_own_labels(tmp_path)
    export(tmp_path, "cartography", tmp_path / "a")
    for k in (0, 1):
        lines = (tmp_path / f"a/member_{k}/training_dynamics/dynamics_epoch_0.jsonl").read_text()
        assert [json.loads(line)["gold"] for line in lines.splitlines()] == label[k].tolist()
    with pytest.raises(UsageError, match=r"labels of their own.*--members 0"):
        export(tmp_path, "cleanlab", tmp_path / "b")
    export(tmp_path, "cleanlab", tmp_path / "b", members=[1])
    np.testing.assert_array_equal(np.load(tmp_path / "b/labels.npy"), label[1])


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"to": "csv"}, "unknown format 'csv'; known: cartography, aum, cleanlab, error_c"),
        ({"split": "val"}, r"has no split 'val'; it has \['train'\]"),
        ({"members": [0, 2]}, "there is no member 2: the record has the members 0 to 1"),
        ({"epoch": 1}, "'aum' takes no --epoch, which is for cleanlab and error_consistency"),
        ({"per_member": True}, "'aum' takes no --per_member, which is for cleanlab"),
        ({"run": "nowhere"}, "no record at"),
    ],
)
def test_mistakes_are_told(options: dict, message: str, tmp_path: Path) -> None:
    record(tmp_path / "run", LOGITS, LABEL)
    given = {"run": tmp_path / "run", "to": "aum", "out": tmp_path / "out"} | options
    with pytest.raises(UsageError, match=message):
        export(**given)
    assert not (tmp_path / "out").exists()


def test_a_record_without_epochs_or_classes_is_refused(tmp_path: Path) -> None:
    record(tmp_path / "a", LOGITS, LABEL)
    RecordWriter(tmp_path / "a/record.zarr").rewind(0)
    with pytest.raises(UsageError, match="has no epoch yet"):
        export(tmp_path / "a", "aum", tmp_path / "out")
    record(tmp_path / "b", np.zeros((1, 1, 2, 1)), np.zeros(2, int), class_names=("only",))
    with pytest.raises(UsageError, match="of one class"):
        export(tmp_path / "b", "cartography", tmp_path / "out")


def test_a_disk_that_fails_leaves_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    record(tmp_path / "run", LOGITS, LABEL)

    def full(*_: object, **__: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("pandas.DataFrame.to_csv", full)
    code = run([str(tmp_path / "run"), "--to=cartography", f"--out={tmp_path / 'out'}"])
    assert code == 2
    assert "No space left on device; nothing was exported" in capsys.readouterr().err
    assert not (tmp_path / "out").exists()


def test_what_a_killed_export_left_is_named(tmp_path: Path) -> None:
    record(tmp_path / "run", LOGITS, LABEL)
    (tmp_path / "out/unfinished_export").mkdir(parents=True)
    with pytest.raises(UsageError, match="an export that was stopped left it"):
        export(tmp_path / "run", "aum", tmp_path / "out")


def test_a_run_elsewhere_is_exported_here(tmp_path: Path) -> None:
    record(tmp_path / "run", LOGITS, LABEL)
    memory = fsspec.filesystem("memory")
    try:
        memory.put(str(tmp_path / "run"), "/bucket/run", recursive=True)
        export("memory://bucket/run", "aum", tmp_path / "there")
    finally:
        memory.store.clear()
        memory.pseudo_dirs[:] = [""]
    export(tmp_path / "run", "aum", tmp_path / "here")
    there, here = contents(tmp_path / "there"), contents(tmp_path / "here")
    assert json.loads(there.pop("about.json"))["run"] == "memory://bucket/run"
    here.pop("about.json")
    assert there == here


def test_the_door(tmp_path: Path) -> None:
    record(tmp_path / "run", LOGITS, LABEL)
    code = (
        "import sys\n"
        "for name in ('jax', 'jaxlib', 'flax', 'matplotlib'):\n"
        "    sys.modules[name] = None\n"
        "from jagree.export.__main__ import run\n"
        "sys.exit(run(sys.argv[1:]))\n"
    )
    out = tmp_path / "out"
    flags = ["--to=cleanlab", f"--out={out}", "--members", "1", "0", "--epoch=1", "--per_member"]
    command = [sys.executable, "-c", code, str(tmp_path / "run"), *flags]
    done = subprocess.run(command, capture_output=True, text=True, timeout=120)
    assert done.returncode == 0, done.stderr
    assert done.stdout.startswith(f"{out}: 2 members, 1 epoch, 12 examples. Exact: ")
    assert done.stdout.count("\n") == 1
    assert (out / "member_1/pred_probs.npy").exists()
    again = subprocess.run(command, capture_output=True, text=True, timeout=120)
    assert again.returncode == 2
    assert again.stderr.startswith(f"jagree: '{out}' holds ")
