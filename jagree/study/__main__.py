"""``python -m jagree.study RUN [RUN ...]``: tables, figures and report of records, without JAX.

A RUN is a folder that holds record.zarr, or its URL; a folder that holds such folders, as a
sweep's, means all of them. Of several runs a table is printed besides, with a line for each; and if
they are of the same data, they are studied together: do networks of different runs agree as those
of one do, and do they learn in the same order?
"""

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path

from jagree.errors import UsageError


def run(arguments: Sequence[str]) -> int:
    """Analyse run folders; the exit code."""
    parser = argparse.ArgumentParser(
        prog="python -m jagree.study",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument(
        "runs", metavar="RUN", nargs="+", help="a folder that holds record.zarr, or runs; or a URL"
    )
    parser.add_argument(
        "--leave_out",
        metavar="K",
        type=int,
        nargs="+",
        help="members to do without, diverged ones say; default: what the run's config says",
    )
    parser.add_argument(
        "--palette",
        choices=("safe", "paper"),
        help="colours of the figures; default: what the run's config says",
    )
    parser.add_argument(
        "--out",
        metavar="FOLDER",
        help="where several runs are studied together; default: together, in the deepest folder "
        "that holds all of them",
    )
    options = parser.parse_args(arguments)
    try:
        return _analyse(options.runs, options.leave_out, options.out, options.palette)
    except UsageError as error:
        print(f"jagree: {error}", file=sys.stderr)
        return 2


def _analyse(
    paths: Sequence[str], leave_out: Sequence[int] | None, out: str | None, palette: str | None
) -> int:
    """One run after the other, the table of several, and their study together."""
    from jagree import analysis, comparison
    from jagree.record.folders import run_folders
    from jagree.study import side_by_side

    runs, others = run_folders(paths)
    if len(runs) == 1:
        if out is not None:
            raise UsageError(
                f"--out is where several runs are studied together, but '{runs[0]}' is the only "
                "one; what is found of it goes into its own folder"
            )
        analysis.analyse_run(runs[0], leave_out, palette)
        return 0
    if out is not None:
        comparison.check_folder(comparison.folder_of(runs, out))
    for other in others:
        if not (other / comparison.MARK).exists():  # what this command wrote earlier
            print(f"left out, nothing is recorded there: {other}")
    readable, failed = [], False
    for path in runs:
        try:
            analysis.analyse_run(path, leave_out, palette)
            readable.append(path)
        except UsageError as error:
            print(f"jagree: {path}: {error}", file=sys.stderr)
            failed = True
            if isinstance(error.__cause__, PermissionError):  # its folder is somebody else's
                readable.append(path)
    print()
    print(side_by_side.text([side_by_side.of(path, leave_out) for path in runs]))
    print()
    return max(2 * failed, _together(readable, leave_out, out, palette))


def _together(
    runs: Sequence[str | Path],
    leave_out: Sequence[int] | None,
    out: str | None,
    palette: str | None,
) -> int:
    """The study of several runs as one; the exit code.

    That runs are of different data is no mistake unless their study was asked for.
    """
    from jagree import comparison
    from jagree.study.several import DifferentDataError

    if len(runs) < 2:
        print("jagree: not studied together: fewer than two runs could be read", file=sys.stderr)
        return 2
    try:
        comparison.compare_runs(runs, comparison.folder_of(runs, out), leave_out, palette)
    except UsageError as error:
        print(f"jagree: not studied together: {error}", file=sys.stderr)
        return 0 if isinstance(error, DifferentDataError) and out is None else 2
    return 0


if __name__ == "__main__":
    sys.exit(run(sys.argv[1:]))
