"""The image wall, by the pictures that hang on it."""

import io
from collections.abc import Sequence

import numpy as np
import pandas as pd
import pytest
from PIL import Image

from jagree.figures import NothingToDrawError, draw_wall, to_png
from jagree.figures.wall import CELL, GAP, chosen_rows, evenly, paste

PITCH = CELL + GAP


class Numbered:
    """N pictures whose colour tells their position; notes which are taken."""

    def __init__(self, count: int) -> None:
        self.count = count
        self.taken: list[int] = []

    def __len__(self) -> int:
        return self.count

    def __getitem__(self, position: int) -> np.ndarray:
        self.taken.append(position)
        high, low = divmod(position, 256)
        return np.full((4, 4, 3), (high, low, 7), np.uint8)


def wall(learned: Sequence[float] | np.ndarray, images: object) -> np.ndarray:
    figure = draw_wall(pd.DataFrame({"agreed_for_good": learned}), images)
    return np.asarray(figure.axes[0].images[0].get_array())


def shown(canvas: np.ndarray) -> list[list[int]]:
    """Positions of the pictures, row by row."""
    rows = []
    for y in range(CELL // 2, canvas.shape[0], PITCH):
        middles = canvas[y, CELL // 2 :: PITCH].astype(int)
        rows.append([256 * r + g for r, g, b in middles.tolist() if b == 7])
    return rows


def make_learned(n: int = 5000, never: float = 0.25) -> np.ndarray:
    rng = np.random.default_rng(0)
    learned = rng.integers(1, 31, n).astype(float)
    learned[rng.random(n) < never] = np.nan
    return learned


def test_pictures_hang_in_the_order_of_learning_evenly_over_it() -> None:
    learned = make_learned()
    images = Numbered(5000)
    rows = shown(wall(learned, images))
    assert [len(row) for row in rows] == [10] * 8
    epochs = learned[np.array(rows)]
    known, never = epochs[:6].ravel(), epochs[6:].ravel()
    assert np.isnan(never).all()
    assert (np.diff(known) >= 0).all()
    quantiles = np.quantile(learned[~np.isnan(learned)], (np.arange(60) + 0.5) / 60)
    assert np.abs(known - quantiles).max() <= 1
    assert len(images.taken) == len(set(images.taken)) == 80


def test_rows_are_labelled_with_their_epochs() -> None:
    learned = make_learned()
    figure = draw_wall(pd.DataFrame({"agreed_for_good": learned}), Numbered(5000))
    written = [text.get_text() for text in figure.texts]
    epochs = learned[np.array(shown(np.asarray(figure.axes[0].images[0].get_array())))]
    expected = [f"{int(row[0])}\N{EN DASH}{int(row[-1])}" for row in epochs[:6]]
    assert written == [*expected, "never", "never"]
    same = chosen_rows(np.full(100, 3.0))
    assert {row.label for row in same} == {"3"}
    tops = [text.get_position()[1] for text in figure.texts]
    assert tops == sorted(tops, reverse=True)


@pytest.mark.parametrize(("never", "rows"), [(0.0, 0), (0.001, 1), (0.5, 4), (0.999, 7), (1.0, 8)])
def test_rows_are_shared_out_by_numbers_and_one_each_at_least(never: float, rows: int) -> None:
    learned = np.ones(10_000)
    learned[: round(never * 10_000)] = np.nan
    found = chosen_rows(learned)
    assert sum(row.never for row in found) == rows
    assert len(found) == 8
    if 0 < never < 1:
        assert all(len(row.positions) == 10 for row in found[:1])


def test_ties_are_in_an_order_that_the_seed_decides() -> None:
    learned = np.repeat([1.0, 2.0], 500)
    first, again, other = (
        np.concatenate([row.positions for row in chosen_rows(learned, seed)]) for seed in (0, 0, 1)
    )
    np.testing.assert_array_equal(first, again)
    assert not np.array_equal(first, other)
    # Not in the order of the file, which may be sorted by class.
    assert not (np.diff(first[:40]) > 0).all()


def test_few_examples_hang_once_each() -> None:
    learned = [3, np.nan, 1, 2, np.nan]
    assert shown(wall(learned, Numbered(5))) == [[2, 3, 0], shown(wall(learned, Numbered(5)))[1]]
    assert sorted(shown(wall(learned, Numbered(5)))[1]) == [1, 4]
    assert shown(wall([np.nan], Numbered(1))) == [[0]]


def test_evenly_picks_the_middles_of_equal_parts() -> None:
    for count, most in [(1000, 7), (61, 60), (120, 60)]:
        literal = [int((i + 0.5) * count / most) for i in range(most)]
        assert evenly(count, most).tolist() == literal
    assert evenly(0, 5).tolist() == []


@pytest.mark.parametrize(
    ("height", "width"), [(32, 32), (300, 500), (500, 300), (1, 700), (7, 5), (120, 120)]
)
def test_pictures_keep_their_proportions_inside_a_square(height: int, width: int) -> None:
    canvas = np.full((CELL + 20, CELL + 20, 3), 255, np.uint8)
    paste(canvas, np.zeros((height, width, 3), np.uint8), 10, 10)
    ys, xs = np.nonzero((canvas == 0).all(-1))
    tall, wide = np.ptp(ys) + 1, np.ptp(xs) + 1
    assert max(tall, wide) == CELL
    assert abs(tall / wide - height / width) <= max(1.5 / wide, 1.5 * tall / wide**2)
    assert ys.min() >= 10
    assert xs.min() >= 10
    assert abs((ys.min() + ys.max()) / 2 - (9.5 + CELL / 2)) <= 0.5
    assert abs((xs.min() + xs.max()) / 2 - (9.5 + CELL / 2)) <= 0.5


def test_small_pictures_are_enlarged_pixel_by_pixel() -> None:
    image = np.random.default_rng(0).integers(0, 256, (4, 4, 3), np.uint8)
    canvas = np.zeros((CELL, CELL, 3), np.uint8)
    paste(canvas, image, 0, 0)
    np.testing.assert_array_equal(canvas, image.repeat(CELL // 4, 0).repeat(CELL // 4, 1))


def test_the_png_has_the_canvas_dot_by_dot() -> None:
    images = np.random.default_rng(0).integers(0, 256, (100, 8, 8, 3), np.uint8)
    examples = pd.DataFrame({"agreed_for_good": make_learned(100)})
    figure = draw_wall(examples, images)
    canvas = np.asarray(figure.axes[0].images[0].get_array())
    png = to_png(figure)
    with Image.open(io.BytesIO(png)) as picture:
        dots = np.asarray(picture.convert("RGB"))
    assert dots.shape[1] == 1350
    left, top = 84, 4
    part = dots[top : top + canvas.shape[0], left : left + canvas.shape[1]]
    differ = (part != canvas).any(-1)
    assert differ.mean() < 0.01
    assert png == to_png(draw_wall(examples, images))


def test_no_image_and_too_few() -> None:
    none = pd.DataFrame({"agreed_for_good": np.empty(0)})
    with pytest.raises(NothingToDrawError, match="there is no image"):
        draw_wall(none, [])
    with pytest.raises(ValueError, match="3 images are given for 2 examples"):
        draw_wall(pd.DataFrame({"agreed_for_good": [1.0, 2.0]}), Numbered(3))
