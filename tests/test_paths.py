"""Where runs lie: a disk or a URL, and what is done to files there."""

import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import fsspec
import pytest

from jagree import paths
from jagree.errors import UsageError


@pytest.fixture(autouse=True)
def empty_memory() -> Iterator[None]:
    yield
    memory = fsspec.filesystem("memory")
    memory.store.clear()
    memory.pseudo_dirs[:] = [""]


@pytest.mark.parametrize("text", ["runs/a", "/tmp/a b", "a://b/"[:1], "./x:y", "gs:/bucket/a"])
def test_what_has_no_protocol_is_a_plain_path(text: str) -> None:
    found = paths.as_path(text)
    assert type(found) is type(Path())
    assert found == Path(text)
    assert not paths.is_remote(found)


def test_a_path_stays_what_it_is(tmp_path: Path) -> None:
    assert paths.as_path(tmp_path) is not None
    assert paths.as_path(tmp_path) == tmp_path
    remote = paths.as_path("memory://bucket/a")
    assert str(paths.as_path(remote)) == "memory://bucket/a"
    assert str(remote / "b") == "memory://bucket/a/b"
    assert paths.is_remote(remote)


def test_a_url_of_a_file_is_a_path_on_the_disk(tmp_path: Path) -> None:
    assert paths.as_path(f"file://{tmp_path}/a") == tmp_path / "a"


def test_a_url_of_no_known_kind_is_refused() -> None:
    with pytest.raises(UsageError, match="'nothing://a' is of no kind that is known; name a folde"):
        paths.as_path("nothing://a")


def test_a_missing_package_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "gcsfs", None)
    with pytest.raises(UsageError, match=r"'gs://b/a' cannot be reached: pip install 'jagree\[gcs"):
        paths.as_path("gs://b/a")


def test_what_runs_share_is_beside_them_or_on_the_disk_at_hand(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    assert paths.beside("here/a", "statistics") == tmp_path / "here/statistics"
    assert paths.beside(tmp_path / "a", "prepared") == tmp_path / "prepared"
    assert paths.beside("memory://bucket/a", "prepared") == tmp_path / "runs/prepared"


@pytest.mark.parametrize("place", ["{}", "memory://bucket"])
def test_writing_and_removing(tmp_path: Path, place: str) -> None:
    folder = paths.as_path(place.format(tmp_path)) / "new"
    paths.make_folder(folder)
    for content in (b"first, and long", b"second"):
        paths.write(folder / "file", content)
        assert (folder / "file").read_bytes() == content
    assert [path.name for path in folder.iterdir()] == ["file"]
    paths.write(folder / "other", b"")
    paths.remove_folder(folder)
    assert not folder.exists()


def test_an_upload_takes_the_place_of_what_was_there_and_ends_with_its_mark(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("a/deep/one", "mark", "z"):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text(name)
    target = paths.as_path("memory://bucket/folder")
    for name in ("mark", "old/file"):
        (target / name).write_text("old")
    order: list[str] = []
    write_bytes = type(target).write_bytes

    def noting(self: Path, content: bytes) -> int:
        order.append(str(self).removeprefix(f"{target}/"))
        return write_bytes(self, content)

    monkeypatch.setattr(type(target), "write_bytes", noting)
    paths.upload(tmp_path, target, last="mark")
    assert order == ["a/deep/one", "z", "mark"]
    memory = fsspec.filesystem("memory")
    assert {n: memory.cat(n) for n in memory.find("/bucket")} == {
        f"/bucket/folder/{name}": name.encode() for name in order
    }
    paths.upload(tmp_path, paths.as_path("memory://bucket/another"), last="mark")
    assert len(memory.find("/bucket/another")) == 3


def test_who_uses_a_disk_imports_no_fsspec() -> None:
    code = (
        "import sys; from jagree.paths import as_path, store; as_path('runs/a'); store('runs/a');"
        "sys.exit('fsspec' in sys.modules or 'upath' in sys.modules)"
    )
    subprocess.run([sys.executable, "-c", code], check=True, timeout=60)
