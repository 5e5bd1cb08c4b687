"""The Beam pipeline on its DirectRunner writes the files that the process pool writes."""

import importlib.util
import subprocess
import sys
from pathlib import Path

import pytest

from tests.conftest import REPOSITORY

QUICK = (
    f"--config={REPOSITORY / 'configs/quickstart.py'}",
    "--config.data.train_size=128",
    "--config.data.test_size=40",
    "--config.statistics.names=entropy,segments,edge_strength",
)


def call(folder: Path, *arguments: str) -> str:
    command = [sys.executable, "-W", "ignore", "-m", *arguments]
    done = subprocess.run(command, cwd=folder, capture_output=True, text=True, timeout=600)
    assert done.returncode == 0, done.stderr[-2000:]
    return done.stdout


def files(folder: Path) -> dict[str, bytes]:
    return {str(f.relative_to(folder)): f.read_bytes() for f in folder.rglob("*") if f.is_file()}


@pytest.mark.skipif(
    importlib.util.find_spec("apache_beam") is None,
    reason="Apache Beam is tested in an environment of its own",
)
def test_the_pipeline_writes_the_same_parts_and_none_twice(tmp_path: Path) -> None:
    beam = ("jagree.statistics.beam", *QUICK, "--output=beam")
    call(tmp_path, *beam, "--", "--runner=DirectRunner", "--direct_num_workers=1")
    call(tmp_path, "jagree.statistics", *QUICK, "--config.statistics.dir=pool")
    measured = files(tmp_path / "beam/parts")
    assert len(measured) == 2 * 2 + 7 + 2  # cheap ones in one part; edges in parts of 20
    assert measured == files(tmp_path / "pool/parts")
    # What is there is not measured again, and is joined as if it had been measured here.
    times = {f: f.stat().st_mtime_ns for f in tmp_path.glob("beam/**/*.npz")}
    next(iter(times)).unlink()
    call(tmp_path, *beam)
    written = [f for f, t in times.items() if f.stat().st_mtime_ns != t]
    assert written == [next(iter(times))]
    call(tmp_path, "jagree.statistics", *QUICK, "--config.statistics.dir=beam")
    tables = [files(tmp_path / name / "quickstart/statistics.zarr") for name in ("beam", "pool")]
    assert tables[0] == tables[1]


def test_without_beam_it_is_said_what_to_install(tmp_path: Path) -> None:
    code = (
        "import sys; sys.modules['apache_beam'] = None\n"
        "from absl import app\n"
        "from jagree import commandline\n"
        "from jagree.statistics.beam import __main__ as door\n"
        "app.run(door.main, flags_parser=commandline.parse)"
    )
    command = [sys.executable, "-c", code, *QUICK]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, timeout=120)
    assert done.returncode == 2
    assert "pip install 'jagree[beam]'" in done.stderr
