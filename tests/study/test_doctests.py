"""The examples in the docstrings, wherever the tests are started."""

import doctest
import importlib
import pkgutil

import pytest

import jagree.study

MODULES = [m.name for m in pkgutil.walk_packages(jagree.study.__path__, "jagree.study.")]


@pytest.mark.parametrize("name", [m for m in MODULES if not m.endswith("__main__")])
def test_the_examples_of_the_docstrings_run(name: str) -> None:
    assert doctest.testmod(importlib.import_module(name)).failed == 0


def test_there_are_examples() -> None:
    found = doctest.DocTestFinder().find(importlib.import_module("jagree.study.agreement"))
    assert sum(len(test.examples) for test in found) > 5
