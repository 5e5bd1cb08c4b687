"""Records of other programs' loops: what is told is what is there, and nothing is lost."""

from pathlib import Path
from typing import Any

import jax.numpy as jnp
import numpy as np
import pytest
from scipy import special

import jagree
from jagree import analysis, recording
from jagree.data.split import Split
from jagree.errors import UsageError
from jagree.record import correct, open_record
from tests.record.test_writer import FullDisk, digest

LABEL = {"train": np.array([0, 2, 1, 1, 0]), "test": np.array([1, 2, 0])}


def scores(epoch: int, member: int, split: str) -> np.ndarray:
    """Logits [N, 3]."""
    rng = np.random.default_rng([epoch, member, len(split)])
    return rng.normal(size=(len(LABEL[split]), 3))


def tell(recorder: jagree.Recorder, epoch: int, members: int = 1) -> None:
    """One epoch, in batches and in no order."""
    for member in range(members):
        for split, label in LABEL.items():
            order = np.random.default_rng(epoch).permutation(len(label))
            for index in (order[:2], order[2:]):
                logits = scores(epoch, member, split)[index]
                recorder.add(split, index, logits, member=member)
    recorder.commit(epoch)


def test_what_is_told_is_recorded(tmp_path: Path) -> None:
    names = ("cat", "dog", "eel")
    recorder = jagree.Recorder(
        tmp_path, class_names=names, networks=("a", "b"), data="mine", seed=3, **LABEL
    )
    assert recorder.epochs == []
    for epoch in (1, 4):
        tell(recorder, epoch, members=2)
    assert recorder.epochs == [1, 4]
    record = open_record(tmp_path / "record.zarr")
    for split, label in LABEL.items():
        found = record[split]
        assert found["id"].values.tolist() == [f"{split}_{i:07d}" for i in range(len(label))]
        assert found["network"].values.tolist() == ["a", "b"]
        assert found["seed"].values.tolist() == [3, 3]
        assert found.attrs["class_names"] == list(names)
        assert "loss" not in found
        np.testing.assert_array_equal(found["label"], label)
        for position, epoch in enumerate((1, 4)):
            logits = np.stack([scores(epoch, k, split) for k in (0, 1)])
            right = correct(found, position)
            np.testing.assert_array_equal(right, logits.argmax(-1) == label)
            p = special.softmax(logits, -1)
            own = np.take_along_axis(p, label[None, :, None], -1)[..., 0]
            some = found.isel(epoch=position)
            np.testing.assert_allclose(np.exp(some["log_prob"]), own, rtol=2e-3)
            squares = (p**2).sum(-1) - own**2
            np.testing.assert_allclose(some["sum_sq_other"], squares, rtol=2e-3)


def test_the_study_takes_it(tmp_path: Path) -> None:
    recorder = jagree.Recorder(tmp_path, networks=("a", "b"), **LABEL)
    tell(recorder, 1, members=2)
    analysis.analyse_run(tmp_path)
    assert (tmp_path / "report.html").exists()


def test_it_goes_on_where_it_was(tmp_path: Path) -> None:
    tell(jagree.Recorder(tmp_path, **LABEL), 1)
    again = jagree.Recorder(tmp_path, **LABEL)
    assert again.epochs == [1]
    with pytest.raises(ValueError, match="epoch 1 is not after epoch 1"):
        tell(again, 1)
    tell(jagree.Recorder(tmp_path, **LABEL), 2)
    assert jagree.Recorder(tmp_path, **LABEL).epochs == [1, 2]
    other = LABEL | {"train": LABEL["train"][::-1]}
    with pytest.raises(UsageError, match="'train' data differs"):
        jagree.Recorder(tmp_path, **other)


def test_ids_are_put_in_order(tmp_path: Path) -> None:
    ids = ["d", "b", "a", "e", "c"]
    told = jagree.Examples(LABEL["train"], id=ids)
    recorder = jagree.Recorder(tmp_path, train=told)
    recorder.add("train", np.arange(5), np.eye(3)[LABEL["train"]])
    recorder.commit(1)
    found = open_record(tmp_path / "record.zarr")["train"]
    assert found["id"].values.tolist() == sorted(ids)
    assert dict(zip(found["id"].values, found["label"].values, strict=True)) == dict(
        zip(ids, LABEL["train"], strict=True)
    )
    assert correct(found, 0).all()


