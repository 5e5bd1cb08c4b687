import jax
import jax.numpy as jnp
import numpy as np
import pytest

from jagree.networks import layers


def literal_convolution(
    image: np.ndarray, kernel: np.ndarray, stride: int, padding: int
) -> np.ndarray:
    height, width, _, features = kernel.shape
    image = np.pad(image, ((0, 0), (padding, padding), (padding, padding), (0, 0)))
    rows = (image.shape[1] - height) // stride + 1
    columns = (image.shape[2] - width) // stride + 1
    out = np.zeros((len(image), rows, columns, features))
    for i in range(rows):
        for j in range(columns):
            top, left = i * stride, j * stride
            window = image[:, top : top + height, left : left + width]
            out[:, i, j] = np.einsum("bhwc,hwcf->bf", window, kernel)
    return out


BANDED, DENSE = layers.banded_convolution, layers.dense_convolution
POINTWISE, UNFOLDED = layers.pointwise_convolution, layers.unfolded_convolution

# (form, image, kernel, stride, padding): LeNet5's three, and shapes of which no two axes are equal.
CASES = [
    *[
        (form, *case)
        for form in (BANDED, DENSE, UNFOLDED)
        for case in (
            ((2, 32, 32, 3), (5, 5, 3, 6), 1, 0),
            ((2, 14, 14, 6), (5, 5, 6, 16), 1, 0),
            ((2, 5, 5, 16), (5, 5, 16, 120), 1, 0),
            ((3, 9, 7, 2), (2, 4, 2, 5), 1, 0),
            ((3, 9, 7, 2), (3, 3, 2, 5), 1, 1),
            ((2, 3, 4, 1), (3, 1, 1, 2), 1, 2),
        )
    ],
    *[
        (form, *case)
        for form in (DENSE, UNFOLDED)
        for case in (
            ((3, 9, 8, 2), (3, 3, 2, 5), 2, 1),
            ((2, 15, 16, 3), (7, 7, 3, 4), 2, 3),
            ((3, 2, 1, 2), (3, 3, 2, 5), 1, 1),
        )
    ],
    *[
        (form, *case)
        for form in (POINTWISE, DENSE)
        for case in (
            ((3, 9, 7, 2), (1, 1, 2, 5), 1, 0),
            ((3, 9, 6, 2), (1, 1, 2, 5), 2, 0),
            ((3, 9, 6, 2), (1, 1, 2, 5), 3, 1),
        )
    ],
]


@pytest.mark.parametrize(("form", "image_shape", "kernel_shape", "stride", "padding"), CASES)
def test_each_form_is_the_literal_convolution(
    form, image_shape, kernel_shape, stride, padding
) -> None:
    rng = np.random.default_rng(0)
    image, kernel = rng.normal(size=image_shape), rng.normal(size=kernel_shape)
    found = form(jnp.float32(image), jnp.float32(kernel), stride, padding)
    expected = literal_convolution(image, kernel, stride, padding)
    np.testing.assert_allclose(found, expected, rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize(
    ("form", "image_shape", "kernel_shape", "stride", "padding"),
    [case for case in CASES if case[0] is not DENSE],
)
def test_the_forms_have_the_same_gradients(
    form, image_shape, kernel_shape, stride, padding
) -> None:
    rng = np.random.default_rng(0)
    image, kernel = (jnp.float32(rng.normal(size=s)) for s in (image_shape, kernel_shape))

    def gradients(form):
        return jax.grad(lambda i, k: jnp.sin(form(i, k, stride, padding)).sum(), argnums=(0, 1))(
            image, kernel
        )

    for ours, theirs in zip(gradients(form), gradients(DENSE), strict=True):
        np.testing.assert_allclose(ours, theirs, rtol=1e-3, atol=1e-4)


def test_the_banded_form_has_no_stride() -> None:
    with pytest.raises(ValueError, match="stride 1, not 2"):
        BANDED(jnp.zeros((1, 4, 4, 1)), jnp.zeros((2, 2, 1, 1)), 2)


def test_the_banded_form_is_for_small_maps_on_a_cpu_and_products_are_for_all() -> None:
    choose = layers.choose_convolution
    small, large = ((128, 32, 32, 3), (5, 5, 3, 6)), ((128, 32, 32, 64), (3, 3, 64, 64))
    assert choose(*small, backend="cpu") is BANDED
    assert choose(*small, stride=2, backend="cpu") is DENSE
    assert choose(*large, backend="cpu") is DENSE
    edge = (2, 4, 60, 4), (3, 3, 4, 3)  # a band of 3 * 60 * 4 rows and 58 * 3 columns
    assert choose(*edge, backend="cpu") is BANDED
    assert choose(*edge, padding=1, backend="cpu") is DENSE  # 3 * 62 * 4 and 60 * 3
    tiny, next_to_tiny = ((128, side, side, 512) for side in (2, 3))
    assert choose(tiny, (3, 3, 512, 512), padding=1, backend="cpu") is UNFOLDED
    assert choose(next_to_tiny, (3, 3, 512, 512), padding=1, backend="cpu") is DENSE
    assert choose((128, 1, 3, 512), (3, 3, 512, 512), padding=1, backend="cpu") is DENSE
    for backend in ("gpu", "tpu"):
        assert choose(*small, backend=backend) is DENSE
        assert choose(tiny, (3, 3, 512, 512), padding=1, backend=backend) is DENSE
        assert choose((128, 8, 8, 256), (1, 1, 256, 64), stride=2, backend=backend) is POINTWISE


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
