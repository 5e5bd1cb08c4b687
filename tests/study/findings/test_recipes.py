"""Runs beside one another: recipes, depths, what rises later, random labels."""

import doctest
import math
from typing import Any

import numpy as np
import pytest

from jagree.study.epochs import class_codes
from jagree.study.findings import (
    UNTOLD,
    Run,
    comparisons,
    complexity,
    observed,
    random_labels,
    recipes,
    voc,
)
from jagree.study.findings.evidence import CannotTellError
from jagree.study.findings.rising import first_reaching, rises_later
from tests.study.findings.simulated import (
    EXAMPLES,
    curve,
    independent,
    learning,
    members,
    nested,
    run,
)


def test_what_grows_along_a_series_is_on_a_line_over_the_logarithm() -> None:
    runs = [
        run(nested(members(np.full(3, 0.8), np.full(3, b))), name=f"{b}") for b in (0.2, 0.5, 0.6)
    ]
    sizes = [10, 100, 1000]
    change, told = complexity._change(list(zip(sizes, runs, strict=True))[::-1])
    means = [0.25, 0.625, 0.75]
    assert change == pytest.approx(means[2] - means[0])  # a line over three equal steps
    assert told == "10 0.250, 100 0.625, 1,000 0.750 (+0.500)"
    unequal, _ = complexity._change(list(zip([10, 20, 1000], runs, strict=True)))
    x = np.log([10, 20, 1000])
    slope = sum((x - x.mean()) * means) / sum((x - x.mean()) ** 2)
    assert unequal == pytest.approx(slope * math.log(100))


def test_the_first_epoch_at_a_level() -> None:
    epochs, values = np.array([2, 4, 6]), np.array([0.1, 0.2, 0.3])
    assert first_reaching((epochs, values), 0.2) == 4
    assert first_reaching((epochs, values), 0.2001) == 6


@pytest.mark.parametrize(
    ("late", "early", "least", "holds", "told"),
    [
        ([0.1, 0.1, 0.3], [0.1, 0.2, 0.3], 0.0, True, "reaches 0.200, in epoch 3 against 2"),
        ([0.1, 0.2, 0.3], [0.1, 0.2, 0.3], 0.0, False, "reaches 0.200, in epoch 2 against 2"),
        ([0.1, 0.3, 0.3], [0.1, 0.1, 0.3], 0.0, False, "reaches 0.200, in epoch 2 against 3"),
        ([0.0, 0.1, 0.15], [0.2, 0.3, 0.4], 0.0, True,
         "reaches 0.150, the most that both reach, in epoch 3 against 1"),
        ([0.2, 0.3, 0.5], [0.3, 0.4, 0.5], 0.3, True, "reaches 0.300, in epoch 2 against 1"),
        ([np.nan, 0.1, 0.3], [0.1, 0.2, 0.3], 0.0, True, "reaches 0.200, in epoch 3 against 2"),
    ],
)  # fmt: skip
def test_rising_later(
    late: list[float], early: list[float], least: float, holds: bool, told: str
) -> None:
    epoch = np.arange(1, 4)
    found = rises_later("it", (epoch, np.array(late)), (epoch, np.array(early)), least)
    assert found == (holds, f"it {told}")


@pytest.mark.parametrize(
    ("late", "early", "least", "why"),
    [
        ([0.3, 0.4], [0.3, 0.5], 0.0, "both do so in the first recorded epoch"),
        ([0.0, 0.0], [0.3, 0.5], 0.0, "one has learned nothing yet: it reaches 0.000"),
        ([0.0, 0.24], [0.3, 0.5], 0.25, "one has learned nothing yet: it reaches 0.240"),
        ([np.nan, np.nan], [0.3, 0.5], 0.0, "no member gets any example right"),
    ],
)
def test_rising_later_cannot_be_told(
    late: list[float], early: list[float], least: float, why: str
) -> None:
    epoch = np.arange(1, 3)
    with pytest.raises(CannotTellError, match=why):
        rises_later("it", (epoch, np.array(late)), (epoch, np.array(early)), least)


def test_the_share_of_random_labels_counts_those_that_hit_the_truth() -> None:
    true = np.arange(EXAMPLES) % 5
    label = np.where(np.arange(EXAMPLES) < 0.4 * EXAMPLES, (true + 1) % 5, true)
    one = run(learning(), label=label, true_label=true)
    assert one.label_noise == pytest.approx(0.4)
    assert one.random_labels == pytest.approx(0.5)  # of five classes
    assert run(learning()).random_labels == 0
    by_member = run(learning(), label=np.stack([label, true]), true_label=true)
    assert by_member.label_noise == pytest.approx(0.2)


def test_agreement_that_is_hardly_there_has_not_risen() -> None:
    true = np.arange(EXAMPLES) % 5
    label = np.random.default_rng(0).integers(0, 5, EXAMPLES)
    right = nested(members(np.full(20, 0.5), np.linspace(0, 0.008, 20)))
    noisy = run(right, name="noisy", label=label, true_label=true)
    clean = run(learning(), name="clean", label=true)
    verdicts = random_labels.RANDOM_LATER.verdicts([noisy, clean])
    assert verdicts[1].word == UNTOLD
    assert verdicts[1].why.startswith("one has learned nothing yet: agreement reaches 0.0")


def test_the_most_frequent_label_is_what_one_may_guess() -> None:
    label = np.array([0, 1, 1, 1, 2])
    assert run(learning(examples=5), label=label).observed("train").most_frequent == 0.6
    two = np.stack([label, np.full(5, 3)])
    own = run(learning(examples=5), label=two, true_label=label)
    assert own.observed("train").most_frequent == 1


