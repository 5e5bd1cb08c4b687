"""Outcomes of NumPy against those of the training step."""

import jax.numpy as jnp
import numpy as np
import pytest

from jagree.record.outcomes import multi_label_outcomes, single_label_outcomes
from jagree.training import tasks


def logits() -> np.ndarray:
    rng = np.random.default_rng(0)
    some = (4 * rng.normal(size=(40, 5))).astype(np.float32)
    some[3, 2], some[4] = np.nan, np.inf
    some[5] = [60, 0, 0, 0, 0]
    return some


@pytest.mark.parametrize("several", [False, True])
def test_they_are_those_of_a_training_run(several: bool) -> None:
    rng = np.random.default_rng(1)
    z = logits()
    if several:
        label: np.ndarray = rng.random((40, 5)) < 0.4
        found, task = multi_label_outcomes(z, label), tasks.MULTI_LABEL
    else:
        label = rng.integers(0, 5, 40)
        label[5] = 0  # near certainty
        found, task = single_label_outcomes(z, label), tasks.SINGLE_LABEL
    expected = {
        k: v
        for k, v in task.outcome(jnp.array(z), jnp.array(label))._asdict().items()
        if v is not None
    }
    assert set(found) == set(expected)
    for name, values in expected.items():
        if name == "sum_sq_other":
            values = np.where(np.isfinite(z).all(-1), values, np.nan)
        np.testing.assert_allclose(found[name], values, rtol=2e-5, atol=1e-12, err_msg=name)
