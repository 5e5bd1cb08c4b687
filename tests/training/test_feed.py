import pickle
from pathlib import Path

import jax
import numpy as np
import pytest

from jagree.data.split import Split
from jagree.training.feed import BatchPlan, ResidentFeed, chunk_lengths, random_corners, shuffle
from jagree.training.stream import StreamFeed
from tests.training.feeds import frames_of, make_feed, make_plan, ragged, whole

KINDS = ("resident", "stream")
ORDER = [4, 3, 2, 5, 1, 6, 0, 7]
CORNER = [[82, 86], [17, 77], [73, 96]]


def fetched(feed: ResidentFeed | StreamFeed, batch) -> np.ndarray:
    """The images of a dispatch, step by step as the ensemble asks for them, [..., H, W, 3]."""
    leading = batch.position.shape[:-1]
    flat = [
        jax.tree.map(lambda x, i=i: x[i], batch.inputs._replace(label=None))
        for i in np.ndindex(leading)
    ]
    images = np.stack([np.asarray(feed.data.fetch(inputs)) for inputs in flat])
    return images.reshape(*leading, *images.shape[1:])


def literal(split: Split, resize: int, crop: int, position: int, corner: np.ndarray) -> np.ndarray:
    """The slow, obvious twin: decode, resize, crop one image."""
    from PIL import Image

    image = split.image[position]
    if resize:
        h, w = image.shape[:2]
        size = (resize, int(resize * h / w)) if w < h else (int(resize * w / h), resize)
        image = np.array(Image.fromarray(image).resize(size, Image.Resampling.BILINEAR))
    if not crop:
        return image
    top, left = corner
    return image[top : top + crop, left : left + crop]


