"""A sweep from beginning to end, as ``launch/sweep.py`` and ``jagree.main`` start it."""

import fcntl
import shlex
import signal
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any

from jagree import commandline, stages
from jagree.console import say
from jagree.errors import UsageError
from jagree.paths import write
from jagree.runfolder import RunFolder
from jagree.sweep import grid as grids
from jagree.sweep import plan, summary
from jagree.sweep.plan import Run
from jagree.sweep.workers import Outcome, Workers, device, shell
from jagree.words import counted

FAILED = 1  # exit code: some runs failed, the others are done


@dataclass(frozen=True)
class Options:
    """What flags say about a sweep, its config aside.

    Attributes
    ----------
    grid : sequence of str
        As `jagree.sweep.grid.parse` takes them; added to what the config's file has.
    combine : str or None
        One of `jagree.sweep.grid.COMBINATIONS`; None: what the file says, or "product".
    workdir : str or None
        The sweep's folder; None: runs/NAME, or runs/NAME_sweep of a file without a grid.
    stages : sequence of str
        Of each run.
    parallel : int or None
        Runs at a time; None: one, or one on each device.
    devices : sequence of str
        Values of CUDA_VISIBLE_DEVICES, shared out to the runs; empty: it is left as it is.
    dry_run : bool
        Whether to print the commands, and do nothing.
    """

    grid: Sequence[str] = ()
    combine: str | None = None
    workdir: str | None = None
    stages: Sequence[str] = tuple(stages.STAGES)
    parallel: int | None = None
    devices: Sequence[str] = ()
    dry_run: bool = False


def sweep(options: Options) -> int:
    """Run what is not done yet of the sweep that --config and the options describe.

    Returns
    -------
    int
        The exit code: 0; 1 if runs failed; 3 if images could not be measured; 75 if the sweep or
        its runs were told to end by the machine, 130 by the user.

    Raises
    ------
    UsageError
        Before any run begins, if something is wrong that can be known by then.
    """
    parallel = _parallel(options)
    stages.check_stages(options.stages)
    path, changed = commandline.given()
    own = grids.of_file(path.partition(":")[0])
    grid = grids.together(own, options.grid, options.combine)
    name = _name(path, changed)
    workdir = _workdir(options.workdir or f"runs/{name if own else f'{name}_sweep'}")
    runs = plan.make(path, changed, grid, workdir, options.stages, alone=own is not None)
    if options.dry_run:
        _print_commands(runs, options, parallel, workdir)
        return 0
    say(f"sweep {workdir}: {grids.describe(grid)}")
    return carry_out(runs, workdir, options.stages, parallel, options.devices)


def carry_out(
    runs: Sequence[Run],
    workdir: Path,
    wanted: Sequence[str],
    parallel: int = 1,
    devices: Sequence[str] = (),
) -> int:
    """Run what is not done yet, then show and keep the table of all; the exit code.

    Parameters
    ----------
    runs : sequence of Run
    workdir : Path
        The sweep's folder.
    wanted : sequence of str
        The stages of each run.
    parallel : int
        Runs at a time.
    devices : sequence of str
        See `Options`.

    Raises
    ------
    UsageError
        If another sweep is at work in the folder, or it cannot be written.
    """
    with _lock(workdir):
        finished = {run.name for run in runs if plan.done(run, wanted)}
        if finished:
            say(f"{counted(len(finished), 'run')} of {len(runs)} done already")
        todo = [run for run in runs if run.name not in finished]
        folders = {run.name: run.folder for run in todo}
        workers = Workers(todo, parallel, devices, say, busy=lambda name: _busy(folders[name]))
        outcome = workers.run()
        return _conclude(runs, outcome, workdir, wanted)


def _name(path: str, changed: dict[str, Any]) -> str:
    return str(changed.get("name") or commandline.load([f"--config={path}"]).name)


def _parallel(options: Options) -> int:
    """How many runs at a time; a UsageError if that and the devices do not fit."""
    if options.parallel is not None and options.parallel < 1:
        raise UsageError(f"--parallel must be 1 or more, not {options.parallel}")
    if any(not name.strip() for name in options.devices):
        raise UsageError("--devices has an empty name; list them as in --devices=0,1,2")
    parallel = options.parallel or max(1, len(options.devices))
    if parallel < len(options.devices):
        raise UsageError(
            f"--parallel={parallel} leaves some of the {len(options.devices)} devices idle; give "
            f"--parallel={len(options.devices)}, or fewer --devices"
        )
    return parallel


def _workdir(given: str) -> Path:
    """The sweep's folder; a UsageError if it cannot be one."""
    workdir = Path(given)
    if "://" in given:
        raise UsageError(
            f"a sweep keeps its logs beside its runs, in a local folder, not in '{given}'; copy "
            "it when it is done"
        )
    if (workdir / "run.json").exists():
        raise UsageError(
            f"'{workdir}' is the folder of one run; choose another --workdir for the sweep"
        )
    return workdir


