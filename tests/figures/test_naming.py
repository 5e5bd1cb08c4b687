"""What statistics are called."""

import pytest

from jagree.figures.naming import FRACTIONS, NAMES, PAPER_STATISTICS, paper_first, shown_as
from jagree.statistics import catalogue
from jagree.study.correlation import FAMILIES, NO_STATISTIC

VARIABLES = {
    variable.name: variable
    for value in vars(catalogue).values()
    if isinstance(value, catalogue.Statistic)
    for variable in value.variables
}


def test_names_and_fractions_are_those_of_the_catalogue() -> None:
    known = {name: v.long_name for name, v in VARIABLES.items() if name not in NO_STATISTIC}
    assert known == NAMES
    assert {name for name, v in VARIABLES.items() if v.fraction} == set(FRACTIONS)
    assert set(PAPER_STATISTICS) == set(FAMILIES)


@pytest.mark.parametrize(
    ("column", "unit", "label", "scale"),
    [
        ("entropy", "bit", "local entropy (bit)", 1),
        ("dct_share", "", "DCT coefficients (%)", 100),
        ("dct_share", "promille", "DCT coefficients (promille)", 1),
        ("box_area", "", "box area", 1),
        ("price", "$", r"price (\$)", 1),
    ],
)
def test_labels_have_units(column: str, unit: str, label: str, scale: float) -> None:
    shown = shown_as(column, unit)
    assert (shown.label, shown.scale) == (label, scale)


def test_the_papers_come_first() -> None:
    names = ["x", "dct_share", "entropy", "x", "a"]
    assert paper_first(names) == ["entropy", "dct_share", "x", "a"]
