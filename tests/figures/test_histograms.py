"""The histograms, by the numbers they draw."""

import io
from collections import Counter
from itertools import pairwise
from typing import Any

import numpy as np
import pytest
import xarray as xr
from matplotlib.axes import Axes
from matplotlib.colors import same_color
from matplotlib.patches import StepPatch
from PIL import Image

from jagree.errors import UsageError
from jagree.figures import draw_histograms, to_png

Bars = list[tuple[float, float, float]]


def dataset(**variables: Any) -> xr.Dataset:
    """Values, or values and attributes."""
    pairs = {k: v if isinstance(v, tuple) else (v, {}) for k, v in variables.items()}
    return xr.Dataset({k: ("example", np.asarray(v), attrs) for k, (v, attrs) in pairs.items()})


def panel_of(values: Any, **attrs: Any) -> Axes:
    """The one panel of a dataset of one variable."""
    (axes,) = draw_histograms(dataset(x=(values, attrs))).axes
    return axes


def bars(axes: Axes) -> Bars:
    """Middle, width and height of each."""
    rectangles = [p for c in axes.containers for p in c.patches]
    assert all(r.get_y() == 0 for r in rectangles)
    return [(r.get_x() + r.get_width() / 2, r.get_width(), r.get_height()) for r in rectangles]


def steps(axes: Axes) -> tuple[np.ndarray, np.ndarray]:
    """Counts and edges of the binned histogram."""
    (patch,) = [p for p in axes.patches if isinstance(p, StepPatch)]
    assert patch.get_fill()
    return patch.get_data().values, patch.get_data().edges


def notes(axes: Axes) -> list[str]:
    return [text.get_text() for text in axes.texts]


def tick_labels(axes: Axes) -> list[str]:
    return [label.get_text() for label in axes.get_xticklabels()]


def everything(n: int = 2000) -> xr.Dataset:
    """Ten variables, of all kinds and awkward in all ways."""
    rng = np.random.default_rng(0)
    entropy = 6.4 + 0.1 * rng.standard_normal(n)
    entropy[:3] = np.nan
    return dataset(
        entropy=(entropy, {"long_name": "local entropy", "units": "bit"}),
        share=(rng.random(n), {"long_name": "DCT coefficients", "units": "", "fraction": 1}),
        segments=(rng.poisson(4, n), {"long_name": "segments"}),
        many=(rng.integers(0, 900, n), {"long_name": "segments of the photographs, large ones"}),
        edges=(1e5 * rng.random(n), {"long_name": "sum of edge strengths", "units": "pixel"}),
        label=(rng.choice(["airplane", "automobile", "a" * 40, "dog"], n), {"long_name": "class"}),
        wordnet=([f"n{i % 1000:08}" for i in range(n)], {}),
        height=(np.full(n, 32), {"units": "pixel"}),
        error=(np.full(n, np.nan), {"long_name": "standard error of the sum of edge strengths"}),
        light=(rng.choice(["frontal", "ambient"], n), {"long_name": "illumination"}),
    )


def test_each_variable_over_examples_has_a_panel_in_order() -> None:
    statistics = dataset(
        zebra=([1.0, 2.0], {"long_name": "local entropy", "units": "bit"}),
        area=([0.25, 0.5], {"long_name": "area", "units": "", "fraction": 1}),
        plain=([3, 4], {"units": ""}),
        metre=([0.25, 0.5], {"units": "m", "fraction": 1}),
        bare=[1, 2],
    )
    statistics["other"] = ("seed", [1.0, 2.0, 3.0])
    statistics["both"] = (("example", "seed"), np.ones((2, 3)))
    figure = draw_histograms(statistics)
    labels = ["local entropy (bit)", "area (%)", "plain", "metre (m)", "bare"]
    assert [axes.get_xlabel() for axes in figure.axes] == labels


def test_fractions_are_drawn_in_percent() -> None:
    axes = panel_of([0.0, 0.25, 0.25, 0.5], units="", fraction=1)
    counts, edges = steps(axes)  # not bars, though 0, 25 and 50 are whole numbers
    np.testing.assert_allclose(edges, np.arange(0, 51, 5))
    assert counts.tolist() == [1, 0, 0, 0, 0, 2, 0, 0, 0, 1]
    assert axes.get_lines()[0].get_xdata() == [25, 25]
    assert notes(axes) == ["mean 25, sd 20"]
    (metre,) = draw_histograms(dataset(x=([0.1, 0.5], {"units": "m", "fraction": 1}))).axes
    assert steps(metre)[1][-1] == 0.5
    (number,) = draw_histograms(dataset(x=([0.1, 0.5], {"units": "", "fraction": 0}))).axes
    assert steps(number)[1][-1] == 0.5


