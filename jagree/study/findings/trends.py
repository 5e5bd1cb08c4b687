"""How a statistic changes while networks learn: the paper's r, and ours beside it."""

from __future__ import annotations

import functools
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from jagree.study.curves import BRACKET_P, FIRST_SHOWN, LEAST_SHOWN, Correlation, pearson
from jagree.study.curves import shown_epochs as shown
from jagree.study.findings.evidence import CannotTellError, Run
from jagree.study.findings.observed import Observed
from jagree.study.findings.verdicts import UNTOLD, Check, Judgement, Verdict, judged
from jagree.study.ranks import RankCorrelation, learned_rank_correlation

FEWEST_SHOWN = 10  # epochs
FEWEST_KNOWN = 100  # examples that have a value
SLIGHT = 0.2  # relative change over the shown epochs below which a curve changes slightly
FLAT = 0.02  # the same, below which it is flat
FEWEST_NULL = 30  # shown epochs for saying that there is no correlation
NULL_R = 0.5  # |r| that is called none, where it is in brackets

# Which level decides whether an epoch is shown: version 1 of the paper, and version 2.
SHOWN_BY = {"v1": "accuracy_mean", "v2": "true_positive_agreement"}

SHOWN_MEANS = (
    f"shown epochs: from {FIRST_SHOWN} on, with mean accuracy {LEAST_SHOWN} or more; "
    f"{FEWEST_SHOWN} or more of them"
)
SHOWN_MEANS_V2 = SHOWN_MEANS.replace("mean accuracy", "agreement")
ABSENT_MEANS = (
    f"r is in brackets (p above {BRACKET_P}) and below {NULL_R} either way, over {FEWEST_NULL} "
    "shown epochs or more"
)
CORRELATED = f"with p {BRACKET_P} or less (else r is in brackets)"


@dataclass(frozen=True)
class Trend:
    """The metric curve of one statistic over the shown epochs.

    Attributes
    ----------
    unit : str
    epoch : int array [E]
        The shown epochs.
    curve : float array [E]
        Mean of the statistic over the examples agreed on.
    paper : Correlation
        Of the curve with agreement.
    ours : RankCorrelation
        Of the statistic with when an example is agreed on for good, over examples. Low values
        learned first make it positive, and the curve rise.
    """

    unit: str
    epoch: np.ndarray
    curve: np.ndarray
    paper: Correlation
    ours: RankCorrelation

    @property
    def change(self) -> float:
        """From the first to the last shown epoch, relative to the first; nan if that is 0."""
        if self.curve[0] == self.curve[-1]:
            return 0.0
        return float((self.curve[-1] - self.curve[0]) / abs(self.curve[0] or np.nan))

    @property
    def direction(self) -> int:
        """1 or -1 as the paper's r has it, 0 where r is in brackets."""
        return 0 if self.paper.bracketed else int(np.sign(self.paper.r))

    def __str__(self) -> str:
        unit = f" {self.unit}" if self.unit else ""
        agreeing = {1: "same direction", 0: "no direction", -1: "opposite direction"}
        alike = agreeing[self.ours.sign * self.direction] if self.direction else "r has none"
        change = "from 0" if np.isnan(self.change) else f"{self.change:+.1%}"
        return (
            f"r = {self.paper} over {len(self.epoch)} epochs; {self.curve[0]:.4g} -> "
            f"{self.curve[-1]:.4g}{unit} ({change}); ours, over "
            f"{self.ours.examples:,} examples: {self.ours}, {alike}"
        )


def shown_positions(observed: Observed, version: str = "v1") -> np.ndarray:
    """Positions of the epochs that the paper would show.

    Raises
    ------
    CannotTellError
        If they are too few.
    """
    found = np.flatnonzero(shown(observed.epoch, observed.measure(SHOWN_BY[version])))
    level = "accuracy" if version == "v1" else "agreement"
    if not found.size:
        raise CannotTellError(
            f"no epoch beyond the {FIRST_SHOWN - 1}th with {level} of {LEAST_SHOWN} or more"
        )
    if found.size < FEWEST_SHOWN:
        raise CannotTellError(f"{found.size} shown epochs, fewer than {FEWEST_SHOWN}")
    return found


