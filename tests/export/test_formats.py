"""Areas under the margin, cleanlab's arrays, answers: what is in the files is in the record."""

import itertools
import json
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from jagree.errors import UsageError
from jagree.export import export
from jagree.study.kappa import error_consistency, pair_error_consistency
from tests.export.records import random_logits, record
from tests.export.test_cartography import recorded

LABEL = np.random.default_rng(5).integers(0, 4, 50)


def logits(epochs: int = 3, members: int = 2, classes: int = 4) -> np.ndarray:
    return random_logits((epochs, members, len(LABEL), classes), LABEL, seed=7)


def test_areas_under_the_margin(tmp_path: Path) -> None:
    split = record(tmp_path / "run", logits(), LABEL)
    export(tmp_path / "run", "aum", tmp_path / "out")
    expected = recorded(split).area_under_margin
    files = ["aum_values.csv", "member_0/aum_values.csv", "member_1/aum_values.csv"]
    for name, values in zip(files, (expected.mean(0), *expected), strict=True):
        found = pd.read_csv(tmp_path / "out" / name)
        assert list(found) == ["sample_id", "aum"]
        assert (np.diff(found["aum"]) <= 0).all()
        by_id = found.set_index("sample_id")["aum"].reindex(split["id"].values)
        np.testing.assert_allclose(by_id, values, rtol=1e-12)


def test_areas_without_a_value_come_last(tmp_path: Path) -> None:
    scores = logits()
    scores[1, 0, 8, 2] = np.inf
    record(tmp_path / "run", scores, LABEL)
    line = export(tmp_path / "run", "aum", tmp_path / "out")
    assert "1 example of outputs that are not finite: no value" in line
    for name in ("aum_values.csv", "member_0/aum_values.csv"):
        found = pd.read_csv(tmp_path / "out" / name)
        assert found["sample_id"].tolist()[-1] == "train_0000008"
        assert found["aum"].isna().tolist() == [False] * 49 + [True]
    assert pd.read_csv(tmp_path / "out/member_1/aum_values.csv")["aum"].notna().all()


def test_probabilities_for_cleanlab(tmp_path: Path) -> None:
    scores = logits(members=3)
    split = record(tmp_path / "run", scores, LABEL)
    export(tmp_path / "run", "cleanlab", tmp_path / "out", per_member=True)
    found = {name: np.load(tmp_path / "out" / f"{name}.npy") for name in ("labels", "ids")}
    mean = np.load(tmp_path / "out/pred_probs.npy", allow_pickle=False)
    np.testing.assert_array_equal(found["labels"], split["label"])
    assert found["ids"].tolist() == split["id"].values.tolist()
    alone = [np.load(tmp_path / f"out/member_{k}/pred_probs.npy") for k in range(3)]
    np.testing.assert_allclose(mean, np.mean(alone, 0), atol=1e-7)
    for k, of_member in enumerate(alone):
        assert of_member.shape == (50, 4)
        assert of_member.min() >= 0
        assert of_member.max() <= 1
        np.testing.assert_allclose(of_member.sum(1), 1, atol=1e-6)
        np.testing.assert_array_equal(of_member.argmax(1), split["prediction"].values[-1, k])
        p = np.exp(split["log_prob"].values[-1, k].astype(np.float64))
        np.testing.assert_allclose(of_member[np.arange(50), LABEL], p, atol=3e-4)
    about = json.loads((tmp_path / "out/about.json").read_text())
    assert about["epochs"] == [3]
    assert "confident joint" in about["not_exact"][1]


def test_an_epoch_may_be_chosen(tmp_path: Path) -> None:
    split = record(tmp_path / "run", logits(), LABEL, epochs=(0, 4, 6))
    export(tmp_path / "run", "cleanlab", tmp_path / "a", epoch=4, members=[1])
    found = np.load(tmp_path / "a/pred_probs.npy")
    assert not (tmp_path / "a/member_1").exists()
    np.testing.assert_array_equal(found.argmax(1), split["prediction"].values[1, 1])
    with pytest.raises(UsageError, match="epoch 3 is not recorded; recorded are 3 epochs from 0"):
        export(tmp_path / "run", "cleanlab", tmp_path / "b", epoch=3)


