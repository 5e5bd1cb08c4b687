"""The import rule of the README, and its point: analysis without JAX."""

import ast
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from jagree.data.split import Split
from jagree.record import RecordWriter
from tests.conftest import REPOSITORY

# May be imported by any.
ROOT = {
    "config",
    "configs",
    "registry",
    "seeds",
    "errors",
    "paths",
    "pool",
    "preemption",
    "processes",
    "runfolder",
    "words",
}
ALLOWED = {
    "data": {"data"},
    "networks": {"networks"},
    "record": {"record"},
    "training": {"training", "data", "networks", "record"},
    "statistics": {"statistics", "data"},
    "study": {"study", "record", "statistics"},
    "figures": {"figures", "study"},
    "report": {"report", "figures", "study", "data"},
    "watching": {"watching", "record", "study", "training"},
    "export": {"export", "record", "study"},
    # main and its helpers, which nothing imports but the doors
    "main": {"stages", "commandline", "sweep", "watching"},
    "commandline": set(),
    "cloud": {"cloud", "commandline"},
    "sweep": {"sweep", "commandline", "stages", "console", "record", "study"},
    "stages": {"analysis", "console", "data", "record", "statistics", "training", "watching"},
    "analysis": {
        "console",
        "data",
        "figures",
        "illustration",
        "record",
        "report",
        "statistics",
        "study",
    },
    "illustration": {"figures", "statistics"},
    "comparison": {"console", "figures", "report", "study"},
    "console": {"data", "training", "watching"},
    "recording": {"data", "record"},  # the door for other programs
}
LATE_ONLY = {"training", "report", "figures", "statistics"}  # for these: inside functions


def imports(path: Path) -> list[tuple[str, bool]]:
    """(room of jagree, whether at module level) of every import in a file."""
    tree = ast.parse(path.read_text())
    functions = [n for n in ast.walk(tree) if isinstance(n, ast.FunctionDef)]
    type_checking = [
        n for n in ast.walk(tree) if isinstance(n, ast.If) and "TYPE_CHECKING" in ast.dump(n.test)
    ]
    late = {id(n) for f in (*functions, *type_checking) for n in ast.walk(f)}
    found = []
    for node in ast.walk(tree):
        names: list[str] = []
        if isinstance(node, ast.Import):
            names = [a.name for a in node.names]
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{path}: relative imports hide the room"
            names = [node.module or ""]
            if node.module == "jagree":
                names = [f"jagree.{a.name}" for a in node.names]
        found += [(n.split(".")[1], id(node) not in late) for n in names if n[:7] == "jagree."]
    return found


def room(path: Path) -> str:
    return path.relative_to(REPOSITORY / "jagree").parts[0].removesuffix(".py")


FILES = sorted(
    p
    for p in (REPOSITORY / "jagree").rglob("*.py")
    if p.name != "__main__.py" and p != REPOSITORY / "jagree/__init__.py"
)


@pytest.mark.parametrize("path", FILES, ids=lambda p: str(p.relative_to(REPOSITORY)))
def test_each_room_imports_only_what_it_may(path: Path) -> None:
    here = room(path)
    allowed = ROOT if here in ROOT else ALLOWED[here] | ROOT
    for name, at_module_level in imports(path):
        assert name in allowed, f"{path}: '{here}' may not import '{name}'"
        if (
            here in ("stages", "analysis", "comparison", "illustration", "console")
            and at_module_level
        ):
            assert name not in LATE_ONLY, f"{path}: import '{name}' where it is needed"


def test_the_walk_sees_what_it_should() -> None:
    found = imports(REPOSITORY / "jagree/training/loop.py")
    assert ("record", True) in found
    assert ("data", True) in found
    assert ("training", False) in imports(REPOSITORY / "jagree/stages.py")


def test_importing_jagree_and_main_loads_no_jax() -> None:
    code = "import sys, jagree, jagree.main, jagree.stages; sys.exit('jax' in sys.modules)"
    subprocess.run([sys.executable, "-c", code], check=True, timeout=60)


BLOCKED = """
import sys
for name in ("jax", "jaxlib", "flax", "optax", "orbax"):
    sys.modules[name] = None  # any import of it raises ImportError
from jagree.study.__main__ import run
sys.exit(run([sys.argv[1]]))
"""


def test_study_figures_and_report_run_with_jax_blocked(tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    split = Split(
        name="train",
        id=np.array([f"train_{i}" for i in range(6)]),
        label=np.array([0, 1, 0, 1, 0, 1], np.int32),
        image=rng.integers(0, 255, (6, 8, 8, 3), np.uint8),
        class_names=("cat", "dog"),
    )
    recorder = RecordWriter.create(
        tmp_path / "record.zarr",
        {"train": split},
        networks=["lenet5"] * 2,
        seed=0,
        correctness="single_label",
        recording={"train": "epoch_end"},
        data="somebody's",
    )
    half = rng.random((2, 6))
    fields = {"prediction": np.tile([0, 1, 1], (2, 2)), "log_prob": -half, "margin": half}
    recorder.append(1, {"train": {**fields, "sum_sq_other": half, "loss": half[:, 0]}})
    result = subprocess.run(
        [sys.executable, "-c", BLOCKED, str(tmp_path)], capture_output=True, text=True, timeout=120
    )
    assert result.returncode == 0, result.stderr
    assert (tmp_path / "report.html").exists()
    assert (tmp_path / "figures" / "agreement.pdf").exists()
    assert "true_positive_agreement" in (tmp_path / "results" / "agreement.csv").read_text()
