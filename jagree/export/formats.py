"""The formats by name, and an export from beginning to end."""

import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import jagree
from jagree.errors import UsageError
from jagree.export import aum, cartography, cleanlab, error_consistency
from jagree.export.folder import new_folder
from jagree.export.source import Source, open_source
from jagree.export.written import Written
from jagree.words import counted


@dataclass(frozen=True)
class Format:
    """A format.

    Attributes
    ----------
    what : str
        In a few words.
    write : callable
        Takes the source, the folder, and the options named in `options` by keyword.
    options : tuple of str
        Those of ``epoch`` and ``per_member`` that have a meaning for it.
    """

    what: str
    write: Callable[..., Written]
    options: tuple[str, ...] = ()


FORMATS = {
    "cartography": Format("Dataset Cartography's training dynamics", cartography.write),
    "aum": Format("areas under the margin, as the package aum writes them", aum.write),
    "cleanlab": Format("pred_probs of an epoch", cleanlab.write, ("epoch", "per_member")),
    "error_consistency": Format(
        "answers in an epoch, as model-vs-human reads them", error_consistency.write, ("epoch",)
    ),
}


def export(
    run: str | Path,
    to: str,
    out: str | Path,
    *,
    split: str = "train",
    members: Sequence[int] | None = None,
    epoch: int | None = None,
    per_member: bool = False,
) -> str:
    """Write a run's record in another tool's format.

    Parameters
    ----------
    run : path
        The run folder, or its URL.
    to : str
        One of `FORMATS`.
    out : path
        A folder that is empty or new; ``about.json`` in it says what is exact.
    split : str
    members : sequence of int, optional
        Default all.
    epoch : int, optional
        Of a format that is of one epoch: number of epochs completed; default the last one.
    per_member : bool
        For cleanlab: arrays of each member besides those of the mean.

    Returns
    -------
    str
        What was written and what of it is exact, in one line.

    Raises
    ------
    UsageError
        If the record has not what the format is made of, or the folder is not empty. Nothing is
        written then.
    """
    if to not in FORMATS:
        raise UsageError(f"unknown format '{to}'; known: {', '.join(FORMATS)}")
    chosen = FORMATS[to]
    told = {"epoch": epoch, "per_member": per_member}
    for name, value in told.items():
        if name not in chosen.options and value not in (None, False):
            takers = [other for other in FORMATS if name in FORMATS[other].options]
            raise UsageError(f"'{to}' takes no --{name}, which is for {' and '.join(takers)}")
    with new_folder(out) as folder:
        source = open_source(str(run), split, members)
        written = chosen.write(source, folder, **{name: told[name] for name in chosen.options})
        about = _about(to, source, written)
        (folder / "about.json").write_text(json.dumps(about, indent=1) + "\n", encoding="utf-8")
    return _line(out, source, written)


def _about(to: str, source: Source, written: Written) -> dict[str, object]:
    attributes = source.split.attrs
    networks, seeds = (source.split[name].values.tolist() for name in ("network", "seed"))
    return {
        "format": to,
        "made_by": f"jagree {jagree.__version__}",
        "run": source.run,
        "data": attributes["data"],
        "split": attributes["split"],
        "fingerprint": attributes["fingerprint"],
        "recording": attributes["recording"],
        "class_names": source.class_names,
        "members": [
            {"member": k, "network": network, "seed": seed}
            for k, network, seed in zip(source.members, networks, seeds, strict=True)
        ],
        "epochs": written.epochs,
        "exact": written.exact,
        "not_exact": written.not_exact,
    }


def _line(out: str | Path, source: Source, written: Written) -> str:
    size = (
        f"{counted(len(source.members), 'member')}, {counted(len(written.epochs), 'epoch')}, "
        f"{counted(source.split.sizes['example'], 'example')}"
    )
    inexact = f". Not: {'; '.join(written.not_exact)}" if written.not_exact else ""
    return f"{out}: {size}. Exact: {'; '.join(written.exact)}{inexact}."
