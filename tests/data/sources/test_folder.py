import functools
import os
import pickle
import shutil
import time
import unicodedata
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from jagree import data
from jagree.data.files import FileImages
from jagree.data.files import stamp as stamp_of
from jagree.data.sources.folder import load
from jagree.errors import UsageError
from tests.data.sets import options_of

options = functools.partial(options_of, "folder")

RNG = np.random.default_rng(0)
FILES = (  # in ascending order of code points, which is neither that of letters nor of numbers
    "test/bird/1.jpg",
    "test/cat/z.png",
    "train/bird/10.png",
    "train/bird/9.JPEG",
    "train/cat/A.png",
    "train/cat/a.png",
    "train/cat/deep/er/b.bmp",
)


def write(folder: Path, *names: str) -> None:
    for name in names:
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        pixels = RNG.integers(0, 256, (5, 7, 3)).astype(np.uint8)
        Image.fromarray(pixels).save(folder / name)


@pytest.fixture
def pets(tmp_path: Path) -> Path:
    folder = tmp_path / "pets"
    write(folder, *reversed(FILES))
    return folder


def refusal(folder: Path | str, split: str = "train", **fields: object) -> str:
    with pytest.raises(UsageError) as caught:
        load(split, options(folder, **fields))
    return str(caught.value)


def test_ids_are_paths_and_labels_are_those_of_the_folders(pets: Path) -> None:
    for name in ("train", "test"):
        split = load(name, options(pets))
        expected = [file for file in FILES if file.startswith(name)]
        assert split.name == name
        assert split.id.tolist() == expected
        assert split.class_names == ("bird", "cat")
        assert split.label.tolist() == [int(file.split("/")[1] == "cat") for file in expected]
        assert split.label.dtype == np.int32
        assert split.notes == ()
        for position, file in enumerate(expected):
            with Image.open(pets / file) as stored:
                np.testing.assert_array_equal(split.image[position], np.asarray(stored))
            assert split.image.name(position) == str(pets / file)


def test_both_splits_through_the_door(pets: Path) -> None:
    splits = data.load(options(pets, leave_out=("train/cat/a.png",)))
    assert len(splits["train"]) == 4
    assert splits["train"].fingerprint != splits["test"].fingerprint


def test_the_fingerprint_is_of_relative_names_and_contents(pets: Path, tmp_path: Path) -> None:
    before = load("train", options(pets)).fingerprint
    moved = pets.rename(tmp_path / "elsewhere")
    assert load("train", options(moved)).fingerprint == before
    (moved / "train/cat/a.png").rename(moved / "train/cat/c.png")
    assert load("train", options(moved)).fingerprint != before


