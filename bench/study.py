"""Time and memory of the study of a large record, beside the paper's quantities made simply.

    python bench/study.py [--size=cifar10|imagenet|small] [--rounds=3] [--train=N] [--folder=FOLDER]
                          [--ways=literal,arrays,quantities,tables,study] [--out=FILE.csv]

Simulates a record (bench/study_records.py) and measures in alternating rounds, each time in a
process of its own:

literal      the paper's quantities, all predictions in memory and loops over examples
arrays       the same as expressions of NumPy over all epochs (both: bench/study_literal.py)
quantities   the same by jagree's functions, epoch by epoch
tables       agreement_table, with all of its measures, and the curves and their r
study        study_record: every table, intervals and correlations by examples
with csv     study, and its tables written as CSV files, as the stage does

cifar10 is 50,000 + 10,000 examples, 60 epochs, 10 classes; imagenet 1,281,167 examples, 100 epochs,
1,000 classes; five members and eight statistics each. The simulated record of imagenet takes 4 GB
of disk and minutes to write; with --folder it is kept there and found again. --train takes fewer
training examples, to see how a way grows that would not fit.

Printed are, for each way, the median seconds and its spread, CPU seconds, the peak of memory of the
process (VmHWM of Linux), and that less what the imports took; then the ratios that count, and by
how much the paper's quantities of the ways differ.
"""

import csv
import json
import pickle
import platform
import statistics as medians
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import xarray as xr
import zarr
from absl import app, flags
from study_literal import Paper, arrays, literal
from study_records import SIZES, STATISTICS, Size, simulate

from jagree import pool
from jagree.record import open_record
from jagree.statistics.table import open_tables

_SIZE = flags.DEFINE_enum("size", "cifar10", list(SIZES), "What is simulated.")
_TRAIN = flags.DEFINE_integer("train", 0, "Training examples; 0: as --size says.")
_ROUNDS = flags.DEFINE_integer("rounds", 3, "Times that each way is measured.", lower_bound=1)
_WAYS = flags.DEFINE_list(
    "ways", ["literal", "arrays", "quantities", "tables", "study"], "What is measured."
)
_FOLDER = flags.DEFINE_string("folder", "", "Where the record is kept; a temporary folder.")
_OUT = flags.DEFINE_string("out", "", "CSV file for all rounds; must not be there.")
_CHILD = flags.DEFINE_string("child", "", "For this program itself: the way to go, once.")

Splits = Mapping[str, xr.Dataset]
Answers = dict[str, np.ndarray]


def by_split(
    paper: Callable[[xr.Dataset, xr.Dataset], Paper], opened: Callable[[Path], Splits]
) -> Callable[[Path], Answers]:
    """A way that takes one split and its statistics, of all of them."""

    def answers(folder: Path) -> Answers:
        record, tables = open_record(folder / "record.zarr"), opened(folder / "statistics.zarr")
        found = {name: paper(split, tables[name]).flat for name, split in record.items()}
        return {f"{split}: {what}": v for split, of in found.items() for what, v in of.items()}

    return answers


def columns(path: Path) -> Splits:
    """Statistics of which nothing is read yet: of the same data, in the order of the record."""
    names = zarr.open_group(path, mode="r").group_keys()
    found = {name: xr.open_zarr(path, group=name, consolidated=False) for name in names}
    return {name: table.set_coords("id") for name, table in found.items()}


def quantities(split: xr.Dataset, statistics: xr.Dataset) -> Paper:
    """The paper's quantities alone, by jagree's functions."""
    from jagree.study import agreement, check_same_data, curves, epochs

    check_same_data(split, statistics)
    values = {str(name): column.values for name, column in statistics.items()}
    rows: list[tuple[np.ndarray, ...]] = []
    lines: dict[str, list[float]] = {name: [] for name in values}

    class Tally:
        def add(self, epoch: epochs.Epoch) -> None:
            correct = epoch.correct
            rows.append(
                (
                    agreement.accuracies(correct),
                    agreement.true_positive_agreement(correct),
                    agreement.lower_bound(correct),
                )
            )
            for name, value in values.items():
                lines[name].append(float(curves.metric_curve(epoch.agreed, value)))

    epochs.walk(split, Tally())
    accuracies, agreed, bound = (np.array(column) for column in zip(*rows, strict=True))
    shown = curves.shown_epochs(split["epoch"].values, agreed)
    found = {name: np.array(line) for name, line in lines.items()}
    r = {name: curves.pearson(agreed[shown], line[shown]).r for name, line in found.items()}
    return Paper(accuracies, agreed, bound, found, r)


