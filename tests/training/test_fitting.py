"""What a run compiles, when, and with which engine if memory is short."""

import json
import re
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import jax
import numpy as np
import pytest
from ml_collections import ConfigDict

from jagree import data, registry, stages
from jagree.errors import UsageError
from jagree.record import open_record
from jagree.training import trainer
from jagree.training.epochs import Epochs
from jagree.training.groups import Groups
from jagree.training.memory import Capacity
from jagree.training.trainer import Trainer
from tests.training.test_loop import Ears

COMPILED = "/jax/core/compile/backend_compile_duration"


@pytest.fixture
def tiny(small: ConfigDict, monkeypatch: pytest.MonkeyPatch) -> ConfigDict:
    """Runs of narrow networks."""
    table = {**registry.TABLE["network"]}
    table |= {f"tiny_{x}": f"tests.training.tiny_networks:Tiny{x.upper()}" for x in "ab"}
    monkeypatch.setitem(registry.TABLE, "network", table)
    small.network = "tiny_a"
    return small


@pytest.fixture
def compilations() -> Iterator[list[str]]:
    """Names of the functions that have been compiled since the start of the test."""
    names: list[str] = []

    def listen(event: str, duration: float, **about: Any) -> None:
        if event == COMPILED:
            names.append(str(about.get("fun_name")))

    jax.monitoring.register_event_duration_secs_listener(listen)
    yield names
    jax.monitoring.unregister_event_duration_listener(listen)


def run(config: ConfigDict, path: Path) -> dict[str, Any]:
    stages.run(config, path, ["train"], "a test")
    return open_record(path / "record.zarr")


def chunks(names: list[str]) -> dict[str, int]:
    """How many programs of steps there are among the compiled ones, by kind."""
    found = (re.search(r"_\w+_chunk", name) for name in names)
    return dict(Counter(name[0] for name in found if name))


MIXED = ("tiny_b", "tiny_a", "tiny_b")


@pytest.mark.parametrize(
    ("engine", "feed", "mode", "networks", "judging"),
    # 160 examples are judged by 64, two batches and one, and 70 in one dispatch of two. On the
    # device the splits are of different sizes; of a stream's there is nothing on it.
    [
        ("loop", "resident", "epoch_end", (), 3),
        ("vmap", "resident", "epoch_end", MIXED, 3),
        ("loop", "resident", "online", MIXED, 1),
        ("loop", "stream", "epoch_end", MIXED, 2),
        ("vmap", "stream", "online", (), 1),
    ],
)
def test_a_run_compiles_each_program_once_and_all_before_the_first_epoch(
    tiny: ConfigDict,
    tmp_path: Path,
    compilations: list[str],
    monkeypatch: pytest.MonkeyPatch,
    engine: str,
    feed: str,
    mode: str,
    networks: tuple[str, ...],
    judging: int,
) -> None:
    tiny.training.engine, tiny.training.feed, tiny.recording.mode = engine, feed, mode
    tiny.per_member.network = networks
    tiny.training.steps_per_dispatch = 2
    before: dict[int, list[str]] = {}
    epoch = Epochs.run

    def noted(self: Epochs, number: int, *rest: Any, **options: Any) -> Any:
        before[number] = list(compilations)
        return epoch(self, number, *rest, **options)

    monkeypatch.setattr(Epochs, "run", noted)
    run(tiny, tmp_path / "run")
    # 160 examples in batches of 48: two steps, one step, and a batch of 16.
    count = len(set(networks)) or 1
    expected = {"_train_chunk": 3 * count, "_eval_chunk": judging * count}
    assert chunks(before[1]) == expected
    assert chunks(compilations) == expected
    assert compilations == before[2]  # the checkpoint of epoch 1 was the last news


@pytest.mark.parametrize("engine", ["loop", "vmap"])
@pytest.mark.parametrize("networks", [(), (*MIXED, "tiny_a")])
def test_more_members_are_not_more_programs(
    tiny: ConfigDict, compilations: list[str], engine: str, networks: tuple[str, ...]
) -> None:
    tiny.training.engine = engine
    splits = data.load(tiny.data)
    found = []
    for times in (1, 3):
        tiny.members = times * (len(networks) or 1)
        tiny.per_member.network = networks * times
        before = len(compilations)
        compiled = Trainer(tiny, splits, Ears()).begin(fresh=False)
        found.append((compiled.programs, chunks(compilations[before:])))
    assert found[0] == found[1]
    kinds = len(set(networks)) or 1
    assert found[0] == (4 * kinds, {"_train_chunk": 2 * kinds, "_eval_chunk": 2 * kinds})


