"""Who watches a run: numbers of each epoch, the files they go to, and where a run stands.

Needs no JAX: what training tells comes in by its listener (`audience`), the rest is in files.
"""
