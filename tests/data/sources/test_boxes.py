import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from jagree.data.sources.boxes import edges, pixel_coordinates, union_area


def painted(boxes: np.ndarray, width: int, height: int) -> int:
    """Pixels that boxes cover, one after the other: first and last ones, numbered from 1."""
    pixels = [[False] * width for _ in range(height)]
    for left, top, right, bottom in boxes.tolist():
        for row in range(int(top), int(bottom) + 1):
            for column in range(int(left), int(right) + 1):
                pixels[row - 1][column - 1] = True
    return sum(map(sum, pixels))


@st.composite
def boxes_in_an_image(draw: st.DrawFn) -> tuple[np.ndarray, int, int]:
    width, height = draw(st.integers(1, 12)), draw(st.integers(1, 12))

    def interval(length: int) -> st.SearchStrategy[list[int]]:
        return st.lists(st.integers(1, length), min_size=2, max_size=2).map(sorted)

    pairs = draw(st.lists(st.tuples(interval(width), interval(height)), max_size=6))
    boxes = [[x[0], y[0], x[1], y[1]] for x, y in pairs]
    return np.array(boxes, np.float64).reshape(-1, 4), width, height


@given(boxes_in_an_image())
def test_the_union_is_what_would_be_painted(drawn: tuple[np.ndarray, int, int]) -> None:
    boxes, width, height = drawn
    assert union_area(edges(boxes, width, height)) == painted(boxes, width, height)


@given(boxes_in_an_image(), st.randoms(use_true_random=False))
def test_the_union_knows_no_order_and_no_repetition(
    drawn: tuple[np.ndarray, int, int], random: object
) -> None:
    found = edges(*drawn)
    again = np.concatenate([found[::-1], found])
    assert union_area(again) == union_area(found)


def test_unions_by_hand() -> None:
    for boxes, area in [
        ([], 0),
        ([[0, 0, 2.5, 2]], 5),
        ([[0, 0, 2, 2], [2, 0, 4, 2]], 8),  # side by side
        ([[0, 0, 4, 4], [1, 1, 3, 3]], 16),  # one within the other
        ([[0, 1, 3, 2], [1, 0, 2, 3]], 5),  # a cross
        ([[0, 0, 1, 1], [2, 2, 3, 3]], 2),  # apart
        ([[0.25, 0, 1, 1], [0.5, 0, 1.75, 1]], 1.5),
    ]:
        assert union_area(np.array(boxes, np.float64).reshape(-1, 4)) == area


@pytest.mark.parametrize("side", [1, 2, 7, 375, 500, 3_999])
def test_whole_pixels_come_back_exactly(side: int) -> None:
    coordinates = np.resize(np.arange(side + 1), (side // 4 + 1, 4))
    stored = (coordinates / side).astype(np.float32)
    found = pixel_coordinates(stored, np.full(4, side))
    np.testing.assert_array_equal(found, coordinates)


@given(st.integers(1, 1_000), st.integers(0, 4), st.data())
def test_written_decimals_come_back_exactly(side: int, decimals: int, data: st.DataObject) -> None:
    coordinate = data.draw(st.integers(0, side * 10**decimals)) / 10**decimals
    stored = np.full((1, 4), coordinate / side, np.float32)
    assert pixel_coordinates(stored, np.full(4, side))[0, 0] == coordinate


@given(st.integers(1, 1_000), st.data())
def test_a_quotient_taken_in_float32_comes_back_too(side: int, data: st.DataObject) -> None:
    coordinate = data.draw(st.integers(0, side))
    stored = np.full((1, 4), np.float32(coordinate) / np.float32(side), np.float32)
    assert pixel_coordinates(stored, np.full(4, side))[0, 0] == coordinate


def test_other_fractions_stay_what_they_are() -> None:
    stored = np.array([[1 / math.pi, math.e / 10, 0.1234567, 0.7654321]], np.float32)
    found = pixel_coordinates(stored, np.array([500, 375, 500, 375]))
    np.testing.assert_allclose(found, stored.astype(float) * [500, 375, 500, 375], atol=4e-5)


def test_each_side_has_its_own_length() -> None:
    stored = np.array([[10 / 500, 20 / 300, 400 / 500, 299 / 300]], np.float32)
    found = pixel_coordinates(stored, np.array([500, 300, 500, 300]))
    assert found.tolist() == [[10, 20, 400, 299]]


def test_pixels_are_numbered_from_one_and_the_last_is_within() -> None:
    boxes = np.array([[1, 1, 500, 375], [7, 9, 7, 9], [2.5, 1, 4, 2.5]])
    expected = [[0, 0, 500, 375], [6, 8, 7, 9], [1.5, 0, 4, 2.5]]
    assert edges(boxes, 500, 375).tolist() == expected
    # A first pixel before the first is none.
    assert edges(np.array([[0, 0.4, 3, 3]]), 5, 5).tolist() == [[0, 0, 3, 3]]


@pytest.mark.parametrize(
    ("box", "message"),
    [
        ((math.nan, 1, 2, 2), "is not finite"),
        ((1, 1, 2, math.inf), "is not finite"),
        ((3, 1, 2, 2), "ends before it begins"),
        ((1, 3, 2, 2), "ends before it begins"),
        ((-0.1, 1, 2, 2), "is not within"),
        ((1, -1, 2, 2), "is not within"),
        ((1, 1, 10.1, 2), "is not within"),
        ((1, 1, 2, 6.5), "is not within"),
        ((0, 1, 0, 2), "is not within"),
        ((1, 0, 2, 0), "is not within"),
    ],
)
def test_what_is_no_box_is_refused(box: tuple[float, ...], message: str) -> None:
    good = (1, 1, 10, 6)
    with pytest.raises(ValueError, match=rf"the box \(.*\) {message} an image of 10x6 pixels"):
        edges(np.array([good, box, good], np.float64), 10, 6)
    stored = np.array([box], np.float32) / [10, 6, 10, 6]
    with pytest.raises(ValueError, match=message):
        edges(pixel_coordinates(stored.astype(np.float32), np.array([10, 6, 10, 6])), 10, 6)
    assert edges(np.array([good], np.float64), 10, 6).tolist() == [[0, 0, 10, 6]]


def test_a_neighbour_of_the_quotient_comes_back_too() -> None:
    for share in np.float32([0.25, 0.5]):  # above a power of 2, where neighbours lie farthest apart
        stored = np.full((1, 4), np.nextafter(share, np.float32(1)))
        assert (pixel_coordinates(stored, np.full(4, 500)) == 500 * share).all()


@pytest.mark.parametrize(
    ("side", "coordinate"), [(500, 123.4567), (950, 550.2531), (1_000, 868.4199)]
)
def test_the_fourth_decimal_is_not_rounded_away(side: int, coordinate: float) -> None:
    stored = np.full((1, 4), coordinate / side, np.float32)
    assert (pixel_coordinates(stored, np.full(4, side)) == coordinate).all()
