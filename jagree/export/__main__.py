"""``python -m jagree.export RUN --to=FORMAT --out=FOLDER``: a record for the users of other tools.

docs/other_tools.md says what each format is read by and what of it is exact.
"""

import argparse
import sys
from collections.abc import Sequence

from jagree.errors import UsageError
from jagree.export import FORMATS, export


def run(arguments: Sequence[str]) -> int:
    """Export what the arguments say; the exit code."""
    formats = "\n".join(f"  {name:18} {found.what}" for name, found in FORMATS.items())
    parser = argparse.ArgumentParser(
        prog="python -m jagree.export",
        description=f"{__doc__}\nFormats:\n{formats}",
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("run", metavar="RUN", help="a folder that holds record.zarr, or its URL")
    parser.add_argument("--to", metavar="FORMAT", required=True, help=", ".join(FORMATS))
    parser.add_argument("--out", metavar="FOLDER", required=True, help="empty or new")
    parser.add_argument("--split", default="train", help="default: train")
    parser.add_argument(
        "--members", metavar="K", type=int, nargs="+", help="default: all that were recorded"
    )
    parser.add_argument(
        "--epoch", metavar="E", type=int, help="for formats of one epoch; default: the last one"
    )
    parser.add_argument(
        "--per_member", action="store_true", help="for cleanlab: arrays of each member besides"
    )
    options = vars(parser.parse_args(arguments))
    try:
        print(export(options.pop("run"), options.pop("to"), options.pop("out"), **options))
    except UsageError as error:
        print(f"jagree: {error}", file=sys.stderr)
        return 2
    except OSError as error:
        print(f"jagree: {error}; nothing was exported", file=sys.stderr)
        return 2
    return 0


if __name__ == "__main__":
    sys.exit(run(sys.argv[1:]))
