"""What a factor does to the epoch at which an example is learned, where factors were assigned.

An image statistic that goes with learning need not be its cause. In data that is made (the source
``controlled``) factors are drawn at random for each example, independently of each other and of the
class; so examples with much and with little of a factor differ, but for chance, in nothing else,
and what they differ by in learning is its effect.

The outcome is the epoch from which on an example is agreed on for good. One that is not by the end
of the run counts as learned in the epoch after the last: the run does not say how much later. So
an effect is that on the outcome cut off there, which is smaller than the effect on time itself
where many are not learned.

Letters: N examples, F factors, R resamples.
"""

from collections.abc import Mapping

import numpy as np
import pandas as pd
from scipy import stats

from jagree import seeds
from jagree.study.correlation import adjusted
from jagree.study.ranks import RESAMPLES

LEVEL = 0.95
DOSES = 8  # groups of equal size into which the values of a factor are divided

EFFECTS = {
    "split": "str",
    "factor": "str",
    "units": "str",
    "least": "float64",
    "most": "float64",
    "effect": "float64",
    "low": "float64",
    "high": "float64",
    "p": "float64",
    "p_adjusted": "float64",
    "examples": "int64",
    "never": "float64",
}
RESPONSES = {
    "split": "str",
    "factor": "str",
    "units": "str",
    "dose_low": "float64",
    "dose_high": "float64",
    "dose": "float64",
    "epoch": "float64",
    "low": "float64",
    "high": "float64",
    "examples": "int64",
    "never": "float64",
}


def outcome(learned: np.ndarray, last_epoch: int) -> np.ndarray:
    """The epoch at which each example is learned, never as the one after the last: float [N]."""
    return np.where(np.isnan(learned), last_epoch + 1, learned)


def effect_table(
    split: str,
    factors: Mapping[str, np.ndarray],
    units: Mapping[str, str],
    learned: np.ndarray,
    classes: np.ndarray,
    last_epoch: int,
    *,
    resamples: int = RESAMPLES,
    seed: int = 0,
) -> pd.DataFrame:
    """The effect of each factor, from its least to its largest value.

    Parameters
    ----------
    split : str
    factors : mapping of str to float array [N]
        Assigned at random, and known of every example.
    units : mapping of str to str
    learned : float array [N]
        `agreed_for_good` of `jagree.study.order.LearningOrder`; nan: never.
    classes : int array [N]
    last_epoch : int
        The last one recorded.
    resamples, seed : int
        Of the bootstrap over examples.

    Returns
    -------
    pandas.DataFrame
        A row per factor: ``split``, ``factor``, ``units``, its ``least`` and ``most``; ``effect``
        in epochs, positive where more of the factor delays learning, with the percentile bootstrap
        interval ``low`` to ``high`` (95 %), two-sided ``p`` (of the effect over its standard error,
        as normal) and ``p_adjusted`` for the number of factors (Benjamini and Hochberg);
        ``examples``, and ``never``, the fraction of them that count as learned after the last
        epoch. nan for a factor that does not vary.

    Notes
    -----
    Least squares of the outcome on all factors and the classes together: since they are assigned
    independently, the coefficient of a factor estimates the same as a simple regression on it, with
    less noise. Linear in the dose; whether it is, `response_table` shows.
    """
    rows = []
    y = outcome(learned, last_epoch)
    names = [name for name, value in factors.items() if np.ptp(value) > 0] if len(y) else []
    fitted = _fitted([factors[name] for name in names], classes, y, resamples, seed)
    for name, value in factors.items():
        row: dict[str, object] = {
            "split": split,
            "factor": name,
            "units": units.get(name, ""),
            "least": value.min(initial=np.inf) if len(value) else np.nan,
            "most": value.max(initial=-np.inf) if len(value) else np.nan,
            "examples": len(value),
            "never": np.isnan(learned).mean() if len(value) else np.nan,
        }
        if name in names:
            drawn = fitted[:, names.index(name)]
            tail = (1 - LEVEL) / 2
            low, high = np.quantile(drawn[1:], [tail, 1 - tail]).tolist()
            p = 2 * stats.norm.sf(abs(drawn[0]) / drawn[1:].std(ddof=1))
            row |= {"effect": drawn[0], "low": low, "high": high, "p": p}
        rows.append(row)
    table = pd.DataFrame(rows, columns=list(EFFECTS))
    table["p_adjusted"] = adjusted(table["p"].to_numpy(np.float64))
    return table.astype(EFFECTS)


