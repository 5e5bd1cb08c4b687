import concurrent.futures
import multiprocessing
import os
import shutil
import time
from pathlib import Path

import numpy as np
import pytest

from jagree.data import shards as module
from jagree.data.shards import FORMATS, Shard
from tests.data.prepared import framed, write_shard

RECORDS = [np.random.default_rng(i).bytes(i * 37 % 1_000) for i in range(40)]  # one is empty

# Other tests leave threads behind, of which some libraries warn whoever forks.
FORKS = pytest.mark.filterwarnings(
    "ignore:.*fork:DeprecationWarning", "ignore:.*fork:RuntimeWarning"
)


def shard_of(path: Path, file_format: str, length: int = len(RECORDS)) -> Shard:
    status = path.stat()
    return Shard(path, file_format, length, status.st_size, status.st_mtime_ns)


@pytest.fixture(params=sorted(FORMATS))
def shard(request: pytest.FixtureRequest, tmp_path: Path) -> Shard:
    write_shard(tmp_path / "shard", request.param, RECORDS)
    return shard_of(tmp_path / "shard", request.param)


def test_records_are_read_in_the_order_asked_for(shard: Shard) -> None:
    assert shard.read(range(40)) == RECORDS
    assert shard.read([]) == []
    assert shard.read(range(7, 12)) == RECORDS[7:12]
    assert shard.read([7, 8, 10]) == [RECORDS[7], RECORDS[8], RECORDS[10]]
    positions = np.random.default_rng(0).permutation(40).tolist()
    assert shard.read([*positions, 7, 7]) == [RECORDS[i] for i in [*positions, 7, 7]]
    assert [shard.read([i])[0] for i in positions] == [RECORDS[i] for i in positions]


def test_threads_read_at_once(shard: Shard) -> None:
    positions = np.random.default_rng(0).integers(0, 40, 2_000).tolist()
    with concurrent.futures.ThreadPoolExecutor(8) as pool:
        found = list(pool.map(lambda i: shard.read([i])[0], positions))
    assert found == [RECORDS[i] for i in positions]


def read_one(shard: Shard, position: int) -> bytes:
    return shard.read([position])[0]


@pytest.mark.parametrize("start", ["spawn", "fork"])
@FORKS
def test_other_processes_read_what_this_one_has_opened(shard: Shard, start: str) -> None:
    assert shard.read([3]) == [RECORDS[3]]
    with concurrent.futures.ProcessPoolExecutor(
        2, mp_context=multiprocessing.get_context(start)
    ) as pool:
        found = list(pool.map(read_one, [shard] * 40, range(40), timeout=60))
    assert found == RECORDS


@FORKS
def test_a_fork_in_the_middle_of_opening_leaves_the_child_able_to_read(shard: Shard) -> None:
    with module._lock:  # as another thread might hold it
        child = os.fork()
        if child == 0:
            os._exit(0 if shard.read([5]) == [RECORDS[5]] else 1)
    for _ in range(200):
        finished, status = os.waitpid(child, os.WNOHANG)
        if finished:
            break
        time.sleep(0.05)
    else:
        os.kill(child, 9)
        os.waitpid(child, 0)
        pytest.fail("the child waits for a lock that nobody holds")
    assert os.waitstatus_to_exitcode(status) == 0


def test_a_tfrecord_of_which_each_byte_is_known(tmp_path: Path) -> None:
    """As TensorBoard's own writer leaves them: an empty record, "123456789" and "jagree"."""
    content = bytes.fromhex(
        "000000000000000029039807d8ea82a2"
        "090000000000000037f97139313233343536373839e5b08ac7"
        "06000000000000007369d5376a616772656581f7372d"
    )
    (tmp_path / "known").write_bytes(content)
    expected = [b"", b"123456789", b"jagree"]
    assert shard_of(tmp_path / "known", "tfrecord", 3).read(range(3)) == expected
    assert b"".join(map(framed, expected)) == content


def test_every_flipped_bit_of_a_tfrecord_is_noticed(tmp_path: Path) -> None:
    content = b"".join(map(framed, [b"one", b"", b"three"]))
    path = tmp_path / "shard"
    for bit in range(8 * len(content)):
        damaged = bytearray(content)
        damaged[bit // 8] ^= 1 << bit % 8
        path.write_bytes(damaged)
        with pytest.raises(OSError, match="damaged or cut short") as caught:
            Shard(path, "tfrecord", 3, 0, bit).read(range(3))
        assert str(path) in str(caught.value)


def test_every_cut_of_a_tfrecord_is_noticed(tmp_path: Path) -> None:
    content = b"".join(map(framed, [b"one", b"", b"three"]))
    path = tmp_path / "shard"
    for length in range(len(content)):
        path.write_bytes(content[:length])
        with pytest.raises(
            OSError, match=r"damaged or cut short|holds (0 records|1 record|2 records),"
        ):
            Shard(path, "tfrecord", 3, 0, length).read([0])
    path.write_bytes(content + b"\0")
    with pytest.raises(OSError, match=f"no record begins at byte {len(content)}"):
        Shard(path, "tfrecord", 3, 0, -1).read([0])


def test_damaged_files_of_all_formats_are_named(shard: Shard) -> None:
    whole = shard.path.read_bytes()
    flipped = bytearray(whole)
    flipped[1_000] ^= 1
    for content in (whole[: len(whole) // 2], whole[:-1], b"", b"rubbish" * 99, bytes(flipped)):
        shard.path.write_bytes(content)
        with pytest.raises(OSError, match=r"damaged or cut short|holds") as caught:
            shard_of(shard.path, shard.format).read(range(40))
        assert str(shard.path) in str(caught.value)


def test_a_missing_file_is_named(shard: Shard) -> None:
    shard.path.unlink()
    with pytest.raises(OSError, match="No such file") as caught:
        shard.read([0])
    assert str(shard.path) in str(caught.value)


def test_a_file_with_more_or_fewer_records_than_it_should_hold_is_refused(shard: Shard) -> None:
    for length in (39, 41):
        with pytest.raises(OSError, match=f"holds 40 records, but .* says {length}"):
            shard_of(shard.path, shard.format, length).read([0])


@pytest.mark.skipif(not Path("/proc/self/fd").is_dir(), reason="Linux lists open files there")
def test_few_files_are_held_open_and_all_are_read(
    shard: Shard, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "_HELD_OPEN", 3)
    module._open.clear()
    shards = []
    for number in range(12):
        path = tmp_path / f"copy {number}"
        shutil.copyfile(shard.path, path)
        shards.append(shard_of(path, shard.format))
    for position in (5, 6):
        for one in shards:
            assert one.read([position]) == [RECORDS[position]]
    assert sum(path.parent == tmp_path for path in files_open()) <= 3
    # The one that was used last stays: the fourth to be opened closes the one unused for longest.
    if shard.format == "tfrecord":
        assert len(module._open) == 12
    else:
        assert list(module._open) == shards[-3:]
        shards[9].read([0])
        shards[0].read([0])
        assert list(module._open) == [shards[11], shards[9], shards[0]]


def files_open() -> list[Path]:
    return [path.resolve() for path in Path("/proc/self/fd").iterdir()]
