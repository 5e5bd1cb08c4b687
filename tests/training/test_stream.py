"""What the stream feed does beside giving the same images as the resident one (test_feed.py)."""

import multiprocessing
import os
import signal
import subprocess
import sys
import threading
import time
import weakref
from pathlib import Path

import numpy as np
import pytest
from absl import flags

from jagree.errors import UsageError
from jagree.training import stream as module
from jagree.training.feed import BatchPlan
from jagree.training.stream import AHEAD, StreamFeed
from tests.conftest import REPOSITORY
from tests.test_pool import alive, wait_for
from tests.training.feeds import frames_of, make_feed, make_plan, ragged, whole


class Watch:
    """Counts the images of dispatches that are in memory at once."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.alive = self.most = self.made = 0
        self._lock = threading.Lock()
        make = module.with_images

        def watched(plan, batch):
            made = make(plan, batch)
            with self._lock:
                self.made += 1
                self.alive += 1
                self.most = max(self.most, self.alive)
            weakref.finalize(made.inputs.image, self._gone)
            return made

        monkeypatch.setattr(module, "with_images", watched)

    def _gone(self) -> None:
        with self._lock:
            self.alive -= 1


def test_a_bounded_number_of_batches_waits(monkeypatch: pytest.MonkeyPatch) -> None:
    watch = Watch(monkeypatch)
    plan = make_plan(whole(400), steps_per_dispatch=1, eval_steps_per_dispatch=1)
    feed = make_feed("stream", plan, epochs=4)
    for epoch in (1, 2):
        for _ in feed.train_batches(epoch):
            time.sleep(0.002)  # a device that is slower than the feed
        for _ in feed.eval_batches():
            time.sleep(0.002)
    bound = AHEAD + 2  # waiting or in the making; with the consumer, the new one and the old
    assert watch.made >= 2 * (50 + 25)
    assert AHEAD <= watch.most <= 2 * bound  # training's and evaluation's
    feed.close()


def test_the_next_epoch_is_begun_ahead_and_nothing_is_made_twice(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    watch = Watch(monkeypatch)
    feed = make_feed("stream", make_plan(whole(50)), epochs=3)
    each = len(feed.plan.train_slices)
    for epoch in (1, 2, 3):
        list(feed.train_batches(epoch))
    assert watch.made == 3 * each
    feed.close()


def test_a_fault_while_batches_are_made_reaches_the_caller(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def fail(plan, batch):
        raise OSError(5, "Input/output error")

    monkeypatch.setattr(module, "with_images", fail)
    feed = make_feed("stream", make_plan(whole(50)))
    with pytest.raises(OSError, match="Input/output error"):
        next(feed.train_batches(1))
    with pytest.raises(OSError, match="Input/output error"):
        next(feed.eval_batches())
    feed.close()


def test_closing_ends_the_threads() -> None:
    before = set(threading.enumerate())
    feed = make_feed("stream", make_plan(whole(400), steps_per_dispatch=1))
    next(feed.train_batches(1))
    begun = set(threading.enumerate()) - before
    assert begun
    feed.close()
    feed.close()  # a second time does no harm
    deadline = time.monotonic() + 20
    while any(t.is_alive() for t in begun) and time.monotonic() < deadline:
        time.sleep(0.05)
    assert not any(t.is_alive() for t in begun)
    assert next(feed.train_batches(1)).position.shape == (3, 1, 8)  # and it can begin again
    feed.close()


def test_worker_processes_make_the_same_batches(tmp_path: Path) -> None:
    if not flags.FLAGS.is_parsed():
        flags.FLAGS.mark_as_parsed()
    split = ragged(tmp_path, 30)
    plan = make_plan(split, frames_of(split, resize=14, crop=11))
    alone, helped = (StreamFeed(plan, epochs=2, workers=w) for w in (0, 2))
    for epoch in (1, 2):
        pairs = zip(alone.train_batches(epoch), helped.train_batches(epoch), strict=True)
        for one, other in pairs:
            np.testing.assert_array_equal(one.position, other.position)
            np.testing.assert_array_equal(one.inputs.image, other.inputs.image)
            np.testing.assert_array_equal(one.inputs.label, other.inputs.label)
        del one, other
    helped.close()
    alone.close()


STREAMER = """
import multiprocessing, signal, sys, time
from pathlib import Path
from absl import flags
from tests.training.feeds import make_feed, make_plan, whole
if __name__ == "__main__":
    signal.signal(signal.SIGINT, signal.default_int_handler)  # ignored under nohup
    feed = make_feed("stream", make_plan(whole(400), steps_per_dispatch=1), workers=2)
    batches = feed.train_batches(1)
    for _ in range(3):
        next(batches)
    names = [str(child.pid) for child in multiprocessing.active_children()]
    Path(sys.argv[1]).with_suffix(".part").write_text(" ".join(names))
    Path(sys.argv[1]).with_suffix(".part").rename(sys.argv[1])
    time.sleep(100)
