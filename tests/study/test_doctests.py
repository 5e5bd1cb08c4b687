"""The examples in the docstrings, wherever the tests are started."""

import doctest
from types import ModuleType

import pytest

import jagree.study.agreement
import jagree.study.chance
import jagree.study.order
import jagree.study.tables

MODULES = [jagree.study.agreement, jagree.study.chance, jagree.study.order, jagree.study.tables]


@pytest.mark.parametrize("module", MODULES, ids=lambda m: m.__name__)
def test_the_examples_of_the_docstrings_run(module: ModuleType) -> None:
    found = doctest.testmod(module)
    assert found.attempted > 0
    assert found.failed == 0
