"""Figures: tables and maps in, matplotlib figures out; no window, no global state."""

from jagree.figures.agreement import draw_agreement
from jagree.figures.histograms import draw_histograms
from jagree.figures.panel import PanelRow, draw_panel
from jagree.figures.save import save, to_png

__all__ = ["PanelRow", "draw_agreement", "draw_histograms", "draw_panel", "save", "to_png"]
