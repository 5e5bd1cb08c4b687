"""``python -m jagree.study RUN``: tables, figures and report of a run's record, without JAX."""

import sys
from collections.abc import Sequence

from jagree.errors import UsageError


def run(arguments: Sequence[str]) -> int:
    """Analyse one run folder; the exit code."""
    from jagree import stages

    try:
        if len(arguments) != 1 or arguments[0].startswith("-"):
            raise UsageError("usage: python -m jagree.study RUN, the folder that holds record.zarr")
        stages.analyse_run(arguments[0])
    except UsageError as error:
        print(f"jagree: {error}", file=sys.stderr)
        return 2
    return 0


if __name__ == "__main__":
    sys.exit(run(sys.argv[1:]))
