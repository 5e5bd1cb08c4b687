"""What each run of a sweep is called, where it lies, how it is started, and whether it is done."""

import hashlib
import re
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ml_collections import ConfigDict

from jagree import commandline
from jagree import config as rules
from jagree.errors import UsageError
from jagree.runfolder import RunFolder
from jagree.stages import STAGES
from jagree.sweep.grid import Grid
from jagree.sweep.workers import Job

LONGEST = 120  # characters of a run's name; file systems take 255 bytes, and a log adds to it
# Fields that do not show in what a run leaves behind.
_IRRELEVANT = (
    *("training.", "data.dir", "data.cache", "data.workers"),
    *("statistics.dir", "statistics.workers"),
)


@dataclass(frozen=True)
class Run(Job):
    """One run of a sweep.

    Attributes
    ----------
    name : str
        Made of the fields that vary; the name of its folder.
    command : tuple of str
        Runs it, and goes on with it.
    changes : dict
        The fields that vary, with their values.
    config : ConfigDict
    folder : Path
        The run folder.
    """

    changes: Mapping[str, Any]
    config: ConfigDict
    folder: Path

    def about(self) -> dict[str, Any]:
        """What the run folder says of itself; empty if there is none."""
        return RunFolder(self.folder).about


def make(
    path: str,
    changed: Mapping[str, Any],
    grid: Grid,
    workdir: Path,
    stages: Sequence[str],
    *,
    alone: bool = False,
) -> list[Run]:
    """All runs of a sweep, each config checked, and each folder for being that run's or nobody's.

    Parameters
    ----------
    path : str
        Of the config file, with what follows a colon, as ``--config`` takes it.
    changed : mapping
        Other fields that differ from the file in all runs.
    grid : Grid
    workdir : Path
        The sweep's folder.
    stages : sequence of str
        Of each run.
    alone : bool
        Whether ``jagree.main`` must be told to run the file's experiment and not its sweep.

    Raises
    ------
    UsageError
        If a field is both changed and varied, or anything is wrong with one of the configs.
    """
    twice = sorted(changed.keys() & grid.values.keys())
    if twice:
        raise UsageError(
            f"{twice[0]} is in the grid and set by --config.{twice[0]} as well; leave one out"
        )
    base = commandline.load([f"--config={path}", *_flags(changed)])
    points = grid.points()
    runs = []
    for name, point in zip(names(points), points, strict=True):
        fields = {**changed, "name": f"{base.name},{name}", **point}
        arguments = [f"--config={path}", *_flags(fields)]
        folder = workdir / name
        runs.append(
            Run(
                name=name,
                changes=point,
                config=_checked(name, arguments, base, fields),
                folder=folder,
                log=workdir / "logs" / f"{name}.log",
                command=(
                    *(sys.executable, "-m", "jagree.main", *arguments),
                    f"--workdir={folder}",
                    *([] if set(stages) == set(STAGES) else [f"--stages={','.join(stages)}"]),
                    *(["--nosweep"] if alone else []),
                ),
            )
        )
        _check_folder(runs[-1])
    return runs


def _checked(
    name: str, arguments: Sequence[str], base: ConfigDict, fields: Mapping[str, Any]
) -> ConfigDict:
    """The config of one run, as its own process will read it from its command."""
    config = commandline.load(arguments)
    try:
        rules.check(config)
    except UsageError as error:
        raise UsageError(f"run '{name}': {error}") from error
    meant = rules.flatten(base) | {f: _listed(value) for f, value in fields.items()}
    if rules.flatten(config) != meant:  # a value that the command line cannot carry
        wrong = next(f for f, value in rules.flatten(config).items() if value != meant[f])
        raise UsageError(
            f"run '{name}': {wrong}={meant[wrong]!r} cannot be given as a flag; set it in the file"
        )
    return config


def _check_folder(run: Run) -> None:
    try:
        RunFolder(run.folder).check_config(run.config.to_dict())
    except UsageError as error:
        raise UsageError(f"run '{run.name}': {error}") from error


