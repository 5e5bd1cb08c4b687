"""The page itself: everything of a run in one HTML file."""

import json
import os
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import jinja2
import pandas as pd

from jagree.data.images import Images
from jagree.paths import is_remote, make_folder
from jagree.report import summary, terms
from jagree.report.examples import galleries
from jagree.report.pictures import png_uri
from jagree.words import duration, moment, percent


def write_report(
    path: Path,
    *,
    about: Mapping[str, Any],
    agreement: pd.DataFrame,
    examples: Mapping[str, pd.DataFrame],
    members: pd.DataFrame,
    diverged: pd.DataFrame,
    figures: Mapping[str, bytes],
    captions: Mapping[str, str],
    images: Mapping[str, Images],
) -> None:
    """Write the report of a run as one self-contained HTML file.

    Parameters
    ----------
    path : path
        Replaced in one step if it exists.
    about : mapping
        The content of ``RUN/run.json``. What is missing is left out of the page.
    agreement : pandas.DataFrame
        From `jagree.study.agreement_table`; may be empty.
    examples : mapping of str to pandas.DataFrame
        Split name to its `jagree.study.example_table`, for the splits whose examples are shown.
    members : pandas.DataFrame
        From `jagree.study.member_table`; may be empty.
    diverged : pandas.DataFrame
        From `jagree.study.diverged`.
    figures : mapping of str to bytes
        Title to PNG; the first is captioned as what `jagree.figures.draw_agreement` draws.
    captions : mapping of str to str
        Title to what stands below the figure; the first has its own.
    images : mapping of str to uint8 array [N, H, W, 3], or Encoded
        Split name to its images, in the order of the rows of ``examples``. Without a split's
        images the page names its examples and shows no picture.

    Raises
    ------
    ValueError
        If a split has not as many images as examples.
    """
    html = (
        _environment()
        .get_template("page.html")
        .render(
            title=summary.title(about, agreement),
            warnings=summary.warnings(about, agreement, diverged),
            paragraphs=summary.paragraphs(about, agreement),
            figures={title: png_uri(png) for title, png in figures.items()},
            captions=captions,
            measures=terms.MEASURES,
            terms=terms.TERMS,
            networks=_networks(members),
            splits={name: rows.to_dict("records") for name, rows in _by_split(agreement)},
            galleries=galleries(examples, images, _member_counts(agreement)),
            about=about,
            config=list(_flattened(about.get("config", {}))),
        )
    )
    _replace(path, html)


def _environment() -> jinja2.Environment:
    environment = jinja2.Environment(
        loader=jinja2.PackageLoader("jagree.report", "."),
        autoescape=True,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters |= {
        "duration": duration,
        "moment": moment,
        "percent": percent,
        "typeset": terms.typeset,
    }
    return environment


def _by_split(agreement: pd.DataFrame) -> list[tuple[str, pd.DataFrame]]:
    return [(str(name), rows) for name, rows in agreement.groupby("split", sort=False)]


def _member_counts(agreement: pd.DataFrame) -> dict[str, int]:
    return {name: int(rows["members"].iloc[-1]) for name, rows in _by_split(agreement)}


def _networks(members: pd.DataFrame) -> list[dict[str, Any]]:
    """Each network's number, name, and accuracy per split after the last epoch."""
    last = members[members["epoch"] == members["epoch"].max()]
    return [
        {"member": number, "network": network}
        | dict(zip(rows["split"], rows["accuracy"], strict=True))
        for (number, network), rows in last.groupby(["member", "network"], sort=False)
    ]


def _flattened(config: Mapping[str, Any], prefix: str = "") -> Iterator[tuple[str, str]]:
    """A nested dict as pairs of dotted name and value (as JSON)."""
    for name, value in config.items():
        if isinstance(value, Mapping):
            yield from _flattened(value, f"{prefix}{name}.")
        else:
            yield prefix + name, json.dumps(value, ensure_ascii=False)


def _replace(path: Path, text: str) -> None:
    """Write a file such that there is the old one or the new one, never a part."""
    if is_remote(path):
        path.write_bytes(text.encode())
        return
    make_folder(path.parent)
    unfinished = path.with_name(f".{path.name}.{os.getpid()}")
    try:
        unfinished.write_text(text, encoding="utf-8", newline="\n")
        unfinished.replace(path)
    finally:
        unfinished.unlink(missing_ok=True)