def trend(run: Run, split: str, column: str, version: str = "v1") -> Trend:
    """The trend of one statistic in one split of a run.

    The run keeps it, for several findings look at the same curve.

    Raises
    ------
    CannotTellError
        If there is no such statistic, or too little of it.
    """
    key = split, column, version
    if key not in run.trends:
        run.trends[key] = _trend(run, *key)
    found: Trend = run.trends[key]
    return found


def _trend(run: Run, split: str, column: str, version: str) -> Trend:
    values = run.column(split, column)
    observed = run.observed(split)
    known = int((~np.isnan(values)).sum())
    if known < FEWEST_KNOWN:
        raise CannotTellError(f"{known} examples have a value of '{column}': {FEWEST_KNOWN} needed")
    here = shown_positions(observed, version)
    curve = observed.metrics[column][here]
    here, curve = here[~np.isnan(curve)], curve[~np.isnan(curve)]
    if len(here) < FEWEST_SHOWN:
        raise CannotTellError(
            f"examples with a value of '{column}' are agreed on in {len(here)} shown epochs only"
        )
    return Trend(
        unit=run.units.get(column, ""),
        epoch=observed.epoch[here],
        curve=curve,
        paper=pearson(observed.measure("true_positive_agreement")[here], curve),
        ours=learned_rank_correlation(
            np.asarray(values, np.float64), observed.order.agreed_for_good
        ),
    )


JudgeTrend = Callable[[Trend], Judgement]


def rises(trend: Trend) -> Judgement:
    """Whether the curve rises with agreement: low values are learned first."""
    return trend.direction > 0, str(trend)


def falls(trend: Trend) -> Judgement:
    """Whether the curve falls as agreement rises: high values are learned first."""
    return trend.direction < 0, str(trend)


def absent(trend: Trend) -> bool:
    """Whether a curve does not go with agreement, by r; p alone may be lacking epochs.

    Raises
    ------
    CannotTellError
        If r is not defined, or in brackets and not small over many epochs.
    """
    if np.isnan(trend.paper.r):
        raise CannotTellError("r is not defined: one of the curves is constant", str(trend))
    if not trend.paper.bracketed:
        return False
    need_null_epochs(trend)
    if abs(trend.paper.r) >= NULL_R:
        why = f"r is in brackets, but not below {NULL_R} either way"
        raise CannotTellError(why, str(trend))
    return True


def need_null_epochs(trend: Trend) -> None:
    """That something is not there takes many epochs: of few, nothing is significant.

    Raises
    ------
    CannotTellError
        If there are fewer than `FEWEST_NULL`.
    """
    if len(trend.epoch) < FEWEST_NULL:
        why = f"{len(trend.epoch)} shown epochs, fewer than the {FEWEST_NULL} that show an absence"
        raise CannotTellError(why, str(trend))


def falls_slightly(trend: Trend) -> Judgement:
    """Whether it falls by little."""
    return trend.direction < 0 and abs(trend.change) < SLIGHT, str(trend)


def each_column(split: str, columns: Mapping[str, JudgeTrend], version: str = "v1") -> Check:
    """A check that asks each run about each of these columns.

    Parameters
    ----------
    split : str
    columns : mapping of str to callable
        Name of the column -> Trend -> judgement.
    version : {"v1", "v2"}
        Of the paper, whose rule says which epochs are shown.
    """

    def check(runs: Sequence[Run]) -> list[Verdict]:
        verdicts = []
        for run in runs:
            if split not in run.statistics:
                why = f"no image statistics of '{split}' beside its record"
                verdicts.append(Verdict((run.name,), split, UNTOLD, why=why))
                continue
            for column, judge in columns.items():
                ask = functools.partial(_ask, judge, run, split, column, version)
                verdicts.append(judged([run.name], f"{split}, {column}", ask))
        return verdicts

    return check


def _ask(judge: JudgeTrend, run: Run, split: str, column: str, version: str) -> Judgement:
    return judge(trend(run, split, column, version))
