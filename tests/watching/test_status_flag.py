"""``--status`` as a person gives it, in a process of its own."""

import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
from ml_collections import ConfigDict

from jagree.watching.status import tell
from tests.test_main import command, read_until
from tests.watching.test_status import let_go, run_of

__all__ = ["let_go"]  # a fixture

BLOCKED = """
import sys
for name in ("jax", "jaxlib", "flax", "optax", "orbax"):
    sys.modules[name] = None  # any import of it raises ImportError
sys.argv = ["jagree.main", *sys.argv[1:]]
from jagree.main import run
run()
"""


def status(*arguments: str) -> subprocess.CompletedProcess:
    return subprocess.run(
        [sys.executable, "-c", BLOCKED, *arguments], capture_output=True, text=True, timeout=120
    )


def test_the_flag_needs_no_jax_and_no_config(small: ConfigDict, tmp_path: Path) -> None:
    for name in "ab":
        run_of(tmp_path / name, small)
    one = status(f"--status={tmp_path / 'a'}")
    assert (one.returncode, one.stderr) == (0, "")
    assert one.stdout.startswith(f"{tmp_path / 'a'}: training\n")
    for arguments in (
        (f"--status={tmp_path}",),
        (f"--status={tmp_path / 'a'}", f"--status={tmp_path / 'b'}"),
        ("--status", str(tmp_path / "a"), str(tmp_path / "b")),
    ):
        both = status(*arguments)
        assert (both.returncode, both.stderr) == (0, "")
        assert both.stdout.splitlines()[-1] == "2 runs: 2 training"
    nothing = status(f"--status={tmp_path / 'c'}")
    assert (nothing.returncode, nothing.stdout) == (2, "")
    assert len(nothing.stderr.splitlines()) == 1


def test_a_run_is_watched_while_it_trains_and_after_it_was_killed(
    tmp_path: Path, capsys: pytest.CaptureFixture
) -> None:
    arguments = command(tmp_path / "run", "--stages=train", epochs="500")
    with subprocess.Popen(arguments, stdout=subprocess.PIPE, text=True) as process:
        read_until(process, " 2/500")
        until = time.monotonic() + 60
        while len((tmp_path / "run/metrics.jsonl").read_text().splitlines()) < 2:
            assert time.monotonic() < until
            time.sleep(0.05)
        assert tell([str(tmp_path / "run")]) == 0
        process.send_signal(signal.SIGKILL)
    out = capsys.readouterr().out
    assert ": training\n" in out
    assert "\n  done      in about " in out
    assert "of 500 recorded, the last " in out
    assert tell([str(tmp_path / "run")]) == 3
    assert ": process gone (whoever trained was killed; the same" in capsys.readouterr().out
