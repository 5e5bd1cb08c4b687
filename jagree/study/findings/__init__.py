"""The paper's findings, checked on runs: each holds, does not hold, or cannot be told.

`FINDINGS` has them in the paper's order, each with its criterion; the thresholds stand at the top
of the module that uses them. A run is read by `evidence` and `observed`; nothing here needs JAX.
"""

from collections.abc import Sequence

from jagree.study.findings import (
    comparisons,
    complexity,
    dynamics,
    histograms,
    kth,
    objects,
    random_labels,
    voc,
)
from jagree.study.findings.evidence import Run, open_runs
from jagree.study.findings.verdicts import (
    FAILS,
    HOLDS,
    UNTOLD,
    Finding,
    Verdict,
    verdict_table,
)

__all__ = [
    "DYNAMICS",
    "FAILS",
    "FINDINGS",
    "HOLDS",
    "STATISTICS",
    "UNTOLD",
    "Finding",
    "Run",
    "Verdict",
    "check",
    "open_runs",
    "verdict_table",
]

DYNAMICS: tuple[Finding, ...] = (
    dynamics.ABOVE_CHANCE,
    dynamics.ABOVE_ACCURACY,
    comparisons.STD_WITHIN,
    comparisons.STD_ACROSS,
    comparisons.ACROSS,
    comparisons.EVERYWHERE,
    complexity.BATCH_AND_DEPTH,
    random_labels.RANDOM_LATER,
    random_labels.RANDOM_PRESENT,
    dynamics.ORDER_OF_BOUNDS,
    dynamics.AGREEMENT_STD,
    dynamics.PABAK_SLOW,
    dynamics.PABAK_FAST,
    dynamics.TEST_AGREEMENT,
    dynamics.TEST_DEVIATION,
)
STATISTICS: tuple[Finding, ...] = (
    *voc.FINDINGS,
    *kth.FINDINGS,
    *objects.FINDINGS,
    *histograms.FINDINGS,
)
FINDINGS = DYNAMICS + STATISTICS


def check(runs: Sequence[Run]) -> list[tuple[Finding, list[Verdict]]]:
    """Every finding with what the runs say of it, in the paper's order.

    Parameters
    ----------
    runs : sequence of Run
        As `open_runs` gives them.
    """
    return [(finding, finding.verdicts(runs)) for finding in FINDINGS]
