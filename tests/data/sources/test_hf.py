"""Source hf: parquet files written here; of the hub only what its library answers."""

import errno
import functools
import io
import logging
import os
import pickle
import subprocess
import sys
import tempfile
import warnings
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from jagree import data
from jagree.data.identify import content_ids
from jagree.data.images import digests
from jagree.data.sources.hf import load
from jagree.data.sources.hf_reader import library, split_of
from jagree.errors import UsageError
from tests.data.sets import options_of

datasets = pytest.importorskip("datasets")
import huggingface_hub  # noqa: E402  # comes with datasets, as does pyarrow
import pyarrow as pa  # noqa: E402
import pyarrow.parquet as pq  # noqa: E402

options = functools.partial(options_of, "hf")

NAMES = ("cat", "dog", "eel")
PIXELS = np.random.default_rng(0).integers(0, 256, (12, 6, 5, 3)).astype(np.uint8)
LABELS = [0, 2, 1, 1, 0, 2, 2, 1, 0, 0, 1, 2]


def png(pixels: np.ndarray) -> bytes:
    file = io.BytesIO()
    Image.fromarray(pixels).save(file, "PNG")
    return file.getvalue()


def rows(numbers: Any = range(12), path: str | None = "{}.png") -> dict[str, list[Any]]:
    return {
        "image": [{"bytes": png(PIXELS[i]), "path": path and path.format(i)} for i in numbers],
        "label": [LABELS[i] for i in numbers],
    }


def write(path: Path, columns: dict[str, list[Any]], **features: Any) -> None:
    """Write a parquet file; columns are an image, a label and whatever their values look like."""
    chosen = {"image": datasets.Image(), "label": datasets.ClassLabel(names=list(NAMES))}
    chosen = {name: kind for name, kind in (chosen | features).items() if name in columns}
    inferred = datasets.Dataset.from_dict({k: v for k, v in columns.items() if k not in chosen})
    kinds = datasets.Features({**chosen, **inferred.features})
    path.parent.mkdir(parents=True, exist_ok=True)
    table = datasets.Dataset.from_dict(columns, features=kinds).data.table
    pq.write_table(table.cast(kinds.arrow_schema), path)


@pytest.fixture
def pets(tmp_path: Path) -> Path:
    folder = tmp_path / "pets"
    write(folder / "train-00000-of-00001.parquet", rows(range(8)))
    write(folder / "test-00000-of-00001.parquet", rows(range(8, 12)))
    return folder


def refusal(folder: Path | str, split: str = "train", **fields: object) -> str:
    with pytest.raises(UsageError) as caught:
        load(split, options(folder, **fields))
    assert "\n" not in str(caught.value)
    return str(caught.value)


def test_images_labels_and_ids_belong_together(pets: Path) -> None:
    for name, numbers in (("train", range(8)), ("test", range(8, 12))):
        split = load(name, options(pets))
        assert split.name == name
        assert split.id.tolist() == sorted(f"{name}/{i}.png" for i in numbers)  # 10 before 8
        assert split.class_names == NAMES
        assert split.label.dtype == np.int32
        assert split.notes == ()
        for position, example in enumerate(split.id.tolist()):
            number = int(example.split("/")[1].removesuffix(".png"))
            np.testing.assert_array_equal(split.image[position], PIXELS[number])
            assert split.label[position] == LABELS[number]
            assert split.image.name(position) == example


def test_order_and_number_of_files_change_nothing(pets: Path, tmp_path: Path) -> None:
    for path in ("{}.png", None):  # ids from the file names; ids from the contents
        write(tmp_path / "one" / "train.parquet", rows([*range(12), 3, 3], path))
        shuffled = [3, 7, 1, 11, 0, 4, 3, 2, 9, 8, 6, 10, 5, 3]
        for part, several in enumerate((shuffled[:5], shuffled[5:6], shuffled[6:])):
            write(tmp_path / "two" / "train" / f"{part}.parquet", rows(several, path))
        one, two = (load("train", options(tmp_path / name)) for name in ("one", "two"))
        assert one.fingerprint == two.fingerprint
        np.testing.assert_array_equal(one.id, two.id)
        np.testing.assert_array_equal(one.label, two.label)
        for position in range(14):
            np.testing.assert_array_equal(one.image[position], two.image[position])


