"""Tables of small records against what went into them."""

import math
from collections import Counter
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from jagree.errors import UsageError
from jagree.study import (
    agreement_table,
    distribution,
    diverged,
    example_table,
    kappa,
    member_table,
    mistakes,
)
from jagree.study.chance import chance_within_classes, corrected_agreement
from jagree.study.epochs import class_codes
from jagree.study.examples import most_common_prediction, tied
from jagree.study.tables import ALL_MEASURES, MEASURES
from tests.study.records import write

COLUMNS = [
    "split",
    "epoch",
    "members",
    "examples",
    "accuracy_mean",
    "accuracy_std",
    "true_positive_agreement",
    "right_by_any",
    "lower_bound",
    "expected_random_agreement",
    "chance_agreement",
    "largest_agreement",
    "pabak",
    "chance_within_classes",
    "corrected_agreement",
    "error_consistency",
    "fleiss_kappa",
    "fleiss_kappa_labels",
    "light_kappa",
    "hacohen_agreement",
    "churn",
    "same_wrong_class",
    "false_positive_agreement",
    "false_positive_share",
    "sarle_bimodality",
    "pearson_bimodality",
]

LABELS = {"test": np.array([0, 1, 2]), "train": np.array([0, 1, 2, 0, 1])}


def random_predictions(seed: int = 0) -> dict[str, np.ndarray]:
    rng = np.random.default_rng(seed)
    return {name: rng.integers(0, 3, (3, 4, len(y))) for name, y in LABELS.items()}


def test_a_row_per_split_and_epoch_train_first(tmp_path: Path) -> None:
    predictions = random_predictions()
    table = agreement_table(write(tmp_path, LABELS, predictions, epochs=[1, 2, 5]))
    assert list(table.columns) == COLUMNS
    assert list(table["split"]) == ["train"] * 3 + ["test"] * 3
    assert list(table["epoch"]) == [1, 2, 5] * 2
    assert set(table["members"]) == {4}
    assert list(table["examples"]) == [5] * 3 + [3] * 3
    for row in table.to_dict("records"):
        right = predictions[row["split"]][[1, 2, 5].index(row["epoch"])] == LABELS[row["split"]]
        expected = {name: float(measure(right)) for name, measure in MEASURES.items()}
        answer = predictions[row["split"]][[1, 2, 5].index(row["epoch"])]
        expected |= {
            "chance_within_classes": float(chance_within_classes(right, LABELS[row["split"]])),
            "corrected_agreement": float(corrected_agreement(right)),
            "error_consistency": float(kappa.error_consistency(right)),
            "fleiss_kappa": float(kappa.fleiss_kappa(right)),
            "fleiss_kappa_labels": float(kappa.fleiss_kappa_labels(answer)),
            "light_kappa": float(kappa.light_kappa(answer)),
            "hacohen_agreement": float(distribution.hacohen_agreement(answer)),
            "churn": float(mistakes.churn(answer)),
            "same_wrong_class": float(mistakes.same_wrong_class(answer, right)),
            "false_positive_agreement": float(mistakes.false_positive_agreement(answer, right)),
            "false_positive_share": float(mistakes.false_positive_share(answer, right)),
        }
        shape = distribution.right_counts(right)
        for name in ("sarle_bimodality", "pearson_bimodality"):
            expected[name] = float(getattr(distribution, name)(shape))
        assert [*expected] == [*ALL_MEASURES]
        assert {name: row[name] for name in expected} == pytest.approx(expected, nan_ok=True)


def test_members_can_be_left_out(tmp_path: Path) -> None:
    predictions = random_predictions()
    record = write(tmp_path, LABELS, predictions, epochs=[1, 2, 3])
    kept = {name: values[:, [0, 2]] for name, values in predictions.items()}
    without = write(tmp_path / "b", LABELS, kept, epochs=[1, 2, 3])
    pd.testing.assert_frame_equal(
        agreement_table(record, leave_out=[3, 1]), agreement_table(without)
    )
    pd.testing.assert_frame_equal(
        example_table(record["train"], leave_out=[3, 1]), example_table(without["train"])
    )


def test_leaving_out_whom_there_is_not_or_everyone_is_refused(tmp_path: Path) -> None:
    record = write(tmp_path, LABELS, random_predictions(), epochs=[1, 2, 3])
    with pytest.raises(UsageError, match="cannot leave out member 4: the record has the members 0"):
        agreement_table(record, leave_out=[0, 4])
    with pytest.raises(UsageError, match="all 4 members are left out"):
        example_table(record["test"], leave_out=[0, 1, 2, 3])


def test_before_the_first_epoch(tmp_path: Path) -> None:
    record = write(tmp_path, LABELS, random_predictions(), epochs=[])
    table = agreement_table(record)
    assert list(table.columns) == COLUMNS
    assert table.empty
    assert table["epoch"].dtype == np.int64
    assert diverged(record).empty
    with pytest.raises(UsageError, match="the record has no epoch yet"):
        example_table(record["train"])