def test_several_labels_of_each_member_are_counted_member_by_member() -> None:
    """Over all members together, no vector would be as frequent as in the second."""
    label = np.array([[[1, 0], [0, 1], [0, 0], [1, 1], [1, 0]], [[0, 1]] * 4 + [[1, 0]]], bool)
    one = run(learning(examples=5))
    true = label[0]
    train = one.record["train"].drop_vars(("label", "true_label"))
    own = train.assign_coords(
        label=(("member", "example", "class"), label), true_label=(("example", "class"), true)
    )
    assert observed._most_frequent(class_codes(own)) == 0.8
    shared = train.assign_coords(
        label=(("example", "class"), true), true_label=(("example", "class"), true)
    )
    assert observed._most_frequent(class_codes(shared)) == 0.4


# --- recipes ----------------------------------------------------------------------------------
BASE = {
    "name": "base",
    "network": "lenet5",
    "per_member.network": [],
    "batch_size": 128,
    "epochs": 60,
    "optimizer.learning_rate": 0.1,
    "data.dir": "here",
    "training.engine": "auto",
    "seed": 0,
}


def told(name: str = "a", **fields: Any) -> Run:
    """A run of which the recipe is known; a double underscore is a dot."""
    changed = {field.replace("__", "."): value for field, value in fields.items()}
    return run(learning(), name=name, config=BASE | changed)


def test_the_examples_of_the_docstrings_run() -> None:
    found = doctest.testmod(complexity)
    assert found.attempted > 0
    assert found.failed == 0


def test_a_depth_is_the_number_in_the_name() -> None:
    names = {"vgg16": 16, "resnet50_imagenet": 50, "densenet121": 121, "mlp": None}
    names |= {"resnet50 + vgg16": None, "vgg16bn2": None, "16": None}
    assert {name: complexity.depth(name) for name in names} == names


def test_recipes_differ_in_what_decides_and_the_rate_comes_first() -> None:
    one = told()
    same = told(name="b", data__dir="there", training__engine="loop", network="vgg16")
    assert recipes.besides([one]) == ""
    assert recipes.besides([one, same], recipes.NETWORK) == "the same recipe otherwise"
    assert recipes.besides([one, same]) == "recipes differ in network lenet5 / vgg16"
    other = told(optimizer__learning_rate=0.001, batch_size=32)
    assert recipes.besides([one, other, same], recipes.NETWORK) == (
        "recipes differ in optimizer.learning_rate 0.1 / 0.001 and batch_size 128 / 32"
    )


def test_at_most_four_fields_are_named_and_long_values_cut() -> None:
    other = told(
        seed=1, epochs=9, batch_size=2, optimizer__learning_rate=1.0, network="x" * 30, z=""
    )
    assert recipes.besides([told(), other]) == (
        "recipes differ in optimizer.learning_rate 0.1 / 1.0, batch_size 128 / 2, epochs 60 / 9, "
        f"network lenet5 / {'x' * 21}... and 2 other fields"
    )
    other = told(seed=1, epochs=9, batch_size=2, z="")
    assert recipes.besides([told(), other]).endswith('seed 0 / 1 and z missing / ""')


def test_of_a_run_without_a_run_json_nothing_is_said() -> None:
    found = recipes.besides([told(), run(learning(), name="b")])
    assert found == "the recipe of b is not known"


def test_a_series_differs_in_one_thing_alone() -> None:
    runs = [told(name=str(b), batch_size=b) for b in (128, 32)]
    others = [
        told(name="rate", batch_size=64, optimizer__learning_rate=0.2),
        run(learning(), name="unknown"),
    ]
    (found,) = recipes.series([*runs, *others], ("batch_size",), lambda r: len(r.networks))
    assert [r.name for r in found] == ["128", "32"]
    assert recipes.series([*runs, *others], ("batch_size",), lambda r: r.name) == []
    assert recipes.series(runs, (), len_of := lambda r: len(r.networks)) == []
    assert len(recipes.series([*runs, others[0]], ("batch_size", recipes.RATE), len_of)[0]) == 3


def test_both_rates_stand_beside_what_random_labels_do() -> None:
    true = np.arange(EXAMPLES) % 5
    label = np.random.default_rng(0).integers(0, 5, EXAMPLES)
    late = nested(members(curve(0.01, 0.8), curve(0.01, 0.8)))
    clean = run(learning(), name="clean", label=true, config=BASE | {"data.label_noise": 0.0})
    for rate, said in (
        (0.001, "recipes differ in optimizer.learning_rate 0.001 / 0.1"),
        (0.1, "the same recipe otherwise"),
    ):
        config = BASE | {"data.label_noise": 1.0, "optimizer.learning_rate": rate}
        noisy = run(late, name="noisy", label=label, true_label=true, config=config)
        verdicts = random_labels.RANDOM_LATER.verdicts([noisy, clean])
        assert len(verdicts) == 2
        for verdict in verdicts:
            assert verdict.numbers.endswith(f"; {said}")
    assert "configs/cifar10_random_labels.py:0" in random_labels.RANDOM_LATER.needs


def test_networks_are_compared_with_what_their_recipes_differ_in() -> None:
    right = learning()
    runs = [
        run(right, name="one", data="voc", networks=("resnet50",) * 2, config=BASE),
        run(
            independent(members(curve(0.3, 0.9), curve(0.3, 0.9))),
            name="two",
            data="voc",
            networks=("densenet121",) * 2,
            config=BASE | {"network": "densenet121", "epochs": 150},
        ),
    ]
    for finding in (comparisons.STD_ACROSS, comparisons.ACROSS, voc.RESNET_SLOWER):
        (verdict,) = finding.verdicts(runs)
        assert verdict.numbers.endswith("; recipes differ in epochs 60 / 150"), finding.key