def test_without_names_ids_are_made_of_the_content(tmp_path: Path) -> None:
    write(tmp_path / "train.parquet", rows(path=None))
    split = load("train", options(tmp_path))
    expected = content_ids(digests(PIXELS, None), np.array(LABELS))
    assert split.id.tolist() == sorted(f"train/{i}" for i in expected)
    assert split.notes == ("ids are made of the images' content, because nothing else names them",)
    for position, example in enumerate(split.id.tolist()):
        number = expected.tolist().index(example.split("/")[1])
        np.testing.assert_array_equal(split.image[position], PIXELS[number])
        assert split.label[position] == LABELS[number]


@pytest.mark.parametrize(
    ("columns", "ids"),
    [
        ({"id": list(range(100, 112)), "file_name": list("abcdefghijkl")}, range(100, 112)),
        ({"image_id": list("abcdefghijkl"), "path": list("bcdefghijklm")}, "abcdefghijkl"),
        ({"id": [1] * 12, "filename": list("abcdefghijkl")}, "abcdefghijkl"),
        ({"id": [None, *range(11)], "file_name": [""] + ["x"] * 11}, None),
        ({"id": [float(i) for i in range(12)]}, None),
        ({"path": [f"/home/me/{i}.png" for i in range(12)]}, None),
        ({"path": [f"C:\\me\\{i}.png" for i in range(12)]}, None),
        ({"file_name": ["a\nb", *"bcdefghijklm"][:12]}, None),
        ({"file_name": [" a", *"bcdefghijklm"][:12]}, None),
        ({"name": list("abcdefghijkl")}, None),
    ],
)
def test_columns_that_name_the_examples(tmp_path: Path, columns: dict, ids: Any) -> None:
    write(tmp_path / "train.parquet", rows() | columns)
    split = load("train", options(tmp_path))
    expected = [f"{i}.png" for i in range(12)] if ids is None else list(ids)
    assert split.id.tolist() == sorted(f"train/{i}" for i in expected)
    number = [f"train/{i}" for i in expected].index(split.id[3])
    np.testing.assert_array_equal(split.image[3], PIXELS[number])


@pytest.mark.parametrize("kind", [lambda label: datasets.Sequence(label), lambda label: [label]])
def test_several_labels_an_image(tmp_path: Path, kind: Any) -> None:
    several = [[0], [], [2, 1], [1, 1]]
    columns = {"image": rows(range(4))["image"], "labels": several}
    label = kind(datasets.ClassLabel(names=list(NAMES)))
    write(tmp_path / "train.parquet", columns, labels=label)
    split = load("train", options(tmp_path))
    assert split.label.tolist() == [
        [True, False, False], [False, False, False], [False, True, True], [False, True, False]
    ]  # fmt: skip
    assert split.label.dtype == bool
    assert split.class_names == NAMES
    assert split.multi_label
    assert split.notes == ("1 example without any label",)


