"""The files in configs/: loadable in every variant, and exactly the paper's recipes."""

import re
import subprocess
import sys
from pathlib import Path

import pytest

from jagree import config as rules
from jagree import registry
from jagree.configs import default, variants
from jagree.errors import UsageError
from jagree.training.state import check_shape
from tests.configs.paper import (
    FIGURES,
    FILES,
    NUMBERS,
    PAPER,
    SMALL,
    SMALL_FIELDS,
    cases,
    changed,
    load,
    module,
    recipe,
)
from tests.conftest import REPOSITORY

# --- every file ---------------------------------------------------------------------------------


def test_all_of_the_papers_experiments_are_there() -> None:
    assert PAPER.keys() <= FILES.keys()
    assert PAPER.keys() == FIGURES.keys() == SMALL.keys()


@pytest.mark.parametrize(("name", "variant"), cases())
def test_every_variant_keeps_the_rules_and_names_itself_after_its_file(
    name: str, variant: str | None
) -> None:
    config = load(name, variant)
    rules.check(config)
    assert config.name.startswith(name)
    assert config.name.endswith("_small") == ("small" in (variant or ""))
    assert load(name, variant).to_dict() == config.to_dict()  # nothing is left from one to the next


def test_no_two_runs_share_a_folder() -> None:
    folders: dict[str, ConfigDict] = {}
    for name, variant in cases():
        config = load(name, variant)
        assert folders.setdefault(config.name, config).to_dict() == config.to_dict()
    # 512 and 1 are written out as well as meant by default
    numbered = sum(len({row[3] for row in rows}) for rows in NUMBERS.values())
    plain = len(PAPER) - len(NUMBERS)
    assert len(folders) == len(FILES) - len(PAPER) + 2 * (plain + numbered)


@pytest.mark.parametrize("name", FILES)
def test_a_header_says_what_a_person_needs(name: str) -> None:
    header = module(name).__doc__ or ""
    title, *_ = header.splitlines()
    sections = re.findall(r"^(\w+): +\S", header, re.MULTILINE)
    assert sections == ["Command", "Shows", "Expect", "Time"] + ["Data"] * (name in PAPER)
    assert f"Command:  python -m jagree.main --config=configs/{name}.py" in header
    if name in PAPER:
        v1, v2 = FIGURES[name]
        found = re.search(
            r"\(paper (?:v1 figs?\. ([\da-c ]+))?(?:, )?(?:v2 figs?\. ([\da-c ]+))?", title
        )
        assert found is not None, title
        assert ((found[1] or "").strip(), (found[2] or "").strip()) == (v1, v2)
        assert "small" in header


# --- the paper's recipes ------------------------------------------------------------------------


@pytest.mark.parametrize("name", PAPER)
def test_an_experiment_is_the_papers(name: str) -> None:
    config = load(name)
    assert recipe(config) == PAPER[name]
    assert config.members == len(PAPER[name].networks)
    # All of the data, the paper's split and its way of cropping, true labels to test on.
    assert (config.data.train_size, config.data.test_size) == (0, 0)
    assert config.data.random_crop is True
    assert config.data.test_label_noise is False
    assert config.data.ignore_difficult == ("test",)
    assert config.data.test_sample == "a"
    assert {"entropy", "dct_share", "segments", "edge_strength"} <= set(config.statistics.names)
    reduced = {"entropy", "dct_share"} & set(config.statistics.resized)
    assert reduced == {"entropy", "dct_share"}
    assert not {"segments", "edge_strength"} & set(config.statistics.resized)


@pytest.mark.parametrize("name", PAPER)
def test_an_experiment_changes_nothing_but_its_recipe(name: str) -> None:
    of_a_recipe = {
        *("name", "network", "per_member.network", "members", "batch_size", "epochs"),
        *("data.name", "data.train_size", "data.test_size", "data.resize", "data.crop"),
        *("data.label_noise", "optimizer.name", "optimizer.learning_rate"),
        *("optimizer.weight_decay", "schedule.name", "schedule.step_epochs"),
        *("schedule.step_factor", "statistics.resize"),
    }
    if name == "imagenet_densenet":
        of_a_recipe.add("statistics.edges.examples")  # of a million images a sample
    assert changed(default.get_config(), load(name)).keys() <= of_a_recipe


@pytest.mark.parametrize("name", NUMBERS)
def test_a_number_changes_itself_and_the_name(name: str) -> None:
    for text, batch, noise, run in NUMBERS[name]:
        config = load(name, text)
        assert (config.batch_size, config.data.label_noise, config.name) == (batch, noise, run)
        free = {"name", "batch_size" if name == "cifar10_batch_size" else "data.label_noise"}
        assert changed(load(name), config).keys() <= free


