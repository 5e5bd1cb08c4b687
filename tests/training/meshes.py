"""Short runs on eight devices, in a process of its own: how many there are is known at its start.

``python -m tests.training.meshes CASES.json RESULTS.npz``: trains each case, a mapping of config
fields, and writes its record, parameters and number of collectives.
"""

import contextlib
import json
import os
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np

COLLECTIVES = ("all-reduce", "all-gather", "all-to-all", "collective-permute", "reduce-scatter")
NETWORKS = {f"tiny_{x}": f"tests.training.tiny_networks:Tiny{x.upper()}" for x in "ab"}


def short(fields: dict[str, Any]) -> Any:
    """The config of a case: 157 examples in batches of 48, the last of which nothing divides."""
    from jagree.configs import default

    config = default.get_config()
    config.update_from_flattened_dict(
        {
            "name": "short",
            "network": "tiny_a",
            "epochs": 2,
            "batch_size": 48,
            "data.train_size": 157,
            "data.test_size": 70,
            "training.eval_batch_size": 64,
            "training.compilation_cache": "off",
        }
    )
    config.update_from_flattened_dict(fields)
    return config


def collectives(program: str) -> dict[str, int]:
    """How many of each kind are in a compiled program."""
    counts = {kind: len(re.findall(rf"\b{kind}(?:-start)?\(", program)) for kind in COLLECTIVES}
    return {kind: count for kind, count in counts.items() if count}


def train(fields: dict[str, Any]) -> tuple[dict[str, np.ndarray], Any]:
    """Record and parameters, by name; and the trainer."""
    import jax

    from jagree import data, registry
    from jagree.training.trainer import Trainer
    from tests.training.test_loop import Ears

    registry.TABLE["network"] |= NETWORKS
    config = short(fields)
    splits = data.load(config.data)
    found: dict[str, np.ndarray] = {}
    with contextlib.closing(Trainer(config, splits, Ears())) as trainer:
        trainer.begin(fresh=True)
        epochs = trainer.epochs()
        for epoch in range(1, config.epochs + 1):
            recorded = epochs.run(epoch, lambda *_: None)
            for split, variables in recorded.items():
                for name, values in variables.items():
                    found[f"{epoch}/{split}/{name}"] = values
        states = jax.device_get(trainer.ensemble.stacked)
    for path, leaf in jax.tree_util.tree_flatten_with_path(states)[0]:
        found["state/" + jax.tree_util.keystr(path, simple=True, separator="/")] = leaf
    return found, trainer


def programs(trainer: Any) -> dict[str, list[dict[str, int]]]:
    """The collectives in each program of each kind."""
    ensembles = trainer.ensemble._ensembles.values()
    return {
        kind: [
            collectives(program.as_text())
            for ensemble in ensembles
            for program in getattr(ensemble, f"_{kind}").program._compiled.values()
        ]
        for kind in ("train", "eval")
    }


def run_on(devices: int, module: str, *arguments: Path | str) -> str:
    """What a module prints in a process with so many CPU devices."""
    flags = f"{os.environ.get('XLA_FLAGS', '')} --xla_force_host_platform_device_count={devices}"
    done = subprocess.run(
        [sys.executable, "-W", "error", "-m", module, *arguments],
        cwd=Path(__file__).parents[2],
        env={**os.environ, "XLA_FLAGS": flags},
        capture_output=True,
        text=True,
        timeout=600,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


def on_devices(cases: dict[str, dict[str, Any]], folder: Path, devices: int = 8) -> dict[str, Any]:
    """What the cases give on so many CPU devices: name of the case -> its arrays, and programs."""
    asked, answer = folder / "cases.json", folder / "results.npz"
    asked.write_text(json.dumps(cases))
    run_on(devices, "tests.training.meshes", asked, answer)
    results: dict[str, Any] = {name: {} for name in cases}
    with np.load(answer, allow_pickle=False) as arrays:
        for name, values in arrays.items():
            case, _, variable = name.partition("|")
            results[case][variable] = values
    for case, counts in json.loads(answer.with_suffix(".json").read_text()).items():
        results[case]["programs"] = counts
    return results


def main(asked: str, answer: str) -> None:
    """Train every case."""
    arrays, counts = {}, {}
    for case, fields in json.loads(Path(asked).read_text()).items():
        found, trainer = train(fields)
        arrays |= {f"{case}|{name}": values for name, values in found.items()}
        counts[case] = programs(trainer)
    np.savez(answer, **arrays)
    Path(answer).with_suffix(".json").write_text(json.dumps(counts))


if __name__ == "__main__":
    main(*sys.argv[1:])
