"""Files of figures."""

import io
import subprocess
import sys
from pathlib import Path

import matplotlib
import numpy as np
from PIL import Image

from jagree.figures import draw_agreement, save, to_png
from tests.figures.test_agreement import make_table


def test_png_and_pdf_are_written_next_to_each_other(tmp_path: Path) -> None:
    stem = tmp_path / "figures" / "agreement.v1"
    written = save(draw_agreement(make_table()), stem)
    assert [p.name for p in written] == ["agreement.v1.png", "agreement.v1.pdf"]
    assert {p.parent for p in written} == {stem.parent}
    with Image.open(written[0]) as picture:
        assert picture.size == (1350, 600)  # 6.75 x 3 inches at 200 dots per inch
        assert len(np.unique(np.asarray(picture))) > 100
    assert written[1].read_bytes().startswith(b"%PDF")


def test_the_same_figure_gives_the_same_bytes(tmp_path: Path) -> None:
    first = save(draw_agreement(make_table()), tmp_path / "a")
    second = save(draw_agreement(make_table()), tmp_path / "b")
    for one, two in zip(first, second, strict=True):
        assert one.read_bytes() == two.read_bytes()
        for mark in (b"CreationDate", b"Matplotlib", b"matplotlib", b"tIME"):
            assert mark not in one.read_bytes(), mark


def test_to_png_gives_what_save_writes(tmp_path: Path) -> None:
    figure = draw_agreement(make_table())
    png = to_png(figure)
    assert png == save(figure, tmp_path / "a")[0].read_bytes()
    with Image.open(io.BytesIO(png)) as picture:
        assert picture.format == "PNG"


def test_fonts_are_embedded_as_truetype_and_settings_left_alone(tmp_path: Path) -> None:
    before = dict(matplotlib.rcParams)
    pdf = save(draw_agreement(make_table()), tmp_path / "a")[1].read_bytes()
    assert b"/CIDFontType2" in pdf
    assert b"/Type3" not in pdf
    assert dict(matplotlib.rcParams) == before


def test_drawing_needs_no_pyplot_and_study_no_matplotlib() -> None:
    code = (
        "import sys, jagree.study; assert 'matplotlib' not in sys.modules; "
        "import jagree.figures; assert 'matplotlib.pyplot' not in sys.modules"
    )
    subprocess.run([sys.executable, "-c", code], check=True, timeout=60)
