import numpy as np
import pytest

from jagree.data.split import Split
from jagree.training.feed import ResidentFeed, chunk_lengths, shuffle


def make_feed(n: int = 50, **changes: int) -> ResidentFeed:
    rng = np.random.default_rng(0)
    split = Split(
        name="train",
        id=np.array([f"{i:03d}" for i in range(n)]),
        label=np.zeros(n, np.int32),
        image=rng.integers(0, 255, (n, 2, 2, 3), np.uint8),
        class_names=("a",),
    )
    options = {
        "members": 3,
        "seed": 0,
        "batch_size": 8,
        "eval_batch_size": 16,
        "steps_per_dispatch": 4,
    }
    return ResidentFeed(split, **{**options, **changes})


@pytest.mark.parametrize("steps_per_dispatch", [1, 4, 100])
@pytest.mark.parametrize("n", [8, 48, 50, 57])
def test_each_member_sees_each_example_once_an_epoch(n: int, steps_per_dispatch: int) -> None:
    feed = make_feed(n, steps_per_dispatch=steps_per_dispatch)
    batches = list(feed.train_batches(1))
    assert sum(b.shape[1] for b in batches) == feed.steps == -(-n // 8)
    assert all(b.shape[1] <= steps_per_dispatch for b in batches)
    for member in range(3):
        seen = np.concatenate([b[member].ravel() for b in batches])
        np.testing.assert_array_equal(np.sort(seen), np.arange(n))
    # Full batches but the last, which holds the rest.
    assert {b.shape[2] for b in batches[:-1]} <= {8}
    assert batches[-1].shape[2] == (n % 8 or 8)


def test_dispatching_more_steps_changes_no_batch() -> None:
    one = [b[:, s] for b in make_feed(steps_per_dispatch=1).train_batches(2) for s in range(1)]
    many = [b[:, s] for b in make_feed().train_batches(2) for s in range(b.shape[1])]
    assert len(one) == len(many)
    for a, b in zip(one, many, strict=True):
        np.testing.assert_array_equal(a, b)


def test_orders_differ_between_members_epochs_and_seeds_and_depend_on_nothing_else() -> None:
    orders = {
        tuple(shuffle(20, seed=s, member=k, epoch=e))
        for s in (0, 1)
        for k in (0, 1)
        for e in (1, 2)
    }
    assert len(orders) == 8
    of_three = np.concatenate([b[1].ravel() for b in make_feed(members=3).train_batches(1)])
    of_two = np.concatenate([b[1].ravel() for b in make_feed(members=2).train_batches(1)])
    np.testing.assert_array_equal(of_three, of_two)


@pytest.mark.parametrize("n", [5, 16, 50, 64])
def test_evaluation_covers_the_split_once_padded_and_never_cut(n: int) -> None:
    batches = list(make_feed(n, batch_size=1).eval_batches())
    index = np.concatenate([i.ravel() for i, _ in batches])
    mask = np.concatenate([m.ravel() for _, m in batches])
    np.testing.assert_array_equal(index[mask], np.arange(n))
    assert len(index) - n < 16
    assert len({i.shape[1] for i, _ in batches}) == 1  # one shape, compiled once


@pytest.mark.parametrize(("steps", "longest"), [(0, 5), (1, 5), (390, 100), (7, 7), (11, 5)])
def test_dispatches_are_bounded_and_of_at_most_two_lengths(steps: int, longest: int) -> None:
    lengths = chunk_lengths(steps, longest)
    assert sum(lengths) == steps
    assert all(0 < length <= longest for length in lengths)
    assert len(set(lengths)) <= 2
    assert len(lengths) == -(-steps // longest)
