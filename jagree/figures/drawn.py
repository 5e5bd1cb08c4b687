"""A figure together with what is said of it wherever it is shown."""

from dataclasses import dataclass

from matplotlib.figure import Figure


@dataclass(frozen=True)
class Drawn:
    """One figure of a study.

    Attributes
    ----------
    title : str
        A few words: the heading above it.
    caption : str
        Sentences of plain text: what is drawn, and how to read it; may be empty.
    figure : matplotlib.figure.Figure
    """

    title: str
    caption: str
    figure: Figure
