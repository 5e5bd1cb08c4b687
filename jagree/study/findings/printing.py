"""The findings as a person reads them, in lines of at most 100 columns."""

from __future__ import annotations

import textwrap
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence

from jagree.study.findings.evidence import Run
from jagree.study.findings.verdicts import (
    CAVEATS,
    DATA,
    FAILS,
    HOLDS,
    UNTOLD,
    Finding,
    Verdict,
)
from jagree.words import SPACE, counted

WIDTH = 100
INDENT = "    "
WORDS = (HOLDS, FAILS, UNTOLD)
Found = Sequence[tuple[Finding, Sequence[Verdict]]]


def report(runs: Sequence[Run], found: Found, parts: Iterable[tuple[str, int]]) -> str:
    """All of it.

    Parameters
    ----------
    runs : sequence of Run
    found : sequence of (Finding, verdicts)
        As `jagree.study.findings.check` gives them.
    parts : iterable of (title, number)
        Headings of the parts, and how many findings each has.

    Notes
    -----
    Findings on data of which there is no run are listed by their keys at the end.
    """
    lines = [*_runs(runs), ""]
    start = 0
    for title, number in parts:
        told = [(f, v) for f, v in found[start : start + number] if not _of_other_data(f, v)]
        start += number
        if told:
            lines += [title.upper(), ""]
        for finding, verdicts in told:
            lines += [*_finding(finding, verdicts), ""]
    lines += [*_missing(found), *_summary(found)]
    return "\n".join(lines)


def _runs(runs: Sequence[Run]) -> Iterator[str]:
    yield f"The paper's findings, checked on {counted(len(runs), 'run')}."
    for run in runs:
        yield from _wrapped(f"{run.name}: {run.summary()} ({run.path})", "  ")
        for note in run.notes:
            yield from _wrapped(note, "      ")


def _finding(finding: Finding, verdicts: Sequence[Verdict]) -> Iterator[str]:
    heading = f"{finding.overall(verdicts).upper()}{_share(finding, verdicts)}: {finding.sentence}"
    source = finding.source.replace(" ", SPACE)
    yield from _wrapped(f"{heading} [{source}]", "", "  ")
    if not any(verdict.numbers for verdict in verdicts):
        yield from _wrapped(f"needs: {finding.needs}", INDENT)
    yield from _wrapped(f"criterion: {finding.criterion}", INDENT)
    for verdict in verdicts:
        yield from _wrapped(_verdict(verdict), INDENT)


def _share(finding: Finding, verdicts: Sequence[Verdict]) -> str:
    """For how many runs, or for how many parts of one, where they differ; and what weakens it."""
    by_runs = finding.by_runs(verdicts)
    what = "run" if all(len(runs) < 2 for runs in by_runs) else "case"
    told = _counts([*by_runs.values()], "in", what)
    if not told and len(by_runs) == 1:
        told = _counts([verdict.word for verdict in verdicts], "for", "part")
    said = [told, *finding.caveats(verdicts)]
    return f" ({'; '.join(filter(None, said))})" if any(said) else ""


def _counts(words: Sequence[str], preposition: str, what: str) -> str:
    """ "holds in 1 of 3 runs, cannot be told in 2"; "" where all are alike."""
    counts = Counter(words)
    told = [f"{word} {preposition} {counts[word]}" for word in WORDS if counts[word]]
    told[0] += f" of {counted(len(words), what)}"
    return ", ".join(told) if len(told) > 1 else ""


def _verdict(verdict: Verdict) -> str:
    where = "; ".join(filter(None, [" and ".join(verdict.runs), verdict.about]))
    said = f"{verdict.word} ({verdict.why})" if verdict.why else verdict.word
    return f"- {where}: {said}" + (f"; {verdict.numbers}" if verdict.numbers else "")


def _of_other_data(finding: Finding, verdicts: Sequence[Verdict]) -> bool:
    return bool(finding.data) and not any(verdict.runs for verdict in verdicts)


def _missing(found: Found) -> Iterator[str]:
    """Keys of the findings on data that no run is on, by data."""
    keys: dict[str, list[str]] = {}
    for finding, verdicts in found:
        if _of_other_data(finding, verdicts):
            keys.setdefault(finding.data, []).append(finding.key)
    if keys:
        yield "CANNOT BE TOLD, for want of data"
    for data, names in keys.items():
        yield from _wrapped(f"no run on {DATA[data]}: {', '.join(names)}", INDENT)
    if keys:
        yield ""


def _summary(found: Found) -> Iterator[str]:
    counts = Counter(finding.overall(verdicts) for finding, verdicts in found)
    told = ", ".join(f"{word}: {counts[word]}" for word in WORDS)
    yield f"Of {len(found)} findings: {told}."
    weak = [f.key for f, v in found if set(f.caveats(v)) & set(CAVEATS)]
    if weak:
        why = "only samples of the data, or runs whose recipes differ or are not known, decide"
        yield from _wrapped(f"Weak, since {why}: {', '.join(weak)}.", "")


def _wrapped(text: str, indent: str, further: str | None = None) -> list[str]:
    hanging = indent + "  " if further is None else further
    return textwrap.wrap(
        text,
        WIDTH,
        initial_indent=indent,
        subsequent_indent=hanging,
        break_on_hyphens=False,
    )
