"""Writing figures: the same figure gives the same bytes."""

import io
from pathlib import Path
from typing import Any

import matplotlib
from matplotlib.figure import Figure

from jagree.paths import make_folder

DPI = 200  # dots per inch of the PNG

# No time and no version of matplotlib in the files, so that a run repeated can be compared with
# the first by its files.
FORMATS: dict[str, dict[str, Any]] = {
    "png": {"dpi": DPI, "metadata": {"Software": None}},
    "pdf": {"metadata": {"CreationDate": None, "Creator": None, "Producer": None}},
}


def save(figure: Figure, stem: Path, png: bytes | None = None) -> list[Path]:
    """Write the figure as PNG and as PDF.

    Parameters
    ----------
    figure : matplotlib.figure.Figure
    stem : path
        Without the ending; its folder is made if there is none.
    png : bytes, optional
        What `to_png` gave of it, if it was asked already: drawing takes time.

    Returns
    -------
    list of Path
        The files written: ``stem.png`` and ``stem.pdf``.
    """
    make_folder(stem.parent)
    written = []
    for ending in FORMATS:
        # The stem can hold dots, which with_suffix would take for an ending.
        path = stem.with_name(f"{stem.name}.{ending}")
        drawn = png if ending == "png" and png else _encoded(figure, ending)
        path.write_bytes(drawn)
        written.append(path)
    return written


def to_png(figure: Figure) -> bytes:
    """The figure as the bytes of a PNG file, the same as `save` writes."""
    return _encoded(figure, "png")


def _encoded(figure: Figure, ending: str) -> bytes:
    buffer = io.BytesIO()
    # TrueType (42), which publishers ask for, in place of matplotlib's Type 3 fonts.
    with matplotlib.rc_context({"pdf.fonttype": 42}):
        figure.savefig(buffer, format=ending, **FORMATS[ending])
    return buffer.getvalue()
