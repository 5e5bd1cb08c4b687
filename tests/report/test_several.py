"""The page of several runs: its words and its tables."""

import math
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from jagree.figures import Drawn
from jagree.figures.run_pairs import draw_run_pairs
from jagree.report import several as pages
from jagree.study.several import OpenRun, Several, compare
from jagree.words import SPACE
from tests.study.findings.simulated import blended, dataset, independent, nested

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
    row |= {"difference": -0.15, "low": -0.2, "high": -0.1, "chance": 0.35, "largest": 0.9}
    return row | values


def consistency(**values: Any) -> dict:
    row = {"run_1": "a", "run_2": "b", "within_1": 0.25, "within_2": 0.35, "between": 0.1}
    row |= {"difference": -0.2, "low": -0.25, "high": -0.15, "chance": 0.0, "largest": 0.8}
    return row | values


def of_accuracies(
    first: float, second: float, made: Callable[[np.ndarray], np.ndarray]
) -> tuple[dict, dict, str]:
    """Rows of agreement and of error consistency of two runs, and what the page says of them."""
    runs = []
    for number, accuracy in enumerate((first, second)):
        right = made(np.full((1, 4), accuracy))
        record = dataset(right).assign_coords(seed=("member", np.full(4, number)))
        runs.append(OpenRun("ab"[number], Path("ab"[number]), {"train": record}, {"seed": number}))
    found = compare(runs, resamples=200)
    agreement, kappa = found.across.to_dict("records")
    assert (agreement["measure"], kappa["measure"]) == ("agreement", "error_consistency")
    return agreement, kappa, pages.paragraphs(found)[2].replace(SPACE, " ")


def test_pairs_in_words() -> None:
    text = pages.pair_in_words(pair(), consistency()).replace(SPACE, " ")
    assert text == (
        "Two networks agree on 50.0 % within a, on 60.0 % within b, and on 40.0 % if one is of "
        "each (independent networks of these accuracies would come to 35.0 %, and 90.0 % is the "
        "most they allow). With chance taken out (error consistency) they agree less across runs "
        "than within: 0.100 against 0.300 on average, a difference of \N{MINUS SIGN}0.200 (95 % "
        "interval \N{MINUS SIGN}0.250 to \N{MINUS SIGN}0.150)."
    )
    more = pages.pair_in_words(pair(), consistency(difference=0.1, low=0.05, high=0.2))
    assert "they agree more across runs than within: " in more
    assert "a difference of +0.100" in more
    same = pages.pair_in_words(pair(), consistency(high=0.01))
    assert "they agree across runs as within, as far as these examples tell: 0.100" in same


def test_where_a_run_has_one_network_there_is_no_verdict() -> None:
    nothing = {"within_1": math.nan, "difference": math.nan, "low": math.nan, "high": math.nan}
    unknown = pages.pair_in_words(pair(**nothing), consistency(**nothing))
    assert unknown.startswith("Two networks agree on no value within a")
    assert unknown.endswith("the most they allow).")


def test_runs_that_differ_in_accuracy_only_agree_across_as_within() -> None:
    """Independent networks: agreement across is less than within on average, and yet chance."""
    seeds = iter((1, 2))
    agreement, kappa, text = of_accuracies(
        0.9, 0.5, lambda accuracy: independent(accuracy, 3000, next(seeds))
    )
    assert agreement["high"] < -0.05  # what misled
    assert agreement["between"] == pytest.approx(agreement["chance"], abs=0.01)
    assert kappa["low"] < 0 < kappa["high"]
    assert "they agree across runs as within, as far as these examples tell" in text
    assert f"would come to {100 * agreement['chance']:.1f} %" in text
    assert " less " not in text


def test_what_unequal_accuracies_forbid_is_told() -> None:
    """Networks that agree as much as they can: error consistency cannot be 1 across runs."""
    agreement, kappa, text = of_accuracies(0.9, 0.5, nested)
    assert kappa["within_1"] == kappa["within_2"] == 1
    assert kappa["between"] == kappa["largest"] < 0.5
    assert "they agree less across runs than within: " in text
    assert text.split(" The orders")[0].endswith(
        f"Their unequal accuracies allow {kappa['largest']:.3f} at most, so these alone make it "
        "less."
    )
    assert "unequal" not in pages.pair_in_words(agreement, consistency())


def test_orders_in_words() -> None:
    row = {"rho": 0.5, "low": 0.4, "high": 0.6, "rho_within_class": 0.3}
    assert "correlate by 0.50 [0.40, 0.60] (Spearman; within classes 0.30)" in pages.order_in_words(
        row
    )
    assert "cannot be told" in pages.order_in_words(row | {"rho": math.nan})


def test_many_runs_are_told_of_together() -> None:
    rows = pd.DataFrame(
        [
            consistency(),
            consistency(difference=-0.3, run_2="c", largest=0.2),
            consistency(difference=0.1, low=0.05, high=0.2),
            consistency(high=0.3),
            consistency(difference=math.nan, low=math.nan, high=math.nan),
        ]
    )
    text = pages.many_pairs_in_words(rows)
    assert text.startswith("With chance taken out (error consistency), of 5 pairs of runs, ")
    assert "agree less than those of one in 2 (in 1 of these, unequal accuracies allow no " in text
    assert "more in 1, and by no difference" in text
    assert "can tell in 1; of 1 it is not known." in text
    assert "The difference is lowest for a and c, \N{MINUS SIGN}0.300." in text
    assert pages.many_pairs_in_words(rows[-1:]).endswith("of 1 it is not known.")
    orders = pd.DataFrame({"rho": [0.2, 0.4, 0.9, math.nan]})
    assert "by 0.20 to 0.90 (Spearman; median 0.40)" in pages.many_orders_in_words(orders)
    assert "cannot be told" in pages.many_orders_in_words(orders[-1:])
    found = pages.paragraphs(study(("a", "b", "c", "d")))
    assert len(found) == 3
    assert "of 6 pairs of runs" in found[2]


def test_many_runs_that_differ_in_accuracy_only() -> None:
    runs = []
    for number, accuracy in enumerate((0.9, 0.7, 0.5, 0.3)):
        record = dataset(independent(np.full((1, 3), accuracy), 2000, number))
        record = record.assign_coords(seed=("member", np.full(3, number)))
        runs.append(OpenRun(f"r{number}", Path(f"r{number}"), {"train": record}, {"seed": number}))
    found = compare(runs, resamples=200)
    measures = found.across.set_index("measure")
    clear = {name: int((rows["high"] < 0).sum()) for name, rows in measures.groupby("measure")}
    assert clear["agreement"] >= 4
    assert clear["error_consistency"] <= 1
    assert f"less than those of one in {clear['error_consistency']}" in pages.paragraphs(found)[2]


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
