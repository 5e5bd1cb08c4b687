import jax
import jax.numpy as jnp
import numpy as np

from jagree.record.correctness import RULES
from jagree.training.tasks import MULTI_LABEL, SINGLE_LABEL


def literal(logits: np.ndarray, label: int) -> tuple[int, float, float, float]:
    p = np.exp(logits) / np.exp(logits).sum()
    others = [j for j in range(len(logits)) if j != label]
    return (
        int(logits.argmax()),
        float(np.log(p[label])),
        float(logits[label] - max(logits[j] for j in others)),
        float(sum(p[j] ** 2 for j in others)),
    )


def test_the_outcome_is_the_literal_definition() -> None:
    rng = np.random.default_rng(0)
    logits, label = rng.normal(0, 3, (50, 4)), rng.integers(0, 4, 50)
    found = SINGLE_LABEL.outcome(jnp.float32(logits), jnp.array(label))
    expected = [np.array(v) for v in zip(*map(literal, logits, label), strict=True)]
    for ours, theirs in zip(found, expected, strict=True):
        np.testing.assert_allclose(ours, theirs, rtol=1e-4, atol=1e-6)
    assert len(set(np.asarray(found.prediction).tolist())) == 4


def test_a_certain_network_has_finite_numbers() -> None:
    logits = jnp.array([[500.0, -500.0, 0.0]])
    for label in (0, 1):
        outcome = SINGLE_LABEL.outcome(logits, jnp.array([label]))
        assert all(np.isfinite(v).all() for v in outcome)
    assert outcome.log_prob == -1000.0
    assert outcome.margin == -1000.0


def test_output_that_is_not_finite_is_no_prediction() -> None:
    for bad in (np.nan, np.inf, -np.inf):
        logits = jnp.array([[0.0, bad, 1.0], [0.0, 2.0, 1.0]])
        outcome = SINGLE_LABEL.outcome(logits, jnp.array([0, 0]))
        np.testing.assert_array_equal(outcome.prediction, [-1, 1])
        assert np.isnan(outcome.log_prob[0])
        assert np.isnan(outcome.margin[0])
        assert np.isfinite(outcome.margin[1])


def test_the_loss_is_minus_the_log_prob_of_the_label() -> None:
    logits = jax.random.normal(jax.random.key(0), (20, 5)) * 4
    label = jnp.arange(20) % 5
    loss = SINGLE_LABEL.loss(logits, label)
    np.testing.assert_allclose(
        loss, -SINGLE_LABEL.outcome(logits, label).log_prob, rtol=1e-5, atol=1e-6
    )


def literal_multi(logits: np.ndarray, label: np.ndarray) -> tuple[list[int], float, float, float]:
    p = 1 / (1 + np.exp(-logits))
    of_label = [p[c] if label[c] else 1 - p[c] for c in range(len(label))]
    return (
        [int(q > 0.5) for q in p],
        sum(float(np.log(q)) for q in of_label),
        min(float(logits[c] if label[c] else -logits[c]) for c in range(len(label))),
        -sum(float(np.log(q)) for q in of_label) / len(label),
    )


def test_the_multi_label_outcome_is_the_literal_definition() -> None:
    rng = np.random.default_rng(0)
    logits, label = rng.normal(0, 3, (50, 4)), rng.random((50, 4)) < 0.4
    label[:10] = logits[:10] > 0
    found = MULTI_LABEL.outcome(jnp.float32(logits), jnp.array(label))
    loss = MULTI_LABEL.loss(jnp.float32(logits), jnp.array(label))
    assert found.sum_sq_other is None
    assert found.prediction.dtype == jnp.int8
    expected = [np.array(v) for v in zip(*map(literal_multi, logits, label), strict=True)]
    for ours, theirs in zip([*found[:3], loss], expected, strict=True):
        np.testing.assert_allclose(ours, theirs, rtol=1e-4, atol=1e-6)
    right = RULES[MULTI_LABEL.correctness](np.asarray(found.prediction), label)
    np.testing.assert_array_equal(right, np.asarray(found.margin) > 0)
    assert 10 <= right.sum() < 50


def test_multi_label_output_that_is_not_finite_is_no_prediction() -> None:
    for bad in (np.nan, np.inf, -np.inf):
        logits = jnp.array([[0.0, bad, 1.0], [1.0, -2.0, 500.0]])
        outcome = MULTI_LABEL.outcome(logits, jnp.array([[True, True, False], [True, False, True]]))
        np.testing.assert_array_equal(outcome.prediction, [[-1, -1, -1], [1, 0, 1]])
        assert np.isnan(outcome.log_prob[0])
        assert np.isnan(outcome.margin[0])
        assert np.isfinite(outcome.log_prob[1])
