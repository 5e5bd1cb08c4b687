"""What a finding is, and what can be said of it."""

from __future__ import annotations

import functools
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

import pandas as pd

from jagree.study.findings.evidence import CannotTellError, Run
from jagree.study.findings.observed import Observed
from jagree.study.findings.recipes import besides, differing
from jagree.words import enumeration

HOLDS, FAILS, UNTOLD = "holds", "does not hold", "cannot be told"
NO_SUCH = "no such runs are given"
CONFOUNDED = "recipes differ"  # of runs that are compared, in more than what is compared
UNKNOWN_RECIPE = "recipes not known"
SAMPLE = "on a sample of the data"
CAVEATS = (CONFOUNDED, UNKNOWN_RECIPE, SAMPLE)

COLUMNS = (
    "finding",
    "overall",
    "source",
    "runs",
    "about",
    "verdict",
    "numbers",
    "why",
    "caveats",
    "sentence",
    "criterion",
    "needs",
)
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
    caveats : tuple of str
        What makes it weaker than it looks, of `CAVEATS`.
    """

    runs: tuple[str, ...]
    about: str
    word: str
    numbers: str = ""
    why: str = ""
    caveats: tuple[str, ...] = ()


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
    compares : tuple of str or None
        Fields of the config in which runs that it compares are to differ; None if it compares none.
        Where their recipes differ in others, the verdict says so.
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
    compares: tuple[str, ...] | None = None

    def verdicts(self, runs: Sequence[Run]) -> list[Verdict]:
        """What each run, or several together, say; at least one verdict."""
        named = {run.name: run for run in runs}
        return [self._qualified(v, [named[name] for name in v.runs]) for v in self._plain(runs)]

    def _qualified(self, verdict: Verdict, runs: Sequence[Run]) -> Verdict:
        """The verdict with what is to be known of the runs."""
        numbers, caveats = verdict.numbers, list[str]()
        if self.compares is not None and len(runs) > 1 and numbers:
            numbers = f"{numbers}; {besides(runs, self.compares)}"
        if self.compares is not None and len(runs) > 1:
            caveats += [UNKNOWN_RECIPE] if not all(run.about.config for run in runs) else []
            caveats += [CONFOUNDED] if set(differing(runs, self.compares)) - {"seed"} else []
        caveats += [SAMPLE] if any(run.is_sample for run in runs) else []
        return replace(verdict, numbers=numbers, caveats=tuple(caveats))

    def _plain(self, runs: Sequence[Run]) -> list[Verdict]:
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
        """The word for all verdicts together: one counterexample is enough, or one example.

        Runs on samples of the data decide only where no other run does.
        """
        return self._together(self._counted(verdicts))

    def _counted(self, verdicts: Sequence[Verdict]) -> Sequence[Verdict]:
        """Those that decide: of runs on all data, if these can."""
        whole = [verdict for verdict in verdicts if SAMPLE not in verdict.caveats]
        return verdicts if self._together(whole) == UNTOLD else whole

    def _together(self, verdicts: Sequence[Verdict]) -> str:
        words = self.by_runs(verdicts).values()
        decisive = (HOLDS, FAILS) if self.once else (FAILS, HOLDS)
        return next((word for word in decisive if word in words), UNTOLD)

    def by_runs(self, verdicts: Sequence[Verdict]) -> dict[tuple[str, ...], str]:
        """Names of runs -> the word for all that they were asked.

        What a sentence says of several things holds where it holds for each of them; where one case
        is enough, for one.
        """
        found: dict[tuple[str, ...], str] = {}
        order = (HOLDS, FAILS, UNTOLD) if self.once else (FAILS, UNTOLD, HOLDS)
        for verdict in verdicts:
            before = found.get(verdict.runs, verdict.word)
            found[verdict.runs] = min(before, verdict.word, key=order.index)
        return found

    def caveats(self, verdicts: Sequence[Verdict]) -> list[str]:
        """What is to be known of the overall word.

        The caveats of what decides it, where all of that has some; and which samples, that do not
        count beside runs on all data, say otherwise.
        """
        counted = self._counted(verdicts)
        words, overall = self.by_runs(verdicts), self._together(counted)
        if overall == UNTOLD:
            return []
        deciding = [v for v in counted if v.word == words[v.runs] == overall]
        weak = {caveat for v in deciding for caveat in v.caveats}
        found = [c for c in CAVEATS if c in weak and all(v.caveats for v in deciding)]
        opposite = {HOLDS: FAILS, FAILS: HOLDS}[overall]
        beside = dict.fromkeys(v.runs for v in verdicts if v not in counted)
        against = [" and ".join(runs) for runs in beside if words[runs] == opposite]
        if against and not self.once:
            found.append(f"on a sample otherwise: {enumeration(against)}")
        return found


def judged(names: Sequence[str], about: str, judge: Callable[[], Judgement]) -> Verdict:
    """The verdict that `judge` comes to, or why it cannot."""
    try:
        holds, numbers = judge()
    except CannotTellError as error:
        return Verdict(tuple(names), about, UNTOLD, error.numbers, str(error))
    return Verdict(tuple(names), about, HOLDS if holds else FAILS, numbers)


def each(judge: Callable[[Run], Judgement], about: str = "") -> Check:
    """A check that asks each run on its own."""

    def check(runs: Sequence[Run]) -> list[Verdict]:
        return [judged([run.name], about, functools.partial(judge, run)) for run in runs]

    return check


def each_run(split: str, judge: Callable[[Observed], Judgement]) -> Check:
    """A check that asks each run on its own about one of its splits."""
    return each(lambda run: judge(run.observed(split)), split)


def verdict_table(found: Sequence[tuple[Finding, Sequence[Verdict]]]) -> pd.DataFrame:
    """One row per verdict, with the criterion and the word for all of them.

    Parameters
    ----------
    found : sequence of (Finding, verdicts)

    Returns
    -------
    pandas.DataFrame
        ``finding`` (its key), ``overall`` (one of the three words, for all runs), ``source``,
        ``runs`` (names joined by a space; empty where no run can speak to it), ``about``,
        ``verdict`` (one of the three words), ``numbers``, ``why``, ``caveats`` (joined by "; "),
        ``sentence``, ``criterion`` and ``needs``.
    """
    rows = [
        {
            "finding": finding.key,
            "overall": finding.overall(verdicts),
            "source": finding.source,
            "runs": " ".join(verdict.runs),
            "about": verdict.about,
            "verdict": verdict.word,
            "numbers": verdict.numbers,
            "why": verdict.why,
            "caveats": "; ".join(verdict.caveats),
            "sentence": finding.sentence,
            "criterion": finding.criterion,
            "needs": finding.needs,
        }
        for finding, verdicts in found
        for verdict in verdicts
    ]
    return pd.DataFrame(rows, columns=list(COLUMNS))
