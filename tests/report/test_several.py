"""The page of several runs: its words and its tables."""

import math
import re
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from jagree.figures import Drawn
from jagree.figures.run_pairs import draw_run_pairs
from jagree.report import several as pages
from jagree.study.several import OpenRun, Several, compare
from jagree.words import SPACE
from tests.study.findings.simulated import blended, dataset

ACCURACY = np.linspace(0.3, 0.8, 3)[:, None] * np.ones(3)
EVIL = "<script>alert(1)</script>"


def study(names: tuple[str, ...] = ("a", EVIL), members: int = 3) -> Several:
    runs = []
    for number, name in enumerate(names):
        right = blended(ACCURACY[:, :members], 0.5, 400, number)
        record = dataset(right).assign_coords(seed=("member", np.full(members, number)))
        config = {"seed": number, "batch_size": 32, "note": f"<b>{number}"}
        runs.append(OpenRun(name, Path(name), {"train": record}, config))
    return compare(runs, resamples=50)


def written(path: Path, found: Several, links: list[str]) -> str:
    drawn = {"pairs": Drawn("A <title>", "A <caption>.", draw_run_pairs(found.across))}
    pages.write_several(path, found, drawn, links)
    return path.read_text()


def test_the_page_has_every_table_and_escapes_what_it_is_given(tmp_path: Path) -> None:
    found = study()
    page = written(tmp_path / "report.html", found, ["../a/report.html", ""])
    assert EVIL not in page
    assert "&lt;script&gt;alert(1)&lt;/script&gt;" in page
    assert "<b>" not in page.split("<body>")[1]
    assert "<h2>A &lt;title&gt;</h2>" in page
    assert "A &lt;caption&gt;." in page
    assert page.count("<a href=") == page.count('<a href="../a/report.html">a</a>') == 1
    assert page.count("data:image/png;base64,") == 1
    assert "default-src &#39;none&#39;" in page or "default-src 'none'" in page
    assert "nan" not in page.split("<body>")[1].replace("data:image", "").split("base64")[0]
    row = found.across.iloc[-2]
    assert row["measure"] == "agreement"
    for column in ("within_1", "between", "low", "largest"):
        assert f"<td>{100 * row[column]:.1f}{SPACE}%</td>" in page
    assert f"<td>{found.order['rho'].iloc[0]:.2f}</td>" in page
    for note in found.notes:
        assert note.replace("<", "&lt;").replace(">", "&gt;").replace("'", "&#39;") in page


def test_every_table_scrolls_by_itself(tmp_path: Path) -> None:
    body = written(tmp_path / "report.html", study(), ["", ""]).split("<body>")[1]
    boxes = re.findall(r'<div class="scroll".*?</div>', body, re.DOTALL)
    assert sum(box.count("<table") for box in boxes) == body.count("<table") == 4


def pair(**values: float) -> dict:
    row = {"run_1": "a", "run_2": "b", "within_1": 0.5, "within_2": 0.6, "between": 0.4}
    return row | {"difference": -0.15, "low": -0.2, "high": -0.1, "largest": 0.9} | values


def test_pairs_in_words() -> None:
    text = pages.pair_in_words(pair()).replace(SPACE, " ")
    assert text == (
        "Two networks agree on 50.0 % within a, on 60.0 % within b, and on 40.0 % if one is of "
        "each (at their accuracies 90.0 % at most): 15.0 percentage points less than within, on "
        "average (95 % interval \N{MINUS SIGN}20.0 to \N{MINUS SIGN}10.0)."
    )
    more = pages.pair_in_words(pair(difference=0.1, low=0.05, high=0.2))
    assert "10.0 percentage points more than within" in more
    assert "as far as these examples tell" in pages.pair_in_words(pair(high=0.01))
    unknown = pages.pair_in_words(pair(within_1=math.nan, difference=math.nan, low=math.nan))
    assert "on no value within a" not in unknown.replace("no value within", "")
    assert unknown.endswith("at most).")


def test_orders_in_words() -> None:
    row = {"rho": 0.5, "low": 0.4, "high": 0.6, "rho_within_class": 0.3}
    assert "correlate by 0.50 [0.40, 0.60] (Spearman; within classes 0.30)" in pages.order_in_words(
        row
    )
    assert "cannot be told" in pages.order_in_words(row | {"rho": math.nan})


def test_many_runs_are_told_of_together() -> None:
    rows = pd.DataFrame(
        [
            pair(),
            pair(difference=-0.3, run_2="c"),
            pair(difference=0.1, low=0.05, high=0.2),
            pair(high=0.3),
            pair(difference=math.nan, low=math.nan, high=math.nan),
        ]
    )
    text = pages.many_pairs_in_words(rows)
    assert "Of 5 pairs of runs" in text
    assert "agree less than those of one in 2, more in 1, and by no difference" in text
    assert "can tell in 1; of 1 it is not known." in text
    assert "farthest apart in a and c, by \N{MINUS SIGN}30.0 percentage points." in text
    assert pages.many_pairs_in_words(rows[-1:]).endswith("of 1 it is not known.")
    orders = pd.DataFrame({"rho": [0.2, 0.4, 0.9, math.nan]})
    assert "by 0.20 to 0.90 (Spearman; median 0.40)" in pages.many_orders_in_words(orders)
    assert "cannot be told" in pages.many_orders_in_words(orders[-1:])
    found = pages.paragraphs(study(("a", "b", "c", "d")))
    assert len(found) == 3
    assert "Of 6 pairs of runs" in found[2]


def test_words_of_a_split() -> None:
    found = study(("a", "b"))
    lead, together, one = pages.paragraphs(found)
    assert lead.startswith("2 runs on the same data, which differ in seed and note. ")
    assert "all 6 networks of the runs together" in together
    assert "After epoch 3, on the training examples" in together
    share = found.together["true_positive_agreement"].iloc[-1]
    assert f"agree on {100 * share:.1f}{SPACE}%" in together
    assert one.startswith("Two networks agree on ")


def test_runs_of_one_network(tmp_path: Path) -> None:
    found = study(("a", "b"), members=1)
    page = written(tmp_path / "report.html", found, ["", ""])
    assert "no value" in page
    assert "Of one network there is no agreement within the run: a and b." in page


@pytest.mark.parametrize("bad", ['"><img src=x onerror=alert(1)>', "javascript:alert(1)"])
def test_a_link_is_an_attribute_only(tmp_path: Path, bad: str) -> None:
    page = written(tmp_path / "report.html", study(("a", "b")), [bad, ""])
    assert "<img src=x" not in page
