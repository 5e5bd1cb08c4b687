"""The constants of the method, and the sets of them that have a name."""

from dataclasses import dataclass


@dataclass(frozen=True)
class Preset:
    """What may differ between presets; everything else is fixed by the method.

    Parameters
    ----------
    kernels : int
        Positions drawn for the kernel density; each counts once, however often it is drawn.
    bandwidth : float
        Half-width of a kernel's support, in units of the features' range, per dimension.
    training_pairs : int
        Local pairs drawn, with replacement, to train the forest; never more than there are.
    trees : int
        Trees of the forest.
    vectors : int
        Eigenvectors, the constant one included; never more than the graph has nodes.
    coarsenings : int
        How often the graph is halved before its eigenvectors are sought, and whitened after.
    """

    kernels: int = 5000
    bandwidth: float = 0.05
    training_pairs: int = 10_000
    trees: int = 4
    vectors: int = 100
    coarsenings: int = 2


SPEEDY = Preset()
ACCURATE_LOW_RES = Preset(coarsenings=0)
PRESETS = {"speedy": SPEEDY, "accurate_low_res": ACCURATE_LOW_RES}


def find(name: str) -> Preset:
    """The preset of that name.

    Raises
    ------
    ValueError
        If there is none; it lists those there are.
    """
    if name not in PRESETS:
        raise ValueError(f"preset must be one of {', '.join(PRESETS)}, not {name!r}")
    return PRESETS[name]