def test_a_row_per_example(tmp_path: Path) -> None:
    label = np.array([0, 1, 2, 2])
    predictions = np.array([  # epochs 3 and 5
        [[0, 1, 0, 1], [0, 2, 0, 1], [0, 1, 0, 1]],
        [[0, 1, 1, 2], [0, 1, 0, 1], [0, 1, 0, 0]],
    ])  # fmt: skip
    record = write(tmp_path, {"train": label}, {"train": predictions}, epochs=[3, 5])
    table = example_table(record["train"])
    expected = pd.DataFrame(
        {
            "id": ["train_0", "train_1", "train_2", "train_3"],
            "label": [0, 1, 2, 2],
            "label_name": ["cat", "dog", "eel", "eel"],
            "agreed_for_good": [3.0, 5.0, math.nan, math.nan],
            "ever_agreed": [True, True, False, False],
            "accessibility": [1.0, 5 / 6, 0.0, 1 / 6],
            "most_common_prediction": [0, 1, 0, -1],  # three that are equally common
            "most_common_prediction_name": ["cat", "dog", "cat", "(tie)"],
            "most_common_prediction_members": [3, 3, 2, 1],
            "same_mistake": [False, False, False, False],
            "first_learned": [3.0, 3.0, math.nan, math.nan],
            "learned_for_good": [3.0, 3.0, math.nan, math.nan],
            "never_learned_by": [0, 0, 3, 2],
            "forgetting_events": [0.0, 0.0, 0.0, 0.0],
        }
    )
    made_up = table.columns[len(expected.columns) :]  # of the zeros that `write` records
    assert (table[["confidence", "el2n"]] == [1.0, 0.0]).all(axis=None)
    pd.testing.assert_frame_equal(table.drop(columns=made_up), expected)


@pytest.mark.parametrize("seed", range(5))
def test_the_most_common_prediction_is_counted(seed: int) -> None:
    prediction = np.random.default_rng(seed).integers(-1, 4, (6, 50))
    common, members = most_common_prediction(prediction)
    for n in range(50):
        votes = Counter(int(p) for p in prediction[:, n] if p >= 0)
        most = max(votes.values())
        winners = [p for p, count in votes.items() if count == most]
        assert common[n] == (winners[0] if len(winners) == 1 else -1)
        assert members[n] == most
        assert tied(common, members)[n] == (len(winners) > 1)
    assert 0 < tied(common, members).sum() < 50


def test_of_no_example_there_is_a_table(tmp_path: Path) -> None:
    for shape in ((0,), (0, 3)):
        label = {"train": np.zeros(shape, int if len(shape) == 1 else bool)}
        given = {"train": np.zeros((1, 2, *shape), int)}
        record = write(tmp_path / str(len(shape)), label, given, epochs=[1])
        assert example_table(record["train"]).empty
        assert len(agreement_table(record)) == 1


def test_a_prediction_that_is_not_finite_is_no_vote(tmp_path: Path) -> None:
    predictions = np.array([[[-1, -1], [-1, -1], [2, -1]]])
    record = write(tmp_path, {"train": np.array([0, 0])}, {"train": predictions}, epochs=[1])
    table = example_table(record["train"])
    assert list(table["most_common_prediction"]) == [2, -1]
    assert list(table["most_common_prediction_name"]) == ["eel", "(not finite)"]
    assert list(table["most_common_prediction_members"]) == [1, 0]


def test_several_labels_are_right_where_all_are(tmp_path: Path) -> None:
    label = np.array([[1, 0, 1], [0, 0, 0], [0, 1, 0]], bool)
    predictions = np.array([[
        [[1, 0, 1], [0, 0, 0], [1, 1, 0]],
        [[1, 0, 1], [0, 1, 0], [1, 1, 0]],
        [[1, 0, 1], [-1, -1, -1], [0, 1, 0]],
    ]])  # fmt: skip
    record = write(tmp_path, {"train": label}, {"train": predictions}, epochs=[1])
    row = agreement_table(record).iloc[0]
    assert row["true_positive_agreement"] == 1 / 3
    assert row["accuracy_mean"] == pytest.approx(5 / 9)
    table = example_table(record["train"])
    assert list(table["label"]) == ["0 2", "", "1"]
    assert list(table["label_name"]) == ["cat, eel", "(none)", "dog"]
    assert list(table["most_common_prediction"]) == ["0 2", "-1", "0 1"]
    assert list(table["most_common_prediction_name"]) == ["cat, eel", "(tie)", "cat, dog"]
    assert list(table["most_common_prediction_members"]) == [3, 1, 2]
    assert list(diverged(record)["member"]) == [2]


