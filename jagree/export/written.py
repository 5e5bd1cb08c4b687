"""What an export says of itself."""

from dataclasses import dataclass, field


@dataclass(frozen=True)
class Written:
    """What was written.

    Attributes
    ----------
    epochs : list of int
        The epochs that it is of: numbers of epochs completed.
    exact : list of str
        What is as the record has it.
    not_exact : list of str
        What is not, and what is there in its place.
    """

    epochs: list[int]
    exact: list[str]
    not_exact: list[str] = field(default_factory=list)
