"""The page in a browser: nothing fails or is fetched, tables sort, galleries filter, keys do."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from jagree.report.choice import KINDS, in_order
from tests.report.awkward import CLASSES, awkward, write_awkward
from tests.report.browser import Browser, find

FIRST, MORE = 16, 48


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    with Browser(find()) as started:
        yield started


@pytest.fixture(scope="module")
def page(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("page") / "report.html"
    write_awkward(path)
    return path


@pytest.fixture
def opened(browser: Browser, page: Path) -> Iterator[Browser]:
    browser.open(page)
    yield browser
    assert browser.complaints == []
    assert browser.requests == []
    assert browser.evaluate("window.ran") is None


def literal(kind: str, table: pd.DataFrame) -> pd.DataFrame:
    """Rows of a kind in its order."""
    return table.iloc[in_order(next(k for k in KINDS if k.key == kind), table)]


def choose(browser: Browser, name: str, value: str) -> None:
    """Set a field of the filters, and tell the page so as a person's hand would."""
    browser.evaluate(
        f"""(() => {{
          const field = document.querySelector('#examples-1 form').elements['{name}'];
          field.value = {value!r};
          field.dispatchEvent(new Event('input', {{bubbles: true}}));
        }})()"""
    )


def option(browser: Browser, name: str, words: str) -> str:
    """The value of the option that reads so."""
    options: list[list[str]] = browser.evaluate(
        f"""[...document.querySelector('#examples-1 form').elements['{name}'].options]
            .map((o) => [o.textContent, o.value])"""
    )
    (value,) = [value for text, value in options if text == words]
    return value


def ids(browser: Browser, kind: str) -> list[str]:
    """The examples that are to be seen of a kind."""
    found: list[str] = browser.evaluate(
        f"""[...document.querySelectorAll('#examples-1 [data-kind={kind}] li img')]
            .filter((i) => i.checkVisibility()).map((i) => i.title)"""
    )
    return found


def counted(browser: Browser, kind: str) -> str:
    said: str = browser.evaluate(
        f"document.querySelector('#examples-1 [data-kind={kind}] .count').textContent"
    )
    return said


def show_all(browser: Browser) -> None:
    browser.evaluate(
        "for (const more of document.querySelectorAll('#examples-1 .more')) "
        "while (!more.hidden && more.checkVisibility()) more.click()"
    )


def test_nothing_fails_and_nothing_is_fetched(opened: Browser) -> None:
    assert (
        opened.evaluate("document.title")
        == "quickstart: agreement of 3 networks (lenet5 and vgg16)"
    )
    assert opened.evaluate("document.querySelectorAll('[data-sortable] thead button').length") > 20
    assert not opened.evaluate("document.querySelector('#examples-1 form').hidden")
    # The browser could read every picture.
    decoded = "Promise.all([...document.querySelectorAll('.gallery img')].map((i) => i.decode()))"
    assert opened.evaluate(f"{decoded}.then((all) => all.length)") == FIRST * len(KINDS)


@pytest.mark.parametrize("width", [320, 375, 768])
def test_the_page_never_scrolls_sideways(opened: Browser, page: Path, width: int) -> None:
    opened.open(page, width, 800)
    opened.evaluate("for (const d of document.querySelectorAll('details')) d.open = true")
    choose(opened, "column", option(opened, "column", "<b>meta</b>"))
    assert opened.evaluate("document.documentElement.scrollWidth") <= width
    wide = f"""[...document.querySelectorAll('main *, header *, nav *')]
        .filter((e) => !e.closest('.scroll') && e.getBoundingClientRect().right > {width} + 0.5
                       && e.checkVisibility()).map((e) => e.outerHTML.slice(0, 80))"""
    assert opened.evaluate(wide) == []
    opened.evaluate("document.querySelector('.gallery button').click()")
    right = opened.evaluate("document.querySelector('dialog').getBoundingClientRect().right")
    assert right <= width
    assert opened.evaluate("document.querySelector('dialog').scrollWidth") <= width


