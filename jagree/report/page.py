"""The page itself: everything of a run in one HTML file."""

import base64
import hashlib
import json
import os
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from importlib import resources
from pathlib import Path
from typing import Any

import jinja2
import pandas as pd
from markupsafe import Markup

from jagree.data.images import Images
from jagree.paths import is_remote, make_folder
from jagree.report import relations, summary, tables, terms
from jagree.report.classes import Membership, class_table, membership
from jagree.report.examples import Gallery, gallery
from jagree.report.pictures import png_size, png_uri
from jagree.report.verdicts import Checks, findings
from jagree.study.whole import Study
from jagree.words import duration, moment

# Characters that pictures of examples may take: all at most, with figures and tables of classes,
# and however much these take.
PICTURES = 6_000_000
PICTURES_AND_OTHERS = 10_500_000
LEAST_PICTURES = 1_500_000
CELL = 55  # characters of a table's cell
SCALE = 0.64  # of a figure's 200 dots per inch: one across the paper's text is 54 rem wide


@dataclass(frozen=True)
class FigureOnPage:
    """One figure.

    Attributes
    ----------
    title : str
        The heading above it.
    caption : str
        Plain text below it; may be empty.
    png : bytes
        The content of a PNG file.
    """

    title: str
    caption: str
    png: bytes


def write_report(
    path: Path,
    *,
    about: Mapping[str, Any],
    study: Study,
    diverged: pd.DataFrame,
    figures: Mapping[str, FigureOnPage] | None = None,
    images: Mapping[str, Images] | None = None,
    checks: Checks = (),
) -> None:
    """Write the report of a run as one self-contained HTML file.

    Parameters
    ----------
    path : path
        Replaced in one step if it exists.
    about : mapping
        The content of ``RUN/run.json``. What is missing is left out of the page.
    study : Study
        Its tables may be without rows; what there is none of is left out of the page.
    diverged : pandas.DataFrame
        From `jagree.study.diverged`.
    figures : mapping of str to FigureOnPage, optional
        Shown in this order.
    images : mapping of str to uint8 array [N, H, W, 3], or Encoded, optional
        Split name to its images, in the order of the rows of ``study.examples``. Without a split's
        images the page names its examples and shows no picture.
    checks : sequence of (Finding, verdicts)
        What `jagree.study.findings.check` says of the run; may be empty.

    Raises
    ------
    ValueError
        If a split has not as many images as examples.

    Notes
    -----
    The page holds each picture once, and of each kind and class as many examples as there is room
    for: it is to stay below 12 MB, unless the figures alone are large.
    """
    drawn = [_figure(figure) for figure in (figures or {}).values()]
    sheets = _tables(about, study)
    script = _file("page.js")
    html = (
        _environment()
        .get_template("page.html")
        .render(
            title=summary.title(about, study.agreement),
            policy=_policy(script),
            style=Markup(_file("page.css")),
            script=Markup(script),
            warnings=summary.warnings(about, study.agreement, diverged),
            lead=summary.lead(about, study.agreement),
            key_numbers=summary.key_numbers(study.agreement),
            results=summary.results(study.agreement, study.intervals),
            notes=summary.notes(about, study.agreement),
            relations=relations.relations(study.effects, study.moves, study.correlations),
            figures=drawn,
            **sheets,
            galleries=_galleries(study, images or {}, _room(drawn, sheets["classes"])),
            findings=findings(checks),
            measures=tables.measures_of(study.agreement),
            terms=terms.TERMS,
            about=about,
            config=list(_flattened(about.get("config", {}))),
        )
    )
    _replace(path, html)


def _figure(figure: FigureOnPage) -> dict[str, Any]:
    """What the template shows of a figure; all are drawn to one scale."""
    size = png_size(figure.png)
    return {
        "title": figure.title,
        "caption": figure.caption,
        "source": png_uri(figure.png),
        "size": None if size is None else [round(SCALE * side) for side in size],
    }


def _room(drawn: Sequence[Mapping[str, Any]], classes: Sequence[tables.Table]) -> int:
    """Characters for pictures of examples."""
    others = sum(len(figure["source"]) for figure in drawn)
    others += CELL * sum(len(row) for table in classes for row in table.rows)
    return max(LEAST_PICTURES, min(PICTURES, PICTURES_AND_OTHERS - others))


def _tables(about: Mapping[str, Any], study: Study) -> dict[str, Any]:
    """Name in the template -> the table, tables, or None."""
    splits = tables.by_split(study.agreement)
    return {
        "last_epoch": tables.last_epoch(study.agreement, study.intervals) if splits else None,
        "networks": tables.networks(study.members) if len(study.members) else None,
        "epochs": [tables.all_epochs(split, rows) for split, rows in splits],
        "correlations": relations.correlation_tables(study.correlations),
        "effects": relations.effect_tables(study.effects),
        "moves": relations.move_tables(study.moves),
        "classes": [
            class_table(split, examples, _membership(study, split))
            for split, examples in study.examples.items()
            if len(examples)
        ],
        "parameters": tables.parameters(about["members"]) if about.get("members") else None,
    }


def _membership(study: Study, split: str) -> Membership:
    rows = study.classes[study.classes["split"] == split].drop_duplicates("class")
    names = {int(c): str(n) for c, n in zip(rows["class"], rows["class_name"], strict=True)}
    return membership(study.examples[split], names)


def _galleries(study: Study, images: Mapping[str, Images], room: int) -> list[Gallery]:
    """One per split; what one leaves of its share of the room is the next ones'."""
    found: list[Gallery] = []
    for split, examples in study.examples.items():
        rows = study.agreement[study.agreement["split"] == split]
        if rows.empty:
            continue
        share = room // (len(study.examples) - len(found))
        one, used = gallery(
            split,
            examples,
            images.get(split),
            _membership(study, split),
            int(rows["members"].iloc[-1]),
            share,
        )
        found.append(one)
        room -= used
    return found


def _file(name: str) -> str:
    return resources.files("jagree.report").joinpath(name).read_text(encoding="utf-8").strip()


def _policy(script: str) -> str:
    """Nothing is fetched, and nothing runs but the one script."""
    digest = base64.b64encode(hashlib.sha256(script.encode()).digest()).decode("ascii")
    return (
        "default-src 'none'; img-src data:; style-src 'unsafe-inline'; "
        f"script-src 'sha256-{digest}'; base-uri 'none'; form-action 'none'"
    )


def _environment() -> jinja2.Environment:
    environment = jinja2.Environment(
        loader=jinja2.PackageLoader("jagree.report", "."),
        autoescape=True,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters |= {"duration": duration, "moment": moment, "typeset": terms.typeset}
    return environment


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