def test_blocks_do_not_show(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    record(tmp_path / "run", logits(), LABEL)
    export(tmp_path / "run", "cleanlab", tmp_path / "a")
    monkeypatch.setattr("jagree.export.cleanlab._BLOCK", 7 * 4 * 2)
    export(tmp_path / "run", "cleanlab", tmp_path / "b")
    found, expected = (np.load(tmp_path / name / "pred_probs.npy") for name in "ba")
    np.testing.assert_array_equal(found, expected)


def answers(folder: Path) -> dict[str, pd.DataFrame]:
    """Each observer's answers, read as model-vs-human reads a folder of raw data."""
    every = pd.concat([pd.read_csv(path) for path in sorted(folder.glob("*.csv"))])
    every["image_id"] = every["imagename"].apply(short_name)
    parts = {name: part.sort_values("image_id") for name, part in every.groupby("subj")}
    for one, other in itertools.pairwise(parts.values()):
        assert one["image_id"].tolist() == other["image_id"].tolist()
    return parts


def short_name(name: str) -> str:
    parts = name.split("_")
    if len(parts) > 1 and parts[-2].startswith("n0"):
        return f"{parts[-2]}_{parts[-1]}"
    return parts[-1]


def kappa(one: pd.DataFrame, other: pd.DataFrame) -> float:
    """Cohen's kappa of being right, as their paper has it."""
    right = [(part["object_response"] == part["category"]).to_numpy() for part in (one, other)]
    p, q = (found.mean() for found in right)
    expected = p * q + (1 - p) * (1 - q)
    observed = (right[0] == right[1]).mean()
    return 1.0 if observed == 1 else (observed - expected) / (1 - expected)


def test_error_consistency_of_the_answers(tmp_path: Path) -> None:
    scores = logits(members=3)
    scores[-1, 1, :5] = np.nan
    split = record(tmp_path / "run", scores, LABEL, data="controlled:noise")
    export(tmp_path / "run", "error_consistency", tmp_path / "out")
    folder = tmp_path / "out/controlled-noise"
    assert sorted(path.name for path in folder.iterdir()) == [
        f"controlled-noise_net-{k}-{k}_session-1.csv" for k in range(3)
    ]
    parts = answers(folder)
    right = (split["prediction"] == split["label"]).values[-1]
    pairwise = pair_error_consistency(right)
    found = []
    for (i, one), (j, other) in itertools.combinations(enumerate(parts.values()), 2):
        found.append(kappa(one, other))
        assert found[-1] == pytest.approx(pairwise[i, j])
    assert np.mean(found) == pytest.approx(error_consistency(right))
    table = parts["net-1-1"].sort_values("trial")
    header = "subj,session,trial,rt,object_response,category,condition,imagename"
    assert ",".join(table.columns[:8]) == header
    assert table["trial"].tolist() == list(range(1, 51))
    assert (table["object_response"] == "na").tolist() == [True] * 5 + [False] * 45
    assert table["category"].tolist() == [("cat", "dog", "eel", "fox")[y] for y in LABEL]
    assert table["rt"].isna().all()
    assert table["imagename"].tolist() == split["id"].values.tolist()


@pytest.mark.parametrize(
    ("names", "ids"),
    [
        (("0", "1", "2", "3"), None),
        (("crane", "dog", "crane", "eel"), None),
        (("na", "null", "True", "1e5"), None),
        (("a,b", 'say "c"', " d", "\u00e9"), [f"{n}" for n in range(50)]),
        (("a", "b", "c", "d"), [f"{n}_image.png" for n in range(50)]),
        (("a", "b", "c", "d"), ["NA", *(f"x{n}" for n in range(49))]),
    ],
)
def test_names_that_their_code_would_confuse(
    names: tuple[str, ...], ids: list[str] | None, tmp_path: Path
) -> None:
    scores = logits()
    scores[-1, 0, 0] = np.nan  # an answer "na" makes a column of numbers one of text
    split = record(tmp_path / "run", scores, LABEL, class_names=names, ids=ids)
    export(tmp_path / "run", "error_consistency", tmp_path / "out")
    one, other = answers(tmp_path / "out/toy").values()
    assert one["image_id"].is_unique
    right = (split["prediction"] == split["label"]).values[-1]
    assert kappa(one, other) == pytest.approx(error_consistency(right))
    in_order = one.sort_values("trial")
    found = (in_order["object_response"] == in_order["category"]).tolist()
    assert found == right[0].tolist()
    table = pd.read_csv(tmp_path / "out/imagenames.csv", dtype=str, keep_default_na=False)
    assert table["id"].tolist() == split["id"].values.tolist()
    assert table["imagename"].tolist() == in_order["imagename"].tolist()


def test_names_of_imagenet_files_stay(tmp_path: Path) -> None:
    ids = [f"{n:04}_cl_dnn_cr_oven_40_n04111531_{n}.png" for n in range(50)]
    split = record(tmp_path / "run", logits(), LABEL, ids=ids)
    export(tmp_path / "run", "error_consistency", tmp_path / "out")
    one, _ = answers(tmp_path / "out/toy").values()
    assert one.sort_values("trial")["imagename"].tolist() == split["id"].values.tolist()
