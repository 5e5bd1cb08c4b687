"""What image statistics alone would have suggested of a factor, beside its effect.

A factor that was assigned moves statistics: more noise, more entropy. And statistics go with
learning: of higher entropy, learned later. Who has the statistics alone puts the two together (more
noise, so more entropy, so later), and may be wrong, in size or in sign: entropy goes with learning
for all the reasons for which images differ in it, other factors and the class among them. Where
factors were assigned, the effect is known (`jagree.study.intervention`), and stands beside what was
suggested.

Letters: N examples, F factors, S statistics, R resamples.
"""

from collections.abc import Mapping

import numpy as np
import pandas as pd

from jagree.study.correlation import NO_STATISTIC, adjusted
from jagree.study.intervention import effects, outcome, told, varying, weights
from jagree.study.ranks import RESAMPLES

MOVES = {
    "split": "str",
    "factor": "str",
    "statistic": "str",
    "coefficient": "float64",
    "low": "float64",
    "high": "float64",
    "p": "float64",
    "p_adjusted": "float64",
    "correlation": "float64",
    "slope": "float64",
    "suggested": "float64",
    "suggested_low": "float64",
    "suggested_high": "float64",
    "effect": "float64",
    "effect_low": "float64",
    "effect_high": "float64",
    "examples": "int64",
}


def move_table(
    split: str,
    factors: Mapping[str, np.ndarray],
    values: Mapping[str, np.ndarray],
    learned: np.ndarray,
    classes: np.ndarray,
    last_epoch: int,
    *,
    correlations: pd.DataFrame,
    found: pd.DataFrame,
    resamples: int = RESAMPLES,
    seed: int = 0,
) -> pd.DataFrame:
    """How each factor moves each statistic, and what that suggests.

    Parameters
    ----------
    split : str
    factors : mapping of str to float array [N]
        Assigned at random, and known of every example.
    values : mapping of str to float array [N]
        Statistics; nan where an example has none. Those that are factors too are passed over.
    learned : float array [N]
        `agreed_for_good` of `jagree.study.order.LearningOrder`; nan: never, which counts as the
        epoch after the last.
    classes : int array [N]
    last_epoch : int
        The last one recorded.
    correlations : pandas.DataFrame
        `jagree.study.correlation.correlation_table` of the split.
    found : pandas.DataFrame
        `jagree.study.intervention.effect_table` of the split.
    resamples, seed : int
        Of the bootstrap over examples.

    Returns
    -------
    pandas.DataFrame
        A row per factor and statistic.

        ``split``, ``factor``, ``statistic``.

        ``coefficient`` : by how many standard deviations of the statistic it rises from the least
        to the largest value of the factor, with the interval ``low`` to ``high``, two-sided ``p``,
        and ``p_adjusted`` for all rows of the split (Benjamini and Hochberg). This is an effect of
        the factor, too.

        ``correlation`` : Spearman's, of the statistic with `learned` over examples, as in
        `correlations` (kind ``examples``). ``slope`` : by how many epochs later an example is
        learned whose statistic is a standard deviation higher, by simple regression of the outcome
        on the statistic. Neither is an effect.

        ``suggested`` : `coefficient` times `slope`, in epochs: what the statistic alone suggests
        the factor to do from its least to its largest value; with the interval ``suggested_low`` to
        ``suggested_high``. ``effect``, ``effect_low``, ``effect_high`` : what it does, as in
        `found`.

        ``examples`` : those that have the statistic; all but ``effect`` and its interval are of
        them.

        Intervals are percentile bootstraps over examples (95 %). nan for a factor or statistic that
        does not vary, and where examples are no more than factors and classes; `slope` and
        `suggested` also where the outcome does not vary.

    Notes
    -----
    `coefficient` is estimated as `effect` is, by least squares on all factors and the classes. That
    a statistic suggests what the effect is does not make it the way by which the factor works.
    Derived here; the product of the two coefficients is that of mediation analysis (Baron and
    Kenny, J. Pers. Soc. Psychol. 51, 1986), whose second regression would be given the factors,
    which who has the statistics alone does not know.
    """
    values = {n: v for n, v in values.items() if n not in factors and n not in NO_STATISTIC}
    y = outcome(learned, last_epoch)
    drawn = _drawn(factors, values, y, classes, resamples, seed)
    plain = correlations[correlations["kind"] == "examples"].set_index("statistic")["coefficient"]
    effect = found.set_index("factor")
    rows: list[dict[str, object]] = []
    for factor in factors:
        for statistic, value in values.items():
            moved, slope = drawn[factor, statistic]
            coefficient, low, high, p = told(moved)
            suggested, suggested_low, suggested_high, _ = told(moved * slope)
            rows.append(
                {
                    "split": split,
                    "factor": factor,
                    "statistic": statistic,
                    "coefficient": coefficient,
                    "low": low,
                    "high": high,
                    "p": p,
                    "correlation": plain.get(statistic, np.nan),
                    "slope": slope[0],
                    "suggested": suggested,
                    "suggested_low": suggested_low,
                    "suggested_high": suggested_high,
                    "effect": effect.loc[factor, "effect"],
                    "effect_low": effect.loc[factor, "low"],
                    "effect_high": effect.loc[factor, "high"],
                    "examples": int((~np.isnan(value)).sum()),
                }
            )
    table = pd.DataFrame(rows, columns=list(MOVES))
    table["p_adjusted"] = adjusted(table["p"].to_numpy(np.float64))
    return table.astype(MOVES)


