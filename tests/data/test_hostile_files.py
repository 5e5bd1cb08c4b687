"""Files that are broken, or made to do harm: a clear error that names them, or the pixels."""

import io
import os
import re
import shutil
import struct
import subprocess
import sys
import warnings
import zlib
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import EpsImagePlugin, Image, UnidentifiedImageError

from jagree import data
from jagree.configs import default
from jagree.data.decode import decode, read_image
from jagree.data.files import content
from jagree.data.sources import folder, hf
from jagree.data.split import Split
from jagree.errors import UsageError
from tests.privileges import unprivileged

PIXELS = np.random.default_rng(0).integers(0, 256, (40, 50, 3)).astype(np.uint8)
DEEP = np.random.default_rng(1).integers(0, 65_536, (40, 50)).astype(np.uint16)


def encoded(kind: str, pixels: np.ndarray = PIXELS, **options: Any) -> bytes:
    file = io.BytesIO()
    Image.fromarray(pixels).save(file, kind, **options)
    return file.getvalue()


def chunks(png: bytes) -> Iterator[bytes]:
    at = 8
    while at < len(png):
        end = at + 12 + int.from_bytes(png[at : at + 4], "big")
        yield png[at:end]
        at = end


def chunk(kind: bytes, content: bytes) -> bytes:
    checksum = zlib.crc32(kind + content)
    return struct.pack(">I", len(content)) + kind + content + struct.pack(">I", checksum)


PNG, JPEG = encoded("PNG"), encoded("JPEG")
HEADER, BODY, END = chunks(PNG)


def png(*parts: bytes) -> bytes:
    return PNG[:8] + b"".join(parts)


def large_png(side: int) -> bytes:
    return png(chunk(b"IHDR", struct.pack(">IIBBBBB", side, side, 8, 2, 0, 0, 0)), BODY, END)


def large_jpeg(side: int) -> bytes:
    at = JPEG.index(b"\xff\xc0") + 5
    return JPEG[:at] + struct.pack(">HH", side, side) + JPEG[at + 4 :]


def large_tiff(side: int) -> bytes:
    fields = {256: side, 257: side, 258: 8, 259: 1, 262: 1, 273: 8, 277: 1, 278: side, 279: 9}
    entries = b"".join(struct.pack("<HHII", tag, 4, 1, value) for tag, value in fields.items())
    return b"II*\0" + struct.pack("<IH", 8, len(fields)) + entries + bytes(4)


BOMBS = {
    "bomb.png": large_png(60_000),
    "bomb.jpg": large_jpeg(60_000),
    "bomb.gif": b"GIF89a" + struct.pack("<HH", 60_000, 60_000) + encoded("GIF")[10:],
    "bomb.bmp": encoded("BMP")[:18] + struct.pack("<ii", 60_000, 60_000) + encoded("BMP")[26:],
    "bomb.tif": large_tiff(60_000),
}
TOO_LARGE = r"has more pixels than twice PIL\.Image\.MAX_IMAGE_PIXELS"
NO_IMAGE = "is no image that can be read, or damaged at its beginning; allowed are JPEG, PNG"