"""


@pytest.mark.parametrize("how", [signal.SIGKILL, signal.SIGINT])
def test_workers_end_with_their_parent(how: signal.Signals, tmp_path: Path) -> None:
    script, pids = tmp_path / "streamer.py", tmp_path / "pids"
    script.write_text(STREAMER)
    environment = os.environ | {"PYTHONPATH": str(REPOSITORY)}
    command = [sys.executable, str(script), str(pids)]
    with subprocess.Popen(
        command, env=environment, stderr=subprocess.PIPE, start_new_session=True
    ) as parent:
        wait_for(pids.exists)
        children = [int(pid) for pid in pids.read_text().split()]
        assert len(children) >= 2
        assert all(alive(child) for child in children)
        if how == signal.SIGINT:
            os.killpg(parent.pid, how)  # as a terminal does
        else:
            parent.send_signal(how)
        wait_for(lambda: not any(alive(child) for child in children), 30)
        _, stderr = parent.communicate(timeout=30)
    # Of an interrupt the parent alone tells.
    assert stderr.count(b"\nKeyboardInterrupt") <= (how == signal.SIGINT)


def test_a_killed_worker_is_told_in_words() -> None:
    if not flags.FLAGS.is_parsed():
        flags.FLAGS.mark_as_parsed()
    feed = make_feed("stream", make_plan(whole(400), steps_per_dispatch=1), workers=1)
    batches = feed.train_batches(1)
    next(batches)
    before = set(multiprocessing.active_children())
    for child in before:
        os.kill(child.pid, signal.SIGKILL)
    with pytest.raises(UsageError, match=r"was killed.*config.training.feed_workers=0"):
        list(batches)
    feed.close()


def test_an_epoch_may_be_asked_for_again() -> None:
    feed = make_feed("stream", make_plan(whole(50)))
    first, again = (
        [b.inputs.image for b in feed.train_batches(1)],
        [b.inputs.image for b in feed.train_batches(1)],
    )
    for one, other in zip(first, again, strict=True):
        np.testing.assert_array_equal(one, other)
    feed.close()


def test_an_epoch_is_drawn_once_for_all_threads(monkeypatch: pytest.MonkeyPatch) -> None:
    drawn: list[int] = []
    draw = BatchPlan._draw
    monkeypatch.setattr(BatchPlan, "_draw", lambda self, e: (drawn.append(e), draw(self, e))[1])
    feed = make_feed("stream", make_plan(whole(400), steps_per_dispatch=1), epochs=3)
    for epoch in (1, 2, 3):
        list(feed.train_batches(epoch))
    assert drawn == [1, 2, 3]
    feed.close()


def test_epochs_may_be_left_out_and_left_in_the_middle() -> None:
    feed = make_feed("stream", make_plan(whole(400)), epochs=4)
    for epoch in (1, 3, 2, 4):
        expected = make_feed("resident", feed.plan).train_batches(epoch)
        for batch, right in zip(feed.train_batches(epoch), [*expected][: 2 + epoch], strict=False):
            np.testing.assert_array_equal(batch.position, right.position)
    feed.close()


def test_images_begin_where_jax_takes_them_as_they_are() -> None:
    for size in range(1, 99):
        assert module._aligned((size, 7)).ctypes.data % 64 == 0


def test_of_a_training_batch_only_the_own_members_images_are_cut(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    split = ragged(tmp_path)
    frames = frames_of(split, resize=14, crop=12)
    every, part = (make_plan(split, frames, own=own) for own in (None, [0, 2]))
    monkeypatch.setattr(module, "_aligned", lambda shape: np.full(shape, 7, np.uint8))
    for number in range(2):
        all_ = module.with_images(every, every.train_dispatch(1, number)).inputs.image
        own = module.with_images(part, part.train_dispatch(1, number)).inputs.image
        np.testing.assert_array_equal(own[[0, 2]], all_[[0, 2]])
        assert (own[1] == 7).all()
        assert not (all_[1] == 7).all()
    judged = [
        module.with_images(plan, plan.eval_dispatch(0)).inputs.image for plan in (every, part)
    ]
    np.testing.assert_array_equal(*judged)
