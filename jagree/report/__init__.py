"""One HTML page for a run: results of `jagree.study` in, a self-contained file out."""

from jagree.report.page import FigureOnPage, write_report

__all__ = ["FigureOnPage", "write_report"]
