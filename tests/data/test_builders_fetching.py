"""Downloads, from a server on this machine, and checksums."""

import hashlib
import socket
import threading
import time
from collections.abc import Iterator
from dataclasses import replace
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import numpy as np
import pytest

from jagree.data.builders import cifar10, imagenet2012, kth_tips2b, prepare, voc
from jagree.data.builders.fetching import File, download, find, of_tfds, verify
from jagree.data.tfds_reader import open_split
from jagree.errors import UsageError
from tests.data import archives

CONTENT = np.random.default_rng(0).bytes(3_000_000)


class Server(ThreadingHTTPServer):
    """Serves one content under any path."""

    content = CONTENT
    ranges = True  # whether a part can be asked for
    stops_after = len(CONTENT) * 2  # bytes, then the connection breaks
    status = 200

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), Handler)
        self.asked: list[tuple[str, str | None]] = []  # path, range

    def file(self, name: str = "a.tar", digest: str = "") -> File:
        url = f"http://127.0.0.1:{self.server_address[1]}/x/{name}"
        return File(name, url, "sha256", digest or hashlib.sha256(self.content).hexdigest())


class Handler(BaseHTTPRequestHandler):
    server: Server

    def do_GET(self) -> None:
        asked = self.headers.get("Range")
        self.server.asked.append((self.path, asked))
        if self.server.status != 200:
            self.send_error(self.server.status)
            return
        content, begin = self.server.content, 0
        if asked and self.server.ranges:
            begin = int(asked.removeprefix("bytes=").removesuffix("-"))
            if begin >= len(content):
                self.send_error(416)
                return
        self.send_response(206 if begin else 200)
        self.send_header("Content-Length", str(len(content) - begin))
        self.end_headers()
        self.wfile.write(content[begin : begin + self.server.stops_after])

    def log_message(self, *_: object) -> None:
        pass


@pytest.fixture
def server() -> Iterator[Server]:
    with Server() as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        yield server
        server.shutdown()
        thread.join()


def test_a_file_is_downloaded_once(server: Server, tmp_path: Path) -> None:
    path = download(server.file(), tmp_path / "downloads")
    assert path == tmp_path / "downloads/a.tar"
    assert path.read_bytes() == CONTENT
    assert server.asked == [("/x/a.tar", None)]
    assert download(server.file(), tmp_path / "downloads") == path
    assert len(server.asked) == 1
    assert [p.name for p in path.parent.iterdir()] == ["a.tar"]


@pytest.mark.parametrize("ranges", [True, False])
def test_a_broken_download_goes_on(server: Server, tmp_path: Path, ranges: bool) -> None:
    server.ranges, server.stops_after = ranges, 1_234_567
    with pytest.raises(UsageError, match=r"broke after 1,234,567 of 3,000,000 bytes") as caught:
        download(server.file(), tmp_path)
    assert "the same command goes on from there" in str(caught.value)
    assert not (tmp_path / "a.tar").exists()
    server.stops_after = len(CONTENT)
    assert download(server.file(), tmp_path).read_bytes() == CONTENT
    assert server.asked == [("/x/a.tar", None), ("/x/a.tar", "bytes=1234567-")]


def test_what_was_whole_but_not_yet_renamed_is_taken(server: Server, tmp_path: Path) -> None:
    (tmp_path / "a.tar.partial").write_bytes(CONTENT)
    assert download(server.file(), tmp_path).read_bytes() == CONTENT


def test_a_server_that_has_it_not_is_named(server: Server, tmp_path: Path) -> None:
    server.status = 404
    with pytest.raises(UsageError, match=r"cannot download http://.*/x/a\.tar \(404 Not Found\)"):
        download(server.file(), tmp_path)
    server.status = 503
    with pytest.raises(UsageError, match=r"\(503 Service Unavailable\); get 'a\.tar' by other"):
        download(server.file(), tmp_path)
    assert list(tmp_path.iterdir()) == []


def test_no_network_is_said_at_once(tmp_path: Path) -> None:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    started = time.monotonic()
    for url in (f"http://127.0.0.1:{port}/a", "https://nowhere.invalid/a"):
        with pytest.raises(UsageError, match=r"cannot download .*--archives=FOLDER") as caught:
            download(File("a", url, "md5", ""), tmp_path / "downloads")
        assert "\n" not in str(caught.value)
    assert time.monotonic() - started < 20
    assert list(tmp_path.iterdir()) == []


