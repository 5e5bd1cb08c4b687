"""Which findings of the paper the run shows, as rows of a table."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

from jagree.study.findings import FAILS, HOLDS, UNTOLD, Finding, Verdict
from jagree.words import counted

WORDS = (HOLDS, FAILS, UNTOLD)
Checks = Sequence[tuple[Finding, Sequence[Verdict]]]


@dataclass(frozen=True)
class Row:
    """One finding; `said` has a line for each thing that was asked."""

    sentence: str
    criterion: str
    word: str
    caveats: str
    said: list[str]
    source: str

    @property
    def mark(self) -> str:
        """A class of the style sheet."""
        return {HOLDS: "holds", FAILS: "fails"}.get(self.word, "untold")


@dataclass(frozen=True)
class Findings:
    """Those that the run can tell of, the others, and a sentence on both."""

    sentence: str
    told: list[Row]
    untold: list[Row]


def findings(checks: Checks) -> Findings | None:
    """What a page shows of `jagree.study.findings.check`; None where nothing was checked."""
    if not checks:
        return None
    rows = [_row(finding, verdicts) for finding, verdicts in checks]
    counts = Counter(row.word for row in rows)
    told = [row for row in rows if row.word != UNTOLD]
    sentence = (
        f"Of {counted(len(rows), 'finding')} of the paper, {counts[HOLDS]} hold in this run, "
        f"{counts[FAILS]} do not, and {counts[UNTOLD]} cannot be told from it."
    )
    return Findings(sentence, told, [row for row in rows if row.word == UNTOLD])


def _row(finding: Finding, verdicts: Sequence[Verdict]) -> Row:
    overall = finding.overall(verdicts)
    said = [_line(verdict, overall, alone=len(verdicts) == 1) for verdict in verdicts]
    if not any(verdict.runs for verdict in verdicts):
        said.append(f"Needs {finding.needs}")
    return Row(
        sentence=finding.sentence,
        criterion=finding.criterion,
        word=overall,
        caveats="; ".join(finding.caveats(verdicts)),
        said=[line for line in said if line],
        source=finding.source,
    )


def _line(verdict: Verdict, overall: str, *, alone: bool) -> str:
    """One verdict: of what, its word where it is not the overall one, why, and the numbers."""
    word = verdict.word if verdict.word != overall and not alone else ""
    parts = [word, verdict.why, verdict.numbers]
    said = "; ".join(part for part in parts if part)
    return f"{verdict.about}: {said}" if verdict.about and said else said or verdict.about
