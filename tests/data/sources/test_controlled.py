import dataclasses
import itertools
import time

import numpy as np
import pytest
from ml_collections import ConfigDict
from scipy import ndimage, stats

from jagree.data.sources import controlled, shapes
from jagree.data.sources.controlled import BLOCK, SIDE, Scene, draw, load, quantise, render
from jagree.errors import UsageError

FACTORS = {
    "clutter": controlled.CLUTTER,
    "texture_frequency": controlled.TEXTURE_FREQUENCY,
    "noise": controlled.NOISE,
    "size": controlled.SIZE,
    "contrast": controlled.CONTRAST,
}
MANY = 20  # blocks, 5,120 examples


def options(seed: int = 0, train_size: int = 1, test_size: int = 1) -> ConfigDict:
    return ConfigDict({"seed": seed, "train_size": train_size, "test_size": test_size})


def without(scene: Scene, *names: str) -> Scene:
    """The same scene with the named factors at 0."""
    zero = {name: np.zeros_like(getattr(scene, name)) for name in names}
    return dataclasses.replace(scene, **zero)


@pytest.fixture(scope="module")
def scene() -> Scene:
    return draw(3, "train", 0)


@pytest.fixture(scope="module")
def drawn() -> dict[str, np.ndarray]:
    """Whatever is one number per example, over many blocks."""
    blocks = [draw(0, "train", block) for block in range(MANY)]
    names = [f.name for f in dataclasses.fields(Scene) if getattr(blocks[0], f.name).ndim == 1]
    return {name: np.concatenate([getattr(b, name) for b in blocks]) for name in names}


# What a split holds


@pytest.mark.parametrize("size", [1, BLOCK - 1, BLOCK, BLOCK + 1])
def test_a_smaller_set_is_a_prefix_of_a_larger_one(size: int) -> None:
    small, large = (load("train", options(5, train_size=n)) for n in (size, 2 * BLOCK + 9))
    assert len(small) == size
    assert len(large) == 2 * BLOCK + 9
    for name in ("id", "label", "true_label", "image"):
        np.testing.assert_array_equal(getattr(small, name), getattr(large, name)[:size])
    for name in FACTORS:
        np.testing.assert_array_equal(
            small.metadata[name].values, large.metadata[name].values[:size]
        )


def test_rows_of_all_parts_belong_to_the_same_example() -> None:
    split = load("test", options(5, test_size=3 * BLOCK))
    for block in range(3):
        rows, scene = slice(block * BLOCK, (block + 1) * BLOCK), draw(5, "test", block)
        np.testing.assert_array_equal(split.label[rows], scene.label)
        np.testing.assert_array_equal(split.image[rows], quantise(render(scene)))
        for name in FACTORS:
            np.testing.assert_array_equal(split.metadata[name].values[rows], getattr(scene, name))


@pytest.mark.parametrize("other", [(1, "train", 0), (0, "test", 0), (0, "train", 1)])
def test_seeds_splits_and_blocks_are_independent(other: tuple[int, str, int]) -> None:
    first, second = draw(0, "train", 0), draw(*other)
    for field in dataclasses.fields(Scene):
        one, two = getattr(first, field.name).ravel(), getattr(second, field.name).ravel()
        assert abs(stats.pearsonr(one, two).statistic) < 5 / np.sqrt(len(one)), field.name


def test_the_same_arguments_give_the_same_data() -> None:
    assert load("train", options(7)).fingerprint == load("train", options(7)).fingerprint


def test_the_data_stay_what_they_were() -> None:
    fingerprint = load("train", options(0, train_size=300)).fingerprint
    assert fingerprint == "3b76560c0c723b77d05573cb93be5a4c902f11e34b0ec7a349b1413a2481bac3", (
        "The controlled set has changed, so runs recorded before can no longer be joined with it. "
        "If that is meant, put the new fingerprint here and say so in the change log."
    )


def test_ids_are_of_one_width_whatever_the_size() -> None:
    ids = load("train", options(train_size=300)).id
    assert list(ids[[0, 1, 299]]) == ["train_0000000", "train_0000001", "train_0000299"]
    assert len(set(ids)) == 300
    assert list(ids) == sorted(ids)
    assert len(f"train_{controlled.LARGEST - 1}") == len(ids[0])
    assert load("test", options()).id[0] == "test_0000000"


def test_types_shapes_and_units() -> None:
    split = load("test", options(test_size=10))
    assert (split.name, split.image.dtype, split.image.shape) == ("test", np.uint8, (10, 32, 32, 3))
    assert split.label.dtype == np.int32
    assert len(split.class_names) == 10
    assert {name: c.unit for name, c in split.metadata.items()} == {
        "clutter": "",
        "texture_frequency": "cycles per image",
        "noise": "grey levels",
        "size": "pixels",
        "contrast": "grey levels",
    }
    assert all(c.description for c in split.metadata.values())
    assert all(c.assigned for c in split.metadata.values())


