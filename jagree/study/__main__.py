"""``python -m jagree.study RUN [RUN ...]``: tables, figures and report of records, without JAX.

A RUN is a folder that holds record.zarr; a folder that holds such folders, as a sweep's, means all
of them. Of several runs a table is printed besides, with a line for each.
"""

import argparse
import sys
from collections.abc import Sequence

from jagree.errors import UsageError


def run(arguments: Sequence[str]) -> int:
    """Analyse run folders; the exit code."""
    parser = argparse.ArgumentParser(
        prog="python -m jagree.study",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument(
        "runs", metavar="RUN", nargs="+", help="a folder that holds record.zarr, or runs"
    )
    parser.add_argument(
        "--leave_out",
        metavar="K",
        type=int,
        nargs="+",
        help="members to do without, diverged ones say; default: what the run's config says",
    )
    options = parser.parse_args(arguments)
    try:
        return _analyse(options.runs, options.leave_out)
    except UsageError as error:
        print(f"jagree: {error}", file=sys.stderr)
        return 2


def _analyse(paths: Sequence[str], leave_out: Sequence[int] | None) -> int:
    """One run after the other, and the table of several; one that cannot be read stops no other."""
    from jagree import analysis
    from jagree.record.folders import run_folders
    from jagree.sweep import summary

    runs, others = run_folders(paths)
    if len(runs) == 1:
        analysis.analyse_run(runs[0], leave_out)
        return 0
    for other in others:
        print(f"left out, nothing is recorded there: {other}")
    failed = False
    for path in runs:
        try:
            analysis.analyse_run(path, leave_out)
        except UsageError as error:
            print(f"jagree: {path}: {error}", file=sys.stderr)
            failed = True
    print()
    print(summary.text([summary.of(path, leave_out) for path in runs]))
    return 2 if failed else 0


if __name__ == "__main__":
    sys.exit(run(sys.argv[1:]))
