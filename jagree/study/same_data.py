"""Whether records are of the same examples, and if not, what differs."""

from collections.abc import Mapping, Sequence

import numpy as np
import xarray as xr

from jagree.errors import UsageError
from jagree.study.tables import train_first
from jagree.words import counted


class DifferentDataError(UsageError):
    """Runs that cannot be one study: of other examples, or without an epoch in common."""


SHOWN = 60  # letters of a list that a message shows


def check_same_data(records: Mapping[str, Mapping[str, xr.Dataset]]) -> list[str]:
    """The splits that all records have, if these are of the same examples.

    Parameters
    ----------
    records : mapping of str to mapping of str to xarray.Dataset
        Name of a run to its record, as `jagree.record.open_record` gives it.

    Returns
    -------
    list of str
        The training split first.

    Raises
    ------
    DifferentDataError
        If they have no split in common, or one of these differs in its examples, their original
        labels, the names of the classes or the rule of correctness. The labels trained on may
        differ, which is what label noise does.
    """
    common = set.intersection(*(set(record) for record in records.values()))
    if not common:
        told = "; ".join(f"{name}: {', '.join(record)}" for name, record in records.items())
        raise DifferentDataError(f"the runs have recorded no split in common ({told})")
    splits = sorted(common, key=train_first)
    (first, one), *others = records.items()
    differences = [
        f"{first} and {name}: {what}"
        for name, other in others
        for what in [_difference(one, other, splits)]
        if what
    ]
    if differences:
        raise DifferentDataError(
            f"the runs are not of the same data, so their networks cannot be compared example by "
            f"example. {'; '.join(differences)}. Name only runs on the same data"
            + _groups(records, splits)
        )
    return splits


def _difference(
    one: Mapping[str, xr.Dataset], other: Mapping[str, xr.Dataset], splits: Sequence[str]
) -> str:
    """The first thing that differs; "" if nothing does."""
    for split in splits:
        told = _difference_of(one[split], other[split])
        if told:
            return f"'{split}' {told}"
    return ""


def _difference_of(one: xr.Dataset, other: xr.Dataset) -> str:
    for what in ("class_names", "correctness"):
        left, right = one.attrs[what], other.attrs[what]
        if left != right:
            words = "class names" if what == "class_names" else "the rule of correctness"
            return f"differs in {words}: {_shown(left)}, {_shown(right)}"
    left, right = (str(split.attrs["fingerprint"]) for split in (one, other))
    sizes = one.sizes["example"], other.sizes["example"]
    if left == right and sizes[0] == sizes[1]:
        return ""
    prints = f"fingerprints {left[:12]} and {right[:12]}"
    ids: list[list[str]] = [split["id"].values.tolist() for split in (one, other)]
    missing = [sorted(set(ids[0]) - set(ids[1])), sorted(set(ids[1]) - set(ids[0]))]
    if missing[0] or missing[1]:
        told = [
            f"{counted(len(some), 'id')} only in the {which}, '{some[0]}' for one"
            for which, some in zip(("first", "second"), missing, strict=True)
            if some
        ]
        return (
            f"has {counted(sizes[0], 'example')} and {counted(sizes[1], 'example')}, "
            f"{'; '.join(told)} ({prints})"
        )
    if ids[0] != ids[1]:
        return f"has the same examples in another order ({prints})"
    true = [split["true_label"].values for split in (one, other)]
    differ = true[0] != true[1]
    changed = int((differ.any(-1) if differ.ndim == 2 else differ).sum())
    if changed:
        where = np.flatnonzero(differ.any(-1) if differ.ndim == 2 else differ)[0]
        return (
            f"has other original labels for {counted(changed, 'example')}, '{ids[0][where]}' for "
            f"one ({prints})"
        )
    return f"has the same ids and original labels, but other images ({prints})"


def _shown(value: object) -> str:
    text = str(value)
    return text if len(text) <= SHOWN else f"{text[: SHOWN - 3]}..."


def _groups(records: Mapping[str, Mapping[str, xr.Dataset]], splits: Sequence[str]) -> str:
    """The largest group of runs that go together, as part of a sentence."""
    groups: list[list[str]] = []
    for name, record in records.items():
        for group in groups:
            if not _difference(records[group[0]], record, splits):
                group.append(name)
                break
        else:
            groups.append([name])
    together = [group for group in groups if len(group) > 1]
    return "".join(f"; {', '.join(group)} are" for group in together)


def same_labels(splits: Sequence[xr.Dataset]) -> bool:
    """Whether all were given the same labels, one for all members."""
    first = splits[0]["label"]
    return "member" not in first.dims and all(
        split["label"].dims == first.dims and np.array_equal(split["label"].values, first.values)
        for split in splits[1:]
    )
