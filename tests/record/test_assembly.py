import numpy as np
import pytest

from jagree.record import EpochAssembly

IDS = np.array(["a", "b", "c", "d"])


def test_batches_in_each_members_own_order_land_at_their_examples() -> None:
    order = np.array([[2, 0, 3, 1], [1, 3, 0, 2]])
    truth = np.arange(8).reshape(2, 4) * 10
    assembly = EpochAssembly(IDS, 2)
    for batch in (slice(0, 3), slice(3, 4)):
        index = order[:, batch]
        assembly.put(index, {"x": np.take_along_axis(truth, index, 1)})
    np.testing.assert_array_equal(assembly.finish()["x"], truth)


def test_a_common_order_with_padding() -> None:
    assembly = EpochAssembly(IDS, 2)
    assembly.put(np.array([3, 2, 1]), {"x": np.array([[3, 2, 1], [13, 12, 11]])})
    assembly.put(np.array([0, -1, -1]), {"x": np.array([[0, 99, 99], [10, 99, 99]])})
    np.testing.assert_array_equal(assembly.finish()["x"], [[0, 1, 2, 3], [10, 11, 12, 13]])


def test_what_was_gathered_is_gone_on_from() -> None:
    values = np.arange(8).reshape(2, 4)
    first = EpochAssembly(IDS, 2)
    first.put(np.array([3, 1]), {"x": values[:, [3, 1]]})
    gathered = first.gathered
    assert not first.complete
    np.testing.assert_array_equal(gathered["seen"], [[0, 1, 0, 1]] * 2)
    second = EpochAssembly(IDS, 2, gathered)
    with pytest.raises(ValueError, match="more than once"):
        second.put(np.array([1]), {"x": values[:, [1]]})
    second.put(np.array([0, 2]), {"x": values[:, [0, 2]]})
    assert second.complete
    np.testing.assert_array_equal(second.finish()["x"], values)
    # Neither the first nor what was taken of it has changed.
    np.testing.assert_array_equal(gathered["x"], [[0, 1, 0, 3], [0, 5, 0, 7]])
    first.put(np.array([0]), {"x": values[:, [0]] + 90})
    np.testing.assert_array_equal(gathered["x"][:, 0], [0, 0])
    np.testing.assert_array_equal(second.finish()["x"], values)


def test_further_axes_are_kept() -> None:
    assembly = EpochAssembly(IDS, 1)
    values = np.arange(8).reshape(1, 4, 2)
    assembly.put(np.array([3, 2, 1, 0]), {"x": values})
    np.testing.assert_array_equal(assembly.finish()["x"], values[:, ::-1])


def test_a_second_time_is_an_error_that_names_the_example() -> None:
    assembly = EpochAssembly(IDS, 2)
    assembly.put(np.array([[0, 1], [0, 2]]), {"x": np.zeros((2, 2))})
    with pytest.raises(ValueError, match=r"more than once.*member 1, 'c'"):
        assembly.put(np.array([[2], [2]]), {"x": np.zeros((2, 1))})


def test_twice_in_one_batch_is_an_error() -> None:
    with pytest.raises(ValueError, match="1 of 4 examples were recorded more than once"):
        EpochAssembly(IDS, 1).put(np.array([1, 1]), {"x": np.zeros((1, 2))})


def test_a_missing_one_is_an_error_that_names_the_example() -> None:
    assembly = EpochAssembly(IDS, 2)
    assembly.put(np.array([[0, 1, 2, 3], [0, 1, 2, -1]]), {"x": np.zeros((2, 4))})
    with pytest.raises(ValueError, match=r"1 of 4 .* not at all .*member 1, 'd'"):
        assembly.finish()
