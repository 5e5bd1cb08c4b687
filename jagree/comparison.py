"""Several runs as one study, in a folder of its own. Needs no JAX.

FOLDER/study.json     which runs, on which data, in which epochs, by which versions
FOLDER/results/*.csv  tables: `jagree.study.several.Several`
FOLDER/figures/       PNG and PDF
FOLDER/report.html    for people
"""

from __future__ import annotations

import json
import os
import textwrap
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from jagree.console import say
from jagree.errors import UsageError
from jagree.paths import as_path, is_remote, make_folder, write
from jagree.runfolder import now, versions
from jagree.words import enumeration

if TYPE_CHECKING:  # slow to import
    from jagree.figures import Drawn
    from jagree.study.several import OpenRun, Several

FOLDER = "together"  # in the deepest folder that holds all runs
MARK = "study.json"
KIND = "several runs"
COLUMNS = 100  # letters, of a line on the terminal


def folder_of(runs: Sequence[str | Path], out: str | None) -> Path:
    """Where a study of these runs goes.

    Parameters
    ----------
    runs : sequence of path
    out : str or None
        As it was asked for; None: ``together`` in the deepest folder that holds all runs.

    Raises
    ------
    UsageError
        If that would be the root of a disk, or they are in different stores.
    """
    if out is not None:
        return as_path(out)
    from jagree.study.named import as_given, common_parent

    above = common_parent([as_given(run) for run in runs])
    if above is None:
        raise UsageError(
            "no folder but the root holds all these runs; say with --out=FOLDER where the study of "
            "all of them is to go"
        )
    return above / FOLDER


def check_folder(folder: Path) -> dict[str, Any]:
    """What the study in a folder says of itself; nothing if the folder is new or empty.

    Raises
    ------
    UsageError
        If it holds something else.
    """
    if folder.exists() and not folder.is_dir():
        raise UsageError(f"'{folder}' is a file; name another folder with --out=FOLDER")
    names = {entry.name for entry in folder.iterdir()} if folder.is_dir() else set()
    if not names - {f"{MARK}.partial"}:  # left by a process killed at its very start
        return {}
    try:
        about = json.loads((folder / MARK).read_text())
        if about["kind"] == KIND:
            return dict(about)
    except (OSError, ValueError, KeyError, TypeError):
        pass
    raise UsageError(
        f"'{folder}' holds something else than a study of several runs, which would be mixed with "
        "it; name another folder with --out=FOLDER"
    )


def compare_runs(
    runs: Sequence[str | Path],
    folder: Path,
    leave_out: Sequence[int] | None = None,
    palette: str | None = None,
) -> None:
    """Study runs on the same data together, and write what is found.

    Parameters
    ----------
    runs : sequence of path
        Run folders, two or more.
    folder : Path
        New, empty, or with such a study, whose files are written anew.
    leave_out : sequence of int, optional
        Members to do without in all runs; by default what each run's config says.
    palette : str, optional
        Of the figures; by default what the runs' configs say, if they agree.

    Raises
    ------
    UsageError
        If the runs are not of the same data, one cannot be read, or the folder cannot be used.
    """
    from jagree.report.several import paragraphs
    from jagree.study.several import compare, open_several

    before = check_folder(folder)
    opened = open_several(runs, leave_out)
    found = compare(opened)
    try:
        _write(folder, opened, found, palette)
    except OSError as error:
        raise UsageError(
            f"cannot write to '{error.filename or folder}' ({error.strerror}); name another folder "
            "with --out=FOLDER"
        ) from error
    for text in [*paragraphs(found), *found.notes]:
        say(textwrap.fill(text, COLUMNS, subsequent_indent="  ", break_long_words=False))
    replaced = [run["name"] for run in before.get("runs", [])]
    if replaced and replaced != [run.name for run in opened]:
        say(f"In place of the study of {enumeration(replaced)}.")
    say(f"together: {folder / 'report.html'}; tables in {folder / 'results'}")


def _about(runs: Sequence[OpenRun], found: Several) -> dict[str, Any]:
    """What study.json says."""
    from jagree.study.remarks import span

    return {
        "kind": KIND,
        "made": now(),
        "versions": versions(),
        "runs": [
            {
                "name": run.name,
                "path": str(run.path),
                "networks": run.networks,
                "seed": run.seed,
                "epochs": span(run.epochs),
            }
            for run in runs
        ],
        "data": {
            split: {
                "fingerprint": str(runs[0].record[split].attrs["fingerprint"]),
                "examples": int(runs[0].record[split].sizes["example"]),
            }
            for split in found.together["split"].unique()
        },
        "epochs": span(found.together["epoch"].unique().tolist()),
        "notes": list(found.notes),
    }


def _write(folder: Path, runs: Sequence[OpenRun], found: Several, palette: str | None) -> None:
    """The mark first, so that the folder is known for what it is if this is stopped."""
    from jagree import figures
    from jagree.report.several import write_several

    make_folder(folder)
    about = _about(runs, found)
    write(folder / MARK, f"{json.dumps(about, indent=2)}\n".encode())
    make_folder(folder / "results")
    for name, table in found.tables().items():
        write(folder / "results" / f"{name}.csv", table.to_csv(index=False).encode())
    drawn = _draw(runs, found, palette)
    for name, one in drawn.items():
        figures.save(one.figure, folder / "figures" / name)
    links = [_link(folder, run.path / "report.html") for run in runs]
    write_several(folder / "report.html", found, drawn, links)


def _draw(runs: Sequence[OpenRun], found: Several, palette: str | None) -> dict[str, Drawn]:
    from jagree import figures
    from jagree.figures.run_pairs import draw_run_pairs
    from jagree.figures.runs import draw_runs

    palettes = {str(run.config.get("study.palette", "safe")) for run in runs}
    colours = figures.palette_of(palette or (palettes.pop() if len(palettes) == 1 else "safe"))
    return {
        "runs": figures.Drawn(
            "Agreement of each run",
            "Agreement and accuracy over the epochs that each run recorded.",
            draw_runs(found.agreement, colours),
        ),
        "run_pairs": figures.Drawn(
            "Pairs of networks",
            "How far two networks agree: on the diagonal both are of one run, elsewhere one is of "
            "each. Where all cells are alike, it does not matter of which run a network is.",
            draw_run_pairs(found.across, colours),
        ),
    }


def _link(folder: Path, report: Path) -> str:
    """A run's own report, seen from the folder; "" if there is none."""
    if not report.exists():
        return ""
    if is_remote(report) or is_remote(folder):
        return str(report)
    path = Path(os.path.relpath(report.resolve(), folder.resolve()))
    return "/".join(_quoted(part) for part in path.parts)


def _quoted(part: str) -> str:
    from urllib.parse import quote

    return quote(part, safe="=,")
