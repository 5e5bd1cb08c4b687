"""docs/paper.md and the headers of the experiments: what is written there is so."""

import re
from typing import Any

import pytest

from jagree import config as rules
from jagree.configs import default
from jagree.study.findings.random_labels import RANDOM
from tests.configs.paper import (
    FIGURES,
    PAPER,
    Recipe,
    five,
    load,
    module,
    recipe,
)
from tests.conftest import REPOSITORY

DOCUMENT = (REPOSITORY / "docs/paper.md").read_text()
TEXTS = {"docs/paper.md": DOCUMENT} | {n: module(n).__doc__ or "" for n in PAPER}


@pytest.mark.parametrize("text", TEXTS)
def test_every_command_that_is_written_down_loads(text: str) -> None:
    commands = re.findall(r"(?:configs/|\.\.\.)(\w+)\.py(?::([\w.,]*[\w]))?", TEXTS[text])
    assert commands
    for name, variant in commands:
        rules.check(load(name, variant or None))
    changes = flags(TEXTS[text])
    assert len(changes) == TEXTS[text].count("--config.")
    rules.check_known(field for field, _ in changes)
    known = rules.flatten(default.get_config())
    for field, value in changes:
        assert type(value) is type(known[field]), field
        config = default.get_config()
        config.update_from_flattened_dict({field: value})
        rules.check(config)


def flags(text: str) -> list[tuple[str, Any]]:
    """The fields that are changed by what is written as flags, with values of the fields' types."""
    known = rules.flatten(default.get_config())
    found = re.findall(r"--config\.([\w.]*\w)(?:=([\w.-]*\w))?", text)
    return [(field, type(known[field])(value) if value else True) for field, value in found]


def test_the_flags_for_the_authors_script_are_its_recipe() -> None:
    config = load("cifar10_random_labels", "0.25")
    config.update_from_flattened_dict(dict(flags(TEXTS["cifar10_random_labels"])))
    rules.check(config)
    assert recipe(config) == Recipe(
        *("cifar10", five("densenet121"), 128, 90, ("sgd", 0.01, 0.9), ("step", 30, 0.3), 5e-4),
        noise=0.25,
    )
    assert config.data.test_label_noise is True


def test_the_header_says_from_which_probability_on_labels_are_called_random() -> None:
    assert f"calls labels random from p = {RANDOM} on" in TEXTS["cifar10_random_labels"]


def rows() -> list[tuple[set[str], set[str], set[str]]]:
    """Of the table of figures: those of v1, those of v2, the experiments named."""
    lines = [line for line in DOCUMENT.splitlines() if line.startswith("|")][2:]
    cells = [[cell.strip() for cell in line.strip("|").split("|")] for line in lines]
    assert all(len(row) == 5 and all(row[2:]) for row in cells)
    named = r"configs/(\w+)\.py"
    return [
        (set(v1.split()), set(v2.split()), set(re.findall(named, c))) for v1, v2, c, *_ in cells
    ]


def test_each_figure_has_its_experiment_and_each_experiment_its_figures() -> None:
    for name, (v1, v2) in FIGURES.items():
        mine = [row for row in rows() if name in row[2]]
        assert set(v1.split()) <= set().union(*(row[0] for row in mine)), name
        assert set(v2.split()) <= set().union(*(row[1] for row in mine)), name
    for version, maps in ((0, {"3", "10", "11"}), (1, {"11", "12"})):
        listed = [figure for row in rows() for figure in row[version]]
        assert len(listed) == len(set(listed))
        of_experiments = {f for figures in FIGURES.values() for f in figures[version].split()}
        assert set(listed) == of_experiments | maps


def test_a_row_names_only_experiments_that_have_the_figure_or_are_compared_with() -> None:
    for line, (v1, v2, named) in zip(
        [line for line in DOCUMENT.splitlines() if line.startswith("|")][2:], rows(), strict=True
    ):
        compared = set(re.findall(r"to compare `configs/(\w+)\.py", line))
        if v1 & {"3", "10"}:
            continue  # maps of images, of any run
        for name in named - compared:
            one, other = FIGURES[name]
            assert v1 <= set(one.split()), line
            assert v2 <= set(other.split()), line