def tables(split: xr.Dataset, statistics: xr.Dataset) -> Paper:
    """The rows of agreement_table and member_table, and the curves, in one pass."""
    from jagree.study import curves, with_statistics
    from jagree.study.agreed import AgreedTally, curve_of
    from jagree.study.epochs import walk
    from jagree.study.tables import AgreementTally, MemberTally

    ids = pd.DataFrame({"id": split["id"].values.astype(object)})
    joined = with_statistics(ids, statistics).drop(columns="id")
    agreement = AgreementTally("split", split)
    members = MemberTally("split", split)
    agreed = AgreedTally("split", split, joined)
    walk(split, agreement, members, agreed)
    table, metric = agreement.table(), agreed.curves()
    number, level = (table[c].to_numpy() for c in ("epoch", "true_positive_agreement"))
    shown = curves.shown_epochs(number, level)
    lines = {str(name): curve_of(metric, str(name), number) for name in statistics}
    return Paper(
        accuracies=members.table()["accuracy"].to_numpy().reshape(len(number), -1),
        agreement=level,
        lower_bound=table["lower_bound"].to_numpy(),
        curves=lines,
        r={name: curves.pearson(level[shown], line[shown]).r for name, line in lines.items()},
    )


def studied(folder: Path) -> Any:
    """Everything."""
    from jagree.study.whole import study_record

    return study_record(
        open_record(folder / "record.zarr"), open_tables(folder / "statistics.zarr")
    )


def study(folder: Path) -> Answers:
    """Everything."""
    return _answers(studied(folder))


def with_csv(run: Path) -> Answers:
    """Everything, and written."""
    found = studied(run)
    with tempfile.TemporaryDirectory() as folder:
        for name, table in vars(found).items():
            if name != "examples":
                table.to_csv(Path(folder, f"{name}.csv"), index=False)
        for name, table in found.examples.items():
            table.to_csv(Path(folder, f"examples_{name}.csv"), index=False)
    return _answers(found)


def _answers(found: Any) -> Answers:
    """Of a Study, what the other ways give, too."""
    answers = {}
    for split, rows in found.agreement.groupby("split"):
        members = found.members[found.members["split"] == split]
        accuracies = members["accuracy"].to_numpy().reshape(len(rows), -1)
        answers[f"{split}: accuracies"] = accuracies
        answers[f"{split}: agreement"] = rows["true_positive_agreement"].to_numpy()
        answers[f"{split}: lower_bound"] = rows["lower_bound"].to_numpy()
        curves = found.curves[found.curves["split"] == split]
        r = found.correlations
        r = r[(r["split"] == split) & (r["kind"] == "curves_v2")].set_index("statistic")
        for name in STATISTICS:
            curve = curves.loc[curves["statistic"] == name, "mean"]
            answers[f"{split}: curve of {name}"] = curve.to_numpy()
            answers[f"{split}: r of {name}"] = np.array(r.loc[name, "coefficient"])
    return answers


WAYS: Mapping[str, Callable[[Path], Answers]] = {
    "literal": by_split(literal, columns),
    "arrays": by_split(arrays, columns),
    "quantities": by_split(quantities, columns),
    "tables": by_split(tables, open_tables),
    "study": study,
    "with csv": with_csv,
}
SIMPLE = ("literal", "arrays")
SAME = 1e-5  # r of the study is of curves in single precision


def peak_bytes() -> int:
    """The most memory that this process ever had in main memory."""
    lines = Path("/proc/self/status").read_text().splitlines()
    return next(1024 * int(line.split()[1]) for line in lines if line.startswith("VmHWM"))


def child(way: str, folder: Path) -> None:
    """Go a way once; tell what it took, and leave the answers."""
    import jagree.study.whole  # noqa: F401, what is imported is not timed

    imports = peak_bytes()
    started, cores = time.perf_counter(), time.process_time()
    answers = WAYS[way](folder)
    took = {"seconds": time.perf_counter() - started, "cpu_s": time.process_time() - cores}
    with (folder / f"{way}.pickle").open("wb") as file:
        pickle.dump(answers, file)
    print(json.dumps(took | {"bytes": peak_bytes(), "imports_bytes": imports}))


def measured(way: str, folder: Path) -> dict[str, float]:
    """Go a way in a process of its own."""
    command = [sys.executable, __file__, f"--child={way}", f"--folder={folder}"]
    done = subprocess.run(command, stdout=subprocess.PIPE, text=True, check=True)
    found: dict[str, float] = json.loads(done.stdout.splitlines()[-1])
    return found


