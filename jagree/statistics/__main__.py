"""``python -m jagree.statistics``: image statistics of a config's data or a folder of images.

    python -m jagree.statistics --config=configs/cifar10_lenet5.py
    python -m jagree.statistics --config=configs/cifar10_lenet5.py --shard=3/8
    python -m jagree.statistics --images=photos

What is measured is kept in parts (docs/statistics.md): after a kill the same command goes on, and
shards may run on different machines at once; without --shard, what is missing is measured and all
is joined into OUT/statistics.zarr, OUT/statistics.csv and OUT/figures.
"""

import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from absl import app, flags
from ml_collections import ConfigDict

from jagree import commandline
from jagree.errors import UsageError
from jagree.words import counted

_IMAGES = flags.DEFINE_string(
    "images", None, "A folder of image files of any size, in place of the config's data."
)
_SHARD = flags.DEFINE_string(
    "shard", None, "I/N: measure only every N-th part, from part I (0 to N - 1) on; do not join."
)
_OUT = flags.DEFINE_string("out", None, "Where tables and figures go; default DIR/NAME.")
_PANEL = flags.DEFINE_list(
    "panel", [], "Ids of images to draw with their maps: segments, edges, entropy, DCT."
)


def main(argv: Sequence[str]) -> int:
    """Measure what the flags ask for; the exit code."""
    try:
        commandline.refuse_arguments(argv)
        failed = _measure(commandline.config())
    except UsageError as error:
        return commandline.fail(str(error))
    except OSError as error:
        return commandline.fail(f"{error}; what was measured is kept, the same command goes on")
    except KeyboardInterrupt:
        return commandline.interrupted("the parts that are kept")
    return commandline.INCOMPLETE if failed else 0


def _measure(config: ConfigDict | None) -> bool:
    from jagree import stages
    from jagree.statistics.store import Store
    from jagree.statistics.table import failures, joined, measure

    shard = _parse_shard(_SHARD.value)
    options, source, splits, kept, out = _examples(config)
    chosen = _chosen(splits)
    if not shard:
        _check_out(out, kept, splits)
    stores = {name: Store(kept, source, split) for name, split in splits.items()}
    failed: dict[str, str] = {}
    for store in stores.values():
        failed |= measure(store, options, shard=shard or (0, 1), quiet=False)
    if shard:
        print(
            f"shard {shard[0]} of 0 to {shard[1] - 1} is done, in '{kept}'; when all are, the same "
            "command without --shard joins them"
        )
    else:
        tables = {name: joined(store, options, source) for name, store in stores.items()}
        failed = {i: reason for table in tables.values() for i, reason in failures(table).items()}
        _write(tables, splits, options, chosen, out)
    stages.report_failures(failed)
    return bool(failed)


def _parse_shard(text: str | None) -> tuple[int, int] | None:
    if text is None:
        return None
    numbers = re.fullmatch(r"(\d+)/(\d+)", text)
    if not numbers or not int(numbers[1]) < int(numbers[2]):
        raise UsageError(f"--shard must be I/N with I from 0 to N - 1, such as 0/8, not '{text}'")
    return int(numbers[1]), int(numbers[2])


def _examples(
    config: ConfigDict | None,
) -> tuple[ConfigDict, str, Mapping[str, Any], Path, Path]:
    """Options, name of the source, splits, folder of the parts, folder of the results."""
    from jagree import config as rules
    from jagree import data
    from jagree.configs import default
    from jagree.data.files import ImageFiles

    if config is not None:
        rules.check(config)
    options = (config or default.get_config()).statistics
    kept = Path(options.dir or "runs/statistics")
    if _IMAGES.value:
        out = Path(_OUT.value or kept / Path(_IMAGES.value).expanduser().resolve().name)
        files = ImageFiles(_IMAGES.value, leave_out=(kept, out))
        print(f"reading {counted(len(files), 'file')} to tell them from others' ...")
        return options, "images", {files.name: files}, kept, out
    if config is None or _IMAGES.value is not None:
        raise UsageError("say of what: --config=configs/quickstart.py, for one, or --images=FOLDER")
    out = Path(_OUT.value or kept / config.name)
    splits = data.load(config.data, data.cache_folder(config.data, kept))
    return options, data.name(config.data), splits, kept, out


