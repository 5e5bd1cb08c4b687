import flax.linen as nn
import jax
import jax.numpy as jnp
import numpy as np
import pytest

from jagree.networks import layers


def test_average_pool_cuts_what_does_not_fill_a_window() -> None:
    image = np.arange(2 * 5 * 4 * 3, dtype=np.float32).reshape(2, 5, 4, 3)
    found = layers.average_pool(jnp.array(image))
    assert found.shape == (2, 2, 2, 3)
    np.testing.assert_allclose(found[1, 1, 0, 2], image[1, 2:4, 0:2, 2].mean())


def test_weights_are_kaiming_normal() -> None:
    """Variance 2 / fan-in, and tails that a truncated normal does not have."""
    variables = layers.Conv(64, 5).init(jax.random.key(0), jnp.zeros((1, 8, 8, 40)))
    kernel = np.asarray(variables["params"]["kernel"])
    assert kernel.std() == pytest.approx(np.sqrt(2 / (5 * 5 * 40)), rel=0.01)
    assert abs(kernel).max() > 3.5 * kernel.std()
    assert not np.asarray(variables["params"]["bias"]).any()
    dense = layers.Dense(300).init(jax.random.key(1), jnp.zeros((1, 200)))["params"]["Dense_0"]
    assert np.asarray(dense["kernel"]).std() == pytest.approx(np.sqrt(2 / 200), rel=0.01)
    assert not np.asarray(dense["bias"]).any()


def test_batch_norm_is_the_literal_formula() -> None:
    rng = np.random.default_rng(0)
    x = rng.normal(3, 2, (6, 4, 5, 3)).astype(np.float32)
    params = {"scale": np.float32([1.0, 2.0, 0.5]), "bias": np.float32([0.0, 1.0, -1.0])}
    stats = {"mean": np.float32([0.1, 0.2, 0.3]), "var": np.float32([1.0, 2.0, 3.0])}
    found, updates = layers.BatchNorm().apply(
        {"params": params, "batch_stats": stats}, jnp.array(x), True, mutable=["batch_stats"]
    )
    mean, var = x.mean((0, 1, 2)), x.var((0, 1, 2))
    expected = (x - mean) / np.sqrt(var + 1e-5) * params["scale"] + params["bias"]
    np.testing.assert_allclose(found, expected, rtol=1e-4, atol=1e-5)
    n = 6 * 4 * 5
    running = updates["batch_stats"]
    np.testing.assert_allclose(running["mean"], 0.9 * stats["mean"] + 0.1 * mean, rtol=1e-5)
    unbiased = var * n / (n - 1)
    np.testing.assert_allclose(running["var"], 0.9 * stats["var"] + 0.1 * unbiased, rtol=1e-5)
    found = layers.BatchNorm().apply({"params": params, "batch_stats": stats}, jnp.array(x), False)
    expected = (x - stats["mean"]) / np.sqrt(stats["var"] + 1e-5) * params["scale"]
    np.testing.assert_allclose(found, expected + params["bias"], rtol=1e-4, atol=1e-5)


def test_batch_norm_of_a_single_value_is_the_offset() -> None:
    x = jnp.array([[5.0, -3.0]])
    norm = layers.BatchNorm()
    variables = norm.init(jax.random.key(0), x, True)
    np.testing.assert_array_equal(variables["batch_stats"]["mean"], [0, 0])
    found, updates = norm.apply(variables, x, True, mutable=["batch_stats"])
    np.testing.assert_array_equal(found, [[0, 0]])
    assert np.isfinite(updates["batch_stats"]["var"]).all()


def test_max_pool_is_the_largest_of_each_window_and_never_what_was_added() -> None:
    image = -1 - np.random.default_rng(0).random((2, 5, 4, 3)).astype(np.float32)
    found = layers.max_pool(jnp.array(image), 3, 2, padding=1)
    assert found.shape == (2, 3, 2, 3)
    np.testing.assert_array_equal(found[:, 0, 0], image[:, 0:2, 0:2].max((1, 2)))
    np.testing.assert_array_equal(found[:, 1, 1], image[:, 1:4, 1:4].max((1, 2)))
    assert layers.max_pool(jnp.array(image), 2, 2).shape == (2, 2, 2, 3)


