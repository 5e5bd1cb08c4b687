"""The statistics that a table can have, each with its unit and what it costs."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from jagree.statistics import dct, edges, entropy, segments


@dataclass(frozen=True)
class Variable:
    """One column of the table.

    Attributes
    ----------
    name : str
        Of the variable in the Dataset.
    long_name : str
        For axis labels.
    unit : str
        "" for pure numbers and fractions.
    description : str
        One clause saying what is measured.
    fraction : bool
        Whether it lies in 0..1 and figures draw it in percent.
    """

    name: str
    long_name: str
    unit: str
    description: str
    fraction: bool = False


# (image, settings, seed of this image) -> one number per variable.
Measure = Callable[[np.ndarray, Mapping[str, Any], int], tuple[float, ...]]


@dataclass(frozen=True)
class Statistic:
    """What the table needs to know of a statistic.

    Attributes
    ----------
    measure : callable
        ``(image, settings, seed) -> tuple of float``, one number per variable, nan where there is
        none. A function of its arguments alone.
    variables : tuple of Variable
    version : int
        To be raised with any change of the values: what was measured before is then not used.
    settings : str
        The section of ``config.statistics`` whose fields `measure` reads; "" for none.
    seconds : float
        Rough cost of a 32x32 image on one core, for the bar's time left.
    per_part : int
        Examples that are measured and kept together: seconds to minutes of one core.
    """

    measure: Measure
    variables: tuple[Variable, ...]
    version: int = 1
    settings: str = ""
    seconds: float = 1e-3
    per_part: int = 500


ENTROPY = Statistic(
    lambda image, settings, seed: (entropy.mean_local_entropy(image),),
    (
        Variable(
            "entropy",
            "local entropy",
            "bit",
            "mean entropy of the unrounded luminance in 10x10 windows (the paper's)",
        ),
    ),
    seconds=3e-4,
)
ENTROPY_UINT8 = Statistic(
    lambda image, settings, seed: (entropy.mean_local_entropy(image, rounded=True),),
    (
        Variable(
            "entropy_uint8",
            "local entropy, 8-bit grey",
            "bit",
            "mean entropy of the luminance, rounded to 8 bits, in 10x10 windows",
        ),
    ),
    seconds=3e-4,
)
DCT_SHARE = Statistic(
    lambda image, settings, seed: (dct.dct_share(image),),
    (
        Variable(
            "dct_share",
            "DCT coefficients",
            "",
            "share of DCT coefficients that hold 0.9998 of the norm (the paper's)",
            fraction=True,
        ),
    ),
    seconds=1e-4,
)
DCT_SHARE_AC = Statistic(
    lambda image, settings, seed: (dct.dct_share(image, include_dc=False),),
    (
        Variable(
            "dct_share_ac",
            "DCT coefficients without DC",
            "",
            "share of the DCT coefficients but the first that hold 0.9998 of their norm",
            fraction=True,
        ),
    ),
    seconds=1e-4,
)
SEGMENTS = Statistic(
    lambda image, settings, seed: (segments.segment_count(image),),
    (
        Variable(
            "segments",
            "segments",
            "",
            "segments of Felzenszwalb and Huttenlocher (sigma 0.5, k 500, at least 20 pixels)",
        ),
    ),
    seconds=1e-3,
)
GRADIENT_STRENGTH = Statistic(
    lambda image, settings, seed: (edges.gradient_strength(image),),
    (
        Variable(
            "gradient_strength",
            "gradient strength",
            "",
            "sum over pixels of the Sobel gradient's magnitude",
        ),
    ),
    seconds=1e-4,
)


def _edge_strength(
    image: np.ndarray, settings: Mapping[str, Any], seed: int
) -> tuple[float, float]:
    sums = edges.edge_strengths(image, settings["preset"], seed, settings["repeats"])
    # The standard error of a mean of one is not known.
    error = float(sums.std(ddof=1) / np.sqrt(len(sums))) if len(sums) > 1 else float("nan")
    return float(sums.mean()), error


EDGE_STRENGTH = Statistic(
    _edge_strength,
    (
        Variable(
            "edge_strength",
            "sum of edge strengths",
            "",
            "sum over pixels of the crisp boundaries of Isola et al. (2014)",
        ),
        Variable(
            "edge_strength_se",
            "standard error of the edge strengths",
            "",
            "standard error of edge_strength over its seeds",
        ),
    ),
    settings="edges",
    seconds=3e-2,
    per_part=20,
)
