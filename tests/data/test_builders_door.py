"""``python -m jagree.data``, and what interrupts it."""

import fcntl
import json
import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from jagree.data import builders
from jagree.data.builders import kth_tips2b, prepare
from jagree.data.tfds_reader import open_split
from jagree.errors import UsageError
from tests.conftest import REPOSITORY
from tests.data import archives

COUNT = 11 * 4 * 12 - 8  # images of KTH-TIPS2-b at one scale


def door(*flags: str, **env: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "jagree.data", *flags],
        capture_output=True, text=True, timeout=120, cwd=REPOSITORY, env=os.environ | env,
    )  # fmt: skip


def refused(*flags: str) -> str:
    """The one line that a call fails with."""
    result = door(*flags)
    assert result.returncode == 2, result.stderr
    (line,) = result.stderr.splitlines()
    assert line.startswith("jagree: ")
    return line


@pytest.fixture(scope="module")
def kth(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with the archive of a small KTH-TIPS2-b."""
    folder = tmp_path_factory.mktemp("kth")
    archives.kth_archive(folder, archives.kth_members((2,), 4))
    return folder


def state(folder: Path) -> dict[str, tuple[int, int]]:
    return {
        str(p.relative_to(folder)): (p.stat().st_size, p.stat().st_mtime_ns)
        for p in folder.rglob("*")
    }


def test_a_bare_call_explains_itself() -> None:
    result = door()
    assert result.returncode == 2
    assert "python -m jagree.data --prepare=cifar10" in result.stdout
    for name in builders.NAMES:
        assert name in result.stdout
    assert result.stderr == ""


def test_mistakes_are_told_in_one_line(tmp_path: Path, kth: Path) -> None:
    assert "cannot prepare 'cifar'; what can be is cifar10, voc," in refused("--prepare=cifar")
    assert "unexpected argument 'cifar10'" in refused("cifar10")
    assert "Unknown command line flag 'prepared'" in refused("--prepared=cifar10")
    where = f"--dir={tmp_path}/tfds"
    assert "register at https://image-net.org" in refused("--prepare=imagenet2012", where)
    assert f"has no '{archives.VOC_ARCHIVES['2007'][0]}'" in refused(
        "--prepare=voc", where, f"--archives={tmp_path}"
    )
    line = refused("--prepare=kth_tips2b", where, f"--archives={kth}")
    assert "expected is 00470a104a57f5a5be22cc8a0f234c4e: it is not used" in line
    (tmp_path / "file").write_text("")
    line = refused("--prepare=cifar10", f"--dir={tmp_path}/file/x")
    assert "cannot prepare 'cifar10' in" in line
    assert "choose another --dir" in line
    assert {p.name for p in tmp_path.rglob("*")} == {"file", "tfds"}


def test_it_prepares_once_where_tfds_looks(tmp_path: Path, kth: Path) -> None:
    flags = ("--prepare=kth_tips2b", f"--archives={kth}", "--nocheck")
    result = door(*flags, TFDS_DATA_DIR=str(tmp_path))
    assert result.returncode == 0, result.stderr
    target = tmp_path / "kth_tips2b/1.0.0"
    assert result.stdout.splitlines() == [
        f"preparing '{target}'", f"prepared '{target}': {COUNT:,} images for train"
    ]  # fmt: skip
    assert result.stderr == ""
    assert len(open_split("kth_tips2b", str(tmp_path), "train")) == COUNT
    assert {p.name for p in (tmp_path / "kth_tips2b").iterdir()} == {"1.0.0"}
    before = state(tmp_path)
    result = door(*flags, TFDS_DATA_DIR=str(tmp_path))
    assert result.stdout.splitlines() == [f"'{target}' is there already, and is left as it is"]
    assert (result.returncode, result.stderr) == (0, "")
    assert state(tmp_path) == before


def test_what_was_prepared_is_counted() -> None:
    counts = {"train": 1, "test": 1_200}
    summary = builders._summary
    assert summary(counts, {"train": 1}) == "1 image for train and 1,200 images for test"
    assert summary({"train": 1}, {"train": 9_000}) == "1 image for train (officially 9,000)"


KILLED = """
import os, signal, sys
from jagree.data.builders import kth_tips2b, prepare
whole, left = kth_tips2b.whole, [100]
def killed(*arguments):
    left[0] -= 1
    if not left[0]:
        os.kill(os.getpid(), int(sys.argv[2]))
    return whole(*arguments)
kth_tips2b.whole = killed
prepare("kth_tips2b", sys.argv[1], sys.argv[3], check=False)
"""


def test_what_was_killed_is_no_data_set_and_begins_anew(tmp_path: Path, kth: Path) -> None:
    command = [sys.executable, "-c", KILLED, tmp_path, str(signal.SIGKILL.value), kth]
    assert subprocess.run(command, cwd=REPOSITORY, timeout=120).returncode == -signal.SIGKILL
    assert [p.name for p in (tmp_path / "kth_tips2b").iterdir()] == [".preparing"]
    with pytest.raises(UsageError, match="no 'kth_tips2b' data"):
        open_split("kth_tips2b", str(tmp_path), "train")
    prepare("kth_tips2b", tmp_path, kth, check=False)
    assert [p.name for p in (tmp_path / "kth_tips2b").iterdir()] == ["1.0.0"]
    assert len(open_split("kth_tips2b", str(tmp_path), "train")) == COUNT


def test_what_is_interrupted_leaves_nothing(
    tmp_path: Path, kth: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for error in (KeyboardInterrupt, OSError(28, "No space left on device")):
        calls = iter([*[b""] * 50])

        def interrupted(*_: object, calls=calls, error=error) -> bytes:  # type: ignore[no-untyped-def]
            if next(calls, None) is None:
                raise error
            return b""

        monkeypatch.setattr(kth_tips2b, "whole", interrupted)
        with pytest.raises((KeyboardInterrupt, UsageError)) as caught:
            prepare("kth_tips2b", tmp_path / "tfds", kth, check=False)
        assert list((tmp_path / "tfds").iterdir()) == []
    assert "No space left on device" in str(caught.value)
    assert "make room" in str(caught.value)


def test_ctrl_c_is_answered_by_one_line(tmp_path: Path, kth: Path) -> None:
    code = KILLED.replace('prepare("kth_tips2b", sys.argv[1], sys.argv[3], check=False)', "") + (
        "import runpy; folder, kth = sys.argv[1], sys.argv[3]\n"
        "sys.argv = ['x', '--prepare=kth_tips2b', f'--dir={folder}', f'--archives={kth}',"
        " '--nocheck']\n"
        "runpy.run_module('jagree.data', run_name='__main__')"
    )
    code = code.replace("int(sys.argv[2])", "signal.SIGINT")
    result = subprocess.run(
        [sys.executable, "-c", code, tmp_path, "", kth],
        cwd=REPOSITORY, timeout=120, capture_output=True, text=True,
    )  # fmt: skip
    assert result.returncode == 130
    assert "stopped; the same command goes on" in result.stderr
    assert "Traceback" not in result.stderr
    assert list(tmp_path.iterdir()) == []


def test_two_do_not_prepare_the_same(tmp_path: Path, kth: Path) -> None:
    folder = tmp_path / "kth_tips2b"
    folder.mkdir()
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX)
        with pytest.raises(UsageError, match=r"another process is preparing '.*kth_tips2b'"):
            prepare("kth_tips2b", tmp_path, kth, check=False)
    finally:
        os.close(descriptor)
    prepare("kth_tips2b", tmp_path, kth, check=False)


def test_what_is_there_and_cannot_be_read_is_not_touched(tmp_path: Path, kth: Path) -> None:
    target = tmp_path / "kth_tips2b/1.0.0"
    target.mkdir(parents=True)
    for content, message in [
        (None, "is no finished data set; remove it, or choose another --dir"),
        ("rubbish", "is no finished data set"),
        ("[]", "is no finished data set"),
        ("{}", "is no finished data set"),
        (json.dumps({"fileFormat": "tfrecord"}), "in the format tfrecord, which cannot be read"),
    ]:
        if content is not None:
            (target / "dataset_info.json").write_text(content)
        before = state(tmp_path)
        with pytest.raises(UsageError, match=message):
            prepare("kth_tips2b", tmp_path, kth, check=False)
        assert state(tmp_path) == before


def test_too_little_room_is_said_before_anything_is_written(
    tmp_path: Path, kth: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    size = (kth / kth_tips2b.ARCHIVE).stat().st_size
    usage = type("Usage", (), {"free": size - 1})
    monkeypatch.setattr("shutil.disk_usage", lambda _: usage)
    with pytest.raises(UsageError, match=r"has room for 0\.0 GB, but some 0\.0 GB are needed"):
        prepare("kth_tips2b", tmp_path, kth, check=False)
    assert list(tmp_path.iterdir()) == []
    usage.free = size
    prepare("kth_tips2b", tmp_path, kth, check=False)


def test_a_full_disk_is_called_so(
    tmp_path: Path, kth: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from array_record.python import array_record_module

    class Full(array_record_module.ArrayRecordWriter):
        def write(self, _: bytes) -> None:
            raise RuntimeError("write() failed: No space left on device; writing x; at byte 7")

    monkeypatch.setattr(array_record_module, "ArrayRecordWriter", Full)
    with pytest.raises(
        UsageError, match=r"\(write\(\) failed: No space left on device\); make room"
    ):
        prepare("kth_tips2b", tmp_path / "tfds", kth, check=False)
    assert list((tmp_path / "tfds").iterdir()) == []


def test_another_version_of_tfds_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    import tensorflow_datasets as tfds

    members = archives.cifar_members(archives.cifar_noise(10), archives.cifar_noise(4))
    archives.cifar_archive(tmp_path, members)
    monkeypatch.setattr(tfds.builder_cls("cifar10"), "VERSION", tfds.core.Version("3.0.9"))
    with pytest.raises(UsageError, match=r"has version 3\.0\.9 of 'cifar10', .* prepare 3\.0\.2"):
        prepare("cifar10", tmp_path / "tfds", tmp_path, check=False)
    assert list((tmp_path / "tfds").iterdir()) == []


def test_importing_the_data_room_stays_light() -> None:
    code = (
        "import sys, jagree.data, jagree.data.builders, jagree.data.sources.kth_tips2b, "
        "jagree.data.sources.imagenet; sys.exit(bool({'tensorflow_datasets', 'jax', 'pyarrow'} & "
        "set(sys.modules)))"
    )
    assert subprocess.run([sys.executable, "-c", code], timeout=60).returncode == 0