@pytest.mark.parametrize("size", [0, -1, controlled.LARGEST + 1])
@pytest.mark.parametrize("split", ["train", "test"])
def test_a_size_out_of_range_is_the_users_to_mend(split: str, size: int) -> None:
    sizes = options(train_size=5, test_size=5)
    sizes[f"{split}_size"] = size
    message = rf"data\.{split}_size is {size}, .* set data\.{split}_size to .* 1 to 10000000$"
    with pytest.raises(UsageError, match=message):
        load(split, sizes)


def test_five_thousand_images_take_seconds() -> None:
    start = time.perf_counter()
    load("train", options(train_size=5000))
    assert time.perf_counter() - start < 5  # about 0.8 s on one core of 2020


# How the factors are drawn


@pytest.mark.parametrize(
    ("name", "low", "high"),
    [(name, *FACTORS[name]) for name in FACTORS if name != "clutter"]
    + [
        ("rotation", -controlled.ROTATION, controlled.ROTATION),
        ("texture_angle", 0, np.pi),
        ("texture_phase", 0, 2 * np.pi),
    ],
)
def test_continuous_draws_are_uniform_over_their_range(
    drawn: dict[str, np.ndarray], name: str, low: float, high: float
) -> None:
    assert stats.kstest(drawn[name], stats.uniform(low, high - low).cdf).pvalue > 1e-3


@pytest.mark.parametrize(
    ("name", "values"), [("clutter", range(17)), ("label", range(10)), ("polarity", (-1, 1))]
)
def test_counts_are_uniform(drawn: dict[str, np.ndarray], name: str, values: list[int]) -> None:
    found, count = np.unique(drawn[name], return_counts=True)
    assert list(found) == list(values)
    assert stats.chisquare(count).pvalue > 1e-3


def test_what_is_drawn_is_uncorrelated(drawn: dict[str, np.ndarray]) -> None:
    assert set(FACTORS) < set(drawn)
    # Under independence sqrt(n) * rho is about standard normal: beyond 5 once in 1.7 million pairs.
    for one, two in itertools.combinations(drawn, 2):
        rho = stats.spearmanr(drawn[one], drawn[two]).statistic
        assert abs(rho) < 5 / np.sqrt(MANY * BLOCK), (one, two)


@pytest.mark.parametrize("name", FACTORS)
def test_factors_do_not_depend_on_the_class(drawn: dict[str, np.ndarray], name: str) -> None:
    by_class = [drawn[name][drawn["label"] == k] for k in range(10)]
    assert stats.kruskal(*by_class).pvalue > 1e-3


# Each factor is the cause of what is seen


def test_noise_is_the_standard_deviation_of_the_residual(scene: Scene) -> None:
    residual = render(scene) - render(without(scene, "noise"))
    # The standard error of a deviation estimated from n values is 1 / sqrt(2 n) of it.
    np.testing.assert_allclose(
        residual[..., 0].std((1, 2)), scene.noise, rtol=5 / np.sqrt(2 * SIDE**2)
    )
    np.testing.assert_allclose(residual[..., 1:], residual[..., :2], atol=1e-9)
    for axis in (1, 2):  # white: neighbours are uncorrelated
        neighbour = (scene.grain * np.roll(scene.grain, 1, axis)).mean()
        assert abs(neighbour) < 5 / np.sqrt(scene.grain.size)


def test_noise_is_seen_in_the_image_in_spite_of_clipping(scene: Scene) -> None:
    noisy, clean = quantise(render(scene)), quantise(render(without(scene, "noise")))
    residual = (noisy.astype(float) - clean).std((1, 2, 3))
    assert stats.spearmanr(residual, scene.noise).statistic > 0.99


def test_contrast_is_the_step_from_background_to_object(scene: Scene) -> None:
    layer = render(scene) - render(without(scene, "contrast"))
    low, high = layer.min((1, 2, 3)), layer.max((1, 2, 3))
    np.testing.assert_allclose(high, scene.contrast / 2, atol=1e-9)
    np.testing.assert_allclose(low, -scene.contrast / 2, atol=1e-9)
    # No object covers half of the picture, so the median is the background.
    background = np.median(layer, axis=(1, 2, 3))
    np.testing.assert_allclose(background, -scene.polarity * scene.contrast / 2, atol=1e-9)


