"""How much memory there is, what a run needs, and what becomes of one that needs more."""

from pathlib import Path
from types import SimpleNamespace
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from ml_collections import ConfigDict

from jagree.errors import UsageError
from jagree.training import memory
from jagree.training.compilation import Program
from jagree.training.memory import Capacity, Footprint, Group, Need, bytes_of, footprint, need

GIGA = 2**30


class Device:
    def __init__(self, platform: str, stats: Any) -> None:
        self.platform, self._stats = platform, stats

    def memory_stats(self) -> Any:
        if isinstance(self._stats, Exception):
            raise self._stats
        return self._stats


def machine(
    root: Path, *, available: int | None, groups: str = "", files: dict[str, Any] | None = None
) -> Path:
    """A root with the files from which Linux tells of memory; sizes in bytes."""
    (root / "proc/self").mkdir(parents=True)
    lines = ["MemTotal:       99999999 kB", "HugePages_Total:       0"]
    if available is not None:
        lines.insert(1, f"MemAvailable:   {available // 1024} kB")
    (root / "proc/meminfo").write_text("\n".join(lines) + "\n")
    if groups:
        (root / "proc/self/cgroup").write_text(groups)
    for name, content in (files or {}).items():
        path = root / "sys/fs/cgroup" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(f"{content}\n")
    return root


