"""What all tests share: strictness, the real data, a small controlled run."""

import atexit
import os
import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path

import jax
import pytest
from ml_collections import ConfigDict

jax.config.update("jax_numpy_rank_promotion", "raise")
jax.config.update("jax_platforms", "cpu")

# Many tests compile the same programs; each once is enough, in processes they start as well.
_CACHE = tempfile.mkdtemp(prefix="jagree-tests-")
atexit.register(shutil.rmtree, _CACHE, ignore_errors=True)
for _name, _value in {
    "jax_compilation_cache_dir": _CACHE,
    "jax_persistent_cache_min_compile_time_secs": 0,
    "jax_persistent_cache_min_entry_size_bytes": -1,
}.items():
    jax.config.update(_name, _value)
    os.environ[_name.upper()] = str(_value)
os.environ["JAX_PLATFORMS"] = "cpu"

REPOSITORY = Path(__file__).parents[1]


@pytest.fixture(scope="session")
def real_data() -> Path:
    """The folder of real data sets; without it the test is skipped, in CI it fails."""
    folder = os.environ.get("JAGREE_TEST_DATA", "")
    if Path(folder, "tfds").is_dir():
        return Path(folder)
    reason = f"JAGREE_TEST_DATA={folder!r} does not name the folder of real data sets"
    if os.environ.get("CI") == "true":
        pytest.fail(reason)
    pytest.skip(reason)


@pytest.fixture
def reachable() -> Iterator[Path]:
    """A folder as `tmp_path`, but one that any user gets to: pytest's own are closed to others."""
    with tempfile.TemporaryDirectory(prefix="jagree-tests-") as name:
        folder = Path(name).resolve()
        if not all(path.stat().st_mode & 0o001 for path in folder.parents):
            pytest.skip(f"no other user may look into '{folder.parent}' (TMPDIR)")
        yield folder


@pytest.fixture
def small() -> ConfigDict:
    """A run of seconds: 3 members, 2 epochs of 3 full batches and a smaller one."""
    from jagree.configs import default

    config = default.get_config()
    config.name = "small"
    config.members = 3
    config.epochs = 2
    config.batch_size = 48
    config.data.train_size = 160
    config.data.test_size = 70
    config.training.eval_batch_size = 64
    config.statistics.names = ("entropy", "segments")
    config.statistics.workers = 1
    return config
