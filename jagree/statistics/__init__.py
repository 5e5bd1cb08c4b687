"""Image statistics: NumPy in, numbers out; no JAX."""
