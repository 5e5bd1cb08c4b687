"""Names, commands and states of the runs of a sweep."""

import doctest
import json
import re
from pathlib import Path
from typing import Any

import pytest
from ml_collections import ConfigDict

from jagree import commandline
from jagree import config as rules
from jagree.errors import UsageError
from jagree.stages import STAGES
from jagree.sweep import plan
from jagree.sweep.grid import Grid
from jagree.sweep.plan import Run, done, names
from tests.conftest import REPOSITORY

QUICKSTART = str(REPOSITORY / "configs/quickstart.py")
ALL = tuple(STAGES)

# ml_collections loads a config file by it.
pytestmark = pytest.mark.filterwarnings(r"ignore:the load_module\(\) method is deprecated")


def one(field: str, *values: Any) -> list[str]:
    return names([{field: value} for value in values])


def test_a_name_is_the_fields_that_vary() -> None:
    assert doctest.testmod(plan).failed == 0
    assert names([{"batch_size": 32, "seed": 0}, {"batch_size": 8, "seed": 1}]) == [
        "batch_size=32,seed=0",
        "batch_size=8,seed=1",
    ]
    assert one("optimizer.learning_rate", 0.1, 1.0, 1e-05) == [
        "learning_rate=0.1",
        "learning_rate=1",
        "learning_rate=1e-05",
    ]
    assert one("recording.untrained", True, False) == ["untrained=true", "untrained=false"]
    assert one("per_member.network", ("lenet5", "vgg16"), ()) == [
        "network=lenet5+vgg16",
        "network=",
    ]


def test_fields_that_end_alike_keep_their_sections() -> None:
    assert names([{"data.name": "voc", "optimizer.name": "adam", "seed": 1}]) == [
        "data.name=voc,optimizer.name=adam,seed=1"
    ]
    assert names([{"seed": 1, "data.seed": 2}]) == ["seed=1,data.seed=2"]  # as seed ends alike


def test_names_are_safe_and_differ() -> None:
    values = ["a/b", "a_b", "a b", "a,b", "a=b", "../x", "ä", "A_B", "a+b", "x" * 200, "x" * 201]
    found = one("data.set", *values)
    assert all(re.fullmatch(r"set=[A-Za-z0-9_.+-]+", name) for name in found)
    assert len({name.casefold() for name in found}) == len(values)
    assert max(map(len, found)) <= plan.LONGEST + 9
    assert one("data.set", "uoft-cs.cifar_10") == ["set=uoft-cs.cifar_10"]
    assert one("data.set", "a/b") == [found[0]]  # whatever else is in the grid
    tuples = one("statistics.names", ("a+b",), ("a", "b"), ("a", "b+"), ("a", "b", ""))
    assert len(set(tuples)) == 4
    assert tuples[1] == "names=a+b"


def make(tmp_path: Path, values: dict[str, tuple], **options: Any) -> list[Run]:
    changed = options.pop("changed", {})
    return plan.make(QUICKSTART, changed, Grid(values), tmp_path / "s", ALL, **options)


def parsed(command: tuple[str, ...]) -> ConfigDict:
    return commandline.load([c for c in command if c.startswith("--config")])


def test_a_command_is_the_config_of_its_run(tmp_path: Path) -> None:
    values = {
        "optimizer.learning_rate": (0.1, 1e-5),
        "recording.untrained": (True, False),
        "per_member.network": (("lenet5", "vgg16"), ()),
        "per_member.weight_decay": ((0.0, 1e-4), ()),
        "data.leave_out": (("train_1,2", "it's"), ("7",), ("a", "b")),
        "statistics.names": (("entropy",), ("entropy", "segments")),
        "study.leave_out": ((0,), ()),
    }
    runs = make(tmp_path, values, changed={"members": 2, "data.set": "", "epochs": 3})
    assert len(runs) == 3 * 2**6
    for run in runs:
        assert parsed(run.command).to_dict() == run.config.to_dict()
        flat = rules.flatten(run.config)
        for field, value in run.changes.items():
            assert flat[field] == (list(value) if isinstance(value, tuple) else value)
        base = rules.flatten(commandline.load([f"--config={QUICKSTART}"]))
        differ = {field for field in flat if flat[field] != base[field]}
        assert differ <= {*values, "members", "epochs", "name"}
        assert {"members", "epochs", "name"} <= differ
        assert run.config.name == f"quickstart,{run.name}"
        assert run.folder == tmp_path / "s" / run.name
        assert run.log == tmp_path / "s/logs" / f"{run.name}.log"
    assert not (tmp_path / "s").exists()


