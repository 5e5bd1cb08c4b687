"""The stages study and report: what a run folder's record and statistics say. Needs no JAX."""

from __future__ import annotations

import contextlib
import errno
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd
import xarray as xr
from ml_collections import ConfigDict

from jagree import data
from jagree.console import say
from jagree.data.split import Split
from jagree.errors import UsageError
from jagree.paths import as_path, make_folder
from jagree.runfolder import RunFolder
from jagree.words import counted, percent

if TYPE_CHECKING:  # slow to import, and not needed by who only trains
    from matplotlib.figure import Figure

Splits = Mapping[str, Split]
Tables = Mapping[str, xr.Dataset]

CAPTIONS = {
    "histograms": "How the image statistics are distributed over the {split} images. The red "
    "line is the mean.",
    "panel": "Two of the {split} images with the maps behind their numbers: one with few segments "
    "(a tenth of the images have as few or fewer) and one with many (a tenth have as many or "
    "more).",
}


def analyse_run(path: str | Path, leave_out: Sequence[int] | None = None) -> None:
    """Study and report of the record in a folder, whoever wrote it.

    Parameters
    ----------
    path : path
        The folder that holds ``record.zarr``; a run.json beside it is not needed.
    leave_out : sequence of int, optional
        Members to do without; by default what the run's config says.
    """
    folder = as_path(path)
    about = RunFolder(path).about if (folder / "run.json").exists() else {}
    analyse(folder, about, {}, ("study", "report"), leave_out)


def analyse(
    path: Path,
    about: Mapping[str, Any],
    splits: Splits,
    stages: Sequence[str],
    leave_out: Sequence[int] | None = None,
) -> None:
    """Tables, figures and the report of a run's record.

    Parameters
    ----------
    path : path
        The folder that holds ``record.zarr``, and ``statistics.zarr`` if there are statistics;
        results, figures and report go there.
    about : mapping
        What run.json says; may be empty.
    splits : mapping of str to Split
        The data, for pictures; loaded as `about` says if empty.
    stages : sequence of str
        "study", "report", both or none.
    leave_out : sequence of int, optional
        Members to do without; by default what the config in `about` says.
    """
    if not stages:
        return
    from jagree import figures
    from jagree import study as studies
    from jagree.record import open_record

    record = open_record(path / "record.zarr")
    tables = _statistics(path, record)
    images = _images(record, about, splits, path)
    if leave_out is None:
        leave_out = about.get("config", {}).get("study", {}).get("leave_out", ())
    agreement = studies.agreement_table(record, leave_out=leave_out)
    members = studies.member_table(record, leave_out=leave_out)
    examples = {n: studies.example_table(s, leave_out=leave_out) for n, s in record.items()}
    drawn = {"agreement": figures.draw_agreement(agreement)} | _illustrate(
        tables, images, _options(about)
    )
    with _writing_to(path):
        if "study" in stages:
            results = {"agreement": agreement, "members": members}
            for name, rows in examples.items():
                known = studies.with_statistics(rows, tables[name]) if name in tables else rows
                results[f"examples_{name}"] = known
            if tables:
                results["statistics"] = studies.statistics_table(tables)
            _write_study(path, results, drawn)
        if "report" in stages:
            from jagree.report import write_report

            write_report(
                path / "report.html",
                about=about,
                agreement=agreement,
                examples=examples,
                members=members,
                diverged=studies.diverged(record),
                figures={_title(name): figures.to_png(figure) for name, figure in drawn.items()},
                captions={_title(name): _caption(name) for name in drawn},
                images=images,
            )
            say(f"report: {path / 'report.html'}")


@contextlib.contextmanager
def _writing_to(path: Path) -> Iterator[None]:
    """Say what to do about a run that somebody else made."""
    try:
        yield
    except OSError as error:
        if error.errno not in (errno.EACCES, errno.EPERM, errno.EROFS):
            raise
        raise UsageError(
            f"cannot write to '{error.filename or path}' ({error.strerror}); copy "
            f"'{path / 'record.zarr'}', and what lies beside it, to a folder of your own"
        ) from error


def _write_study(
    path: Path, results: Mapping[str, pd.DataFrame], drawn: Mapping[str, Figure]
) -> None:
    from jagree import figures

    folder = path / "results"
    make_folder(folder)
    for name, table in results.items():
        (folder / f"{name}.csv").write_bytes(table.to_csv(index=False).encode())
    for name, figure in drawn.items():
        figures.save(figure, path / "figures" / name)
    say(f"study:  {folder}: {', '.join(results)}; {path / 'figures'}: {', '.join(drawn)}")