def test_images_give_the_fingerprint_of_the_data(tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    image, ids = rng.integers(0, 256, (3, 4, 4, 3), np.uint8), ["b", "c", "a"]
    label = np.array([1, 0, 1])
    recorder = jagree.Recorder(tmp_path, train=jagree.Examples(label, id=ids, image=image))
    recorder.add("train", np.arange(3), label)
    recorder.commit(1)
    order = np.argsort(ids)
    same = Split("train", np.array(ids)[order], label[order], image[order], ("0", "1"))
    found = open_record(tmp_path / "record.zarr")["train"].attrs["fingerprint"]
    assert found == same.fingerprint


def test_predictions_alone_are_enough_for_agreement(tmp_path: Path) -> None:
    recorder = jagree.Recorder(tmp_path, **LABEL)
    for split, label in LABEL.items():
        recorder.add(split, np.arange(len(label)), label)
    recorder.commit(1)
    found = open_record(tmp_path / "record.zarr")["train"]
    assert correct(found, 0).all()
    assert np.isnan(found["log_prob"]).all()
    analysis.analyse_run(tmp_path)


def test_several_labels(tmp_path: Path) -> None:
    label = np.array([[1, 0], [1, 1], [0, 0]], bool)
    recorder = jagree.Recorder(tmp_path, train=label)
    logits = np.where(label, 2.0, -1.0)
    logits[2, 1] = 0.5
    recorder.add("train", [2, 1, 0], logits[[2, 1, 0]])
    recorder.commit(1)
    found = open_record(tmp_path / "record.zarr")["train"]
    assert correct(found, 0).tolist() == [[True, True, False]]
    assert found["margin"].values[0, 0].tolist() == [1.0, 2.0, -0.5]


def test_tensors_of_pytorch_are_taken(tmp_path: Path) -> None:
    torch = pytest.importorskip("torch")
    label = torch.tensor(LABEL["train"])
    recorder = jagree.Recorder(tmp_path, train=label)
    logits = torch.tensor(scores(1, 0, "train"), dtype=torch.bfloat16, requires_grad=True)
    recorder.add("train", torch.arange(5), logits)
    recorder.commit(1)
    found = open_record(tmp_path / "record.zarr")["train"]["prediction"].values[0, 0]
    np.testing.assert_array_equal(found, logits.argmax(-1).numpy())


@pytest.mark.parametrize("dtype", ["float32", "bfloat16"])
def test_arrays_of_jax_are_taken(dtype: str, tmp_path: Path) -> None:
    logits = jnp.asarray(scores(1, 0, "train"), dtype)
    recorder = jagree.Recorder(tmp_path, train=jnp.asarray(LABEL["train"]))
    recorder.add("train", jnp.arange(5), logits)
    recorder.commit(1)
    found = open_record(tmp_path / "record.zarr")["train"].isel(epoch=0, member=0)
    np.testing.assert_array_equal(found["prediction"], logits.argmax(-1))
    expected = special.log_softmax(np.asarray(logits, np.float64), -1)[range(5), LABEL["train"]]
    np.testing.assert_allclose(found["log_prob"], expected, rtol=1e-3)


def test_whatever_numpy_makes_an_array_of_is_taken(tmp_path: Path) -> None:
    """As tensors of TensorFlow, which is not installed here, are."""

    class Tensor:
        def __init__(self, array: np.ndarray) -> None:
            self.array = array

        def __array__(self, dtype: Any = None, copy: Any = None) -> np.ndarray:
            return np.array(self.array, dtype)

    recorder = jagree.Recorder(tmp_path, train=Tensor(LABEL["train"]))
    logits = scores(1, 0, "train")
    recorder.add("train", Tensor(np.arange(5)), Tensor(logits))
    recorder.commit(1)
    found = open_record(tmp_path / "record.zarr")["train"]["prediction"].values[0, 0]
    np.testing.assert_array_equal(found, logits.argmax(-1))


@pytest.mark.parametrize("waiting", [1, 4, 10**9])
def test_how_many_scores_wait_makes_no_difference(
    waiting: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name, size in (("usual", recording._WAITING), ("other", waiting)):
        monkeypatch.setattr(recording, "_WAITING", size)
        recorder = jagree.Recorder(tmp_path / name, networks=("a", "b"), **LABEL)
        for epoch in (1, 2):
            tell(recorder, epoch, members=2)
    assert digest(tmp_path / "usual") == digest(tmp_path / "other")


def test_the_memory_of_a_batch_may_be_used_again(tmp_path: Path) -> None:
    recorder = jagree.Recorder(tmp_path, train=LABEL["train"])
    logits = scores(1, 0, "train")
    index, batch = np.empty(1, int), np.empty((1, 3))
    for position in range(5):
        index[0], batch[0] = position, logits[position]
        recorder.add("train", index, batch)
    recorder.commit(1)
    found = open_record(tmp_path / "record.zarr")["train"]["prediction"].values[0, 0]
    np.testing.assert_array_equal(found, logits.argmax(-1))


def test_predictions_and_scores_may_follow_each_other(tmp_path: Path) -> None:
    recorder = jagree.Recorder(tmp_path, class_names="abc", train=LABEL["train"])
    logits = scores(1, 0, "train")
    recorder.add("train", [4], np.array([2], np.uint8))
    recorder.add("train", [1, 0], logits[[1, 0]].astype(np.float32))
    recorder.add("train", np.array([3], np.uint64), logits[[3]])
    recorder.add("train", [2], [1])
    recorder.commit(1)
    found = open_record(tmp_path / "record.zarr")["train"].isel(epoch=0, member=0)
    said = logits.argmax(-1)
    assert found["prediction"].values.tolist() == [said[0], said[1], 1, said[3], 2]
    known = np.isfinite(found["log_prob"]).values
    assert known.tolist() == [True, True, False, True, False]


def test_an_output_that_is_not_finite_is_never_right(tmp_path: Path) -> None:
    recorder = jagree.Recorder(tmp_path, train=np.zeros(2, int))
    recorder.add("train", [0, 1], [[np.inf, 0.0], [1.0, 0.0]])
    recorder.commit(1)
    found = open_record(tmp_path / "record.zarr")["train"]
    assert found["prediction"].values[0, 0].tolist() == [-1, 0]
    assert np.isnan(found["log_prob"].values[0, 0]).tolist() == [True, False]


def test_every_example_exactly_once(tmp_path: Path) -> None:
    recorder = jagree.Recorder(tmp_path, train=LABEL["train"])
    recorder.add("train", [0, 1], np.zeros((2, 3)))
    with pytest.raises(ValueError, match="more than once"):
        recorder.add("train", [1, 2], np.zeros((2, 3)))
    with pytest.raises(ValueError, match="3 of 5 examples were recorded not at all"):
        recorder.commit(1)
    recorder.add("train", [2, 3, 4], np.zeros((3, 3)))
    recorder.commit(1)
    assert recorder.epochs == [1]


def test_of_a_call_that_is_refused_nothing_is_kept(tmp_path: Path) -> None:
    recorder = jagree.Recorder(tmp_path, train=LABEL["train"])
    logits = scores(1, 0, "train")
    recorder.add("train", [0, 1], logits[:2])
    for index in ([2, 1], [3, 3]):
        with pytest.raises(ValueError, match="1 of 5 examples were recorded more than once"):
            recorder.add("train", index, np.zeros((2, 3)))
    recorder.add("train", [4, 3, 2], logits[[4, 3, 2]])
    recorder.commit(1)
    found = open_record(tmp_path / "record.zarr")["train"]["prediction"].values[0, 0]
    np.testing.assert_array_equal(found, logits.argmax(-1))


def test_a_commit_that_a_full_disk_stopped_can_be_repeated(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    recorder = jagree.Recorder(tmp_path / "one", **LABEL)
    tell(recorder, 1)
    with monkeypatch.context() as patch:
        FullDisk(patch, 5)
        with pytest.raises(OSError, match="No space left"):
            tell(recorder, 2)
    assert recorder.epochs == [1]
    recorder.commit(2)
    whole = jagree.Recorder(tmp_path / "other", **LABEL)
    for epoch in (1, 2):
        tell(whole, epoch)
    assert digest(tmp_path / "one") == digest(tmp_path / "other")


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("val", [0], [[0.0, 1.0, 2.0]]), "unknown split 'val'; known: train"),
        (("train", [5], [[0.0, 1.0, 2.0]]), "index must be 0 to 4"),
        (("train", [-1], [[0.0, 1.0, 2.0]]), "index must be 0 to 4"),
        (("train", [0, 1], [[0.0, 1.0, 2.0]]), "index must be"),
        (("train", [0.0], [[0.0, 1.0, 2.0]]), "index must be int"),
        (("train", [True] * 5, np.zeros((5, 3))), "index must be int"),
        (("train", [0], [[0.0, 1.0]]), "there are 3 classes, but scores of 2"),
        (("train", [0], [0.5]), r"scores must be \[B, C\], or int \[B\]"),
        (("train", [0], [7]), "there are 3 classes, but scores of 8"),
    ],
)
def test_mistakes_are_told(arguments: tuple, message: str, tmp_path: Path) -> None:
    recorder = jagree.Recorder(tmp_path, class_names="abc", train=LABEL["train"])
    with pytest.raises(ValueError, match=message):
        recorder.add(*arguments)
    with pytest.raises(ValueError, match="member must be 0 to 0"):
        recorder.add("train", [0], [0], member=1)


