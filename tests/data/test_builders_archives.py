"""Archives that lie about what they hold: one error, nothing written, no memory taken."""

import gzip
import tarfile
from pathlib import Path

import numpy as np
import pytest

from jagree.data.builders.archives import Archive
from jagree.errors import UsageError
from tests.data import archives
from tests.data.archives import odd, packed, refused, tar

JPEG = archives.picture(np.random.default_rng(0), 8, "jpeg")


ESCAPING = {
    "a name that leads up": (("../x", b"1"), r"'\.\./x' in '.*' has a name that leads out"),
    "one that does so later": (("a/../../x", b"1"), r"'a/\.\./\.\./x' in .* leads out"),
    "an absolute one": (("/tmp/x", b"1"), "'/tmp/x' in .* leads out"),
    "a folder that leads up": (odd("../x", tarfile.DIRTYPE), r"'\.\./x' in .* leads out"),
    "a link out": (odd("a/l", tarfile.SYMTYPE, "../../x"), r"'a/l' in .* links to '\.\./\.\./x'"),
    "an absolute link": (odd("l", tarfile.SYMTYPE, "/etc/passwd"), "'l' in .* links to '/etc/"),
    "a hard link out": (odd("a/l", tarfile.LNKTYPE, "../x"), r"'a/l' in .* links to '\.\./x'"),
    "a device": (odd("dev/null", tarfile.CHRTYPE), "'dev/null' in .* is a device"),
    "a disk": (odd("sda", tarfile.BLKTYPE), "'sda' in .* is a device"),
    "a pipe": (odd("pipe", tarfile.FIFOTYPE), "'pipe' in .* is a device or such"),
}


@pytest.mark.parametrize("case", ESCAPING)
def test_what_would_escape_is_refused_by_all_builders(tmp_path: Path, case: str) -> None:
    member, message = ESCAPING[case]
    folder = tmp_path / "a"
    cifar = archives.cifar_members(archives.cifar_noise(10), archives.cifar_noise(10))
    tar(folder / "cifar-10-binary.tar.gz", [*cifar.items(), member], "w:gz")
    refused("cifar10", folder, message)
    for names in archives.VOC_ARCHIVES.values():
        for name in names:
            tar(folder / name, [member])
    refused("voc", folder, message)
    tar(folder / "kth-tips2-b_col_200x200.tar", [member])
    refused("kth_tips2b", folder, message)
    archives.imagenet_archives(folder, {"n01440764": JPEG})
    tar(folder / "ILSVRC2012_img_val.tar", [member])
    refused("imagenet2012", folder, message)
    inner = tar(tmp_path / "inner", [member]).read_bytes()
    archives.imagenet_archives(folder, {"n01440764": JPEG})
    tar(folder / "ILSVRC2012_img_train.tar", [("n01440764.tar", inner)])
    refused("imagenet2012", folder, message.replace("in '", "in '.*/n01440764.tar"))


def test_links_within_are_no_files(tmp_path: Path) -> None:
    link = odd("a/b/l", tarfile.SYMTYPE, "../c")
    hard = odd("a/b/h", tarfile.LNKTYPE, "a/c")
    path = tar(tmp_path / "x.tar", [("./a//c", b"content"), link, hard])
    with Archive.open(path) as archive:
        assert archive.names() == ["a/c"]
        assert archive.read("a/c") == b"content"
        for name in ("a/b/l", "a/b/h"):
            with pytest.raises(UsageError, match=f"'{name}' in .* is a link, not a file"):
                archive.read(name)
        with pytest.raises(UsageError, match=r"x\.tar' has no 'a/d'"):
            archive.read("a/d")


def test_a_name_that_is_there_twice_is_not_read(tmp_path: Path) -> None:
    path = tar(tmp_path / "x.tar", [("a", b"1"), ("b", b"2"), ("./a", b"3")])
    with Archive.open(path) as archive:
        assert archive.read("b") == b"2"
        with pytest.raises(UsageError, match=r"'a' in .* is there twice"):
            archive.read("a")


def test_names_are_printed_in_one_line(tmp_path: Path) -> None:
    path = tar(tmp_path / "x.tar", [("../a\n\x1b[31m" + 300 * "b", b"1")])
    with pytest.raises(UsageError) as caught:
        Archive.open(path)
    assert r"'../a\n\x1b[31mbbb" in str(caught.value)
    assert str(caught.value).isprintable()
    assert len(str(caught.value)) < 500


