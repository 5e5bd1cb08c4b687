"""launch/job.sh, which keeps a command alive on a machine while connections come and go."""

import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from tests.conftest import REPOSITORY

JOB = str(REPOSITORY / "launch" / "job.sh")


def start(folder: Path, *command: str) -> subprocess.Popen[str]:
    return subprocess.Popen(
        ["bash", JOB, str(folder), *command], stdout=-1, stderr=-1, text=True, cwd=folder
    )


def run(folder: Path, *command: str) -> tuple[int, str, str]:
    with start(folder, *command) as process:
        out, err = process.communicate(timeout=60)
    return process.returncode, out, err


def until(path: Path) -> None:
    for _ in range(300):
        if path.exists():
            return
        time.sleep(0.05)
    raise AssertionError(f"{path} was not written")


@pytest.mark.parametrize(
    ("code", "seen"), [(0, 0), (1, 70), (71, 70), (255, 70), (3, 3), (75, 75), (130, 130)]
)
def test_code_is_the_commands_but_for_those_of_a_lost_connection(
    tmp_path: Path, code: int, seen: int
) -> None:
    assert run(tmp_path, "bash", "-c", f"echo out; echo err >&2; exit {code}") == (
        seen,
        "out\nerr\n",
        "",
    )
    assert (tmp_path / "log").read_text() == "out\nerr\n"


def test_command_that_is_killed_has_failed(tmp_path: Path) -> None:
    assert run(tmp_path, "bash", "-c", "kill -KILL $PPID; kill -KILL $$")[0] == 70


def test_arguments_stay_what_they_are(tmp_path: Path) -> None:
    words = ["a b", "'", '"', "$HOME", "*", "", "x\ny", "\\", "a,b;c|d&e"]
    show = "import sys; print(sys.argv[1:])"
    assert run(tmp_path, sys.executable, "-c", show, *words)[1] == f"{words}\n"


def test_second_call_follows_the_first(tmp_path: Path) -> None:
    """Also when the first one's connection, and with it the process that follows, is gone."""
    command = ["bash", "-c", "echo began >>began; until [ -e go ]; do sleep 0.05; done; exit 5"]
    with start(tmp_path, *command) as first:
        until(tmp_path / "command")
        first.send_signal(signal.SIGKILL)
    with start(tmp_path, *command) as second:
        assert second.stdout is not None
        assert "runs already" in second.stdout.readline()
        code, _, complaint = run(tmp_path, "echo", "another")
        assert code == 71
        assert "until [" in complaint.replace("\\", "")
        (tmp_path / "go").touch()
        second.communicate(timeout=60)
        assert second.returncode == 5
    assert (tmp_path / "began").read_text() == "began\n"
    assert run(tmp_path, "echo", "another")[:2] == (0, "another\n")


@pytest.mark.parametrize("named", [False, True])
def test_stop_lets_the_command_save_its_state(tmp_path: Path, named: bool) -> None:
    saves = "trap 'echo saved >state; exit 75' TERM; touch ready; while :; do sleep 0.05; done"
    with start(tmp_path, "bash", "-c", saves) as process:
        until(tmp_path / "ready")
        assert run(tmp_path, "--stop", "bash", "-c", "another")[0] == 71
        assert not (tmp_path / "state").exists()
        assert run(tmp_path, "--stop", *(["bash", "-c", saves] if named else []))[0] == 0
        process.communicate(timeout=60)
    assert process.returncode == 75
    assert (tmp_path / "state").read_text() == "saved\n"
    assert run(tmp_path, "--stop")[0] == 0  # nothing runs
    assert run(tmp_path, "--stop", "bash", "-c", "another")[0] == 0


def test_stop_while_it_is_installed_again_finds_no_other_command(tmp_path: Path) -> None:
    """The lock is held, and what the folder says of a command is of one that has ended."""
    assert run(tmp_path, "true")[0] == 0
    with subprocess.Popen(["flock", tmp_path / "lock", "sleep", "3"]):
        time.sleep(0.3)
        assert run(tmp_path, "--stop", "another")[0] == 0


def test_command_gets_sigterm_as_any_program_does(tmp_path: Path) -> None:
    """It is not started with SIGTERM ignored."""
    with start(tmp_path, "bash", "-c", "touch ready; exec sleep 600") as process:
        until(tmp_path / "ready")
        run(tmp_path, "--stop")
        process.communicate(timeout=60)
    assert process.returncode == 128 + signal.SIGTERM


def test_children_left_behind_do_not_pass_for_the_job(tmp_path: Path) -> None:
    leaves = "sleep 600 & echo $! >child; exit 75"
    assert run(tmp_path, "bash", "-c", leaves)[0] == 75
    child = int((tmp_path / "child").read_text())
    assert Path(f"/proc/{child}").exists()
    assert run(tmp_path, "bash", "-c", leaves) == (75, "", "")
    assert int((tmp_path / "child").read_text()) != child  # it ran again
    assert not Path(f"/proc/{child}").exists() or "Z" in Path(f"/proc/{child}/stat").read_text()
    subprocess.run(["kill", (tmp_path / "child").read_text().strip()], check=True)


def test_usage(tmp_path: Path) -> None:
    done = subprocess.run(["bash", JOB, str(tmp_path)], capture_output=True, text=True, timeout=60)
    assert done.returncode == 2
    assert done.stderr.startswith("usage:")
