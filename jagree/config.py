"""The rules between the fields of a config, each with its remedy."""

import difflib
import math
import re
from collections.abc import Iterable, Mapping
from typing import Any

from ml_collections import ConfigDict

from jagree import registry
from jagree.errors import UsageError
from jagree.words import counted

CHOICES = {
    "precision": ("float32", "tensorfloat32", "bfloat16"),
    "recording.mode": ("epoch_end", "online"),
    "training.engine": ("auto", "vmap", "loop"),
    "training.feed": ("auto", "resident", "stream"),
    "study.palette": ("safe", "paper"),
}

# Fields that say how, not what: they may change between a run and its resumption.
MAY_CHANGE = (
    "data.dir",
    "data.cache",
    "data.workers",
    "data.cifar10h",
    "data.search_difficulty",
    "training.",
    "statistics.",
    "study.",
)

_MESH = re.compile(r"([1-9]\d*)x([1-9]\d*)", re.ASCII)

LARGEST = 4096  # pixels to which images may be enlarged
FEWEST_RESAMPLES = 100

_POSITIVE = (
    "members",
    "epochs",
    "batch_size",
    "schedule.step_epochs",
    "training.checkpoint_every",
    "statistics.edges.repeats",
)
_NOT_NEGATIVE = (
    "seed",
    "data.seed",
    "data.train_size",
    "data.test_size",
    "data.resize",
    "data.crop",
    "data.workers",
    "training.feed_workers",
    "optimizer.learning_rate",
    "optimizer.weight_decay",
    "schedule.final_learning_rate",
    "training.steps_per_dispatch",
    "training.checkpoint_steps",
    "training.eval_batch_size",
    "statistics.workers",
    "statistics.resize",
    "statistics.edges.seed",
    "statistics.edges.examples",
    "study.seed",
)
_BELOW_ONE = (
    "optimizer.momentum",
    "optimizer.beta2",
    "schedule.momentum_low",
    "schedule.momentum_high",
)
_ABOVE_ZERO = ("optimizer.epsilon", "schedule.step_factor", "schedule.end_divisor")
# Used in float32, in which XLA makes 0 of what is smaller than its smallest normal number: without
# a word there would be no epsilon.
_IN_FLOAT32 = (
    "optimizer.epsilon",
    "optimizer.learning_rate",
    "optimizer.weight_decay",
    "per_member.learning_rate",
    "per_member.weight_decay",
)
_SMALLEST = 2.0**-126
_REGISTERED = {
    "data.name": "source",
    "network": "network",
    "optimizer.name": "optimizer",
    "schedule.name": "schedule",
    "statistics.edges.preset": "edge preset",
}


def flatten(config: Mapping[str, Any], prefix: str = "") -> dict[str, Any]:
    """Nested fields as one level: ``{"data.name": "cifar10", ...}``, tuples as lists."""
    flat: dict[str, Any] = {}
    for key, value in config.items():
        if isinstance(value, (Mapping, ConfigDict)):
            flat |= flatten(value, f"{prefix}{key}.")
        else:
            flat[prefix + key] = list(value) if isinstance(value, tuple) else value
    return flat


def check(config: ConfigDict) -> None:
    """Raise a UsageError that says what is wrong with the config and how to mend it."""
    fields = flatten(config)
    _check_fields(fields)
    for field, kind in _REGISTERED.items():
        registry.check(kind, fields[field])
    for field in _POSITIVE:
        if fields[field] < 1:
            raise UsageError(f"{field} must be 1 or more, not {fields[field]}")
    for field in _NOT_NEGATIVE:
        if not fields[field] >= 0:
            raise UsageError(f"{field} must be 0 or more, not {fields[field]}")
    if config.task != "auto":
        registry.check("task", config.task)
    _check_data(config.data)
    _check_recipe(fields)
    for field, known in CHOICES.items():
        if fields[field] not in known:
            raise UsageError(f"unknown {field} '{fields[field]}'; known: {', '.join(known)}")
    if config.training.mesh != "auto":
        parse_mesh(config.training.mesh)
    _check_name(config.name)
    _check_per_member(config)
    _check_float32(fields)
    _check_leave_out(config.study.leave_out, config.members)
    if config.study.resamples < FEWEST_RESAMPLES:
        raise UsageError(
            f"study.resamples must be {FEWEST_RESAMPLES} or more, for the ends of an interval of "
            f"95 %, not {config.study.resamples}"
        )
    check_statistics(config.statistics)