def show(rounds: Mapping[str, list[dict[str, float]]]) -> None:
    """Print medians, and ratios of each of ours to each simple way."""
    titles = f"{'CPU s':>10}{'peak MB':>10}{'less imports':>14}"
    print(f"\n{'':12}{'seconds':>10}{'(min-max)':^20}{titles}")
    median: dict[str, dict[str, float]] = {}
    for way, all_of in rounds.items():
        median[way] = {name: medians.median(r[name] for r in all_of) for name in all_of[0]}
        median[way]["own"] = median[way]["bytes"] - median[way]["imports_bytes"]
        seconds = [r["seconds"] for r in all_of]
        print(
            f"{way:12}{median[way]['seconds']:>10.2f}"
            f"{f'({min(seconds):.2f}-{max(seconds):.2f})':^20}{median[way]['cpu_s']:>10.2f}"
            f"{median[way]['bytes'] / 1e6:>10,.0f}{median[way]['own'] / 1e6:>14,.0f}"
        )
    for simple in (way for way in SIMPLE if way in rounds):
        for ours in (way for way in rounds if way not in SIMPLE):
            turns = list(zip(rounds[simple], rounds[ours], strict=True))
            faster = [one["seconds"] / other["seconds"] for one, other in turns]
            cpu = medians.median(one["cpu_s"] / other["cpu_s"] for one, other in turns)
            less, own = (median[simple][what] / median[ours][what] for what in ("bytes", "own"))
            print(
                f"{ours} against {simple}: {medians.median(faster):.2f} times the speed "
                f"({min(faster):.2f}-{max(faster):.2f}; CPU time {cpu:.2f}), "
                f"{less:.1f} times less memory, {own:.1f} times less beyond imports"
            )


def compare(folder: Path, ways: list[str]) -> None:
    """Print by how much the answers differ; end if they are not the same."""
    first, *others = (pickle.loads((folder / f"{way}.pickle").read_bytes()) for way in ways)
    for way, answers in zip(ways[1:], others, strict=True):
        if set(answers) != set(first):
            sys.exit(f"{way} and {ways[0]} answer different questions")
        most = max(float(np.nanmax(np.abs(answers[n] - first[n]), initial=0)) for n in first)
        gaps = all(np.array_equal(np.isnan(answers[n]), np.isnan(first[n])) for n in first)
        print(f"{way} differs from {ways[0]} by {most:.1e} at most, in {len(first)} curves and r")
        if not gaps or most > SAME:
            sys.exit("the answers are not the same")


def prepared(folder: Path, size: Size) -> Path:
    """The folder with a record in it, which is simulated if it is not there."""
    finished = folder / "simulated.json"
    wanted = {"splits": dict(size.splits), "classes": size.classes, "epochs": size.epochs}
    if finished.exists():
        if json.loads(finished.read_text()) != wanted:
            sys.exit(f"'{folder}' holds a record of another size; name another --folder")
        return folder
    folder.mkdir(parents=True, exist_ok=True)
    started = time.perf_counter()
    simulate(folder, size)
    finished.write_text(json.dumps(wanted))
    stored = sum(f.stat().st_size for f in (folder / "record.zarr").rglob("*") if f.is_file())
    print(f"simulated in {time.perf_counter() - started:.0f} s, {stored / 1e6:,.0f} MB", flush=True)
    return folder


def measure(folder: Path, size: Size) -> None:
    """Prepare, measure in turn, print, and write if asked."""
    prepared(folder, size)
    conditions = {
        "train": size.splits["train"],
        "epochs": size.epochs,
        "members": size.members,
        "classes": size.classes,
        "cores": pool.cores(),
        "python": platform.python_version(),
        "numpy": np.__version__,
    }
    print(", ".join(f"{name} {value}" for name, value in conditions.items()), flush=True)
    rounds: dict[str, list[dict[str, float]]] = {way: [] for way in _WAYS.value}
    rows = []
    for turn in range(_ROUNDS.value):
        for way in _WAYS.value:
            rounds[way].append(measured(way, folder))
            rows.append({"way": way, "round": turn} | rounds[way][-1] | conditions)
            told = rounds[way][-1]
            print(
                f"round {turn}: {way} {told['seconds']:.2f} s, {told['bytes'] / 1e6:,.0f} MB",
                flush=True,
            )
    show(rounds)
    compare(folder, _WAYS.value)
    if _OUT.value:
        with Path(_OUT.value).open("x", newline="") as file:
            writer = csv.DictWriter(file, list(rows[0]))
            writer.writeheader()
            writer.writerows(rows)


def main(_: list[str]) -> None:
    """Measure in the folder that was asked for, or be one of the measured."""
    if _CHILD.value:
        child(_CHILD.value, Path(_FOLDER.value))
        return
    size = SIZES[_SIZE.value]
    if _TRAIN.value:
        size = Size({**size.splits, "train": _TRAIN.value}, size.classes, size.epochs, size.members)
    if _FOLDER.value:
        measure(Path(_FOLDER.value), size)
        return
    with tempfile.TemporaryDirectory() as folder:
        measure(Path(folder), size)


if __name__ == "__main__":
    app.run(main)
