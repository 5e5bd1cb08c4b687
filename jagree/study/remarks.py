"""What a reader of a comparison of runs should know, in sentences."""

from collections.abc import Iterator, Mapping, Sequence
from itertools import combinations

from jagree.study.opened import OpenRun
from jagree.study.same_data import same_labels
from jagree.words import counted, enumeration, percent


def remarks(
    runs: Sequence[OpenRun],
    splits: Sequence[str],
    epochs: Sequence[int],
    fields: Mapping[str, object],
) -> Iterator[str]:
    """What a reader of the tables should know, a sentence each."""
    others = sorted({s for run in runs for s in run.record} - set(splits))
    if others:
        named_ = enumeration([f"'{s}'" for s in others])
        yield f"Not all runs recorded {named_}, which is left out."
    if any(run.epochs != list(epochs) for run in runs):
        told = enumeration([f"{run.name} {span(run.epochs)}" for run in runs])
        yield (
            f"The runs are compared on the {counted(len(epochs), 'epoch')} that all of them "
            f"recorded, {span(epochs)}; recorded are: {told}."
        )
    judged = [run.judged for run in runs]
    if len(set(judged)) > 1:
        told = enumeration([f"{run.name} {how}" for run, how in zip(runs, judged, strict=True)])
        yield f"Training examples are not judged in the same way: {told}."
    yield from _notes_on_labels(runs, splits)
    alike = [
        f"{one.name} and {two.name}"
        for one, two in combinations(runs, 2)
        if set(one.start) & set(two.start)
    ]
    if alike:
        yield (
            f"With the same seed and network the networks of the same number began alike in "
            f"{enumeration(alike)}: such pairs count across runs only where there are no others."
        )
    unknown = [run.name for run in runs if not run.config]
    if unknown:
        yield f"What else the runs differ in is not known: no run.json for {enumeration(unknown)}."
    elif not fields:
        yield "Their configs say the same throughout: these may be copies of one run."
    single = [run.name for run in runs if len(run.networks) == 1]
    if single:
        yield f"Of one network there is no agreement within the run: {enumeration(single)}."


def _notes_on_labels(runs: Sequence[OpenRun], splits: Sequence[str]) -> Iterator[str]:
    different = [s for s in splits if not same_labels([run.record[s] for run in runs])]
    if different:
        told = enumeration([f"{run.name} {percent(run.labels_changed)}" for run in runs])
        yield (
            f"The runs were given different labels of {enumeration([f'{s!r}' for s in different])};"
            f" each network is right by those of its own run. Changed training labels: {told}."
        )


def span(epochs: Sequence[int]) -> str:
    """Epochs in a few words."""
    first, last = epochs[0], epochs[-1]
    if first == last:
        return f"{first}"
    every = list(epochs) == list(range(first, last + 1))
    return f"{first} to {last}" if every else f"{len(epochs)} from {first} to {last}"
