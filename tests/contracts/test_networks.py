"""What every registered network must do."""

import functools
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from jagree import registry
from jagree.errors import UsageError

# Of the paper's networks and their usual variants, for 10 classes at 32x32.
PARAMETERS = {
    "lenet5": 62_290,
    "vgg16": 14_728_266,
    "resnet50": 23_520_842,
    "resnet50_imagenet": 23_528_522,
    "densenet121": 6_964_106,
    "densenet121_cifar": 6_956_298,
}
AT_224 = {"resnet50": 25_507_412, "densenet121": 6_974_356}  # 20 classes

# What makes a narrow copy of a deep network, for tests that compute; the others are small.
NARROW = {
    "vgg16": {"widths": (4, 8, 8, 12, 16), "depths": (1, 1, 2, 1, 1)},
    "resnet50": {"width": 4, "depths": (1, 2, 1, 1)},
    "resnet50_imagenet": {"width": 4, "depths": (1, 2, 1, 1)},
    "densenet121": {"growth": 4, "depths": (2, 1, 1, 1)},
    "densenet121_cifar": {"growth": 4, "depths": (2, 1, 1, 1)},
}


def shapes(name: str, classes: int = 10, side: int = 32) -> Any:
    """The variables of the full network; computes nothing."""
    module = registry.load("network", name)(classes=classes)
    image = jnp.zeros((1, side, side, 3))
    return jax.eval_shape(lambda x: module.init(jax.random.key(0), x, train=False), image)


@pytest.fixture(scope="module", params=registry.names("network"))
def network(request: pytest.FixtureRequest):
    make = registry.load("network", request.param)
    module = make(classes=10, **NARROW.get(request.param, {}))
    init = jax.jit(functools.partial(module.init, train=False))
    return request.param, module, init(jax.random.key(0), jnp.zeros((1, 32, 32, 3)))


@pytest.mark.parametrize("name", registry.names("network"))
def test_the_number_of_parameters_is_the_papers(name: str) -> None:
    params = shapes(name)["params"]
    assert sum(x.size for x in jax.tree.leaves(params)) == PARAMETERS[name]


@pytest.mark.parametrize("name", AT_224)
def test_the_number_of_parameters_for_photographs_is_the_papers(name: str) -> None:
    params = shapes(name, classes=20, side=224)["params"]
    assert sum(x.size for x in jax.tree.leaves(params)) == AT_224[name]


def test_every_weight_is_kaiming_normal_and_everything_else_as_usual(network) -> None:
    check_initial(network[2])


@pytest.mark.slow
@pytest.mark.parametrize("name", NARROW)
def test_so_it_is_in_the_full_network(name: str) -> None:
    module = registry.load("network", name)(classes=10)
    init = jax.jit(functools.partial(module.init, train=False))
    check_initial(init(jax.random.key(3), jnp.zeros((1, 32, 32, 3))))


def check_initial(variables: Any) -> None:
    """Variance 2 / fan-in in each layer, to five standard errors of that of a normal sample."""
    assert all((x == 0).all() for x in _named(variables["params"], "bias"))
    assert all((x == 1).all() for x in _named(variables["params"], "scale"))
    assert all((x == 0).all() for x in _named(variables["batch_stats"], "mean"))
    assert all((x == 1).all() for x in _named(variables["batch_stats"], "var"))
    kernels = _named(variables["params"], "kernel")
    assert kernels
    for kernel in kernels:
        expected = 2 / np.prod(kernel.shape[:-1])
        error = expected * np.sqrt(2 / kernel.size)
        assert abs(np.square(kernel).mean() - expected) < 5 * error, kernel.shape
        assert abs(kernel.mean()) < 5 * np.sqrt(expected / kernel.size), kernel.shape


def _named(tree: Any, name: str) -> list[np.ndarray]:
    return [
        np.asarray(leaf, np.float64)
        for path, leaf in jax.tree.leaves_with_path(tree)
        if path[-1].key == name
    ]


def test_logits_are_float32_one_per_class_whatever_is_computed_in(network) -> None:
    _, module, variables = network
    image = jax.random.uniform(jax.random.key(1), (8, 32, 32, 3))
    half = module.clone(dtype="bfloat16")
    exact = jax.jit(functools.partial(module.apply, train=False))(variables, image)
    near = jax.jit(functools.partial(half.apply, train=False))(variables, image)
    for logits in (exact, near):
        assert logits.shape == (8, 10)
        assert logits.dtype == jnp.float32
    assert 0 < np.abs(near - exact).max() < 0.1 * np.abs(exact).max()
    # The last layer computes in float32: its results are not bfloat16's few numbers.
    assert (near != near.astype(jnp.bfloat16).astype(jnp.float32)).any()
    train = functools.partial(half.apply, train=True, mutable=["batch_stats"])
    logits, updates = jax.eval_shape(train, variables, image)
    assert {x.dtype for x in jax.tree.leaves((logits, updates))} == {jnp.dtype("float32")}


def test_an_example_is_judged_alone_in_evaluation_but_not_in_training(network) -> None:
    _, module, variables = network
    image = jax.random.uniform(jax.random.key(1), (4, 32, 32, 3))
    judge = jax.jit(functools.partial(module.apply, train=False))
    train = jax.jit(functools.partial(module.apply, train=True, mutable=["batch_stats"]))
    whole, part = judge(variables, image), judge(variables, image[:2])
    np.testing.assert_allclose(whole[:2], part, rtol=1e-4, atol=1e-5)
    (whole, updates), (part, _) = train(variables, image), train(variables, image[:2])
    assert not np.allclose(whole[:2], part, atol=1e-3)
    before, after = (jax.tree.leaves(v["batch_stats"]) for v in (variables, updates))
    assert all(not np.array_equal(b, a) for b, a in zip(before, after, strict=True))


def test_images_that_are_too_small_are_refused_in_a_sentence(network) -> None:
    name, module, _ = network
    with pytest.raises(
        UsageError, match=r"(\w+) takes images of \d+x\d+ pixels or more, not 7x9"
    ) as refusal:
        module.init(jax.random.key(0), jnp.zeros((1, 7, 9, 3)), train=False)
    # The class is named as in the registry, so that the sentence's name is the config's.
    assert str(refusal.value).split()[0].lower() == name.replace("_", "")


def test_the_smallest_images_are_taken_and_no_smaller_ones(network) -> None:
    name, module, _ = network
    smallest = {"resnet50": 25, "densenet121": 29, "densenet121_cifar": 8}.get(name, 32)

    def shape(side: int) -> Any:
        return jax.eval_shape(
            lambda x: module.init_with_output(jax.random.key(0), x, train=False)[0],
            jnp.zeros((2, side, side, 3)),
        ).shape

    assert shape(smallest) == (2, 10)
    with pytest.raises(UsageError, match=f"{smallest}x{smallest} pixels or more"):
        shape(smallest - 1)


def test_every_parameter_matters(network) -> None:
    _, module, variables = network
    image = jax.random.uniform(jax.random.key(1), (8, 32, 32, 3))

    def loss(params):
        return (module.apply({**variables, "params": params}, image, train=False) ** 2).mean()

    gradient = jax.jit(jax.grad(loss))(variables["params"])
    assert all(np.abs(g).max() > 0 for g in jax.tree.leaves(gradient))
