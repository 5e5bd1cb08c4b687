"""Each finding on runs of which the answer is known."""

from collections.abc import Callable, Sequence

import pytest

from jagree.study.findings import (
    DYNAMICS,
    FAILS,
    FINDINGS,
    HOLDS,
    STATISTICS,
    UNTOLD,
    Run,
    check,
    verdict_table,
)
from tests.study.findings.cases_of_data import CASES

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
        "v1 sec. 5, fig. 4",
    )
    absent = table[table["finding"] == "kth_fall"].iloc[0]
    assert (absent["runs"], absent["why"]) == ("", "no run on KTH-TIPS2b")
