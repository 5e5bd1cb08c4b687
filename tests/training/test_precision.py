"""Every product and convolution that a run hands to the compiler is of the precision asked for."""

import doctest
import re
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import flax.linen as nn
import jax
import jax.numpy as jnp
import numpy as np
import pytest
from jax import lax
from ml_collections import ConfigDict

from jagree import registry, stages
from jagree.config import CHOICES
from jagree.record import open_record
from jagree.training import optimizers, precision, tasks, trainer
from jagree.training.optimizers import Hyper
from jagree.training.precision import PRECISIONS, note, products_in
from jagree.training.state import MemberState
from jagree.training.steps import Learner, eval_step, train_step
from tests.contracts.test_networks import NARROW
from tests.training.tiny_networks import TinyA

LEVELS = {"float32": "HIGHEST", "tensorfloat32": "HIGH", "bfloat16": "HIGHEST"}


def test_doctests() -> None:
    assert doctest.testmod(precision).failed == 0


def test_the_choices_of_the_config_are_those_there_are() -> None:
    assert CHOICES["precision"] == tuple(PRECISIONS) == tuple(LEVELS)


def test_a_person_is_told_what_a_device_makes_of_tensorfloat32_and_nothing_else() -> None:
    told = {(name, on): note(name, on) for name in PRECISIONS for on in ("cpu", "gpu", "tpu")}
    assert {name for (name, _), clause in told.items() if clause} == {"tensorfloat32"}
    assert "in float32" in told["tensorfloat32", "cpu"]
    assert "Ampere" in told["tensorfloat32", "gpu"]
    assert "bfloat16" in told["tensorfloat32", "tpu"]


# A convolution whose gradients are written by hand and are taken otherwise where members are
# stacked: what is traced late, and so could miss what was asked for.
@jax.custom_vjp
def convolve(image: jax.Array, kernel: jax.Array) -> jax.Array:
    return lax.conv_general_dilated(
        image, kernel, (1, 1), "SAME", dimension_numbers=("NHWC", "HWIO", "NHWC")
    )


@jax.custom_batching.custom_vmap
def kernel_gradient(image: jax.Array, cotangent: jax.Array) -> jax.Array:
    """Of a 1x1 kernel."""
    return jnp.einsum("bhwc,bhwf->cf", image, cotangent)[None, None]


@kernel_gradient.def_vmap
def _of_stacked(size: int, stacked: list[bool], image: jax.Array, cotangent: jax.Array):
    assert stacked == [True, True]
    product = jnp.einsum("kbhwc,kbhwf->kcf", image, cotangent)
    return jnp.tanh(product)[:, None, None], True  # the tanh tells that this rule was taken


def _forward(image: jax.Array, kernel: jax.Array) -> tuple:
    return convolve(image, kernel), (image, kernel)


def _backward(saved: tuple, cotangent: jax.Array) -> tuple:
    image, kernel = saved
    return (
        jnp.einsum("bhwf,cf->bhwc", cotangent, kernel[0, 0]),
        kernel_gradient(image, cotangent),
    )


convolve.defvjp(_forward, _backward)


class Late(TinyA):
    """`TinyA` with such a convolution before it."""

    @nn.compact
    def __call__(self, image, train):
        kernel = self.param("late", nn.initializers.normal(1.0), (1, 1, 3, 3))
        image = image.astype(self.dtype)
        return TinyA(self.classes, self.dtype)(convolve(image, kernel.astype(self.dtype)), train)


@pytest.fixture
def late(small: ConfigDict, monkeypatch: pytest.MonkeyPatch) -> ConfigDict:
    monkeypatch.setitem(registry.TABLE["network"], "late", f"{__name__}:Late")
    small.network, small.members, small.epochs = "late", 2, 1
    small.data.train_size = small.data.test_size = small.training.eval_batch_size = 96
    small.training.steps_per_dispatch = 2  # both steps of the epoch: a scan
    return small


@pytest.fixture
def compiled(tmp_path: Path) -> Iterator[Path]:
    """A folder to which everything that is compiled meanwhile is written, as StableHLO."""
    folder = tmp_path / "compiled"
    before = jax.config.read("jax_dump_ir_to")
    jax.config.update("jax_dump_ir_to", str(folder))
    yield folder
    jax.config.update("jax_dump_ir_to", before)


