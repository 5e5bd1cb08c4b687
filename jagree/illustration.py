"""Two images with the maps behind their statistics: the panel, which needs pictures and numbers."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np
import xarray as xr
from ml_collections import ConfigDict

from jagree.words import counted, percent

if TYPE_CHECKING:  # slow to import, and not needed by who only trains
    from matplotlib.figure import Figure

    from jagree.figures import Palette


def few_and_many(table: xr.Dataset) -> dict[str, int]:
    """An image with few segments and one with many: title to position.

    At the first and the last decile rather than the ends, where images are odd.
    """
    known = np.flatnonzero(~np.isnan(table["segments"].values))
    if not known.size:
        return {}
    ascending = known[np.argsort(table["segments"].values[known], kind="stable")]
    ends = ascending[round(0.1 * (known.size - 1))], ascending[round(0.9 * (known.size - 1))]
    return {str(table["id"].values[i]): int(i) for i in ends}


def draw_maps(
    ids: Sequence[str],
    images: Sequence[np.ndarray],
    options: ConfigDict,
    palette: Palette | None = None,
) -> Figure:
    """The panel of some images: each with its maps, and below each map its number (paper fig. 3).

    Parameters
    ----------
    ids : sequence of str
    images : sequence of uint8 arrays [H, W, 3]
    options : ConfigDict
        ``config.statistics``.
    palette : Palette, optional
        By default `jagree.figures.SAFE`.
    """
    from jagree import figures
    from jagree.statistics.maps import maps_of

    rows = []
    for example, image in zip(ids, images, strict=True):
        maps = maps_of(image, example, options)
        captions = {
            "image": f"{image.shape[1]} x {image.shape[0]}",
            "segments": counted(int(maps.segments.max()) + 1, "segment"),
            "edges": f"sum {maps.edges.sum():,.0f}",
            "dct": f"{percent(maps.dct_share)} needed",
        }
        if maps.entropy.size:
            captions["entropy"] = f"mean {maps.entropy.mean():.2f} bit"
        shown = {name: getattr(maps, name) for name in ("segments", "edges", "entropy", "dct")}
        rows.append(figures.PanelRow(title=example, image=image, captions=captions, **shown))
    return figures.draw_panel(rows, palette or figures.SAFE)