def test_every_cut_of_an_archive_is_seen(tmp_path: Path) -> None:
    """Wherever it is cut, but in the padding behind its end."""
    whole = packed([("a", b"1" * 700), ("b", b"2" * 10)])
    end = 512 + 1024 + 512 + 512  # of the last member's last block
    path = tmp_path / "x.tar"
    for cut in [*range(0, end + 512, 64), end - 1, end + 1, end + 511]:
        path.write_bytes(whole[:cut])
        with pytest.raises(UsageError, match=r"x\.tar' is (no tar archive|cut short)"):
            Archive.open(path)
    path.write_bytes(whole[: end + 512])
    with Archive.open(path) as archive:
        assert archive.read("b") == b"2" * 10


def test_every_damaged_header_is_seen(tmp_path: Path) -> None:
    whole = packed([("a", b"1" * 700), ("b", b"2" * 10), ("c", b"3")])
    for header in (0, 512 + 1024, 512 + 1024 + 1024):
        damaged = bytearray(whole)
        damaged[header + 150] ^= 1  # in the checksum
        (tmp_path / "x.tar").write_bytes(damaged)
        with pytest.raises(UsageError, match=r"x\.tar' is (no tar archive|cut short or damaged)"):
            Archive.open(tmp_path / "x.tar")


def test_cut_and_damaged_compression_is_seen(tmp_path: Path) -> None:
    noise = np.random.default_rng(0).bytes(50_000)
    whole = gzip.compress(packed([("a", noise)]))
    path = tmp_path / "x.tar.gz"
    for cut in (1, 2, 9, 15, 100, 20_000, len(whole) - 40):
        path.write_bytes(whole[:cut])
        with pytest.raises(UsageError, match=r"x\.tar\.gz' is"):
            Archive.open(path)
    damaged = bytearray(whole)
    damaged[20_000:20_100] = bytes(100)
    path.write_bytes(damaged)
    with pytest.raises(UsageError, match=r"x\.tar\.gz' is cut short or damaged"):
        Archive.open(path)  # what is damaged is no header: only the checksum tells


NO_ARCHIVE = {
    "empty": b"",
    "text": b"<html>404 Not Found</html>" * 100,
    "zip": b"PK\x03\x04" + bytes(2_000),
    "image": JPEG,
    "xz": b"\xfd7zXZ\x00" + bytes(600),
    "packed text": gzip.compress(b"hello" * 1_000),
}


@pytest.mark.parametrize("kind", NO_ARCHIVE)
def test_what_is_no_archive_is_called_so(tmp_path: Path, kind: str) -> None:
    folder = tmp_path / "a"
    folder.mkdir()
    (folder / "cifar-10-binary.tar.gz").write_bytes(NO_ARCHIVE[kind])
    refused("cifar10", folder, r"cifar-10-binary\.tar\.gz' is no tar archive; get it again")


def test_sparse_and_huge_members_are_not_read(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("jagree.data.builders.archives._LARGEST", 1_000)
    path = tar(tmp_path / "x.tar", [("a", bytes(1_001)), ("b", bytes(1_000))])
    with Archive.open(path) as archive:
        assert len(archive.read("b")) == 1_000
        with pytest.raises(UsageError, match=r"'a' in .* has 1,001 bytes"):
            archive.read("a")
    hole = tarfile.TarInfo("hole")
    hole.pax_headers = {
        "GNU.sparse.major": "1", "GNU.sparse.minor": "0",
        "GNU.sparse.name": "hole", "GNU.sparse.realsize": str(10**15),
    }  # fmt: skip
    path = tar(tmp_path / "y.tar", [(hole, b"1\n0\n1\n" + bytes(506) + b"x")])
    with (
        Archive.open(path) as archive,
        pytest.raises(UsageError, match=r"'hole' in .* is stored with holes"),
    ):
        archive.read("hole")


def test_headers_that_make_up_sizes_take_neither_memory_nor_stack(tmp_path: Path) -> None:
    path = tmp_path / "x.tar"
    huge = tarfile.TarInfo("x")
    huge.type, huge.size = tarfile.XHDTYPE, 1 << 50
    chain = tarfile.TarInfo("././@LongLink")
    chain.type, chain.size = tarfile.GNUTYPE_LONGNAME, 1
    member = chain.tobuf(tarfile.GNU_FORMAT) + b"a" + bytes(511)
    for content in (huge.tobuf(tarfile.GNU_FORMAT), 3_000 * member):
        path.write_bytes(content + bytes(1_024))
        with pytest.raises(UsageError, match=r"x\.tar' is no tar archive"):
            Archive.open(path)
