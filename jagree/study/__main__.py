"""``python -m jagree.study RUN``: tables, figures and report of a run's record, without JAX."""

import argparse
import sys
from collections.abc import Sequence

from jagree.errors import UsageError


def run(arguments: Sequence[str]) -> int:
    """Analyse one run folder; the exit code."""
    from jagree import analysis

    parser = argparse.ArgumentParser(prog="python -m jagree.study", description=__doc__)
    parser.add_argument("run", metavar="RUN", help="the folder that holds record.zarr")
    parser.add_argument(
        "--leave_out",
        metavar="K",
        type=int,
        nargs="+",
        help="members to do without, diverged ones say; default: what the run's config says",
    )
    options = parser.parse_args(arguments)
    try:
        analysis.analyse_run(options.run, options.leave_out)
    except UsageError as error:
        print(f"jagree: {error}", file=sys.stderr)
        return 2
    return 0


if __name__ == "__main__":
    sys.exit(run(sys.argv[1:]))