def _print_commands(runs: Sequence[Run], options: Options, parallel: int, workdir: Path) -> None:
    for number, run in enumerate(runs):
        print(shell(run.command, device(number % parallel, options.devices)))
    done = sum(plan.done(run, options.stages) for run in runs)
    also = f", {done} of them done already" if done else ""
    print(f"# {counted(len(runs), 'run')} in {workdir}{also}")


def _lock(workdir: Path) -> IO[str]:
    """Make the sweep's folder and keep other sweeps out of it for as long as the file is open."""
    try:
        (workdir / "logs").mkdir(parents=True, exist_ok=True)
        lock = (workdir / ".lock").open("w")
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError as error:
        lock.close()
        raise UsageError(
            f"another sweep is at work in '{workdir}'; wait for it, or use another --workdir"
        ) from error
    except OSError as error:
        raise UsageError(
            f"cannot write to the sweep's folder '{workdir}' ({error.strerror}); choose another "
            "--workdir"
        ) from error
    return lock


def _busy(folder: Path) -> bool:
    """Whether a run is still at work that an earlier sweep began, and could not end."""
    try:
        return bool(RunFolder(folder).at_work)
    except UsageError:  # the run will say what is wrong with its folder
        return False


def _conclude(runs: Sequence[Run], outcome: Outcome, workdir: Path, wanted: Sequence[str]) -> int:
    """Show and keep the table of all runs, name those that failed; the exit code."""
    from jagree.study import side_by_side

    rows = [_row(run, outcome, wanted) for run in runs]
    kept = workdir / "sweep.csv"
    write(kept, summary.together(kept, side_by_side.table(rows)).to_csv(index=False).encode())
    say("")
    say(side_by_side.text(rows))
    for r in rows:
        if "problem" in r:
            say(f"{r['name']}: {r['problem']}")
    say(f"\ntable: {kept}")
    if any(r["epochs_recorded"] == r["epochs_recorded"] for r in rows):  # it is nan where none is
        say(f"next:  python -m jagree.study {shlex.quote(str(workdir))}")
    failed = [(run, r) for run, r in zip(runs, rows, strict=True) if r["status"] == "failed"]
    if failed:
        print(f"jagree: {counted(len(failed), 'run')} of {len(runs)} failed:", file=sys.stderr)
        for run, r in failed:
            reason = outcome.reasons.get(run.name) or r["problem"]
            print(f"  {run.name}: {reason} ({run.log})", file=sys.stderr)
    return _code([r["status"] for r in rows], outcome)


def _row(run: Run, outcome: Outcome, wanted: Sequence[str]) -> dict[str, Any]:
    """The run's row of the table; a run.json that was damaged meanwhile is a ``problem``."""
    from jagree.study import side_by_side

    known = {"name": run.name, **run.changes}
    try:
        about = run.about()
        status = _status(run, about, outcome, wanted)
        return {**known, "status": status, **side_by_side.row(run.folder, about)}
    except UsageError as error:
        problem = str(error)
    except (KeyError, TypeError, ValueError, AttributeError, IndexError) as error:
        problem = f"'{run.folder / 'run.json'}' is damaged ({type(error).__name__}: {error})"
    status = "failed" if run.name in outcome.codes else "waiting"
    return {**known, "status": status, **side_by_side.row(run.folder, {}), "problem": problem}


def _status(run: Run, about: Mapping[str, Any], outcome: Outcome, wanted: Sequence[str]) -> str:
    """Where a run stands after the sweep, in the words of --status where it has one."""
    if plan.done(run, wanted):
        return "done, but for images" if plan.lacks_images(run) else "done"
    code = outcome.codes.get(run.name)
    if code in (0, commandline.INCOMPLETE):
        return "done" if code == 0 else "done, but for images"
    if code == commandline.PREEMPTED:
        return "preempted"
    if code is not None and run.name not in outcome.stopped:
        return "failed"
    left = about.get("status")
    if left in ("preempted", "interrupted"):
        return str(left)
    return "process gone" if left == "training" else "waiting"


def _code(statuses: Sequence[str], outcome: Outcome) -> int:
    if outcome.stopped_by == signal.SIGINT:
        return commandline.interrupted("where its runs were stopped")
    if outcome.stopped_by or commandline.PREEMPTED in outcome.codes.values():
        print("stopped; the same command goes on where its runs were stopped", file=sys.stderr)
        return commandline.PREEMPTED
    if "failed" in statuses:
        return FAILED
    return commandline.INCOMPLETE if "done, but for images" in statuses else 0