def test_plain_labels_must_be_named_and_make_the_classes(tmp_path: Path) -> None:
    train = {"image": rows(range(4))["image"], "kind": ["b", "a", "B", "b"], "size": [10, 9, 9, 10]}
    test = {"image": rows(range(4, 6))["image"], "kind": ["B", "b"], "size": [10, 9]}
    write(tmp_path / "train.parquet", train)
    write(tmp_path / "test.parquet", test)
    message = refusal(tmp_path)
    assert "has no column of kind class or classes; name one of kind class" in message
    assert "with --config.data.label, of: image (image), kind (string), size (integer)" in message
    splits = {name: load(name, options(tmp_path, label="kind")) for name in ("train", "test")}
    assert splits["train"].class_names == splits["test"].class_names == ("B", "a", "b")
    assert splits["train"].label.tolist() == [2, 1, 0, 2]
    assert splits["test"].label.tolist() == [0, 2]
    sizes = load("test", options(tmp_path, label="size"))
    assert sizes.class_names == ("9", "10")
    assert sizes.label.tolist() == [1, 0]
    write(tmp_path / "test.parquet", test | {"kind": ["B", "c"]})
    message = refusal(tmp_path, "test", label="kind")
    assert "1 example of 2 without a known label in column 'kind'" in message
    assert "such as 'test/5.png' (c); labels must be those of the train split, B, a, b;" in message
    for classes, end in ((10, "9;"), (11, "9, ...;")):
        train = {"image": rows()["image"], "size": [*range(classes), *[0] * (12 - classes)]}
        write(tmp_path / "train.parquet", train)
        write(tmp_path / "test.parquet", {"image": rows([0, 1])["image"], "size": [None, 0]})
        message = refusal(tmp_path, "test", label="size")
        assert f"those of the train split, 0, 1, 2, 3, 4, 5, 6, 7, 8, {end} name" in message


def test_no_label_is_not_the_class_called_none(tmp_path: Path) -> None:
    write(
        tmp_path / "train.parquet", {"image": rows([0, 1, 2])["image"], "kind": ["None", "a", None]}
    )
    assert "1 example of 3 without a known label" in refusal(tmp_path, label="kind")


def test_columns_that_are_not_clear(tmp_path: Path) -> None:
    columns = rows(range(3))
    columns |= {"mask": columns["image"], "coarse": [0, 0, 1], "weight": [0.5, 1.0, 2.0]}
    coarse = datasets.ClassLabel(names=["pet", "fish"])
    write(tmp_path / "train.parquet", columns, mask=datasets.Image(), coarse=coarse)
    assert "has 2 columns of kind image; name one of kind image, binary" in refusal(tmp_path)
    every = "of: image (image), label (class), mask (image), coarse (class), weight (float64)"
    assert every in refusal(tmp_path, image="mask")
    assert "has 2 columns of kind class or classes" in refusal(tmp_path, image="mask")
    assert "has no column 'x'; name one of kind" in refusal(tmp_path, image="mask", label="x")
    message = refusal(tmp_path, image="mask", label="weight")
    assert "column 'weight' of '" in message
    assert "is of kind float64, which is no label" in message
    assert "is of kind class, which is no image" in refusal(tmp_path, image="label")
    split = load("train", options(tmp_path, image="mask", label="coarse"))
    assert split.class_names == ("pet", "fish")


def test_images_that_only_we_know_to_be_images(tmp_path: Path) -> None:
    """What pandas or pyarrow writes declares no kinds."""
    (tmp_path / "pictures").mkdir()
    Image.fromarray(PIXELS[0]).save(tmp_path / "pictures/a.png")
    Image.fromarray(PIXELS[1]).save(tmp_path / "b.png")
    for cells in (
        [png(PIXELS[0]), png(PIXELS[1])],
        ["pictures/a.png", str(tmp_path / "b.png")],
        [{"bytes": png(PIXELS[0]), "path": None}, {"bytes": None, "path": "b.png"}],
    ):
        columns = {"picture": cells, "kind": [5, 4], "id": ["x", "y"]}
        pq.write_table(pa.table(columns), tmp_path / "train.parquet")
        assert "has no column of kind image" in refusal(tmp_path, label="kind")
        split = load("train", options(tmp_path, image="picture", label="kind"))
        for position in (0, 1):
            np.testing.assert_array_equal(split.image[position], PIXELS[position])
        assert split.label.tolist() == [1, 0]
        assert split.class_names == ("4", "5")


def test_an_example_without_an_image_is_named_when_it_is_asked_for(tmp_path: Path) -> None:
    columns = rows(range(4)) | {"id": list("abcd")}
    columns["image"][1] = None
    columns["image"][2] = {"bytes": None, "path": "nowhere.png"}
    columns["image"][3] = {"bytes": b"", "path": "empty.png"}
    write(tmp_path / "train.parquet", columns)
    split = load("train", options(tmp_path))
    np.testing.assert_array_equal(split.image[0], PIXELS[0])
    with pytest.raises(OSError, match="'train/b' has no image in column 'image'"):
        split.image[1]
    with pytest.raises(FileNotFoundError, match=r"nowhere\.png"):
        split.image[2]
    with pytest.raises(OSError, match="'train/d' is no image"):
        split.image[3]
    with pytest.raises(UsageError, match="cannot read the image 'train/b'"):
        _ = split.fingerprint


