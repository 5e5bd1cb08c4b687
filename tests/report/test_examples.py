"""Which examples are on the page, in which order, with which picture, words and numbers."""

import base64
import io
import json

import numpy as np
import pandas as pd
import pytest
from PIL import Image

from jagree.report.choice import FIRST, KINDS, PER_CLASS, Kind, in_order
from jagree.report.classes import Membership, class_table, membership, numeric
from jagree.report.examples import SHOWN, Gallery, gallery
from jagree.report.pictures import LARGEST, TINY, picture_uri
from tests.report.pages import examples, pictures

KIND = {kind.key: kind for kind in KINDS}
NAMES = {0: "cat", 1: "<b>dog</b>"}


def decoded(uri: str) -> Image.Image:
    return Image.open(io.BytesIO(base64.b64decode(uri.split(",")[1])))


def many(n: int = 2000, classes: int = 5) -> pd.DataFrame:
    """Few values, so that there are ties to break."""
    rng = np.random.default_rng(1)
    label = rng.integers(0, classes, n)
    good = rng.choice([1.0, 2.0, np.nan], n)
    ever = ~np.isnan(good) | (rng.random(n) < 0.5)
    return pd.DataFrame(
        {
            "id": [f"e{i:05d}" for i in rng.permutation(n)],
            "label": label,
            "label_name": [f"class {c}" for c in label],
            "agreed_for_good": good,
            "ever_agreed": ever,
            "accessibility": rng.integers(0, 4, n) / 4,
            "most_common_prediction": (label + 1) % classes,
            "most_common_prediction_name": "other",
            "most_common_prediction_members": 3,
            "same_mistake": np.isnan(good) & (rng.random(n) < 0.3),
            "entropy": rng.normal(size=n),
        }
    )


def shown(
    table: pd.DataFrame, images: np.ndarray | None = None, room: int = 10**7
) -> tuple[Gallery, dict[str, list[str]], Membership]:
    """The gallery, the ids of each kind that are on the page, and who is in which class."""
    member = membership(table, {} if len(table) > 6 else NAMES)
    found, _ = gallery("train", table, images, member, 3, room)
    data = json.loads(found.data)
    kinds = {key: [data["ids"][n] for n in numbers] for key, numbers in data["kinds"].items()}
    return found, kinds, member


def literal(table: pd.DataFrame, kind: str) -> list[dict[str, object]]:
    """The rows of a kind in its order, by Python's own sorting."""
    rows = table.to_dict("records")
    good = [r for r in rows if r["agreed_for_good"] == r["agreed_for_good"]]
    if kind == "first":
        return sorted(good, key=lambda r: (r["agreed_for_good"], -r["accessibility"], r["id"]))
    if kind == "last":
        return sorted(good, key=lambda r: (-r["agreed_for_good"], r["accessibility"], r["id"]))
    if kind == "never":
        rows = [r for r in rows if not r["ever_agreed"]]
    else:
        rows = [r for r in rows if r["same_mistake"]]
    return sorted(rows, key=lambda r: (r["accessibility"], r["id"]))


@pytest.mark.parametrize("kind", KINDS, ids=lambda kind: kind.key)
def test_each_kind_has_its_order(kind: Kind) -> None:
    table = many()
    found = table["id"].to_numpy()[in_order(kind, table)]
    assert found.tolist() == [row["id"] for row in literal(table, kind.key)]


@pytest.mark.parametrize("kind", list(KIND))
def test_the_first_of_each_kind_and_of_each_class_are_on_the_page(kind: str) -> None:
    table = many()
    wanted, counts = set(), dict.fromkeys(range(5), 0)
    for place, row in enumerate(literal(table, kind)):
        counts[row["label"]] += 1  # type: ignore[index]
        if place < FIRST or counts[row["label"]] <= PER_CLASS:  # type: ignore[index]
            wanted.add(row["id"])
    found, kinds, _ = shown(table)
    assert wanted <= set(kinds[kind])
    order = [row["id"] for row in literal(table, kind)]
    assert kinds[kind] == [name for name in order if name in set(kinds[kind])]
    # What else is there of this kind, another kind has brought along.
    others = {name for key in KIND if key != kind for name in kinds[key]}
    assert set(kinds[kind]) - wanted <= others
    part = next(part for part in found.parts if part.kind.key == kind)
    assert (part.total, part.on_page) == (len(order), len(kinds[kind]))


def test_less_room_means_fewer_of_each_class() -> None:
    table, images = many(), pictures(2000)
    size = len(picture_uri(images[0]))
    whole, used = gallery("train", table, images, membership(table, {}), 3, 10**9)
    room = used // 2
    found, less = gallery("train", table, images, membership(table, {}), 3, room)
    assert less < room + 2 * size
    on_page = len(json.loads(found.data)["ids"])
    assert f"Of the 2,000 training examples {on_page:,} are on this page" in found.on_page
    assert f"{PER_CLASS} of each kind and class" in whole.on_page
    words = found.on_page.split()
    per_class = int(words[words.index("kind", words.index("first,")) - 3])
    assert 0 < per_class < PER_CLASS
    kinds = json.loads(found.data)["kinds"]
    classes = json.loads(found.data)["classes"]
    for numbers in kinds.values():
        counts = np.bincount([classes[n][0] for n in numbers], minlength=5)
        assert counts.min() >= per_class


