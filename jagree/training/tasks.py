"""What is learned: the loss, and what the record keeps of a network's output.

Axis letters: B batch, C classes.
"""

from collections.abc import Callable
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import optax
from jaxtyping import Array, Bool, Float, Int


class Outcome(NamedTuple):
    """What one network says about a batch; the field names are the record's variables."""

    prediction: Array
    log_prob: Array
    margin: Array
    sum_sq_other: Array | None  # None for multi-label tasks, where it is not defined


class Task(NamedTuple):
    """A way to learn.

    Attributes
    ----------
    correctness : str
        The rule in `jagree.record.correctness` by which its predictions are right.
    loss : callable
        (logits [B, C], label) -> [B], in nats.
    outcome : callable
        (logits [B, C], label) -> Outcome of arrays [B, ...].
    """

    correctness: str
    loss: Callable[[Array, Array], Array]
    outcome: Callable[[Array, Array], Outcome]


def outcome_shapes(task: Task, classes: int, *, multi_label: bool) -> Outcome:
    """Shapes and types of what is said of one example, [1, ...]."""
    label = jax.ShapeDtypeStruct(
        (1, classes) if multi_label else (1,), bool if multi_label else jnp.int32
    )
    logits = jax.ShapeDtypeStruct((1, classes), jnp.float32)
    return jax.eval_shape(task.outcome, logits, label)


def by_example(outcome: Outcome) -> dict[str, Any]:
    """The variables of S batches [K, S, B, ...] as [K, S * B, ...]."""
    return {
        name: values.reshape(len(values), -1, *values.shape[3:])
        for name, values in outcome._asdict().items()
        if values is not None
    }


def _cross_entropy(logits: Float[Array, "B C"], label: Int[Array, " B"]) -> Float[Array, " B"]:
    return optax.softmax_cross_entropy_with_integer_labels(logits, label)


def _single_label_outcome(logits: Float[Array, "B C"], label: Int[Array, " B"]) -> Outcome:
    """See facts on the fields in docs/record.md.

    Where any logit is not finite the prediction is -1: argmax would call it class 0, and a diverged
    network would seem to be right on every example of that class.
    """
    is_label = jax.nn.one_hot(label, logits.shape[-1], dtype=bool)
    log_p = jax.nn.log_softmax(logits)
    of_label = jnp.where(is_label, log_p, 0.0).sum(-1)
    largest_other = jnp.where(is_label, -jnp.inf, logits).max(-1)
    finite = jnp.isfinite(logits).all(-1)
    return Outcome(
        prediction=jnp.where(finite, logits.argmax(-1), -1),
        log_prob=jnp.where(finite, of_label, jnp.nan),
        margin=jnp.where(finite, jnp.where(is_label, logits, 0.0).sum(-1) - largest_other, jnp.nan),
        sum_sq_other=jnp.where(is_label, 0.0, jnp.exp(2.0 * log_p)).sum(-1),
    )


SINGLE_LABEL = Task("single_label", _cross_entropy, _single_label_outcome)


def _binary_cross_entropy(
    logits: Float[Array, "B C"], label: Bool[Array, "B C"]
) -> Float[Array, " B"]:
    """Mean over the classes, as PyTorch's BCEWithLogitsLoss and MultiLabelSoftMarginLoss."""
    return optax.sigmoid_binary_cross_entropy(logits, label).mean(-1)


def _multi_label_outcome(logits: Float[Array, "B C"], label: Bool[Array, "B C"]) -> Outcome:
    """A class is predicted present where its sigmoid exceeds 0.5 (paper, sec. 2).

    The log probability of the label is the sum over the classes. The margin is the smallest, over
    the classes, of the logit towards the label, (2 y - 1) z: above 0 where all are right. Where any
    logit is not finite the prediction of all classes is -1.
    """
    towards = jnp.where(label, logits, -logits)
    finite = jnp.isfinite(logits).all(-1)
    return Outcome(
        prediction=jnp.where(finite[:, None], logits > 0, -1).astype(jnp.int8),
        log_prob=jnp.where(finite, jax.nn.log_sigmoid(towards).sum(-1), jnp.nan),
        margin=jnp.where(finite, towards.min(-1), jnp.nan),
        sum_sq_other=None,
    )


MULTI_LABEL = Task("exact_match", _binary_cross_entropy, _multi_label_outcome)
