"""A record in an object store, as fsspec's in-memory file system is one."""

import errno
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import fsspec
import numpy as np
import pytest
import xarray as xr
from zarr.storage import FsspecStore

from jagree.errors import UsageError
from jagree.paths import as_path
from jagree.record import RecordWriter, correct, is_debris, open_record
from tests.record.conftest import N, make_fields, make_recorder, make_splits

URL = "memory://bucket/run/record.zarr"


@pytest.fixture(autouse=True)
def empty_memory() -> Iterator[None]:
    yield
    memory = fsspec.filesystem("memory")
    memory.store.clear()
    memory.pseudo_dirs[:] = [""]


def objects(url: str) -> dict[str, bytes]:
    """Name below the folder to content."""
    memory = fsspec.filesystem("memory")
    folder = as_path(url).path
    return {name[len(folder) :]: memory.cat(name) for name in memory.find(folder)}


def files(folder: Path) -> dict[str, bytes]:
    return {
        f"/{path.relative_to(folder).as_posix()}": path.read_bytes()
        for path in folder.rglob("*")
        if path.is_file()
    }


class LostStore:
    """Lets `writes` writes pass, and fails all further ones as a lost connection does."""

    def __init__(self, patch: pytest.MonkeyPatch, writes: int) -> None:
        self.left = writes
        real = FsspecStore.set

        async def limited(store: Any, key: str, *args: Any, **kwargs: Any) -> None:
            if self.left == 0:
                raise OSError(errno.ENETDOWN, "Network is down")
            self.left -= 1
            await real(store, key, *args, **kwargs)

        patch.setattr(FsspecStore, "set", limited)


def writes_of(action: Any) -> int:
    with pytest.MonkeyPatch.context() as patch:
        store = LostStore(patch, 1_000)
        action()
    return 1_000 - store.left


def test_it_is_what_it_would_be_on_a_disk(tmp_path: Path) -> None:
    here, there = make_recorder(tmp_path / "record.zarr"), make_recorder(URL)  # type: ignore[arg-type]
    for epoch in (1, 2, 5):
        for recorder in (here, there):
            recorder.append(epoch, make_fields(epoch))
    assert objects(URL) == files(tmp_path / "record.zarr")
    assert there.epochs == [1, 2, 5]
    found, expected = open_record(URL), open_record(tmp_path / "record.zarr")
    assert list(found) == list(expected)
    for name in N:
        xr.testing.assert_identical(found[name].load(), expected[name].load())
        np.testing.assert_array_equal(correct(found[name], 1), correct(expected[name], 1))
    there.rewind(1)
    here.rewind(1)
    for epoch in (2, 3):
        for recorder in (RecordWriter(URL), RecordWriter(tmp_path / "record.zarr")):
            recorder.append(epoch, make_fields(epoch))
    assert objects(URL) == files(tmp_path / "record.zarr")


def test_a_connection_that_is_lost_at_any_write_leaves_the_committed_epochs() -> None:
    recorder = make_recorder(URL)  # type: ignore[arg-type]
    writes = writes_of(lambda: recorder.append(1, make_fields(1)))
    assert writes > 20
    before = open_record(URL)["train"].load()
    for allowed in range(writes):
        with pytest.MonkeyPatch.context() as patch:
            LostStore(patch, allowed)
            with pytest.raises(OSError, match="Network is down"):
                recorder.append(2, make_fields(2))
        xr.testing.assert_identical(open_record(URL)["train"].load(), before)
        recorder = RecordWriter(URL)  # as the next process does, which repairs
        whole = xr.open_zarr(
            FsspecStore.from_url(URL, read_only=True), group="train", consolidated=False
        )
        xr.testing.assert_identical(whole.load(), before)
    recorder.append(2, make_fields(2))
    np.testing.assert_array_equal(
        open_record(URL)["test"]["prediction"].values[1], make_fields(2)["test"]["prediction"]
    )


def test_one_whose_making_was_stopped_is_made_anew(tmp_path: Path) -> None:
    whole = make_recorder(tmp_path / "record.zarr")
    writes = writes_of(lambda: make_recorder("memory://bucket/count.zarr"))  # type: ignore[arg-type]
    for allowed in range(1, writes, 5):
        url = f"memory://bucket/{allowed}.zarr"
        with pytest.MonkeyPatch.context() as patch:
            LostStore(patch, allowed)
            with pytest.raises(OSError, match="Network is down"):
                make_recorder(url)  # type: ignore[arg-type]
        assert is_debris(url)
        with pytest.raises(UsageError):
            open_record(url)
        make_recorder(url)  # type: ignore[arg-type]
        assert objects(url) == files(whole.path)


def test_what_is_there_is_not_replaced() -> None:
    make_recorder(URL)  # type: ignore[arg-type]
    before = objects(URL)
    with pytest.raises(UsageError, match=f"'{URL}' exists already"):
        make_recorder(URL)  # type: ignore[arg-type]
    assert objects(URL) == before


def test_damage_is_named_with_the_url() -> None:
    recorder = make_recorder(URL)  # type: ignore[arg-type]
    recorder.append(1, make_fields(1))
    chunk = as_path(f"{URL}/train/prediction/c/0/0/0")
    content = bytearray(chunk.read_bytes())
    content[len(content) // 2] ^= 1
    chunk.write_bytes(content)
    with pytest.raises(UsageError, match=f"'prediction' of epoch 1 .* record '{URL}' are damaged"):
        correct(open_record(URL)["train"], 0)


def test_none_there() -> None:
    with pytest.raises(UsageError, match=f"no record at '{URL}'"):
        open_record(URL)


def test_other_data_is_refused_with_the_url() -> None:
    recorder = make_recorder(URL)  # type: ignore[arg-type]
    splits = make_splits()
    recorder.check_same_data(splits)
    other = {"train": splits["test"], "test": splits["test"]}
    with pytest.raises(UsageError, match=f"'train' data differs from what '{URL}'"):
        recorder.check_same_data(other)
