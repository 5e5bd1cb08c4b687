"""Each finding on runs of which the answer is known."""

from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from jagree.study.findings import (
    DYNAMICS,
    FAILS,
    FINDINGS,
    HOLDS,
    STATISTICS,
    UNTOLD,
    Finding,
    Run,
    Verdict,
    check,
    verdict_table,
)
from jagree.study.findings.evidence import About
from jagree.study.findings.verdicts import CONFOUNDED, SAMPLE, UNKNOWN_RECIPE
from tests.study.findings.cases_of_data import CASES, FALLING, on
from tests.study.findings.simulated import independent, learning, run

# In the order of the paper's findings.
KEYS = [
    "agreement_above_chance",
    "agreement_above_accuracy",
    "accuracy_std_within",
    "accuracy_std_across",
    "agreement_across_architectures",
    "agreement_everywhere",
    "batch_and_complexity",
    "random_labels_later",
    "random_labels_agreement",
    "order_of_bounds",
    "agreement_std",
    "pabak_slow",
    "pabak_fast",
    "test_agreement",
    "test_deviation",
    "voc_plain_first",
    "voc_large_boxes_first",
    "voc_labels_per_image",
    "voc_jumps",
    "voc_test_accuracy",
    "voc_dip",
    "voc_edges",
    "voc_resnet50_slower",
    "voc_resnet50_directions",
    "voc_resnet50_weaker",
    "voc_resnet50_dct",
    "voc_test_entropy",
    "kth_fall",
    "kth_entropy",
    "kth_illumination",
    "kth_rotation",
    "kth_scale",
    "kth_test_illumination",
    "imagenet_weak",
    "cifar10_entropy",
    "cifar10_fall",
    "cifar10h_entropy",
    "histograms_cifar10",
    "histograms_imagenet",
    "histograms_kth_tips2b",
    "histograms_voc",
]
BY_KEY = {finding.key: finding for finding in FINDINGS}


def test_every_finding_is_there_in_the_papers_order() -> None:
    assert [finding.key for finding in FINDINGS] == KEYS
    assert FINDINGS == DYNAMICS + STATISTICS
    assert len(DYNAMICS) == 15


def test_every_finding_has_a_case_of_each_kind() -> None:
    assert list(CASES) == KEYS
    for key, cases in CASES.items():
        wanted = {HOLDS, UNTOLD} if BY_KEY[key].once else {HOLDS, FAILS, UNTOLD}
        assert {word for _, word, _ in cases} == wanted, key


@pytest.mark.parametrize(
    ("key", "word", "build"),
    [
        pytest.param(key, word, build, id=f"{key}: {word}: {title}")
        for key, cases in CASES.items()
        for title, word, build in cases
    ],
)
def test_the_verdict_is_known(key: str, word: str, build: Callable[[], Sequence[Run]]) -> None:
    finding = BY_KEY[key]
    verdicts = finding.verdicts(build())
    assert finding.overall(verdicts) == word, verdicts
    for verdict in verdicts:
        assert (verdict.word == UNTOLD) == bool(verdict.why)
        assert verdict.numbers or verdict.word == UNTOLD


def test_all_findings_on_all_runs_are_in_the_table() -> None:
    runs = CASES["voc_jumps"][0][2]()
    found = check(runs)
    table = verdict_table(found)
    assert list(dict.fromkeys(table["finding"])) == KEYS
    assert set(table["verdict"]) == {HOLDS, FAILS, UNTOLD}
    assert len(table) == sum(len(verdicts) for _, verdicts in found)
    row = table[table["finding"] == "voc_jumps"].iloc[0]
    assert (row["runs"], row["about"], row["source"]) == (
        "a",
        "train, agreement",
        "v1 sec. 5, 6, fig. 4, 7b",
    )
    absent = table[table["finding"] == "kth_fall"].iloc[0]
    assert (absent["runs"], absent["why"]) == ("", "no run on KTH-TIPS2b")


