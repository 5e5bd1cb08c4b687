"""The page as a browser reads it."""

import base64
import hashlib
import io
import json
import math
import re
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from jagree.report import FigureOnPage
from jagree.report.page import CELL, LEAST_PICTURES, PICTURES, PICTURES_AND_OTHERS, _room
from jagree.report.tables import Cell, Table
from tests.report.pages import (
    about,
    agreement,
    checks,
    classes,
    correlations,
    diverged,
    effects,
    examples,
    intervals,
    members,
    moves,
    pictures,
    write,
)
from tests.report.test_examples import many


@pytest.fixture
def target(tmp_path: Path) -> Path:
    return tmp_path / "run" / "report.html"


def test_the_page_holds_what_was_found(target: Path) -> None:
    text = write(target).text
    for expected in [
        "quickstart: agreement of 3 networks",
        "Agreement lies 10.1 percentage points above this second level",
        "Measure train, epoch 4 test, epoch 4",
        "Agreement (TPa) 85.1 % (84.0 to 86.2 %) 50.0 %",
        "Chance level of agreement 70.0 % 60.0 %",
        "Chance level within classes 75.0 % 65.0 %",
        "Number Network Accuracy, train Accuracy, test 0 lenet5 90.0 % 75.1 % 1 vgg16 91.0 %",
        "Examples by class, train Class Examples Agreed on for good Never agreed on Same mistake",
        "Largest possible agreement 98.7 % 98.7 %",
        "Expected random agreement 68.0 % 40.0 %",
        "PABAK -0.250 -0.250",
        "2 of 6 training examples (33.3 %) were agreed on for good",
        "cat epoch 1",
        "taken for <b>dog</b> by 3 of 3",
        "Epochs 1 to 4 Time 2026-03-01 10:12:00 UTC to 2026-03-01 10:14:02 UTC, 1 min 33 s",
        "Versions jagree 0.1.0, jax 0.10.2",
        "6,000 examples, fingerprint f00d",
        "1 vgg16 14,723,136",
        'seed 3 data.name "toy" data.sizes [6, 2]',
        "Blue: agreement.",
        "Accessibility",
    ]:
        assert expected in text, expected


def test_all_epochs_are_in_the_folded_tables(target: Path) -> None:
    text = write(target).text
    for row in ("1 20.0 % 1.2 % 30.0 % 10.0 %", "2 30.0 % 1.2 % 40.0 % 20.0 %"):
        assert row in text, row


def test_what_others_wrote_is_escaped(target: Path) -> None:
    figures = {"s": FigureOnPage("<s>title</s>", "of <s>all</s>", b"png")}
    page = write(target, figures=figures, diverged=diverged((0, "<q>", 1)), checks=checks())
    for tag in ("u", "i", "s", "q", "fast"):
        assert not page.all(tag), tag
    assert "<b>dog" not in page.html
    for text in ("<b>dog</b>", "<i>n</i>", "<b>x</b>", "a <fast> one", "network 0 (<q>)"):
        assert text in page.text, text
    assert "of <s>all</s>" in page.text
    assert any(img.get("title") == "<u>e5</u>" for img in page.all("img"))


def test_nothing_is_fetched_and_only_one_script_runs(target: Path) -> None:
    page = write(target)
    for tag, attributes in page.tags:
        assert tag not in ("link", "iframe", "object", "base")
        for name, value in attributes.items():
            assert not name.startswith("on"), name
            assert name != "style"
            if name == "src":
                assert value.startswith("data:image/png;base64,")
            if name == "href":
                assert value.startswith("#")
    assert not re.search(r"url\(|@import|https?:", page.html)
    policy = next(m["content"] for m in page.all("meta") if m.get("http-equiv"))
    assert policy.startswith("default-src 'none'")
    kinds = [script.get("type", "") for script in page.all("script")]
    assert kinds == ["application/json", ""]
    digest = hashlib.sha256(page.scripts[-1].encode()).digest()
    allowed = re.findall(r"script-src ([^;]*)", policy)
    assert allowed == [f"'sha256-{base64.b64encode(digest).decode()}'"]


def test_links_lead_somewhere(target: Path) -> None:
    page = write(target)
    anchors = {a["id"] for _, a in page.tags if "id" in a}
    links = {a["href"][1:] for a in page.all("a")}
    assert links
    assert links <= anchors