@pytest.mark.parametrize("steps_per_dispatch", [1, 4, 100])
@pytest.mark.parametrize("n", [8, 48, 50, 57])
@pytest.mark.parametrize("kind", KINDS)
def test_each_member_sees_each_example_once_an_epoch(
    kind: str, n: int, steps_per_dispatch: int
) -> None:
    split = whole(n)
    feed = make_feed(kind, make_plan(split, steps_per_dispatch=steps_per_dispatch))
    batches = list(feed.train_batches(1))
    assert sum(b.position.shape[1] for b in batches) == feed.plan.steps == -(-n // 8)
    assert all(b.position.shape[1] <= steps_per_dispatch for b in batches)
    for member in range(3):
        seen = np.concatenate([b.position[member].ravel() for b in batches])
        np.testing.assert_array_equal(np.sort(seen), np.arange(n))
    # Full batches but the last, which holds the rest.
    assert {b.position.shape[2] for b in batches[:-1]} <= {8}
    assert batches[-1].position.shape[2] == (n % 8 or 8)
    for batch in batches:
        np.testing.assert_array_equal(fetched(feed, batch), split.image[batch.position])
        np.testing.assert_array_equal(batch.inputs.label, split.label[batch.position])


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("resize", [0, 14])
def test_crops_are_those_of_the_decoded_image(kind: str, resize: int, tmp_path: Path) -> None:
    split = ragged(tmp_path, 20)
    frames = frames_of(split, resize, crop=11)
    feed = make_feed(kind, make_plan(split, frames, seed=5))
    drawn = set()
    for epoch in (1, 2):
        corners = [random_corners(frames.room, seed=5, member=k, epoch=epoch) for k in range(3)]
        for batch in feed.train_batches(epoch):
            images = fetched(feed, batch)
            assert images.shape == (*batch.position.shape, 11, 11, 3)
            for k, s, b in np.ndindex(batch.position.shape):
                position = batch.position[k, s, b]
                corner = corners[k][position]
                drawn.add((k, epoch, position, *corner.tolist()))
                expected = literal(split, resize, 11, position, corner)
                np.testing.assert_array_equal(images[k, s, b], expected)
    # Members and epochs crop differently.
    for k, epoch in ((1, 1), (0, 2)):
        same = [d for d in drawn if d[:2] == (0, 1) and (k, epoch, *d[2:]) in drawn]
        assert len(same) < 12


@pytest.mark.parametrize("kind", KINDS)
def test_evaluation_crops_the_centre(kind: str, tmp_path: Path) -> None:
    split = ragged(tmp_path, 20)
    feed = make_feed(kind, make_plan(split, frames_of(split, crop=11)))
    for batch in feed.eval_batches():
        images = fetched(feed, batch)
        for s, b in np.ndindex(batch.position.shape):
            position = max(batch.position[s, b], 0)  # padding is example 0
            height, width = split.image[position].shape[:2]
            corner = np.array([round((height - 11) / 2), round((width - 11) / 2)])
            np.testing.assert_array_equal(images[s, b], literal(split, 0, 11, position, corner))


@pytest.mark.parametrize("kind", KINDS)
def test_training_can_crop_the_centre_too(kind: str, tmp_path: Path) -> None:
    split = ragged(tmp_path, 9)
    frames = frames_of(split, crop=11)
    feed = make_feed(kind, make_plan(split, frames, random_crop=False))
    for batch in feed.train_batches(1):
        images = fetched(feed, batch)
        for i in np.ndindex(batch.position.shape):
            position = batch.position[i]
            expected = literal(split, 0, 11, position, frames.centre[position])
            np.testing.assert_array_equal(images[i], expected)


def test_orders_and_corners_stay_what_they_were() -> None:
    """Each has its own stream: pinned, so that no change of a purpose goes unseen."""
    assert shuffle(8, seed=1, member=2, epoch=3).tolist() == ORDER
    room = np.full((3, 2), 99)
    assert random_corners(room, seed=1, member=2, epoch=3).tolist() == CORNER


def test_random_corners_are_uniform_and_reach_the_edges() -> None:
    room = np.tile([[2, 0]], (30_000, 1))
    corner = random_corners(room, seed=0, member=0, epoch=1)
    assert (corner[:, 1] == 0).all()
    share = np.bincount(corner[:, 0], minlength=3) / len(corner)
    np.testing.assert_allclose(share, 1 / 3, atol=0.012)  # 4 standard errors
    assert corner[:, 0].max() == 2


def test_members_may_be_given_different_labels() -> None:
    split = whole(20)
    label = np.stack([(split.label + k) % 7 for k in range(3)])
    by_member = Split(**{**vars(split), "label": label, "true_label": split.label})
    plan = make_plan(by_member)
    for batch in ResidentFeed(plan).train_batches(1):
        for k in range(3):
            expected = label[k][batch.position[k]]
            np.testing.assert_array_equal(batch.inputs.label[k], expected)
    for batch in ResidentFeed(plan).eval_batches():
        position = np.maximum(batch.position, 0)
        np.testing.assert_array_equal(batch.inputs.label, label[:, position])


def test_labels_may_be_of_any_number_of_classes() -> None:
    split = whole(20)
    label = np.random.default_rng(0).random((20, 7)) < 0.3
    plan = make_plan(Split(**{**vars(split), "label": label, "true_label": label}))
    for batch in ResidentFeed(plan).train_batches(1):
        np.testing.assert_array_equal(batch.inputs.label, label[batch.position])
    for batch in ResidentFeed(plan).eval_batches():
        expected = np.broadcast_to(label[np.maximum(batch.position, 0)], batch.inputs.label.shape)
        np.testing.assert_array_equal(batch.inputs.label, expected)


def test_dispatching_more_steps_changes_no_batch() -> None:
    def steps(longest: int) -> list[np.ndarray]:
        feed = ResidentFeed(make_plan(whole(), steps_per_dispatch=longest))
        return [b.position[:, s] for b in feed.train_batches(2) for s in range(b.position.shape[1])]

    one, many = steps(1), steps(4)
    assert len(one) == len(many)
    for a, b in zip(one, many, strict=True):
        np.testing.assert_array_equal(a, b)


@pytest.mark.parametrize("kind", KINDS)
def test_an_epoch_can_be_taken_up_at_any_step(kind: str, tmp_path: Path) -> None:
    """50 examples in batches of 8: dispatches of 3, 3 and 1 steps."""
    split = ragged(tmp_path, 50)
    frames = frames_of(split, crop=11)
    whole_feed = make_feed(kind, make_plan(split, frames))
    batches = [(b, fetched(whole_feed, b)) for b in whole_feed.train_batches(2)]
    assert [len(b.position[0]) for b, _ in batches] == [3, 3, 1]
    feed = make_feed(kind, make_plan(split, frames))
    for first_step in (3, 0, 1, 2, 4, 5, 6, 7):
        rest = list(feed.train_batches(2, first_step))
        begin = 0
        for batch, image in batches:
            steps = batch.position.shape[1]
            skipped = min(max(first_step - begin, 0), steps)
            begin += steps
            if skipped == steps:
                continue
            ours = rest.pop(0)
            np.testing.assert_array_equal(ours.position, batch.position[:, skipped:])
            np.testing.assert_array_equal(ours.inputs.label, batch.inputs.label[:, skipped:])
            np.testing.assert_array_equal(fetched(feed, ours), image[:, skipped:])
        assert not rest
        third = next(feed.train_batches(3))
        np.testing.assert_array_equal(third.position, feed.plan.train_dispatch(3, 0).position)
    for step in (-1, 8):
        with pytest.raises(ValueError, match=f"an epoch has 7 steps, of which {step} cannot be"):
            next(feed.train_batches(1, step))
    for opened in (feed, whole_feed):
        opened.close()


def test_orders_differ_between_members_epochs_and_seeds_and_depend_on_nothing_else() -> None:
    orders = {
        tuple(shuffle(20, seed=s, member=k, epoch=e))
        for s in (0, 1)
        for k in (0, 1)
        for e in (1, 2)
    }
    assert len(orders) == 8

    def order(members: int) -> np.ndarray:
        feed = ResidentFeed(make_plan(whole(), members=members))
        return np.concatenate([b.position[1].ravel() for b in feed.train_batches(1)])

    np.testing.assert_array_equal(order(3), order(2))


@pytest.mark.parametrize("n", [5, 16, 50, 64])
@pytest.mark.parametrize("kind", KINDS)
def test_evaluation_covers_the_split_once_padded_and_never_cut(kind: str, n: int) -> None:
    split = whole(n)
    feed = make_feed(kind, make_plan(split, batch_size=1))
    for _ in range(2):
        batches = list(feed.eval_batches())
        position = np.concatenate([b.position.ravel() for b in batches])
        np.testing.assert_array_equal(position[position >= 0], np.arange(n))
        assert len(position) - n < min(n, 16)
        assert len({b.position.shape[1] for b in batches}) == 1  # one shape, compiled once
        for batch in batches:
            expected = split.image[np.maximum(batch.position, 0)]
            np.testing.assert_array_equal(fetched(feed, batch), expected)


@pytest.mark.parametrize(("steps", "longest"), [(0, 5), (1, 5), (390, 100), (7, 7), (11, 5)])
def test_dispatches_are_bounded_and_of_at_most_two_lengths(steps: int, longest: int) -> None:
    lengths = chunk_lengths(steps, longest)
    assert sum(lengths) == steps
    assert all(0 < length <= longest for length in lengths)
    assert len(set(lengths)) <= 2
    assert len(lengths) == -(-steps // longest)
    assert all(length == -(-steps // len(lengths)) for length in lengths[:-1])


def test_a_plan_travels_without_its_drawn_epochs() -> None:
    plan: BatchPlan = make_plan(whole())
    before = plan.train_dispatch(2, 0)
    copy = pickle.loads(pickle.dumps(plan))
    np.testing.assert_array_equal(copy.train_dispatch(2, 0).position, before.position)
    assert not pickle.loads(pickle.dumps(plan))._drawn


def test_two_epochs_in_turn_are_drawn_once_each(monkeypatch: pytest.MonkeyPatch) -> None:
    """As threads ask for them that make the end of one and the beginning of the next."""
    drawn: list[int] = []
    draw = BatchPlan._draw
    monkeypatch.setattr(BatchPlan, "_draw", lambda self, e: (drawn.append(e), draw(self, e))[1])
    plan = make_plan(whole())
    for epoch in (1, 2, 1, 2, 3, 2):
        plan.train_dispatch(epoch, 0)
    assert drawn == [1, 2, 3]
