"""How much memory there is, how much a run needs, and what to tell who has too little.

A run holds the images of a resident feed and the states of all K members from beginning to end.
Beside them each dispatch brings its own inputs and results, of which `IN_FLIGHT` wait at once, and
the program that runs has scratch memory (XLA: temp), mostly activations. An accelerator runs one
program at a time, so that scratch is counted once, that of the hungriest program; a CPU with the
engine ``loop`` runs as many as it has cores.
"""

import functools
import math
import os
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple, ParamSpec

import jax
from ml_collections import ConfigDict

from jagree.errors import UsageError
from jagree.words import counted, enumeration, size

IN_FLIGHT = 3  # dispatches whose inputs and results are in memory at once: see the loop's _ahead
# Of a device's memory a twentieth stays free, for what is free is in pieces, and an array needs one
# piece. Of main memory a sixth: for what a convolution takes there by itself, the predictions of an
# epoch that is being recorded, and what the C library keeps. Runs that need 0.5 to 2.2 GB grew by
# 1.04 to 1.12 times as much (LeNet5 and VGG16, both engines).
_SPARE, _SPARE_IN_MAIN = 20, 6

Arguments = ParamSpec("Arguments")


class Capacity(NamedTuple):
    """The memory that the default device computes in."""

    total: int  # bytes that this process could ever have
    free: int | None  # bytes that it may take now; None: nobody says
    where: str
    is_main: bool  # whether host and device share it

    @property
    def usable(self) -> int | None:
        """Bytes that a run may need."""
        if self.free is None:
            return None
        return self.free - self.free // (_SPARE_IN_MAIN if self.is_main else _SPARE)


def capacity() -> Capacity:
    """What there is on the default device; of a CPU, main memory and what a container may have."""
    device = jax.local_devices()[0]
    try:
        stats = device.memory_stats() or {}
    except (NotImplementedError, jax.errors.JaxRuntimeError):  # some backends do not say
        stats = {}
    if limit := int(stats.get("bytes_limit", 0)):
        free = limit - int(stats.get("bytes_in_use", 0))
        return Capacity(limit, free, "the device's memory", is_main=False)
    total, free_main = main_memory()
    is_main = device.platform == "cpu"
    return Capacity(total, free_main if is_main else None, "main memory", is_main)


def main_memory(root: Path = Path("/")) -> tuple[int, int | None]:
    """Bytes of main memory that this process may have: ever, and now (None: unknown).

    Parameters
    ----------
    root : path
        Where ``proc`` and ``sys`` are.

    Notes
    -----
    Linux: MemAvailable of proc(5), which counts the file cache as free, and the limits of the
    process's control groups and of those around them (version 2 and 1), in which inactive file
    cache counts as free, too. Other systems: all of the memory, and unknown.
    """
    total = os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")
    kilobytes = _numbers(root / "proc/meminfo").get("MemAvailable:")
    free = None if kilobytes is None else kilobytes * 1024
    for limit, used in _limits(root):
        total = min(total, limit)
        free = None if free is None else max(0, min(free, limit - used))
    return total, free


def _limits(root: Path) -> Iterator[tuple[int, int]]:
    """(limit, bytes in use) of each control group with a limit that this process is in."""
    try:
        lines = (root / "proc/self/cgroup").read_text().splitlines()
    except OSError:  # not Linux
        return
    for line in lines:
        number, kinds, path = line.split(":", 2)
        if number == "0":  # version 2
            base, names = root / "sys/fs/cgroup", ("memory.max", "memory.current", "inactive_file")
        elif "memory" in kinds.split(","):
            base = root / "sys/fs/cgroup/memory"
            names = ("memory.limit_in_bytes", "memory.usage_in_bytes", "total_inactive_file")
        else:
            continue
        # Within a container the path may be that outside, of which only the base is to be seen.
        own = base / path.lstrip("/")
        for folder in (own, *own.parents):
            if folder.is_relative_to(base):
                limit, used = (_number(folder / name) for name in names[:2])
                if limit is not None and used is not None:
                    yield limit, used - _numbers(folder / "memory.stat").get(names[2], 0)