@pytest.mark.parametrize(
    ("splits", "message"),
    [
        ({}, "name the splits"),
        ({"train": np.array([0.5])}, "must be int"),
        ({"train": np.array([-1])}, "must be 0 or more"),
        ({"train": jagree.Examples([0, 1], id=["a", "a"])}, "must be unique"),
        ({"train": jagree.Examples([0, 1], id=["a"])}, "2 labels and 1 ids"),
        ({"train": jagree.Examples([0, 1], true_label=[0])}, "true_label"),
        ({"train": [0], "test": np.ones((1, 2), bool)}, "either all splits"),
    ],
)
def test_splits_that_make_no_sense_are_refused(splits: dict, message: str, tmp_path: Path) -> None:
    with pytest.raises(UsageError, match=message):
        jagree.Recorder(tmp_path, **splits)
    assert not (tmp_path / "record.zarr").exists()


def test_a_label_without_a_class_is_refused(tmp_path: Path) -> None:
    recorder = jagree.Recorder(tmp_path, class_names="ab", train=LABEL["train"])
    recorder.add("train", np.arange(5), np.zeros(5, int))
    with pytest.raises(UsageError, match="has the label 2, but there are 2 classes"):
        recorder.commit(1)
    again = jagree.Recorder(tmp_path, class_names="ab", train=LABEL["train"])
    with pytest.raises(UsageError, match="has the label 2, but there are 2 classes"):
        again.add("train", np.arange(5), np.zeros((5, 2)))