def _fitted(
    factors: list[np.ndarray], classes: np.ndarray, y: np.ndarray, resamples: int, seed: int
) -> np.ndarray:
    """Effects of the examples and of each resample: float [1 + R, F]."""
    n = len(y)
    if not factors:
        return np.empty((1 + resamples, 0))
    scaled = [(value - value.min()) / np.ptp(value) for value in factors]
    code = np.unique(classes, return_inverse=True)[1]
    dummies = [code == c for c in range(code.max() + 1)]
    design = np.stack([*scaled, *dummies], -1).astype(np.float64)
    draw = seeds.generator(seed, "bootstrap of effects")
    found = np.empty((1 + resamples, len(factors)))
    for row in range(1 + resamples):
        weight = np.ones(n) if row == 0 else np.bincount(draw.integers(0, n, n), minlength=n)
        weighted = design * weight[:, None]
        # A class that is not drawn leaves a column of zeros: the solution of least length.
        solution = np.linalg.lstsq(weighted.T @ design, weighted.T @ y, rcond=None)[0]
        found[row] = solution[: len(factors)]
    return found


def response_table(
    split: str,
    factors: Mapping[str, np.ndarray],
    units: Mapping[str, str],
    learned: np.ndarray,
    last_epoch: int,
    *,
    doses: int = DOSES,
) -> pd.DataFrame:
    """How the outcome responds to the dose of each factor.

    Parameters
    ----------
    split, factors, units, learned, last_epoch
        As for `effect_table`.
    doses : int
        Groups into which examples are divided by their value, as equal in size as ties allow; a
        factor with no more distinct values has one for each.

    Returns
    -------
    pandas.DataFrame
        A row per factor and group: ``split``, ``factor``, ``units``, ``dose_low`` and ``dose_high``
        (of the values in it), ``dose`` (their mean), ``epoch`` (the mean outcome) with its 95 %
        interval ``low`` to ``high`` by Student's t, ``examples``, and ``never``, the fraction that
        counts as learned after the last epoch.
    """
    rows = []
    y = outcome(learned, last_epoch)
    for name, value in factors.items():
        group = dose_groups(value, doses)
        for one in range(int(group.max(initial=-1)) + 1):
            here = group == one
            if not here.any():
                continue
            n = int(here.sum())
            mean = float(y[here].mean())
            error = float(y[here].std(ddof=1) / np.sqrt(n)) if n > 1 else np.nan
            reach = error * float(stats.t.ppf((1 + LEVEL) / 2, n - 1)) if n > 1 else np.nan
            rows.append(
                {
                    "split": split,
                    "factor": name,
                    "units": units.get(name, ""),
                    "dose_low": value[here].min(),
                    "dose_high": value[here].max(),
                    "dose": value[here].mean(),
                    "epoch": mean,
                    "low": mean - reach,
                    "high": mean + reach,
                    "examples": n,
                    "never": np.isnan(learned[here]).mean(),
                }
            )
    return pd.DataFrame(rows, columns=list(RESPONSES)).astype(RESPONSES)


def dose_groups(value: np.ndarray, doses: int) -> np.ndarray:
    """The group of each value, ascending from 0; equal values are in the same: int [N].

    Examples
    --------
    >>> import numpy as np
    >>> dose_groups(np.array([5.0, 1.0, 9.0, 7.0]), 2).tolist()
    [0, 0, 1, 1]
    >>> dose_groups(np.array([0, 3, 3, 0, 5]), 8).tolist()
    [0, 1, 1, 0, 2]
    """
    distinct, code = np.unique(value, return_inverse=True)
    if len(distinct) <= doses:
        return code
    edges = np.quantile(value, np.arange(1, doses) / doses)
    groups = np.searchsorted(np.unique(edges), value, side="right")
    return np.unique(groups, return_inverse=True)[1]