def _number(path: Path) -> int | None:
    try:
        return int(path.read_text())
    except (OSError, ValueError):  # not there, or "max"
        return None


def _numbers(path: Path) -> dict[str, int]:
    """The first number after the first word of each line that has both; {} without the file."""
    try:
        words = [line.split() for line in path.read_text().splitlines()]
    except OSError:
        return {}
    return {w[0]: int(w[1]) for w in words if len(w) > 1 and w[1].isdigit()}


class Footprint(NamedTuple):
    """What a program needs beside the arrays that lie in memory anyway, bytes."""

    temp: int  # while it runs
    passing: int  # inputs and results of each call


def bytes_of(tree: Any) -> int:
    """Size of a pytree of arrays (or of their shapes) on each device, without padding."""
    return sum(
        math.prod(_shape_on_device(leaf)) * jax.dtypes.canonicalize_dtype(leaf.dtype).itemsize
        for leaf in jax.tree.leaves(tree)
    )


def _shape_on_device(array: Any) -> tuple[int, ...]:
    sharding = getattr(array, "sharding", None)
    return array.shape if sharding is None else sharding.shard_shape(array.shape)


def footprint(compiled: Any, *, resident: int, inputs: int) -> Footprint | None:
    """Of a compiled program (`jax.stages.Compiled`); None if the backend does not say.

    Parameters
    ----------
    compiled : jax.stages.Compiled
    resident, inputs : int
        Bytes of its arguments: of those that stay in memory (a state is donated, so that its
        successor takes no more), and of those that come with the call.
    """
    try:
        sizes = compiled.memory_analysis()
    except (NotImplementedError, jax.errors.JaxRuntimeError):
        sizes = None
    if sizes is None:
        return None
    padding = max(0, sizes.argument_size_in_bytes - resident - inputs)
    results = max(0, sizes.output_size_in_bytes - sizes.alias_size_in_bytes)
    return Footprint(
        sizes.temp_size_in_bytes + sizes.generated_code_size_in_bytes + padding, inputs + results
    )


class Group(NamedTuple):
    """What the members of one network need on a device."""

    state: int  # bytes of one member
    members: int  # that the device holds
    calls: int  # of a program for each dispatch: one for all members, or one for each
    programs: Sequence[Footprint]  # one for each kind of dispatch; the same kinds in all groups