def test_several_labels_without_a_finite_prediction(tmp_path: Path) -> None:
    label, predictions = np.ones((1, 3), bool), np.full((1, 2, 1, 3), -1)
    loss = np.full((1, 2), math.nan)
    record = write(tmp_path, {"train": label}, {"train": predictions}, epochs=[1], loss=loss)
    row = example_table(record["train"]).iloc[0]
    assert row["most_common_prediction"] == "-1"
    assert row["most_common_prediction_name"] == "(not finite)"
    assert row["most_common_prediction_members"] == 0


def test_members_trained_on_different_labels(tmp_path: Path) -> None:
    label = np.array([[0, 1, 2], [0, 1, 0]])  # member 1 has a noisy last label
    record = write(
        tmp_path,
        {"train": label},
        {"train": label[None]},
        epochs=[1],
        true_labels={"train": np.array([0, 1, 1])},
    )
    assert agreement_table(record)["true_positive_agreement"][0] == 1
    assert agreement_table(record, leave_out=[0])["accuracy_mean"][0] == 1
    table = example_table(record["train"])
    assert list(table["label"]) == [0, 1, 1]
    assert table["ever_agreed"].all()


def test_shared_noisy_labels_are_those_trained_on(tmp_path: Path) -> None:
    labels, true = {"train": np.array([0, 2])}, {"train": np.array([0, 1])}
    predictions = {"train": np.array([[[0, 2]]])}
    record = write(tmp_path, labels, predictions, epochs=[1], true_labels=true)
    assert list(example_table(record["train"])["label_name"]) == ["cat", "eel"]


def test_who_diverged_and_when(tmp_path: Path) -> None:
    predictions = {
        name: np.tile(label, (3, 5, 1)).astype(np.int16) for name, label in LABELS.items()
    }
    predictions["train"][2, 1] = -1
    predictions["test"][1, 1, 2] = -1  # one example of the test split, an epoch earlier
    loss = np.ones((3, 5))
    loss[1:, 2] = np.nan
    loss[0, 4] = np.inf
    loss[2, 3] = 1e30  # large, but finite
    record = write(tmp_path, LABELS, predictions, epochs=[10, 20, 30], loss=loss)
    expected = pd.DataFrame(
        {"member": [1, 2, 4], "network": ["net1", "net2", "net4"], "epoch": [20, 20, 10]}
    )
    pd.testing.assert_frame_equal(diverged(record), expected)


def test_a_record_without_losses(tmp_path: Path) -> None:
    labels = {"test": LABELS["test"]}
    predictions = np.tile(labels["test"], (1, 2, 1))
    record = write(tmp_path, labels, {"test": predictions}, epochs=[1])
    table = diverged(record)
    assert table.empty
    assert list(table.columns) == ["member", "network", "epoch"]


def test_a_row_per_member(tmp_path: Path) -> None:
    predictions = random_predictions()
    loss = np.array([[0.5, math.inf, 2.0, 3.0], [1.0] * 4, [0.25] * 4])
    record = write(tmp_path, LABELS, predictions, epochs=[1, 2, 5], loss=loss)
    table = member_table(record, leave_out=[2])
    assert list(table.columns) == ["split", "epoch", "member", "network", "accuracy", "loss"]
    assert list(table["split"]) == ["train"] * 9 + ["test"] * 9
    assert list(table["epoch"]) == np.repeat([1, 2, 5], 3).tolist() * 2
    assert list(table["member"]) == [0, 1, 3] * 6
    assert list(table["network"]) == ["net0", "net1", "net3"] * 6
    for row in table.to_dict("records"):
        position = [1, 2, 5].index(row["epoch"])
        right = predictions[row["split"]][position, row["member"]] == LABELS[row["split"]]
        assert row["accuracy"] == right.mean()
        lost = loss[position, row["member"]] if row["split"] == "train" else math.nan
        assert row["loss"] == pytest.approx(lost, nan_ok=True)


def test_before_the_first_epoch_there_is_no_member_to_tell_of(tmp_path: Path) -> None:
    table = member_table(write(tmp_path, LABELS, random_predictions(), epochs=[]))
    assert list(table.columns) == ["split", "epoch", "member", "network", "accuracy", "loss"]
    assert table.empty


def test_sets_of_labels_are_classes(tmp_path: Path) -> None:
    label = np.array([[1, 0, 1], [0, 0, 0], [1, 0, 1], [0, 1, 0]], bool)
    predictions = {"train": np.zeros((1, 2, 4, 3), int)}
    split = write(tmp_path, {"train": label}, predictions, epochs=[1])["train"]
    codes = class_codes(split)
    assert codes.shape == (4,)
    assert codes[0] == codes[2]
    assert len(set(codes.tolist())) == 3
    own = split.drop_vars("label").assign_coords(
        label=(("member", "example", "class"), np.stack([label, label[::-1]]))
    )
    both = class_codes(own)
    assert both.shape == (2, 4)
    np.testing.assert_array_equal(both[1], both[0][::-1])
