"""Colours of the figures: of what, not where, so that a figure's parts keep theirs in the next."""

from dataclasses import dataclass

from jagree.errors import UsageError
from jagree.words import enumeration


@dataclass(frozen=True)
class Palette:
    """The colours of all figures, as ``#RRGGBB``.

    Attributes
    ----------
    accuracy, agreement, bound : str
        Mean accuracy; agreement; the lower bound of agreement and the area above it.
    chance, within : str
        The chance level of agreement, and that within classes. The first also stands for other
        values that independent networks would have.
    statistic : str
        An image statistic, or another measure drawn beside agreement.
    categories : tuple of str
        Of lines that have no colour of their own, such as classes; the first ones differ most.
        From the ninth on they come again, with another style of line.
    density, ramp : str
        Names of matplotlib's colour maps: from few to many, and of a value.
    """

    accuracy: str
    agreement: str
    bound: str
    chance: str
    within: str
    statistic: str
    categories: tuple[str, ...]
    density: str
    ramp: str


# From Tol's "vibrant" and "muted" schemes (Paul Tol, "Colour schemes", SRON/EPS/TN/09-002): the
# paper's red and blue, and other colours, in tones that the colour-blind tell apart. The order of
# the categories is such that any first few are as far apart as can be.
SAFE = Palette(
    accuracy="#CC3311",
    agreement="#0077BB",
    bound="#33BBEE",
    chance="#222222",
    within="#777777",
    statistic="#EE7733",
    categories=(
        "#0077BB",
        "#DDAA33",
        "#222222",
        "#CC6677",
        "#332288",
        "#CC3311",
        "#33BBEE",
        "#AA3377",
    ),
    density="Blues",
    ramp="viridis",
)

# What the paper's text tells: accuracy is red, agreement blue, the area down to the lower bound a
# lighter blue, and metrics are orange (version 1; purple in figure 7 of version 2's supplement). It
# names no tone and no other colour. The tones here are those that matplotlib gives these names in
# its standard cycle, and the other colours are the rest of that cycle.
PAPER = Palette(
    accuracy="#D62728",
    agreement="#1F77B4",
    bound="#AEC7E8",
    chance="#000000",
    within="#7F7F7F",
    statistic="#FF7F0E",
    categories=(
        "#1F77B4",
        "#FF7F0E",
        "#2CA02C",
        "#D62728",
        "#9467BD",
        "#8C564B",
        "#E377C2",
        "#17BECF",
    ),
    density="Blues",
    ramp="viridis",
)

PALETTES = {"safe": SAFE, "paper": PAPER}


def palette_of(name: str) -> Palette:
    """A palette by its name.

    Parameters
    ----------
    name : str
        "safe": colours that the colour-blind tell apart; "paper": the paper's, as far as its text
        names them, where red and green may meet.

    Raises
    ------
    UsageError
        If there is none of this name.
    """
    if name not in PALETTES:
        known = enumeration([f"'{one}'" for one in PALETTES])
        raise UsageError(f"no palette is called '{name}'; there are {known}")
    return PALETTES[name]
