import jax
import jax.numpy as jnp
import numpy as np
import pytest

from jagree.networks import convolutions


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


BANDED, DENSE = convolutions.banded_convolution, convolutions.dense_convolution
POINTWISE, UNFOLDED = convolutions.pointwise_convolution, convolutions.unfolded_convolution
CENTRAL = convolutions.central_convolution

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
    *[
        (form, *case)
        for form in (CENTRAL, DENSE)
        for case in (
            ((4, 1, 1, 3), (3, 3, 3, 5), 1, 1),
            ((4, 1, 1, 3), (5, 5, 3, 2), 2, 2),
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


@pytest.mark.parametrize(("side", "size", "padding"), [(2, 3, 1), (1, 3, 2), (1, 3, 0)])
def test_the_central_form_is_for_kernels_of_which_only_the_centre_sees_something(
    side: int, size: int, padding: int
) -> None:
    with pytest.raises(ValueError, match="sees more than one"):
        CENTRAL(jnp.zeros((1, side, side, 1)), jnp.zeros((size, size, 1, 1)), 1, padding)


def test_the_banded_form_is_for_small_maps_on_a_cpu_and_products_are_for_all() -> None:
    choose = convolutions.choose_convolution
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
    pixel = (128, 1, 1, 512)
    for backend in ("cpu", "gpu", "tpu"):
        assert choose(pixel, (3, 3, 512, 512), padding=1, backend=backend) is CENTRAL
        assert choose(pixel, (1, 1, 512, 512), backend=backend) is POINTWISE
    for wider in ((128, 1, 2, 512), (128, 2, 1, 512)):
        assert choose(wider, (3, 3, 512, 512), padding=1, backend="cpu") is UNFOLDED
    assert choose(pixel, (3, 3, 512, 512), padding=2, backend="cpu") is UNFOLDED
    for backend in ("gpu", "tpu"):
        assert choose(*small, backend=backend) is DENSE
        assert choose(tiny, (3, 3, 512, 512), padding=1, backend=backend) is DENSE
        assert choose((128, 8, 8, 256), (1, 1, 256, 64), stride=2, backend=backend) is POINTWISE


@pytest.mark.parametrize("pieces", [1, 2, 3, 5, 7, 40])
def test_the_gradient_of_a_kernel_is_the_same_in_any_pieces(pieces: int) -> None:
    rng = np.random.default_rng(0)
    image, kernel = rng.normal(size=(7, 6, 5, 3)), rng.normal(size=(3, 3, 3, 4))
    image, kernel = jnp.float32(image), jnp.float32(kernel)
    out, transpose = jax.vjp(lambda k: DENSE(image, k, 2, 1), kernel)
    cotangent = jnp.float32(rng.normal(size=out.shape))
    (expected,) = transpose(cotangent)
    found = convolutions.kernel_gradient(DENSE, image, cotangent, kernel.shape, 2, 1, pieces)
    np.testing.assert_allclose(found, expected, rtol=1e-4, atol=1e-4)


def test_gradients_of_kernels_are_taken_in_pieces_that_fit_a_cpus_cache() -> None:
    choose, mega = convolutions.choose_pieces, 2**20
    assert choose(DENSE, 32 * mega, 8 * mega, 147_456, "cpu") == 32
    assert choose(DENSE, 8 * mega, 32 * mega, 147_456, "cpu") == 32
    assert choose(DENSE, mega, mega, 147_456, "cpu") == 1
    assert choose(DENSE, mega + 1, 0, 147_456, "cpu") == 2
    assert choose(DENSE, 32 * mega, mega, 4 * mega, "cpu") == 32
    assert choose(DENSE, 32 * mega, mega, 4 * mega + 1, "cpu") == 1
    assert choose(BANDED, 32 * mega, mega, 147_456, "cpu") == 1
    assert choose(DENSE, 32 * mega, mega, 147_456, "gpu") == 1
