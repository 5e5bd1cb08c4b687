import itertools

import numpy as np

from jagree import seeds


def first(*args: object, **kwargs: object) -> float:
    return float(seeds.generator(*args, **kwargs).random())  # type: ignore[arg-type]


def test_a_stream_is_the_same_each_time_and_on_each_machine() -> None:
    stream = seeds.generator(3, "shuffle", member=1, epoch=2)
    np.testing.assert_array_equal(stream.integers(0, 1000, 4), [987, 182, 899, 134])


def test_each_part_of_the_name_makes_another_stream() -> None:
    named = [
        first(seed, purpose, member=member, epoch=epoch)
        for seed, purpose, member, epoch in itertools.product(
            (0, 1, 2**40), ("weights", "shuffle"), (None, 0, 1), (None, 0, 1)
        )
    ]
    assert len(set(named)) == len(named)


def test_member_and_epoch_are_not_interchangeable() -> None:
    assert first(0, "shuffle", member=1, epoch=2) != first(0, "shuffle", member=2, epoch=1)


def test_words_differ_between_members() -> None:
    words = {tuple(seeds.words(0, "weights", member=k)) for k in range(100)}
    assert len(words) == 100


def test_an_example_has_a_seed_of_its_own_by_its_name() -> None:
    named = [
        seeds.of_example(seed, purpose, example)
        for seed, purpose, example in itertools.product(
            (0, 1), ("edges", "noise"), ("a", "b", "1/a")
        )
    ]
    assert len(set(named)) == len(named)
    assert all(0 <= seed < 2**64 for seed in named)
    assert seeds.of_example(0, "edge_strength", "test_00042") == 13007983637991363610