def _drawn(
    factors: Mapping[str, np.ndarray],
    values: Mapping[str, np.ndarray],
    y: np.ndarray,
    classes: np.ndarray,
    resamples: int,
    seed: int,
) -> dict[tuple[str, str], tuple[np.ndarray, np.ndarray]]:
    """Of each factor and statistic, coefficients and slopes: float [1 + R] each, as `told` has it.

    Statistics of the same examples share resamples, and are fitted at once.
    """
    none = np.full(1 + resamples, np.nan)
    drawn = {(factor, statistic): (none, none) for factor in factors for statistic in values}
    groups: dict[bytes, list[str]] = {}
    for name, value in values.items():
        groups.setdefault(np.isnan(value).tobytes(), []).append(name)
    for names in groups.values():
        known = ~np.isnan(values[names[0]])
        here = {name: value[known] for name, value in factors.items()}
        here = {name: here[name] for name in varying(here)}
        if not here:  # the slopes would be drawn for nothing
            continue
        columns = np.stack([values[name][known] for name in names], -1)
        moved = effects(here, columns, classes[known], resamples, seed)
        spread, slope = _slopes(columns, y[known], resamples, seed)
        moved = moved / spread[:, None]
        for f, factor in enumerate(here):
            for s, statistic in enumerate(names):
                drawn[factor, statistic] = moved[:, f, s], slope[:, s]
    return drawn


def _slopes(
    columns: np.ndarray, y: np.ndarray, resamples: int, seed: int
) -> tuple[np.ndarray, np.ndarray]:
    """Standard deviations of statistics, and slopes of the outcome on each in units of them.

    float [1 + R, S] each, of the resamples of `effects`; nan where one of the two does not vary.
    """
    n, several = columns.shape
    spread, slope = np.full((2, 1 + resamples, several), np.nan)
    for row, weight in enumerate(weights(n, resamples, seed) if n else ()):
        x = columns - weight @ columns / n
        away = y - weight @ y / n
        squares = weight @ (x * x) / n
        # Below, what rounding leaves of a statistic that is the same for all that are drawn.
        varies = squares > 1e-20 * (weight @ (columns * columns) / n)
        np.sqrt(squares, out=spread[row], where=varies)
        if weight @ (away * away) > 0:
            slope[row] = (weight * away) @ x / n / spread[row]
    return spread, slope