@pytest.mark.parametrize("name", PAPER)
def test_small_is_small_and_else_the_same(name: str) -> None:
    whole, small = load(name), load(name, "small")
    flat = rules.flatten(small)
    assert tuple(flat[field] for field in SMALL_FIELDS) == SMALL[name]
    assert small.name == f"{whole.name}_small"
    assert changed(whole, small).keys() <= {"name", *SMALL_FIELDS}
    for text, batch, noise, run in NUMBERS.get(name, []):
        both = load(name, f"{text},small" if text else "small")
        assert (both.batch_size, both.data.label_noise, both.name) == (batch, noise, f"{run}_small")


def test_a_small_run_has_as_many_steps_of_the_rate_as_there_is_room_for() -> None:
    def steps(step_epochs: int, epochs: int) -> int:
        config = default.get_config()
        config.schedule.name = "step"
        config.epochs, config.schedule.step_epochs = epochs, step_epochs
        return variants.with_size(config, True).schedule.step_epochs

    assert steps(50, 150) == 1  # of 3 epochs: two drops, as in 150
    assert steps(90, 90) == 3  # none, as in 90
    assert steps(60, 90) == 2  # one, as in 90
    assert steps(90, 100) == 3  # one at the very end, for which three epochs have no room
    assert steps(80, 100) == 2
    assert steps(1, 100) == 1


@pytest.mark.parametrize(
    ("network", "side"),
    sorted({(n, r.crop or 32) for r in PAPER.values() for n in r.networks}),
)
def test_networks_take_the_images_that_they_get(network: str, side: int) -> None:
    check_shape(registry.load("network", network)(classes=10), (side, side, 3))


# --- what stands after the colon ----------------------------------------------------------------

WRONG = {
    "cifar10_densenet": ["tiny", "smaller", "512", "tiny,tiny", "small,", ",", " ", "Small"],
    "cifar10_batch_size": ["0", "1", "50001", "-2", "1.5", "nan", "many", "2,1", "0,small"],
    "cifar10_random_labels": ["0.3", "2", "-0.5", "p", "nan", "0.5,0.3", "0.3,small,small"],
}
TAKES = {
    "cifar10_densenet": "it takes 'small'",
    "cifar10_batch_size": "it takes 'small', or the batch size, a whole number of 2 to 50000, or "
    "both with a comma between",
    "cifar10_random_labels": "it takes 'small', or the probability that a label is replaced, 0, "
    "0.25, 0.5, 0.75 or 1, or both with a comma between",
}


@pytest.mark.parametrize("name", WRONG)
def test_what_is_no_variant_is_refused_with_what_there_is(name: str) -> None:
    for variant in WRONG[name]:
        with pytest.raises(UsageError) as refused:
            load(name, variant)
        assert str(refused.value) == (
            f"this experiment has no variant '{variant}'; after the colon of --config {TAKES[name]}"
        )


TWICE = [
    ("cifar10_densenet", "small,small", "'small'"),
    ("cifar10_random_labels", "small,small", "'small'"),
    ("cifar10_random_labels", "small,0.5,small", "'small'"),
    ("cifar10_random_labels", "0.5,.5", "a number"),
    ("cifar10_batch_size", "2, 2,small", "a number"),
    ("cifar10_batch_size", "2,3", "a number"),
]


@pytest.mark.parametrize(("name", "variant", "what"), TWICE)
def test_what_is_given_twice_is_named(name: str, variant: str, what: str) -> None:
    with pytest.raises(UsageError) as refused:
        load(name, variant)
    assert str(refused.value) == f"{what} is given twice in the variant '{variant}'; once is enough"


def program(tmp_path: Path, config: str, *arguments: str) -> str:
    """The one line that the program ends with, at a mistake."""
    command = [sys.executable, "-m", "jagree.main", f"--config={REPOSITORY}/configs/{config}"]
    done = subprocess.run(
        [*command, *arguments], cwd=tmp_path, capture_output=True, text=True, timeout=120
    )
    assert done.returncode == 2, done.stderr
    assert list(tmp_path.iterdir()) == []
    (line,) = done.stderr.splitlines()
    return line


def test_a_wrong_variant_is_refused_in_one_line(tmp_path: Path) -> None:
    assert program(tmp_path, "voc_densenet.py:tiny") == (
        "jagree: this experiment has no variant 'tiny'; after the colon of --config it takes "
        "'small'"
    )


def test_a_config_without_variants_says_so(tmp_path: Path) -> None:
    assert program(tmp_path, "quickstart.py:small") == (
        "jagree: this config has no variants; leave out the colon and what follows it"
    )


def test_a_variant_goes_through_the_command_line_and_flags_go_on_top(tmp_path: Path) -> None:
    line = program(tmp_path, "cifar10_batch_size.py:6000,small", "--config.data.name=controlled")
    assert line == (
        "jagree: batch_size is 6000, but the train split has only 5,000 examples; choose 5000 or "
        "less"
    )