@pytest.mark.parametrize("dtype", [np.uint8, np.int64, np.float32])
def test_whole_numbers_have_bars_centred_on_them(dtype: type) -> None:
    axes = panel_of(np.array([3, 1, 6, 3, 3, 1], dtype))
    assert bars(axes) == [
        (1, pytest.approx(0.8), 2),
        (2, pytest.approx(0.8), 0),
        (3, pytest.approx(0.8), 3),
        (4, pytest.approx(0.8), 0),
        (5, pytest.approx(0.8), 0),
        (6, pytest.approx(0.8), 1),
    ]
    two = panel_of(np.array([1, 1, 2], dtype))
    assert [x for x in two.get_xticks() if 0.5 <= x <= 2.5] == [1, 2]


def test_sixty_whole_numbers_have_bars_and_more_have_bins() -> None:
    assert len(bars(panel_of(np.arange(-9, 51)))) == 60
    wide = panel_of(np.arange(-9, 52))
    assert bars(wide) == []
    assert steps(wide)[1][0] == -9.5


@pytest.mark.parametrize(
    ("values", "width"),
    [
        (np.repeat(np.arange(600), 10), 33),  # 2 * 299.5 / 6000^(1/3) = 32.96
        (np.arange(0, 1001, 250), 100),  # the rule asks for 292, too wide for ten bins
        (np.r_[np.zeros(50), 61 * 7 - 1], 8),  # the rule asks for 0: 427 numbers in sixty bins
        (np.r_[np.zeros(50), 60 * 7 - 1], 7),
    ],
)
def test_bins_of_whole_numbers_hold_equally_many(values: np.ndarray, width: int) -> None:
    counts, edges = steps(panel_of(values))
    assert set(np.diff(edges)) == {width}
    assert edges[0] == values.min() - 0.5
    assert edges[-2] < values.max() < edges[-1]
    assert counts.sum() == len(values)
    assert 10 <= len(counts) <= 60


@pytest.mark.parametrize(
    ("values", "bins"),
    [
        (np.linspace(0, 1.5, 8615), 21),  # 8615^(1/3) = 20.5 by Freedman and Diaconis
        (np.linspace(0, 1.5, 30), 10),  # 3.1
        (np.r_[np.linspace(0, 1.5, 1000), 1e4], 60),  # most of them empty
        (np.r_[np.zeros(50), 1.5], 60),  # three quarters are equal
    ],
)
def test_bins_are_by_freedman_and_diaconis_within_bounds(values: np.ndarray, bins: int) -> None:
    counts, edges = steps(panel_of(values))
    assert len(counts) == bins
    np.testing.assert_allclose(edges, np.linspace(values.min(), values.max(), bins + 1))
    np.testing.assert_array_equal(counts, np.histogram(values, bins)[0])


@pytest.mark.parametrize(
    ("values", "mean", "text"),
    [
        ([6.1, 6.49, 6.88], 6.49, "mean 6.49, sd 0.39"),
        ([1000, 2000, 3000], 2000, "mean 2,000, sd 1,000"),
        ([1, 2, 3, 6], 3, "mean 3.0, sd 2.2"),
        ([10, 25, 40], 25, "mean 25, sd 15"),
        ([-0.5, -0.15, 0.2], -0.15, "mean \u22120.15, sd 0.35"),
        ([-0.5, -0.00005, 0.4999], -0.00005, "mean 0.00, sd 0.50"),
        ([-0.5, 0, 0.5], 0, "mean 0, sd 0.50"),
        ([1.25e-3, 2e-3, 2.75e-3], 2e-3, "mean 0.00200, sd 0.00075"),
        ([1e-7, 2e-7, 3e-7], 2e-7, "mean 2e\u221207, sd 1e\u221207"),
        ([1.25e-4, 2e-4, 2.75e-4], 2e-4, "mean 0.0002, sd 7.5e\u221205"),
        ([1e12, 2e12, 3e12], 2e12, "mean 2e+12, sd 1e+12"),
        ([0.9e6, 1.4e6, 1.9e6], 1.4e6, "mean 1.40M, sd 0.50M"),
        ([-3e6, 1e6, 5e6], 1e6, "mean 1.0M, sd 4.0M"),
        ([9e5, 9.9e5, 1.08e6], 9.9e5, "mean 990,000, sd 90,000"),
        ([6.4931, 6.4931], 6.4931, "mean 6.49, sd 0"),
        ([32, 32], 32, "mean 32, sd 0"),
    ],
)
def test_the_mean_is_drawn_and_said(values: list[float], mean: float, text: str) -> None:
    axes = panel_of(values)
    (line,) = axes.get_lines()
    np.testing.assert_allclose(line.get_xdata(), [mean, mean])
    assert same_color(line.get_color(), "#CC3311")
    assert notes(axes) == [text]