def products(text: str) -> list[tuple[str, tuple[str, ...], tuple[str, ...]]]:
    """Of each product and convolution: which it is, its factors' types, their precision."""
    found = []
    for line in text.splitlines():
        operation = re.search(r"stablehlo\.(dot|dot_general|convolution)\b", line)
        if operation:
            factors = re.search(r": \(tensor<(?:\d+x)*(\w+)>, tensor<(?:\d+x)*(\w+)>\)", line)
            assert factors, line
            levels = re.findall(r"\b(DEFAULT|HIGH|HIGHEST)\b", line)
            found.append((operation[1], factors.groups(), tuple(levels)))
    return found


@pytest.mark.parametrize("engine", ["loop", "vmap"])
@pytest.mark.parametrize("name", PRECISIONS)
def test_all_that_a_run_compiles_has_the_precision_asked_for(
    late: ConfigDict, tmp_path: Path, compiled: Path, name: str, engine: str
) -> None:
    late.precision, late.training.engine = name, engine
    stages.run(late, tmp_path / "run", ["train"], "test")
    texts = {path.name: path.read_text() for path in compiled.glob("*.mlir")}
    training = [text for file, text in texts.items() if "_train_chunk" in file]
    judging = [text for file, text in texts.items() if "_eval_chunk" in file]
    assert all(("stablehlo.tanh" in text) == (engine == "vmap") for text in training)
    # The gradient has more products than the rest.
    assert min(map(count, training)) >= 2 * max(map(count, judging)) >= 6
    dtype = {"bfloat16": "bf16"}.get(name, "f32")
    found = {product[1:] for text in training + judging for product in products(text)}
    assert found == {((dtype, dtype), (LEVELS[name],) * 2)}
    # But for initialisation, whose products are not used, nothing else has a product.
    others = [f for f, text in texts.items() if text not in training + judging and count(text)]
    assert all("jit_init" in other for other in others), others


def count(text: str) -> int:
    return len(products(text))


@pytest.mark.parametrize("name", ["lenet5", *NARROW])
def test_no_network_asks_for_a_precision_of_its_own(
    monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    """As text, in the forms of an accelerator: nothing is compiled."""
    monkeypatch.setattr(jax, "default_backend", lambda: "gpu")
    dtype, level = PRECISIONS["bfloat16"]
    network = registry.load("network", name)(classes=10, dtype=dtype, **NARROW.get(name, {}))
    optimizer = optimizers.sgd(ConfigDict())
    learner = Learner(network, tasks.SINGLE_LABEL, optimizer)

    def steps(key, image, label, hyper):
        variables = network.init(key, jnp.zeros((1, 32, 32, 3)), train=False)
        moments = optimizer(Hyper(*hyper)).init(variables["params"])
        state = MemberState(variables["params"], variables["batch_stats"], moments)
        trained = train_step(learner, state, image, label, Hyper(*hyper))
        return trained, eval_step(learner, state, image, label)

    def stacked(*arguments):
        with products_in(level):
            return jax.vmap(steps)(*arguments)

    shapes = (
        jax.eval_shape(lambda: jax.random.split(jax.random.key(0), 2)),
        jax.ShapeDtypeStruct((2, 8, 32, 32, 3), np.uint8),
        jax.ShapeDtypeStruct((2, 8), np.int32),
        [jax.ShapeDtypeStruct((2,), np.float32)] * 3,
    )
    text = jax.jit(stacked).trace(*shapes).lower(lowering_platforms=("cuda",)).as_text()
    found = products(text)
    assert {levels for *_, levels in found} == {("HIGHEST", "HIGHEST")}
    types = Counter(factors for _, factors, _ in found)
    # The last layer is in float32: once forward in training, two gradients, once in evaluation.
    assert types.pop(("f32", "f32")) == 4
    assert set(types) == {("bf16", "bf16")}


def test_on_a_cpu_tensorfloat32_is_float32_and_bfloat16_is_not(
    late: ConfigDict, tmp_path: Path
) -> None:
    margins = {}
    for late.precision in PRECISIONS:
        stages.run(late, tmp_path / late.precision, ["train"], "test")
        record = open_record(tmp_path / late.precision / "record.zarr")
        margins[late.precision] = record["test"]["margin"].values
    np.testing.assert_array_equal(margins["tensorfloat32"], margins["float32"])
    assert (margins["bfloat16"] != margins["float32"]).mean() > 0.5


@pytest.mark.parametrize("name", PRECISIONS)
def test_networks_are_made_of_the_type_of_their_activations(small: ConfigDict, name: str) -> None:
    small.precision = name
    small.per_member.network = ("lenet5", "resnet50", "lenet5")
    made = trainer.make_networks(small, classes=10)
    dtype = "bfloat16" if name == "bfloat16" else "float32"
    assert {key: network.dtype for key, network in made.items()} == {
        "lenet5": dtype,
        "resnet50": dtype,
    }
