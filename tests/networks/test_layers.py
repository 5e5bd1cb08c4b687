import jax
import jax.numpy as jnp
import numpy as np
import pytest

from jagree.networks import layers


def literal_convolution(image: np.ndarray, kernel: np.ndarray) -> np.ndarray:
    height, width, _, features = kernel.shape
    batch, rows, columns = image.shape[0], image.shape[1] - height + 1, image.shape[2] - width + 1
    out = np.zeros((batch, rows, columns, features))
    for i in range(rows):
        for j in range(columns):
            window = image[:, i : i + height, j : j + width]
            out[:, i, j] = np.einsum("bhwc,hwcf->bf", window, kernel)
    return out


# (image, kernel): LeNet5's three, and shapes in which no two axes are equal.
SHAPES = [
    ((2, 32, 32, 3), (5, 5, 3, 6)),
    ((2, 14, 14, 6), (5, 5, 6, 16)),
    ((2, 5, 5, 16), (5, 5, 16, 120)),
    ((3, 9, 7, 2), (2, 4, 2, 5)),
    ((1, 3, 4, 1), (3, 1, 1, 2)),
]


@pytest.mark.parametrize(("image_shape", "kernel_shape"), SHAPES)
@pytest.mark.parametrize("form", [layers.banded_convolution, layers.dense_convolution])
def test_each_form_is_the_literal_convolution(form, image_shape, kernel_shape) -> None:
    rng = np.random.default_rng(0)
    image, kernel = rng.normal(size=image_shape), rng.normal(size=kernel_shape)
    found = form(jnp.float32(image), jnp.float32(kernel))
    np.testing.assert_allclose(found, literal_convolution(image, kernel), rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize(("image_shape", "kernel_shape"), SHAPES)
def test_the_forms_have_the_same_gradients(image_shape, kernel_shape) -> None:
    rng = np.random.default_rng(0)
    image, kernel = (jnp.float32(rng.normal(size=s)) for s in (image_shape, kernel_shape))

    def gradients(form):
        return jax.grad(lambda i, k: jnp.sin(form(i, k)).sum(), argnums=(0, 1))(image, kernel)

    pairs = zip(
        gradients(layers.banded_convolution), gradients(layers.dense_convolution), strict=True
    )
    for ours, theirs in pairs:
        np.testing.assert_allclose(ours, theirs, rtol=1e-3, atol=1e-4)


def test_the_banded_form_is_for_small_maps_on_a_cpu() -> None:
    small, large = ((128, 32, 32, 3), (5, 5, 3, 6)), ((128, 32, 32, 64), (3, 3, 64, 64))
    assert layers.choose_convolution(*small, "cpu") is layers.banded_convolution
    assert layers.choose_convolution(*large, "cpu") is layers.dense_convolution
    assert layers.choose_convolution(*small, "gpu") is layers.dense_convolution
    assert layers.choose_convolution(*small, "tpu") is layers.dense_convolution


def test_average_pool_cuts_what_does_not_fill_a_window() -> None:
    image = np.arange(2 * 5 * 4 * 3, dtype=np.float32).reshape(2, 5, 4, 3)
    found = layers.average_pool(jnp.array(image))
    assert found.shape == (2, 2, 2, 3)
    np.testing.assert_allclose(found[1, 1, 0, 2], image[1, 2:4, 0:2, 2].mean())


def test_weights_are_kaiming_normal() -> None:
    """Variance 2 / fan-in, and tails that a truncated normal does not have."""
    variables = layers.Conv(64, (5, 5)).init(jax.random.key(0), jnp.zeros((1, 8, 8, 40)))
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