def column(browser: Browser, region: str, place: int) -> list[Any]:
    """Per row the number that a cell is sorted by, or its text."""
    found: list[Any] = browser.evaluate(
        f"""[...document.querySelector('.scroll[aria-label="{region}"] table').tBodies[0].rows]
            .map((r) => r.cells[{place}].dataset.value ?? r.cells[{place}].textContent)"""
    )
    return found


def heading(region: str, place: int) -> str:
    return (
        f"document.querySelector('.scroll[aria-label=\"{region}\"] table')"
        f".tHead.rows[0].cells[{place}]"
    )


REGIONS = [
    ("Measures after the last epoch", 1),
    ("Each network after the last epoch", 2),
    ("All epochs, train", 3),
    ("Correlations, train", 3),
    ("Effects of factors, train", 3),
    ("What statistics suggest of factors, train", 2),
    ("Examples by class, train", 5),
    ("Networks", 2),
]


@pytest.mark.parametrize(("region", "place"), REGIONS, ids=[name for name, _ in REGIONS])
def test_a_column_of_numbers_sorts_both_ways(opened: Browser, region: str, place: int) -> None:
    written = column(opened, region, place)
    numbers = [float(value) if value else np.nan for value in written]
    known = [n for n in numbers if not np.isnan(n)]
    missing = [""] * (len(numbers) - len(known))
    for direction, expected in (
        ("ascending", sorted(known)),
        ("descending", sorted(known, reverse=True)),
    ):
        opened.evaluate(f"{heading(region, place)}.querySelector('button').click()")
        found = column(opened, region, place)
        assert [float(v) for v in found if v] == expected
        assert found[len(known) :] == missing
        assert opened.evaluate(f"{heading(region, place)}.getAttribute('aria-sort')") == direction
    opened.evaluate(f"{heading(region, place)}.querySelector('button').click()")
    assert column(opened, region, place) == written
    assert opened.evaluate(f"{heading(region, place)}.getAttribute('aria-sort')") is None


def test_numbers_without_a_value_come_last(opened: Browser) -> None:
    region, place = "Correlations, train", 3
    assert "" in column(opened, region, place)
    for _ in range(2):
        opened.evaluate(f"{heading(region, place)}.querySelector('button').click()")
        assert column(opened, region, place)[-1] == ""


def test_words_sort_as_words_and_rows_stay_whole(opened: Browser) -> None:
    region = "Examples by class, train"
    before = dict(zip(column(opened, region, 0), column(opened, region, 1), strict=True))
    opened.evaluate(f"{heading(region, 0)}.querySelector('button').click()")
    opened.evaluate(f"{heading(region, 0)}.querySelector('button').click()")
    names = column(opened, region, 0)
    assert set(names) == set(CLASSES)
    assert names.index("cat") < names.index(CLASSES[3])  # downwards
    assert dict(zip(names, column(opened, region, 1), strict=True)) == before


def test_a_heading_is_pressed_by_keys(opened: Browser) -> None:
    region = "Effects of factors, train"
    opened.evaluate(f"{heading(region, 3)}.querySelector('button').focus()")
    opened.press("Enter")
    assert opened.evaluate(f"{heading(region, 3)}.getAttribute('aria-sort')") == "ascending"
    assert "ascending" in opened.evaluate("document.getElementById('said').textContent")
    opened.press(" ")
    assert opened.evaluate(f"{heading(region, 3)}.getAttribute('aria-sort')") == "descending"
    opened.press("Tab")
    assert opened.evaluate(f"{heading(region, 4)}.contains(document.activeElement)")


def test_at_first_the_first_of_each_kind_are_shown(opened: Browser) -> None:
    table = awkward()
    for kind in KINDS:
        rows = literal(kind.key, table)
        assert ids(opened, kind.key) == rows["id"].head(FIRST).tolist()
        assert counted(opened, kind.key).startswith(f"{FIRST} of {len(rows)} shown")


@pytest.mark.parametrize("place", range(len(CLASSES)))
def test_a_class_shows_its_examples(opened: Browser, place: int) -> None:
    choose(opened, "class", option(opened, "class", CLASSES[place]))
    for kind in KINDS:
        rows = literal(kind.key, awkward())
        rows = rows[rows["label"] == place]
        assert ids(opened, kind.key) == rows["id"].head(FIRST).tolist()
        assert counted(opened, kind.key).startswith(f"{min(FIRST, len(rows))} of {len(rows)} shown")


