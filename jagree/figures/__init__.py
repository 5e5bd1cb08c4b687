"""Figures: tables and maps in, matplotlib figures out; no window, no global state."""

from jagree.figures.agreement import draw_agreement
from jagree.figures.classes import draw_class_shares
from jagree.figures.correlations import draw_correlations
from jagree.figures.curves import draw_curves
from jagree.figures.data_map import draw_data_map
from jagree.figures.density import draw_density
from jagree.figures.drawn import Drawn
from jagree.figures.groups import draw_groups
from jagree.figures.histograms import draw_histograms
from jagree.figures.pabak import draw_pabak
from jagree.figures.palette import PALETTES, PAPER, SAFE, Palette, palette_of
from jagree.figures.panel import PanelRow, draw_panel
from jagree.figures.responses import draw_responses
from jagree.figures.right_counts import draw_right_counts
from jagree.figures.runs import draw_runs
from jagree.figures.save import save, to_png
from jagree.figures.style import NothingToDrawError
from jagree.figures.types import draw_types
from jagree.figures.wall import draw_wall
from jagree.figures.whole import draw_study, stems

__all__ = [
    "PALETTES",
    "PAPER",
    "SAFE",
    "Drawn",
    "NothingToDrawError",
    "Palette",
    "PanelRow",
    "draw_agreement",
    "draw_class_shares",
    "draw_correlations",
    "draw_curves",
    "draw_data_map",
    "draw_density",
    "draw_groups",
    "draw_histograms",
    "draw_pabak",
    "draw_panel",
    "draw_responses",
    "draw_right_counts",
    "draw_runs",
    "draw_study",
    "draw_types",
    "draw_wall",
    "palette_of",
    "save",
    "stems",
    "to_png",
]
