import numpy as np

from jagree.data.identify import content_ids


def digests(*prefixes: str, seed: int = 0) -> np.ndarray:
    """Digests that begin as told, in hexadecimal, and go on at random."""
    rng = np.random.default_rng(seed)
    rows = [bytes.fromhex(p) + rng.bytes(32 - len(p) // 2) for p in prefixes]
    return np.frombuffer(b"".join(rows), np.uint8).reshape(-1, 32)


def test_an_id_is_the_first_sixteen_digits() -> None:
    found = digests("00" * 8, "fedcba9876543210", "0123456789abcdef")
    ids = content_ids(found, np.array([0, 1, 2]))
    assert ids.tolist() == ["0" * 16, "fedcba9876543210", "0123456789abcdef"]
    assert ids.dtype.kind == "U"


def test_ids_go_with_the_examples_whatever_their_order() -> None:
    rng = np.random.default_rng(0)
    found = rng.integers(0, 256, (60, 32), np.uint8)[rng.integers(0, 60, 200)]  # with duplicates
    # With other labels for each duplicate, there is but one right answer.
    label = np.arange(200)
    ids = content_ids(found, label)
    assert len(set(ids.tolist())) == 200
    order = rng.permutation(200)
    np.testing.assert_array_equal(content_ids(found[order], label[order]), ids[order])


def test_duplicates_are_numbered_in_the_order_of_their_labels() -> None:
    (one,) = digests("aa" * 8)
    (other,) = digests("bb" * 8)
    found = np.stack([one, other, one, one, other])
    ids = content_ids(found, np.array([7, 0, 3, 5, 0]))
    a, b = "aa" * 8, "bb" * 8
    assert ids.tolist() == [f"{a}-3", b, a, f"{a}-2", f"{b}-2"]


def test_duplicates_with_several_labels_each() -> None:
    found = np.repeat(digests("aa" * 8), 3, 0)
    label = np.array([[True, False], [False, True], [False, False]])
    assert [i[16:] for i in content_ids(found, label)] == ["-3", "-2", ""]


def test_different_digests_that_begin_alike_stay_apart() -> None:
    found = digests("cc" * 8, "cc" * 8, "dd" * 8)
    found = np.concatenate([found, found[:1]])
    ids = content_ids(found, np.array([0, 0, 0, 1]))
    assert ids.tolist() == [
        bytes(found[0]).hex(),
        bytes(found[1]).hex(),
        "dd" * 8,
        bytes(found[0]).hex() + "-2",
    ]
    # Even where the last digit alone tells them apart.
    near = np.repeat(digests("ee" * 8), 2, 0)
    near[1, 31] ^= 1
    one, other = content_ids(near, np.array([0, 0])).tolist()
    assert (len(one), one[:63], len(other)) == (64, other[:63], 64)
    assert one != other


def test_no_examples_have_no_ids() -> None:
    for label in (np.zeros(0, np.int32), np.zeros((0, 3), bool)):
        assert content_ids(np.zeros((0, 32), np.uint8), label).tolist() == []
