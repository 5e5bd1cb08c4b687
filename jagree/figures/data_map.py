"""The map of Dataset Cartography: how sure the members are of an example, and how it varies."""

import matplotlib
import numpy as np
import pandas as pd
from matplotlib.cm import ScalarMappable
from matplotlib.colors import Normalize
from matplotlib.figure import Figure
from matplotlib.ticker import MultipleLocator

from jagree import seeds
from jagree.figures.naming import values_of
from jagree.figures.palette import SAFE, Palette
from jagree.figures.style import COLUMN, FONT, NothingToDrawError, settled, style

MOST_POINTS = 25_000
HEIGHT = 3.6  # inches
ROOM = 1.2  # times the largest value, for what is written to the right of it
HIGHEST = 0.5  # the largest standard deviation of what lies between 0 and 1


def draw_data_map(examples: pd.DataFrame, palette: Palette = SAFE, *, seed: int = 0) -> Figure:
    """A point per example: variability and confidence, coloured by how often it is right.

    Parameters
    ----------
    examples : pandas.DataFrame
        With ``confidence``, ``variability`` and ``accessibility`` (see
        `jagree.study.example_table`).
    palette : Palette
    seed : int
        Of the sample.

    Returns
    -------
    matplotlib.figure.Figure
        At most 25,000 points, drawn at random without replacement; examples without a value are
        left out. Points are drawn in a random order, so that none lies on top by its kind.

    Raises
    ------
    NothingToDrawError
        If no example has values, such as where no probabilities were recorded.

    References
    ----------
    Swayamdipta et al., "Dataset cartography", EMNLP 2020, fig. 1.
    """
    columns = ["variability", "confidence", "accessibility"]
    if not set(columns) <= set(examples):
        raise NothingToDrawError("the record has no probabilities, so there is no data map")
    points = np.stack([values_of(examples, name) for name in columns], -1)
    points = points[np.isfinite(points).all(1)]
    if not len(points):
        raise NothingToDrawError("no example has finite probabilities, so there is no data map")
    order = seeds.generator(seed, "data map").permutation(len(points))[:MOST_POINTS]
    variability, confidence, right = points[order].T
    figure = Figure(figsize=(COLUMN, HEIGHT), layout="constrained")
    axes = figure.subplots()
    style(axes)
    norm = Normalize(0, 1)
    size = float(np.clip(20_000 / len(order), 1.5, 12))  # square points
    axes.scatter(
        variability,
        confidence,
        s=size,
        c=right,
        cmap=palette.ramp,
        norm=norm,
        linewidths=0,
        alpha=0.6,
        rasterized=True,
    )
    axes.set_xlim(0, max(ROOM * variability.max(), 0.1 * HIGHEST))
    axes.xaxis.set_major_locator(MultipleLocator(0.1))
    axes.set_ylim(0, 1)
    axes.set_xlabel("variability (standard deviation over epochs)", fontsize=FONT)
    axes.set_ylabel("confidence (mean probability of the label)", fontsize=FONT)
    for text, x, y in (
        ("easy to learn", 0.02, 0.76),
        ("ambiguous", 0.98, 0.5),
        ("hard to learn", 0.02, 0.28),
    ):
        axes.text(
            x,
            y,
            text,
            transform=axes.transAxes,
            fontsize=FONT,
            bbox={"facecolor": "white", "alpha": 0.8, "linewidth": 0, "pad": 1.5},
            va="center",
            ha="left" if x < 0.5 else "right",
        )
    bar = figure.colorbar(
        ScalarMappable(norm, matplotlib.colormaps[palette.ramp]), ax=axes, pad=0.02, aspect=30
    )
    bar.set_label("right in this share of epochs and networks", fontsize=FONT)
    bar.ax.tick_params(labelsize=FONT)
    return settled(figure)
