"""What runs were told to do: where their recipes differ, and which differ in one thing alone.

A recipe is a run's config without its name and without the fields that say how and not what.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from jagree.config import MAY_CHANGE
from jagree.study.findings.evidence import Run
from jagree.words import counted, enumeration

RATE = "optimizer.learning_rate"
NETWORK = ("network", "per_member.network")  # the fields that say which
TOLD = 4  # differing fields that are named
LONGEST = 24  # characters of a value


def recipe(run: Run, apart: Sequence[str] = ()) -> dict[str, Any]:
    """Field -> value, but for those `apart`; empty where run.json does not tell."""
    return {
        field: value
        for field, value in run.about.config.items()
        if not field.startswith(MAY_CHANGE) and field not in ("name", *apart)
    }


def besides(runs: Sequence[Run], apart: Sequence[str] = ()) -> str:
    """In which fields the recipes of runs differ besides those `apart`, as text.

    At most `TOLD` are named, the learning rate first; "" for one run.
    """
    if len(runs) < 2:
        return ""
    unknown = [run.name for run in runs if not run.about.config]
    if unknown:
        return f"the recipe of {enumeration(unknown)} is not known"
    found = differing(runs, apart)
    if not found:
        return "the same recipe otherwise"
    told = [f"{f} {_values(values)}" for f, values in list(found.items())[:TOLD]]
    if len(found) > TOLD:
        told.append(counted(len(found) - TOLD, "other field"))
    return f"recipes differ in {enumeration(told)}"


def differing(runs: Sequence[Run], apart: Sequence[str] = ()) -> dict[str, list[Any]]:
    """Field -> its value in each run, where the known recipes differ; the learning rate first."""
    recipes = [recipe(run, apart) for run in runs if run.about.config]
    fields = sorted({f for found in recipes for f in found}, key=lambda f: (f != RATE, f))
    values = {f: [found.get(f) for found in recipes] for f in fields}
    return {f: vs for f, vs in values.items() if any(v != vs[0] for v in vs)}


def _values(values: Sequence[Any]) -> str:
    """The different ones, in the order of the runs."""
    texts = ["missing" if value is None else str(value) or '""' for value in values]
    cut = [text if len(text) <= LONGEST else f"{text[: LONGEST - 3]}..." for text in texts]
    return " / ".join(dict.fromkeys(cut))


def series(
    runs: Sequence[Run], apart: Sequence[str], same: Callable[[Run], object]
) -> list[list[Run]]:
    """Runs whose recipes are equal but for the fields `apart`, where there are two or more.

    Parameters
    ----------
    runs : sequence of Run
        Those without a run.json are no part of a series.
    apart : sequence of str
    same : callable
        Run -> what must be the same besides, such as the members that were not left out.
    """
    groups: list[list[Run]] = []
    for run in runs:
        if not run.about.config:
            continue
        key = recipe(run, apart), same(run)
        for group in groups:
            if (recipe(group[0], apart), same(group[0])) == key:
                group.append(run)
                break
        else:
            groups.append([run])
    return [group for group in groups if len(group) > 1]