def covered(scene: Scene) -> np.ndarray:
    """Coverage by the object, from the rendered picture [N, SIDE, SIDE]."""
    layer = (render(scene) - render(without(scene, "contrast")))[..., 0]
    return layer / (scene.polarity * scene.contrast)[:, None, None] + 0.5


def test_size_is_the_diameter_of_the_circle_around_the_object(scene: Scene) -> None:
    along = np.arange(SIDE) - (SIDE - 1) / 2
    x = along[None, None, :] - scene.shift[:, 0, None, None]
    y = -along[None, :, None] - scene.shift[:, 1, None, None]
    farthest = np.where(covered(scene) > 0.5, np.hypot(x, y), 0).max((1, 2))
    assert (farthest < scene.size / 2 + 1e-9).all()
    assert (farthest > scene.size / 2 - 1.5).all()  # the tip of a star is thinner than a pixel
    assert abs(stats.linregress(scene.size / 2, farthest).slope - 1) < 0.1


def test_every_object_is_wholly_in_the_picture(scene: Scene) -> None:
    assert controlled.SHIFT + controlled.SIZE[1] / 2 <= SIDE / 2
    assert (np.abs(scene.shift) + scene.size[:, None] / 2 <= SIDE / 2).all()
    assert covered(scene).max((1, 2)) == pytest.approx(1)


def test_clutter_is_the_number_of_separate_small_distractors(scene: Scene) -> None:
    layer = np.abs(render(scene) - render(without(scene, "clutter")))
    for image, count in zip(layer, scene.clutter, strict=True):
        components, found = ndimage.label(image.max(-1) > 1e-6, structure=np.ones((3, 3)))
        assert found == count
        for rows, columns in ndimage.find_objects(components):
            strongest = image[rows, columns].max((0, 1))
            assert (strongest <= controlled.STROKE_AMPLITUDE + 1e-6).all()
            assert (strongest >= controlled.STROKE_AMPLITUDE / 2 - 1e-6).all()
            assert max(rows.stop - rows.start, columns.stop - columns.start) < controlled.CELL


def test_clutter_is_anywhere_and_as_often_bright_as_dark(scene: Scene) -> None:
    layer = render(scene) - render(without(scene, "clutter"))
    cells = layer.reshape(-1, 4, 8, 4, 8, 3).sum((2, 4, 5))
    expected = scene.clutter.mean() / 16
    error = 5 * np.sqrt(expected * (1 - expected) / BLOCK)
    np.testing.assert_allclose((cells != 0).mean(0), expected, atol=error)
    assert abs(np.sign(cells).sum()) < 5 * np.sqrt(np.abs(np.sign(cells)).sum())


def test_strokes_lie_and_point_as_drawn(scene: Scene) -> None:
    full = dataclasses.replace(scene, clutter=np.full(BLOCK, 16))
    layer = np.abs(render(full) - render(without(scene, "clutter")))[..., 0]
    cells = layer.reshape(-1, 4, 8, 4, 8).swapaxes(2, 3)  # [N, row, column, y, x]
    weight = cells / cells.sum((3, 4), keepdims=True)
    x, y = np.meshgrid(np.arange(8) - 3.5, 3.5 - np.arange(8))
    centre = np.stack([(weight * x).sum((3, 4)), (weight * y).sum((3, 4))], -1)
    room = 3 - controlled.STROKE_RADIUS - scene.stroke_length[..., None] / 2
    np.testing.assert_allclose(centre, scene.stroke_shift * room, atol=0.1)
    dx, dy = x - centre[..., 0, None, None], y - centre[..., 1, None, None]
    covariance = [(weight * product).sum((3, 4)) for product in (dx * dx, dy * dy, dx * dy)]
    angle = np.arctan2(2 * covariance[2], covariance[0] - covariance[1]) / 2
    off = (angle - scene.stroke_angle + np.pi / 2) % np.pi - np.pi / 2
    assert np.abs(off[scene.stroke_length > 1.5]).max() < 0.2


def test_texture_frequency_is_the_peak_of_the_spectrum(scene: Scene) -> None:
    plain = render(without(scene, "noise", "clutter", "contrast"))
    texture = (plain - scene.middle[:, None, None, :]).mean(-1)
    np.testing.assert_allclose(texture.std((1, 2)), controlled.TEXTURE_AMPLITUDE / 2**0.5, rtol=0.1)
    window, fine = np.outer(np.hanning(SIDE), np.hanning(SIDE)), 8
    shape = (fine * SIDE, fine * SIDE)
    for image, frequency, angle in zip(
        texture, scene.texture_frequency, scene.texture_angle, strict=True
    ):
        power = np.abs(np.fft.rfft2(image * window, shape))
        row, column = np.unravel_index(power.argmax(), power.shape)
        v, u = -np.fft.fftfreq(shape[0])[row] * SIDE, column / fine  # up, to the right
        assert np.hypot(u, v) == pytest.approx(frequency, abs=0.25)
        off = (np.arctan2(v, u) - angle + np.pi / 2) % np.pi - np.pi / 2
        assert abs(off) * frequency < 0.25