def test_a_kind_shows_it_alone(opened: Browser) -> None:
    choose(opened, "kind", "mistake")
    for kind in KINDS:
        assert bool(ids(opened, kind.key)) == (kind.key == "mistake")


@pytest.mark.parametrize(
    ("low", "high"), [(-500.25, 700), (None, -100), (0, None), (5, -5), (1e6, None)]
)
def test_a_range_shows_what_lies_in_it(
    opened: Browser, low: float | None, high: float | None
) -> None:
    on_page = _on_page(opened)
    choose(opened, "column", option(opened, "column", "entropy"))
    choose(opened, "from", "" if low is None else str(low))
    choose(opened, "to", "" if high is None else str(high))
    show_all(opened)
    matching = set()
    for kind in KINDS:
        rows = literal(kind.key, awkward())
        rows = rows[rows["id"].isin(on_page[kind.key])]
        held = len(rows)
        lower = -np.inf if low is None else low
        rows = rows[rows["entropy"].between(lower, np.inf if high is None else high)]
        matching |= set(rows["id"])
        assert ids(opened, kind.key) == rows["id"].tolist()
        assert counted(opened, kind.key) == (
            f"{len(rows)} of {len(rows)} shown that lie in this range, "
            f"among the {held} on this page"
        )
    said = opened.evaluate("document.querySelector('#examples-1 output').textContent")
    assert said.startswith(f"{len(matching)} of the ")


def _on_page(browser: Browser) -> dict[str, set[str]]:
    """The ids of each kind that the page holds, by its own data."""
    data = browser.evaluate("JSON.parse(document.querySelector('#examples-1 script').textContent)")
    return {kind: {data["ids"][n] for n in numbers} for kind, numbers in data["kinds"].items()}


@pytest.mark.parametrize("order", ["ascending", "descending"])
def test_examples_are_put_in_the_order_of_a_number(opened: Browser, order: str) -> None:
    choose(opened, "column", option(opened, "column", "entropy"))
    choose(opened, "order", order)
    choose(opened, "kind", "first")
    show_all(opened)
    rows = literal("first", awkward())
    rows = rows[rows["id"].isin(_on_page(opened)["first"])]
    rows = rows.sort_values("entropy", ascending=order == "ascending", kind="stable")
    found = ids(opened, "first")
    assert rows["entropy"].isna().any()
    assert found == rows["id"].tolist()


def test_filters_meet(opened: Browser) -> None:
    choose(opened, "kind", "never")
    choose(opened, "class", option(opened, "class", CLASSES[1]))
    choose(opened, "column", option(opened, "column", "<b>meta</b>"))
    choose(opened, "from", "2")
    choose(opened, "order", "descending")
    rows = literal("never", awkward())
    rows = rows[rows["id"].isin(_on_page(opened)["never"])]
    rows = rows[(rows["label"] == 1) & (rows["<b>meta</b>"] >= 2)]
    rows = rows.sort_values("<b>meta</b>", ascending=False, kind="stable")
    assert ids(opened, "never") == rows["id"].head(FIRST).tolist()
    assert len(rows) > 3
    opened.evaluate("document.querySelector('#examples-1 form button[type=reset]').click()")
    opened.evaluate("new Promise((done) => setTimeout(done, 20))")
    assert len(ids(opened, "first")) == FIRST
    assert opened.evaluate("document.querySelector('#examples-1 fieldset').disabled")


def test_more_are_shown_and_the_keyboard_goes_on_there(opened: Browser) -> None:
    before = ids(opened, "never")
    opened.evaluate("document.querySelector('#examples-1 [data-kind=never] .more').focus()")
    opened.press("Enter")
    after = ids(opened, "never")
    held = len(_on_page(opened)["never"])
    assert len(after) == min(FIRST + MORE, held)
    assert after[:FIRST] == before
    focused = opened.evaluate("document.activeElement.querySelector('img').title")
    assert focused == after[FIRST]


