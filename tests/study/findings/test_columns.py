"""The columns that findings read are those that sources and statistics have."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from ml_collections import ConfigDict

from jagree import data, registry
from jagree.configs import default
from jagree.study.findings import FINDINGS
from jagree.study.findings.observed import TYPES
from tests.data import sets
from tests.study.findings.simulated import run


def measured() -> list[str]:
    """Names of the variables of the statistics that are measured by default."""
    return [
        variable.name
        for name in default.get_config().statistics.names
        for variable in registry.load("statistic", name).variables
    ]


@pytest.mark.parametrize("source", ["cifar10", "voc", "kth_tips2b"])
def test_the_columns_of_the_findings_exist(
    source: str, tmp_path: Path, request: pytest.FixtureRequest
) -> None:
    options: ConfigDict = default.get_config().data
    options.update({"name": source, "train_size": 0, "test_size": 0})
    options.update(sets.SETS[source](tmp_path, request.getfixturevalue))
    if source == "cifar10":
        folder = request.getfixturevalue("real_data")
        options.cifar10h = str(folder / "cifar10h" / "cifar10h-probs.npy")
        test = registry.load("source", source)("test", options)
        splits = {"train": replace(test, metadata={}), "test": test}  # of train nothing is known
    else:
        splits = data.load(options)
    columns, rights = {}, {}
    for name, split in splits.items():
        n = len(split)
        columns[name] = {c: np.ones(n) for c in measured()}
        columns[name] |= {c: column.values for c, column in split.metadata.items()}
        rights[name] = np.ones((1, 2, n), bool)
    one = run(
        rights["train"],
        rights["test"],
        data=source,
        columns=columns["train"],
        test_columns=columns["test"],
        rate_drops=(1,),
    )
    asked = [finding for finding in FINDINGS if finding.data == source]
    assert asked
    for finding in asked:
        for verdict in finding.verdicts([one]):
            assert "column" not in verdict.why, verdict
    if source == "kth_tips2b":
        assert set(one.observed("train").types) == set(TYPES)
        assert {"frontal", "ambient"} <= set(one.observed("test").types["illumination"])
        assert "frontal" in one.observed("train").types["rotation"]


def test_a_column_that_is_missing_would_be_noticed() -> None:
    one = run(np.ones((1, 2, 5), bool), data="voc", columns={"entropy": np.ones(5)})
    plain = next(finding for finding in FINDINGS if finding.key == "voc_plain_first")
    assert "have no column 'segments'" in plain.verdicts([one])[1].why
