"""What a factor does to the epoch at which an example is learned, where factors were assigned.

An image statistic that goes with learning need not be its cause. In data that is made (the source
``controlled``) factors are drawn at random for each example, independently of each other and of the
class; so examples with much and with little of a factor differ, but for chance, in nothing else,
and what they differ by in learning is its effect.

The outcome is the epoch from which on an example is agreed on for good. One that is not by the end
of the run counts as learned in the epoch after the last: the run does not say how much later. So
an effect is that on the time up to the end of the run, which is mostly, but need not be, smaller
than that on time itself where many are not learned.

Letters: N examples, F factors, M outcomes, R resamples.
"""

from collections.abc import Iterator, Mapping

import numpy as np
import pandas as pd
from scipy import stats

from jagree import seeds
from jagree.study.correlation import adjusted
from jagree.study.ranks import RESAMPLES

LEVEL = 0.95
DOSES = 8  # groups of equal size into which the values of a factor are divided
NO_RANK = 1e-12  # of the largest eigenvalue: below it is what rounding leaves of zero

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
    "p_any": "float64",
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
        epoch; ``p_any``, of any response to the dose, line or not: see `p_of_any_response`. It is
        not adjusted.

        nan for a factor that does not vary, for all where the outcome does not, and where examples
        are no more than factors and classes. nan, but for ``p_any``, for factors that cannot be
        told apart: those that are the same up to scale, say, or one that the class determines.
        Resamples that cannot tell a factor from the others are left out of its interval and p;
        these are nan if fewer than half of the resamples remain.

    Notes
    -----
    Least squares of the outcome on all factors and the classes together: since they are assigned
    independently, the coefficient of a factor estimates the same as a simple regression on it, with
    less noise. Linear in the dose; whether it is, `response_table` shows. A response that falls and
    rises again has an effect near 0, but a small ``p_any``.
    """
    rows = []
    y = outcome(learned, last_epoch)
    names = varying(factors)
    found = np.full((1 + resamples, len(names)), np.nan)
    if len(np.unique(y)) > 1:
        chosen = {name: factors[name] for name in names}
        found = effects(chosen, y[:, None], classes, resamples, seed)[..., 0]
    for name, value in factors.items():
        row: dict[str, object] = {
            "split": split,
            "factor": name,
            "units": units.get(name, ""),
            "least": value.min() if len(value) else np.nan,
            "most": value.max() if len(value) else np.nan,
            "examples": len(value),
            "never": np.isnan(learned).mean() if len(value) else np.nan,
        }
        if name in names:
            effect, low, high, p = told(found[:, names.index(name)])
            row |= {"effect": effect, "low": low, "high": high, "p": p}
            row |= {"p_any": p_of_any_response(value, y, classes)}
        rows.append(row)
    table = pd.DataFrame(rows, columns=list(EFFECTS))
    table["p_adjusted"] = adjusted(table["p"].to_numpy(np.float64))
    return table.astype(EFFECTS)


def p_of_any_response(
    value: np.ndarray, y: np.ndarray, classes: np.ndarray, doses: int = DOSES
) -> float:
    """p of the F test that the outcome has the same mean at all doses of a factor, given the class.

    Parameters
    ----------
    value : float array [N]
        Of the factor.
    y : float array [N]
        The outcome.
    classes : int array [N]
    doses : int
        Groups of examples of like dose, as in `response_table`.

    Returns
    -------
    float
        nan where all examples of a class have the same outcome, where no class has examples of two
        doses, and where examples are no more than groups and classes.

    Notes
    -----
    The regression on groups and classes against that on classes alone; other factors add to the
    noise. A factor assigned at random that does nothing leaves the groups alike in their spread,
    too, so that the common variance of the test holds where there is nothing to find.
    """
    code = np.unique(classes, return_inverse=True)[1]
    group = dose_groups(value, doses)
    columns = np.column_stack([group[:, None] == np.unique(group)[1:], y]).astype(np.float64)
    centred = without_class_means(columns, code, np.ones(len(y)))
    x, left = centred[:, :-1], centred[:, -1]
    coefficients, _, rank, _ = np.linalg.lstsq(x, left, rcond=1e-9)
    free = len(y) - int(code.max(initial=-1)) - 1 - int(rank)
    total = float(left @ left)
    if rank == 0 or free <= 0 or total <= NO_RANK * float(y @ y):
        return np.nan
    rest = float(((left - x @ coefficients) ** 2).sum())
    f = np.inf if rest <= NO_RANK * total else (total - rest) / rank / (rest / free)
    return float(stats.f.sf(f, rank, free))


def varying(factors: Mapping[str, np.ndarray]) -> list[str]:
    """Those that have more than one value."""
    return [name for name, value in factors.items() if len(value) and np.ptp(value) > 0]


def weights(n: int, resamples: int, seed: int) -> Iterator[np.ndarray]:
    """How often each example counts: once, and then as each resample has drawn it; float [N]."""
    draw = seeds.generator(seed, "bootstrap of effects")
    yield np.ones(n)
    for _ in range(resamples):
        yield np.bincount(draw.integers(0, n, n), minlength=n).astype(np.float64)


def effects(
    factors: Mapping[str, np.ndarray],
    outcomes: np.ndarray,
    classes: np.ndarray,
    resamples: int,
    seed: int,
) -> np.ndarray:
    """Effects on several outcomes, of the examples and of each resample.

    Parameters
    ----------
    factors : mapping of str to float array [N]
        That vary.
    outcomes : float array [N, M]
    classes : int array [N]
    resamples, seed : int

    Returns
    -------
    float array [1 + R, F, M]
        From the least to the largest value of a factor; nan where examples are no more than what
        is estimated of them, one number per factor and class, and for factors that the examples, or
        those of a resample, cannot tell apart.
    """
    n, several = outcomes.shape
    code = np.unique(classes, return_inverse=True)[1]
    found = np.full((1 + resamples, len(factors), several), np.nan)
    if not factors or n <= len(factors) + code.max(initial=-1) + 1:
        return found
    scaled = [(value - value.min()) / np.ptp(value) for value in factors.values()]
    columns = np.column_stack([*scaled, outcomes]).astype(np.float64)
    for row, weight in zip(found, weights(n, resamples, seed), strict=True):
        # Without the mean of its class: the same as a column for each class in the regression.
        centred = without_class_means(columns, code, weight)
        x, y = centred[:, : len(scaled)], centred[:, len(scaled) :]
        weighted = (x * weight[:, None]).T
        row[...] = solved(weighted @ x, weighted @ y)
    return found


def solved(gram: np.ndarray, right: np.ndarray) -> np.ndarray:
    """What solves gram @ b = right, where that is one number; nan in the other rows.

    Parameters
    ----------
    gram : float array [F, F]
        Symmetric, of columns between 0 and 1.
    right : float array [F, M]

    Returns
    -------
    float array [F, M]

    Examples
    --------
    >>> import numpy as np
    >>> solved(np.array([[2.0, 2, 0], [2, 2, 0], [0, 0, 4]]), np.ones((3, 1))).ravel().tolist()
    [nan, nan, 0.25]
    """
    size, direction = np.linalg.eigh(gram)
    there = size > NO_RANK * max(size[-1], 1.0)
    inside, outside = direction[:, there], direction[:, ~there]
    b: np.ndarray = inside @ ((inside.T @ right) / size[there, None])
    # Along the other directions any amount may be added: these rows have no one solution.
    b[(outside**2).sum(-1) > 1e-6] = np.nan
    return b


def without_class_means(columns: np.ndarray, code: np.ndarray, weight: np.ndarray) -> np.ndarray:
    """Columns less the mean of each class, where examples count so often: float [N, columns]."""
    size = np.maximum(np.bincount(code, weight), 1)
    means = [np.bincount(code, weight * column) / size for column in columns.T]
    left: np.ndarray = columns - np.stack(means, -1)[code]
    return left


def told(drawn: np.ndarray) -> tuple[float, float, float, float]:
    """Estimate, interval and p of float [1 + R], whose first is the estimate; nan if that is.

    The last three are of the resamples that are known; nan if these are fewer than two, or fewer
    than half.
    """
    estimate = float(drawn[0])
    known = drawn[1:][~np.isnan(drawn[1:])]
    if np.isnan(estimate) or len(known) < max(2, (len(drawn) - 1) / 2):
        return estimate, np.nan, np.nan, np.nan
    tail = (1 - LEVEL) / 2
    low, high = np.quantile(known, [tail, 1 - tail]).tolist()
    error = float(known.std(ddof=1))
    p = float(2 * stats.norm.sf(abs(estimate) / error)) if error > 0 else np.nan
    return estimate, low, high, p


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
