"""Answers of each member to each example, as Geirhos' model-vs-human reads them.

Geirhos, Meding and Wichmann, "Beyond accuracy: quantifying trial-by-trial behaviour of CNNs and
humans by measuring error consistency", NeurIPS 2020. Its code reads all CSV files of the folder
``raw-data/DATASET``, one or more of each observer, by pandas.
"""

import csv
import io
import re
from collections.abc import Sequence
from pathlib import Path

import pandas as pd

from jagree.export.source import Source
from jagree.export.written import Written

COLUMNS = (
    "subj",
    "session",
    "trial",
    "rt",
    "object_response",
    "category",
    "condition",
    "imagename",
)
NO_ANSWER = "na"  # as for a person who gave none; for a network whose output is not finite


def write(source: Source, folder: Path, *, epoch: int | None) -> Written:
    """Write ``DATA/DATA_OBSERVER_session-1.csv`` for each member, and ``imagenames.csv``.

    An observer is named by network and member. ``category`` is the name of the class trained on,
    ``condition`` always 0, ``rt`` (the time that a person took) NaN.
    """
    chosen = source.epoch(epoch)
    answers, names = _answers(source.class_names), _imagenames(source.ids.tolist())
    data = _word(str(source.split.attrs["data"]))
    (folder / data).mkdir()
    networks = source.split["network"].values.tolist()
    for k, network, predicted, label in zip(
        source.members, networks, chosen.prediction, source.labels, strict=True
    ):
        observer = f"{_word(str(network))}-{k}"
        path = folder / data / f"{data}_{observer}_session-1.csv"
        with path.open("w", newline="", encoding="utf-8") as file:
            table = csv.writer(file, lineterminator="\n")
            table.writerow(COLUMNS)
            for n, (answer, gold) in enumerate(
                zip(predicted.tolist(), label.tolist(), strict=True)
            ):
                response = answers[answer] if answer >= 0 else NO_ANSWER
                table.writerow((observer, 1, n + 1, "NaN", response, answers[gold], 0, names[n]))
    pairs = pd.DataFrame({"imagename": names, "id": source.ids})
    pairs.to_csv(folder / "imagenames.csv", index=False)
    return Written(
        epochs=[chosen.number],
        exact=["the answers and the classes trained on, and so every error consistency"],
        not_exact=_renamed(source, answers, names),
    )


def _renamed(source: Source, answers: list[str], names: list[str]) -> list[str]:
    """What has other names than in the record."""
    found = []
    if answers != source.class_names:
        found.append("names of classes, which their code could not tell apart: number:name")
    if names != source.ids.tolist():
        found.append("names of images, which their code could not tell apart: see imagenames.csv")
    return found


def _answers(class_names: list[str]) -> list[str]:
    """Names of classes that differ, and that pandas reads as they are written."""
    distinct = len(set(class_names)) == len(class_names) and NO_ANSWER not in class_names
    # Each a column of its own, for a column's type is guessed: "1" would be a number among numbers.
    row = "\n".join((_row([f"c{i}" for i in range(len(class_names))]), _row(class_names)))
    read = pd.read_csv(io.StringIO(row)).iloc[0].tolist()
    if distinct and read == class_names:
        return class_names
    return [f"{i}:{name}" for i, name in enumerate(class_names)]


def _imagenames(ids: list[str]) -> list[str]:
    """The ids, if the code tells images apart by them; else names by which it does.

    It goes by what follows the last underscore, or the one before that of ImageNet's files.
    """
    short = {_short(name) for name in ids}
    column = "\n".join(_row([name]) for name in ("name", *ids))
    read = pd.read_csv(io.StringIO(column), skip_blank_lines=False)["name"].tolist()
    if len(short) == len(ids) and read == ids:
        return ids
    return [f"image-{n}-{name.replace('_', '-')}" for n, name in enumerate(ids)]


def _short(name: str) -> str:
    parts = name.split("_")
    return "_".join(parts[-2:]) if len(parts) > 1 and parts[-2].startswith("n0") else parts[-1]


def _row(values: Sequence[str]) -> str:
    text = io.StringIO()
    csv.writer(text, lineterminator="").writerow(values)
    return text.getvalue()


def _word(name: str) -> str:
    """A name without what has a meaning in names of files, there and in theirs."""
    return re.sub(r"[^A-Za-z0-9.]+", "-", name).strip("-.") or "data"
