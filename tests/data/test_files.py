"""Files of every kind that Pillow reads, written here with pixels that are known."""

import hashlib
import io
import os
import pickle
import struct
import zlib
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image, ImageSequence, UnidentifiedImageError

from jagree.data.decode import read_image
from jagree.data.files import ImageFiles, check_names, content, listing, readable
from jagree.errors import UsageError

RNG = np.random.default_rng(0)
COLOUR = RNG.integers(0, 256, (13, 17, 3)).astype(np.uint8)
GREY = RNG.integers(0, 256, (13, 17)).astype(np.uint8)
DEEP = RNG.integers(0, 65_536, (13, 17)).astype(np.uint16)
ALPHA = RNG.integers(0, 256, (13, 17)).astype(np.uint8)
ALPHA[0, :5], ALPHA[1, :5] = 0, 255


def repeated(grey: np.ndarray) -> np.ndarray:
    return np.repeat(grey[:, :, None], 3, axis=2).astype(np.uint8)


def over_white(colour: np.ndarray, alpha: np.ndarray) -> np.ndarray:
    part = alpha[:, :, None] / 255
    return np.rint(colour * part + 255 * (1 - part)).astype(np.uint8)


def written(folder: Path, image: Image.Image, name: str, **options: Any) -> np.ndarray:
    image.save(folder / name, **options)
    got = read_image(folder / name)
    assert got.dtype == np.uint8
    assert got.ndim == 3
    assert got.shape[2] == 3
    assert got.flags.writeable
    assert got.flags.c_contiguous
    return got


@pytest.mark.parametrize("name", ["a.png", "a.bmp", "a.tif", "a.PNG", "a.ppm"])
def test_colours_are_as_they_are(tmp_path: Path, name: str) -> None:
    np.testing.assert_array_equal(written(tmp_path, Image.fromarray(COLOUR), name), COLOUR)


def test_a_lossless_webp_and_an_lzw_tiff(tmp_path: Path) -> None:
    image = Image.fromarray(COLOUR)
    np.testing.assert_array_equal(written(tmp_path, image, "a.webp", lossless=True), COLOUR)
    np.testing.assert_array_equal(
        written(tmp_path, image, "a.tiff", compression="tiff_lzw"), COLOUR
    )


def test_a_jpeg_is_what_pillow_decodes(tmp_path: Path) -> None:
    for image in (Image.fromarray(COLOUR), Image.fromarray(GREY)):
        got = written(tmp_path, image, "a.jpg", quality=90)
        with Image.open(tmp_path / "a.jpg") as stored:
            np.testing.assert_array_equal(got, np.asarray(stored.convert("RGB")))


@pytest.mark.parametrize("name", ["a.png", "a.bmp", "a.tif", "a.gif"])
def test_grey_is_repeated_be_it_of_eight_bits_or_one(tmp_path: Path, name: str) -> None:
    np.testing.assert_array_equal(written(tmp_path, Image.fromarray(GREY), name), repeated(GREY))
    image = Image.fromarray(GREY > 99)
    assert image.mode == "1"
    np.testing.assert_array_equal(written(tmp_path, image, name), repeated(255 * (GREY > 99)))


def palette() -> tuple[Image.Image, np.ndarray, np.ndarray]:
    """A palette image, its indices 0 to 7 and their colours."""
    index, colours = GREY % 8, RNG.integers(0, 256, (8, 3)).astype(np.uint8)
    image = Image.fromarray(index)
    image.putpalette(colours.tobytes())
    assert image.mode == "P"
    return image, index, colours


@pytest.mark.parametrize("name", ["a.png", "a.bmp", "a.tif", "a.gif"])
def test_a_palette_is_expanded(tmp_path: Path, name: str) -> None:
    image, index, colours = palette()
    np.testing.assert_array_equal(written(tmp_path, image, name), colours[index])


@pytest.mark.parametrize("name", ["a.png", "a.gif"])
def test_a_transparent_entry_of_a_palette_is_white(tmp_path: Path, name: str) -> None:
    image, index, colours = palette()
    colours[5] = 255
    np.testing.assert_array_equal(written(tmp_path, image, name, transparency=5), colours[index])