@pytest.mark.parametrize("value", [0.0, 1e-12, 6.4931, -3.5, 32, 1e17])
def test_a_constant_variable_is_a_single_bar(value: float) -> None:
    axes = panel_of([value] * 7)
    ((middle, width, height),) = bars(axes)
    assert (middle, height) == (pytest.approx(value), 7)
    low, high = axes.get_xlim()
    assert low < middle - width / 2 < value < middle + width / 2 < high
    assert axes.get_xticks() == [value]
    assert not [p for p in axes.patches if isinstance(p, StepPatch)]


def test_values_that_differ_by_rounding_are_one() -> None:
    assert len(bars(panel_of([0.1 + 0.2, 0.3, 0.3]))) == 1
    assert bars(panel_of([0.3, 0.3 + 1e-8])) == []


@pytest.mark.parametrize(
    "values",
    [
        [1.0, np.nan, 2.5, np.inf, -np.inf, 4.0],
        np.array(["a", None, "b", "", np.nan, "a"], object),
        np.array(["a", "", "b", "", "", "a"]),
        np.array(["a", "", "b", "", "", "a"], np.dtypes.StringDType()),
    ],
)
def test_rows_without_a_value_are_left_out_and_counted(values: Any) -> None:
    axes = panel_of(values)
    said, missing = axes.texts
    assert missing.get_text() == "3 without a value"
    assert same_color(missing.get_color(), "#666666")
    assert missing.get_fontsize() < 8
    axes.figure.draw_without_rendering()
    boxes = [axes.get_window_extent(), said.get_window_extent(), missing.get_window_extent()]
    assert all(lower.y1 <= upper.y0 for lower, upper in pairwise(boxes)), "one above the other"
    heights = [h for _, _, h in bars(axes)] or steps(axes)[0]
    assert sum(heights) == 3
    assert said.get_text() in ("mean 2.5, sd 1.5", "2 categories")


@pytest.mark.parametrize("values", [np.full(1234, np.nan), np.full(1234, "")])
def test_a_variable_without_any_value_says_so(values: np.ndarray) -> None:
    axes = panel_of(values, long_name="standard error", units="bit")
    assert notes(axes) == ["no value", "1,234 without a value"]
    assert axes.get_xlabel() == "standard error (bit)"
    assert len(axes.patches) == len(axes.get_lines()) == len(axes.get_xticks()) == 0


@pytest.mark.parametrize("dtype", [object, str, np.dtypes.StringDType()])
def test_categories_have_a_bar_each_sorted_by_name(dtype: Any) -> None:
    values = [name for i, name in enumerate("hgfedcbaijlk") for _ in range(i + 1)]
    axes = panel_of(np.array(values, dtype))
    assert tick_labels(axes) == sorted("abcdefghijkl")
    assert [h for _, _, h in bars(axes)] == [Counter(values)[name] for name in "abcdefghijkl"]
    assert [x for x, _, _ in bars(axes)] == pytest.approx(axes.get_xticks())
    assert notes(axes) == ["12 categories"]
    assert notes(panel_of(["a", "a"])) == ["1 category"]
    assert len(axes.get_lines()) == 0


def test_of_more_than_twelve_categories_the_most_frequent_are_drawn() -> None:
    times = dict(zip("ponmlkjihgfedcba", [5, 5, *range(2, 16)], strict=True))
    axes = panel_of([name for name, n in times.items() for _ in range(n)])
    assert tick_labels(axes) == [*"abcdefghi", "j", "k", "other"]
    assert [h for _, _, h in bars(axes)] == [*range(15, 4, -1), 5 + 5 + 2 + 3 + 4]
    assert notes(axes) == ["16 categories"]


def test_long_names_of_categories_are_turned_and_shortened() -> None:
    short, long = panel_of(["day", "night"]), panel_of(["a" * 18, "b" * 19, *"cdefgh"])
    assert {label.get_rotation() for label in short.get_xticklabels()} == {0}
    assert {label.get_rotation() for label in long.get_xticklabels()} == {90}
    assert tick_labels(long)[:2] == ["a" * 18, "b" * 17 + "…"]


@pytest.mark.parametrize(
    ("variables", "rows", "columns"),
    [(1, 1, 1), (2, 1, 2), (3, 2, 2), (4, 2, 2), (5, 2, 3), (9, 3, 3), (10, 3, 4), (17, 5, 4)],
)
def test_panels_are_in_rows_of_two_to_four(variables: int, rows: int, columns: int) -> None:
    figure = draw_histograms(dataset(**{f"x{i}": [1, 2] for i in range(variables)}))
    assert len(figure.axes) == variables
    assert figure.axes[0].get_subplotspec().get_gridspec().get_geometry() == (rows, columns)
    assert figure.get_figwidth() == (6.75 if variables > 1 else 3.375)


