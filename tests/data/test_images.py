import io
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from jagree.data import images as module
from jagree.data.images import content_digest, digests, pixel_digest, take, write_whole
from jagree.errors import UsageError
from tests.data.pictures import Drawn, encode, picture


def test_a_lossless_format_counts_as_its_pixels_and_jpeg_as_its_bytes() -> None:
    image = picture(9, 7, 0)
    for kind in ("PNG", "BMP", "TIFF"):
        assert content_digest(encode(image, kind)) == pixel_digest(image)
    other = image.copy()
    other[3, 3, 1] ^= 1
    assert pixel_digest(other) != pixel_digest(image)
    assert pixel_digest(image.reshape(7, 9, 3)) != pixel_digest(image)
    jpeg = encode(image, "JPEG")
    with Image.open(io.BytesIO(jpeg)) as decoded:
        assert content_digest(jpeg) != pixel_digest(np.array(decoded))
    # A comment changes the bytes and no pixel: another JPEG.
    assert content_digest(encode(image, "JPEG", comment=b"!")) != content_digest(jpeg)


def test_what_cannot_be_decoded_has_a_digest_of_its_own() -> None:
    cut = encode(picture(9, 7, 0))[:-30]
    assert content_digest(cut) == content_digest(cut)
    assert len({content_digest(c) for c in (cut, cut[:-1], b"", b"no image")}) == 4


def test_digests_are_kept_by_the_stamp(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    drawn = Drawn.random(5, seed=0)
    expected = [pixel_digest(image) for image in drawn]
    assert [bytes(d) for d in digests(drawn, None)] == expected
    assert [bytes(d) for d in digests(drawn, tmp_path)] == expected
    (file,) = (tmp_path / "digests").iterdir()
    monkeypatch.setattr(module, "content_digest", lambda content: pytest.fail("computed again"))
    assert [bytes(d) for d in digests(drawn, tmp_path)] == expected
    monkeypatch.undo()
    other = drawn.take(np.array([1, 0, 2, 3, 4]))
    assert bytes(digests(other, tmp_path)[0]) == expected[1]
    for damaged in (b"", file.read_bytes()[:-10]):
        file.write_bytes(damaged)
        assert [bytes(d) for d in digests(drawn, tmp_path)] == expected


def test_an_image_whose_bytes_cannot_be_read_is_named() -> None:
    class Gone(Drawn):
        def encoded(self, position: int) -> bytes:
            if position == 2:
                raise FileNotFoundError("no such file")
            return super().encoded(position)

    gone = Gone(Drawn.random(5, seed=0).content)
    with pytest.raises(
        UsageError, match=r"cannot read the image 'drawn 2' \(no such file\).* data.leave_out"
    ):
        digests(gone, None)


def test_parts_of_images_in_memory_and_encoded() -> None:
    drawn, array = Drawn.random(4, seed=0), np.arange(24, dtype=np.uint8).reshape(4, 1, 2, 3)
    positions = np.array([2, 0])
    np.testing.assert_array_equal(take(array, positions), array[positions])
    part = take(drawn, positions)
    assert len(part) == 2
    np.testing.assert_array_equal(part[0], drawn[2])


def test_a_file_is_written_whole_or_not_at_all(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "a" / "b.npy"
    write_whole(path, np.arange(3))
    np.testing.assert_array_equal(np.load(path), np.arange(3))

    def full(file: io.BufferedWriter, array: np.ndarray, allow_pickle: bool) -> None:
        file.write(b"half")
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(np, "save", full)
    with pytest.raises(OSError, match="No space left"):
        write_whole(path, np.arange(5))
    assert [p.name for p in path.parent.iterdir()] == ["b.npy"]
    np.testing.assert_array_equal(np.load(path), np.arange(3))


def test_many_digests_are_computed_in_turns(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "_AT_ONCE", 3)
    drawn = Drawn.random(10, seed=0)
    assert [bytes(d) for d in digests(drawn, None)] == [pixel_digest(i) for i in drawn]


def test_digests_of_another_number_are_computed_again(tmp_path: Path) -> None:
    drawn = Drawn.random(5, seed=0)
    expected = digests(drawn, tmp_path)
    (file,) = (tmp_path / "digests").iterdir()
    np.save(file, expected[:4])
    np.testing.assert_array_equal(digests(drawn, tmp_path), expected)


def test_digests_need_not_be_kept(tmp_path: Path) -> None:
    (tmp_path / "digests").write_text("a file where the folder should be")
    assert len(digests(Drawn.random(5, seed=0), tmp_path)) == 5


def test_a_file_is_not_taken_for_the_pixels_that_its_bytes_spell() -> None:
    image = picture(9, 7, 0)
    spelt = repr(image.shape).encode() + image.tobytes()  # no image, and hashed as it is
    assert content_digest(spelt) != pixel_digest(image)
