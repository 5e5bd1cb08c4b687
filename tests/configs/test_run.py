"""Small variants of the paper's experiments through the program, on real images."""

import subprocess
import sys
from pathlib import Path

import pytest

from jagree.record import open_record
from tests.conftest import REPOSITORY

pytestmark = pytest.mark.slow


def run(config: str, workdir: Path, data: Path, *changes: str) -> str:
    command = [
        *(sys.executable, "-m", "jagree.main"),
        f"--config={REPOSITORY / 'configs' / config}",
        f"--workdir={workdir}",
        f"--config.data.dir={data / 'tfds'}",
        *(f"--config.{change}" for change in changes),
    ]
    done = subprocess.run(command, capture_output=True, text=True, timeout=800)
    assert done.returncode == 0, done.stderr[-2000:]
    return done.stdout


def findings(*runs: Path) -> str:
    command = [sys.executable, "-m", "jagree.study.findings", *map(str, runs)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=200)
    assert done.returncode == 0, done.stderr[-2000:]
    return done.stdout


def test_four_networks_side_by_side_from_images_to_findings(
    real_data: Path, tmp_path: Path
) -> None:
    folder = tmp_path / "four"
    said = run("cifar10_four_networks.py:small", folder, real_data)
    assert "1 lenet5 (62,290 parameters), 1 vgg16 (14,728,266 parameters), 1 resnet50 (23," in said
    record = open_record(folder / "record.zarr")
    networks = ["lenet5", "vgg16", "resnet50", "densenet121"]
    assert record["train"]["network"].values.tolist() == networks
    assert record["test"]["epoch"].values.tolist() == [1, 2]
    assert "1 × lenet5 + 1 × vgg16 + 1 × resnet50 + 1 × densenet121" in findings(folder)  # noqa: RUF001


def test_true_and_random_labels_meet_in_the_findings(real_data: Path, tmp_path: Path) -> None:
    runs = []
    for name in ("0", "1"):
        runs.append(tmp_path / f"labels_{name}")
        changes = ["network=lenet5", "data.train_size=600", "data.test_size=100"]
        config = f"cifar10_random_labels.py:{name},small"
        run(config, runs[-1], real_data, *changes, "statistics.names=entropy,segments")
    said = findings(*runs)
    assert "of the labels drawn at random, 0." in said
    assert "With random labels, accuracy and agreement rise later" in said
    assert "labels_1 and labels_0; mean accuracy" in said
