import io
import os
import pickle
from pathlib import Path

import numpy as np
import pytest
from ml_collections import ConfigDict
from PIL import Image

from jagree.data import frames as module
from jagree.data.frames import Frames, prepare, shorter_side
from jagree.data.split import Split
from jagree.errors import UsageError
from tests.data.pictures import Drawn, encode, picture
from tests.privileges import unprivileged


def make(images: Drawn | np.ndarray, kept: Path | None = None) -> Split:
    n = len(images)
    return Split(
        name="train",
        id=np.array([f"{i:03d}" for i in range(n)]),
        label=np.zeros(n, np.int32),
        image=images,
        class_names=("a",),
        kept=kept,
    )


def options(resize: int = 0, crop: int = 0) -> ConfigDict:
    return ConfigDict({"resize": resize, "crop": crop})


def expected(image: np.ndarray, resize: int) -> np.ndarray:
    h, w = image.shape[:2]
    size = (resize, h * resize // w) if w < h else (w * resize // h, resize)
    return np.array(Image.fromarray(image).resize(size, Image.Resampling.BILINEAR))


@pytest.fixture
def small_shards(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "PER_SHARD", 4)


@pytest.mark.parametrize("workers", [1, 2])
def test_encoded_images_are_decoded_and_resized_once(
    small_shards: None, tmp_path: Path, workers: int
) -> None:
    drawn, told = Drawn.random(10, seed=0), []
    split = make(drawn, tmp_path)
    for _ in range(2):
        frames = prepare(
            split, options(15, 13), workers=workers, advance=lambda *what: told.append(what)
        )
        assert len(frames) == 10
        assert frames.shape == (13, 13, 3)
        for i in range(10):
            np.testing.assert_array_equal(frames.image(i), expected(drawn[i], 15))
    # Once: first none is found, then they come shard by shard, and the second call tells nothing.
    assert told[0] == ("train", 0, 10)
    assert sorted(images for _, images, _ in told[1:]) == [2, 4, 4]
    files = {p.name for p in tmp_path.rglob("*") if p.is_file() and "frames" in p.parts}
    assert files == {f"0000{i}.{kind}" for i in range(3) for kind in ("pixels", "sizes.npy")}


def test_a_cut_or_missing_shard_is_made_again_and_no_other(
    small_shards: None, tmp_path: Path
) -> None:
    split = make(Drawn.random(10, seed=0), tmp_path)
    whole = prepare(split, options(15, 13)).packed()
    pixels = {p.name: p for p in tmp_path.rglob("*.pixels")}
    pixels["00000.pixels"].unlink()
    content = pixels["00001.pixels"].read_bytes()
    pixels["00001.pixels"].write_bytes(content[:-100])
    kept = pixels["00002.pixels"].stat().st_mtime_ns
    told: list[tuple] = []
    again = prepare(split, options(15, 13), advance=lambda *what: told.append(what))
    np.testing.assert_array_equal(again.packed(), whole)
    assert told == [("train", 2, 10), ("train", 4, 10), ("train", 4, 10)]
    assert pixels["00002.pixels"].stat().st_mtime_ns == kept


def test_different_sizes_are_noticed_before_all_is_decoded(
    small_shards: None, tmp_path: Path
) -> None:
    alike, other = encode(picture(9, 12, 0)), encode(picture(9, 13, 0))
    split = make(Drawn((alike, b"no image", *[alike] * 8, other)), tmp_path)
    for resize, sizes in ((0, "'000' 9x12 and '010' 9x13"), (18, "'000' 18x24 and '010' 18x26")):
        with pytest.raises(UsageError, match=f"are of different sizes, {sizes} pixels"):
            prepare(split, options(resize))
    assert not (tmp_path / "frames").exists()


def test_kept_images_can_be_shared_by_those_who_may_not_write(
    small_shards: None, reachable: Path
) -> None:
    split = make(Drawn.random(10, seed=0), reachable)
    whole = prepare(split, options(15, 13)).packed()
    (folder,) = (reachable / "frames").iterdir()
    folder.chmod(0o500)
    with unprivileged(reachable):
        np.testing.assert_array_equal(prepare(split, options(15, 13)).packed(), whole)
    folder.chmod(0o700)
    (folder / "00001.pixels").unlink()
    folder.chmod(0o500)
    with (
        unprivileged(reachable),
        pytest.raises(UsageError, match=r"'.*' \(Permission denied\).* --config.data.cache"),
    ):
        prepare(split, options(15, 13))
    folder.chmod(0o700)


def test_other_data_and_another_size_have_frames_of_their_own(tmp_path: Path) -> None:
    one, other = (make(Drawn.random(5, seed=s), tmp_path) for s in (0, 1))
    for split, resize in ((one, 15), (other, 15), (one, 14), (one, 0)):
        frames = prepare(split, options(resize, 12))
        image = split.image[3]
        np.testing.assert_array_equal(frames.image(3), expected(image, resize) if resize else image)
    assert len(list((tmp_path / "frames").iterdir())) == 4


def test_images_in_memory_need_no_files() -> None:
    images = np.stack([picture(8, 6, i) for i in range(5)])
    frames = prepare(make(images), options())
    np.testing.assert_array_equal(frames.whole(), images)
    assert np.shares_memory(frames.whole(), images)
    assert frames.shape == (8, 6, 3)
    cropped = prepare(make(images), options(crop=4))
    np.testing.assert_array_equal(cropped.room, np.tile([[4, 2]], (5, 1)))
    np.testing.assert_array_equal(cropped.centre, np.tile([[2, 1]], (5, 1)))
    prepare(make(images), options(resize=6))  # the size they have
    with pytest.raises(ValueError, match="has no folder"):
        prepare(make(images), options(resize=5))


def test_images_in_memory_can_be_resized(tmp_path: Path) -> None:
    images = np.stack([picture(8, 6, i) for i in range(5)])
    frames = prepare(make(images, tmp_path), options(resize=9))
    assert frames.shape == (12, 9, 3)
    np.testing.assert_array_equal(frames.whole()[2], expected(images[2], 9))


def test_pixels_are_packed_in_order(small_shards: None, tmp_path: Path) -> None:
    drawn = Drawn.random(6, seed=3)
    frames = prepare(make(drawn, tmp_path), options(crop=5))
    packed = frames.packed()
    assert packed.shape == (frames.pixels,)
    for i in range(6):
        h, w = frames.size[i]
        part = packed[frames.start[i] : frames.start[i] + h * w].reshape(h, w)
        image = np.stack([part & 255, part >> 8 & 255, part >> 16], -1)
        np.testing.assert_array_equal(image, drawn[i])


def test_frames_travel_as_the_names_of_their_files(small_shards: None, tmp_path: Path) -> None:
    frames = prepare(make(Drawn.random(40, seed=0), tmp_path), options(19, 5))
    sent = pickle.dumps(frames)
    assert len(sent) < frames.pixels
    copy: Frames = pickle.loads(sent)
    for i in range(40):
        np.testing.assert_array_equal(copy.image(i), frames.image(i))


def test_the_centre_is_torchvisions() -> None:
    for height, width in ((10, 11), (12, 13), (14, 15)):
        frames = Frames([np.zeros((height * width, 3), np.uint8)], [np.array([[height, width]])], 8)
        # Python's round, as torchvision's center_crop has it: halves to the even neighbour.
        expected = [round((height - 8) / 2.0), round((width - 8) / 2.0)]
        np.testing.assert_array_equal(frames.centre, [expected])


@pytest.mark.parametrize(("height", "width"), [(375, 500), (500, 333), (100, 100), (281, 500)])
def test_the_shorter_side_is_resized_as_torchvision_does(height: int, width: int) -> None:
    short, long = sorted((height, width))
    image = shorter_side(picture(height, width, 0), 256)
    assert min(image.shape[:2]) == 256
    assert max(image.shape[:2]) == int(256 * long / short)
    assert (image.shape[0] > image.shape[1]) == (height > width)
    same = picture(height, width, 0)
    assert shorter_side(same, short) is same
    assert shorter_side(same, 0) is same


def test_images_that_cannot_be_read_are_all_named(small_shards: None, tmp_path: Path) -> None:
    content = list(Drawn.random(10, seed=0).content)
    content[2] = content[2][:-200]
    content[7] = b"no image"
    split = make(Drawn(tuple(content)), tmp_path)
    with pytest.raises(
        UsageError,
        match=r"2 images of 'train' cannot be read: '002' \('drawn 2' is damaged.*'007'.*"
        r"--config.data.leave_out='\('\"'\"'002'\"'\"', '\"'\"'007'\"'\"'\)'$",
    ):
        prepare(split, options(15, 15))
    # What could be decoded is kept, for when the others can be read.
    assert [p.name for p in tmp_path.rglob("*.pixels")] == ["00002.pixels"]
    good = np.setdiff1d(np.arange(10), [2, 7])
    assert len(prepare(split.take(good), options(15, 15))) == 8


def test_images_that_do_not_fit_are_named(tmp_path: Path) -> None:
    images = [picture(8, 8, 0), picture(8, 9, 1), picture(5, 9, 2)]
    split = make(Drawn(tuple(encode(i) for i in images)), tmp_path)
    with pytest.raises(
        UsageError, match=r"different sizes, '000' 8x8 and '001' 8x9 pixels.*data.resize.*data.crop"
    ):
        prepare(split, options())
    with pytest.raises(
        UsageError, match=r"1 image of 'train' cannot be cropped to 6 pixels, '002' of 5x9"
    ):
        prepare(split, options(crop=6))


@pytest.mark.parametrize("pixels", [-1, 1])
def test_pixels_that_are_too_few_or_too_many_are_made_again(
    small_shards: None, tmp_path: Path, pixels: int
) -> None:
    split = make(Drawn.random(4, seed=0), tmp_path)
    whole = prepare(split, options(15, 13)).packed()
    (file,) = tmp_path.rglob("*.pixels")
    content = file.read_bytes()
    file.write_bytes(content[:-3] if pixels < 0 else content + bytes(3))
    np.testing.assert_array_equal(prepare(split, options(15, 13)).packed(), whole)


def test_another_way_of_cutting_files_has_a_folder_of_its_own(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    drawn = Drawn.random(12, seed=0)
    for size in (8, 4):
        monkeypatch.setattr(module, "PER_SHARD", size)
        frames = prepare(make(drawn, tmp_path), options(0, 12))
        for i in range(12):
            np.testing.assert_array_equal(frames.image(i), drawn[i])


def test_there_are_never_too_many_files_to_map(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "PER_SHARD", 2)
    monkeypatch.setattr(module, "MOST_SHARDS", 3)
    drawn = Drawn.random(10, seed=0)
    frames = prepare(make(drawn, tmp_path), options(0, 12))
    assert len(list(tmp_path.rglob("*.pixels"))) == 3
    for i in range(10):
        np.testing.assert_array_equal(frames.image(i), drawn[i])


def test_whole_images_are_copied_from_several_files(small_shards: None, tmp_path: Path) -> None:
    images = [picture(6, 5, i) for i in range(11)]
    frames = prepare(make(Drawn(tuple(map(encode, images))), tmp_path), options())
    positions = np.array([10, 0, 5, 3, 4, 10])
    out = np.empty((6, 6, 5, 3), np.uint8)
    frames.cut(positions, np.zeros((6, 2), int), out)
    np.testing.assert_array_equal(out, np.stack(images)[positions])


def test_an_image_of_an_unknown_kind_is_named_too(tmp_path: Path) -> None:
    floats = io.BytesIO()
    Image.fromarray(np.zeros((9, 9), np.float32)).save(floats, "TIFF")
    split = make(Drawn((encode(picture(9, 9, 0)), floats.getvalue())), tmp_path)
    with pytest.raises(UsageError, match=r"cannot be read: '001' .*leave_out=001$"):
        prepare(split, options())


def test_what_killed_processes_left_is_removed_in_time(tmp_path: Path) -> None:
    split = make(Drawn.random(4, seed=0), tmp_path)
    prepare(split, options(15, 13))
    (folder,) = (tmp_path / "frames").iterdir()
    old, new = folder / "00000.pixels.a.partial", folder / "00000.pixels.b.partial"
    for debris in (old, new):
        debris.write_bytes(b"half")
    os.utime(old, (0, 0))
    prepare(split, options(15, 13))
    assert not old.exists()
    assert new.exists()
