"""PyTorch's side of bench/ensemble.py: networks trained one after the other.

The networks are those of tests/networks/torch_twins.py: the same layers and, given the same
weights, the same logits. Images lie on the device as bytes and are gathered there, K networks have
K shuffles, and SGD is of the kind that updates all weights in one kernel where there is one.
"""

import contextlib
import importlib
import itertools
import shutil
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import jax
import numpy as np
from contestants import CLASSES, NAN, RECIPE, Case, shuffled

try:
    import torch

    missing = ""
except ImportError:
    torch = None
    missing = "torch is not installed"

LAYOUTS = ("contiguous", "channels_last")
_layouts: dict[tuple[Any, ...], tuple[str, str]] = {}  # the better one of a network, and why


def twins() -> Any:
    """The module of the networks; None, and the reason in `missing`, where there is none."""
    global missing
    if missing:
        return None
    if jax.default_backend() == "tpu":
        missing = "PyTorch is not measured on TPUs"
    elif jax.default_backend() != "cpu" and not torch.cuda.is_available():
        missing = "this torch does not reach the GPU"
    else:
        sys.path.insert(0, str(Path(__file__).resolve().parents[1]))
        try:
            return importlib.import_module("tests.networks.torch_twins")
        except ImportError as error:  # pytest, for one, which marks the twins as of a test
            missing = f"its networks (tests/networks/torch_twins.py) need {error.name}"
        finally:
            sys.path.pop(0)
    return None


def device() -> Any:
    """Where JAX computes as well."""
    return torch.device("cpu" if jax.default_backend() == "cpu" else "cuda")


def _wait() -> None:
    if device().type == "cuda":
        torch.cuda.synchronize()


class Networks:
    """K networks of a case, which train one after the other.

    Parameters
    ----------
    case : Case
    layout : {"contiguous", "channels_last"}
        Of images and weights in memory.
    mixed : bool
        Whether to compute in bfloat16 where PyTorch's automatic mixed precision does.
    compiled : bool
        Whether by torch.compile. Then one network stands for all K: networks that are trained one
        after the other take K times as long as one, and it is compiled once.
    """

    def __init__(self, case: Case, layout: str, *, mixed: bool, compiled: bool) -> None:
        self._case, self._mixed, self._last = case, mixed, layout == "channels_last"
        where = device()
        torch.backends.cudnn.benchmark = True
        _set_tf32(case.precision == "tensorfloat32")
        self.image, self.label = {}, {}
        for name, split in case.splits.items():
            image = torch.from_numpy(split.image)  # [N, H, W, 3], which is channels last
            image = image if self._last else image.permute(0, 3, 1, 2).contiguous()
            self.image[name] = image.to(where)
            self.label[name] = torch.from_numpy(split.label.astype(np.int64)).to(where)
        self._orders = [torch.Generator().manual_seed(k) for k in range(case.members)]
        memory = torch.channels_last if self._last else torch.contiguous_format
        make = getattr(twins(), case.network)
        self.nets, self.optimizers = [], []
        for k in range(1 if compiled else case.members):
            torch.manual_seed(k)
            net = make(CLASSES).to(where, memory_format=memory)
            weights = list(net.parameters())
            sgd = torch.optim.SGD(
                weights,
                lr=RECIPE["learning_rate"],
                momentum=RECIPE["momentum"],
                weight_decay=RECIPE["weight_decay"],
                fused=True,
            )
            self.nets.append(torch.compile(net) if compiled else net)
            self.optimizers.append(sgd)
        if compiled:
            self.nets, self.optimizers = self.nets * case.members, self.optimizers * case.members

    def order(self, k: int) -> Any:
        """A shuffle of network k's training examples, on the device."""
        n = len(self.label["train"])
        return torch.randperm(n, generator=self._orders[k]).to(device())

    def step(self, k: int, index: Any) -> None:
        """Train network k on the examples of these positions."""
        net, optimizer = self.nets[k], self.optimizers[k]
        loss = torch.nn.functional.cross_entropy(
            self.logits(net, "train", index), self.label["train"][index]
        )
        optimizer.zero_grad(set_to_none=True)
        loss.backward()
        optimizer.step()

    def logits(self, net: Any, split: str, index: Any) -> Any:
        """What a network says about these examples."""
        image = self.image[split][index]
        image = image.permute(0, 3, 1, 2) if self._last else image
        with torch.autocast(device().type, torch.bfloat16, enabled=self._mixed):
            return net(image.float().div_(255)).float()

    def judge(self, k: int, split: str, batch: int) -> dict[str, np.ndarray]:
        """Prediction and log probability of the label, of every example of a split."""
        net, label, n = self.nets[k], self.label[split], len(self.label[split])
        net.eval()
        with torch.inference_mode():
            logits = [
                self.logits(net, split, slice(start, start + batch)) for start in range(0, n, batch)
            ]
            log_p = torch.log_softmax(torch.cat(logits), 1)
            of_label = log_p.gather(1, label[:, None])[:, 0]
            found = {"prediction": log_p.argmax(1), "log_prob": of_label}
            arrays = {name: values.cpu().numpy() for name, values in found.items()}
        net.train()
        return arrays