@pytest.mark.parametrize(
    ("words", "once", "overall"),
    [
        ([HOLDS, FAILS, UNTOLD], False, FAILS),
        ([HOLDS, UNTOLD], False, HOLDS),
        ([UNTOLD], False, UNTOLD),
        ([HOLDS, FAILS, UNTOLD], True, HOLDS),
        ([FAILS, UNTOLD], True, FAILS),
    ],
)
def test_a_counterexample_is_enough_and_where_one_case_is_enough_that_is(
    words: list[str], once: bool, overall: str
) -> None:
    assert finding(once=once).overall([Verdict((word,), "", word) for word in words]) == overall


def finding(**fields: Any) -> Finding:
    texts = dict.fromkeys(("key", "sentence", "source", "criterion", "needs"), "")
    return Finding(**texts, **{"check": lambda runs: []} | fields)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("words", "together"),
    [
        ([HOLDS, HOLDS], HOLDS),
        ([HOLDS, UNTOLD], UNTOLD),
        ([UNTOLD, FAILS, HOLDS], FAILS),
    ],
)
def test_what_is_said_of_several_things_holds_where_it_holds_of_each(
    words: list[str], together: str
) -> None:
    verdicts = [Verdict(("a",), str(i), word) for i, word in enumerate(words)]
    assert finding().by_runs(verdicts) == {("a",): together}
    assert finding().overall(verdicts) == together
    assert finding().overall([*verdicts, Verdict(("b",), "", HOLDS)]) == (
        FAILS if together == FAILS else HOLDS
    )
    once = finding(once=True)
    assert once.overall(verdicts) == HOLDS


def test_samples_decide_where_nothing_else_does() -> None:
    whole, part = Verdict(("a",), "", HOLDS), Verdict(("b",), "", FAILS, caveats=(SAMPLE,))
    assert finding().overall([whole, part]) == HOLDS
    assert finding().caveats([whole, part]) == ["on a sample otherwise: b"]
    assert finding(once=True).caveats([whole, part]) == []
    untold = Verdict(("a",), "", UNTOLD)
    assert finding().overall([untold, part]) == FAILS
    assert finding().caveats([untold, part]) == [SAMPLE]
    assert finding().overall([untold, replace(part, word=UNTOLD)]) == UNTOLD
    assert finding().caveats([untold, replace(part, word=UNTOLD)]) == []
    assert finding().caveats([whole, replace(part, word=HOLDS)]) == []


def test_runs_on_all_data_are_no_samples() -> None:
    fails, holds = Verdict(("a",), "", FAILS), Verdict(("b",), "", HOLDS)
    assert finding().overall([fails, holds]) == FAILS
    assert finding().caveats([fails, holds]) == []
    sample = Verdict(("c",), "", HOLDS, caveats=(SAMPLE,))
    assert finding().caveats([fails, holds, sample]) == ["on a sample otherwise: c"]


def test_what_decides_and_is_weak_in_one_way_or_another_is_marked() -> None:
    ab = Verdict(("a", "b"), "", HOLDS, caveats=(CONFOUNDED,))
    cd = Verdict(("c", "d"), "", HOLDS, caveats=(SAMPLE,))
    both = Verdict(("e", "f"), "", HOLDS, caveats=(UNKNOWN_RECIPE, SAMPLE))
    assert finding().caveats([ab, cd]) == [CONFOUNDED]  # the sample decides nothing
    assert finding().caveats([cd, both]) == [UNKNOWN_RECIPE, SAMPLE]
    assert finding().caveats([ab, Verdict(("g",), "", HOLDS)]) == []
    # A part that cannot be told takes no caveat from the one that decides.
    fails = replace(ab, about="one", word=FAILS)
    untold = Verdict(("a", "b"), "two", UNTOLD)
    assert finding().caveats([fails, untold]) == [CONFOUNDED]