def _check_recipe(fields: Mapping[str, Any]) -> None:
    """The rules within ``config.optimizer`` and ``config.schedule`` that need more than a sign."""
    for field in _BELOW_ONE:
        if not 0 <= fields[field] < 1:
            raise UsageError(f"{field} must lie in [0, 1), not {fields[field]}")
    for field in _ABOVE_ZERO:
        if not 0 < fields[field] < math.inf:
            raise UsageError(f"{field} must be a finite number above 0, not {fields[field]}")
    if not 0 < fields["schedule.rise"] < 1:
        raise UsageError(
            "schedule.rise is the share of the run in which the rate goes up, above 0 and below 1, "
            f"not {fields['schedule.rise']}; PyTorch's is 0.3"
        )
    if not 1 <= fields["schedule.start_divisor"] < math.inf:
        raise UsageError(
            "schedule.start_divisor must be a finite number of 1 or more, not "
            f"{fields['schedule.start_divisor']}; one_cycle starts at optimizer.learning_rate "
            "divided by it"
        )
    low, high = fields["schedule.momentum_low"], fields["schedule.momentum_high"]
    if low > high:
        raise UsageError(
            f"schedule.momentum_low={low} is above schedule.momentum_high={high}; exchange them"
        )


def _check_data(options: ConfigDict) -> None:
    if not 0 <= options.label_noise <= 1:
        raise UsageError(f"data.label_noise is a probability, 0 to 1, not {options.label_noise}")
    if not 0 <= options.test_share < 1:
        raise UsageError(f"data.test_share must lie in [0, 1), not {options.test_share}")
    if options.test_share and options.test_split:
        raise UsageError(
            f"data.test_share={options.test_share} holds out a part of the train split, and "
            f"data.test_split='{options.test_split}' names another; give one of them"
        )
    for field in ("resize", "crop"):
        if options[field] > LARGEST:
            raise UsageError(f"data.{field} must be at most {LARGEST}, not {options[field]}")
    if 0 < options.resize < options.crop:
        raise UsageError(
            f"data.crop={options.crop} does not fit into images whose shorter side has "
            f"data.resize={options.resize} pixels; choose a smaller crop"
        )
    if options.set and options.name not in ("tfds", "hf"):
        raise UsageError(
            f"data.set names one of the sets of the sources tfds and hf; data.name is "
            f"'{options.name}', which is a single one"
        )


def check_statistics(options: ConfigDict) -> None:
    """The rules within ``config.statistics`` that concern several values."""
    for field in ("names", "resized"):
        for name in options[field]:
            registry.check("statistic", name)
    if not options.names:
        raise UsageError(
            f"statistics.names is empty; name some of {', '.join(registry.names('statistic'))}, or "
            "leave the statistics out by --stages=train,study,report"
        )
    if options.resize > LARGEST:
        raise UsageError(f"statistics.resize must be at most {LARGEST}, not {options.resize}")
    if len(set(options.names)) < len(options.names):
        raise UsageError(f"statistics.names has a name twice: {', '.join(options.names)}")


def _defaults() -> ConfigDict:
    from jagree.configs import default

    return default.get_config()


def check_known(fields: Iterable[str]) -> None:
    """Raise a UsageError unless all of the dotted names are fields of a config."""
    known = flatten(_defaults())
    for field in fields:
        if field not in known:
            # But for a slip of the pen, the right name in the wrong section is likeliest.
            slip = difflib.get_close_matches(field, known, n=1, cutoff=0.9)
            same = [k for k in known if k.split(".")[-1] == field.split(".")[-1]]
            near = slip or same or difflib.get_close_matches(field, known, n=1)
            hint = f", did you mean '{near[0]}'?" if near else ";"
            raise UsageError(
                f"unknown config field '{field}'{hint} configs/default.py has them all"
            )


