import jax.numpy as jnp
import numpy as np

from jagree.record import RULES


def test_single_label_is_equality_and_minus_one_is_never_right() -> None:
    prediction = np.array([[0, 1, -1], [2, 1, 0]])
    label = np.array([0, 1, 2])
    expected = [[True, True, False], [False, True, False]]
    np.testing.assert_array_equal(RULES["single_label"](prediction, label), expected)


def test_exact_match_needs_every_present_and_every_absent_class() -> None:
    label = np.array([[True, False, True], [False, False, False]])
    prediction = np.array([
        [[1, 0, 1], [0, 0, 0]],  # all right; an example without any class can be right
        [[1, 0, 0], [0, 0, 1]],  # one missed; one too many
        [[-1, -1, -1], [-1, -1, -1]],  # not finite
    ])  # fmt: skip
    expected = [[True, True], [False, False], [False, False]]
    np.testing.assert_array_equal(RULES["exact_match"](prediction, label), expected)


def test_the_rules_serve_jax_arrays_alike() -> None:
    rng = np.random.default_rng(0)
    prediction, label = rng.integers(0, 2, (2, 5, 3)), rng.integers(0, 2, (5, 3)).astype(bool)
    for rule in RULES.values():
        np.testing.assert_array_equal(
            rule(jnp.array(prediction), jnp.array(label)[None]), rule(prediction, label)
        )
