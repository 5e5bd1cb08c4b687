"""One tidy table of how image statistics go with learning: the paper's way, and ours beside it.

The paper correlates two curves over epochs, which both have a trend, so that r is large whether or
not a statistic has to do with learning. Ours is over examples (`jagree.study.ranks`).
"""

from collections.abc import Mapping, Sequence

import numpy as np
import pandas as pd
from scipy import stats

from jagree.study.curves import shown_epochs
from jagree.study.history import CurveCorrelation, HistoryTally
from jagree.study.ranks import RESAMPLES, RankCorrelation, rank_correlations

# What the paper measures of an image, and the other ways in which we measure the same.
FAMILIES: Mapping[str, tuple[str, ...]] = {
    "entropy": ("entropy", "entropy_uint8"),
    "segments": ("segments",),
    "edge_strength": ("edge_strength", "gradient_strength"),
    "dct_share": ("dct_share", "dct_share_ac"),
}
NO_STATISTIC = ("edge_strength_se",)  # how sure another column is
# Which level decides whether an epoch is shown: version 1 of the paper, and version 2.
SHOWN_BY = {"curves_v1": "accuracy_mean", "curves_v2": "true_positive_agreement"}
KINDS = (*SHOWN_BY, "examples", "within_class", "partial")

COLUMNS = {
    "split": "str",
    "statistic": "str",
    "units": "str",
    "kind": "str",
    "coefficient": "float64",
    "low": "float64",
    "high": "float64",
    "p": "float64",
    "p_adjusted": "float64",
    "points": "int64",
    "controls": "str",
}


def correlation_table(
    split: str,
    values: Mapping[str, np.ndarray],
    units: Mapping[str, str],
    *,
    history: HistoryTally,
    agreement: pd.DataFrame,
    learned: np.ndarray,
    classes: np.ndarray,
    resamples: int = RESAMPLES,
    seed: int = 0,
) -> pd.DataFrame:
    """Every correlation of every statistic of a split.

    Parameters
    ----------
    split : str
    values : mapping of str to float array [N]
        Statistics by name; nan where an example has none.
    units : mapping of str to str
        Of those that have one.
    history : HistoryTally
        Of all recorded epochs.
    agreement : pandas.DataFrame
        The rows of `jagree.study.agreement_table` of this split, of the same epochs.
    learned : float array [N]
        The epoch from which on an example is agreed on for good; nan: never.
    classes : int array [N]
    resamples, seed : int
        Of the bootstrap over examples.

    Returns
    -------
    pandas.DataFrame
        Five rows for each statistic, by ``kind``:

        ``curves_v1``, ``curves_v2`` : Pearson's r between the curve of the statistic's mean over
        the examples agreed on and the curve of agreement, over the epochs that version 1 or 2 of
        the paper shows; ``points`` are epochs, and the paper prints r in brackets where ``p`` is
        above 0.001. p takes epochs for independent, which they are not.

        ``examples``, ``within_class``, ``partial`` : Spearman's rank correlation of the statistic
        with `learned` over ``points`` examples: of all; within classes; given the class and the
        statistics named in ``controls``. Above 0: high values are learned later.

        ``coefficient`` with ``low`` and ``high`` (percentile bootstrap over examples; a 95 %
        interval over examples, but for curves a rough guide, drawn towards zero and too narrow
        where the curves rest on few examples, see `jagree.study.history.CurveCorrelation`),
        two-sided ``p``, and ``p_adjusted``: of the statistics of the same kind by Benjamini
        and Hochberg, for the false discovery rate; nan for curves, whose p is no measure of doubt.
        nan where there is no value.
    """
    values = {name: value for name, value in values.items() if name not in NO_STATISTIC}
    rows: list[dict[str, object]] = []
    epochs = np.array(history.epochs, int)
    shown = {kind: shown_epochs(epochs, agreement[by].to_numpy()) for kind, by in SHOWN_BY.items()}
    either = np.flatnonzero(np.any(list(shown.values()), axis=0))
    curves = history.of(either.tolist()).resampled(values, resamples=resamples, seed=seed)
    for kind, of_kind in shown.items():
        found = curves.correlations(np.flatnonzero(of_kind[either]).tolist())
        rows += [_curve_row(name, kind, one) for name, one in found.items()]
    controls = {name: controls_of(name, list(values)) for name in values}
    ranks = rank_correlations(
        values, learned, classes, controls=controls, resamples=resamples, seed=seed
    )
    for name, three in ranks.items():
        rows += [
            _rank_row(name, "examples", three.plain),
            _rank_row(name, "within_class", three.within_class),
            _rank_row(name, "partial", three.partial) | {"controls": " ".join(three.controls)},
        ]
    table = pd.DataFrame(rows, columns=list(COLUMNS)).assign(split=split)
    table["units"] = table["statistic"].map(lambda name: units.get(name, "")).astype(object)
    table["controls"] = table["controls"].fillna("")
    table["p_adjusted"] = np.nan
    for kind in KINDS[len(SHOWN_BY) :]:
        here = table["kind"] == kind
        table.loc[here, "p_adjusted"] = adjusted(table.loc[here, "p"].to_numpy(np.float64))
    order = {name: place for place, name in enumerate(values)}
    kinds = {name: place for place, name in enumerate(KINDS)}
    table["order"] = table["statistic"].map(order) * len(KINDS) + table["kind"].map(kinds)
    table = table.sort_values("order").drop(columns="order")
    return table.reset_index(drop=True).astype(COLUMNS)


def controls_of(name: str, known: Sequence[str]) -> tuple[str, ...]:
    """The paper's statistics that a partial correlation is given: all but the same by other means.

    >>> controls_of("dct_share_ac", ["entropy", "segments", "dct_share", "dct_share_ac"])
    ('entropy', 'segments')
    """
    return tuple(
        statistic
        for statistic, family in FAMILIES.items()
        if statistic in known and name not in family
    )


def adjusted(p: np.ndarray) -> np.ndarray:
    """p-values adjusted for their number, by Benjamini and Hochberg; nan stays and counts not.

    References
    ----------
    Benjamini and Hochberg, "Controlling the false discovery rate", J. R. Stat. Soc. B 57, 1995.
    """
    found = np.full(p.shape, np.nan)
    known = ~np.isnan(p)
    if known.any():
        found[known] = stats.false_discovery_control(p[known])
    return found


def _curve_row(name: str, kind: str, found: CurveCorrelation) -> dict[str, object]:
    return {
        "statistic": name,
        "kind": kind,
        "coefficient": found.paper.r,
        "low": found.low,
        "high": found.high,
        "p": found.paper.p,
        "points": found.paper.points,
    }


def _rank_row(name: str, kind: str, found: RankCorrelation) -> dict[str, object]:
    return {
        "statistic": name,
        "kind": kind,
        "coefficient": found.rho,
        "low": found.low,
        "high": found.high,
        "p": found.p,
        "points": found.examples,
    }