def _check_fields(fields: Mapping[str, Any]) -> None:
    """The fields must be those of the default config, with values of the same type."""
    check_known(fields)
    for field, value in flatten(_defaults()).items():
        if field not in fields:
            raise UsageError(
                f"the config lacks '{field}'; start it from jagree.configs.default.get_config()"
            )
        allowed = (int, float) if isinstance(value, float) else type(value)
        if not isinstance(fields[field], allowed) or isinstance(fields[field], bool) != isinstance(
            value, bool
        ):
            raise UsageError(
                f"{field} must be of type {type(value).__name__}, not {fields[field]!r}"
            )


def _check_name(name: str) -> None:
    if not name or name != name.strip() or any(c in name for c in "/\\\0") or name.startswith("."):
        raise UsageError(
            f"name must be usable as the name of a folder (no slash, no leading dot), not {name!r}"
        )


def _check_per_member(config: ConfigDict) -> None:
    for field, values in config.per_member.items():
        if field == "network":
            for name in values:
                registry.check("network", str(name))
        if len(values) not in (0, config.members):
            raise UsageError(
                f"per_member.{field} has {counted(len(values), 'value')} for "
                f"{counted(config.members, 'member')}; give one per member (or set "
                f"members={len(values)}), or none"
            )
        if field != "network" and not all(isinstance(v, (int, float)) and v >= 0 for v in values):
            raise UsageError(f"per_member.{field} must hold numbers of 0 or more, not {values}")
        if field == "label_noise" and any(v > 1 for v in values):
            raise UsageError(f"per_member.label_noise must hold probabilities, not {values}")


def _check_float32(fields: Mapping[str, Any]) -> None:
    for field in _IN_FLOAT32:
        values = fields[field] if isinstance(fields[field], list) else [fields[field]]
        for value in values:
            if 0 < value < _SMALLEST:
                raise UsageError(
                    f"{field}: {value} would be 0 in float32, in which it is used; give "
                    f"{_SMALLEST} or more"
                )


def _check_leave_out(leave_out: tuple[int, ...], members: int) -> None:
    if not all(isinstance(k, int) and 0 <= k < members for k in leave_out):
        raise UsageError(f"study.leave_out must name members of 0..{members - 1}, not {leave_out}")
    if len(set(leave_out)) >= members:
        raise UsageError("study.leave_out leaves no member to study; leave one in")


def parse_mesh(text: str) -> tuple[int, int]:
    """Rows and columns of the mesh that ``config.training.mesh`` names, as "4x2".

    Raises
    ------
    UsageError
        If it names none.
    """
    found = _MESH.fullmatch(text)
    if not found:
        raise UsageError(
            f"training.mesh is 'auto' or rows of devices for members x parts of a batch, as 8x1 or "
            f"4x2, not '{text}'"
        )
    return int(found[1]), int(found[2])


def per_member(config: ConfigDict, field: str) -> tuple[Any, ...]:
    """The value of a field of ``config.per_member`` for each member, the common one by default."""
    section = {"label_noise": config.data, "network": config}.get(field, config.optimizer)
    own = config.per_member[field]
    return tuple(own) if own else (section[field],) * config.members


def task_name(config: ConfigDict, *, multi_label: bool) -> str:
    """The task that ``config.task`` names or, if it is "auto", that the labels ask for.

    Raises
    ------
    UsageError
        If the labels are not of the task's kind.
    """
    fitting = "multi_label" if multi_label else "single_label"
    if config.task not in ("auto", fitting):
        kind = "any number of classes" if multi_label else "one class"
        raise UsageError(
            f"task is '{config.task}', but an image of this data has {kind}; set task={fitting}, "
            "or auto"
        )
    return fitting


def check_against_data(config: ConfigDict, train_examples: int) -> None:
    """The rules that need the data to be known."""
    if config.batch_size > train_examples:
        raise UsageError(
            f"batch_size is {config.batch_size}, but the train split has only "
            f"{counted(train_examples, 'example')}; choose {train_examples} or less"
        )


def differences(old: Mapping[str, Any], new: Mapping[str, Any]) -> list[str]:
    """Sentences naming each field whose value differs and that is not free to (`MAY_CHANGE`).

    A field that was added since `old` was written counts there as its default.
    """
    before, after = flatten(_defaults()) | flatten(old), flatten(new)
    return [
        f"{field} is {after.get(field, 'missing')!r}, was {before.get(field, 'missing')!r}"
        for field in sorted(before.keys() | after.keys())
        if not field.startswith(MAY_CHANGE) and before.get(field) != after.get(field)
    ]