def _check_out(out: Path, kept: Path, splits: Mapping[str, Any]) -> None:
    """Raise a UsageError if results of ours would take the place of something else."""
    from jagree.statistics.table import open_tables

    elsewhere = "choose another --out=FOLDER"
    if out.resolve() == (kept / "parts").resolve():
        raise UsageError(f"'{out}' is where the parts are kept; {elsewhere}")
    try:
        there = sorted(path.name for path in out.iterdir())
    except FileNotFoundError:
        return
    except OSError as error:
        raise UsageError(f"cannot use '{out}' ({error.strerror}); {elsewhere}") from error
    # A kill may have left no more of a table than what was being put in its place.
    if there and not any(name.startswith("statistics.zarr") for name in there):
        raise UsageError(f"'{out}' is not empty and holds no image statistics; {elsewhere}")
    old = open_tables(out / "statistics.zarr") if "statistics.zarr" in there else {}
    for name, split in splits.items():
        if name in old and old[name].attrs["fingerprint"] != split.fingerprint:
            raise UsageError(f"'{out}' holds the statistics of other images; {elsewhere}")


def _write(
    tables: Mapping[str, Any],
    splits: Mapping[str, Any],
    options: ConfigDict,
    chosen: Mapping[str, Mapping[str, int]],
    out: Path,
) -> None:
    from jagree import figures, stages
    from jagree.statistics.table import write_tables
    from jagree.study import statistics_table

    out.mkdir(parents=True, exist_ok=True)
    write_tables(tables, out / "statistics.zarr")
    summary = statistics_table(tables)
    summary.to_csv(out / "statistics.csv", index=False)
    print(summary.drop(columns=["quartile_1", "quartile_3"]).to_string(index=False))
    stages.report_rounding(options, {name: len(split.id) for name, split in splits.items()})
    for name, table in tables.items():
        figures.save(figures.draw_histograms(table), out / "figures" / f"histograms_{name}")
        if name in chosen:
            _draw_panel(splits[name], chosen[name], options, out / "figures" / f"panel_{name}")
    print(f"statistics: {out}")


def _draw_panel(split: Any, chosen: Mapping[str, int], options: ConfigDict, stem: Path) -> None:
    from jagree import figures, illustration

    originals = split.originals(np.array(list(chosen.values())))
    pictures = {}
    for i, example in enumerate(chosen):
        try:
            pictures[example] = originals[i]
        except (OSError, ValueError) as error:
            print(f"--panel: '{example}' cannot be drawn: {error}")
    if pictures:
        panel = illustration.draw_maps(list(pictures), list(pictures.values()), options)
        figures.save(panel, stem)


def _chosen(splits: Mapping[str, Any]) -> dict[str, dict[str, int]]:
    """For each split, the ids of --panel that are in it, with their positions."""
    found: dict[str, dict[str, int]] = {}
    for example in _PANEL.value:
        for name, split in splits.items():
            (positions,) = (split.id == example).nonzero()
            if positions.size:
                found.setdefault(name, {})[example] = int(positions[0])
                break
        else:
            ids = next(iter(splits.values())).id
            raise UsageError(f"--panel: no image '{example}'; ids look like '{ids[0]}'")
    return found


def _parse(argv: Sequence[str]) -> list[str]:
    """Parse the flags; fields of the config are those of the default one if no other is named."""
    from jagree.configs import default

    flag = re.compile(r"--?config(=.*)?")
    images = any(re.match(r"--?images=", a) for a in argv)
    if images and not any(flag.fullmatch(a) for a in argv):
        argv = [argv[0], f"--config={default.__file__}", *argv[1:]]
    return commandline.parse(argv)


if __name__ == "__main__":
    app.run(main, flags_parser=_parse)