BROKEN: dict[str, tuple[bytes, str]] = {
    "cut.jpg": (JPEG[: len(JPEG) // 2], "is damaged: image file is truncated"),
    "nearly.jpg": (JPEG[:-2], "is damaged: image file is truncated"),
    "cut.png": (PNG[: len(PNG) // 2], "is damaged: image file is truncated"),
    "begun.png": (PNG[:20], "is damaged: Truncated File Read"),
    "cut.gif": (encoded("GIF")[:900], "is damaged: image file is truncated"),
    "cut.webp": (encoded("WEBP")[:400], "is damaged: "),
    "empty.png": (b"", NO_IMAGE),
    "text.png": (b"a picture of a cat\n" * 99, NO_IMAGE),
    "page.jpg": (b"<!DOCTYPE html><html><body>404 not found</body></html>", NO_IMAGE),
    "drawing.jpg": (b'<svg xmlns="http://www.w3.org/2000/svg" width="9" height="9"/>', NO_IMAGE),
    "print.jpg": (b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 9 9\n%%EndComments\n", NO_IMAGE),
    "header.png": (png(HEADER[:-1] + b"?", BODY, END), NO_IMAGE),
    "pixels.png": (
        png(HEADER, chunk(b"IDAT", BODY[8:-8] + b"oops"), END),  # zlib's checksum comes last
        "is damaged: broken data stream",
    ),
    "short.png": (png(HEADER, chunk(b"IDAT", BODY[8:500]), END), "is damaged: image file is trunc"),
    "length.png": (png(HEADER, b"\x7f\xff\xff\xfftEXtabc"), "is damaged: Truncated File Read"),
    "nothing.png": (large_png(0), NO_IMAGE),
    "texts.png": (
        png(HEADER, chunk(b"zTXt", b"a\0\0" + zlib.compress(bytes(10**6))) * 99, BODY, END),
        "is damaged: ValueError.*Too much memory",
    ),
    "profile.png": (
        png(HEADER, chunk(b"iCCP", b"a\0\0" + zlib.compress(bytes(10**8))), BODY, END),
        "is damaged: ValueError.*Decompressed data too large",
    ),
    **{name: (bomb, TOO_LARGE) for name, bomb in BOMBS.items()},
}


def frames(kind: str, **options: Any) -> bytes:
    others = [Image.fromarray(np.full_like(PIXELS, i)) for i in range(60)]
    return encoded(kind, save_all=True, append_images=others, **options)


def turned() -> bytes:
    exif = Image.Exif()
    exif[0x0112] = 6  # orientation: a quarter to the right
    return encoded("JPEG", exif=exif)


def by_pillow(content: bytes) -> np.ndarray:
    with Image.open(io.BytesIO(content)) as image:
        return np.asarray(image.convert("RGB"))


def cmyk() -> bytes:
    file = io.BytesIO()
    Image.fromarray(PIXELS).convert("CMYK").save(file, "JPEG")
    return file.getvalue()


READ: dict[str, tuple[bytes, np.ndarray]] = {
    "good.png": (PNG, PIXELS),
    "checksum.png": (png(HEADER, BODY[:-4] + b"oops", END), PIXELS),  # the pixels have their own
    "long_text.png": (png(HEADER, chunk(b"tEXt", b"a\0" + b"x" * 5 * 10**6), BODY, END), PIXELS),
    "no_end.png": (png(HEADER, BODY), PIXELS),
    "more.png": (PNG + b"GIF89a" * 999, PIXELS),
    "named_wrongly.jpg": (PNG, PIXELS),
    "frames.gif": (frames("GIF"), by_pillow(frames("GIF"))),
    "frames.webp": (frames("WEBP", lossless=True), PIXELS),
    "frames.tif": (frames("TIFF"), PIXELS),
    "frames.png": (frames("PNG"), PIXELS),
    "turned.jpg": (turned(), by_pillow(JPEG)),
    "cmyk.jpg": (cmyk(), by_pillow(cmyk())),
    "deep.png": (encoded("PNG", DEEP), np.repeat(np.rint(DEEP / 257)[:, :, None], 3, axis=2)),
}


@pytest.fixture(scope="module", params=["folder", "hf"])
def hostile(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Split:
    """All files above as the train split of either source."""
    where = tmp_path_factory.mktemp(request.param)
    files = {name: bytes_ for name, (bytes_, _) in (BROKEN | READ).items()}
    options = default.get_config().data
    options.update({"name": request.param, "dir": str(where), "test_split": "test"})
    options.update({"train_size": 0, "test_size": 0})
    if request.param == "folder":
        for name, bytes_ in files.items():
            for path in (f"train/{len(name) % 2}/{name}", f"test/{len(name) % 2}/{name}"):
                (where / path).parent.mkdir(parents=True, exist_ok=True)
                (where / path).write_bytes(bytes_)
    else:
        pytest.importorskip("datasets")
        import pyarrow as pa
        import pyarrow.parquet as pq

        label = [len(name) % 2 for name in files]
        table = pa.table({"picture": list(files.values()), "label": label, "id": list(files)})
        pq.write_table(table, where / "train.parquet")
        pq.write_table(table, where / "test.parquet")
        options.update({"image": "picture", "label": "label"})
    splits = data.load(options)
    assert len(splits["train"]) == len(splits["test"]) == len(files)
    return splits["train"]


def position(split: Split, name: str) -> int:
    return [example.rsplit("/", 1)[1] for example in split.id.tolist()].index(name)


@pytest.mark.parametrize("name", BROKEN)
def test_what_is_broken_is_an_error_that_names_it(
    name: str, hostile: Split, tmp_path: Path
) -> None:
    bytes_, message = BROKEN[name]
    at = position(hostile, name)
    with pytest.raises((OSError, ValueError), match=f"/{re.escape(name)}' {message}"):
        hostile.image[at]
    with pytest.raises((OSError, ValueError), match=f"'some name' {message}"):
        decode(bytes_, "some name")
    (tmp_path / name).write_bytes(bytes_)
    with pytest.raises((OSError, ValueError), match=f"/{re.escape(name)}' {message}"):
        read_image(tmp_path / name)


@pytest.mark.parametrize("name", READ)
def test_what_is_odd_is_read_as_documented(name: str, hostile: Split, tmp_path: Path) -> None:
    bytes_, expected = READ[name]
    np.testing.assert_array_equal(hostile.image[position(hostile, name)], expected)
    np.testing.assert_array_equal(decode(bytes_, name), expected)
    (tmp_path / name).write_bytes(bytes_)
    np.testing.assert_array_equal(read_image(tmp_path / name), expected)


def test_a_split_with_broken_images_has_a_fingerprint(hostile: Split) -> None:
    assert len(hostile.fingerprint) == 64
    sane = hostile.take(np.sort([position(hostile, name) for name in READ]))
    assert len({hostile.fingerprint, sane.fingerprint}) == 2


def test_what_is_broken_otherwise_has_another_fingerprint(tmp_path: Path) -> None:
    options = default.get_config().data
    options.update({"dir": str(tmp_path), "test_share": 0.5})
    seen = set()
    for bytes_ in (b"", b"text", b"texts", BROKEN["cut.png"][0], BOMBS["bomb.png"], PNG):
        for name in ("a/1.png", "b/1.png"):
            (tmp_path / name).parent.mkdir(exist_ok=True)
            (tmp_path / name).write_bytes(bytes_)
        seen.add(folder.load("train", options).fingerprint)
    assert len(seen) == 6


MEASURED = """
import resource, sys, time
from pathlib import Path
from jagree.data.decode import read_image
from jagree.data.images import content_digest
files = sorted(Path(sys.argv[1]).iterdir())
read_image(files.pop())  # zebra.png: what is imported once is not counted
before, started = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss, time.monotonic()
for file in files:
    content_digest(file.read_bytes())
    try:
        read_image(file)
    except (OSError, ValueError):
        continue
    sys.exit(f"{file} was read")
grown = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before
print(grown / 1024, time.monotonic() - started)
"""


def test_bombs_take_neither_memory_nor_time(tmp_path: Path) -> None:
    for name, (bytes_, _) in BROKEN.items():
        (tmp_path / name).write_bytes(bytes_)
    (tmp_path / "zebra.png").write_bytes(PNG)
    done = subprocess.run(
        [sys.executable, "-c", MEASURED, str(tmp_path)],
        capture_output=True,
        text=True,
        timeout=60,
        check=True,
    )
    megabytes, seconds = map(float, done.stdout.split())
    assert megabytes < 100  # the smallest of them declares 3,600; a machine's page may be large
    assert seconds < 5


def test_nothing_is_handed_to_other_programs(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Of PostScript Pillow would run Ghostscript, whatever the file is called."""
    tool = tmp_path / "gs"
    tool.write_text(f"#!/bin/sh\ntouch {tmp_path}/ran\n")
    tool.chmod(0o755)
    monkeypatch.setenv("PATH", str(tmp_path), prepend=os.pathsep)
    monkeypatch.setattr(EpsImagePlugin, "gs_binary", None)
    with pytest.raises(UnidentifiedImageError):
        decode(BROKEN["print.jpg"][0], "print.jpg")
    assert not (tmp_path / "ran").exists()


def test_threads_that_decode_do_not_silence_others(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", 1_500)  # of 2,000: Pillow would warn
    with ThreadPoolExecutor(8) as pool:
        for pixels in pool.map(lambda _: decode(PNG, "a.png"), range(600)):
            np.testing.assert_array_equal(pixels, PIXELS)
    with pytest.raises(UserWarning, match="still heard"):
        warnings.warn("still heard", UserWarning, stacklevel=1)


@pytest.fixture
def few(tmp_path: Path) -> tuple[Path, Split]:
    """The path of one of three images, and the split that it is in."""
    for name in ("a/x.png", "a/folder.png/y.png", "b/z.png"):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_bytes(PNG)
    options = default.get_config().data
    options.update({"dir": str(tmp_path), "test_share": 0.5})
    return tmp_path / "a/x.png", folder.load("train", options)


def refused(file: Path, split: Split, error: type[Exception], message: str) -> None:
    """Reading it is an error that names it, and so is the fingerprint."""
    assert Path(split.image.name(1)) == file
    with pytest.raises(error, match=message) as caught:
        split.image[1]
    assert str(file) in str(caught.value)
    with pytest.raises(UsageError, match=f"cannot read the image '{file}'"):
        _ = split.fingerprint
    np.testing.assert_array_equal(split.image[2], PIXELS)


def test_a_folder_named_like_an_image_is_a_folder(few: tuple[Path, Split]) -> None:
    assert few[1].id.tolist() == ["a/folder.png/y.png", "a/x.png", "b/z.png"]
    assert few[1].label.tolist() == [0, 0, 1]


def test_a_file_that_vanishes(few: tuple[Path, Split]) -> None:
    few[0].unlink()
    refused(*few, FileNotFoundError, "No such file")


def test_a_file_that_becomes_a_pipe_is_not_waited_for(few: tuple[Path, Split]) -> None:
    few[0].unlink()
    os.mkfifo(few[0])
    refused(*few, OSError, "is no regular file")


def test_a_file_that_becomes_a_folder(few: tuple[Path, Split]) -> None:
    few[0].unlink()
    few[0].mkdir()
    refused(*few, IsADirectoryError, "Is a directory")


def test_a_file_that_is_far_too_large_is_not_read(few: tuple[Path, Split]) -> None:
    with few[0].open("wb") as file:
        file.truncate(2**31 + 1)  # of which the disk holds nothing
    refused(*few, OSError, "has 2,147,483,649 bytes; an image may have 2,147,483,648")


def test_a_file_without_read_permission(few: tuple[Path, Split], reachable: Path) -> None:
    shutil.copytree(few[0].parents[1], reachable / "few")
    options = default.get_config().data
    options.update({"dir": str(reachable / "few"), "test_share": 0.5})
    split = folder.load("train", options)
    file = reachable / "few" / "a/x.png"
    file.chmod(0)
    with unprivileged(reachable):
        refused(file, split, PermissionError, "Permission denied")


def test_devices_are_no_images() -> None:
    with pytest.raises(OSError, match="'/dev/zero' is no regular file"):
        content("/dev/zero")


def test_a_path_in_a_parquet_file_may_not_name_a_pipe(tmp_path: Path) -> None:
    pytest.importorskip("datasets")
    import pyarrow as pa
    import pyarrow.parquet as pq

    os.mkfifo(tmp_path / "pipe.png")
    table = pa.table({"picture": ["pipe.png", "/dev/zero"], "kind": [0, 1], "id": ["a", "b"]})
    pq.write_table(table, tmp_path / "train.parquet")
    options = default.get_config().data
    options.update({"dir": str(tmp_path), "image": "picture", "label": "kind"})
    split = hf.load("train", options)
    for position in (0, 1):
        with pytest.raises(OSError, match="is no regular file"):
            split.image[position]
