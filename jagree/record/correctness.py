"""When is a prediction right? The rules, for NumPy and JAX arrays alike.

Only operators and methods that both kinds of array have are used, so this module imports neither
JAX nor NumPy's functions and serves training and study with the same definition.
"""

from collections.abc import Callable
from typing import Any

Array = Any  # np.ndarray or jax.Array


def single_label(prediction: Array, label: Array) -> Array:
    """Right where the predicted class is the label (paper, eq. 2).

    Parameters
    ----------
    prediction : int array [..., N]
        -1, a network's output that is not finite, is never right.
    label : int array [N] or [..., N]

    Returns
    -------
    bool array [..., N]
    """
    return prediction == label


def exact_match(prediction: Array, label: Array) -> Array:
    """Right where every present and every absent class is predicted so (paper, sec. 2).

    Parameters
    ----------
    prediction : int array [..., N, C]
        1 present, 0 absent, -1 not finite (never right).
    label : bool or int array [N, C] or [..., N, C]

    Returns
    -------
    bool array [..., N]
        An example without any present class is right where nothing is predicted present.
    """
    return (prediction == label).all(-1)


RULES: dict[str, Callable[[Array, Array], Array]] = {
    "single_label": single_label,
    "exact_match": exact_match,
}
