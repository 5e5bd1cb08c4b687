"""The examples in the docstrings, wherever the tests are started."""

import doctest
from types import ModuleType

import pytest

import jagree.statistics.dct
import jagree.statistics.entropy
import jagree.statistics.inputs
import jagree.statistics.segments
import jagree.statistics.table

MODULES = [
    jagree.statistics.dct,
    jagree.statistics.entropy,
    jagree.statistics.inputs,
    jagree.statistics.segments,
    jagree.statistics.table,
]


@pytest.mark.parametrize("module", MODULES, ids=lambda m: m.__name__)
def test_the_examples_of_the_docstrings_run(module: ModuleType) -> None:
    found = doctest.testmod(module)
    assert found.attempted > 0
    assert found.failed == 0
