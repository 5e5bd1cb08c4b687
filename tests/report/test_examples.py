"""Which examples are shown, in which order, with which picture and words."""

import base64
import io

import numpy as np
import pandas as pd
import pytest
from PIL import Image

from jagree.report.examples import SHOWN, agreed_first, galleries, never_agreed
from jagree.report.pictures import LARGEST, picture_uri
from tests.report.pages import examples, pictures


def decoded(uri: str) -> np.ndarray:
    header, data = uri.split(",")
    assert header == "data:image/png;base64"
    return np.asarray(Image.open(io.BytesIO(base64.b64decode(data))))


def random_examples(n: int = 200) -> pd.DataFrame:
    """Few values, so that there are ties to break."""
    rng = np.random.default_rng(1)
    return pd.DataFrame(
        {
            "id": [f"e{i:03d}" for i in rng.permutation(n)],
            "agreed_for_good": rng.choice([1.0, 2.0, np.nan], n),
            "ever_agreed": rng.random(n) < 0.5,
            "accessibility": rng.integers(0, 4, n) / 4,
        }
    )


def test_the_first_and_the_never_agreed_on_are_in_order() -> None:
    table = random_examples()
    rows = table.to_dict("records")
    good = [r for r in rows if r["agreed_for_good"] == r["agreed_for_good"]]
    good.sort(key=lambda r: (r["agreed_for_good"], -r["accessibility"], r["id"]))
    assert list(agreed_first(table)["id"]) == [r["id"] for r in good[:SHOWN]]
    never = sorted((r["accessibility"], r["id"]) for r in rows if not r["ever_agreed"])
    assert list(never_agreed(table)["id"]) == [name for _, name in never[:SHOWN]]


def test_each_example_has_its_own_picture_and_words() -> None:
    images = pictures()
    table = examples()
    table.index = [9] * len(table)  # the picture is found by position, whatever the index
    (gallery,) = galleries({"train": table}, {"train": images}, {"train": 3, "test": 3})
    assert [(e.id, e.label, e.note) for e in gallery.first] == [
        ("e2", "cat", "epoch 1"),
        ("e1", "<b>dog</b>", "epoch 4"),
    ]
    notes = [(e.id, e.note.replace("\N{NO-BREAK SPACE}", " ")) for e in gallery.never]
    assert notes == [
        ("e4", "taken for <b>dog</b> by 3 of 3"),
        ("<u>e5</u>", "no finite prediction"),
        ("e0", "right in 2 of 3"),
    ]
    shown = [*gallery.first, *gallery.never]
    for example, position in zip(shown, [2, 1, 4, 5, 0], strict=True):
        np.testing.assert_array_equal(decoded(example.picture), images[position])


def test_galleries_follow_the_order_of_the_agreement_table() -> None:
    tables = {"test": examples(), "train": examples()}
    found = galleries(tables, {}, {"train": 3, "test": 3})
    assert [g.heading for g in found] == ["Training examples", "Test examples"]
    assert not any(e.picture for g in found for e in [*g.first, *g.never])


def test_pictures_and_examples_must_match() -> None:
    with pytest.raises(ValueError, match="split 'train' has 6 examples but 5 images"):
        galleries({"train": examples()}, {"train": pictures(5)}, {"train": 3})


def test_only_large_pictures_are_reduced() -> None:
    as_is = pictures(1, LARGEST)[0]
    np.testing.assert_array_equal(decoded(picture_uri(as_is)), as_is)
    wide = np.repeat(pictures(1, LARGEST)[0], 2, axis=1)
    assert decoded(picture_uri(wide)).shape == (LARGEST // 2, LARGEST, 3)


@pytest.mark.parametrize(("size", "tiny"), [(64, True), (65, False)])
def test_tiny_pictures_are_enlarged_pixel_by_pixel(size: int, tiny: bool) -> None:
    (gallery,) = galleries({"train": examples()}, {"train": pictures(6, size)}, {"train": 3})
    assert gallery.tiny == tiny
