"""What bench/ensemble.py prints and writes of its measurements."""

import itertools
import math
import statistics
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, NamedTuple

PYTORCH = ("torch", "torch-compile")  # the faster one is what a ratio to PyTorch is to

# Floating point operations a second without sparsity, from the vendors' data sheets: a part of the
# device's kind -> bfloat16, TensorFloat32, float32. A TPU has units for bfloat16 only.
PEAKS = {
    "H100 80GB HBM3": (989e12, 495e12, 67e12),  # SXM
    "H200": (989e12, 495e12, 67e12),
    "A100": (312e12, 156e12, 19.5e12),
    "TPU v4": (275e12, math.nan, math.nan),
    "TPU v5 lite": (197e12, math.nan, math.nan),  # v5e
    "TPU v5e": (197e12, math.nan, math.nan),
    "TPU v5": (459e12, math.nan, math.nan),  # v5p
    "TPU v6": (918e12, math.nan, math.nan),  # v6e
}


class Comparison(NamedTuple):
    """What one table is of."""

    network: str
    members: int
    what: str  # step or epoch
    batch: int
    train_size: int
    test_size: int


@dataclass
class Row:
    """What was found of one contestant."""

    contestant: str
    setting: str = ""
    seconds: list[float] = field(default_factory=list)  # of a step or an epoch of all members
    per_round: int = 0  # steps or epochs of which each is a mean
    ready_seconds: float = math.nan
    bytes_each: float = math.nan
    problem: str = ""
    auto: str = ""  # why `auto` takes this engine, if it does

    @property
    def median(self) -> float:
        """Seconds; nan if nothing was measured."""
        return statistics.median(self.seconds) if self.seconds else math.nan


def peak(contestant: str, precision: str, device: str) -> float:
    """Operations a second that the device has for a contestant's products; nan: not known."""
    of_type = "bfloat16" if contestant == "torch-amp" else precision
    column = ("bfloat16", "tensorfloat32", "float32").index(of_type)
    return next((peaks[column] for kind, peaks in PEAKS.items() if kind in device), math.nan)


def _fastest(rows: Sequence[Row], names: Sequence[str]) -> float:
    """The smallest median of some contestants; nan if none was measured."""
    return min((r.median for r in rows if r.contestant in names and r.seconds), default=math.nan)


def columns(
    of: Comparison, rows: Sequence[Row], flops: float, conditions: dict[str, Any]
) -> list[dict[str, Any]]:
    """The rows as they are in the CSV file, where each explains itself.

    Parameters
    ----------
    of : Comparison
    rows : sequence of Row
        All of a table.
    flops : float
        Floating point operations of a step of one network.
    conditions : dict
        What is the same for all rows of a run.
    """
    step = of.what == "step"
    images = of.members * (of.batch if step else of.train_size)
    found = []
    for row in rows:
        top = peak(row.contestant, conditions["precision"], conditions["device"])
        rate = of.members * flops / row.median if step else math.nan
        found.append(
            {
                "network": of.network,
                "members": of.members,
                "what": of.what,
                "contestant": row.contestant,
                "auto_takes_it_because": row.auto,
                "setting": row.setting,
                "problem": row.problem,
                "rounds": len(row.seconds),
                "steps_or_epochs_per_round": row.per_round,
                "median_s": row.median,
                "min_s": min(row.seconds, default=math.nan),
                "max_s": max(row.seconds, default=math.nan),
                "images_per_s": images / row.median,
                "ms_per_image_and_network": 1e3 * row.median / images,
                "compiling_and_first_call_s": row.ready_seconds,
                "speed_over_pytorch": _fastest(rows, PYTORCH) / row.median,
                "speed_over_naive_one": _fastest(rows, ("naive-one",)) / row.median,
                "step_bytes_per_network": row.bytes_each,
                "flop_per_step_and_network": flops,
                "flop_per_s": rate,
                "peak_flop_per_s": top,
                "share_of_peak": rate / top,
                "batch_images": of.batch,
                "train_images": of.train_size,
                "test_images": of.test_size,
            }
            | conditions
        )
    return found


# Title, column, factor and format of what is printed.
_PRINTED = (
    ("n", "rounds", 1, "d"),
    ("images/s", "images_per_s", 1, ",.0f"),
    ("ms/image/net", "ms_per_image_and_network", 1, ".4g"),
    ("1st call s", "compiling_and_first_call_s", 1, ".1f"),
    ("x PyTorch", "speed_over_pytorch", 1, ".2f"),
    ("x naive-one", "speed_over_naive_one", 1, ".2f"),
    ("MB/net", "step_bytes_per_network", 1e-6, ",.0f"),
    ("of peak", "share_of_peak", 1, ".1%"),
)


def show(of: Comparison, found: Sequence[dict[str, Any]]) -> None:
    """Print a table from its rows of the CSV file."""
    step = of.what == "step"
    scale, unit = (1e3, "ms/step") if step else (1, "s/epoch")
    flops = found[0]["flop_per_step_and_network"] / 1e9
    size = f"{flops:.4g} GFLOP a network" if step else f"{of.train_size} + {of.test_size} images"
    print(f"\n{of.network}, K = {of.members}, {of.what}, batch {of.batch}, {size}")
    titles = "".join(f"{title:>{len(title) + 3}}" for title, *_ in _PRINTED)
    print(f"  {'':16}{unit:>9} {'(min-max)':^19}{titles}")
    for of_row in found:
        name = of_row["contestant"] + (" = auto" if of_row["auto_takes_it_because"] else "")
        if not of_row["rounds"]:
            print(f"  {name:<16} {of_row['problem']}")
            continue
        spread = f"({scale * of_row['min_s']:.4g}-{scale * of_row['max_s']:.4g})"
        cells = "".join(
            f"{_cell(of_row[column], factor, form):>{len(title) + 3}}"
            for title, column, factor, form in _PRINTED
        )
        print(f"  {name:<16}{scale * of_row['median_s']:>9.4g} {spread:^19}{cells}")
    for of_row in found:
        if "torch" in of_row["contestant"] and of_row["setting"]:
            print(f"  {of_row['contestant']}: {of_row['setting']}")
        if of_row["auto_takes_it_because"]:
            print(f"  auto is {of_row['contestant']}: {of_row['auto_takes_it_because']}")
    fewer = [r["contestant"] for r in found if 0 < r["rounds"] < r["rounds_at_most"]]
    if fewer:
        print(f"  fewer rounds, for these would take too long: {', '.join(fewer)}")


def _cell(value: float, factor: float, form: str) -> str:
    return "-" if math.isnan(value) else format(value * factor, form)


def free_name(path: Path) -> Path:
    """The path, with a number if it is taken: no measurement is written over."""
    numbered = (path.with_stem(f"{path.stem}-{n}") for n in itertools.count(2))
    return next(p for p in itertools.chain([path], numbered) if not p.exists())