def test_crops_multiple_labels_and_labels_of_members_are_compiled_ahead(
    tiny: ConfigDict, tmp_path: Path, compilations: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    tiny.data.crop, tiny.epochs = 24, 1
    tiny.per_member.label_noise = (0.0, 0.1, 0.2)
    tiny.recording.untrained, tiny.recording.mode = True, "online"
    begin, after = Trainer.begin, []

    def noted(self: Trainer, *, fresh: bool) -> Any:
        compiled = begin(self, fresh=fresh)
        after.append(len(compilations))
        return compiled

    monkeypatch.setattr(Trainer, "begin", noted)
    for random_crop, feed in ((True, "resident"), (False, "resident"), (True, "stream")):
        tiny.data.random_crop, tiny.training.feed = random_crop, feed
        run(tiny, tmp_path / f"{random_crop}_{feed}")
        assert chunks(compilations[after[-1] :]) == {}


def give(monkeypatch: pytest.MonkeyPatch, usable: int | None, *, backend: str = "gpu") -> None:
    """Have the program think that it runs on such a device with so much memory to use."""
    free = usable
    if usable is not None:
        free = next(f for f in range(usable, 2 * usable) if f - f // 20 == usable)
    there_is = Capacity(10**9, free, "the device's memory", is_main=False)
    monkeypatch.setattr(trainer, "capacity", lambda: there_is)
    monkeypatch.setattr(jax, "default_backend", lambda: backend)


def needs(config: ConfigDict, monkeypatch: pytest.MonkeyPatch) -> dict[str, int]:
    """Bytes that a run needs with each engine."""
    found = {}
    with monkeypatch.context() as patch:
        give(patch, None)
        for engine in ("vmap", "loop"):
            config.training.engine = engine
            need = Trainer(config, data.load(config.data), Ears()).begin(fresh=False).need
            assert need is not None
            assert need.members == config.members
            found[engine] = need.total
    config.training.engine = "auto"
    return found


@pytest.mark.parametrize("networks", [(), MIXED])
def test_what_fits_exactly_is_stacked_and_a_byte_less_is_done_in_turn(
    tiny: ConfigDict,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture,
    networks: tuple[str, ...],
) -> None:
    tiny.per_member.network, tiny.epochs = networks, 1
    needed = needs(tiny, monkeypatch)
    assert needed["loop"] < needed["vmap"]
    give(monkeypatch, needed["vmap"])
    stacked = run(tiny, tmp_path / "stacked")
    out = capsys.readouterr().out
    assert "engine vmap on" in out
    assert "in its place" not in out
    give(monkeypatch, needed["vmap"] - 1)
    in_turn = run(tiny, tmp_path / "in_turn")
    out = capsys.readouterr().out
    assert "engine loop in its place: the engine vmap needs about" in out
    for path, engine in (("stacked", "vmap"), ("in_turn", "loop")):
        about = json.loads((tmp_path / path / "run.json").read_text())["invocations"][0]
        assert about["engine"] == engine
        assert about["compile_seconds"] >= 0
    for split in ("train", "test"):
        one, other = (record[split]["log_prob"].values for record in (stacked, in_turn))
        np.testing.assert_allclose(one, other, rtol=0.02, atol=0.01)


def test_what_fits_no_engine_is_refused_before_anything_is_trained(
    tiny: ConfigDict, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    needed = needs(tiny, monkeypatch)
    give(monkeypatch, needed["loop"])
    run(tiny, tmp_path / "fits")
    give(monkeypatch, needed["loop"] - 1)
    begun = []
    monkeypatch.setattr(trainer, "fresh_members", lambda *_, **__: begun.append(1))
    with pytest.raises(
        UsageError,
        match=r"engine vmap needs about .* for 3 networks.*engine loop needs about .*: there is "
        r"room for about 2 with the engine loop; try --config.members=2",
    ):
        run(tiny, tmp_path / "refused")
    assert not begun
    assert not any((tmp_path / "refused/checkpoints").glob("[0-9]*"))
    # The room that it names suffices.
    monkeypatch.undo()
    table = {**registry.TABLE["network"], "tiny_a": "tests.training.tiny_networks:TinyA"}
    monkeypatch.setitem(registry.TABLE, "network", table)
    tiny.members = 2
    give(monkeypatch, needed["loop"] - 1)
    run(tiny, tmp_path / "refused")


def test_states_that_cannot_fit_are_refused_before_anything_is_compiled(
    tiny: ConfigDict, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(Trainer, "_compile", lambda _: pytest.fail("compiled"))
    made = Trainer(tiny, data.load(tiny.data), Ears())
    least = made._least()
    states = 3 * 2 * 4 * (3 * 3 * 3 * 4 + 4 + 2 * 4 + 4 * 10 + 10) + 3 * 2 * 4 * 4
    assert least == 2 * (states + 3 * 16 * (160 + 70))  # and their copies
    give(monkeypatch, states - 1)  # of a device, where no copies are
    with pytest.raises(
        UsageError, match=r"engine vmap needs at least .* for 3 networks.*room for at most 2 with"
    ):
        run(tiny, tmp_path / "run")


def test_whoever_knows_better_goes_on(
    tiny: ConfigDict, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    give(monkeypatch, 1)
    tiny.training.check_memory = False
    assert run(tiny, tmp_path / "run")["train"].sizes["epoch"] == tiny.epochs


def test_an_engine_that_was_asked_for_is_not_exchanged(
    tiny: ConfigDict, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    needed = needs(tiny, monkeypatch)
    give(monkeypatch, needed["vmap"] - 1)
    tiny.training.engine = "vmap"
    with pytest.raises(UsageError, match=r"about 2 with the engine vmap; .*engine=loop"):
        run(tiny, tmp_path / "run")


def test_a_cpu_needs_scratch_memory_on_each_core(
    tiny: ConfigDict, monkeypatch: pytest.MonkeyPatch
) -> None:
    splits, found = data.load(tiny.data), {}
    for engine in ("loop", "vmap"):
        tiny.training.engine = engine
        for cores in (1, 2, 9):  # of 3 members
            monkeypatch.setattr("jagree.pool.cores", lambda n=cores: n)
            found[engine, cores] = Trainer(tiny, splits, Ears()).begin(fresh=False).need
    one, two, nine = (found["loop", cores] for cores in (1, 2, 9))
    scratch = two.shared - one.shared
    assert scratch > 0
    assert nine.shared == one.shared + 2 * scratch
    assert nine.total == one.total + 2 * scratch
    assert found["vmap", 1] == found["vmap", 9]


def test_a_cpu_that_has_too_little_refuses(
    tiny: ConfigDict, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    give(monkeypatch, 100_000, backend="cpu")
    with pytest.raises(UsageError, match=r"^the engine loop needs about .*: not one fits; try"):
        run(tiny, tmp_path / "run")


def test_unknown_memory_stops_nothing(
    tiny: ConfigDict,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture,
) -> None:
    tiny.epochs = 1
    give(monkeypatch, None)
    run(tiny, tmp_path / "first")
    out = capsys.readouterr().out
    assert "memory: " in out
    assert " of the " not in out.split("memory: ")[1].splitlines()[0]
    # Just enough for the states, but nobody knows what programs need.
    give(monkeypatch, Trainer(tiny, data.load(tiny.data), Ears())._least())
    monkeypatch.setattr("jagree.training.ensemble.footprint", lambda *_, **__: None)
    run(tiny, tmp_path / "second")
    assert "memory: " not in capsys.readouterr().out


def test_the_more_members_the_more_memory_as_estimated(
    tiny: ConfigDict, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What 6 members need follows from what 3 need, to a tenth."""
    splits = data.load(tiny.data)
    for engine in ("vmap", "loop"):
        tiny.training.engine = engine
        found = []
        for members in (3, 6):
            tiny.members = members
            found.append(Trainer(tiny, splits, Ears()).begin(fresh=False).need)
        three, six = found
        assert three is not None
        assert six is not None
        expected = three.shared + 6 * three.each
        assert abs(six.total - expected) < 0.1 * (six.total - six.shared)
        images = sum(split.image.nbytes for split in splits.values())
        assert three.shared == images if engine == "vmap" else three.shared > images


def test_what_cannot_even_be_compiled_stacked_is_done_in_turn(
    tiny: ConfigDict,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture,
) -> None:
    compile_, error = Groups.compile, "RESOURCE_EXHAUSTED: no room for 7 bytes"

    def full(self: Groups, *dispatches: Any) -> Any:
        if any(ensemble.engine == "vmap" for ensemble in self._ensembles.values()):
            raise jax.errors.JaxRuntimeError(error)
        return compile_(self, *dispatches)

    monkeypatch.setattr(Groups, "compile", full)
    give(monkeypatch, 10**8)
    tiny.epochs = 1
    run(tiny, tmp_path / "run")
    assert "engine loop in its place: to compile stacked members took" in capsys.readouterr().out
    tiny.training.engine = "vmap"
    with pytest.raises(UsageError, match=r"out of memory \(RESOURCE_EXHAUSTED: no room.*=loop"):
        run(tiny, tmp_path / "asked")
    error = "INTERNAL: a fault"
    with pytest.raises(jax.errors.JaxRuntimeError, match="a fault"):
        run(tiny, tmp_path / "fault")


def test_a_lack_of_memory_in_the_middle_is_told(
    tiny: ConfigDict, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    epoch = Epochs.run

    def full(self: Epochs, number: int, *rest: Any, **options: Any) -> Any:
        if number == 2:
            raise jax.errors.JaxRuntimeError("RESOURCE_EXHAUSTED: no room for 7 bytes\nframe")
        return epoch(self, number, *rest, **options)

    monkeypatch.setattr(Epochs, "run", full)
    with pytest.raises(UsageError, match=r"out of memory \(RESOURCE_EXHAUSTED: no room for 7 byt"):
        run(tiny, tmp_path / "run")
    monkeypatch.undo()
    table = {**registry.TABLE["network"], "tiny_a": "tests.training.tiny_networks:TinyA"}
    monkeypatch.setitem(registry.TABLE, "network", table)
    tiny.training.engine = "vmap"  # as advised, another field of training
    assert run(tiny, tmp_path / "run")["train"].sizes["epoch"] == 2