def test_no_image_is_read_before_it_is_asked_for(
    pets: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    import jagree.data.files as module

    read = []
    monkeypatch.setattr(module, "content", lambda path: read.append(path) or b"")
    split = load("train", options(pets))
    assert split.image.take(np.array([2, 0])).stamp
    assert read == []
    assert split.image.take(np.array([2, 0])).encoded(1) == b""
    assert read == [str(pets / FILES[2])]


def test_a_choice_can_be_sent_elsewhere(pets: Path) -> None:
    split = load("train", options(pets))
    sent = pickle.loads(pickle.dumps(split.image.take(np.array([3, 1]))))
    assert isinstance(sent, FileImages)
    assert len(sent) == 2
    np.testing.assert_array_equal(sent[0], split.image[3])
    np.testing.assert_array_equal(sent[1], split.image[1])


def test_the_stamp_tells_of_names_sizes_and_times(pets: Path, tmp_path: Path) -> None:
    file = pets / "train/cat/a.png"
    first = load("train", options(pets)).image
    stamps = [first.stamp]
    os.utime(file, ns=(0, 10**9))
    stamps.append(first.stamp)
    file.write_bytes(b"longer" * 99)
    os.utime(file, ns=(0, 10**9))
    stamps.append(first.stamp)
    file.unlink()
    stamps.append(first.stamp)
    stamps.append(first.take(np.arange(4)).stamp)
    stamps.append(first.take(np.array([1, 0, 2, 3])).stamp)
    assert len(set(stamps)) == len(stamps)
    pets.rename(tmp_path / "moved")
    assert load("train", options(tmp_path / "moved")).image.take(np.arange(3)).stamp == (
        FileImages(tmp_path / "moved", np.array(FILES[2:5])).stamp
    )


def test_a_single_folder_is_parted(tmp_path: Path) -> None:
    names = [f"{kind}/{i}.png" for kind in ("cat", "dog") for i in range(40)]
    write(tmp_path, *names)
    chosen = options(tmp_path, test_share=0.25)
    assert load("train", chosen).id.tolist() == sorted(names)
    splits = data.load(chosen)
    assert sorted([*splits["train"].id, *splits["test"].id]) == sorted(names)
    assert 8 <= len(splits["test"]) <= 32
    assert splits["test"].class_names == ("cat", "dog")


def test_a_train_folder_can_be_parted_too_but_must_be_named(pets: Path) -> None:
    message = refusal(pets, test_share=0.5)
    assert "with data.test_share that may be the split to part or a class" in message
    assert "--config.data.train_split=train or --config.data.train_split=." in message
    train = load("train", options(pets, test_share=0.5, train_split="train"))
    assert train.id.tolist() == list(FILES[2:])
    whole = load("train", options(pets, test_share=0.5, train_split="."))
    assert whole.id.tolist() == list(FILES)
    assert whole.class_names == ("test", "train")


@pytest.mark.parametrize("name", ["val", "valid", "validation"])
def test_other_names_for_the_test_folder(pets: Path, name: str) -> None:
    (pets / "test").rename(pets / name)
    split = load("test", options(pets))
    assert split.id[0] == f"{name}/bird/1.jpg"
    assert split.notes == (f"the test split is the folder '{name}'",)
    (pets / name / "cat/notes.txt").write_text("of cats")
    assert len(load("test", options(pets)).notes) == 2
    assert load("test", options(pets)).notes[0] == f"the test split is the folder '{name}'"
    (pets / "test").mkdir()  # comes first, though it is empty
    assert "test' holds no image of the class 'bird'" in refusal(pets, "test")


def test_folders_can_be_named(pets: Path) -> None:
    (pets / "test").rename(pets / "held")
    (pets / "parts").mkdir()
    (pets / "train").rename(pets / "parts" / "one")
    chosen = options(pets, train_split="parts/one/", test_split="./held")
    assert load("train", chosen).id[0] == "parts/one/bird/10.png"
    assert load("test", chosen).id[0] == "held/bird/1.jpg"
    assert load("test", chosen).notes == ()


def test_layouts_that_are_not_understood(pets: Path, tmp_path: Path) -> None:
    layout = "expected is train/CLASS/IMAGE and test/CLASS/IMAGE"
    assert "--config.data.dir=FOLDER" in refusal("")
    assert "there is no folder" in refusal(tmp_path / "none")
    assert "there is no folder" in refusal(pets / FILES[0])
    assert f"has no folder 'train' but pets; {layout}" in refusal(tmp_path)
    (tmp_path / "empty").mkdir()
    assert f"has no folder 'train', nor any other; {layout}" in refusal(tmp_path / "empty")
    assert "but holds no folder; expected in data.dir is train/CLASS/IMAGE" in refusal(
        tmp_path / "empty", test_share=0.1
    )
    for i in range(10):
        assert refusal(tmp_path / "empty").count("...") == 0
        (tmp_path / "empty" / str(i)).mkdir()
    assert "'train' but 0, 1, 2, 3, 4, 5, 6, 7, 8, 9; expected" in refusal(tmp_path / "empty")
    (tmp_path / "empty" / "x").mkdir()
    assert "'train' but 0, 1, 2, 3, 4, 5, 6, 7, 8, 9, ...; exp" in refusal(tmp_path / "empty")
    shutil.rmtree(tmp_path / "empty")
    assert "two or more classes, but holds only one folder, 'pets'" in refusal(
        tmp_path, test_share=0.1
    )
    named = refusal(pets, train_split="training")
    assert "data.train_split: '" in named
    assert "has no folder 'training' but test, train" in named
    for outside in ("../pets2", "/", "train/../.."):
        assert "must name a folder in data.dir" in refusal(pets, "test", test_split=outside)
    for one, other in (("train", "train"), (".", "test"), ("train", "train/cat"), (".", "")):
        message = refusal(pets, "test", train_split=one, test_split=other)
        assert "the folders of the splits, must lie apart" in message
    write(pets, "train/loose.png")
    assert "holds the image 'loose.png' beside the folders of the classes" in refusal(pets)


def test_no_folder_for_tests(pets: Path) -> None:
    (pets / "test").rename(pets / "other")
    message = refusal(pets, "test")
    assert "has no folder for tests (test, val, valid, validation)" in message
    assert "--config.data.test_split=FOLDER" in message
    assert "--config.data.test_share=0.2" in message
    (pets / "train").rename(pets / "val")
    assert "has no folder for tests" in refusal(pets, "test", train_split="val")


def test_classes_without_images_and_classes_of_the_test_split_alone(pets: Path) -> None:
    (pets / "test/bird/1.jpg").unlink()
    assert load("test", options(pets)).notes == ("1 of 2 classes without images, such as 'bird'",)
    (pets / "test/bird").rmdir()
    assert load("test", options(pets)).notes == ("1 of 2 classes without images, such as 'bird'",)
    (pets / "train/dog").mkdir()
    assert "train' holds no image of the class 'dog'; looked for are .png" in refusal(pets)
    (pets / "train/dog/1.txt").write_text("a dog")
    assert "holds no image of the class 'dog'" in refusal(pets)
    (pets / "test/eel").mkdir()
    assert "test' has the class 'eel', which the train split has not" in refusal(pets, "test")


def test_what_is_no_image_is_counted_and_what_is_hidden_is_not(pets: Path) -> None:
    (pets / "train/cat/notes.txt").write_text("of cats")
    (pets / "train/readme").write_text("of pets")
    (pets / "train/cat/.a.png").write_bytes(b"")
    (pets / "train/.trash/x").mkdir(parents=True)
    write(pets, "train/.trash/x/a.png")
    os.mkfifo(pets / "train/bird/pipe.png")
    split = load("train", options(pets))
    assert split.id.tolist() == list(FILES[2:])
    assert split.notes == ("3 files left out, by name or kind no images, such as 'bird/pipe.png'",)


def test_links_are_followed_within_the_folder_and_to_files_alone(pets: Path) -> None:
    (pets / "train/cat/link.png").symlink_to("../bird/10.png")
    (pets / "train/fish").symlink_to("bird")
    (pets / "train/cat/more").symlink_to("../bird")
    split = load("train", options(pets))
    assert split.id.tolist() == sorted([*FILES[2:], "train/cat/link.png"])
    assert split.class_names == ("bird", "cat")
    assert split.notes == ("2 links to folders not followed, such as 'cat/more'",)
    position = split.id.tolist().index("train/cat/link.png")
    np.testing.assert_array_equal(split.image[position], split.image[0])
    seen_through_a_link = pets.parent / "seen"
    seen_through_a_link.symlink_to(pets)
    assert load("train", options(seen_through_a_link)).fingerprint == split.fingerprint


@pytest.mark.parametrize(
    ("name", "target", "message"),
    [
        ("train/cat/out.png", "outside/1.png", "is a link that leads out of '.*pets', to '"),
        ("train/cat/out", "outside", "is a link that leads out of '.*pets', to '"),
        ("train/dog", "outside", "is a link that leads out of '.*pets', to '"),
        ("train/cat/lost.png", "nowhere", "is a link to nowhere; remove it"),
        ("train/cat/self.png", "pets/train/cat/self.png", "is a link to nowhere; remove it"),
    ],
)
def test_links_that_are_refused(pets: Path, name: str, target: str, message: str) -> None:
    write(pets.parent, "outside/1.png")
    (pets / name).symlink_to(pets.parent / target)
    with pytest.raises(UsageError, match=f"'{pets / name}' {message}"):
        load("train", options(pets))
    (pets / name).unlink()
    (pets / "train/cat/text").symlink_to(pets.parent / "outside/1.png")
    load("train", options(pets))  # is not named like an image, so nobody would read it


def test_a_split_must_not_be_a_link(pets: Path) -> None:
    (pets / "test").rename(pets / "real")
    (pets / "test").symlink_to("real")
    assert "test' is a link to a folder, which is not followed; name the folder" in refusal(
        pets, "test"
    )
    assert load("test", options(pets, test_split="real")).id[0] == "real/bird/1.jpg"
    (pets / "real").rename(pets.parent / "real")
    (pets / "test").unlink()
    (pets / "test").symlink_to(pets.parent / "real")
    assert "test' is a link that leads out of" in refusal(pets, "test")


def test_names_that_look_alike_are_refused(pets: Path) -> None:
    one, other = (unicodedata.normalize(form, "\u00fc") for form in ("NFC", "NFD"))
    assert one != other
    write(pets, f"train/cat/{other}.png")
    split = load("train", options(pets))
    assert f"train/cat/{one}.png" in split.id  # the id is composed, whatever the file system
    position = split.id.tolist().index(f"train/cat/{one}.png")
    assert split.image[position].shape == (5, 7, 3)
    before = split.fingerprint
    (pets / f"train/cat/{other}.png").rename(pets / f"train/cat/{one}.png")
    assert load("train", options(pets)).fingerprint == before
    write(pets, f"train/cat/{other}.png")
    assert f"holds 'train/cat/{one}.png' twice, written in different normal" in refusal(pets)
    (pets / f"train/cat/{other}.png").unlink()
    write(pets, f"train/{one}/1.png", f"train/{other}/2.png")
    assert f"holds '{one}' twice" in refusal(pets)


def test_names_that_cannot_be_ids(pets: Path) -> None:
    for name, message in (
        ("train/cat/new\nline.png", "has a control character; rename the file"),
        ("train/a\tb/1.png", "has a control character; rename the file"),
        ("train/ blank/1.png", "the class ' blank' has a blank at an end"),
        (os.fsdecode(b"train/cat/\xff.png"), "is not in UTF-8; rename the file"),
        (os.fsdecode(b"train/\xff/1.png"), "is not in UTF-8; rename the file"),
        (os.fsdecode(b"train/\xff/1.txt"), "is not in UTF-8; rename the file"),
    ):
        write(pets, "train/cat/x.png")
        try:
            (pets / name).parent.mkdir(exist_ok=True)
            (pets / "train/cat/x.png").rename(pets / name)
        except OSError:
            continue  # the file system does not take such a name
        assert message in refusal(pets)
        refusal(pets).encode()  # can be printed
        (pets / name).unlink()
        if not any((pets / name).parent.iterdir()):
            (pets / name).parent.rmdir()
    load("train", options(pets))


def test_a_folder_that_cannot_be_read_is_a_users_error(
    pets: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    scan = os.scandir
    for unreadable in ("train", "er"):

        def refusing(path: str, unreadable: str = unreadable) -> object:
            if Path(path).name == unreadable:
                raise PermissionError(13, "Permission denied", str(path))
            return scan(path)

        monkeypatch.setattr(os, "scandir", refusing)
        assert "Permission denied" in refusal(pets)
        assert f"{unreadable}'" in refusal(pets)


def test_real_photographs(real_data: Path) -> None:
    split = load("train", options(real_data / "imagenet-samples", test_share=0.3))
    assert len(split) == len(split.class_names) == 100
    assert split.class_names[0] == "n01484850"
    np.testing.assert_array_equal(split.label, np.arange(100))
    assert split.image[0].shape[2] == 3


def test_two_folders_of_one_archive_have_stamps_of_their_own(tmp_path: Path) -> None:
    """Names, sizes and times may agree; digests of one must not be taken for the other's."""
    stamps = set()
    for name, level in (("a", 0), ("b", 255)):
        (tmp_path / name).mkdir()
        file = tmp_path / name / "1.bmp"
        Image.fromarray(np.full((8, 8, 3), level, np.uint8)).save(file)
        os.utime(file, (0, 0))
        stamps.add(stamp_of(tmp_path / name, ["1.bmp"]))
        replaced = tmp_path / name / "new.bmp"
        Image.fromarray(np.full((8, 8, 3), 128, np.uint8)).save(replaced)
        os.utime(replaced, (0, 0))
        replaced.replace(file)
        stamps.add(stamp_of(tmp_path / name, ["1.bmp"]))
    assert len(stamps) == 4


def test_classes_are_in_the_order_of_code_points(tmp_path: Path) -> None:
    write(tmp_path, "train/ant/1.png", "train/Bee/1.png", "test/ant/1.png", "test/Bee/1.png")
    split = load("test", options(tmp_path))
    assert split.class_names == ("Bee", "ant")
    assert dict(zip(split.id.tolist(), split.label.tolist(), strict=True)) == {
        "test/Bee/1.png": 0, "test/ant/1.png": 1
    }  # fmt: skip


def test_names_in_another_normal_form_are_sorted_and_labelled_as_composed(pets: Path) -> None:
    one, other = (unicodedata.normalize(form, "\u00fc") for form in ("NFC", "NFD"))
    write(pets, f"train/{other}/1.png", f"train/cat/{other}.png", "train/cat/v.png")
    split = load("train", options(pets))
    assert split.class_names == ("bird", "cat", one)
    last = ["train/cat/v.png", f"train/cat/{one}.png", f"train/{one}/1.png"]
    assert split.id.tolist()[-3:] == last
    assert split.label.tolist()[-3:] == [1, 1, 2]
    with Image.open(pets / f"train/cat/{other}.png") as stored:
        np.testing.assert_array_equal(split.image[len(split) - 2], np.asarray(stored))


def test_the_stamp_tells_of_what_was_written_in_place(pets: Path) -> None:
    """Of the same size, and with the time set back: as some tools leave a file that they mend."""
    file = pets / "train/cat/a.png"
    os.utime(file, ns=(0, 10**9))
    image = load("train", options(pets)).image
    before = image.stamp
    time.sleep(0.05)  # longer than the system's clock of changes stands still
    file.write_bytes(bytes(file.stat().st_size))
    os.utime(file, ns=(0, 10**9))
    assert image.stamp != before