@pytest.mark.parametrize(("size", "stride", "padding"), [(2, 2, 0), (3, 2, 1), (3, 1, 0)])
def test_max_pool_is_the_windowed_reduction_with_its_gradient(
    size: int, stride: int, padding: int
) -> None:
    """Of values many of which are equal: XLA gives the gradient to the first, by rows."""
    rng = np.random.default_rng(0)
    image = jnp.float32(rng.integers(0, 3, (3, 7, 9, 4)))

    def windowed(x):
        return nn.max_pool(x, (size, size), (stride, stride), ((padding, padding),) * 2)

    expected, theirs = jax.vjp(windowed, image)
    found, ours = jax.vjp(lambda x: layers.max_pool(x, size, stride, padding), image)
    np.testing.assert_array_equal(found, expected)
    cotangent = jnp.float32(rng.normal(size=found.shape))
    np.testing.assert_allclose(ours(cotangent)[0], theirs(cotangent)[0], rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize("row", range(3))
@pytest.mark.parametrize("column", range(3))
def test_max_pool_hides_no_nan(row: int, column: int) -> None:
    image = np.random.default_rng(0).random((1, 3, 3, 1)).astype(np.float32)
    image[0, row, column] = np.nan
    assert np.isnan(layers.max_pool(jnp.array(image), 3, 1)).all()


def test_moments_of_parts_are_the_moments_of_the_whole() -> None:
    rng = np.random.default_rng(0)
    x = jnp.float32(rng.normal(2, 3, (5, 4, 3, 6)))
    found = layers.concatenate_moments(
        [layers.batch_moments(x[..., :2]), layers.batch_moments(x[..., 2:])]
    )
    np.testing.assert_allclose(found.mean, x.mean((0, 1, 2)), rtol=1e-5)
    np.testing.assert_allclose(found.square, (x**2).mean((0, 1, 2)), rtol=1e-5)
    norm = layers.BatchNorm()
    variables = norm.init(jax.random.key(0), x, True)
    ours, own = norm.apply(variables, x, True, found, mutable=["batch_stats"])
    theirs, alone = norm.apply(variables, x, True, mutable=["batch_stats"])
    np.testing.assert_allclose(ours, theirs, rtol=1e-5, atol=1e-5)
    jax.tree.map(lambda a, b: np.testing.assert_allclose(a, b, rtol=1e-5), own, alone)


def test_layers_compute_in_half_precision_with_float32_weights_and_moments() -> None:
    x = jnp.asarray(np.random.default_rng(0).normal(300, 1, (64, 4, 4, 8)), jnp.bfloat16)
    conv = layers.Conv(3, 3, padding=1)
    variables = conv.init(jax.random.key(0), x)
    assert conv.apply(variables, x).dtype == jnp.bfloat16
    norm = layers.BatchNorm()
    variables = norm.init(jax.random.key(0), x, True)
    out, updates = norm.apply(variables, x, True, mutable=["batch_stats"])
    assert out.dtype == jnp.bfloat16
    leaves = jax.tree.leaves((variables, updates))
    assert {leaf.dtype for leaf in leaves} == {jnp.dtype("float32")}
    # bfloat16 has 8 bits: its own mean of numbers near 300 would be off by 1, the variance by all.
    exact = np.asarray(x, np.float64)
    np.testing.assert_allclose(
        updates["batch_stats"]["mean"], 0.1 * exact.mean((0, 1, 2)), rtol=1e-5
    )
    n = exact[..., 0].size
    np.testing.assert_allclose(
        updates["batch_stats"]["var"], 0.9 + 0.1 * exact.var((0, 1, 2)) * n / (n - 1), rtol=0.02
    )
