"""The examples in docstrings are true."""

import doctest
import importlib
import pkgutil

import pytest

import jagree.figures

MODULES = [m.name for m in pkgutil.walk_packages(jagree.figures.__path__, "jagree.figures.")]


@pytest.mark.parametrize("name", MODULES)
def test_examples(name: str) -> None:
    result = doctest.testmod(importlib.import_module(name))
    assert result.failed == 0


def test_there_are_examples() -> None:
    assert sum(doctest.testmod(importlib.import_module(n)).attempted for n in MODULES) >= 5
