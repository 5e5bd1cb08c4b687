"""The maps behind an image's numbers, for figures (paper fig. 3)."""

from dataclasses import dataclass

import numpy as np
from ml_collections import ConfigDict

from jagree import seeds
from jagree.statistics import dct, edges, entropy, inputs, parts, segments


@dataclass(frozen=True)
class Maps:
    """What the statistics of one image are sums, means and counts of.

    Attributes
    ----------
    segments : int32 array [H, W]
        Number of each pixel's segment.
    edges : float64 array [ceil(H/2), ceil(W/2)]
        Edge strengths.
    entropy : float64 array [H - 9, W - 9]
        Entropy of each 10x10 window, bit; empty where the image is smaller.
    dct : float64 array [H, W]
        DCT coefficients, low frequencies at the top left.
    dct_share : float
        Share of them that hold 0.9998 of the norm, 0 to 1.
    """

    segments: np.ndarray
    edges: np.ndarray
    entropy: np.ndarray
    dct: np.ndarray
    dct_share: float


def maps_of(image: np.ndarray, example: str, options: ConfigDict) -> Maps:
    """The maps of one image, of the inputs and with the settings of ``config.statistics``.

    Parameters
    ----------
    image : uint8 array [H, W, 3] or [H, W]
    example : str
        Its id, which decides the random numbers of the edges: the map's sum is the one in the table
        (the first of its seeds, where there are several).
    options : ConfigDict
        ``config.statistics``.
    """

    def seen(name: str) -> np.ndarray:
        return inputs.prepared(image, parts.request(name, options).settings)

    seed = seeds.of_example(options.edges.seed, "edge_strength", example)
    return Maps(
        segments=segments.segment(seen("segments")),
        edges=edges.edge_map(seen("edge_strength"), options.edges.preset, seed),
        entropy=entropy.local_entropy(seen("entropy")),
        dct=dct.coefficients(seen("dct_share")),
        dct_share=dct.dct_share(seen("dct_share")),
    )