def test_few_values_are_clipped() -> None:
    image = render(draw(0, "train", 0))
    outside = ((image < 0) | (image > 255)).mean((1, 2, 3))
    assert outside.mean() < 0.05
    assert outside.max() < 0.15


def test_grey_levels_are_rounded_and_clipped() -> None:
    levels = quantise(np.array([-3.0, 0.4, 0.6, 127.5001, 254.6, 300.0]))
    np.testing.assert_array_equal(levels, np.array([0, 0, 1, 128, 255, 255], np.uint8))
    assert levels.dtype == np.uint8


# Shapes


def large(name: str, radius: float = 100.0) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    along = np.arange(-128.0, 129.0)
    x, y = np.meshgrid(along, -along)
    label = np.array([list(shapes.SHAPES).index(name)])
    return x, y, shapes.coverage(label, x[None], y[None], np.array([radius]))[0]


def crescent_area() -> float:
    """The unit disc less its overlap with a disc of radius r, d to the right."""
    r, d = 0.8, 0.5
    one, two = (d**2 + 1 - r**2) / (2 * d), (d**2 + r**2 - 1) / (2 * d * r)
    kite = np.sqrt((-d + r + 1) * (d + r - 1) * (d - r + 1) * (d + r + 1)) / 2
    return float(np.pi - (np.arccos(one) + r**2 * np.arccos(two) - kite))


AREAS = {  # for a radius of 1
    "disc": np.pi,
    "ring": np.pi * (1 - 0.6**2),
    "square": 2.0,
    "frame": 2 - (2**0.5 - 2 * 0.3) ** 2,
    "triangle": 3 * 3**0.5 / 4,
    "plus": 2 * 1.92 * 0.56 - 0.56**2,
    "star": 5 * 0.42 * np.sin(np.pi / 5),
    "crescent": crescent_area(),
    "bar": 1.92 * 0.56,
    "half_disc": np.pi / 2,
}


@pytest.mark.parametrize("name", shapes.SHAPES)
def test_a_shape_has_its_area_and_its_circle(name: str) -> None:
    x, y, inside = large(name)
    assert inside.sum() / 100**2 == pytest.approx(AREAS[name], rel=0.01)
    assert np.hypot(x, y)[inside > 0.25].max() == pytest.approx(100, abs=1.5)


def test_shapes_are_upright_and_point_the_right_way() -> None:
    for name in shapes.SHAPES:
        x, y, inside = large(name)
        right, up = (x * inside).sum() / inside.sum(), (y * inside).sum() / inside.sum()
        if name != "crescent":
            assert abs(right) < 0.5, name
        if name != "half_disc":
            assert abs(up) < 0.5, name
    x, y, crescent = large("crescent")
    assert (x * crescent).sum() < -20 * crescent.sum()  # open to the right
    x, y, half = large("half_disc")
    assert (y * half).sum() > 40 * half.sum()  # the flat side below
    for name in ("triangle", "star"):
        x, y, inside = large(name)
        assert y[inside > 0.5].max() > 97, name  # a corner on top
        assert y[inside > 0.5].min() > -83, name


def test_no_two_shapes_are_alike() -> None:
    masks = {name: large(name)[2] > 0.5 for name in shapes.SHAPES}
    for one, two in itertools.combinations(masks, 2):
        overlap = (masks[one] & masks[two]).sum() / (masks[one] | masks[two]).sum()
        assert overlap < 0.75, (one, two)


def test_the_object_is_shifted_right_and_up_and_turned_counter_clockwise(scene: Scene) -> None:
    along = np.arange(SIDE) - (SIDE - 1) / 2
    mask = covered(scene)
    centroid = np.stack([(mask * along).sum((1, 2)), (mask * -along[:, None]).sum((1, 2))], -1)
    offset = centroid / mask.sum((1, 2))[:, None] - scene.shift
    disc = scene.label == list(shapes.SHAPES).index("disc")
    np.testing.assert_allclose(offset[disc], 0, atol=0.02)
    half = scene.label == list(shapes.SHAPES).index("half_disc")
    angle = np.arctan2(offset[half, 1], offset[half, 0])
    np.testing.assert_allclose(angle, np.pi / 2 + scene.rotation[half], atol=0.03)
    distance = np.hypot(offset[half, 0], offset[half, 1])
    np.testing.assert_allclose(distance, scene.size[half] / 2 * 4 / (3 * np.pi), atol=0.1)
