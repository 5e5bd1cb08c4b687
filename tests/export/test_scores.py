"""Scores of all classes have the predicted class, the probability of the label and the margin."""

import doctest

import numpy as np
import pytest

import jagree.export.scores
from jagree.export.scores import LEAD, UNSEEN, Scores, scores_of
from jagree.record.outcomes import single_label_outcomes
from jagree.record.schema import to_stored
from tests.export.records import random_logits

N = 20_000


def stored(logits: np.ndarray, label: np.ndarray) -> dict[str, np.ndarray]:
    """What a record keeps of logits [N, C]."""
    found = single_label_outcomes(logits, label)
    return {name: to_stored(name, values) for name, values in found.items()}


def made(logits: np.ndarray, label: np.ndarray) -> tuple[dict[str, np.ndarray], Scores]:
    """The record's values of logits, and the scores that are made of them."""
    kept = stored(logits, label)
    log_prob, margin = (kept[name].astype(np.float64) for name in ("log_prob", "margin"))
    prediction = kept["prediction"].astype(np.int64)
    return kept, scores_of(prediction, label, log_prob, margin, logits.shape[-1])


def dense(scores: Scores, classes: int) -> np.ndarray:
    """Log probabilities [N, C], one example after the other."""
    rows = []
    for n in range(len(scores.of_label)):
        row = [scores.of_rest[n]] * classes
        row[scores.other[n]] = scores.of_other[n]
        row[scores.label[n]] = scores.of_label[n]
        rows.append(row)
    return np.array(rows)


@pytest.mark.parametrize("classes", [2, 3, 4, 10])
def test_what_a_record_says_of_any_network_is_kept(classes: int) -> None:
    label = np.random.default_rng(1).integers(0, classes, N)
    kept, scores = made(random_logits((1, 1, N, classes), label)[0, 0], label)
    found = dense(scores, classes)
    assert not scores.impossible.any()
    np.testing.assert_array_equal(found.argmax(-1), kept["prediction"])
    np.testing.assert_array_equal(found.astype(np.float32).argmax(-1), kept["prediction"])

    probability = np.exp(found)
    np.testing.assert_allclose(probability.sum(-1), 1, rtol=1e-7)
    np.testing.assert_allclose(scores.probabilities(classes), probability, rtol=1e-12)
    error = np.abs(probability[np.arange(N), label] - np.exp(kept["log_prob"].astype(np.float64)))
    assert (error <= UNSEEN * (1 + 1e-6) + scores.moved).all()
    assert 0 < (scores.moved > 0).mean() < 0.1
    assert scores.moved.max() < 3e-4  # half precision of log p is 2.4e-4 at p = 1/2

    others = np.where(np.arange(classes) == label[:, None], -np.inf, found).max(-1)
    margin = kept["margin"].astype(np.float64)
    off = np.abs(found[np.arange(N), label] - others - margin) / np.maximum(np.abs(margin), 1)
    np.testing.assert_allclose(off, scores.margin_error, atol=1e-9)
    assert off.max() < 2e-3
    assert (off < 2 * LEAD).mean() > (0.3 if classes == 2 else 0.7)


def test_the_rest_is_spread_equally() -> None:
    label, prediction = np.array([0, 0, 2]), np.array([2, 0, 2])
    p, margin = np.array([0.2, 0.6, 0.9]), np.log([0.2 / 0.5, 0.6 / 0.2, 0.9 / 0.08])
    found = scores_of(prediction, label, np.log(p), margin, 4).probabilities(4)
    expected = [[0.2, 0.15, 0.5, 0.15], [0.6, 0.2, 0.1, 0.1], [0.08, 0.01, 0.9, 0.01]]
    np.testing.assert_allclose(found, expected)


def test_equal_scores_are_decided_as_the_network_did() -> None:
    label = np.array([0, 1, 2, 2])
    logits = np.zeros((4, 3))
    logits[3, 1:] = 7.0
    kept, scores = made(logits, label)
    assert kept["prediction"].tolist() == [0, 0, 0, 1]
    np.testing.assert_array_equal(dense(scores, 3).argmax(-1), [0, 0, 0, 1])
    np.testing.assert_allclose(np.exp(scores.of_label), [1 / 3, 1 / 3, 1 / 3, 0.5], atol=2e-4)


def test_a_lead_that_half_precision_loses_is_kept() -> None:
    logits = np.array([[1.0, 1.0 + 1e-9, 0.0], [0.0, 1.0, 1.0 + 1e-9]])
    kept, scores = made(logits, np.array([0, 1]))
    assert kept["margin"].tolist() == [0, 0]
    found = dense(scores, 3).astype(np.float32)
    np.testing.assert_array_equal(found.argmax(-1), [1, 2])


@pytest.mark.parametrize("classes", [2, 5])
def test_certainty_has_finite_scores(classes: int) -> None:
    logits = np.zeros((4, classes))
    logits[:, 0] = [18, 200, 1e6, 1e30]
    for label in (np.zeros(4, np.int64), np.ones(4, np.int64)):
        kept, scores = made(logits, label)
        found = dense(scores, classes)
        assert np.isfinite(found).all()
        np.testing.assert_array_equal(found.argmax(-1), 0)
        p = np.exp(found[np.arange(4), label])
        np.testing.assert_allclose(p, np.exp(kept["log_prob"].astype(float)), atol=UNSEEN)
        np.testing.assert_allclose(scores.margin_error, 0, atol=1e-3)


@pytest.mark.parametrize(
    ("prediction", "p", "classes"), [(1, 0.6, 3), (0, 0.2, 4), (0, 0.4, 2), (1, 1.0, 2)]
)
def test_what_no_network_says_is_impossible(prediction: int, p: float, classes: int) -> None:
    arguments = (np.array([prediction]), np.array([0]), np.log([p]), np.array([0.0]), classes)
    assert scores_of(*arguments).impossible.tolist() == [True]


def test_parts_are_parts() -> None:
    label = np.arange(10) % 3
    _, whole = made(random_logits((1, 1, 10, 3), label)[0, 0], label)
    np.testing.assert_array_equal(
        whole.part(slice(3, 7)).probabilities(3), whole.probabilities(3)[3:7]
    )


def test_the_examples_of_the_docstrings_run() -> None:
    found = doctest.testmod(jagree.export.scores)
    assert found.attempted > 0
    assert found.failed == 0
