"""What every registered network must do."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from jagree import registry
from jagree.errors import UsageError

PARAMETERS = {"lenet5": 62_290}  # facts of the paper's networks, for 10 classes at 32x32


@pytest.fixture(scope="module", params=registry.names("network"))
def network(request: pytest.FixtureRequest):
    module = registry.load("network", request.param)(classes=10)
    variables = module.init(jax.random.key(0), jnp.zeros((1, 32, 32, 3)), train=False)
    return request.param, module, variables


def test_the_number_of_parameters_is_the_papers(network) -> None:
    name, _, variables = network
    assert sum(x.size for x in jax.tree.leaves(variables["params"])) == PARAMETERS[name]


def test_logits_are_float32_one_per_class(network) -> None:
    _, module, variables = network
    logits = module.apply(variables, jnp.ones((4, 32, 32, 3)), train=False)
    assert logits.shape == (4, 10)
    assert logits.dtype == jnp.float32


def test_an_example_is_judged_alone_in_evaluation_but_not_in_training(network) -> None:
    _, module, variables = network
    image = jax.random.uniform(jax.random.key(1), (4, 32, 32, 3))
    whole = module.apply(variables, image, train=False)
    part = module.apply(variables, image[:2], train=False)
    np.testing.assert_allclose(whole[:2], part, rtol=1e-4, atol=1e-5)
    whole, updates = module.apply(variables, image, train=True, mutable=["batch_stats"])
    part, _ = module.apply(variables, image[:2], train=True, mutable=["batch_stats"])
    assert not np.allclose(whole[:2], part, atol=1e-3)
    before, after = (jax.tree.leaves(v["batch_stats"]) for v in (variables, updates))
    assert all(not np.array_equal(b, a) for b, a in zip(before, after, strict=True))


def test_images_that_are_too_small_are_refused_in_a_sentence(network) -> None:
    name, module, _ = network
    with pytest.raises(
        UsageError, match=rf"{name} takes images of \d+x\d+ pixels or more, not 8x9"
    ):
        module.init(jax.random.key(0), jnp.zeros((1, 8, 9, 3)), train=False)


def test_every_parameter_matters(network) -> None:
    _, module, variables = network
    image = jax.random.uniform(jax.random.key(1), (8, 32, 32, 3))

    def loss(params):
        return (module.apply({**variables, "params": params}, image, train=False) ** 2).mean()

    gradient = jax.grad(loss)(variables["params"])
    assert all(np.abs(g).max() > 0 for g in jax.tree.leaves(gradient))
