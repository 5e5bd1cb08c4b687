"""Each program is compiled once, and kept for the next process."""

import os
import stat
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from jax.experimental.compilation_cache import compilation_cache

from jagree.training import compilation
from jagree.training.compilation import Program, default_folder, keep_programs, prune
from tests.conftest import REPOSITORY

DIR = "jax_compilation_cache_dir"
TIMES = "jax_persistent_cache_min_compile_time_secs"


@pytest.fixture
def untold(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[Path]:
    """JAX as if nobody had told it where to keep programs; the folder of a user's caches."""
    before = {name: getattr(jax.config, name) for name in (DIR, TIMES)}
    jax.config.update(DIR, None)
    jax.config.update(TIMES, 1.0)
    monkeypatch.delenv(TIMES.upper())
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "caches"))
    compilation_cache.reset_cache()
    yield tmp_path / "caches"
    for name, value in before.items():
        jax.config.update(name, value)
    compilation._ours.clear()
    compilation_cache.reset_cache()


def kept(folder: Path) -> list[str]:
    return sorted(p.name for p in folder.glob("*-cache"))


def compile_something(value: int) -> None:
    jax.jit(lambda x: x * value + jnp.sin(x))(jnp.float32(2))


def test_a_program_is_compiled_once_for_each_shape() -> None:
    traced = []

    def function(state: jax.Array, x: dict[str, jax.Array]) -> tuple[jax.Array, jax.Array]:
        traced.append(x["x"].shape)
        return state + 1, x["x"] * 2

    program = Program(function, donate_argnums=0)
    state, shape = jnp.zeros(3), {"x": jax.ShapeDtypeStruct((4,), np.float32)}
    ahead = program.compile(jax.ShapeDtypeStruct((3,), np.float32), shape)
    assert len(program) == len(traced) == 1
    old = state
    state, doubled = program(state, {"x": np.arange(4, dtype=np.float32)})
    assert old.is_deleted()  # it was donated
    np.testing.assert_array_equal(state, [1, 1, 1])
    np.testing.assert_array_equal(doubled, [0, 2, 4, 6])
    assert program.compile(state, shape) is ahead
    program(state, {"x": np.zeros(5, np.float32)})
    program(jnp.zeros(3), {"x": np.zeros((4, 1), np.float32)})
    program(jnp.zeros(3), {"x": np.zeros(4, np.int32)})
    assert len(program) == 4
    assert traced == [(4,), (5,), (4, 1), (4,)]


def test_host_integers_are_what_the_device_makes_of_them() -> None:
    program = Program(lambda state, x: state + x)
    ahead = program.compile(np.int32(0), np.zeros(3, np.int64))
    np.testing.assert_array_equal(ahead(jnp.int32(1), np.zeros(3, np.int64)), [1, 1, 1])


def test_programs_are_kept_in_the_users_own_folder(untold: Path) -> None:
    folder = untold / "jagree" / "compiled"
    assert default_folder() == folder
    assert keep_programs("") == f"kept in {folder}"
    assert stat.S_IMODE(folder.stat().st_mode) == 0o700
    compile_something(3)
    assert kept(folder)
    before = kept(folder)
    assert keep_programs("") == f"kept in {folder}"  # the next training of the same process
    compile_something(3)
    assert kept(folder) == before