def test_filters_are_set_by_keys(opened: Browser) -> None:
    opened.evaluate("document.querySelector('#examples-1 form').elements.kind.focus()")
    opened.press("ArrowDown")
    assert opened.evaluate("document.activeElement.value") == "first"
    assert ids(opened, "first")
    assert not ids(opened, "last")
    opened.press("Tab")
    assert opened.evaluate("document.activeElement.name") == "class"
    # Enter in a field sends nothing anywhere.
    choose(opened, "column", "0")
    opened.evaluate("document.querySelector('#examples-1 form').elements.from.focus()")
    opened.press("Enter")
    assert opened.evaluate("document.activeElement.name") == "from"


def test_an_example_opens_with_all_its_numbers(opened: Browser) -> None:
    first = literal("first", awkward()).iloc[0]
    opened.evaluate("document.querySelector('#examples-1 .gallery button').focus()")
    opened.press("Enter")
    text = opened.evaluate("document.querySelector('dialog[open]').innerText")
    for word in (str(first["id"]), str(first["label_name"]), "entropy", "accessibility"):
        assert word in text
    opened.press("Escape")
    assert opened.evaluate("document.querySelector('dialog[open]')") is None
    assert opened.evaluate("document.activeElement.querySelector('img').title") == first["id"]


def test_each_field_and_picture_has_a_name(opened: Browser) -> None:
    nodes = opened.call("Accessibility.getFullAXTree")["nodes"]
    roles = ("button", "combobox", "spinbutton", "img", "image", "link", "region", "navigation")
    unnamed = [
        node
        for node in nodes
        if node.get("role", {}).get("value") in roles
        and not node.get("ignored")
        and not node.get("name", {}).get("value")
    ]
    assert unnamed == []
    assert sum(node.get("role", {}).get("value") == "combobox" for node in nodes) == 4


def test_without_scripts_the_first_of_each_kind_are_there(browser: Browser, page: Path) -> None:
    browser.call("Emulation.setScriptExecutionDisabled", value=True)
    try:
        browser.open(page)
        assert not browser.evaluate("document.querySelector('form').checkVisibility()")
        assert browser.evaluate("document.querySelector('thead button')") is None
        seen: set[str] = set()
        for kind in KINDS:
            wanted = [n for n in literal(kind.key, awkward())["id"] if n not in seen][:FIRST]
            assert ids(browser, kind.key) == wanted
            seen.update(wanted)
            assert counted(browser, kind.key).startswith(f"{len(wanted)} of ")
    finally:
        browser.call("Emulation.setScriptExecutionDisabled", value=False)


def test_in_print_there_are_examples_and_no_filters(opened: Browser, tmp_path: Path) -> None:
    opened.call("Emulation.setEmulatedMedia", media="print")
    try:
        assert not opened.evaluate("document.querySelector('form').checkVisibility()")
        assert not opened.evaluate("document.querySelector('nav').checkVisibility()")
        assert len(ids(opened, "first")) == FIRST
    finally:
        opened.call("Emulation.setEmulatedMedia", media="")
    opened.print(tmp_path / "page.pdf")
    assert (tmp_path / "page.pdf").read_bytes().startswith(b"%PDF")


def test_a_page_that_does_wrong_is_found_out(browser: Browser, tmp_path: Path) -> None:
    """So that the silence of the other tests means something."""
    path = tmp_path / "wrong.html"
    policy = "<meta http-equiv=Content-Security-Policy content=\"script-src 'unsafe-inline'\">"
    path.write_text(
        f"<!doctype html>{policy}<img src=http://localhost:9/x><script>throw 1</script>"
    )
    browser.open(path)
    assert browser.complaints
    assert browser.requests == ["http://localhost:9/x"]


def test_where_there_is_no_browser(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.setenv("CI", "")
    with pytest.raises(pytest.skip.Exception, match="no browser on the path"):
        find()
    monkeypatch.setenv("CI", "true")
    with pytest.raises(pytest.fail.Exception, match="no browser on the path"):
        find()