def test_half_transparent_entries_of_a_palette_are_composited(tmp_path: Path) -> None:
    image, index, colours = palette()
    alpha = np.array([0, 255, 128, 255, 1, 254, 255, 255], np.uint8)
    got = written(tmp_path, image, "a.png", transparency=alpha.tobytes())
    np.testing.assert_array_equal(got, over_white(colours[index], alpha[index]))


@pytest.mark.parametrize("name", ["a.png", "a.tif"])
def test_alpha_is_composited_over_white(tmp_path: Path, name: str) -> None:
    image = Image.fromarray(np.dstack([COLOUR, ALPHA]))
    got = written(tmp_path, image, name)
    np.testing.assert_array_equal(got, over_white(COLOUR, ALPHA))
    np.testing.assert_array_equal(got[0, :5], np.full((5, 3), 255))
    np.testing.assert_array_equal(got[1, :5], COLOUR[1, :5])
    grey = Image.fromarray(np.dstack([GREY, ALPHA]))
    assert grey.mode == "LA"
    got = written(tmp_path, grey, name)
    np.testing.assert_array_equal(got, over_white(repeated(GREY), ALPHA))


def test_every_value_is_rounded_rightly_under_every_alpha(tmp_path: Path) -> None:
    value, alpha = np.meshgrid(np.arange(256), np.arange(256))
    image = np.dstack([value, value, value, alpha]).astype(np.uint8)
    got = written(tmp_path, Image.fromarray(image), "a.png")
    exact = repeated((2 * (value * alpha + 255 * (255 - alpha)) + 255) // 510)  # halves cannot be
    np.testing.assert_array_equal(got, exact)


def test_opaque_alpha_changes_nothing(tmp_path: Path) -> None:
    image = Image.fromarray(np.dstack([COLOUR, np.full_like(GREY, 255)]))
    np.testing.assert_array_equal(written(tmp_path, image, "a.png"), COLOUR)
    indexed, index, colours = palette()
    got = written(tmp_path, indexed.convert("PA"), "a.tif")
    np.testing.assert_array_equal(got, colours[index])


def test_a_colour_declared_transparent_is_white(tmp_path: Path) -> None:
    grey, colour, deep = GREY.copy(), COLOUR.copy(), DEEP.copy()
    grey[2:4], colour[2:4], deep[2:4] = 7, (1, 2, 3), 30_000
    for image, value, expected in (
        (grey, 7, repeated(np.where(grey == 7, 255, grey))),
        (colour, (1, 2, 3), np.where((colour == (1, 2, 3)).all(2)[:, :, None], 255, colour)),
        (deep, 30_000, repeated(np.where(deep == 30_000, 255, np.rint(deep / 257)))),
        (grey > 99, 0, repeated(np.full_like(grey, 255))),
    ):
        got = written(tmp_path, Image.fromarray(image), "a.png", transparency=value)
        np.testing.assert_array_equal(got, expected)


@pytest.mark.parametrize("name", ["a.png", "a.tif", "a.pgm"])
def test_sixteen_bits_are_scaled_to_eight(tmp_path: Path, name: str) -> None:
    every = np.arange(65_536, dtype=np.uint16).reshape(256, 256)
    image = Image.fromarray(every)
    assert image.mode == "I;16"
    got = written(tmp_path, image, name)
    np.testing.assert_array_equal(got, repeated(np.rint(every * (255 / 65_535))))


def test_sixteen_bits_in_big_endian_order(tmp_path: Path) -> None:
    image = Image.frombytes("I;16B", (17, 13), DEEP.astype(">u2").tobytes())
    np.testing.assert_array_equal(
        written(tmp_path, image, "a.tif"), repeated(np.rint(DEEP * (255 / 65_535)))
    )
    with Image.open(tmp_path / "a.tif") as stored:
        assert stored.mode == "I;16B"


def test_sixteen_bits_in_the_mode_of_other_pillow_versions(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Before version 11 Pillow opened 16-bit grey PNG files in mode I."""
    from PIL import PngImagePlugin

    Image.fromarray(DEEP).save(tmp_path / "a.png")
    monkeypatch.setitem(PngImagePlugin._MODES, (16, 0), ("I", "I;16B"))
    with Image.open(tmp_path / "a.png") as stored:
        assert stored.mode == "I"
    got = read_image(tmp_path / "a.png")
    np.testing.assert_array_equal(got, repeated(np.rint(DEEP * (255 / 65_535))))


@pytest.mark.parametrize("name", ["a.tif", "a.jpg"])
def test_cmyk_is_converted(tmp_path: Path, name: str) -> None:
    smooth = np.indices((16, 24)).transpose(1, 2, 0) * 8
    ink = np.dstack([smooth, 250 - smooth[:, :, :1], smooth[:, :, 1:] // 2]).astype(np.uint8)
    got = written(tmp_path, cmyk(ink), name)
    expected = (255 - ink[:, :, :3].astype(int)) * (255 - ink[:, :, 3:].astype(int)) / 255
    assert np.abs(got - expected).max() <= (1 if name == "a.tif" else 12)


def cmyk(ink: np.ndarray) -> Image.Image:
    return Image.merge("CMYK", [Image.fromarray(ink[:, :, i].copy()) for i in range(4)])


def test_ycbcr_is_converted(tmp_path: Path) -> None:
    planes = [Image.fromarray(plane) for plane in (GREY, GREY // 8 + 112, ALPHA // 8 + 112)]
    got = written(tmp_path, Image.merge("YCbCr", planes), "a.tif")
    with Image.open(tmp_path / "a.tif") as stored:
        assert stored.mode == "YCbCr"
    y, cb, cr = (np.asarray(plane, float) for plane in planes)
    cb, cr = cb - 128, cr - 128
    exact = np.dstack([y + 1.402 * cr, y - 0.344136 * cb - 0.714136 * cr, y + 1.772 * cb])
    assert np.abs(got - np.clip(exact, 0, 255)).max() <= 1.5


@pytest.mark.parametrize("name", ["a.gif", "a.tif", "a.webp", "a.png"])
def test_of_several_frames_the_first_is_read(tmp_path: Path, name: str) -> None:
    first, *others = (Image.fromarray(np.full((9, 8, 3), grey, np.uint8)) for grey in (51, 9, 200))
    options = {"lossless": True} if name == "a.webp" else {}
    got = written(tmp_path, first, name, save_all=True, append_images=others, **options)
    with Image.open(tmp_path / name) as stored:
        assert len(list(ImageSequence.Iterator(stored))) == 3
    np.testing.assert_array_equal(got, np.full((9, 8, 3), 51))


@pytest.mark.parametrize("name", ["a.jpg", "a.png", "a.webp"])
def test_exif_orientation_is_ignored(tmp_path: Path, name: str) -> None:
    exif = Image.Exif()
    exif[0x0112] = 6  # to be turned by a quarter
    image = Image.fromarray(np.full((9, 16, 3), 200, np.uint8))
    assert written(tmp_path, image, name, exif=exif).shape == (9, 16, 3)
    with Image.open(tmp_path / name) as stored:
        assert stored.getexif()[0x0112] == 6


@pytest.mark.parametrize("mode", ["F", "I", "LAB"])
def test_other_modes_are_refused_with_a_remedy(tmp_path: Path, mode: str) -> None:
    Image.new(mode, (4, 4)).save(tmp_path / "a.tif")
    text = rf"a\.tif' has pixels of Pillow's mode '{mode}'.*allowed are RGB, 1, L.*8-bit RGB PNG"
    with pytest.raises(ValueError, match=text):
        read_image(tmp_path / "a.tif")


def encoded(**options: Any) -> bytes:
    file = io.BytesIO()
    Image.fromarray(RNG.integers(0, 256, (64, 64, 3)).astype(np.uint8)).save(file, **options)
    return file.getvalue()


@pytest.mark.parametrize("kind", ["PNG", "JPEG", "GIF", "WEBP", "TIFF", "BMP"])
def test_a_truncated_file_is_an_error_that_names_it(tmp_path: Path, kind: str) -> None:
    content = encoded(format=kind)
    (tmp_path / "cut").write_bytes(content[: len(content) // 2])
    with pytest.raises(OSError, match="cut"):
        read_image(tmp_path / "cut")


def test_damage_that_pillow_does_not_call_an_oserror_is_one(tmp_path: Path) -> None:
    content = encoded(format="PNG")
    shortened = bytearray(content)
    shortened[35] -= 1  # of the pixels' length, which ends there
    (tmp_path / "short").write_bytes(shortened)
    with pytest.raises(OSError, match="short' is damaged: SyntaxError"):
        read_image(tmp_path / "short")
    text = b"zTXta\0\0" + zlib.compress(bytes(2**21))  # more than Pillow is ready to unpack
    chunk = struct.pack(">I", len(text) - 4) + text + struct.pack(">I", zlib.crc32(text))
    (tmp_path / "text").write_bytes(content[:33] + chunk + content[33:])
    with pytest.raises(OSError, match="text' is damaged: ValueError"):
        read_image(tmp_path / "text")


def test_what_is_missing_or_no_image_is_an_oserror_of_its_own_kind(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError, match=r"none\.png"):
        read_image(tmp_path / "none.png")
    with pytest.raises(IsADirectoryError):
        read_image(tmp_path)
    for name, bytes_ in (("empty.png", b""), ("text.jpg", b"a picture of a cat\n" * 99)):
        (tmp_path / name).write_bytes(bytes_)
        with pytest.raises(UnidentifiedImageError, match=name):
            read_image(str(tmp_path / name))


def test_large_images_are_read_in_silence_and_huge_ones_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    Image.fromarray(COLOUR).save(tmp_path / "a.png")  # 221 pixels
    monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", 111)
    np.testing.assert_array_equal(read_image(tmp_path / "a.png"), COLOUR)
    monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", 110)
    with pytest.raises(ValueError, match=r"a\.png' has more pixels than twice .*MAX_IMAGE_PIXELS"):
        read_image(tmp_path / "a.png")


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Seven images and what is none."""
    where = tmp_path / "pictures"
    for i, name in enumerate(
        ["b.png", "a/z.JPG", "a/y.jpeg", "B.bmp", "a.gif", "a/deep/er/x.Tiff", "w.webp"]
    ):
        (where / name).parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray(np.full((3 + i, 4, 3), 10 * i, np.uint8)).save(where / name)
    (where / "notes.txt").write_text("not read")
    (where / "png").write_text("not read")
    (where / ".hidden.png").write_text("not read")
    (where / ".cache").mkdir()
    (where / ".cache/c.png").write_text("not read")
    (where / "folder.png").mkdir()
    return where


NAMES = ["B.bmp", "a.gif", "a/deep/er/x.Tiff", "a/y.jpeg", "a/z.JPG", "b.png", "w.webp"]


def test_a_folder_holds_its_images_in_ascending_order_of_id(folder: Path) -> None:
    images = ImageFiles(folder)
    assert images.name == "pictures"
    assert images.id.tolist() == NAMES
    assert images.id.dtype.kind == "U"
    assert (images.id[:-1] < images.id[1:]).all()
    assert len(images) == 7
    assert images.metadata == {}
    assert ImageFiles(str(folder) + "/").name == "pictures"


def test_images_are_read_one_by_one_when_asked_for(folder: Path) -> None:
    images = ImageFiles(folder)
    for position, rows in enumerate([6, 7, 8, 5, 4, 3, 9]):
        assert images.originals(np.array([position]))[0].shape == (rows, 4, 3)
    np.testing.assert_array_equal(images.originals(np.array([5]))[0], np.zeros((3, 4, 3)))
    (folder / "b.png").unlink()
    with pytest.raises(FileNotFoundError, match=r"b\.png"):
        images.originals(np.array([5]))[0]
    assert images.originals(np.array([4]))[0].shape == (4, 4, 3)


def test_a_choice_of_images_is_lazy_and_can_be_sent_elsewhere(folder: Path) -> None:
    chosen = pickle.loads(pickle.dumps(ImageFiles(folder).originals(np.array([5, 0, 4]))))
    (folder / "a/z.JPG").unlink()
    assert len(chosen) == 3
    assert [chosen[i].shape[0] for i in (0, 1)] == [3, 6]
    with pytest.raises(FileNotFoundError, match=r"z\.JPG"):
        chosen[2]
    with pytest.raises(IndexError):
        chosen[3]


def test_the_fingerprint_is_of_names_and_contents_alone(folder: Path, tmp_path: Path) -> None:
    images = ImageFiles(folder)
    before = images.fingerprint
    assert len(before) == 64
    expected = hashlib.sha256()
    for name in NAMES:
        content = hashlib.sha256((folder / name).read_bytes()).digest()
        expected.update(name.encode() + b"\0" + content)
    assert before == expected.hexdigest()
    (folder / "notes.txt").write_text("changed")
    moved = folder.rename(tmp_path / "elsewhere")
    assert ImageFiles(moved).fingerprint == before
    assert images.fingerprint == before  # kept, though the folder is gone
    (moved / "b.png").rename(moved / "c.png")
    renamed = ImageFiles(moved).fingerprint
    (moved / "c.png").write_bytes(b"other")
    assert len({before, renamed, ImageFiles(moved).fingerprint}) == 3


def test_a_folder_without_images_is_a_users_error(folder: Path, tmp_path: Path) -> None:
    with pytest.raises(UsageError, match=r"there is no folder '.*nowhere'; name one that holds"):
        ImageFiles(tmp_path / "nowhere")
    with pytest.raises(UsageError, match=r"there is no folder '.*b\.png'"):
        ImageFiles(folder / "b.png")
    with pytest.raises(UsageError, match=r"folder\.png' holds no image; looked for are \.png, "):
        ImageFiles(folder / "folder.png")


def test_names_must_be_utf8(folder: Path) -> None:
    other = folder / os.fsdecode(b"\xff.png")
    try:
        other.write_bytes(b"")
    except OSError:
        pytest.skip("the file system takes UTF-8 names only")
    with pytest.raises(UsageError, match="is not in UTF-8; rename the file"):
        ImageFiles(folder)
    other.unlink()
    (folder / "\u00dc.png").write_bytes(b"")
    assert ImageFiles(folder).id[-1] == "\u00dc.png"


def test_a_folder_that_cannot_be_read_is_not_left_out(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    scan = os.scandir

    def refusing(path: str) -> Any:
        if str(path).endswith("deep"):
            raise PermissionError(13, "Permission denied", str(path))
        return scan(path)

    monkeypatch.setattr(os, "scandir", refusing)
    with pytest.raises(UsageError, match=r"cannot look into '.*deep' \(Permission denied\)"):
        ImageFiles(folder)


def test_real_photographs(real_data: Path) -> None:
    images = ImageFiles(real_data / "imagenet-samples")
    assert len(images) == 100
    assert images.id[0].startswith("n01484850/")
    grey = 0
    for position in range(100):
        image = images.originals(np.array([position]))[0]
        assert image.ndim == 3
        grey += np.array_equal(image[:, :, 0], image[:, :, 2])
    assert grey >= 4


def test_what_is_no_file_and_what_is_left_out(tmp_path: Path) -> None:
    pixels = Image.fromarray(np.zeros((2, 2, 3), np.uint8))
    for name in ("a.png", "results/b.png", "deep/results/c.png"):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        pixels.save(tmp_path / name)
    os.mkfifo(tmp_path / "pipe.png")  # reading it would wait for ever
    (tmp_path / "piped.png").symlink_to(tmp_path / "pipe.png")
    (tmp_path / "lost.png").symlink_to(tmp_path / "nowhere.png")
    files = ImageFiles(tmp_path, leave_out=(tmp_path / "results",))
    assert files.id.tolist() == ["a.png", "deep/results/c.png", "lost.png"]
    before = files.fingerprint
    with pytest.raises(FileNotFoundError):
        files.originals(np.array([2]))[0]
    pixels.save(tmp_path / "nowhere.png")
    assert ImageFiles(tmp_path, leave_out=(tmp_path / "results",)).fingerprint != before


def test_a_listing_is_that_of_a_slow_walk(folder: Path, tmp_path: Path) -> None:
    (folder / "a/link").symlink_to(folder / "a/deep")
    (folder / "a/link.png").symlink_to(folder / "b.png")
    (folder / "a/text.png").symlink_to(tmp_path / "gone")
    (folder / "a/text").symlink_to(folder / "notes.txt")
    os.mkfifo(folder / "a/deep/pipe.JPG")
    found = listing(folder)
    visible = [
        path.relative_to(folder).as_posix()
        for path in folder.rglob("*")
        if not any(part.startswith(".") for part in path.relative_to(folder).parts)
    ]
    folders = [name for name in visible if (folder / name).is_dir()]
    links = [name for name in folders if (folder / name).is_symlink()]
    assert sorted(found.folders) == sorted(set(folders) - set(links))
    assert found.links == links == ["a/link"]
    images = {*NAMES, "a/link.png", "a/text.png"}
    assert sorted(found.images) == sorted(images)
    assert sorted(found.others) == sorted(set(visible) - set(folders) - images)
    assert sorted(found.others) == ["a/deep/pipe.JPG", "a/text", "notes.txt", "png"]


def test_a_listing_leaves_out_folders_and_confines_links(folder: Path, tmp_path: Path) -> None:
    left = listing(folder, {(folder / "a/deep").resolve()})
    assert sorted(left.folders) == ["a", "folder.png"]
    assert sorted(left.images) == sorted(set(NAMES) - {"a/deep/er/x.Tiff"})
    (folder / "link.png").symlink_to(folder / "b.png")
    assert "link.png" in listing(folder, confined_to=folder.resolve()).images
    (tmp_path / "pictures2").mkdir()  # begins like the folder's name, but is not in it
    (tmp_path / "pictures2/c.png").write_bytes(b"")
    (folder / "out.png").symlink_to(tmp_path / "pictures2/c.png")
    assert "out.png" in listing(folder).images
    with pytest.raises(UsageError, match=r"out\.png' is a link that leads out of '.*pictures', to"):
        listing(folder, confined_to=folder.resolve())


def test_names_that_break_tables_are_refused_and_can_be_printed(folder: Path) -> None:
    check_names(folder, ["a b", "\u00fc", "\u3000\u200d", "\\"])
    for name in ("a\nb", "a\x7fb", "a\x85b", "\x1b[2J"):
        with pytest.raises(UsageError, match="has a control character; rename the file"):
            check_names(folder, ["a", name])
        assert readable(name).isprintable()
    assert readable("a\n\udcff\u00fc") == r"a\n\udcff" + "\u00fc"
    (folder / "a\nb.png").write_bytes(b"")
    with pytest.raises(UsageError, match=r"a\\nb\.png' has a control character"):
        ImageFiles(folder)


def test_the_content_of_a_file_is_all_of_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    whole = RNG.bytes(3 * 2**20 + 1)
    (tmp_path / "a").write_bytes(whole)
    assert content(tmp_path / "a") == whole
    assert content(str(tmp_path / "a")) == whole
    for missing, error in ((tmp_path / "b", FileNotFoundError), (tmp_path, IsADirectoryError)):
        with pytest.raises(error, match=str(missing)):
            content(missing)
    monkeypatch.setattr("jagree.data.files._LARGEST", len(whole))
    assert content(tmp_path / "a") == whole
    (tmp_path / "a").write_bytes(whole + b"0")
    with pytest.raises(OSError, match="a' has 3,145,730 bytes; an image may have 3,145,729"):
        content(tmp_path / "a")