class Need(NamedTuple):
    """What a run needs at most of the memory of a device (of all of them if it is one), bytes."""

    total: int
    shared: int  # of these, what does not grow with the number of members
    members: int

    @property
    def each(self) -> float:
        """Of one member; where networks differ, on average."""
        return (self.total - self.shared) / self.members

    def most(self, usable: int) -> int:
        """How many members would fit, about; fewer than there are if these do not."""
        if self.total <= usable:
            return self.members
        fitting = int((usable - self.shared) // self.each) if self.each else 0
        return max(0, min(fitting, self.members - 1))


def need(
    groups: Sequence[Group],
    *,
    images: int,
    engine: str,
    is_main: bool,
    at_once: int = 1,
    recorded: int = 0,
    devices: int = 1,
) -> Need:
    """What a run with that engine needs.

    Parameters
    ----------
    groups : sequence of Group
        One for each network.
    images : int
        Bytes of the images that lie on the device.
    engine : {"vmap", "loop"}
    is_main : bool
        Whether all of this is in main memory.
    at_once : int
        Programs that run at the same time.
    recorded : int
        Bytes of an epoch's predictions of all members, in main memory: those of an epoch that is
        being written, and those of the next.
    devices : int
        That share this memory: those of a CPU that poses as several.

    Notes
    -----
    To be saved, the states of the loop engine are stacked, which copies them, and the copy for the
    disk lies in main memory while the next epoch is trained. In what is shared, ``vmap`` has no
    scratch memory: it grows with the members.
    """
    members = devices * sum(group.members for group in groups)
    states = sum(group.state * group.members for group in groups)
    kinds = list(zip(*(group.programs for group in groups), strict=True))
    calls = [group.calls for group in groups]
    passing = max(sum(c * p.passing for c, p in zip(calls, kind, strict=True)) for kind in kinds)
    temp = at_once * max(program.temp for kind in kinds for program in kind)
    beside = IN_FLIGHT * passing + temp
    total = devices * (images + states + max(beside, states if engine == "loop" else 0))
    if is_main:
        total += devices * states + 2 * recorded
    return Need(total, devices * (images + (temp if engine == "loop" else 0)), members)


def too_large(engine: str, needed: Need, memory: Capacity, *, least: bool = False) -> str:
    """That it does not fit, in a clause; `least`: without what its programs need."""
    return (
        f"the engine {engine} needs {'at least' if least else 'about'} {size(needed.total)} for "
        f"{counted(needed.members, 'network')}, and of {memory.where} "
        f"{size(memory.usable or 0)} can be used"
    )


COMPILER_TOO_LARGE = "to compile stacked members took more memory than there is"


def refusal(
    needs: Mapping[str, Need], memory: Capacity, config: ConfigDict, *, least: bool = False
) -> UsageError:
    """What to tell who has too little memory.

    Parameters
    ----------
    needs : mapping of str to Need
        Of each engine that was tried.
    memory : Capacity
        In which none of them fits.
    config : ConfigDict
    least : bool
        Whether the needs are without what programs need.
    """
    usable = memory.usable or 0
    most, engine = max((needed.most(usable), engine) for engine, needed in needs.items())
    about = "at most" if least else "about"
    room = f"there is room for {about} {most} with the engine {engine}" if most else "not one fits"
    clauses = [too_large(e, needed, memory, least=least) for e, needed in needs.items()]
    return UsageError(
        f"{'; '.join(clauses)}: {room}; {remedies(config, most=most)}, or go on all the same by "
        "--config.training.check_memory=False"
    )


def remedies(config: ConfigDict, *, most: int = 0) -> str:
    """What takes less memory, as advice; `most` members would fit (0: nobody knows)."""
    fewer = f"--config.members={most}" if most else "fewer --config.members"
    ways = [fewer] if config.members > 1 else []
    if config.training.engine == "vmap" and config.members > 1:
        ways.append("--config.training.engine=loop")
    ways.append("a smaller --config.batch_size or --config.training.eval_batch_size")
    if config.precision != "bfloat16":
        ways.append("--config.precision=bfloat16")
    if config.training.feed != "stream":
        ways.append("--config.training.feed=stream")
    return "try " + enumeration(ways).replace(" and ", " or ")


def is_shortage(error: BaseException) -> bool:
    """Whether a device (or a CPU) had too little memory for what it was asked for."""
    return isinstance(error, MemoryError) or (
        "RESOURCE_EXHAUSTED" in str(error) or "out of memory" in str(error).lower()
    )


def tells_shortage(train: Callable[Arguments, None]) -> Callable[Arguments, None]:
    """A function whose first argument is the config, but a lack of memory is a UsageError.

    However well a need was estimated, other processes may take their share meanwhile.
    """

    @functools.wraps(train)
    def told(*arguments: Arguments.args, **options: Arguments.kwargs) -> None:
        try:
            train(*arguments, **options)
        except (jax.errors.JaxRuntimeError, MemoryError) as error:
            if not is_shortage(error):
                raise
            config: Any = arguments[0]
            what = str(error).partition("\n")[0] or type(error).__name__
            raise UsageError(
                f"out of memory ({what}): {remedies(config)}; the same "
                "command with other fields of training goes on"
            ) from error

    return told
