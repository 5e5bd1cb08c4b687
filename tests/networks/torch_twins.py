"""The networks once more, out of PyTorch's layers, and the import of PyTorch's weights.

Modules are registered in the order in which they are called and named as is usual in PyTorch, so
that a state dict of the usual implementations can be imported as well.
"""

import re
from typing import Any

import numpy as np
import pytest

torch = pytest.importorskip("torch")
nn = torch.nn


def conv_norm(inputs: int, outputs: int, size: int, stride: int = 1, padding: int = 0, bias=False):
    return [
        nn.Conv2d(inputs, outputs, size, stride, padding, bias=bias),
        nn.BatchNorm2d(outputs),
    ]


def lenet5(classes: int, side: int = 32):
    last = ((side - 4) // 2 - 4) // 2 - 4
    return nn.Sequential(
        *conv_norm(3, 6, 5, bias=True),
        nn.ReLU(),
        nn.AvgPool2d(2),
        *conv_norm(6, 16, 5, bias=True),
        nn.ReLU(),
        nn.AvgPool2d(2),
        *conv_norm(16, 120, 5, bias=True),
        nn.ReLU(),
        nn.Flatten(),
        nn.Linear(120 * last**2, 84),
        nn.ReLU(),
        nn.Linear(84, classes),
    )


def vgg16(classes: int, side: int = 32, widths=(64, 128, 256, 512, 512), depths=(2, 2, 3, 3, 3)):
    layers, inputs = [], 3
    for width, depth in zip(widths, depths, strict=True):
        for _ in range(depth):
            layers += [*conv_norm(inputs, width, 3, padding=1, bias=True), nn.ReLU()]
            inputs = width
        layers.append(nn.MaxPool2d(2))
    last = side // 2 ** len(depths)
    return nn.Sequential(*layers, nn.Flatten(), nn.Linear(inputs * last**2, classes))


class Bottleneck(nn.Module):
    def __init__(self, inputs: int, width: int, stride: int) -> None:
        super().__init__()
        self.conv1, self.bn1 = conv_norm(inputs, width, 1)
        self.conv2, self.bn2 = conv_norm(width, width, 3, stride, 1)
        self.conv3, self.bn3 = conv_norm(width, 4 * width, 1)
        self.downsample = nn.Identity()
        if stride != 1 or inputs != 4 * width:
            self.downsample = nn.Sequential(*conv_norm(inputs, 4 * width, 1, stride))

    def forward(self, x):
        out = torch.relu(self.bn1(self.conv1(x)))
        out = torch.relu(self.bn2(self.conv2(out)))
        return torch.relu(self.bn3(self.conv3(out)) + self.downsample(x))


def resnet50(
    classes: int, side: int = 32, width: int = 64, depths=(3, 4, 6, 3), stem: str = "cifar"
):
    if stem == "cifar":
        layers = [*conv_norm(3, width, 3, 1, 1), nn.ReLU()]
    else:
        layers = [*conv_norm(3, width, 7, 2, 3), nn.ReLU(), nn.MaxPool2d(3, 2, 1)]
    inputs = width
    for stage, depth in enumerate(depths):
        for block in range(depth):
            stride = 2 if stage > 0 and block == 0 else 1
            layers.append(Bottleneck(inputs, width * 2**stage, stride))
            inputs = 4 * width * 2**stage
    last = side // 2 ** (len(depths) - 1) // 4 if stem == "cifar" else 1
    pool = nn.AvgPool2d(4) if stem == "cifar" else nn.AdaptiveAvgPool2d(1)
    return nn.Sequential(*layers, pool, nn.Flatten(), nn.Linear(inputs * last**2, classes))


class DenseLayer(nn.Module):
    def __init__(self, inputs: int, growth: int) -> None:
        super().__init__()
        self.norm1 = nn.BatchNorm2d(inputs)
        self.conv1 = nn.Conv2d(inputs, 4 * growth, 1, bias=False)
        self.norm2 = nn.BatchNorm2d(4 * growth)
        self.conv2 = nn.Conv2d(4 * growth, growth, 3, padding=1, bias=False)

    def forward(self, x):
        out = self.conv1(torch.relu(self.norm1(x)))
        return torch.cat([x, self.conv2(torch.relu(self.norm2(out)))], 1)


def densenet121(
    classes: int, side: int = 32, growth: int = 32, depths=(6, 12, 24, 16), stem: str = "imagenet"
):
    features = 2 * growth
    if stem == "cifar":
        layers = [nn.Conv2d(3, features, 3, padding=1, bias=False)]
    else:
        layers = [*conv_norm(3, features, 7, 2, 3), nn.ReLU(), nn.MaxPool2d(3, 2, 1)]
    for block, depth in enumerate(depths):
        if block:
            layers += [nn.BatchNorm2d(features), nn.ReLU()]
            layers += [nn.Conv2d(features, features // 2, 1, bias=False), nn.AvgPool2d(2)]
            features //= 2
        for _ in range(depth):
            layers.append(DenseLayer(features, growth))
            features += growth
    layers += [nn.BatchNorm2d(features), nn.ReLU(), nn.AdaptiveAvgPool2d(1), nn.Flatten()]
    return nn.Sequential(*layers, nn.Linear(features, classes))


def randomise_norms(net: Any, seed: int) -> None:
    """Scales, offsets and running averages as after some training, so that each of them matters."""
    generator = torch.Generator().manual_seed(seed)
    with torch.no_grad():
        for module in net.modules():
            if isinstance(module, nn.BatchNorm2d):
                module.weight.uniform_(0.5, 1.5, generator=generator)
                module.bias.normal_(0, 0.2, generator=generator)
                module.running_mean.normal_(0, 0.2, generator=generator)
                module.running_var.uniform_(0.5, 1.5, generator=generator)


def of_torch(tensors: dict[str, Any], like: dict[str, Any]) -> dict[str, Any]:
    """A state dict (or the gradients, by the same names) in the form of our variables `like`.

    Convolutions, norms and dense layers are each matched by their order. What the dense layer after
    a flattened map sees is in the order [C, H, W] in PyTorch and [H, W, C] here.
    """
    arrays = {name: tensor.detach().numpy() for name, tensor in tensors.items()}
    kinds: dict[str, list[str]] = {"conv": [], "norm": [], "dense": []}
    for name, array in arrays.items():
        layer, _, field = name.rpartition(".")
        if field == "weight":
            kinds[{4: "conv", 1: "norm", 2: "dense"}[array.ndim]].append(layer)
    params: dict[str, Any] = {}
    stats: dict[str, Any] = {}
    paths = _layer_paths(like["params"])
    for kind, layers in kinds.items():
        assert len(layers) == len(paths[kind]), kind
        for layer, path in zip(layers, paths[kind], strict=True):
            own, weight = _make(params, path), arrays[f"{layer}.weight"]
            if kind == "norm":
                own["scale"] = weight
                if f"{layer}.running_mean" in arrays:
                    running = _make(stats, path)
                    running["mean"] = arrays[f"{layer}.running_mean"]
                    running["var"] = arrays[f"{layer}.running_var"]
                channels = len(weight)  # of the maps that the first dense layer sees
            elif kind == "conv":
                own["kernel"] = weight.transpose(2, 3, 1, 0)
            else:
                side = round((weight.shape[1] / channels) ** 0.5)
                maps = weight.reshape(-1, channels, side, side)
                own["kernel"] = maps.transpose(2, 3, 1, 0).reshape(-1, len(weight))
                channels = len(weight)
            if f"{layer}.bias" in arrays:
                own["bias"] = arrays[f"{layer}.bias"]
    return {"params": params, "batch_stats": stats}


def _layer_paths(params: Any, path: tuple[str, ...] = ()) -> dict[str, list[tuple[str, ...]]]:
    """Paths of our layers of each kind, in the order in which they are called."""
    found: dict[str, list[tuple[str, ...]]] = {"conv": [], "norm": [], "dense": []}
    for name in sorted(params, key=_call_order):
        here = (*path, name)
        if "scale" in params[name]:
            found["norm"].append(here)
        elif "kernel" in params[name]:
            kind = "conv" if params[name]["kernel"].ndim == 4 else "dense"
            found[kind].append(here)
        else:
            for kind, paths in _layer_paths(params[name], here).items():
                found[kind] += paths
    return found


def _call_order(name: str) -> tuple[int, int]:
    """The stem before the blocks, a projection after its block's convolutions, else by number."""
    later = {"Bottleneck": 1, "Projection": 1, "ProjectionNorm": 1}
    kind, _, number = name.partition("_")
    assert re.fullmatch(r"\d*", number)
    return later.get(kind, 0), int(number or 0)


def _make(tree: dict[str, Any], path: tuple[str, ...]) -> dict[str, Any]:
    for name in path:
        tree = tree.setdefault(name, {})
    return tree


def as_torch(image: np.ndarray) -> Any:
    """Images [B, H, W, 3] as PyTorch's [B, 3, H, W]."""
    return torch.from_numpy(image.transpose(0, 3, 1, 2).copy())
