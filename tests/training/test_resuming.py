"""A run that goes away and comes back is the run that never went."""

import json
import re
from pathlib import Path
from typing import Any

import jax
import numpy as np
import pytest
from ml_collections import ConfigDict

from jagree.errors import UsageError
from jagree.record import RecordWriter, open_record
from jagree.training.checkpoint import Checkpoints
from tests.training.runs import STEPS, arrays, dying, same, shrink, stopped, train


@pytest.fixture
def tiny(small: ConfigDict, monkeypatch: pytest.MonkeyPatch) -> ConfigDict:
    return shrink(small, monkeypatch)


@pytest.fixture(scope="module")
def wholes(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Runs that were never killed, by the mode of recording."""
    return tmp_path_factory.mktemp("wholes")


@pytest.mark.parametrize(
    ("engine", "feed", "mode", "untrained"),
    [
        ("loop", "resident", "epoch_end", True),
        ("vmap", "stream", "online", False),
        pytest.param("vmap", "resident", "online", True, marks=pytest.mark.slow),
        pytest.param("loop", "stream", "epoch_end", False, marks=pytest.mark.slow),
    ],
)
def test_a_stopped_run_goes_on_at_that_dispatch(
    tiny: ConfigDict,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture,
    engine: str,
    feed: str,
    mode: str,
    untrained: bool,
) -> None:
    tiny.training.engine, tiny.training.feed = engine, feed
    tiny.recording.mode, tiny.recording.untrained = mode, untrained
    train(tiny, tmp_path / "whole")
    folder = tmp_path / "stopped"
    judging = 6 if mode == "epoch_end" else 2
    expected = []
    if untrained:  # judged by 6 dispatches, of which the last makes it an epoch
        assert stopped(tiny, folder, 5, monkeypatch).startswith("stopped by SIGTERM before the f")
        assert stopped(tiny, folder, 6, monkeypatch).startswith("stopped by SIGTERM before the f")
        assert RecordWriter(folder / "record.zarr").epochs == [0]
    for dispatches, where in (
        (3, "in epoch 1 at step 6 of 7"),
        (2, "in epoch 1 at step 7 of 7"),  # one of the training, one of judging
        (judging, "after epoch 1"),
        (4 + judging - 1, "in epoch 2 at step 7 of 7"),
    ):
        capsys.readouterr()
        said = stopped(tiny, folder, dispatches, monkeypatch)
        assert said == f"stopped by SIGTERM {where}; the same command goes on from there"
        out = capsys.readouterr().out
        for words in expected:
            assert f"goes on {words}" in out
        expected = [re.sub(r"(epoch \d)", r"\1 of 2", where)]
        about = json.loads((folder / "run.json").read_text())
        assert about["status"] == "preempted"
        assert where in about["invocations"][-1]["outcome"]
    assert stopped(tiny, folder, judging, monkeypatch) == ""  # the last dispatch of all
    assert json.loads((folder / "run.json").read_text())["status"] == "complete"
    same(tmp_path / "whole", folder)


def test_an_epoch_in_progress_is_kept_every_so_many_steps_and_no_more_is_held(
    tiny: ConfigDict, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    tiny.training.checkpoint_steps = 3
    save, saved, losses = Checkpoints.save, [], []

    def noted(self: Checkpoints, steps: int, state: object, gathered: object = None) -> None:
        saved.append((steps, sorted(gathered or {})))  # type: ignore[call-overload]
        losses.extend([gathered["loss"]] if gathered else [])  # type: ignore[index]
        save(self, steps, state, gathered)  # type: ignore[arg-type]

    monkeypatch.setattr(Checkpoints, "save", noted)
    train(tiny, tmp_path / "epoch_end")
    # Every 3 steps of an epoch, at the ends of dispatches: 3 is within the second, 6 ends one.
    expected = [4, 6, 7, 11, 13, 14]
    assert saved == [(steps, [] if steps % STEPS == 0 else ["loss"]) for steps in expected]
    sums = [loss.sum() for loss in losses]
    assert 0 < sums[0] < sums[1]  # each of its moment
    assert 0 < sums[2] < sums[3]
    saved.clear()
    tiny.recording.mode, tiny.training.checkpoint_every = "online", 2
    train(tiny, tmp_path / "online")
    fields = ["log_prob", "loss", "margin", "prediction", "seen", "sum_sq_other"]
    assert saved == [(s, [] if s == 14 else fields) for s in (4, 6, 11, 13, 14)]
    saved.clear()
    tiny.training.checkpoint_steps = STEPS  # the end of the training is no place within an epoch
    train(tiny, tmp_path / "whole")
    assert saved == [(14, [])]


@pytest.mark.parametrize(
    ("mode", "what", "call", "after", "recorded", "saved"),
    [
        ("epoch_end", "append", 1, False, [], 0),
        ("epoch_end", "append", 1, True, [0], 0),
        ("epoch_end", "append", 2, False, [0], 4),
        ("epoch_end", "append", 2, True, [0, 1], 4),
        ("epoch_end", "save", 2, True, [0, 1], 7),
        ("epoch_end", "append", 3, False, [0, 1], 11),
        ("epoch_end", "append", 3, True, [0, 1, 2], 11),
        ("epoch_end", "save", 4, True, [0, 1, 2], 14),
        ("online", "append", 2, False, [0], 4),
        ("online", "append", 3, True, [0, 1, 2], 11),
    ],
)
def test_killed_at_each_point_of_the_table(
    tiny: ConfigDict,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    wholes: Path,
    mode: str,
    what: str,
    call: int,
    after: bool,
    recorded: list[int],
    saved: int,
) -> None:
    """Order on disk: record 0; step 4, record 1, step 7; step 11, record 2, step 14."""
    tiny.recording.untrained, tiny.recording.mode = True, mode
    tiny.training.checkpoint_steps = 4
    folder = tmp_path / "killed"
    with monkeypatch.context() as patch:
        dying(patch, RecordWriter if what == "append" else Checkpoints, what, call, after)
        with pytest.raises(SystemExit):
            train(tiny, folder)
    assert RecordWriter(folder / "record.zarr").epochs == recorded
    with Checkpoints(folder / "checkpoints", every=1) as checkpoints:
        assert checkpoints.latest == saved
    train(tiny, folder)
    whole = wholes / mode
    if not whole.exists():
        train(tiny, whole)
    same(whole, folder)


@pytest.mark.parametrize("feed", ["resident", "stream"])
def test_a_run_goes_on_within_a_dispatch_of_another_length(
    tiny: ConfigDict, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, feed: str
) -> None:
    tiny.recording.mode, tiny.training.feed = "online", feed
    tiny.training.steps_per_dispatch = 3  # 3, 3, 1
    train(tiny, tmp_path / "whole")
    tiny.training.steps_per_dispatch = 1
    assert "at step 4 of 7" in stopped(tiny, tmp_path / "run", 4, monkeypatch)
    tiny.training.steps_per_dispatch = 3
    train(tiny, tmp_path / "run")
    ours, theirs = (open_record(tmp_path / name / "record.zarr") for name in ("run", "whole"))
    for split in ("train", "test"):
        # Other programs: equal but for rounding.
        one, other = (r[split]["log_prob"].values for r in (ours, theirs))
        np.testing.assert_allclose(one, other, rtol=1e-3, atol=1e-4)


@pytest.mark.parametrize("engines", [("loop", "vmap"), ("vmap", "loop")])
def test_a_checkpoint_fits_the_other_engine(
    tiny: ConfigDict,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    engines: tuple[str, str],
) -> None:
    """What is restored and saved again, without training, is the same bits."""
    tiny.training.engine, tiny.epochs = engines[0], 1
    folder = tmp_path / "run"
    assert "at step 7 of 7" in stopped(tiny, folder, 5, monkeypatch)
    again: list[Any] = []
    monkeypatch.setattr(Checkpoints, "save", lambda self, steps, state: again.append(state))
    tiny.training.engine = engines[1]
    train(tiny, folder)  # only judges
    assert RecordWriter(folder / "record.zarr").epochs == [1]
    (state,) = again
    before = arrays(folder)
    after = jax.tree_util.tree_flatten_with_path(state)[0]
    assert len(after) == len(before)
    for path, array in after:
        name = jax.tree_util.keystr(path, simple=True, separator="/")
        np.testing.assert_array_equal(array, before[name], strict=True)


# --- damage -------------------------------------------------------------------------------------


def damage(folder: Path) -> None:
    for file in folder.glob("**/d/*"):
        file.write_bytes(file.read_bytes()[:9])


# Orbax leaves tasks of a failed read behind that nobody awaits: collected within the test.
@pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")
@pytest.mark.parametrize(
    ("every", "died", "newest", "goes_on"),
    [
        (4, (Checkpoints, "save", 3, False), 7, (4, "in epoch 1 at step 4 of 7")),
        (0, (Checkpoints, "save", 2, True), 14, (7, "after epoch 1")),
    ],
)
def test_a_damaged_checkpoint_falls_back_aloud_to_the_one_before(
    tiny: ConfigDict,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture,
    every: int,
    died: tuple[Any, str, int, bool],
    newest: int,
    goes_on: tuple[int, str],
) -> None:
    tiny.training.checkpoint_steps = every
    folder, kept = tmp_path / "run", tmp_path / "run/checkpoints"
    with monkeypatch.context() as patch:
        dying(patch, *died)
        with pytest.raises(SystemExit):
            train(tiny, folder)
    damage(kept / str(newest))
    with monkeypatch.context() as patch:  # while it falls back: after all is set aside
        dying(patch, RecordWriter, "rewind", 1, False)
        with pytest.raises(SystemExit):
            train(tiny, folder)
    out = capsys.readouterr().out
    number, where = goes_on
    assert f"checkpoint {newest} is damaged: it cannot be read" in out
    assert f"damaged_{newest}'; the run goes on from checkpoint {number}, {where}" in out
    assert not (kept / str(newest)).exists()
    train(tiny, folder)
    out = capsys.readouterr().out
    assert "is damaged" not in out
    assert "goes on " + re.sub(r"(epoch \d)", r"\1 of 2", where) in out
    assert (kept / f"damaged_{newest}").is_dir()
    train(tiny, tmp_path / "whole")
    same(tmp_path / "whole", folder)


@pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")
def test_where_every_checkpoint_is_damaged_all_stays_as_it_is(
    tiny: ConfigDict, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with monkeypatch.context() as patch:
        dying(patch, RecordWriter, "append", 2, False)
        with pytest.raises(SystemExit):
            train(tiny, tmp_path / "run")
    kept = tmp_path / "run/checkpoints"
    damage(kept / "7")
    before = sorted(p.name for p in kept.iterdir())
    with pytest.raises(UsageError, match=r"every checkpoint in .* is damaged \(7: it cannot"):
        train(tiny, tmp_path / "run")
    assert sorted(p.name for p in kept.iterdir()) == before
    assert RecordWriter(tmp_path / "run/record.zarr").epochs == [1]


def test_a_record_without_what_was_recorded_before_the_checkpoint_is_refused(
    tiny: ConfigDict, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    tiny.recording.untrained = True
    folder = tmp_path / "run"
    stopped(tiny, folder, 7, monkeypatch)
    RecordWriter(folder / "record.zarr").rewind(0)
    with pytest.raises(UsageError, match="lacks epoch 0, which was recorded before checkpoint 2"):
        train(tiny, folder)
    stopped(tiny, tmp_path / "other", 16, monkeypatch)
    RecordWriter(tmp_path / "other/record.zarr").rewind(1)
    with pytest.raises(UsageError, match="lacks epoch 1, which was recorded before checkpoint 7"):
        train(tiny, tmp_path / "other")