def test_checksums_and_sizes_are_compared(tmp_path: Path) -> None:
    path = tmp_path / "a"
    path.write_bytes(b"abc")
    sha, md5 = hashlib.sha256(b"abc").hexdigest(), hashlib.md5(b"abc").hexdigest()
    verify(File("a", "", "sha256", sha, 3), path)
    verify(File("a", "", "md5", md5), path)
    other = "0" + md5[1:] if md5[0] != "0" else "1" + md5[1:]
    with pytest.raises(UsageError, match=f"has the MD5 {md5}, expected is {other}: it is not used"):
        verify(File("a", "", "md5", other), path)
    with pytest.raises(UsageError, match=f"has the SHA-256 {sha}, expected is {md5}"):
        verify(File("a", "", "sha256", md5), path)
    with pytest.raises(UsageError, match=r"has 3 bytes, expected are 4: it is not used.*--nocheck"):
        verify(File("a", "", "sha256", sha, 4), path)
    path.write_bytes(b"1")
    with pytest.raises(UsageError, match=r"has 1 byte, expected are 4: "):
        verify(File("a", "", "sha256", sha, 4), path)


def test_official_files_are_those_of_tfds() -> None:
    (cifar,) = cifar10.recipes()
    assert cifar.files[0].url == "https://www.cs.toronto.edu/~kriz/cifar-10-binary.tar.gz"
    assert cifar.files[0].size == 170_052_171
    assert cifar.files[0].digest.startswith("c4a38c50a1bc5f3a1c5537f2155ab9d68f9f25eb1ed8d9ddda3d")
    years = {recipe.config: [file.name for file in recipe.files] for recipe in voc.recipes()}
    assert years == {year: list(names) for year, names in archives.VOC_ARCHIVES.items()}
    assert all(file.url.startswith("https://") for recipe in voc.recipes() for file in recipe.files)
    (imagenet,) = imagenet2012.recipes()
    assert [file.size for file in imagenet.files] == [147_897_477_120, 6_744_924_160]
    assert len(of_tfds("datasets/imagenet2012/checksums.tsv")) == 2


def test_files_are_found_by_their_official_names(tmp_path: Path) -> None:
    needed, optional = File("a", "", "md5", ""), File("b", "", "md5", "", optional=True)
    with pytest.raises(UsageError, match=r"--archives: there is no folder '.*/none'"):
        find([needed], tmp_path / "none")
    with pytest.raises(UsageError, match=r"--archives: '.*' has no 'a'"):
        find([needed, optional], tmp_path)
    (tmp_path / "a").write_bytes(b"")
    assert find([needed, optional], tmp_path) == {"a": tmp_path / "a"}
    unpacked = replace(needed, name="c", folder="tree")
    with pytest.raises(UsageError, match=r"has no 'c' \(nor the folder 'tree' it unpacks to\)"):
        find([unpacked], tmp_path)
    (tmp_path / "tree").mkdir()
    assert find([unpacked], tmp_path) == {"c": tmp_path / "tree"}
    assert find([unpacked], tmp_path / "tree") == {"c": tmp_path / "tree"}
    (tmp_path / "c").write_bytes(b"")
    assert find([unpacked], tmp_path) == {"c": tmp_path / "c"}


@pytest.fixture
def kth(server: Server, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Server:
    """A server that has a small KTH-TIPS2-b."""
    content = archives.kth_archive(tmp_path / "made", archives.kth_members((2,), 4)).read_bytes()
    server.content = content
    name = "kth-tips2-b_col_200x200.tar"
    monkeypatch.setattr(kth_tips2b, "MD5", hashlib.md5(content).hexdigest())
    monkeypatch.setattr(kth_tips2b, "SITE", f"http://127.0.0.1:{server.server_address[1]}/kth/")
    (recipe,) = kth_tips2b.recipes()
    assert [file.name for file in recipe.files] == [name]
    return server


def test_a_data_set_is_downloaded_and_prepared(
    kth: Server, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    prepare("kth_tips2b", tmp_path / "tfds")
    assert len(open_split("kth_tips2b", str(tmp_path / "tfds"), "train")) == 11 * 4 * 12 - 8
    assert kth.asked == [("/kth/kth-tips2-b_col_200x200.tar", None)]
    said = capsys.readouterr().out
    assert f"downloading http://127.0.0.1:{kth.server_address[1]}/kth/kth-tips2-b_col" in said
    names = {path.name for path in (tmp_path / "tfds").iterdir()}
    assert names == {"downloads", "kth_tips2b"}
    prepare("kth_tips2b", tmp_path / "tfds")
    assert "is there already" in capsys.readouterr().out
    assert len(kth.asked) == 1


def test_a_wrong_download_is_not_used_but_on_request(
    kth: Server, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    found = hashlib.md5(kth.content).hexdigest()
    monkeypatch.setattr(kth_tips2b, "MD5", "00470a104a57f5a5be22cc8a0f234c4e")
    for _ in range(2):
        with pytest.raises(UsageError, match=f"MD5 {found}, expected is 00470a104a57f5a5be22cc8a"):
            prepare("kth_tips2b", tmp_path / "tfds")
        assert not (tmp_path / "tfds/kth_tips2b").exists()
    assert len(kth.asked) == 1  # it is kept: 400 MB, and perhaps right
    prepare("kth_tips2b", tmp_path / "tfds", check=False)
    assert len(open_split("kth_tips2b", str(tmp_path / "tfds"), "train")) == 11 * 4 * 12 - 8
    assert len(kth.asked) == 1
