"""Runs side by side: where each stands, and what its last epoch says."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import pandas as pd

from jagree.errors import UsageError
from jagree.paths import as_path
from jagree.record import open_record
from jagree.runfolder import RunFolder
from jagree.study.tables import agreement_table
from jagree.words import NO_VALUE, duration

MEASURES = (
    "accuracy_mean",
    "accuracy_std",
    "true_positive_agreement",
    "chance_agreement",
    "chance_within_classes",
)
SPLITS = ("train", "test")


def of(path: str | Path, leave_out: Sequence[int] | None = None) -> dict[str, Any]:
    """As `row`, of a run folder by whomever, named by its folder.

    Parameters
    ----------
    path : path
        Holds ``record.zarr``; a run.json beside it is not needed.
    leave_out : sequence of int, optional
        Members to do without; by default what the run's config says.
    """
    folder = as_path(path)
    known, about = {"name": folder.name, "status": ""}, {}
    try:
        if (folder / "run.json").exists():
            about = RunFolder(folder).about
            known["status"] = about.get("status", "")
    except UsageError:  # who studies the run is told why
        known["status"] = "damaged"
    return known | row(folder, about, leave_out)


def row(
    folder: Path, about: Mapping[str, Any], leave_out: Sequence[int] | None = None
) -> dict[str, Any]:
    """What the last recorded epoch of a run says.

    Parameters
    ----------
    folder : Path
        The run folder.
    about : mapping
        What its run.json says; may be empty.
    leave_out : sequence of int, optional
        Members to do without; by default what the run's config says.

    Returns
    -------
    dict
        ``epochs_recorded``: the last one, none being nan. ``SPLIT_MEASURE`` for each of `SPLITS`
        and `MEASURES`: fractions, as in ``results/agreement.csv``; nan where nothing is recorded
        or the measure is not defined. ``seconds``: spent on training and recording, by all
        invocations together; nan if run.json does not say. ``problem``: why the record cannot be
        read, if so.
    """
    found: dict[str, Any] = {"epochs_recorded": float("nan")}
    found |= {f"{split}_{measure}": float("nan") for split in SPLITS for measure in MEASURES}
    spent = [i["train_seconds"] for i in about.get("invocations", []) if "train_seconds" in i]
    found["seconds"] = sum(spent) if spent else float("nan")
    if not (folder / "record.zarr").exists():
        return found
    if leave_out is None:
        leave_out = about.get("config", {}).get("study", {}).get("leave_out", ())
    try:
        record = open_record(folder / "record.zarr")
        last = {n: s.isel(epoch=slice(-1, None)) for n, s in record.items()}
        table = agreement_table(last, leave_out=leave_out)
    except (UsageError, OSError, ValueError, KeyError) as error:  # of a run that was damaged
        return found | {"problem": str(error)}
    for line in table.to_dict("records"):
        found["epochs_recorded"] = line["epoch"]
        if line["split"] in SPLITS:
            found |= {f"{line['split']}_{measure}": line[measure] for measure in MEASURES}
    return found


def table(rows: Sequence[Mapping[str, Any]]) -> pd.DataFrame:
    """Rows as a tidy table, epochs recorded as whole numbers where they are known."""
    return pd.DataFrame([{k: v for k, v in r.items() if k != "problem"} for r in rows]).astype(
        {"epochs_recorded": "Int64"}
    )


def text(rows: Sequence[Mapping[str, Any]]) -> str:
    """The table as people read it: a line for each run, in percent.

    Parameters
    ----------
    rows : sequence of mapping
        What `row` gives, with ``name`` and ``status``.
    """
    widths = {key: max(len(key), *(len(str(r[key])) for r in rows)) for key in ("name", "status")}
    start = sum(widths.values()) + 4 + 6
    numbers = f"  {'accuracy':>12}{'agreement':>11}{'chance':>7}{'in classes':>12}"
    lines = [
        " " * start + "".join(f"  {split + ' (%)':>12}{'':30}" for split in SPLITS),
        f"{'run':<{widths['name']}}  {'status':<{widths['status']}}  {'epochs':>6}"
        f"{numbers * len(SPLITS)}  training",
    ]
    for r in rows:
        recorded = r["epochs_recorded"]
        epochs = "" if recorded != recorded else f"{int(recorded)}"
        spent = "" if r["seconds"] != r["seconds"] else duration(float(r["seconds"]))
        lines.append(
            f"{r['name']:<{widths['name']}}  {r['status']:<{widths['status']}}  {epochs:>6}"
            + "".join(_numbers(r, split) for split in SPLITS)
            + f"  {spent}"
        )
    return "\n".join(line.rstrip() for line in lines)


def _numbers(run: Mapping[str, Any], split: str) -> str:
    mean, deviation, *others = (run[f"{split}_{measure}"] for measure in MEASURES)
    accuracy = "" if mean != mean else f"{100 * mean:.1f} ± {100 * deviation:.1f}"
    known = [_percent(value, mean) for value in others]
    return f"  {accuracy:>12}{known[0]:>11}{known[1]:>7}{known[2]:>12}"


def _percent(value: float, accuracy: float) -> str:
    """A fraction in percent; "no value" where only it is not defined, nothing where nothing is."""
    if value != value:
        return "" if accuracy != accuracy else NO_VALUE.split()[0]
    return f"{100 * value:.1f}"
