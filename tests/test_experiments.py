"""The files in configs/: loadable in every variant, and exactly the paper's recipes."""

import importlib.util
import re
import subprocess
import sys
from functools import cache
from pathlib import Path
from types import ModuleType
from typing import Any, NamedTuple

import pytest
from ml_collections import ConfigDict

from jagree import config as rules
from jagree import registry
from jagree.configs import default, variants
from jagree.errors import UsageError
from jagree.training.state import check_shape
from tests.conftest import REPOSITORY

# --- the paper, typed from its appendix A and the captions of its figures ------------------------


class Recipe(NamedTuple):
    data: str
    networks: tuple[str, ...]  # of the members
    batch: int
    epochs: int
    optimizer: tuple[Any, ...]  # name, initial or largest rate, momentum
    schedule: tuple[Any, ...]  # name and its constants
    decay: float
    resize: int = 0
    crop: int = 0
    noise: float = 0.0
    statistics_resize: int = 0


SGD = ("sgd", 0.1, 0.9)
COSINE = ("cosine", 5e-4)  # smallest rate
FOUR = ("lenet5", "vgg16", "resnet50", "densenet121")


def five(network: str) -> tuple[str, ...]:
    return (network,) * 5


PAPER = {
    "cifar10_densenet": Recipe("cifar10", five("densenet121"), 128, 60, SGD, COSINE, 5e-4),
    "cifar10_vgg16": Recipe("cifar10", five("vgg16"), 128, 60, SGD, COSINE, 5e-4),
    "cifar10_resnet50": Recipe("cifar10", five("resnet50"), 128, 60, SGD, COSINE, 5e-4),
    "cifar10_lenet5": Recipe("cifar10", five("lenet5"), 128, 60, SGD, COSINE, 5e-4),
    "cifar10_four_networks": Recipe("cifar10", FOUR, 128, 60, SGD, COSINE, 5e-4),
    "cifar10_batch_size": Recipe("cifar10", five("densenet121"), 512, 60, SGD, COSINE, 5e-4),
    "cifar10_random_labels": Recipe(
        "cifar10", five("densenet121"), 128, 60, ("sgd", 0.001, 0.9), COSINE, 5e-4, noise=1.0
    ),
    "kth_densenet": Recipe(
        *("kth_tips2b", five("densenet121"), 64, 60),
        # betas, epsilon; PyTorch's OneCycleLR: pct_start, div_factor, final_div_factor, momenta
        ("adam", 1e-4, 0.9, 0.999, 1e-8),
        ("one_cycle", 0.3, 25.0, 1e4, True, 0.85, 0.95),
        *(1e-5, 200, 190),
    ),
    "voc_densenet": Recipe(
        *("voc", five("densenet121"), 128, 150, SGD, ("step", 50, 0.2), 5e-4, 256, 224)
    ),
    "voc_resnet50": Recipe(
        *("voc", five("resnet50"), 128, 150, SGD, ("step", 50, 0.2), 5e-4, 256, 224)
    ),
    "voc_densenet_25": Recipe(
        *("voc", ("densenet121",) * 25, 128, 150, SGD, ("step", 50, 0.2), 5e-4, 256, 224)
    ),
    "imagenet_densenet": Recipe(
        *("imagenet", five("densenet121"), 128, 100, SGD, ("step", 30, 0.1), 1e-5, 256, 224),
        statistics_resize=128,
    ),
}

FIGURES = {  # of v1, of v2
    "cifar10_densenet": ("2a 7a 12 16", "1 3 7a 14 16"),
    "cifar10_vgg16": ("9", "5"),
    "cifar10_resnet50": ("9", "5"),
    "cifar10_lenet5": ("9", "5"),
    "cifar10_four_networks": ("2c", ""),
    "cifar10_batch_size": ("8", "4"),
    "cifar10_random_labels": ("2b", ""),
    "kth_densenet": ("5 7c 14 17a", "7c 13"),
    "voc_densenet": ("4 7b 15 17b", "7b 17"),
    "voc_resnet50": ("18", "8 9 10"),
    "voc_densenet_25": ("", "2"),
    "imagenet_densenet": ("6 13 19", "6 15"),
}

# The numbers that an experiment takes: as written, batch size, label noise, name.
NUMBERS = {
    "cifar10_batch_size": [
        ("", 512, 0.0, "cifar10_batch_size_512"),
        ("1", 1, 0.0, "cifar10_batch_size_1"),
        ("32", 32, 0.0, "cifar10_batch_size_32"),
        ("50000", 50_000, 0.0, "cifar10_batch_size_50000"),
    ],
    "cifar10_random_labels": [
        ("", 128, 1.0, "cifar10_random_labels_1"),
        ("0", 128, 0.0, "cifar10_random_labels_0"),
        ("0.25", 128, 0.25, "cifar10_random_labels_0.25"),
        (".5", 128, 0.5, "cifar10_random_labels_0.5"),
        ("0.75", 128, 0.75, "cifar10_random_labels_0.75"),
        ("1", 128, 1.0, "cifar10_random_labels_1"),
    ],
}

