"""The paper's experiments, typed from its appendix A and its captions; and how configs load."""

import importlib.util
from functools import cache
from types import ModuleType
from typing import Any, NamedTuple

from ml_collections import ConfigDict

from jagree import config as rules
from tests.conftest import REPOSITORY


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
        ("2", 2, 0.0, "cifar10_batch_size_2"),
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