def test_pictures_have_words(target: Path) -> None:
    alts = [img["alt"] for img in write(target).all("img")]
    assert alts[:3] == [
        "Agreement: see the caption",
        "cat, example e2",
        "<b>dog</b>, example e1",
    ]
    assert len(alts) == 1 + 2 + 3


def test_each_picture_is_in_the_file_once(target: Path) -> None:
    page = write(target)
    for image in pictures():
        buffer = io.BytesIO()
        Image.fromarray(image).save(buffer, format="png", optimize=True)
        found = page.html.count(base64.b64encode(buffer.getvalue()).decode())
        assert found in (0, 1)
    data = json.loads(page.scripts[0])
    inline = {int(img["data-example"]) for img in page.all("img") if "data-example" in img}
    for number, picture in enumerate(data["pictures"]):
        assert (picture == "") == (number in inline)


def test_a_figure_is_inlined_as_it_is_and_to_scale(target: Path) -> None:
    buffer = io.BytesIO()
    Image.fromarray(np.zeros((100, 200, 3), np.uint8)).save(buffer, format="png")
    figures = {"a": FigureOnPage("A", "", buffer.getvalue())}
    shown = write(target, figures=figures).all("img")[0]
    assert base64.b64decode(shown["src"].split(",")[1]) == buffer.getvalue()
    assert (shown["width"], shown["height"], shown["alt"]) == ("128", "64", "A")


def test_many_figures_have_a_list_of_their_own(target: Path) -> None:
    figures = {str(i): FigureOnPage(f"No. {i}", "", b"png") for i in range(4)}
    page = write(target, figures=figures)
    hrefs = [a["href"] for a in page.all("a")]
    assert [h for h in hrefs if h.startswith("#figure-")] == [f"#figure-{i}" for i in range(1, 5)]
    assert "Figures No. 0 No. 1" in page.text


def test_effects_come_before_correlations(target: Path) -> None:
    text = write(target, effects=effects(), moves=moves(), correlations=correlations()).text
    found = [
        text.index("What delays learning Training images What was assigned"),
        text.index("contrast (25 to 80) brings agreement forward by 2.50 epochs (2.00 to 3.00;"),
        text.index("noise (0 to 55 grey levels) delays agreement by 1.50 epochs"),
        text.index("What the image statistics alone would have suggested"),
        text.index(
            "noise moves entropy most, by -2.00 standard deviations: that suggests -0.80 epochs "
            "(-1.00 to -0.60), the opposite of its effect."
        ),
        text.index("The paper's r, of curves over epochs, is largest for DCT share"),
        text.index("Factor Least Most Effect in epochs Adjusted p Examples Never learned"),
    ]
    assert found == sorted(found)


def test_without_effects_there_is_what_goes_with_learning(target: Path) -> None:
    text = write(target, correlations=correlations()).text
    assert "What goes with learning Training images Of 2 numbers known of each image" in text
    assert "What was assigned" not in text
    assert "Its r is not to be trusted" in text
    assert "entropy (bit) 0.30 (0.20 to 0.40) < 0.001 0.12 (-0.02 to 0.25) 0.040" in text
    assert "DCT share -0.01 (-0.10 to 0.10) 0.900 no value no value" in text


def test_the_findings_are_told_apart(target: Path) -> None:
    text = write(target, checks=checks()).text
    assert "Of 3 findings of the paper, 1 hold in this run, 1 do not, and 1 cannot" in text
    assert "Those that this run can tell of (2)" in text
    assert "Agreement is <i>high</i>. Criterion: 0.5 or more holds train: agreement 0.851" in text
    assert "does not hold epoch 2: holds; 0.1 apart epoch 4: 0.3 apart v1 fig. 2a" in text
    assert "cannot be told no run on Pascal VOC Needs a run on anything" in text
    assert "findings of the paper" not in write(target).text


def test_the_same_run_gives_the_same_bytes(target: Path) -> None:
    first = write(target).html
    assert write(target).html == first


@pytest.mark.parametrize("key", about())
def test_any_part_of_about_may_be_missing(target: Path, key: str) -> None:
    known = about()
    del known[key]
    text = write(target, about=known).text
    assert "Agreement lies 10.1 percentage points above this second level" in text
    assert "None" not in text


