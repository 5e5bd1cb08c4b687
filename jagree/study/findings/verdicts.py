"""What a finding is, and what can be said of it."""

from __future__ import annotations

import functools
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

import pandas as pd

from jagree.study.findings.evidence import CannotTellError, Run
from jagree.study.findings.observed import Observed

HOLDS, FAILS, UNTOLD = "holds", "does not hold", "cannot be told"
NO_SUCH = "no such runs are given"

DATA = {  # name of the data source -> what the paper calls it
    "cifar10": "CIFAR-10",
    "voc": "Pascal VOC",
    "kth_tips2b": "KTH-TIPS2b",
    "imagenet": "ImageNet",
}


@dataclass(frozen=True)
class Verdict:
    """What some runs say of a finding.

    Attributes
    ----------
    runs : tuple of str
        Their names; none where there is no run to ask.
    about : str
        What in them, such as "test" or "train, entropy"; "" for all.
    word : {"holds", "does not hold", "cannot be told"}
    numbers : str
        One short line; fractions lie in 0..1.
    why : str
        Why it cannot be told; else "".
    """

    runs: tuple[str, ...]
    about: str
    word: str
    numbers: str = ""
    why: str = ""


Judgement = tuple[bool, str]  # whether it holds, and the numbers
Check = Callable[[Sequence[Run]], list[Verdict]]


@dataclass(frozen=True)
class Finding:
    """One claim of the paper, and how a run is asked about it.

    Attributes
    ----------
    key : str
        For tables.
    sentence : str
        The claim.
    source : str
        Where the paper makes it: v1 is the first version on arXiv, v2 the ECCV paper's supplement.
    criterion : str
        When it holds, with the numbers used.
    needs : str
        Which runs can speak to it.
    check : callable
        Runs -> verdicts. Gets only runs that `data`, `true_labels` and `epochs` let through, and
        runs of another network than `network` one by one.
    data : str
        Name of the data source that the claim is about; "" for any.
    network : str
        Network that the claim is about, with whatever stem; "" for any. Runs of others get numbers,
        but they cannot tell.
    true_labels : bool
        Whether runs with label noise are left out.
    epochs : bool
        Whether runs without a recorded epoch are left out.
    once : bool
        Whether one case that shows it is enough ("agreement can ...").
    """

    key: str
    sentence: str
    source: str
    criterion: str
    needs: str
    check: Check
    data: str = ""
    network: str = ""
    true_labels: bool = True
    epochs: bool = True
    once: bool = False

    def verdicts(self, runs: Sequence[Run]) -> list[Verdict]:
        """What each run, or several together, say; at least one verdict."""
        asked = [run for run in runs if self.data in ("", run.data_set)]
        if not asked:
            what = f" on {DATA[self.data]}" if self.data else ""
            return [Verdict((), "", UNTOLD, why=f"no run{what}")]
        refused = {run.name: why for run in asked if (why := self._unfit(run))}
        fit = [run for run in asked if run.name not in refused]
        named = [run for run in fit if run.all_of(self.network)]
        return [
            *(self.check(named) if named else []),
            *(self._of_other(run, v) for run in fit if run not in named for v in self.check([run])),
            *(Verdict((name,), "", UNTOLD, why=why) for name, why in refused.items()),
        ]

    def _of_other(self, run: Run, verdict: Verdict) -> Verdict:
        """What a run of another network shows, and that the paper has not said so of it."""
        why = f"the paper says this of {self.network}; here {run.network}"
        if verdict.why:
            why += f"; {verdict.why}"
        return replace(verdict, word=UNTOLD, why=why)

    def _unfit(self, run: Run) -> str:
        if self.epochs and not run.has_epochs:
            return "no epoch is recorded yet"
        if self.true_labels and run.label_noise > 0:
            return f"{run.label_noise:.3f} of its training labels are not the original ones"
        return ""

    def overall(self, verdicts: Sequence[Verdict]) -> str:
        """The word for all verdicts together: one counterexample is enough, or one example."""
        words = {v.word for v in verdicts}
        decisive = (HOLDS, FAILS) if self.once else (FAILS, HOLDS)
        return next((word for word in decisive if word in words), UNTOLD)


def judged(names: Sequence[str], about: str, judge: Callable[[], Judgement]) -> Verdict:
    """The verdict that `judge` comes to, or why it cannot."""
    try:
        holds, numbers = judge()
    except CannotTellError as error:
        return Verdict(tuple(names), about, UNTOLD, error.numbers, str(error))
    return Verdict(tuple(names), about, HOLDS if holds else FAILS, numbers)


def noting(judgement: Callable[[], Judgement], note: str) -> Judgement:
    """The same judgement, with a note at the end of its numbers; "" for none."""
    try:
        holds, numbers = judgement()
    except CannotTellError as error:
        raise CannotTellError(str(error), _noted(error.numbers, note)) from error
    return holds, _noted(numbers, note)


def _noted(numbers: str, note: str) -> str:
    return "; ".join((numbers, note)) if numbers and note else numbers


def each(judge: Callable[[Run], Judgement], about: str = "") -> Check:
    """A check that asks each run on its own."""

    def check(runs: Sequence[Run]) -> list[Verdict]:
        return [judged([run.name], about, functools.partial(judge, run)) for run in runs]

    return check


def each_run(split: str, judge: Callable[[Observed], Judgement]) -> Check:
    """A check that asks each run on its own about one of its splits."""
    return each(lambda run: judge(run.observed(split)), split)


def verdict_table(found: Sequence[tuple[Finding, Sequence[Verdict]]]) -> pd.DataFrame:
    """One row per verdict: ``finding``, ``source``, ``runs``, ``about``, ``verdict``, ...

    Parameters
    ----------
    found : sequence of (Finding, verdicts)

    Returns
    -------
    pandas.DataFrame
        ``finding`` (its key), ``source``, ``runs`` (names joined by a space; empty where no run can
        speak to it), ``about``, ``verdict`` (the three words), ``numbers``, ``why`` and
        ``sentence``.
    """
    rows = [
        {
            "finding": finding.key,
            "source": finding.source,
            "runs": " ".join(verdict.runs),
            "about": verdict.about,
            "verdict": verdict.word,
            "numbers": verdict.numbers,
            "why": verdict.why,
            "sentence": finding.sentence,
        }
        for finding, verdicts in found
        for verdict in verdicts
    ]
    columns = ["finding", "source", "runs", "about", "verdict", "numbers", "why", "sentence"]
    return pd.DataFrame(rows, columns=columns)