def test_many_classes_and_little_room() -> None:
    table = many(4000, classes=1000)
    found, _ = gallery("train", table, pictures(4000), membership(table, {}), 3, 10_000)
    assert "as many of the 1,000 classes' first as there is room for" not in found.on_page
    assert "as there is room for" in found.on_page
    assert [len(part.shown) for part in found.parts] == [SHOWN] * 4


def test_each_example_has_its_own_picture_and_words() -> None:
    images = pictures()
    table = examples()
    table.index = [9] * len(table)  # the picture is found by position, whatever the index
    found, _, _ = shown(table, images)
    first, last, mistake, never = found.parts
    assert [(e.id, e.label, e.note) for e in first.shown] == [
        ("e2", "cat", "epoch 1"),
        ("e1", "<b>dog</b>", "epoch 4"),
    ]
    assert not last.shown  # both are shown already
    assert (last.total, last.on_page, last.elsewhere) == (2, 2, False)
    together = [*first.shown, *mistake.shown, *never.shown]
    notes = [(e.id, e.note.replace("\N{NO-BREAK SPACE}", " ")) for e in together[2:]]
    assert notes == [
        ("e4", "taken for <b>dog</b> by 3 of 3"),
        ("<u>e5</u>", "no finite prediction"),
        ("e0", "right in 2 of 3"),
    ]
    assert len(mistake.shown) == 1  # and is not missing there for being never agreed on, too
    assert (never.total, never.on_page, never.elsewhere) == (3, 3, True)
    for example, position in zip(together, [2, 1, 4, 5, 0], strict=True):
        np.testing.assert_array_equal(np.asarray(decoded(example.picture)), images[position])


def test_the_data_are_those_of_the_table() -> None:
    table = many()
    table.loc[3, "entropy"] = np.inf
    found, _, member = shown(table, pictures(2000))
    data = json.loads(found.data)
    known = table.set_index("id").loc[data["ids"]]
    columns = numeric(table)
    assert columns == [
        "entropy",
        "agreed_for_good",
        "accessibility",
        "most_common_prediction_members",
    ]
    assert data["columns"] == [name.replace("_", " ") for name in columns]
    for name, values in zip(columns, data["values"], strict=True):
        expected = known[name].where(np.isfinite(known[name]), np.nan).to_numpy(np.float64)
        np.testing.assert_array_equal(np.array(values, np.float64), expected)
    assert data["classes"] == [[member.names.index(str(c))] for c in known["label"]]
    for key, totals in data["totals"].items():
        rows = literal(table, key)
        counts = [sum(str(row["label"]) == name for row in rows) for name in member.names]
        assert totals == [*counts, len(rows)]


def test_several_labels_count_in_each_class() -> None:
    table = examples().assign(label=["0", "0 1", "1", "", "0", "1 0"])
    member = membership(table, NAMES)
    assert member.names == ["<b>dog</b>", "cat"]
    assert member.of(np.arange(6)) == [[1], [1, 0], [0], [], [1], [0, 1]]
    rows = class_table("train", table, member).rows
    assert [[cell.text for cell in row[:3]] for row in rows] == [
        ["<b>dog</b>", "3", "66.7\N{NO-BREAK SPACE}%"],
        ["cat", "4", "25.0\N{NO-BREAK SPACE}%"],
    ]


def test_a_class_table_has_the_means_of_what_is_known() -> None:
    table = examples()
    found = class_table("train", table, membership(table, NAMES))
    place = [column.name for column in found.columns].index("Mean entropy")
    dog, cat = found.rows
    assert dog[place].value == "4.16666667"
    assert cat[place].value == "2"
    assert [row[4].text.split("\N{NO-BREAK SPACE}")[0] for row in found.rows] == ["0.0", "33.3"]


def test_pictures_and_examples_must_match() -> None:
    with pytest.raises(ValueError, match="split 'train' has 6 examples but 5 images"):
        shown(examples(), pictures(5))


def test_only_large_pictures_are_changed() -> None:
    as_is = pictures(1, TINY)[0]
    np.testing.assert_array_equal(np.asarray(decoded(picture_uri(as_is))), as_is)
    assert picture_uri(as_is).startswith("data:image/png;base64,")
    smooth = np.linspace(0, 255, 300).astype(np.uint8)
    wide = np.broadcast_to(smooth[None, :, None], (150, 300, 3))
    small = picture_uri(np.ascontiguousarray(wide))
    assert small.startswith("data:image/jpeg;base64,")
    assert decoded(small).size == (LARGEST, LARGEST // 2)
    expected = np.asarray(Image.fromarray(np.ascontiguousarray(wide)).resize((128, 64)))
    difference = np.asarray(decoded(small)).astype(int) - expected
    assert np.abs(difference).mean() < 3


@pytest.mark.parametrize(("size", "tiny"), [(TINY, True), (TINY + 1, False)])
def test_tiny_pictures_are_enlarged_pixel_by_pixel(size: int, tiny: bool) -> None:
    found, _, _ = shown(examples(), pictures(6, size))
    assert found.tiny == tiny


def test_json_cannot_end_its_script() -> None:
    table = examples().assign(id=["</script><img src=x onerror=a()>", *"bcdef"])
    found, _, _ = shown(table)
    assert not set("<>&\u2028\u2029") & set(found.data)
    assert "</script><img src=x onerror=a()>" in json.loads(found.data)["ids"]
