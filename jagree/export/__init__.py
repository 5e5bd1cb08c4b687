"""A record in the formats of neighbouring tools, which docs/other_tools.md tells of."""

from jagree.export.formats import FORMATS, export

__all__ = ["FORMATS", "export"]