def test_runs_whose_recipes_differ_are_marked() -> None:
    def check(runs: Sequence[Run]) -> list[Verdict]:
        return [Verdict(tuple(run.name for run in runs), "", HOLDS, "numbers")]

    def runs(sample: int = 0, **other: Any) -> list[Run]:
        base = {"network": "a", "data.train_size": 0}
        return [
            run(learning(epochs=1), name="a", config=base),
            run(learning(epochs=1), name="b", config=base | other | {"data.train_size": sample}),
        ]

    compared = finding(check=check, compares=("network", "data.train_size"))
    (same,) = compared.verdicts(runs(network="b"))
    assert (same.caveats, same.numbers) == ((), "numbers; the same recipe otherwise")
    (differ,) = compared.verdicts(runs(epochs=3))
    assert differ.caveats == (CONFOUNDED,)
    assert differ.numbers == "numbers; recipes differ in epochs missing / 3"
    (seed,) = compared.verdicts(runs(seed=1))
    assert (seed.caveats, seed.numbers) == ((), "numbers; recipes differ in seed missing / 1")
    one, two = runs()
    two.about = About()
    (unknown,) = compared.verdicts([one, two])
    assert unknown.caveats == (UNKNOWN_RECIPE,)
    (sample,) = compared.verdicts(runs(sample=5))
    assert sample.caveats == (SAMPLE,)
    (plain,) = finding(check=check).verdicts(runs(epochs=3))
    assert (plain.caveats, plain.numbers) == ((), "numbers")


def test_what_the_paper_says_of_one_network_another_gives_numbers_on() -> None:
    of_one = {finding.key for finding in FINDINGS if finding.network}
    assert {finding.network for finding in FINDINGS} == {"", "densenet121"}
    # Those of figures 4 to 7, 16, 17 and 19.
    assert of_one == {
        key
        for key in KEYS
        if key.startswith(("voc_", "kth_", "cifar10", "imagenet_", "test_"))
        and not key.startswith("voc_resnet50")
    }
    edges = BY_KEY["voc_edges"]
    runs = [
        on("voc", {"edge_strength": FALLING}, name=name, networks=networks)
        for name, networks in (
            ("a", ("densenet121", "lenet5")),
            ("b", ("densenet121_cifar",) * 2),
            ("c", ("lenet5",) * 2),
        )
    ]
    runs.append(on("voc", name="d", networks=("lenet5",) * 2))
    verdicts = {v.runs: v for v in edges.verdicts(runs)}
    assert {names: v.word for names, v in verdicts.items()} == {
        ("a",): UNTOLD, ("b",): FAILS, ("c",): UNTOLD, ("d",): UNTOLD,
    }  # fmt: skip
    why = "the paper says this of densenet121; here"
    assert verdicts["a",].why == f"{why} densenet121 + lenet5"
    assert verdicts["c",].why == f"{why} lenet5"
    assert verdicts["d",].why == f"{why} lenet5; no image statistics of 'train' beside its record"
    assert verdicts["b",].why == ""
    assert verdicts["c",].numbers == verdicts["b",].numbers != ""


def test_every_takes_several_kinds_that_show_it() -> None:
    """A run that does not show it is no second kind, nor is a sample beside runs on all data."""
    every = BY_KEY["agreement_everywhere"]

    def of(name: str, network: str, right: np.ndarray, sample: int = 0) -> Run:
        config = {"network": network, "data.train_size": sample}
        return run(right, name=name, networks=(network,) * 2, config=config)

    shows, not_so = learning(), independent(np.full((20, 2), 0.6))
    one = of("a", "lenet5", shows)
    assert every.overall(every.verdicts([one])) == UNTOLD
    assert every.overall(every.verdicts([one, of("b", "vgg16", shows)])) == HOLDS
    against = every.verdicts([one, of("b", "vgg16", not_so, sample=5)])
    assert every.overall(against) == FAILS
    assert every.caveats(against) == [SAMPLE]
    part = every.verdicts([one, of("b", "vgg16", shows, sample=5)])
    assert [v.word for v in part] == [UNTOLD, HOLDS]
    assert every.caveats(part) == [SAMPLE]
    parts = every.verdicts([one, of("b", "lenet5", shows, sample=5)])
    assert every.overall(parts) == UNTOLD
    # A batch size that is not known is not another one; two that are known are.
    one.about = replace(one.about, batch_size=32)
    again = of("b", "lenet5", shows)
    assert every.overall(every.verdicts([one, again])) == UNTOLD
    again.about = replace(again.about, batch_size=64)
    assert every.overall(every.verdicts([one, again])) == HOLDS
