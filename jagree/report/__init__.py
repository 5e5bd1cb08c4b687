"""One HTML page for a run: results of `jagree.study` in, a self-contained file out."""

from jagree.report.page import write_report

__all__ = ["write_report"]
