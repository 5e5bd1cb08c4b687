"""LeNet5 and its training step equal PyTorch's, given the same weights."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from ml_collections import ConfigDict

from jagree.networks.lenet5 import LeNet5
from jagree.training import optimizers, tasks
from jagree.training.optimizers import Hyper
from jagree.training.state import init_members
from jagree.training.steps import Learner, eval_step, train_step

torch = pytest.importorskip("torch")


def torch_lenet5(params, stats):
    """The same network out of PyTorch's layers, with these weights."""
    nn = torch.nn
    convolutions = []
    for i, (inputs, outputs) in enumerate(((3, 6), (6, 16), (16, 120))):
        convolutions += [nn.Conv2d(inputs, outputs, 5), nn.BatchNorm2d(outputs), nn.ReLU()]
        convolutions += [nn.AvgPool2d(2)] if i < 2 else []
    net = nn.Sequential(
        *convolutions, nn.Flatten(), nn.Linear(120, 84), nn.ReLU(), nn.Linear(84, 10)
    )
    layers = [m for m in net if isinstance(m, nn.Conv2d | nn.Linear)]
    norms = [m for m in net if isinstance(m, nn.BatchNorm2d)]
    names = ["Conv_0", "Conv_1", "Conv_2", "Dense_0", "Dense_1"]
    with torch.no_grad():
        for layer, name in zip(layers, names, strict=True):
            p = params[name].get("Dense_0", params[name])
            kernel = np.array(p["kernel"])
            axes = (3, 2, 0, 1) if kernel.ndim == 4 else (1, 0)
            layer.weight.copy_(torch.from_numpy(kernel.transpose(axes).copy()))
            layer.bias.copy_(torch.from_numpy(np.array(p["bias"])))
        for i, norm in enumerate(norms):
            p, s = params[f"BatchNorm_{i}"], stats[f"BatchNorm_{i}"]
            norm.weight.copy_(torch.from_numpy(np.array(p["scale"])))
            norm.bias.copy_(torch.from_numpy(np.array(p["bias"])))
            norm.running_mean.copy_(torch.from_numpy(np.array(s["mean"])))
            norm.running_var.copy_(torch.from_numpy(np.array(s["var"])))
    return net, norms


def test_ten_training_steps_follow_pytorch() -> None:
    rng = np.random.default_rng(0)
    image = rng.integers(0, 256, (10, 32, 32, 32, 3), np.uint8)
    label = rng.integers(0, 10, (10, 32), np.int32)
    optimizer = optimizers.sgd(ConfigDict())
    learner = Learner(LeNet5(classes=10), tasks.SINGLE_LABEL, optimizer)
    (state,) = init_members(learner.network, optimizer, (32, 32, 3), seed=0, members=[0])
    net, norms = torch_lenet5(state.params, state.batch_stats)
    sgd = torch.optim.SGD(net.parameters(), lr=0.05, momentum=0.9, weight_decay=5e-4)
    step = jax.jit(lambda s, x, y: train_step(learner, s, x, y, Hyper(0.05, 5e-4, 0.9)))
    as_torch = torch.from_numpy(image.transpose(0, 1, 4, 2, 3).copy()).float() / 255
    for x, y, tx in zip(image, label, as_torch, strict=True):
        state, loss, _ = step(state, jnp.array(x), jnp.array(y))
        theirs = torch.nn.functional.cross_entropy(net(tx), torch.from_numpy(y).long())
        np.testing.assert_allclose(loss, theirs.item(), rtol=2e-4)
        sgd.zero_grad()
        theirs.backward()
        sgd.step()
    for i, norm in enumerate(norms):
        stats = state.batch_stats[f"BatchNorm_{i}"]
        np.testing.assert_allclose(stats["mean"], norm.running_mean, rtol=1e-3, atol=1e-4)
        np.testing.assert_allclose(stats["var"], norm.running_var, rtol=1e-3, atol=1e-4)
    net.eval()
    outcome = eval_step(learner, state, jnp.array(image[0]), jnp.array(label[0]))
    with torch.no_grad():
        log_p = torch.log_softmax(net(as_torch[0]), 1).numpy()
    np.testing.assert_allclose(
        outcome.log_prob, log_p[np.arange(32), label[0]], rtol=2e-3, atol=2e-3
    )
    np.testing.assert_array_equal(outcome.prediction, log_p.argmax(1))