def _listed(value: Any) -> Any:
    return list(value) if isinstance(value, tuple) else value


def _flags(fields: Mapping[str, Any]) -> list[str]:
    return [f"--config.{field}={flag_text(field, value)}" for field, value in fields.items()]


def flag_text(field: str, value: Any) -> str:
    """A value as ``--config.FIELD=`` takes it.

    >>> flag_text("recording.untrained", True), flag_text("per_member.network", ("lenet5", "vgg16"))
    ('true', 'lenet5,vgg16')
    """
    if isinstance(value, bool):
        return str(value).lower()
    if not isinstance(value, tuple):
        return str(value)
    # Plain words may stand without quotes, but for names of examples, which may hold commas.
    plain = field != "data.leave_out" and all(
        isinstance(v, str) and re.fullmatch(r"[A-Za-z]\w*", v) for v in value
    )
    return ",".join(value) if plain and value else str(value)


def names(points: Sequence[Mapping[str, Any]]) -> list[str]:
    """A name for each combination of values, safe as that of a folder, and no two the same.

    A field is called by its last part where only one varying field has that. A value with
    characters that folders should not have is written without them, with a few digits of its hash.

    Parameters
    ----------
    points : sequence of mapping
        Field to value, the same fields in each.

    Examples
    --------
    >>> names([{"batch_size": 32, "optimizer.learning_rate": 0.1}])
    ['batch_size=32,learning_rate=0.1']
    """
    fields = list(points[0])
    last = [field.split(".")[-1] for field in fields]
    short = [end if last.count(end) == 1 else f for f, end in zip(fields, last, strict=True)]
    found = []
    for point in points:
        parts = [f"{s}={_value_name(point[f])}" for s, f in zip(short, fields, strict=True)]
        name = ",".join(parts)
        if len(name) > LONGEST:
            name = f"{name[: LONGEST - 9]}-{_hash(name)}"
        found.append(name)
    folded = [name.casefold() for name in found]  # which some file systems do not tell apart
    return [
        f"{name}-{_hash(name)}" if folded.count(fold) > 1 else name
        for name, fold in zip(found, folded, strict=True)
    ]


def _value_name(value: Any) -> str:
    parts = [_plain(v) for v in value] if isinstance(value, tuple) else [_plain(value)]
    text = "+".join(re.sub(r"[^\w.+-]", "_", part, flags=re.ASCII) for part in parts)
    kept = [re.fullmatch(r"[\w.-]+", part, flags=re.ASCII) for part in parts]
    simple = all(kept) if isinstance(value, tuple) else text == parts[0]
    return text if simple else f"{text}-{_hash(repr(value))}"


def _plain(value: Any) -> str:
    if isinstance(value, bool):
        return str(value).lower()
    return str(value).removesuffix(".0") if isinstance(value, float) else str(value)


def _hash(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()[:8]


def done(run: Run, stages: Sequence[str]) -> bool:
    """Whether a run has nothing left to do: all stages ended well, with this config.

    Tables and the report count only if they were made after the last training.
    """
    about = run.about()
    if not about or not _same(about["config"], run.config):
        return False
    if "train" in stages and about.get("status") != "complete":
        return False
    made: set[str] = set()
    for invocation in about.get("invocations", []):
        if invocation.get("train_seconds"):
            made -= {"study", "report"}
        if str(invocation.get("outcome", "")).startswith("done"):
            made |= set(invocation.get("stages", ()))
    return made >= set(stages)


def lacks_images(run: Run) -> bool:
    """Whether some image could not be measured in the run's last invocation."""
    invocations = run.about().get("invocations", [{}])
    return str(invocations[-1].get("outcome", "")).startswith("done, but")


def _same(old: Mapping[str, Any], new: ConfigDict) -> bool:
    """Whether two configs agree in all that shows in a run folder."""
    from jagree.configs import default

    before = rules.flatten(default.get_config()) | rules.flatten(old)
    after = rules.flatten(new)
    return all(
        before.get(f) == after.get(f)
        for f in before.keys() | after.keys()
        if not f.startswith(_IRRELEVANT)
    )