@pytest.fixture
def physical(monkeypatch: pytest.MonkeyPatch) -> int:
    pages = {"SC_PHYS_PAGES": 64 * GIGA // 4096, "SC_PAGE_SIZE": 4096}
    monkeypatch.setattr("os.sysconf", pages.__getitem__)
    return 64 * GIGA


def test_without_limits_main_memory_is_what_the_system_says(tmp_path: Path, physical: int) -> None:
    root = machine(tmp_path, available=40 * GIGA, groups="0::/user\n")
    assert memory.main_memory(root) == (physical, 40 * GIGA)


def test_where_nothing_is_said_free_memory_is_unknown(tmp_path: Path, physical: int) -> None:
    assert memory.main_memory(tmp_path / "nothing") == (physical, None)
    root = machine(tmp_path, available=None, groups="0::/\n", files={"memory.max": 5, "x": 0})
    assert memory.main_memory(root) == (physical, None)


def test_the_narrowest_group_around_the_process_counts(tmp_path: Path, physical: int) -> None:
    files = {
        "memory.max": "max",
        "memory.current": 50 * GIGA,
        "job/memory.max": 8 * GIGA,
        "job/memory.current": 7 * GIGA,
        "job/memory.stat": f"anon 1\ninactive_file {2 * GIGA}\nactive_file 3",
        "job/step/memory.max": 16 * GIGA,
        "job/step/memory.current": 0,
        "other/memory.max": 1,
        "other/memory.current": 0,
    }
    root = machine(tmp_path, available=40 * GIGA, groups="0::/job/step\n", files=files)
    assert memory.main_memory(root) == (8 * GIGA, 3 * GIGA)


def test_a_limit_leaves_no_more_than_the_machine_has(tmp_path: Path, physical: int) -> None:
    files = {"memory.max": 999 * GIGA, "memory.current": 0}
    root = machine(tmp_path, available=2 * GIGA, groups="0::/\n", files=files)
    assert memory.main_memory(root) == (physical, 2 * GIGA)


def test_more_in_use_than_allowed_leaves_nothing(tmp_path: Path, physical: int) -> None:
    files = {"memory.max": 2 * GIGA, "memory.current": 3 * GIGA}
    root = machine(tmp_path, available=9 * GIGA, groups="0::/\n", files=files)
    assert memory.main_memory(root) == (2 * GIGA, 0)


def test_the_older_groups_and_a_container_that_sees_only_its_own(
    tmp_path: Path, physical: int
) -> None:
    files = {
        "memory/memory.limit_in_bytes": 4 * GIGA,
        "memory/memory.usage_in_bytes": 3 * GIGA,
        "memory/memory.stat": f"inactive_file 7\ntotal_inactive_file {GIGA}",
        "cpu/memory.limit_in_bytes": 1,
        "cpu/memory.usage_in_bytes": 0,
    }
    groups = "5:cpu,cpuacct:/docker/a\n4:memory:/docker/a\n1:name=systemd:/docker/a\n0::/\n"
    root = machine(tmp_path, available=9 * GIGA, groups=groups, files=files)
    assert memory.main_memory(root) == (4 * GIGA, 2 * GIGA)


def told_by(monkeypatch: pytest.MonkeyPatch, device: Device) -> Capacity:
    monkeypatch.setattr(jax, "local_devices", lambda: [device])
    monkeypatch.setattr(memory, "main_memory", lambda: (500, 300))
    return memory.capacity()


def test_a_device_tells_its_own_memory(monkeypatch: pytest.MonkeyPatch) -> None:
    device = Device("gpu", {"bytes_limit": 1000, "bytes_in_use": 100, "num_allocs": 3})
    found = told_by(monkeypatch, device)
    assert found == Capacity(1000, 900, "the device's memory", is_main=False)
    assert found.usable == 900 - 45


@pytest.mark.parametrize("silent", [None, {}, NotImplementedError(), {"bytes_in_use": 7}])
def test_a_device_that_does_not_tell_has_unknown_memory_but_a_cpu_the_main_one(
    monkeypatch: pytest.MonkeyPatch, silent: Any
) -> None:
    found = told_by(monkeypatch, Device("gpu", silent))
    assert found == Capacity(500, None, "main memory", is_main=False)
    assert found.usable is None
    found = told_by(monkeypatch, Device("cpu", silent))
    assert found == Capacity(500, 300, "main memory", is_main=True)
    assert found.usable == 250


def test_this_machine_has_memory() -> None:
    found = memory.capacity()
    assert (found.where, found.is_main) == ("main memory", True)  # a CPU
    assert found.total > 100_000_000
    assert found.free is None or 0 <= found.free <= found.total


def test_bytes_are_those_on_a_device() -> None:
    tree = {"a": np.zeros((3, 5)), "b": np.zeros(2, np.int64), "c": (np.zeros(7, bool), None)}
    assert bytes_of(tree) == 3 * 5 * 4 + 2 * 4 + 7
    assert bytes_of(jax.ShapeDtypeStruct((2, 3), jnp.bfloat16)) == 12
    assert bytes_of(jnp.float32(1)) == 4


def test_a_donated_argument_is_not_counted_twice_and_results_are() -> None:
    def step(state: jax.Array, data: jax.Array, x: jax.Array) -> tuple[jax.Array, jax.Array]:
        return state + x.sum() * data.sum(), x * 2

    state, data, x = np.zeros(1000, np.float32), np.zeros(50, np.float32), np.zeros(300, np.float32)
    held = {"resident": bytes_of((state, data)), "inputs": bytes_of(x)}
    donated = footprint(Program(step, donate_argnums=0).compile(state, data, x), **held)
    copied = footprint(Program(step).compile(state, data, x), **held)
    assert donated is not None
    assert copied is not None
    # x, 2 x; XLA may add a pointer or two for the tuple of results.
    assert 300 * 4 * 2 <= donated.passing < 300 * 4 * 2 + 100
    assert copied.passing - donated.passing == 1000 * 4
    assert 0 <= donated.temp < 500


def test_scratch_memory_is_counted() -> None:
    def step(state: jax.Array, x: jax.Array) -> jax.Array:
        return state + jnp.sort(jnp.sin(x))[0]

    small, large = (
        footprint(
            Program(step, donate_argnums=0).compile(np.float32(0), np.zeros(n, np.float32)),
            resident=4,
            inputs=4 * n,
        )
        for n in (1_000, 100_000)
    )
    assert small is not None
    assert large is not None
    assert large.temp >= 100_000 * 4
    assert large.temp - small.temp >= 99_000 * 4


@pytest.mark.parametrize("answer", [None, NotImplementedError()])
def test_a_backend_that_does_not_tell_leaves_it_unknown(answer: Any) -> None:
    def memory_analysis() -> None:
        if answer is not None:
            raise answer

    compiled = SimpleNamespace(memory_analysis=memory_analysis)
    assert footprint(compiled, resident=1, inputs=1) is None


def test_padding_is_counted_once_and_generated_code_too() -> None:
    sizes = SimpleNamespace(
        argument_size_in_bytes=1_000,
        output_size_in_bytes=700,
        alias_size_in_bytes=600,
        temp_size_in_bytes=50,
        generated_code_size_in_bytes=3,
    )
    compiled = SimpleNamespace(memory_analysis=lambda: sizes)
    assert footprint(compiled, resident=800, inputs=180) == Footprint(50 + 3 + 20, 180 + 100)
    # The backend may count less than we do: an argument that the program does not use.
    assert footprint(compiled, resident=900, inputs=180) == Footprint(53, 280)


TWO = [
    Group(state=100, members=3, calls=1, programs=[Footprint(900, 7), Footprint(40, 30)]),
    Group(state=1_000, members=2, calls=1, programs=[Footprint(500, 5), Footprint(60, 20)]),
]
EACH = [group._replace(calls=group.members) for group in TWO]


def test_the_need_of_stacked_members_worked_out_by_hand() -> None:
    states = 3 * 100 + 2 * 1_000
    # The second dispatch passes most (50), the first one's program takes most (900).
    found = need(TWO, images=10, engine="vmap", is_main=False)
    assert found == Need(10 + states + 3 * 50 + 900, shared=10, members=5)
    assert found.each == (states + 150 + 900) / 5


def test_the_need_of_members_in_turn_worked_out_by_hand() -> None:
    states, beside = 2_300, 3 * (3 * 30 + 2 * 20) + 900
    found = need(EACH, images=10, engine="loop", is_main=False)
    # A checkpoint stacks the states, when nothing is computed.
    assert beside < states
    assert found == Need(10 + states + states, shared=10 + 900, members=5)
    hungry = [EACH[0]._replace(programs=[Footprint(9_000, 7), Footprint(40, 30)]), EACH[1]]
    found = need(hungry, images=10, engine="loop", is_main=False)
    assert found == Need(10 + states + beside + 8_100, shared=10 + 9_000, members=5)


def test_programs_that_run_at_the_same_time_have_scratch_memory_each() -> None:
    hungry = [EACH[0]._replace(programs=[Footprint(9_000, 7), Footprint(40, 30)]), EACH[1]]
    found = need(hungry, images=10, engine="loop", is_main=False, at_once=2)
    beside = 3 * (3 * 30 + 2 * 20) + 2 * 9_000
    assert found == Need(10 + 2_300 + beside, shared=10 + 2 * 9_000, members=5)


def test_predictions_lie_in_main_memory_twice() -> None:
    on_device = need(EACH, images=10, engine="loop", is_main=False, recorded=5_000)
    assert on_device == need(EACH, images=10, engine="loop", is_main=False)
    in_main = need(EACH, images=10, engine="loop", is_main=True, recorded=5_000)
    without = need(EACH, images=10, engine="loop", is_main=True)
    assert in_main == without._replace(total=without.total + 10_000)


def test_in_main_memory_the_copy_for_the_disk_counts() -> None:
    for groups, engine in ((TWO, "vmap"), (EACH, "loop")):
        on_device, in_main = (
            need(groups, images=10, engine=engine, is_main=is_main) for is_main in (False, True)
        )
        assert in_main.total == on_device.total + 2_300


@pytest.mark.parametrize(
    ("usable", "most"),
    # 100 shared and 50 each.
    [(350, 5), (351, 5), (349, 4), (300, 4), (299, 3), (150, 1), (149, 0), (100, 0), (0, 0)],
)
def test_how_many_fit(usable: int, most: int) -> None:
    assert Need(350, shared=100, members=5).most(usable) == most


def test_fewer_fit_if_these_do_not_even_if_rounding_says_otherwise() -> None:
    assert Need(100, shared=100, members=3).most(99) == 0  # nothing grows with members
    rounded = Need(10**17 + 1, shared=0, members=3)
    assert 10**17 // rounded.each == 3.0
    assert rounded.most(10**17) == 2


def config(**changes: Any) -> ConfigDict:
    from jagree.configs import default

    made = default.get_config()
    made.update_from_flattened_dict(changes)
    return made


FULL = Capacity(10_000_000_000, 8_000_000_000, "the device's memory", is_main=False)


def test_a_refusal_says_what_is_needed_what_there_is_and_what_would_fit() -> None:
    needs = {
        "vmap": Need(20_000_000_000, shared=1_000_000_000, members=5),
        "loop": Need(9_000_000_000, shared=2_000_000_000, members=5),
    }
    assert str(memory.refusal(needs, FULL, config())) == (
        "the engine vmap needs about 20.0 GB for 5 networks, and of the device's memory 7.6 GB can "
        "be used; the engine loop needs about 9.0 GB for 5 networks, and of the device's memory "
        "7.6 GB can be used: there is room for about 4 with the engine loop; try "
        "--config.members=4, a smaller --config.batch_size or --config.training.eval_batch_size, "
        "--config.precision=bfloat16 or --config.training.feed=stream, or go on all the same by "
        "--config.training.check_memory=False"
    )


def test_remedies_are_those_that_are_left() -> None:
    needs = {"vmap": Need(9_000_000_000, shared=8_000_000_000, members=5)}
    changed = config(**{"training.engine": "vmap", "training.feed": "stream"})
    changed.precision = "bfloat16"
    message = str(memory.refusal(needs, FULL, changed))
    assert message.endswith(
        "7.6 GB can be used: not one fits; try fewer --config.members, "
        "--config.training.engine=loop or a smaller --config.batch_size or "
        "--config.training.eval_batch_size, or go on all the same by "
        "--config.training.check_memory=False"
    )
    changed.members = 1
    assert "members" not in memory.remedies(changed)
    assert "engine" not in memory.remedies(changed)


def test_a_lack_of_memory_is_told_and_nothing_else_is() -> None:
    def train(config: ConfigDict, error: Exception) -> None:
        """What it does."""
        raise error

    told = memory.tells_shortage(train)
    assert told.__doc__ == "What it does."
    error = jax.errors.JaxRuntimeError("RESOURCE_EXHAUSTED: no room for 7 bytes\nframe 1\nframe 2")
    with pytest.raises(UsageError, match=r"^out of memory \(.*no room for 7 bytes\): try fewer"):
        told(config(), error)
    for other in (jax.errors.JaxRuntimeError("INTERNAL: a fault"), ValueError("out of memory")):
        with pytest.raises(type(other)):
            told(config(), other)


def test_what_jax_raises_for_want_of_memory_is_recognised() -> None:
    def train(config: ConfigDict) -> None:
        jax.block_until_ready(jax.jit(lambda: jnp.zeros(2**46, jnp.uint8) + jnp.uint8(1))())

    with pytest.raises(UsageError, match="out of memory"):
        memory.tells_shortage(train)(config())