@pytest.mark.parametrize("key", about()["invocations"][0])
def test_any_part_of_an_invocation_may_be_missing(target: Path, key: str) -> None:
    known = about()
    del known["invocations"][0][key]
    assert "None" not in write(target, about=known).text


def test_a_run_that_goes_on_has_not_ended(target: Path) -> None:
    known = about()
    known["invocations"][0] |= {"ended": None, "to_epoch": 0}
    text = write(target, about=known).text
    assert "Epochs none Time started 2026-03-01 10:12:00 UTC, 1 min 33 s of training" in text


def test_a_record_that_came_alone(target: Path) -> None:
    page = write(target, about={}, figures={}, images={})
    assert "How to reproduce" not in page.text
    assert "No pictures: the images of this split were not at hand" in page.text
    assert "e4 cat taken for <b>dog</b> by 3 of 3" in page.text
    assert not page.all("img")


def test_with_pictures_nothing_is_said_of_missing_ones(target: Path) -> None:
    assert "No pictures" not in write(target).text


def test_before_the_first_epoch(target: Path) -> None:
    empty = agreement().iloc[:0]
    page = write(
        target,
        agreement=empty,
        members=members().iloc[:0],
        intervals=intervals().iloc[:0],
        classes=classes().iloc[:0],
        examples={},
        images={},
        figures={},
        about={},
    )
    assert "No epoch is recorded yet" in page.text
    hrefs = {a["href"] for a in page.all("a")}
    assert hrefs == {"#terms"}


def test_without_agreement_there_is_no_value(target: Path) -> None:
    table = agreement()
    table.loc[2, ["true_positive_agreement", "chance_agreement"]] = math.nan
    assert "Agreement (TPa) no value 50.0 %" in write(target, agreement=table).text


def test_no_example_of_a_kind_says_so(target: Path) -> None:
    table = examples().assign(ever_agreed=True)
    text = write(target, examples={"train": table}).text
    assert "Never agreed on Not once got right" in text
    assert "after the last epoch. There are none." in text


def test_an_incomplete_run_is_marked(target: Path) -> None:
    page = write(target, about=about() | {"status": "failed"})
    assert "This run is not complete (status: failed)." in page.text
    assert [p for p in page.all("p") if p.get("class") == "warning"]


def test_a_page_is_replaced_whole_or_not_at_all(target: Path) -> None:
    before = write(target).html
    with pytest.raises(ValueError, match="images"):
        write(target, images={"train": pictures(2)})
    assert target.read_text(encoding="utf-8") == before
    assert [p.name for p in target.parent.iterdir()] == ["report.html"]


def test_a_full_disk_leaves_the_old_page(target: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    before = write(target).html

    def fail(*_: object) -> None:
        raise OSError("no space left")

    monkeypatch.setattr(Path, "replace", fail)
    with pytest.raises(OSError, match="no space left"):
        write(target, figures={})
    assert target.read_text(encoding="utf-8") == before
    assert [p.name for p in target.parent.iterdir()] == ["report.html"]


def test_a_phone_can_read_it(target: Path) -> None:
    page = write(target)
    assert any("width=device-width" in m.get("content", "") for m in page.all("meta"))
    tables = [i for i, (tag, _) in enumerate(page.tags) if tag == "table"]
    assert tables
    for i in tables:  # each scrolls in a box of its own
        assert page.tags[i - 1][1].get("class", "").startswith("scroll")


def test_figures_and_classes_leave_less_room_for_pictures() -> None:
    table = Table("", [], [[Cell("")] * 10] * 1000)
    figure = {"source": "x" * 5_000_000}
    assert _room([], []) == PICTURES
    assert _room([figure], [table]) == PICTURES_AND_OTHERS - 5_000_000 - 10_000 * CELL
    assert _room([figure] * 9, []) == LEAST_PICTURES


def test_the_page_stays_small_with_a_thousand_classes(target: Path) -> None:
    """Large pictures of so many classes would be a hundred megabytes."""
    rng = np.random.default_rng(0)
    table = many(8000, classes=1000).assign(**{f"s{i}": rng.normal(size=8000) for i in range(20)})
    one = rng.integers(0, 256, (200, 200, 3), np.uint8)
    images = np.broadcast_to(one, (8000, *one.shape))
    figures = {"a": FigureOnPage("A", "", bytes(3_000_000))}
    write(target, examples={"train": table}, images={"train": images}, figures=figures)
    assert 8e6 < target.stat().st_size < 12e6
