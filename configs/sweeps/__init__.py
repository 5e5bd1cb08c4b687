"""Sweeps: each file one experiment, ``get_config()``, and what varies in it, ``get_grid()``."""
