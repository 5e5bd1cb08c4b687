"""The stages study and report: what a run folder's record and statistics say. Needs no JAX."""

from __future__ import annotations

import contextlib
import errno
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pandas as pd
import xarray as xr
from ml_collections import ConfigDict

from jagree import data
from jagree.console import say
from jagree.data.split import Split
from jagree.errors import UsageError
from jagree.paths import as_path, is_remote, make_folder
from jagree.runfolder import RunFolder

if TYPE_CHECKING:  # slow to import, and not needed by who only trains
    from jagree.figures import Drawn, Palette
    from jagree.study.whole import Study

Splits = Mapping[str, Split]
Tables = Mapping[str, xr.Dataset]


def analyse_run(
    path: str | Path, leave_out: Sequence[int] | None = None, palette: str | None = None
) -> None:
    """Study and report of the record in a folder, whoever wrote it.

    Parameters
    ----------
    path : path
        The folder that holds ``record.zarr``; a run.json beside it is not needed.
    leave_out : sequence of int, optional
        Members to do without; by default what the run's config says.
    palette : str, optional
        Of the figures, "safe" or "paper"; by default what the run's config says.
    """
    folder = as_path(path)
    about = RunFolder(path).about if (folder / "run.json").exists() else {}
    analyse(folder, about, {}, ("study", "report"), leave_out, palette)


def analyse(
    path: Path,
    about: Mapping[str, Any],
    splits: Splits,
    stages: Sequence[str],
    leave_out: Sequence[int] | None = None,
    palette: str | None = None,
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
    palette : str, optional
        By default what the config in `about` says.
    """
    if not stages:
        return
    from jagree import figures
    from jagree import study as studies
    from jagree.record import open_record

    options = _options(about)
    colours = figures.palette_of(palette or options.study.palette)
    record = open_record(path / "record.zarr")
    tables = _statistics(path, record)
    images = _images(record, about, splits, path)
    study = studies.study_record(
        record,
        tables,
        leave_out=options.study.leave_out if leave_out is None else leave_out,
        resamples=options.study.resamples,
        seed=options.study.seed,
    )
    diverged = studies.diverged(record)
    if len(diverged):
        members = " ".join(map(str, diverged["member"]))
        say(f"diverged: {members}; without: python -m jagree.study {path} --leave_out {members}")
    drawn = figures.draw_study(study, images, colours) | _illustrate(
        tables, images, options.statistics, colours
    )
    png = {name: figures.to_png(one.figure) for name, one in drawn.items()}
    with _writing_to(path):
        if "study" in stages:
            _write_tables(path, _results(study, tables))
            _forget_figures(path / "figures", [n for n in figures.stems(record) if n not in drawn])
            for name, one in drawn.items():
                figures.save(one.figure, path / "figures" / name, png[name])
            say(f"study:  {path / 'figures'}: {', '.join(drawn)}")
        if "report" in stages:
            from jagree.report import FigureOnPage, write_report

            write_report(
                path / "report.html",
                about=about,
                study=study,
                diverged=diverged,
                figures={
                    name: FigureOnPage(one.title, one.caption, png[name])
                    for name, one in drawn.items()
                },
                images=images,
                checks=_checks(path),
            )
            say(f"report: {path / 'report.html'}")


@contextlib.contextmanager
def _writing_to(path: Path) -> Iterator[None]:
    """Say what to do about a run that somebody else made."""
    try:
        yield
    except OSError as error:
        if error.errno in (errno.EEXIST, errno.ENOTDIR, errno.EISDIR):
            raise UsageError(
                f"cannot write to '{error.filename or path}' ({error.strerror}); results and "
                "figures are folders in the run's, and files in these: move away what is there"
            ) from error
        if error.errno not in (errno.EACCES, errno.EPERM, errno.EROFS):
            raise
        raise UsageError(
            f"cannot write to '{error.filename or path}' ({error.strerror}); copy "
            f"'{path / 'record.zarr'}', and what lies beside it, to a folder of your own"
        ) from error


def _write_tables(path: Path, results: Mapping[str, pd.DataFrame]) -> None:
    folder = path / "results"
    make_folder(folder)
    written = []
    for name, table in results.items():
        file = folder / f"{name}.csv"
        if len(table):
            if is_remote(file):
                file.write_bytes(table.to_csv(index=False).encode())
            else:  # line by line: a table of 1.3 million examples as text takes most of a gigabyte
                table.to_csv(file, index=False, lineterminator="\n")
            written.append(name)
        else:  # of an earlier study, and no longer true
            file.unlink(missing_ok=True)
    say(f"study:  {folder}: {', '.join(written)}")


def _forget_figures(folder: Path, stems: Sequence[str]) -> None:
    """Remove figures of an earlier study that this one has nothing for."""
    for stem in stems:
        for ending in ("png", "pdf"):
            (folder / f"{stem}.{ending}").unlink(missing_ok=True)


def _results(study: Study, tables: Tables) -> dict[str, pd.DataFrame]:
    """Name of a file -> its table; those without a row are told of nothing."""
    from jagree import study as studies

    found = {name: value for name, value in vars(study).items() if name != "examples"}
    found |= {f"examples_{split}": table for split, table in study.examples.items()}
    return found | {"statistics": studies.statistics_table(tables)}


def _checks(path: Path) -> list[Any]:
    """Which findings of the paper the run shows, as far as a run on its own can."""
    from jagree.study import findings

    return findings.check(findings.open_runs([path]))


def _options(about: Mapping[str, Any]) -> ConfigDict:
    """The run's config where a study needs it, with the defaults of what it does not say."""
    from jagree.configs import default

    options = default.get_config()
    for part in ("statistics", "study"):
        options[part].update(about.get("config", {}).get(part, {}))
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
    tables: Tables, images: Mapping[str, data.Images], options: ConfigDict, palette: Palette
) -> dict[str, Drawn]:
    """Histograms of all splits, and the panel of the first that has pictures."""
    from jagree import figures
    from jagree.illustration import draw_maps, few_and_many
    from jagree.words import adjective

    drawn = {
        f"histograms_{name}": figures.Drawn(
            f"Image statistics, {adjective(name)}",
            f"How the image statistics are distributed over the {adjective(name)} images. The red "
            "line is the mean.",
            figures.draw_histograms(table, palette),
        )
        for name, table in tables.items()
    }
    for name, table in tables.items():
        if name in images and "segments" in table:
            chosen = few_and_many(table)
            if not chosen:
                continue
            pictures = [images[name][position] for position in chosen.values()]
            drawn[f"panel_{name}"] = figures.Drawn(
                f"What is measured, {adjective(name)}",
                f"Two of the {adjective(name)} images with the maps behind their numbers: one with "
                "few segments (a tenth of the images have as few or fewer) and one with many (a "
                "tenth have as many or more).",
                draw_maps(list(chosen), pictures, options, palette),
            )
            break
    return drawn


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
