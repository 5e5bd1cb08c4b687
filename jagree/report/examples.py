"""The examples that the page shows: those agreed on first, and those never agreed on."""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import pandas as pd

from jagree.data.images import Images
from jagree.report.pictures import picture_uri
from jagree.report.summary import counts
from jagree.study.examples import TIE
from jagree.words import SPACE, adjective

SHOWN = 24  # of each kind: two to six rows of pictures, from desktop to phone
TINY = 64  # pixels on the longer side: below the size of a picture on the page


@dataclass(frozen=True)
class Shown:
    """One example; `picture` is a data URI, empty where there is no picture."""

    id: str
    label: str
    note: str
    picture: str


@dataclass(frozen=True)
class Gallery:
    """The examples shown of one split; tiny pictures are enlarged with their pixels kept square."""

    split: str
    heading: str
    counts: str
    with_pictures: bool
    tiny: bool
    first: list[Shown]
    never: list[Shown]


def galleries(
    examples: Mapping[str, pd.DataFrame],
    images: Mapping[str, Images],
    members: Mapping[str, int],
) -> list[Gallery]:
    """One gallery per split in `examples`; `members` is K of each split, and gives the order."""
    return [
        _gallery(split, examples[split], images.get(split), k)
        for split, k in members.items()
        if split in examples
    ]


def agreed_first(examples: pd.DataFrame) -> pd.DataFrame:
    """The examples agreed on for good, earliest first, then the most accessible, then by id."""
    return (
        examples[examples["agreed_for_good"].notna()]
        .sort_values(["agreed_for_good", "accessibility", "id"], ascending=[True, False, True])
        .head(SHOWN)
    )


def never_agreed(examples: pd.DataFrame) -> pd.DataFrame:
    """The examples never agreed on, the least accessible first, then by id."""
    never = examples[~examples["ever_agreed"]]
    return never.sort_values(["accessibility", "id"]).head(SHOWN)


def _gallery(split: str, examples: pd.DataFrame, images: Images | None, members: int) -> Gallery:
    if images is not None and len(images) != len(examples):
        raise ValueError(f"split '{split}' has {len(examples)} examples but {len(images)} images")
    examples = examples.assign(position=np.arange(len(examples)))  # of its image

    def shown(row: pd.Series, note: str) -> Shown:
        picture = "" if images is None else picture_uri(images[row["position"]])
        return Shown(row["id"], _label(row), note, picture)

    return Gallery(
        split=split,
        heading=f"{adjective(split).capitalize()} examples",
        counts=counts(split, examples),
        with_pictures=images is not None,
        tiny=images is not None and max(images[0].shape[:2]) <= TINY,
        first=[
            shown(row, f"epoch {row['agreed_for_good']:.0f}")
            for _, row in agreed_first(examples).iterrows()
        ],
        never=[shown(row, _instead(row, members)) for _, row in never_agreed(examples).iterrows()],
    )


def _label(row: pd.Series) -> str:
    """What the example is called; under label noise also what it is."""
    true = row.get("true_label_name", row["label_name"])
    return (
        row["label_name"] if true == row["label_name"] else f"{true}, labelled {row['label_name']}"
    )


def _instead(row: pd.Series, members: int) -> str:
    """What most members predict for an example that they never all got right."""
    votes = int(row["most_common_prediction_members"])
    if votes == 0:
        return "no finite prediction"
    share = f"{votes}{SPACE}of{SPACE}{members}"
    if row["most_common_prediction_name"] == TIE:
        return f"divided, {share} each"
    if row["most_common_prediction"] == row["label"]:
        return f"right in {share}"
    if row["most_common_prediction_name"] == "(none)":
        return f"no class predicted by {share}"
    return f"taken for {row['most_common_prediction_name']} by {share}"