def test_a_command_says_no_more_than_it_must(tmp_path: Path) -> None:
    (run,) = make(tmp_path, {"seed": (3,)})
    assert run.command[1:] == (
        *("-m", "jagree.main", f"--config={QUICKSTART}", "--config.name=quickstart,seed=3"),
        *("--config.seed=3", f"--workdir={tmp_path / 's/seed=3'}"),
    )
    (run,) = plan.make(QUICKSTART, {}, Grid({"seed": (3,)}), tmp_path, ["train"], alone=True)
    assert run.command[-2:] == ("--stages=train", "--nosweep")


def test_each_config_is_checked_before_any_run(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match=r"run 'batch_size=0': batch_size must be 1 or more"):
        make(tmp_path, {"batch_size": (32, 0)})
    with pytest.raises(UsageError, match=r"unknown network 'lenet6'"):
        make(tmp_path, {"network": ("lenet5", "lenet6")})
    with pytest.raises(UsageError, match=r"seed is in the grid and set by --config\.seed as"):
        make(tmp_path, {"seed": (0, 1)}, changed={"epochs": 1, "seed": 3})


def test_a_value_that_is_read_back_as_another_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    right = plan.flag_text

    def wrong(field: str, value: Any) -> str:
        return right(field, value + 1 if field == "seed" else value)

    monkeypatch.setattr(plan, "flag_text", wrong)
    with pytest.raises(UsageError, match=r"run 'seed=3': seed=3 cannot be given as a flag"):
        make(tmp_path, {"seed": (3,)})


def note(run: Run, status: str, *invocations: tuple, **changed: Any) -> None:
    """Write a run.json; an invocation is its stages, its outcome and the seconds it trained."""
    run.folder.mkdir(parents=True, exist_ok=True)
    config = run.config.copy_and_resolve_references()
    config.update_from_flattened_dict({k.replace("__", "."): v for k, v in changed.items()})
    noted = [
        {"stages": stages, "outcome": outcome, "train_seconds": seconds}
        for stages, outcome, seconds in invocations
    ]
    about = {"config": config.to_dict(), "status": status, "invocations": noted}
    (run.folder / "run.json").write_text(json.dumps(about))


def test_a_run_is_done_if_all_its_stages_ended_well(tmp_path: Path) -> None:
    (run,) = make(tmp_path, {"seed": (3,)})
    assert not done(run, ALL)
    note(run, "complete", (ALL, "done", 5.0))
    assert done(run, ALL)
    assert done(run, ["study", "train"])
    note(run, "complete", (ALL, "done, but for 1 image", 5.0))
    assert done(run, ALL)
    assert plan.lacks_images(run)
    note(run, "training", (ALL, None, 5.0))
    assert not done(run, ALL)
    note(run, "training", (ALL, "done", 5.0))
    assert not done(run, ALL)
    note(run, "complete", (ALL, "failed: OSError", 5.0))
    assert not done(run, ALL)
    note(run, "complete", (("train",), "done", 5.0))
    assert done(run, ["train"])
    assert not done(run, ALL)
    assert not plan.lacks_images(run)
    note(run, "complete", (("train",), "done", 5.0), (("statistics", "study", "report"), "done", 0))
    assert done(run, ALL)
    note(run, "complete", ((), "done", 5.0))  # of an older version, which noted no stages
    assert not done(run, ["train"])


def test_tables_of_half_a_training_do_not_count(tmp_path: Path) -> None:
    (run,) = make(tmp_path, {"seed": (3,)})
    half = (("train", "statistics"), "interrupted", 5.0)
    early = (("statistics", "study", "report"), "done", 0)
    note(run, "complete", half, early, (("train",), "done", 5.0))
    assert done(run, ["train", "statistics"])
    assert not done(run, ["train", "study"])
    assert not done(run, ["report"])
    note(run, "complete", half, early, (("train",), "done", 5.0), (("study", "report"), "done", 0))
    assert done(run, ALL)
    note(run, "training", (("statistics", "study"), "done", 0))
    assert done(run, ["study"])
    assert not done(run, ["train"])


def test_a_run_of_another_config_is_not_done_or_is_refused(tmp_path: Path) -> None:
    (run,) = make(tmp_path, {"seed": (3,)})
    note(run, "complete", (ALL, "done", 5.0), statistics__names=("entropy",))
    assert not done(run, ALL)
    note(run, "complete", (ALL, "done", 5.0), training__engine="vmap", data__dir="/elsewhere")
    assert done(run, ALL)
    note(run, "complete", (ALL, "done", 5.0), epochs=2)
    assert not done(run, ALL)
    make(tmp_path, {"seed": (3,)})  # nothing is recorded there
    (run.folder / "checkpoints/1").mkdir(parents=True)
    with pytest.raises(UsageError, match=r"run 'seed=3': .* another config \(epochs is 12, was 2"):
        make(tmp_path, {"seed": (3,)})