def test_nothing_overlaps_and_nothing_is_cut() -> None:
    figure = draw_histograms(everything(), title="All that was measured, " * 6)
    figure.draw_without_rendering()
    boxes = [axes.get_tightbbox() for axes in figure.axes]
    boxes += [text.get_window_extent() for text in figure.texts]
    for i, box in enumerate(boxes):
        assert figure.bbox.x0 <= box.x0 < box.x1 <= figure.bbox.x1
        assert figure.bbox.y0 <= box.y0 < box.y1 <= figure.bbox.y1
        assert not any(box.overlaps(other) for other in boxes[:i])
    heights = [axes.get_window_extent().height / figure.dpi for axes in figure.axes]
    np.testing.assert_allclose(heights, 0.9, atol=0.02)
    for axes in figure.axes:
        labels = [t.get_window_extent() for t in axes.get_xticklabels()]
        assert not any(a.overlaps(b) for a, b in pairwise(labels))


def test_the_label_of_the_counts_is_in_the_middle_and_the_title_above() -> None:
    figure = draw_histograms(everything(), title="CIFAR-10")
    figure.draw_without_rendering()
    panels = [axes.get_position() for axes in figure.axes]
    label, title = sorted(figure.texts, key=lambda text: text.get_text(), reverse=True)
    assert label.get_text() == "images"
    middle = (max(p.y1 for p in panels) + min(p.y0 for p in panels)) / 2
    assert label.get_position()[1] == pytest.approx(middle, abs=0.01)
    assert title.get_text() == "CIFAR-10"
    assert [t.get_text() for t in draw_histograms(dataset(x=[1])).texts] == ["images"]


def test_counts_are_labelled_shortly() -> None:
    def labels(n: int) -> list[str]:
        axes = panel_of(np.full(n, 1))
        return [axes.yaxis.get_major_formatter()(y) for y in axes.get_yticks() if y <= n]

    assert labels(3) == ["0", "1", "2", "3"]
    assert labels(999) == ["0", "250", "500", "750"]
    assert labels(5_200) == ["0", "2k", "4k"]
    assert labels(1_500_000) == ["0", "500k", "1M", "1.5M"]


def test_large_values_are_labelled_shortly() -> None:
    def labels(low: float, high: float) -> list[str]:
        axes = panel_of(np.linspace(low, high, 99))
        axes.figure.draw_without_rendering()
        boxes = [t.get_window_extent() for t in axes.get_xticklabels()]
        assert all(left.x1 < right.x0 for left, right in pairwise(boxes))
        return [t.get_text() for t in axes.get_xticklabels() if low <= t.get_position()[0] <= high]

    assert labels(100, 9_000) == ["2,000", "4,000", "6,000", "8,000"]
    assert labels(8_000, 41_000) == ["10k", "20k", "30k", "40k"]
    assert labels(400_000, 3_400_000) == ["500k", "1M", "1.5M", "2M", "2.5M", "3M"]
    assert labels(-26_000, 1_000) == [
        *(f"\N{MINUS SIGN}{n}k" for n in (25, 20, 15, 10, 5)),
        "0",
    ]
    assert labels(-2, -1.4) == [
        f"\N{MINUS SIGN}{n}" for n in ("2", "1.9", "1.8", "1.7", "1.6", "1.5", "1.4")
    ]


def test_as_many_images_as_imagenet_has_make_no_more_to_draw() -> None:
    n = 1_281_167
    rng = np.random.default_rng(0)
    names = np.array([f"n{i:08}" for i in range(1000)])
    figure = draw_histograms(
        dataset(x=rng.standard_normal(n), label=names[np.arange(n) % 1000], k=np.arange(n))
    )
    for axes in figure.axes:
        heights = [h for _, _, h in bars(axes)] or steps(axes)[0]
        assert sum(heights) == n
        assert len(heights) <= 60


def test_all_kinds_render() -> None:
    with Image.open(io.BytesIO(to_png(draw_histograms(everything())))) as picture:
        assert picture.width == 1350
        assert len(np.unique(np.asarray(picture))) > 100


def test_what_has_nothing_to_draw_is_refused() -> None:
    with pytest.raises(UsageError, match="no variable of the dataset is over 'example'"):
        draw_histograms(xr.Dataset({"x": ("seed", [1.0])}, coords={"example": [1, 2]}))
    with pytest.raises(UsageError, match="the dataset has no example"):
        draw_histograms(dataset(x=np.zeros(0)))
