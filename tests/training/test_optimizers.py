"""The update rules are their literal recursions, and PyTorch's, with a schedule attached."""

from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest
from ml_collections import ConfigDict

from jagree import registry
from jagree.configs import default
from jagree.training.optimizers import Hyper
from jagree.training.schedules import Course

EPOCHS, STEPS = 5, 6
TOTAL = EPOCHS * STEPS
MOMENTUM = 0.8
RATES = {"sgd": 0.1, "adam": 0.03}  # large enough to move weights by their own size
OPTIONS = ConfigDict({"beta2": 0.9995, "epsilon": 1e-3})  # none that could pass for a default

# Parameters and gradients of a small tree, as flat names: what NumPy and PyTorch take.
SHAPES = {"dense/kernel": (3, 2), "dense/bias": (2,), "scale": ()}


def numbers() -> tuple[dict[str, np.ndarray], list[dict[str, np.ndarray]]]:
    """First values, and the gradients of each step: of several sizes, with common signs."""
    rng = np.random.default_rng(0)
    first = {name: rng.normal(size=shape).astype(np.float32) for name, shape in SHAPES.items()}
    gradients = [
        {
            name: np.float32(size * (0.5 + rng.normal(size=shape)))
            for (name, shape), size in zip(SHAPES.items(), (1.0, 1e-2, 1e-4), strict=True)
        }
        for _ in range(TOTAL)
    ]
    return first, gradients


def nested(flat: dict[str, Any]) -> dict[str, Any]:
    dense = {"kernel": flat["dense/kernel"], "bias": flat["dense/bias"]}
    return {"dense": dense, "scale": flat["scale"]}


def course_of(name: str, schedule: str) -> Course:
    """A whole run's rates and momenta."""
    function, options = registry.load("schedule", schedule), default.get_config().schedule
    options.step_epochs = 2
    courses = [
        function(RATES[name], MOMENTUM, epoch, EPOCHS, STEPS, options) for epoch in range(EPOCHS)
    ]
    return Course(*(np.concatenate(values) for values in zip(*courses, strict=True)))


def ours(name: str, schedule: str, decay: float) -> dict[str, np.ndarray]:
    """Parameters after all steps, in a compiled step as in training."""
    first, gradients = numbers()
    optimizer = registry.load("optimizer", name)(OPTIONS)
    params = jax.tree.map(jnp.asarray, nested(first))
    state = optimizer(Hyper(*[jnp.float32(0)] * 3)).init(params)

    @jax.jit
    def step(params: Any, state: Any, gradient: Any, hyper: Hyper) -> tuple[Any, Any]:
        update, state = optimizer(hyper).update(gradient, state, params)
        return optax.apply_updates(params, update), state

    for gradient, rate, momentum in zip(gradients, *course_of(name, schedule), strict=True):
        hyper = Hyper(*np.float32([rate, decay, momentum]))
        params, state = step(params, state, nested(gradient), hyper)
    assert params["dense"]["kernel"].dtype == jnp.float32
    return {
        "dense/kernel": np.asarray(params["dense"]["kernel"]),
        "dense/bias": np.asarray(params["dense"]["bias"]),
        "scale": np.asarray(params["scale"]),
    }


def literal(name: str, schedule: str, decay: float) -> dict[str, np.ndarray]:
    """The textbook's recursions, in double precision."""
    first, gradients = numbers()
    course, beta2, found = course_of(name, schedule), OPTIONS.beta2, {}
    for key, value in first.items():
        w, m, v = value.astype(np.float64), np.zeros(value.shape), np.zeros(value.shape)
        for t in range(TOTAL):
            rate, momentum = course.learning_rate[t], course.momentum[t]
            g = gradients[t][key] + decay * w
            if name == "sgd":
                m = momentum * m + g
                w = w - rate * m
            else:
                m = momentum * m + (1 - momentum) * g
                v = beta2 * v + (1 - beta2) * g**2
                m_hat = m / (1 - momentum ** (t + 1))
                v_hat = v / (1 - beta2 ** (t + 1))
                w = w - rate * m_hat / (np.sqrt(v_hat) + OPTIONS.epsilon)
        found[key] = w
    return found


def torchs(name: str, schedule: str, decay: float) -> dict[str, np.ndarray]:
    """PyTorch's own optimizers, under PyTorch's own schedulers."""
    torch = pytest.importorskip("torch")
    first, gradients = numbers()
    params = {key: torch.nn.Parameter(torch.tensor(value)) for key, value in first.items()}
    common = {"params": params.values(), "lr": RATES[name], "weight_decay": decay}
    if name == "sgd":
        optimizer = torch.optim.SGD(momentum=MOMENTUM, **common)
    else:
        betas = (MOMENTUM, OPTIONS.beta2)
        optimizer = torch.optim.Adam(betas=betas, eps=OPTIONS.epsilon, **common)
    known = torch.optim.lr_scheduler
    scheduler = {
        "constant": lambda: known.LambdaLR(optimizer, lambda _: 1.0),
        "cosine": lambda: known.CosineAnnealingLR(optimizer, EPOCHS, eta_min=5e-4),
        "step": lambda: known.StepLR(optimizer, 2),
        "one_cycle": lambda: known.OneCycleLR(optimizer, RATES[name], TOTAL),
    }[schedule]()
    for t, gradient in enumerate(gradients, start=1):
        for key, parameter in params.items():
            parameter.grad = torch.tensor(gradient[key])
        optimizer.step()
        if schedule == "one_cycle" or t % STEPS == 0:
            scheduler.step()
    return {key: parameter.detach().numpy() for key, parameter in params.items()}


def assert_close(found: dict[str, np.ndarray], expected: dict[str, np.ndarray]) -> None:
    """To a few roundings of single precision, of the larger of a weight and its whole way."""
    first, _ = numbers()
    for name, values in expected.items():
        way = np.abs(values - first[name])
        assert way.max() > 0.02, "too short a way to show anything"
        error = np.abs(found[name] - values) / np.maximum(np.abs(values), way)
        assert error.max() < 2e-6, name


CASES = [
    (optimizer, schedule, decay)
    for optimizer in ("sgd", "adam")
    for schedule in ("constant", "cosine", "step", "one_cycle")
    for decay in (0.0, 0.02)
    if not (optimizer == "sgd" and decay == 0.0)
]


@pytest.mark.parametrize("twin", [literal, torchs])
@pytest.mark.parametrize(("name", "schedule", "decay"), CASES)
def test_an_update_rule_is_its_twin(name: str, schedule: str, decay: float, twin: Any) -> None:
    assert_close(ours(name, schedule, decay), twin(name, schedule, decay))


@pytest.mark.parametrize("step", [1, 2])
def test_adam_without_memory_takes_the_sign_of_the_gradient(step: int) -> None:
    """beta1 = beta2 = 0, which the config allows: no bias, and nothing that is not a number."""
    optimizer = registry.load("optimizer", "adam")(ConfigDict({"beta2": 0.0, "epsilon": 1e-8}))
    weight, hyper = jnp.zeros(3), Hyper(*np.float32([0.1, 0.0, 0.0]))
    state = optimizer(hyper).init(weight)
    for _ in range(step):
        update, state = jax.jit(optimizer(hyper).update)(jnp.array([2.0, -0.5, 0.0]), state, weight)
    np.testing.assert_allclose(update, [-0.1, 0.1, 0.0], rtol=1e-6)
