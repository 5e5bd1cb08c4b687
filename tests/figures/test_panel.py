"""The panel of maps, by the numbers it draws."""

import dataclasses
import io
from typing import Any

import numpy as np
import pytest
from matplotlib.axes import Axes
from matplotlib.collections import LineCollection
from matplotlib.colors import rgb_to_hsv
from matplotlib.figure import Figure
from PIL import Image

from jagree.errors import UsageError
from jagree.figures import PanelRow, draw_panel, save, to_png

KEYS = ["image", "segments", "edges", "entropy", "dct"]
CAPTIONS = {
    "image": "32 x 24 pixels",
    "segments": "212 segments",
    "edges": "sum 71",
    "entropy": "6.31 bit",
    "dct": "47.3 % needed",
}


def row(height: int = 24, width: int = 32, window: int = 10, **fields: Any) -> PanelRow:
    rng = np.random.default_rng(height * width)
    values = {
        "title": "train_00007",
        "image": rng.integers(0, 256, (height, width, 3), np.uint8),
        "segments": rng.integers(0, 40, (-(-height // 4), -(-width // 4)))
        .repeat(4, axis=0)
        .repeat(4, axis=1)[:height, :width],
        "edges": rng.gamma(1, 1, (-(-height // 2), -(-width // 2))),
        "entropy": rng.uniform(4, 6, (max(height - window + 1, 0), max(width - window + 1, 0))),
        "dct": rng.normal(0, 10, (height, width)),
        "captions": CAPTIONS,
    }
    return PanelRow(**values | fields)


def maps(figure: Figure, index: int = 0) -> dict[str, Axes]:
    """The axes of a row."""
    return dict(zip(KEYS, figure.axes[5 * index : 5 * index + 5], strict=True))


def bars(figure: Figure) -> list[Axes]:
    return figure.axes[-2:]


def pixels(axes: Axes) -> np.ndarray:
    (picture,) = axes.images
    return np.asarray(picture.get_array())


def limits(axes: Axes) -> tuple[float, float]:
    (picture,) = axes.images
    return picture.get_clim()


def middle(axes: Axes) -> float:
    return (axes.get_position().x0 + axes.get_position().x1) / 2


def texts(figure: Figure) -> dict[str, Any]:
    return {text.get_text(): text for text in figure.texts if text.get_text()}


def test_a_row_per_image_and_a_titled_column_per_map() -> None:
    figure = draw_panel([row(), row(30, 20, title="train_00009")])
    assert len(figure.axes) == 2 * 5 + 2
    titles = ["image", "segments", "edge strengths", "local entropy", "DCT coefficients"]
    written = texts(figure)
    for index in range(2):
        for title, axes in zip(titles, maps(figure, index).values(), strict=True):
            assert written[title].get_position()[0] == pytest.approx(middle(axes))
            assert written[title].get_horizontalalignment() == "center"
            assert len(axes.get_xticks()) == len(axes.get_yticks()) == 0
    for index, title in enumerate(["train_00007", "train_00009"]):
        assert written[title].get_position()[1] > maps(figure, index)["image"].get_position().y1
    tops = [maps(figure, index)["image"].get_position().y1 for index in range(2)]
    assert tops[0] > tops[1]


def test_maps_are_drawn_as_they_are() -> None:
    chosen = [row(), row(30, 20)]
    figure = draw_panel(chosen)
    for index, one in enumerate(chosen):
        panels = maps(figure, index)
        np.testing.assert_array_equal(pixels(panels["image"]), one.image)
        np.testing.assert_array_equal(pixels(panels["edges"]), one.edges)
        np.testing.assert_array_equal(pixels(panels["entropy"]), one.entropy)
        np.testing.assert_allclose(pixels(panels["dct"]), np.log10(np.abs(one.dct)))
        for key in ("image", "segments", "edges", "dct"):
            rows, columns = pixels(panels[key]).shape[:2]
            assert panels[key].images[0].get_extent() == [0, columns, rows, 0], key
            assert panels[key].get_xlim() == (0, columns)
            assert panels[key].get_ylim() == (rows, 0), "the first row is on top"


@pytest.mark.parametrize(("height", "width"), [(32, 32), (375, 500), (500, 375), (20, 900)])
def test_maps_have_the_shape_of_the_image_and_fit_their_column(height: int, width: int) -> None:
    figure = draw_panel([row(height, width), row()])
    for axes in maps(figure).values():
        box = axes.get_window_extent()
        assert box.height / box.width == pytest.approx(height / width)
        assert box.width / figure.dpi <= 6.75 / 5
        assert box.height / figure.dpi <= 1.8
    assert figure.get_figwidth() == 6.75
    widths = [axes.get_window_extent().width for axes in maps(figure, 1).values()]
    assert widths == pytest.approx([widths[0]] * 5)


@pytest.mark.parametrize(("side", "interpolation"), [(32, "nearest"), (500, "antialiased")])
def test_small_images_are_not_smoothed_and_large_ones_not_ragged(
    side: int, interpolation: str
) -> None:
    panels = maps(draw_panel([row(side, side)]))
    names = {panels[key].images[0].get_interpolation() for key in KEYS if key != "edges"}
    assert names <= {interpolation, "auto" if interpolation == "antialiased" else interpolation}
    for shape in [(side, 20), (20, side)]:
        image = maps(draw_panel([row(*shape)]))["image"].images[0]
        assert (image.get_interpolation() == "nearest") == (interpolation == "nearest")


def test_each_segment_has_a_colour_of_its_own_and_neighbours_another_hue() -> None:
    rng = np.random.default_rng(0)
    seed_y, seed_x = rng.uniform(0, 375, (300, 1, 1)), rng.uniform(0, 500, (300, 1, 1))
    y, x = np.mgrid[:375, :500]
    segments = 7 * ((y - seed_y) ** 2 + (x - seed_x) ** 2).argmin(axis=0) - 5
    colours = pixels(maps(draw_panel([row(375, 500, segments=segments)]))["segments"])
    assert colours.shape == (375, 500, 3)
    assert 0 <= colours.min() < colours.max() <= 1
    of_segment = {s: np.unique(colours[segments == s], axis=0) for s in np.unique(segments)}
    assert all(len(found) == 1 for found in of_segment.values())
    assert len(np.unique(np.concatenate(list(of_segment.values())), axis=0)) == 300
    hue = rgb_to_hsv(colours)[:, :, 0]
    for one, other in [
        ((slice(None), slice(None, -1)), (slice(None), slice(1, None))),
        ((slice(None, -1), slice(None)), (slice(1, None), slice(None))),
    ]:
        apart = np.abs(hue[one] - hue[other])[segments[one] != segments[other]]
        assert np.minimum(apart, 1 - apart).min() > 0.12  # of eight hues
    again = draw_panel([row(375, 500, segments=segments)])
    np.testing.assert_array_equal(pixels(maps(again)["segments"]), colours)


def test_few_segments_are_of_clearly_different_hues() -> None:
    segments = np.arange(6).repeat(4)[None, :].repeat(24, axis=0)
    colours = pixels(maps(draw_panel([row(24, 24, segments=segments)]))["segments"])
    hues = np.unique(rgb_to_hsv(colours)[:, :, 0].round(6))
    assert len(hues) == 6
    assert np.diff(hues).min() > 0.1


def test_a_segment_with_more_neighbours_than_hues_gets_one_of_its_own() -> None:
    segments = np.full((24, 24), 99)
    segments[2:22:4, 2:22:4] = np.arange(25).reshape(5, 5)  # islands
    segments[0] = np.arange(24) + 200  # a shore, each the neighbour of two and of the sea
    colours = pixels(maps(draw_panel([row(24, 24, segments=segments)]))["segments"])
    hue = rgb_to_hsv(colours)[:, :, 0].round(6)
    assert hue[1, 0] not in hue[segments != 99]
    assert not (hue[0, 1:] == hue[0, :-1]).any()


def test_segments_that_all_touch_have_as_many_hues() -> None:
    # Each pair of twelve segments side by side in a strip of its own.
    pairs = [(a, b) for a in range(12) for b in range(a)]
    segments = np.array(pairs).reshape(1, -1).repeat(4, axis=0)
    colours = pixels(maps(draw_panel([row(4, segments.size // 4, segments=segments)]))["segments"])
    assert len(np.unique(rgb_to_hsv(colours)[:, :, 0].round(6))) == 12


def test_borders_run_between_the_pixels_of_different_segments() -> None:
    segments = np.array([[4, 4, 7], [4, 9, 7]])
    axes = maps(draw_panel([row(2, 3, segments=segments)]))["segments"]
    (collection,) = axes.collections
    assert isinstance(collection, LineCollection)
    drawn = {tuple(map(tuple, line.tolist())) for line in collection.get_segments()}
    assert drawn == {
        ((2, 0), (2, 1)),
        ((1, 1), (1, 2)),
        ((2, 1), (2, 2)),
        ((1, 1), (2, 1)),
    }


def test_edges_are_dark_where_strong_and_white_where_none() -> None:
    edges = np.array([[1.0, 2.0], [5.0, 8.0]])
    figure = draw_panel([row(edges=edges), row(edges=edges / 1000)])
    for index, scale in enumerate([1, 1000]):
        (picture,) = maps(figure, index)["edges"].images
        shades = picture.to_rgba(edges / scale)
        assert picture.get_clim() == (0, 8 / scale)
        assert picture.to_rgba(np.zeros(1))[0, :3].tolist() == [1, 1, 1]
        assert (np.diff(shades[:, :, 0].ravel()) < 0).all()
        assert shades[1, 1, :3].max() < 0.1


def test_entropy_has_one_range_of_colours_over_all_rows() -> None:
    first, second = row(), row(30, 20)
    first.entropy[3, 4], second.entropy[2, 1] = 1.5, 6.5
    figure = draw_panel([first, second])
    assert [limits(maps(figure, i)["entropy"]) for i in (0, 1)] == [(1.5, 6.5)] * 2
    bar, _ = bars(figure)
    assert bar.get_xlim() == (1.5, 6.5)
    assert bar.get_xlabel() == "bit"
    assert maps(figure)["entropy"].images[0].get_cmap().name == "viridis"
    assert bar.get_position().y1 < maps(figure, 1)["entropy"].get_position().y0
    assert middle(bar) == pytest.approx(middle(maps(figure)["entropy"]))


def test_entropy_lies_where_the_centres_of_its_windows_are() -> None:
    figure = draw_panel([row(24, 32, window=10), row(24, 32, window=3)])
    for index, inset in enumerate([4.5, 1]):
        axes = maps(figure, index)["entropy"]
        assert axes.images[0].get_extent() == [inset, 32 - inset, 24 - inset, inset]
        assert axes.get_xlim() == (0, 32)
        assert axes.get_ylim() == (24, 0)


def test_the_logarithm_of_the_coefficients_has_one_range_over_all_rows() -> None:
    first, second = row(), row(30, 20)
    first.dct[0, 0], second.dct[0, 0] = -1e4, 10.0
    first.dct[5, 6], first.dct[5, 7], first.dct[5, 8] = 0, 1e-9, -0.01
    figure = draw_panel([first, second])
    panels = [maps(figure, i)["dct"] for i in (0, 1)]
    assert [limits(axes) for axes in panels] == [(pytest.approx(-1), pytest.approx(4))] * 2
    assert pixels(panels[0])[0, 0] == pytest.approx(4)
    assert pixels(panels[1])[0, 0] == pytest.approx(1)
    assert pixels(panels[0])[5, 6:9].tolist() == pytest.approx([-1, -1, -1])
    _, bar = bars(figure)
    assert bar.get_xlim() == pytest.approx((-1, 4))
    assert bar.get_xlabel() == "log₁₀ of magnitude"
    assert panels[0].images[0].get_cmap().name == "magma"
    assert middle(bar) == pytest.approx(middle(panels[0]))


def test_captions_are_below_their_maps_and_each_may_be_missing() -> None:
    figure = draw_panel([row(), row(captions={"dct": "12.0 % needed"})])
    written = texts(figure)
    for key, caption in CAPTIONS.items():
        axes = maps(figure)[key]
        x, y = written[caption].get_position()
        assert x == pytest.approx(middle(axes))
        assert maps(figure, 1)[key].get_position().y1 < y < axes.get_position().y0
    x, y = written["12.0 % needed"].get_position()
    assert x == pytest.approx(middle(maps(figure, 1)["dct"]))
    assert len(written) == 5 + 1 + len(CAPTIONS) + 1
    bare = draw_panel([row(captions={}), row(captions={})])
    assert bare.get_figheight() < draw_panel([row(), row()]).get_figheight()


def test_a_caption_of_no_map_is_refused() -> None:
    with pytest.raises(ValueError, match=r"no column is called 'edge'.*image, segments, edges"):
        row(captions={"edge": "sum 71"})


def test_an_image_smaller_than_the_window_has_no_entropy() -> None:
    small, usual = row(8, 32), row()
    figure = draw_panel([small, usual])
    axes = maps(figure)["entropy"]
    assert small.entropy.shape == (0, 23)
    assert [text.get_text() for text in axes.texts] == ["no value"]
    assert len(axes.images) == 0
    assert limits(maps(figure, 1)["entropy"]) == (usual.entropy.min(), usual.entropy.max())
    assert [t.get_text() for t in maps(figure, 1)["entropy"].texts] == []
    assert bars(draw_panel([small]))[0].get_xlim() == (0, 1)


def flat(value: int, side: int = 32) -> PanelRow:
    return row(
        side,
        side,
        image=np.full((side, side, 3), value, np.uint8),
        segments=np.zeros((side, side), int),
        edges=np.zeros((side // 2, side // 2)),
        entropy=np.zeros((max(side - 9, 0),) * 2),
        dct=np.zeros((side, side)),
    )


def test_constant_maps_are_drawn() -> None:
    figure = draw_panel([flat(128), flat(0, 8)])
    panels = maps(figure)
    assert limits(panels["edges"]) == (0, 1)
    assert limits(panels["entropy"]) == (0, 1)
    assert limits(panels["dct"]) == (-5, 0)
    assert (pixels(panels["dct"]) == -5).all()
    assert len(np.unique(pixels(panels["segments"]).reshape(-1, 3), axis=0)) == 1
    assert len(panels["segments"].collections[0].get_segments()) == 0
    to_png(figure)
    nearly = flat(128)
    nearly.entropy[0, 0] = 1e-15
    assert limits(maps(draw_panel([nearly]))["entropy"]) == (0, 1)


def test_nothing_overlaps_and_nothing_is_cut() -> None:
    chosen = [
        row(375, 500, title="n02085782, which is a dog, " * 8),
        row(500, 375, captions={"edges": "a sum that takes two lines of text", "dct": "1 %"}),
        row(title="", captions={}),
        row(20, 900),
    ]
    figure = draw_panel(chosen)
    figure.draw_without_rendering()
    boxes = [axes.get_tightbbox() for axes in figure.axes]
    boxes += [text.get_window_extent() for text in texts(figure).values()]
    for i, box in enumerate(boxes):
        assert figure.bbox.x0 <= box.x0 < box.x1 <= figure.bbox.x1
        assert figure.bbox.y0 <= box.y0 < box.y1 <= figure.bbox.y1
        assert not any(box.overlaps(other) for other in boxes[:i]), i


def test_rows_of_all_sizes_render(tmp_path: Any) -> None:
    figure = draw_panel([row(32, 32), row(375, 500), flat(0, 8)])
    with Image.open(io.BytesIO(to_png(figure))) as picture:
        assert picture.width == 1350
        assert len(np.unique(np.asarray(picture))) > 100
    assert all(path.stat().st_size < 2e6 for path in save(figure, tmp_path / "panel"))


def test_a_row_is_fixed_once_made_and_equal_to_itself_alone() -> None:
    with pytest.raises(dataclasses.FrozenInstanceError):
        row().title = "another"  # type: ignore[misc]
    assert row() != row(), "arrays have no single answer to whether they are equal"


def test_no_rows_are_refused() -> None:
    with pytest.raises(UsageError, match="no image was chosen"):
        draw_panel([])