@pytest.mark.parametrize(
    ("changed", "message"),
    [
        ({"networks": ("b",)}, r"recorded with networks=\('a',\), not \('b',\)"),
        ({"networks": ("a", "b")}, "recorded with networks"),
        ({"class_names": "xyz"}, "recorded with class_names"),
        ({"seed": 1}, "recorded with seed=0, not 1"),
        ({"recording": "online"}, "recorded with recording=epoch_end, not online"),
        ({"recording": "later"}, "unknown recording 'later'; known: epoch_end, online"),
        ({"test": jagree.Examples(1 - LABEL["test"] % 2, true_label=LABEL["test"])}, "labels of"),
    ],
)
def test_a_record_goes_on_only_with_what_it_was_begun_with(
    changed: dict, message: str, tmp_path: Path
) -> None:
    begun = {"networks": ("a",), **LABEL}
    tell(jagree.Recorder(tmp_path, **begun), 1)
    with pytest.raises(UsageError, match=message):
        jagree.Recorder(tmp_path, **(begun | changed))
    with pytest.raises(UsageError, match="which was not named"):
        jagree.Recorder(tmp_path, networks=("a",), test=LABEL["test"])
    again = jagree.Recorder(tmp_path, **begun)
    tell(again, 2)
    assert again.epochs == [1, 2]


def test_members_recorded_one_by_one_are_joined(tmp_path: Path) -> None:
    together = jagree.Recorder(tmp_path / "both", networks=("a", "b"), **LABEL)
    alone = [jagree.Recorder(tmp_path / n, networks=(n,), **LABEL) for n in "ab"]
    for epoch in (1, 2):
        tell(together, epoch, members=2)
        for member, recorder in enumerate(alone):
            for split, label in LABEL.items():
                recorder.add(split, np.arange(len(label)), scores(epoch, member, split))
            recorder.commit(epoch)
    jagree.join_records(tmp_path / "joined", [tmp_path / "a", tmp_path / "b"])
    for split in LABEL:
        one, other = (open_record(tmp_path / n / "record.zarr")[split] for n in ("both", "joined"))
        assert one.load().identical(other.load())
    with pytest.raises(UsageError, match="exists already"):
        jagree.join_records(tmp_path / "joined", [tmp_path / "a", tmp_path / "b"])


def test_what_differs_is_not_joined(tmp_path: Path) -> None:
    tell(jagree.Recorder(tmp_path / "a", **LABEL), 1)
    tell(jagree.Recorder(tmp_path / "b", **LABEL), 2)
    with pytest.raises(UsageError, match="differ in epoch of 'test'"):
        jagree.join_records(tmp_path / "joined", [tmp_path / "a", tmp_path / "b"])
    other = jagree.Recorder(tmp_path / "c", class_names="xyz", **LABEL)
    tell(other, 1)
    with pytest.raises(UsageError, match="differ in class_names"):
        jagree.join_records(tmp_path / "joined", [tmp_path / "a", tmp_path / "c"])
    assert not (tmp_path / "joined").exists()


def test_importing_jagree_imports_little() -> None:
    with pytest.raises(AttributeError, match="no attribute 'recorder'"):
        _ = jagree.recorder


def test_what_is_judged_in_training_says_so(tmp_path: Path) -> None:
    recorder = jagree.Recorder(tmp_path, train=[0, 1], test=[1, 0], recording="online")
    for split in ("train", "test"):
        recorder.add(split, np.arange(2), np.eye(2))
    recorder.commit(1)
    found = open_record(tmp_path / "record.zarr")
    assert {name: split.attrs["recording"] for name, split in found.items()} == {
        "train": "online",
        "test": "epoch_end",
    }
    assert jagree.Recorder(tmp_path, train=[0, 1], test=[1, 0], recording="online").epochs == [1]