def test_without_a_name_for_it_the_folder_of_caches_is_in_the_home(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("HOME", str(tmp_path))
    for unset in ("", "relative/path"):  # which the specification says to ignore
        monkeypatch.setenv("XDG_CACHE_HOME", unset)
        assert default_folder() == tmp_path / ".cache" / "jagree" / "compiled"


def test_another_folder_may_be_asked_for_and_none(untold: Path, tmp_path: Path) -> None:
    first, second = tmp_path / "first", tmp_path / "a" / "second"
    assert keep_programs(str(first)) == f"kept in {first}"
    compile_something(4)
    assert keep_programs(str(second)) == f"kept in {second}"
    assert not kept(second)
    compile_something(5)
    assert kept(first)
    assert kept(second)
    before = kept(first), kept(second)
    assert keep_programs("off") == ""
    compile_something(6)
    assert (kept(first), kept(second)) == before
    assert not untold.exists()


@pytest.mark.parametrize("choice", ["", "off", "elsewhere"])
def test_where_jax_was_told_a_folder_that_one_stays(
    untold: Path, tmp_path: Path, choice: str
) -> None:
    jax.config.update(DIR, str(tmp_path / "theirs"))
    choice = choice and choice.replace("elsewhere", str(tmp_path / "elsewhere"))
    assert keep_programs(choice) == f"kept in {tmp_path / 'theirs'}"
    assert getattr(jax.config, DIR) == str(tmp_path / "theirs")
    assert getattr(jax.config, TIMES) == 1.0
    assert sorted(tmp_path.iterdir()) == []


def test_a_folder_that_jax_is_told_after_ours_stays(untold: Path, tmp_path: Path) -> None:
    keep_programs("")
    jax.config.update(DIR, str(tmp_path / "theirs"))
    for choice in ("", "off"):
        assert keep_programs(choice) == f"kept in {tmp_path / 'theirs'}"
    assert getattr(jax.config, DIR) == str(tmp_path / "theirs")


def test_who_told_jax_to_keep_nothing_has_nothing_kept(untold: Path) -> None:
    jax.config.update("jax_enable_compilation_cache", False)
    try:
        assert keep_programs("") == ""
        assert getattr(jax.config, DIR) is None
    finally:
        jax.config.update("jax_enable_compilation_cache", True)


def test_a_folder_that_cannot_be_written_is_told_and_done_without(
    untold: Path, tmp_path: Path
) -> None:
    (tmp_path / "file").write_text("")
    wrong = tmp_path / "file" / "folder"
    assert keep_programs(str(tmp_path / "first")).startswith("kept")
    assert keep_programs(str(wrong)) == f"not kept, for '{wrong}' cannot be used: Not a directory"
    assert getattr(jax.config, DIR) is None
    compile_something(7)
    assert not kept(tmp_path / "first")


def test_a_user_without_a_home_is_told(untold: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def nowhere() -> Path:
        raise RuntimeError("Could not determine home directory.")

    monkeypatch.delenv("XDG_CACHE_HOME")
    monkeypatch.setattr(Path, "home", nowhere)
    assert keep_programs("").endswith("cannot be used: Could not determine home directory.")


def test_what_the_environment_says_of_short_programs_stays(
    untold: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    keep_programs("")
    assert getattr(jax.config, TIMES) == 0.0
    keep_programs("off")
    jax.config.update(TIMES, 9.0)
    monkeypatch.setenv(TIMES.upper(), "9")
    keep_programs("")
    assert getattr(jax.config, TIMES) == 9.0


def entry(folder: Path, name: str, *, size: int, used: float, written: float = 0.0) -> Path:
    path = folder / f"jit_{name}-{'0123456789abcdef' * 4}-cache"
    path.write_bytes(bytes(size))
    os.utime(path, (used, written))
    return path


def test_the_programs_used_longest_ago_go_first(tmp_path: Path) -> None:
    old = entry(tmp_path, "old", size=100, used=50)
    oldest = entry(tmp_path, "oldest", size=10, used=10, written=20)
    # Not every file system notes when a file was read.
    written = entry(tmp_path, "written", size=100, used=1, written=90)
    new = entry(tmp_path, "new", size=100, used=100)
    others = [tmp_path / "notes.txt", tmp_path / "short-0123-cache"]
    for path in others:
        path.write_bytes(bytes(1_000))
        os.utime(path, (0, 0))
    prune(tmp_path, 310)
    assert oldest.exists()
    prune(tmp_path, 309)
    assert not oldest.exists()
    assert old.exists()
    prune(tmp_path, 200)
    assert [p.exists() for p in (old, written, new)] == [False, True, True]
    prune(tmp_path, 0)
    assert not written.exists()
    assert not new.exists()
    assert all(path.exists() for path in others)


def test_a_folder_does_not_grow_for_ever(untold: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    keep_programs("")
    compile_something(8)
    folder = default_folder()
    assert kept(folder)
    monkeypatch.setattr(compilation, "MOST", 0)
    keep_programs("")
    assert not kept(folder)


RUN = """
import sys
import jax
from pathlib import Path
from jagree import registry, stages
from jagree.configs import default

counts = {}
jax.monitoring.register_event_listener(lambda e, **_: counts.update({e: counts.get(e, 0) + 1}))
registry.TABLE["network"]["tiny"] = "tests.training.tiny_networks:TinyA"
config = default.get_config()
config.network, config.epochs, config.members = "tiny", 1, 2
config.data.train_size, config.data.test_size, config.batch_size = 40, 20, 16
stages.run(config, Path(sys.argv[1]), ["train"], "a test")
print("RESULT", *(counts.get(f"/jax/compilation_cache/{n}", 0) for n in ("cache_hits",
      "cache_misses")))
"""


def test_a_second_process_compiles_nothing_and_says_nothing_of_it(tmp_path: Path) -> None:
    environment = {k: v for k, v in os.environ.items() if not k.startswith("JAX_")}
    environment |= {"XDG_CACHE_HOME": str(tmp_path / "caches"), "JAX_PLATFORMS": "cpu"}
    results, files = [], []
    for number in (1, 2):
        done = subprocess.run(
            [sys.executable, "-W", "error", "-c", RUN, str(tmp_path / f"run{number}")],
            cwd=REPOSITORY,
            env=environment,
            capture_output=True,
            text=True,
            timeout=300,
            check=False,
        )
        assert done.returncode == 0, done.stderr
        assert done.stderr == ""
        assert f"(kept in {tmp_path / 'caches/jagree/compiled'}) ..." in done.stdout
        results.append([int(n) for n in done.stdout.split("RESULT")[1].split()])
        files.append(kept(tmp_path / "caches/jagree/compiled"))
    (hits, misses), (hits_again, misses_again) = results
    assert hits == 0
    assert misses == len(files[0]) > 4
    assert (hits_again, misses_again) == (misses, 0)
    assert files[0] == files[1]