def _title(figure: str) -> str:
    name, _, split = figure.partition("_")
    return {
        "agreement": "Agreement",
        "histograms": f"Image statistics, {split}",
        "panel": f"What is measured, {split}",
    }[name]


def _caption(figure: str) -> str:
    name, _, split = figure.partition("_")
    return CAPTIONS.get(name, "").format(split="training" if split == "train" else split)


def _options(about: Mapping[str, Any]) -> ConfigDict:
    """``config.statistics`` of the run, for maps like those that were measured."""
    from jagree.configs import default

    options = default.get_config().statistics
    options.update(about.get("config", {}).get("statistics", {}))
    return options


def _statistics(path: Path, record: Tables) -> Tables:
    """The run's image statistics, of the splits that were recorded."""
    from jagree import study as studies
    from jagree.statistics.table import open_tables

    if not (path / "statistics.zarr").exists():
        return {}
    tables = {n: t for n, t in open_tables(path / "statistics.zarr").items() if n in record}
    for name, table in tables.items():
        studies.check_same_data(record[name], table)
    return tables


def _illustrate(
    tables: Tables, images: Mapping[str, data.Images], options: ConfigDict
) -> dict[str, Figure]:
    """Histograms of all splits, and the panel of the first that has pictures."""
    from jagree import figures

    drawn = {f"histograms_{n}": figures.draw_histograms(t) for n, t in tables.items()}
    for name, table in tables.items():
        if name in images and "segments" in table:
            chosen = few_and_many(table)
            if not chosen:
                continue
            pictures = [images[name][position] for position in chosen.values()]
            drawn[f"panel_{name}"] = draw_maps(list(chosen), pictures, options)
            break
    return drawn


def few_and_many(table: xr.Dataset) -> dict[str, int]:
    """An image with few segments and one with many: title to position.

    At the first and the last decile rather than the ends, where images are odd.
    """
    known = np.flatnonzero(~np.isnan(table["segments"].values))
    if not known.size:
        return {}
    ascending = known[np.argsort(table["segments"].values[known], kind="stable")]
    ends = ascending[round(0.1 * (known.size - 1))], ascending[round(0.9 * (known.size - 1))]
    return {str(table["id"].values[i]): int(i) for i in ends}


def draw_maps(ids: Sequence[str], images: Sequence[np.ndarray], options: ConfigDict) -> Figure:
    """The panel of some images: each with its maps, and below each map its number (paper fig. 3).

    Parameters
    ----------
    ids : sequence of str
    images : sequence of uint8 arrays [H, W, 3]
    options : ConfigDict
        ``config.statistics``.
    """
    from jagree import figures
    from jagree.statistics.maps import maps_of

    rows = []
    for example, image in zip(ids, images, strict=True):
        maps = maps_of(image, example, options)
        captions = {
            "image": f"{image.shape[1]} x {image.shape[0]}",
            "segments": counted(int(maps.segments.max()) + 1, "segment"),
            "edges": f"sum {maps.edges.sum():,.0f}",
            "dct": f"{percent(maps.dct_share)} needed",
        }
        if maps.entropy.size:
            captions["entropy"] = f"mean {maps.entropy.mean():.2f} bit"
        shown = {name: getattr(maps, name) for name in ("segments", "edges", "entropy", "dct")}
        rows.append(figures.PanelRow(title=example, image=image, captions=captions, **shown))
    return figures.draw_panel(rows)


def _images(
    record: Tables, about: Mapping[str, Any], splits: Splits, run: Path
) -> dict[str, data.Images]:
    """The images behind a record, of the splits for which exactly they are at hand."""
    if not splits and "data" in about.get("config", {}):
        from jagree.configs import default

        options = default.get_config().data
        try:
            options.update(about["config"]["data"])
            splits = data.load(options, data.cache_folder(options, run))
        except UsageError as error:
            say(f"the report has no pictures: {error}")
    images: dict[str, data.Images] = {}
    for name, split in splits.items():
        try:
            same = split.fingerprint == record[name].attrs["fingerprint"]
        except UsageError as error:
            say(f"no pictures of '{name}': {error}")
            continue
        if same:
            images[name] = split.image
        else:
            say(f"no pictures of '{name}': the data found is not what was recorded")
    return images
