"""Crisp boundaries (Isola et al. 2014): the sum of edge strengths, and a plain gradient."""

from jagree.statistics.edges.gradient import gradient_map, gradient_strength
from jagree.statistics.edges.presets import PRESETS
from jagree.statistics.edges.strength import edge_map, edge_strength, edge_strengths

__all__ = [
    "PRESETS",
    "edge_map",
    "edge_strength",
    "edge_strengths",
    "gradient_map",
    "gradient_strength",
]