def test_labels_out_of_range(tmp_path: Path) -> None:
    columns = rows(range(4))
    write(tmp_path / "train.parquet", columns)
    for bad in (-1, None):
        write(tmp_path / "test.parquet", columns | {"label": [0, bad, 1, bad]})
        message = refusal(tmp_path, "test")
        assert "split 'test' of '" in message
        assert "2 examples of 4 without a known label in column 'label'" in message
        assert f"such as 'test/1.png' ({bad}); labels must be 0 to 2; name another" in message
    kind = datasets.Sequence(datasets.ClassLabel(names=list(NAMES)))
    columns["label"] = [[0], [1], None, [2]]
    write(tmp_path / "train.parquet", columns, label=kind)
    assert "such as 'train/2.png' (None)" in refusal(tmp_path)


def test_splits(pets: Path) -> None:
    (pets / "test-00000-of-00001.parquet").rename(pets / "validation-00000-of-00001.parquet")
    split = load("test", options(pets))
    assert split.id[0] == "test/10.png"  # by what it is used for: sources name it as they like
    assert split.notes == ("the test split is 'validation'",)
    assert load("test", options(pets, test_split="validation")).notes == ()
    (pets / "validation-00000-of-00001.parquet").rename(pets / "extra-0.parquet")
    message = refusal(pets, "test")
    assert "has no split 'test' but extra, train; name one with --config.data.test_split" in message
    assert "--config.data.test_share=0.2" in message
    assert load("test", options(pets, test_split="extra")).id[0] == "test/10.png"
    assert "has no split 'tr' but extra, train" in refusal(pets, train_split="tr")
    assert "--config.data.test_share" not in refusal(pets, train_split="tr")
    assert "cannot be both train and test" in refusal(pets, "test", test_split="train")
    splits = data.load(options(pets, test_share=0.5))
    assert sorted([*splits["train"].id, *splits["test"].id]) == [f"train/{i}.png" for i in range(8)]


def test_splits_must_be_alike(pets: Path) -> None:
    columns = rows(range(4))
    write(
        pets / "test-00000-of-00001.parquet",
        columns,
        label=datasets.ClassLabel(names=[*reversed(NAMES)]),
    )
    assert "column 'label' of '" in refusal(pets, "test")
    assert "has other classes in split 'test' than in split 'train'" in refusal(pets, "test")
    write(pets / "test-00000-of-00001.parquet", columns, label=datasets.Value("int64"))
    assert "is of kind class in split 'train' and integer in split 'test'" in refusal(pets, "test")
    write(pets / "test-00000-of-00001.parquet", {"image": columns["image"]})
    assert "is of kind class in split 'train' and None in split 'test'" in refusal(pets, "test")


@pytest.mark.parametrize(
    ("path", "expected"),
    [
        ("train.parquet", ("train", ".")),
        ("data/train-00000-of-00002-3fa9.parquet", ("train", "data")),
        ("mnist/test_1.parquet", ("test", "mnist")),
        ("my-val-set.parquet", ("val", ".")),
        ("plain/validation/0001.parquet", ("validation", "plain")),
        ("train/a/b/0001.parquet", ("train", ".")),
        ("test-sets/train.parquet", ("train", "test-sets")),
        ("a/unlabeled-00000-of-00001.parquet", ("unlabeled", "a")),
        ("trainer.parquet", ("trainer", ".")),
        ("Train/0.parquet", ("train", ".")),
        ("a/0000.parquet", ("train", "a")),
    ],
)
def test_how_files_say_their_split(path: str, expected: tuple[str, str]) -> None:
    assert split_of(path) == expected


