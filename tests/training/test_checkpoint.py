import errno
import gc
import shutil
from collections.abc import Callable
from pathlib import Path

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from jagree.errors import UsageError
from jagree.training.checkpoint import Checkpoints, to_host
from jagree.training.state import MemberState


def make_state(value: float, features: int = 2) -> MemberState:
    kernel = jnp.full((3, features), value)
    return MemberState({"kernel": kernel}, {}, (({"trace": kernel + 1},), ()))


@pytest.mark.parametrize("where", [lambda state: state, to_host], ids=["device", "host"])
def test_what_is_saved_is_restored_to_the_bit(
    tmp_path: Path, where: Callable[[MemberState], MemberState]
) -> None:
    with Checkpoints(tmp_path, every=1) as checkpoints:
        assert checkpoints.latest == 0
        for epoch in (1, 2, 3):
            checkpoints.save(epoch, where(make_state(epoch / 3)), last=False)
    kept = {p.name for p in tmp_path.iterdir()}
    assert {"2", "3"} <= kept  # the one before, in case the last is found broken
    assert "1" not in kept
    with Checkpoints(tmp_path, every=1) as checkpoints:
        assert checkpoints.latest == 3
        restored = checkpoints.restore(make_state(0.0))
    jax.tree.map(np.testing.assert_array_equal, restored, make_state(1.0))
    assert jax.tree.structure(restored) == jax.tree.structure(make_state(0.0))
    assert all(isinstance(leaf, jax.Array) for leaf in jax.tree.leaves(restored))


def test_only_the_due_epochs_and_the_last_are_saved(tmp_path: Path) -> None:
    with Checkpoints(tmp_path, every=3) as checkpoints:
        saved = []
        for epoch in range(1, 9):
            checkpoints.save(epoch, make_state(epoch), last=epoch == 8)
            saved.append(checkpoints.latest)
    assert saved == [0, 0, 3, 3, 3, 6, 6, 8]


@pytest.mark.parametrize(
    ("other", "message"),
    [
        (make_state(0.0, features=5), r"'opt_state/0/0/trace' is \(3, 2\) there and \(3, 5\) here"),
        (
            make_state(0.0)._replace(batch_stats={"mean": jnp.zeros(2)}),
            "'batch_stats/mean' is miss",
        ),
    ],
)
def test_a_checkpoint_that_does_not_fit_is_said_in_our_words(
    tmp_path: Path, other: MemberState, message: str
) -> None:
    with Checkpoints(tmp_path, every=1) as checkpoints:
        checkpoints.save(1, make_state(1.0), last=True)
        with pytest.raises(UsageError, match=message):
            checkpoints.restore(other)


# Orbax leaves tasks of a failed read behind that nobody awaits: collected within the test.
@pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")
@pytest.mark.parametrize("damage", ["truncated", "missing", "empty"])
def test_a_damaged_checkpoint_is_named_with_the_remedy(tmp_path: Path, damage: str) -> None:
    with Checkpoints(tmp_path, every=1) as checkpoints:
        for epoch in (1, 2):
            checkpoints.save(epoch, make_state(epoch), last=False)
    if damage == "empty":
        shutil.rmtree(tmp_path / "2/state")
    for file in tmp_path.glob("2/state/**/d/*"):
        file.write_bytes(file.read_bytes()[:9]) if damage == "truncated" else file.unlink()
    remedy = r"2' is damaged .* delete it to go on from the one before"
    with Checkpoints(tmp_path, every=1) as checkpoints, pytest.raises(UsageError, match=remedy):
        checkpoints.restore(make_state(0.0))
    gc.collect()
    shutil.rmtree(tmp_path / "2")
    with Checkpoints(tmp_path, every=1) as checkpoints:
        restored = checkpoints.restore(make_state(0.0))
    jax.tree.map(np.testing.assert_array_equal, restored, make_state(1.0))


def test_a_full_disk_is_the_same_error_from_tensorstore_as_from_anybody(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    said = "RESOURCE_EXHAUSTED: Failed to write 9 bytes: No space left on device"
    with Checkpoints(tmp_path, every=1) as checkpoints:
        for text, expected in ((said, OSError), ("INVALID_ARGUMENT: other", ValueError)):

            def fail(*_: object, text: str = text, **__: object) -> None:
                raise ValueError(text)

            monkeypatch.setattr(checkpoints._checkpointer, "save", fail)
            with pytest.raises(expected) as caught:
                checkpoints.save(1, make_state(1.0), last=True)
            assert getattr(caught.value, "errno", None) in (None, errno.ENOSPC)
