"""What image statistics are called on an axis, in which unit, and which come first."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

import numpy as np
import pandas as pd

from jagree.figures.style import plain

PAPER_STATISTICS = ("entropy", "segments", "edge_strength", "dct_share")
MOST = 12  # panels of one figure

# As in `jagree.statistics.catalogue`; another column is called what it is.
NAMES = {
    "entropy": "local entropy",
    "entropy_uint8": "local entropy, 8-bit grey",
    "segments": "segments",
    "edge_strength": "sum of edge strengths",
    "gradient_strength": "gradient strength",
    "dct_share": "DCT coefficients",
    "dct_share_ac": "DCT coefficients without DC",
}
FRACTIONS = ("dct_share", "dct_share_ac")  # drawn in percent


@dataclass(frozen=True)
class Shown:
    """How a statistic is shown.

    Attributes
    ----------
    name : str
        For people, without a unit.
    unit : str
        "" for none.
    scale : float
        What its values are multiplied by: 100 for those drawn in percent, else 1.
    """

    name: str
    unit: str
    scale: float

    @property
    def label(self) -> str:
        """For an axis."""
        return f"{self.name} ({self.unit})" if self.unit else self.name


def shown_as(statistic: str, unit: str = "") -> Shown:
    """How a column of this name and unit is shown."""
    name = NAMES.get(statistic) or plain(statistic.replace("_", " "), 40)
    if statistic in FRACTIONS and not unit:
        return Shown(name, "%", 100.0)
    return Shown(name, plain(unit) if unit else "", 1.0)


def paper_first(statistics: Iterable[str]) -> list[str]:
    """Each once: the paper's in its order, then the others in theirs."""
    known = list(dict.fromkeys(statistics))
    first = [name for name in PAPER_STATISTICS if name in known]
    return first + [name for name in known if name not in first]


def values_of(examples: pd.DataFrame, column: str, *, last: bool = False) -> np.ndarray:
    """A column of numbers; metadata may be called like one of the study, and then stand last."""
    found: np.ndarray = examples.loc[:, examples.columns == column].to_numpy(np.float64)
    return found[:, -1 if last else 0]


def units_of(correlations: pd.DataFrame) -> Mapping[str, str]:
    """Statistic -> unit, of `jagree.study.correlation.correlation_table`."""
    pairs = zip(correlations["statistic"], correlations["units"], strict=True)
    return {str(name): str(unit) for name, unit in pairs}