def _set_tf32(allowed: bool) -> None:
    """Whether products and convolutions of float32 may round their factors, as our config says."""
    torch.backends.cuda.matmul.allow_tf32 = allowed
    torch.backends.cudnn.allow_tf32 = allowed


def better_layout(case: Case, *, mixed: bool) -> tuple[str, str]:
    """The layout in which a network of this kind trains faster, and both times, in a clause."""
    key = (case.network, case.batch, case.precision, mixed)
    if key not in _layouts:
        times = {}
        for layout in LAYOUTS:
            one = Networks(case._replace(members=1), layout, mixed=mixed, compiled=False)
            index = one.order(0)[: case.batch]
            times[layout] = min(_seconds(lambda one=one, index=index: one.step(0, index)))
            one = None
            release()
        best = min(times, key=times.__getitem__)
        said = ", ".join(f"{name} {1e3 * t:.4g} ms" for name, t in times.items())
        _layouts[key] = best, f"{said} a network and step"
    return _layouts[key]


def _seconds(call: Callable[[], None]) -> Iterator[float]:
    """Times of a few calls after two that warm up; of one if they are long."""
    for number in itertools.count():
        _wait()
        started = time.perf_counter()
        call()
        _wait()
        seconds = time.perf_counter() - started
        if number > 1 or (number and seconds > 2):
            yield seconds
        if number > 4 or (number and seconds > 2):
            return


class Torch:
    """Networks made ready: what steps and epochs have in common."""

    unit, bytes_each = 1, NAN

    def __init__(self, case: Case, *, mixed: bool, compiled: bool) -> None:
        if twins() is None:
            raise RuntimeError(missing)
        self._case = case
        mixed = mixed or case.precision == "bfloat16"
        layout, why = better_layout(case, mixed=mixed)
        self._networks: Any = Networks(case, layout, mixed=mixed, compiled=compiled)
        of = "AMP bfloat16" if mixed else case.precision
        self.setting = f"{layout} ({why}), {of}{', torch.compile' if compiled else ''}"
        started = time.perf_counter()
        self._begin()
        self.run(1)
        self.ready_seconds = time.perf_counter() - started

    def _begin(self) -> None:
        """What must be there before the first call."""

    def run(self, calls: int) -> None:
        """Take so many calls with every network."""
        raise NotImplementedError

    def close(self) -> None:
        """Let go of the networks."""
        self._networks = None
        release()


class TorchSteps(Torch):
    """Training steps of K networks: all of a call's steps with one network, then with the next."""

    def _begin(self) -> None:
        index = torch.from_numpy(shuffled(self._case).astype(np.int64)).to(device())
        self._batches = [list(of_network) for of_network in index.unbind(1)]

    def run(self, calls: int) -> None:
        """Take so many steps with every network."""
        for k, batches in enumerate(self._batches):
            for index in itertools.islice(itertools.cycle(batches), calls):
                self._networks.step(k, index)
        _wait()


class TorchEpochs(Torch):
    """Epochs of K networks: train, judge both splits, save arrays and state, then the next."""

    def _begin(self) -> None:
        self._folder = Path(tempfile.mkdtemp(dir=self._case.folder))
        self._eval_batch = 500 if device().type == "cpu" else 1_000
        self._epochs = itertools.count(1)

    def run(self, calls: int) -> None:
        """Take so many epochs with every network."""
        for epoch in itertools.islice(self._epochs, calls):
            for k in range(self._case.members):
                for index in self._networks.order(k).split(self._case.batch):
                    self._networks.step(k, index)
                for split in self._case.splits:
                    found = self._networks.judge(k, split, self._eval_batch)
                    for name, values in found.items():
                        np.save(self._folder / f"{epoch}-{k}-{split}-{name}.npy", values)
                state = (self._networks.nets[k], self._networks.optimizers[k])
                torch.save([s.state_dict() for s in state], self._folder / f"{k}.pt")
        _wait()

    def close(self) -> None:
        """Let go of the networks and delete what they wrote."""
        shutil.rmtree(self._folder, ignore_errors=True)
        super().close()


def release() -> None:
    """Give memory back to the device."""
    with contextlib.suppress(AttributeError):  # no torch
        if torch.cuda.is_available():
            torch.cuda.empty_cache()
