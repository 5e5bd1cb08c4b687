import jax.numpy as jnp
import numpy as np
import pytest
from ml_collections import ConfigDict

from jagree.training.optimizers import Hyper, constant, cosine, sgd


def test_sgd_is_the_literal_recursion_with_coupled_decay() -> None:
    rng = np.random.default_rng(0)
    gradients = rng.normal(size=(5, 3))
    optimizer = sgd(ConfigDict({"momentum": 0.9}))
    weight = jnp.array([1.0, -2.0, 3.0])
    state = optimizer(Hyper(0.0, 0.0)).init(weight)
    w, v = np.array([1.0, -2.0, 3.0]), np.zeros(3)
    for t, gradient in enumerate(gradients):
        rate, decay = 0.1 / (t + 1), 0.01
        update, state = optimizer(Hyper(rate, decay)).update(jnp.float32(gradient), state, weight)
        weight = weight + update
        v = 0.9 * v + gradient + decay * w
        w = w - rate * v
    np.testing.assert_allclose(weight, w, rtol=1e-5)


def test_the_cosine_begins_at_the_initial_rate_and_nears_the_final_one() -> None:
    options = ConfigDict({"final_learning_rate": 0.01})
    rates = [cosine(0.5, epoch, 4, 2, options) for epoch in range(4)]
    np.testing.assert_array_equal(rates[0], [0.5, 0.5])
    assert rates[2][0] == pytest.approx((0.5 + 0.01) / 2)
    assert rates[3][0] == pytest.approx(0.01 + 0.49 * (1 + np.cos(0.75 * np.pi)) / 2)


def test_the_constant_schedule_is_constant() -> None:
    np.testing.assert_array_equal(constant(0.3, 7, 10, 3, ConfigDict()), [0.3] * 3)
