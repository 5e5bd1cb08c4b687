"""``python -m jagree.study.findings RUN [RUN ...]``: which of the paper's findings do runs show?

Each finding holds, does not hold, or cannot be told, with the numbers. A run is a folder that holds
record.zarr; statistics.zarr and run.json beside it are used if they are there. Nothing is written
but the table that --csv asks for. JAX is not needed.
"""

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path

from jagree.errors import UsageError
from jagree.record.folders import run_folders


def run(arguments: Sequence[str]) -> int:
    """Check the findings on run folders and print what is found; the exit code."""
    from jagree.study import findings
    from jagree.study.findings import printing

    parser = argparse.ArgumentParser(
        prog="python -m jagree.study.findings",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument(
        "runs", metavar="RUN", nargs="+", help="a folder that holds record.zarr, or its URL"
    )
    parser.add_argument("--csv", metavar="FILE", help="write the verdicts to a table, too")
    options = parser.parse_args(arguments)
    try:
        runs = findings.open_runs(_without_logs(options.runs))
        found = findings.check(runs)
        if options.csv:
            _write(findings.verdict_table(found).to_csv(index=False), Path(options.csv))
    except UsageError as error:
        print(f"jagree: {error}", file=sys.stderr)
        return 2
    parts = [
        ("Training dynamics", len(findings.DYNAMICS)),
        ("Image statistics", len(findings.STATISTICS)),
    ]
    print(printing.report(runs, found, parts))
    return 0


def _without_logs(paths: Sequence[str]) -> list[str]:
    """Of several paths, those that are no logs or tables beside runs, as ``runs/*`` gives them."""
    if len(paths) == 1:
        return list(paths)
    others = set(map(str, run_folders(paths)[1]))
    return [path for path in paths if "://" in path or str(Path(path)) not in others]


def _write(table: str, path: Path) -> None:
    try:
        path.write_text(table, encoding="utf-8")
    except OSError as error:
        raise UsageError(f"--csv: cannot write '{path}' ({error.strerror})") from error


if __name__ == "__main__":
    sys.exit(run(sys.argv[1:]))
