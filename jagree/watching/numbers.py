"""The numbers of an epoch that are watched: taken once, for the terminal and for all files."""

from __future__ import annotations

import datetime
import json
import math
from collections.abc import Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any, NamedTuple, Protocol

import numpy as np

from jagree.record import RULES, correct, losses, predictions

if TYPE_CHECKING:
    import xarray as xr


class Labelled(Protocol):
    """What is needed of a split; `jagree.data.split.Split` is one."""

    @property
    def label(self) -> np.ndarray:
        """Trained on: int [N], int [K, N] where members differ, or bool [N, C] (multi-label)."""


class SplitNumbers(NamedTuple):
    """How a split was judged after (or, recorded online, in) an epoch; fractions, 0 to 1."""

    accuracy_mean: float
    accuracy_std: float  # over members, as `jagree.study.accuracy_std` has it
    accuracy: tuple[float, ...]  # of each member; a diverged one's is 0
    agreement: float  # nan where no member gets any example right
    chance: float  # the agreement of independent members of these accuracies; nan with agreement


class EpochNumbers(NamedTuple):
    """What is told of an epoch."""

    epoch: int  # epochs completed
    time: str  # UTC, ISO 8601, when it was recorded; "": not known
    seconds: float  # since the epoch before was recorded; nan: not known
    loss: tuple[float, ...]  # of each member, as recorded; not finite if it diverged or epoch is 0
    diverged: tuple[int, ...]  # members whose loss or some prediction of this epoch is not finite
    splits: dict[str, SplitNumbers]


def measured(
    epoch: int,
    fields: Mapping[str, Mapping[str, np.ndarray]],
    splits: Mapping[str, Labelled],
    correctness: str,
    *,
    time: str,
    seconds: float,
) -> EpochNumbers:
    """The numbers of what was just recorded.

    Parameters
    ----------
    epoch : int
    fields : mapping of split to mapping of variable to array
        ``prediction`` [K, N] or [K, N, C] of each split, ``loss`` [K] of "train".
    splits : mapping of str to Labelled
        The same splits.
    correctness : str
        The rule by which a prediction is right.
    time, seconds
        See `EpochNumbers`.
    """
    prediction = {name: fields[name]["prediction"] for name in splits}
    right = RULES[correctness]
    return _numbers(
        epoch,
        {name: right(prediction[name], split.label) for name, split in splits.items()},
        prediction,
        fields["train"]["loss"],
    )._replace(time=time, seconds=seconds)


def of_record(record: Mapping[str, xr.Dataset], position: int) -> EpochNumbers:
    """The same numbers, from a record; when it was recorded is not known.

    Parameters
    ----------
    record : mapping of str to xarray.Dataset
        As `jagree.record.open_record` gives it.
    position : int
        0 for the first recorded epoch.

    Raises
    ------
    UsageError
        If the record's files are damaged.
    """
    names = sorted(record, key=lambda name: (name != "train", name))
    return _numbers(
        int(record[names[0]]["epoch"].values[position]),
        {name: correct(record[name], position) for name in names},
        {name: predictions(record[name], position) for name in names},
        losses(record["train"], position),
    )


def _numbers(
    epoch: int,
    correct: Mapping[str, np.ndarray],
    prediction: Mapping[str, np.ndarray],
    loss: np.ndarray,
) -> EpochNumbers:
    not_finite = (epoch > 0) & ~np.isfinite(loss)
    for values in prediction.values():
        not_finite |= (values == -1).any(axis=tuple(range(1, values.ndim)))
    return EpochNumbers(
        epoch=epoch,
        time="",
        seconds=math.nan,
        # The digits that its stored precision has, so that a line is the same from memory or disk.
        loss=tuple(float(str(value)) for value in np.asarray(loss, np.float32)),
        diverged=tuple(np.flatnonzero(not_finite).tolist()),
        splits={name: _of_split(values) for name, values in correct.items()},
    )


def _of_split(correct: np.ndarray) -> SplitNumbers:
    from jagree.study import agreement, chance_agreement

    return SplitNumbers(
        accuracy_mean=float(agreement.accuracy_mean(correct)),
        accuracy_std=float(agreement.accuracy_std(correct)),
        accuracy=tuple(agreement.accuracies(correct).tolist()),
        agreement=float(agreement.true_positive_agreement(correct)),
        chance=float(chance_agreement(correct)),
    )


def to_line(numbers: EpochNumbers) -> str:
    """One line of JSON, without its end; what is not finite or not known is null."""
    splits = {name: split._asdict() for name, split in numbers.splits.items()}
    fields = {**numbers._asdict(), "time": numbers.time or None, "splits": splits}
    return json.dumps(_finite(fields), allow_nan=False)


def from_line(line: str) -> EpochNumbers | None:
    """What `to_line` wrote, null as nan; None of anything else, an unfinished line, say."""
    try:
        fields = json.loads(line)
        splits = {
            str(name): SplitNumbers(
                accuracy_mean=_number(split["accuracy_mean"]),
                accuracy_std=_number(split["accuracy_std"]),
                accuracy=tuple(_floats(split["accuracy"])),
                agreement=_number(split["agreement"]),
                chance=_number(split["chance"]),
            )
            for name, split in fields["splits"].items()
        }
        return EpochNumbers(
            epoch=int(fields["epoch"]),
            time=_moment(fields["time"]),
            seconds=_number(fields["seconds"]),
            loss=tuple(_floats(fields["loss"])),
            diverged=tuple(int(k) for k in fields["diverged"]),
            splits=splits,
        )
    except (ValueError, KeyError, TypeError, AttributeError):
        return None


def _finite(value: Any) -> Any:
    """The same with None for what JSON cannot say."""
    if isinstance(value, dict):
        return {name: _finite(part) for name, part in value.items()}
    if isinstance(value, (list, tuple)):
        return [_finite(part) for part in value]
    return None if isinstance(value, float) and not math.isfinite(value) else value


def _moment(text: str | None) -> str:
    if text and datetime.datetime.fromisoformat(text).tzinfo is None:
        raise ValueError(f"{text} is in no time zone")
    return text or ""


def _number(value: float | None) -> float:
    return math.nan if value is None else float(value)


def _floats(values: Sequence[float | None]) -> Iterator[float]:
    return map(_number, values)
