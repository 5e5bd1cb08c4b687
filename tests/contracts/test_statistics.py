"""What every registered image statistic must do."""

import numpy as np
import pytest

from jagree import registry
from jagree.configs import default
from jagree.statistics import parts
from jagree.statistics.parts import Request

NOISE = np.random.default_rng(0).integers(0, 256, (33, 47, 3), np.uint8)
IMAGES = {
    "noise": NOISE,
    "grey": NOISE[:, :, 0],
    "strided": NOISE[::-1, ::2],
    "constant": np.full((32, 32, 3), 7, np.uint8),
    "black": np.zeros((16, 16, 3), np.uint8),
    "1x1": NOISE[:1, :1],
    "9x9": NOISE[:9, :9],
    "1xN": NOISE[:1],
    "Nx1": NOISE[:, :1],
    "two colours": np.where(NOISE[:, :, :1] < 128, 0, 255).repeat(3, 2).astype(np.uint8),
}


@pytest.fixture(scope="module", params=registry.names("statistic"))
def request_(request: pytest.FixtureRequest) -> Request:
    return parts.request(request.param, default.get_config().statistics)


def test_it_says_what_it_measures(request_: Request) -> None:
    statistic = request_.statistic
    assert statistic.variables[0].name == request_.name
    assert all(v.long_name and v.description for v in statistic.variables)
    assert statistic.seconds > 0
    assert statistic.per_part > 0
    assert statistic.version >= 1


@pytest.mark.parametrize("name", IMAGES)
def test_any_image_has_a_value_or_nan_twice_the_same_and_stays_as_it_is(
    request_: Request, name: str
) -> None:
    statistic, image = request_.statistic, IMAGES[name].copy()
    first = statistic.measure(image, request_.settings, 3)
    assert len(first) == len(statistic.variables)
    np.testing.assert_equal(statistic.measure(image, request_.settings, 3), first)
    np.testing.assert_array_equal(image, IMAGES[name])
    for variable, value in zip(statistic.variables, first, strict=True):
        assert isinstance(value, float | int)
        assert not np.isinf(value)
        if variable.fraction:
            assert 0 <= value <= 1


def test_grey_is_the_same_with_one_channel_or_three(request_: Request) -> None:
    grey = NOISE[:, :, 1]
    values = [
        request_.statistic.measure(image, request_.settings, 0)
        for image in (grey, np.stack([grey] * 3, -1))
    ]
    np.testing.assert_equal(*values)


def test_noise_has_more_of_it_than_a_constant_image(request_: Request) -> None:
    noise, constant = (
        request_.statistic.measure(IMAGES[name], request_.settings, 0)[0]
        for name in ("noise", "constant")
    )
    assert noise >= constant
    assert noise > constant or request_.name == "segments"  # of which noise has few
    assert constant == (request_.name == "segments")


@pytest.mark.parametrize(
    "image", [np.zeros((4, 4, 3)), np.zeros((4, 4, 4), np.uint8), np.zeros((0, 4, 3), np.uint8)]
)
def test_what_is_no_image_is_refused(request_: Request, image: np.ndarray) -> None:
    with pytest.raises(ValueError, match="an image must"):
        request_.statistic.measure(image, request_.settings, 0)