def test_folders_that_are_not_understood(pets: Path, tmp_path: Path) -> None:
    assert "say which data with --config.data.set=OWNER/NAME" in refusal("")
    assert "there is no folder" in refusal(tmp_path / "none")
    (tmp_path / "photos/cat").mkdir(parents=True)
    assert "holds no parquet file, such as train-00000" in refusal(tmp_path / "photos")
    Image.fromarray(PIXELS[0]).save(tmp_path / "photos/cat/a.png")
    assert "of images, source folder reads it" in refusal(tmp_path / "photos")
    write(tmp_path / "dogs/train.parquet", rows())
    assert "more than one data set with a split 'train'" in refusal(tmp_path)
    assert "with data.dir: 'dogs', 'pets'" in refusal(tmp_path)
    os.mkfifo(pets / "train-pipe.parquet")
    assert "train-pipe.parquet' is no file that can be read" in refusal(pets)
    (pets / "train-pipe.parquet").unlink()
    write(pets / "train-00000-of-00001.parquet", {"image": [], "label": []})
    assert "split 'train' of '" in refusal(pets)
    assert "has no example" in refusal(pets)


def test_damaged_files_are_named(pets: Path) -> None:
    write(pets / "train-1.parquet", rows(range(4)))
    whole = (pets / "train-1.parquet").read_bytes()
    for damaged in (b"", b"text", whole[: len(whole) // 2], whole[:500] + whole[600:]):
        (pets / "train-1.parquet").write_bytes(damaged)
        message = refusal(pets)
        assert f"cannot read '{pets / 'train-1.parquet'}' as parquet" in message
    write(pets / "train-1.parquet", {"picture": rows()["image"]}, picture=datasets.Image())
    message = refusal(pets)
    assert f"cannot read the files of split 'train' in '{pets}' as one data set" in message
    assert "all must have the same columns" in message


@pytest.mark.parametrize(
    "error", [OSError("Not enough disk space. Needed: 3 TB"), OSError(errno.ENOSPC, "No space")]
)
def test_a_full_disk_is_called_so(
    error: OSError, pets: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(*_: object, **__: object) -> None:
        raise error

    monkeypatch.setattr(datasets.Dataset, "from_parquet", full)
    message = refusal(pets)
    assert "no room to unpack split 'train'" in message
    assert "set TMPDIR to a folder with more" in message


def test_images_can_be_sent_elsewhere_and_chosen(pets: Path) -> None:
    split = load("train", options(pets))
    sent = pickle.loads(pickle.dumps(split.image.take(np.array([5, 2]))))
    assert len(sent) == 2
    assert sent.name(0) == "train/5.png"
    np.testing.assert_array_equal(sent[0], PIXELS[5])
    np.testing.assert_array_equal(sent.take(np.array([1]))[0], PIXELS[2])


def test_the_stamp_is_of_the_files_and_the_rows(pets: Path) -> None:
    Image.fromarray(PIXELS[0]).save(pets / "x.png")
    columns = rows(range(2)) | {"id": [1, 2]}
    columns["image"][0] = {"bytes": None, "path": "x.png"}
    write(pets / "train-00000-of-00001.parquet", columns)
    image = load("train", options(pets)).image
    stamps = [image.stamp, image.take(np.array([0])).stamp, image.take(np.array([1, 0])).stamp]
    assert load("train", options(pets)).image.stamp == stamps[0]
    for file in ("x.png", "train-00000-of-00001.parquet"):
        os.utime(pets / file, ns=(0, 10**9))
        stamps.append(load("train", options(pets)).image.stamp)
    assert len(set(stamps)) == 5


def test_a_file_that_has_changed_is_read_again(pets: Path) -> None:
    before = load("train", options(pets))
    write(pets / "train-00000-of-00001.parquet", rows(range(3)))
    os.utime(pets / "train-00000-of-00001.parquet", ns=(0, 10**9))
    assert len(load("train", options(pets))) == 3
    np.testing.assert_array_equal(before.image[7], PIXELS[7])  # what was read stays as it was


SILENT = """
import sys, warnings
warnings.simplefilter("error")
from jagree.configs import default
from jagree.data.sources.hf import load
options = default.get_config().data
options.dir = sys.argv[1]
split = load("train", options)
print(len(split), split.image[0].shape)
assert not {"jax", "torch", "tensorflow"} & set(sys.modules), "heavy"
assert not __import__("datasets").are_progress_bars_disabled()
"""


def test_reading_a_folder_is_silent_and_leaves_nothing_behind(pets: Path, tmp_path: Path) -> None:
    home, scratch = tmp_path / "home", tmp_path / "scratch"
    home.mkdir()
    scratch.mkdir()
    kept = {k: v for k, v in os.environ.items() if not k.startswith(("HF_", "XDG_"))}
    done = subprocess.run(
        [sys.executable, "-c", SILENT, str(pets)],
        env={**kept, "HOME": str(home), "TMPDIR": str(scratch)},
        capture_output=True,
        text=True,
        timeout=120,
    )
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout == "8 (6, 5, 3)\n"
    assert list(home.iterdir()) == []
    assert list(scratch.iterdir()) == []
    assert len(list(pets.iterdir())) == 2


def test_without_the_package_it_is_said_how_to_install_it(
    pets: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "datasets", None)
    message = refusal(pets)
    assert "source hf needs the package 'datasets'" in message
    assert message.endswith("pip install 'jagree[hf]'")


def on_the_hub(monkeypatch: pytest.MonkeyPatch, answer: Any) -> list[tuple[Any, ...]]:
    """Have the library give or raise this, and note what it was asked."""
    asked = []

    def load_dataset(*names: Any) -> Any:
        asked.append(names)
        if isinstance(answer, Exception):
            raise answer
        return answer

    monkeypatch.setattr(datasets, "load_dataset", load_dataset)
    return asked


def test_a_set_of_the_hub(pets: Path, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    files = {"train": str(pets / "train-*"), "valid": str(pets / "test-*")}
    sets = datasets.load_dataset("parquet", data_files=files, cache_dir=str(tmp_path / "cache"))
    asked = on_the_hub(monkeypatch, sets)
    local = {name: load(name, options(pets)) for name in ("train", "test")}
    train, test = (load(name, options(set="me/pets:small")) for name in ("train", "test"))
    assert asked == [("me/pets", "small")] * 2
    assert train.fingerprint == local["train"].fingerprint
    assert test.fingerprint == local["test"].fingerprint
    assert test.notes == ("the test split is 'valid'",)
    assert train.image.stamp == load("train", options(set="me/pets")).image.stamp
    assert train.image.stamp != test.image.take(np.arange(4)).stamp
    assert asked[-1] == ("me/pets", None)


def test_what_goes_wrong_with_the_hub_is_one_sentence(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    gone = datasets.exceptions.DatasetNotFoundError("Dataset 'me/pets' doesn't exist\non the Hub")
    for answer, message in (
        (gone, "the Hugging Face hub has no data set 'me/pets'"),
        (ConnectionError("Couldn't reach 'me/pets' on the Hub"), "cannot reach the Hugging Face"),
        (ValueError("Config name is missing.\nPlease pick one"), "(Config name is missing)"),
        (RuntimeError(), "(RuntimeError)"),
    ):
        on_the_hub(monkeypatch, answer)
        assert message in refusal("", set="me/pets")
    asked = on_the_hub(monkeypatch, ValueError())
    monkeypatch.chdir(tmp_path)
    (tmp_path / "some/where").mkdir(parents=True)
    for name in ("imagefolder", "a/b/c", "/etc", "some/where", "hf://a/b", ":small"):
        assert "must be a name on the Hugging Face hub, OWNER/NAME" in refusal("", set=name)
    assert asked == []


def test_what_the_libraries_say_is_not_heard_and_all_is_as_before(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    bars = (datasets.utils, huggingface_hub.utils)
    names = ("datasets", "huggingface_hub", "httpx")
    levels = [logging.getLogger(name).level for name in names]
    silent = []

    def talkative(*_: object) -> None:
        warnings.warn("heed me", UserWarning, stacklevel=1)  # in a test an error
        for name in names:
            logging.getLogger(name).critical("heed me")
        silent.extend(utils.are_progress_bars_disabled() for utils in bars)
        raise ValueError("no more")

    monkeypatch.setattr(datasets, "load_dataset", talkative)
    assert "(no more)" in refusal("", set="me/pets")
    assert silent == [True, True]
    assert caplog.records == []
    assert [logging.getLogger(name).level for name in names] == levels
    assert not any(utils.are_progress_bars_disabled() for utils in bars)
    datasets.disable_progress_bars()
    try:
        refusal("", set="me/pets")
        assert datasets.utils.are_progress_bars_disabled()  # as whoever did so wanted it
    finally:
        datasets.enable_progress_bars()


def test_what_warns_on_import_is_not_heard(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "datasets.py").write_text("import warnings\nwarnings.warn('old')\nnew = 1\n")
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.delitem(sys.modules, "datasets")
    assert library().new == 1


@pytest.mark.parametrize(("before", "after"), [(None, False), (True, True), (False, False)])
def test_no_program_of_a_set_is_run_unless_the_person_wants_it(
    before: bool | None, after: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    name = "HF_DATASETS_TRUST_REMOTE_CODE"  # read by version 3, in which None is to ask
    monkeypatch.setattr(datasets.config, name, before, raising=False)
    on_the_hub(monkeypatch, ValueError())
    refusal("", set="me/pets")
    assert getattr(datasets.config, name) is after


OFFLINE = SILENT.replace("options.dir = sys.argv[1]", "options.set = 'ylecun/mnist'")


def test_offline_it_is_said_at_once(tmp_path: Path) -> None:
    done = subprocess.run(
        [sys.executable, "-c", OFFLINE],
        env={**os.environ, "HOME": str(tmp_path), "HF_HUB_OFFLINE": "1"},
        capture_output=True,
        text=True,
        timeout=120,
    )
    assert done.returncode == 1
    last = done.stderr.strip().splitlines()[-1]
    assert last.startswith("jagree.errors.UsageError: cannot reach the Hugging Face hub for")
    assert "name their folder with data.dir" in last


def test_the_temporary_folder_is_where_tmpdir_says(pets: Path) -> None:
    split = load("train", options(pets))
    files = split.image._dataset.cache_files
    assert [Path(tempfile.gettempdir()) in Path(f["filename"]).parents for f in files] == [True]


def test_a_set_and_a_folder_exclude_each_other(pets: Path) -> None:
    message = refusal(pets, set="uoft-cs/cifar10")
    assert "data.set='uoft-cs/cifar10' names a set of the Hugging Face hub" in message
    assert "give one of them" in message


def test_columns_name_the_examples_in_their_order(tmp_path: Path) -> None:
    names = ("id", "image_id", "file_name", "filename", "path")
    for number, first in enumerate(names):
        columns = {name: [f"{name} {i}" for i in range(12)] for name in reversed(names[number:])}
        write(tmp_path / f"{number}" / "train.parquet", rows() | columns)
        found = load("train", options(tmp_path / f"{number}")).id.tolist()
        assert found == sorted(f"train/{first} {i}" for i in range(12))


def test_of_several_splits_to_test_on_the_first_is_taken(pets: Path) -> None:
    names = ("test", "validation", "valid", "val")
    for number, name in enumerate(names):
        write(pets / f"{name}-00000-of-00001.parquet", rows([number]))
    for number, name in enumerate(names):
        assert load("test", options(pets)).id.tolist() == [f"test/{number}.png"]
        (pets / f"{name}-00000-of-00001.parquet").unlink()


def test_columns_of_one_file_have_stamps_of_their_own(tmp_path: Path) -> None:
    columns = rows(range(2)) | {"other": rows([2, 3])["image"], "id": [1, 2]}
    write(tmp_path / "train.parquet", columns, other=datasets.Image())
    one, other = (load("train", options(tmp_path, image=name)) for name in ("image", "other"))
    assert one.image.stamp != other.image.stamp
