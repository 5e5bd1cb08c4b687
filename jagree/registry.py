"""The one table of everything that can be chosen by name in a config."""

import difflib
import importlib
from typing import Any

from jagree.errors import UsageError

# kind -> name -> "module:attribute". Literal, so that listing the names imports nothing.
TABLE: dict[str, dict[str, str]] = {
    "source": {
        "controlled": "jagree.data.sources.controlled:load",
        "cifar10": "jagree.data.sources.cifar10:load",
        "voc": "jagree.data.sources.voc:load",
        "kth_tips2b": "jagree.data.sources.kth_tips2b:load",
        "imagenet": "jagree.data.sources.imagenet:load",
        "tfds": "jagree.data.sources.tfds:load",
        "hf": "jagree.data.sources.hf:load",
        "folder": "jagree.data.sources.folder:load",
    },
    "network": {
        "lenet5": "jagree.networks.lenet5:LeNet5",
        "vgg16": "jagree.networks.vgg16:VGG16",
        "resnet50": "jagree.networks.resnet50:ResNet50",
        "resnet50_imagenet": "jagree.networks.resnet50:ResNet50ImageNet",
        "densenet121": "jagree.networks.densenet121:DenseNet121",
        "densenet121_cifar": "jagree.networks.densenet121:DenseNet121Cifar",
    },
    "statistic": {
        "entropy": "jagree.statistics.catalogue:ENTROPY",
        "entropy_uint8": "jagree.statistics.catalogue:ENTROPY_UINT8",
        "dct_share": "jagree.statistics.catalogue:DCT_SHARE",
        "dct_share_ac": "jagree.statistics.catalogue:DCT_SHARE_AC",
        "segments": "jagree.statistics.catalogue:SEGMENTS",
        "gradient_strength": "jagree.statistics.catalogue:GRADIENT_STRENGTH",
        "edge_strength": "jagree.statistics.catalogue:EDGE_STRENGTH",
    },
    "edge preset": {
        "speedy": "jagree.statistics.edges.presets:SPEEDY",
        "accurate_low_res": "jagree.statistics.edges.presets:ACCURATE_LOW_RES",
    },
    "task": {
        "single_label": "jagree.training.tasks:SINGLE_LABEL",
        "multi_label": "jagree.training.tasks:MULTI_LABEL",
    },
    "optimizer": {
        "sgd": "jagree.training.optimizers:sgd",
        "adam": "jagree.training.optimizers:adam",
    },
    "schedule": {
        "constant": "jagree.training.schedules:constant",
        "cosine": "jagree.training.schedules:cosine",
        "step": "jagree.training.schedules:step",
        "one_cycle": "jagree.training.schedules:one_cycle",
    },
}


def names(kind: str) -> tuple[str, ...]:
    """All names of a kind, in alphabetical order."""
    return tuple(sorted(TABLE[kind]))


def check(kind: str, name: str) -> None:
    """Raise a UsageError that lists the known names unless `name` is one of them."""
    if name in TABLE[kind]:
        return
    near = difflib.get_close_matches(name, TABLE[kind], n=1)
    hint = f" (did you mean '{near[0]}'?)" if near else ""
    raise UsageError(f"unknown {kind} '{name}'{hint}; known: {', '.join(names(kind))}")


def load(kind: str, name: str) -> Any:
    """Import and return what `name` stands for."""
    check(kind, name)
    module, attribute = TABLE[kind][name].split(":")
    return getattr(importlib.import_module(module), attribute)