# Of a small run: members, epochs, batch, training images, test images, edges, epochs of a step.
SAMPLE = (2, 3, 128, 5_000, 1_000, 100, 30)
FEW = (2, 2, 16, 100, 50, 20, 30)
SMALL = {
    "cifar10_densenet": SAMPLE,
    "cifar10_lenet5": SAMPLE,
    "cifar10_batch_size": (2, 3, 512, 5_000, 1_000, 100, 30),
    "cifar10_random_labels": SAMPLE,
    "cifar10_vgg16": SAMPLE,
    "cifar10_resnet50": FEW,
    "cifar10_four_networks": (4, 2, 16, 100, 50, 20, 30),
    "kth_densenet": FEW,
    "voc_densenet": (2, 2, 16, 100, 50, 20, 1),
    "voc_resnet50": (2, 2, 16, 100, 50, 20, 1),
    "voc_densenet_25": (10, 2, 16, 100, 50, 20, 1),  # two groups of five
    "imagenet_densenet": (2, 2, 16, 100, 50, 20, 1),
}
SMALL_FIELDS = (
    "members",
    "epochs",
    "batch_size",
    "data.train_size",
    "data.test_size",
    "statistics.edges.examples",
    "schedule.step_epochs",
)

# --- loading ------------------------------------------------------------------------------------

FILES = {
    path.stem: path
    for path in sorted((REPOSITORY / "configs").glob("*.py"))
    if path.stem not in ("__init__", "default", "variants")
}


@cache
def module(name: str) -> ModuleType:
    """The file as the program loads it: by its path, from outside the package."""
    spec = importlib.util.spec_from_file_location(f"experiment_{name}", FILES[name])
    assert spec is not None
    assert spec.loader is not None
    loaded = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(loaded)
    return loaded


def load(name: str, variant: str | None = None) -> ConfigDict:
    return module(name).get_config(*([] if variant is None else [variant]))


def cases() -> list[tuple[str, str | None]]:
    """Every file in every variant."""
    found: list[tuple[str, str | None]] = [(name, None) for name in FILES]
    for name in PAPER:
        found += [(name, v) for v in ("", "small")]
        for text, *_ in NUMBERS.get(name, [])[1:]:
            found += [(name, v) for v in (text, f"{text},small", f" small, {text} ")]
    return found


def changed(one: ConfigDict, other: ConfigDict) -> dict[str, Any]:
    before, after = rules.flatten(one), rules.flatten(other)
    assert before.keys() == after.keys()
    return {field: after[field] for field in after if after[field] != before[field]}


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


def recipe(config: ConfigDict) -> Recipe:
    optimizer, schedule = config.optimizer, config.schedule
    constants: dict[str, tuple[Any, ...]] = {
        "cosine": (schedule.final_learning_rate,),
        "step": (schedule.step_epochs, schedule.step_factor),
        "one_cycle": (
            *(schedule.rise, schedule.start_divisor, schedule.end_divisor),
            *(schedule.cycle_momentum, schedule.momentum_low, schedule.momentum_high),
        ),
    }
    adam = (optimizer.beta2, optimizer.epsilon) if optimizer.name == "adam" else ()
    return Recipe(
        data=config.data.name,
        networks=rules.per_member(config, "network"),
        batch=config.batch_size,
        epochs=config.epochs,
        optimizer=(optimizer.name, optimizer.learning_rate, optimizer.momentum, *adam),
        schedule=(schedule.name, *constants[schedule.name]),
        decay=optimizer.weight_decay,
        resize=config.data.resize,
        crop=config.data.crop,
        noise=config.data.label_noise,
        statistics_resize=config.statistics.resize,
    )


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
    "cifar10_densenet": ["tiny", "smaller", "512", "small,small", "small,", ",", " ", "Small"],
    "cifar10_batch_size": ["0", "50001", "-1", "1.5", "nan", "inf", "many", "1,2", "1,1,small"],
    "cifar10_random_labels": ["0.3", "2", "-0.5", "p", "nan", "0.5,0.5", "0.5,small,small"],
}
TAKES = {
    "cifar10_densenet": "it takes 'small'",
    "cifar10_batch_size": "it takes 'small', or the batch size, a whole number of 1 to 50000, or "
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
        "jagree: batch_size is 6000, but the train split has only 5000 examples; choose 5000 or "
        "less"
    )


# --- what is written about them -----------------------------------------------------------------

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
