"""Figures: tables of `jagree.study` in, matplotlib figures out; no window, no global state."""

from jagree.figures.agreement import draw_agreement
from jagree.figures.save import save, to_png

__all__ = ["draw_agreement", "save", "to_png"]
