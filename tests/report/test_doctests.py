"""The examples in the docstrings, wherever the tests are started."""

import doctest
from types import ModuleType

import pytest

import jagree.report.examples
import jagree.report.numbers
import jagree.report.terms
import jagree.words

MODULES = [jagree.report.examples, jagree.report.numbers, jagree.report.terms, jagree.words]


@pytest.mark.parametrize("module", MODULES, ids=lambda m: m.__name__)
def test_the_examples_of_the_docstrings_run(module: ModuleType) -> None:
    found = doctest.testmod(module)
    assert found.attempted > 0
    assert found.failed == 0
