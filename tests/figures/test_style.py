"""Lines, names and numbers as all figures have them."""

import numpy as np
import pytest
from matplotlib.figure import Figure

from jagree.figures import SAFE
from jagree.figures.style import draw_line, line_styles, number_axis, panels, plain, settled
from tests.figures.tables import check_layout


def test_no_two_of_32_lines_look_alike() -> None:
    looks = [(s["color"], s["marker"], s["linestyle"]) for s in line_styles(32, SAFE)]
    assert len(set(looks)) == 32
    # Without colours, too, as long as they are few.
    assert len({look[1:] for look in looks[:7]}) == 7


def marked(line: object) -> np.ndarray:
    return np.asarray(line.get_markevery())  # type: ignore[attr-defined]


def test_long_lines_of_many_have_some_markers_each_at_its_own_place() -> None:
    axes = Figure().subplots()
    x = np.arange(100)
    first, second = (
        draw_line(axes, x, x.astype(float), "", **style) for style in line_styles(2, SAFE)
    )
    for line in (first, second):
        assert 5 <= marked(line).sum() <= 8
    assert not (marked(first) & marked(second)).any()
    alone = draw_line(axes, x, x.astype(float), "", color="red")
    assert alone.get_marker() == ""


@pytest.mark.parametrize(
    ("name", "drawn"),
    [
        ("dog", "dog"),
        ("price in $ or $", r"price in \$ or \$"),
        ("_hidden", "\N{ZERO WIDTH SPACE}_hidden"),
        ("犬", "\N{WHITE SQUARE}"),
        ("line\nbreak", "line\N{WHITE SQUARE}break"),
        ("x" * 30, "x" * 23 + "…"),
        ("", "(no name)"),
    ],
)
def test_names_that_somebody_gave_can_be_drawn(name: str, drawn: str) -> None:
    assert plain(name) == drawn
    figure = Figure()
    axes = figure.subplots()
    axes.plot([0, 1], [0, 1], label=plain(name))
    axes.set_title(plain(name))
    axes.legend()
    figure.draw_without_rendering()  # warnings are errors


def test_ticks_are_whole_numbers() -> None:
    figure = Figure()
    axes = figure.subplots()
    axes.plot([0, 1], [24_900.1, 24_900.2])
    number_axis(axes.yaxis)
    figure.draw_without_rendering()
    labels = [text.get_text() for text in axes.get_yticklabels()]
    assert "24,900.100" in labels
    assert len({len(label) for label in labels}) == 1
    assert axes.yaxis.get_offset_text().get_text() == ""
    axes.plot([0, 1], [-5, -5])
    figure.draw_without_rendering()
    assert all("-" not in text.get_text() for text in axes.get_yticklabels())


def test_panels_stand_in_rows() -> None:
    figure, grid = panels(5, 3, 2.0)
    assert len(grid) == len(figure.axes) == 5
    assert figure.get_size_inches().tolist() == [6.75, 4.0]
    settled(figure)
    tops = [round(axes.get_position().y1, 3) for axes in grid]
    assert tops[0] == tops[1] == tops[2] > tops[3] == tops[4]
    assert panels(1, 3, 2.0)[0].get_size_inches().tolist() == [4.5, 2.0]


@pytest.mark.parametrize(
    ("x", "text", "fails"),
    [(0.5, "middle", False), (0.04, "over the other", True), (0.95, "cut off at the right", True)],
)
def test_the_check_of_layouts_finds_what_overlaps_and_what_is_cut(
    x: float, text: str, fails: bool
) -> None:
    figure = Figure(figsize=(4, 3))
    axes = figure.add_axes((0.2, 0.2, 0.7, 0.6))
    axes.set_xlabel("below")
    figure.text(0.02, 0.95, "at the top left")
    figure.text(x, 0.95, text)
    if fails:
        with pytest.raises(AssertionError):
            check_layout(figure)
    else:
        check_layout(figure)
