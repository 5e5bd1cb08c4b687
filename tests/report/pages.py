"""What a report is made of, small and by hand, and a reader of the page."""

from dataclasses import dataclass, field, fields
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from jagree.report import FigureOnPage, write_report
from jagree.study.findings import FAILS, HOLDS, UNTOLD, Finding, Verdict
from jagree.study.intervention import EFFECTS
from jagree.study.moves import MOVES
from jagree.study.whole import Study

VOID = {"meta", "img", "br", "input"}


def about() -> dict[str, Any]:
    return {
        "name": "quickstart",
        "status": "complete",
        "config": {"seed": 3, "data": {"name": "toy", "sizes": [6, 2]}, "note": "<i>n</i>"},
        "members": [
            {"member": 0, "network": "lenet5", "parameters": 62290},
            {"member": 1, "network": "vgg16", "parameters": 14723136},
            {"member": 2, "network": "lenet5", "parameters": 62290},
        ],
        "data": {
            "name": "toy",
            "train": {"examples": 6000, "fingerprint": "f00d"},
            "test": {"examples": 1, "fingerprint": "beef"},
        },
        "epochs_planned": 4,
        "epochs_recorded": 4,
        "invocations": [
            {
                "command": "python -m jagree.main --config=a.py --config.name='<b>x</b>'",
                "started": "2026-03-01T10:12:00Z",
                "ended": "2026-03-01T10:14:02Z",
                "versions": {"jagree": "0.1.0", "jax": "0.10.2"},
                "device": "cpu x 1 (a <fast> one)",
                "from_epoch": 0,
                "to_epoch": 4,
                "train_seconds": 93.1,
            }
        ],
    }


def agreement() -> pd.DataFrame:
    """Two splits, three epochs; on train the distance from chance is widest after epoch 2."""
    rows = [
        ("train", 1, 0.20, 0.30, 0.10, 0.05, 0.11),
        ("train", 2, 0.40, 0.62, 0.11, 0.10, 0.12),
        ("train", 4, 0.90, 0.851, 0.70, 0.68, 0.75),
        ("test", 1, 0.10, 0.20, 0.05, 0.01, 0.06),
        ("test", 2, 0.30, 0.40, 0.20, 0.10, 0.25),
        ("test", 4, 0.75, 0.50, 0.60, 0.40, 0.65),
    ]
    columns = ["split", "epoch", "accuracy_mean", "true_positive_agreement", "chance_agreement"]
    columns += ["expected_random_agreement", "chance_within_classes"]
    table = pd.DataFrame(rows, columns=columns)
    table.insert(2, "members", 3)
    table.insert(3, "examples", 500)
    constant = {"accuracy_std": 0.0123, "lower_bound": 0.3, "largest_agreement": 0.987}
    return table.assign(**constant, right_by_any=0.5, pabak=-0.25)


def members() -> pd.DataFrame:
    """The three networks after epochs 2 and 4."""
    rows = [
        (split, epoch, member, network, accuracy + member / 100, loss)
        for split, epoch, accuracy, loss in (
            ("train", 2, 0.4, 1.25),
            ("train", 4, 0.9, 0.5),
            ("test", 2, 0.3, np.nan),
            ("test", 4, 0.751, np.nan),
        )
        for member, network in enumerate(("lenet5", "vgg16", "lenet5"))
    ]
    return pd.DataFrame(rows, columns=["split", "epoch", "member", "network", "accuracy", "loss"])


def examples(n: int = 6) -> pd.DataFrame:
    """For six: two agreed on for good, one lost again, three never agreed on."""
    table = pd.DataFrame(
        {
            "id": ["e0", "e1", "e2", "e3", "e4", "<u>e5</u>"],
            "label": [0, 1, 0, 1, 0, 1],
            "label_name": ["cat", "<b>dog</b>", "cat", "<b>dog</b>", "cat", "<b>dog</b>"],
            "agreed_for_good": [np.nan, 4.0, 1.0, np.nan, np.nan, np.nan],
            "ever_agreed": [False, True, True, True, False, False],
            "accessibility": [0.5, 0.6, 0.9, 0.4, 0.1, 0.2],
            "most_common_prediction": [0, 1, 0, 0, 1, -1],
            "most_common_prediction_name": [
                "cat", "<b>dog</b>", "cat", "cat", "<b>dog</b>", "(not finite)",
            ],
            "most_common_prediction_members": [2, 3, 3, 2, 3, 0],
            "same_mistake": [False, False, False, False, True, False],
            "entropy": [1.0, 2.0, 3.0, 4.0, np.nan, 6.5],
        }
    )  # fmt: skip
    return table.iloc[:n]


def classes() -> pd.DataFrame:
    """As `jagree.study.agreed.AgreedTally` gives it; only the names count here."""
    rows = [
        (split, epoch, code, name, 3, 1, 0.5)
        for split in ("train", "test")
        for epoch in (2, 4)
        for code, name in enumerate(("cat", "<b>dog</b>"))
    ]
    columns = ["split", "epoch", "class", "class_name", "examples", "agreed", "share"]
    return pd.DataFrame(rows, columns=columns)


def intervals() -> pd.DataFrame:
    """Of agreement after the last epoch of train."""
    rows = [("train", 4, "true_positive_agreement", 0.851, 0.84, 0.8625)]
    return pd.DataFrame(rows, columns=["split", "epoch", "measure", "value", "low", "high"])


def correlations() -> pd.DataFrame:
    """Two statistics: one goes with learning, the other does not but for its curve."""
    rows = [
        ("entropy", "bit", "curves_v1", -0.5, -0.6, -0.4, 0.01, np.nan, 9, ""),
        ("entropy", "bit", "curves_v2", -0.55, -0.6, -0.4, 0.01, np.nan, 9, ""),
        ("entropy", "bit", "examples", 0.4, 0.3, 0.5, 1e-9, 2e-9, 500, ""),
        ("entropy", "bit", "within_class", 0.3, 0.2, 0.4, 1e-9, 2e-9, 500, ""),
        ("entropy", "bit", "partial", 0.125, -0.02, 0.25, 0.02, 0.04, 500, "dct_share"),
        ("dct_share", "", "curves_v1", 0.97, 0.9, 0.99, 1e-9, np.nan, 9, ""),
        ("dct_share", "", "curves_v2", 0.98, 0.9, 0.99, 1e-9, np.nan, 9, ""),
        ("dct_share", "", "examples", -0.02, -0.1, 0.1, 0.8, 0.8, 500, ""),
        ("dct_share", "", "within_class", -0.01, -0.1, 0.1, 0.9, 0.9, 500, ""),
        ("dct_share", "", "partial", np.nan, np.nan, np.nan, np.nan, np.nan, 500, "entropy"),
    ]
    columns = ["statistic", "units", "kind", "coefficient", "low", "high", "p", "p_adjusted"]
    table = pd.DataFrame(rows, columns=[*columns, "points", "controls"])
    table.insert(0, "split", "train")
    return table


def effects(*rows: tuple[object, ...]) -> pd.DataFrame:
    """By default of three factors: one delays, one brings forward, one cannot be told apart."""
    some = rows or (
        ("train", "noise", "grey levels", 0.0, 55.0, 1.5, 1.0, 2.0, 1e-6, 2e-6, 500, 0.25),
        ("train", "contrast", "", 25.0, 79.99, -2.5, -3.0, -2.0, 1e-6, 2e-6, 500, 0.25),
        ("train", "shape_size", "pixels", 15.0, 22.0, 0.1, -0.3, 0.5, 0.6, 0.6, 500, 0.25),
    )
    # Of any response the page says nothing.
    with_any = [(*row, 0.5) for row in some]
    return pd.DataFrame(with_any, columns=list(EFFECTS)).astype(EFFECTS)


def moves() -> pd.DataFrame:
    """What entropy and the DCT suggest of two of these factors."""
    columns = ["factor", "statistic", "coefficient", "low", "high", "p", "p_adjusted"]
    columns += ["correlation", "slope", "suggested", "suggested_low", "suggested_high"]
    columns += ["effect", "effect_low", "effect_high"]
    rows = [
        ("noise", "dct_share", 1.0, 0.9, 1.1, 0.0, 0.0, 0.1, 0.5, 0.5, 0.4, 0.6, 1.5, 1.0, 2.0),
        ("noise", "entropy", -2.0, -2.1, -1.9, 0.0, 0.0, 0.3, 0.4, -0.8, -1, -0.6, 1.5, 1.0, 2.0),
        ("contrast", "entropy", 0.2, 0.1, 0.3, 0.0, 0.0, 0.3, 0.4, 0.08, -1, 1, -2.5, -3.0, -2.0),
    ]
    table = pd.DataFrame(rows, columns=columns).assign(split="train", examples=500)
    return table[list(MOVES)].astype(MOVES)


def study(**changes: Any) -> Study:
    """Tables of the above; those that no page shows have no rows."""
    content: dict[str, Any] = {
        "agreement": agreement(),
        "members": members(),
        "intervals": intervals(),
        "pairs": pd.DataFrame(),
        "groups": pd.DataFrame(),
        "curves": pd.DataFrame(),
        "types": pd.DataFrame(),
        "classes": classes(),
        "right_counts": pd.DataFrame(),
        "correlations": correlations().iloc[:0],
        "effects": effects().iloc[:0],
        "responses": pd.DataFrame(),
        "moves": moves().iloc[:0],
        "examples": {"train": examples()},
    }
    return Study(**(content | changes))


def finding(sentence: str = "Agreement is <i>high</i>.", **changes: Any) -> Finding:
    content: dict[str, Any] = {
        "key": "high",
        "sentence": sentence,
        "source": "v1 fig. 2a",
        "criterion": "0.5 or more",
        "needs": "a run on anything",
        "check": lambda runs: [],
    }
    return Finding(**(content | changes))


def checks() -> list[tuple[Finding, list[Verdict]]]:
    """One that holds, one that does not hold for a part, one that cannot be told."""
    return [
        (finding(), [Verdict(("run",), "train", HOLDS, "agreement 0.851")]),
        (
            finding("Test is like train."),
            [
                Verdict(("run",), "epoch 2", HOLDS, "0.1 apart"),
                Verdict(("run",), "epoch 4", FAILS, "0.3 apart"),
            ],
        ),
        (finding("Voc is hard."), [Verdict((), "", UNTOLD, why="no run on Pascal VOC")]),
    ]


def diverged(*rows: tuple[int, str, int]) -> pd.DataFrame:
    return pd.DataFrame(rows, columns=["member", "network", "epoch"])


def pictures(n: int = 6, size: int = 4) -> np.ndarray:
    return np.random.default_rng(0).integers(0, 256, (n, size, size, 3), np.uint8)


@dataclass
class Page(HTMLParser):
    """The page as read: text, tags with their attributes, and whether all tags are closed."""

    html: str
    text: str = ""
    tags: list[tuple[str, dict[str, str]]] = field(default_factory=list)
    open_tags: list[str] = field(default_factory=list)
    scripts: list[str] = field(default_factory=list)

    def __post_init__(self) -> None:
        super().__init__()
        self.feed(self.html)
        self.close()
        assert not self.open_tags
        self.text = " ".join(
            self.text.replace("\N{NO-BREAK SPACE}", " ").replace("\N{MINUS SIGN}", "-").split()
        )

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, {name: value or "" for name, value in attrs}))
        if tag not in VOID:
            self.open_tags.append(tag)

    def handle_endtag(self, tag: str) -> None:
        assert self.open_tags.pop() == tag

    def handle_data(self, data: str) -> None:
        if self.open_tags[-1:] == ["script"]:
            self.scripts.append(data)
        elif self.open_tags[-1:] != ["style"]:
            self.text += " " + data

    def all(self, tag: str) -> list[dict[str, str]]:
        return [attributes for name, attributes in self.tags if name == tag]


TABLES = tuple(field.name for field in fields(Study))


def write(path: Path, **changes: Any) -> Page:
    """Write a report of the above, with changes to what it is given or to the study's tables."""
    tables = {name: changes.pop(name) for name in TABLES if name in changes}
    content: dict[str, Any] = {
        "about": about(),
        "study": study(**tables),
        "diverged": diverged(),
        "figures": {"agreement": FigureOnPage("Agreement", "Blue: agreement.", b"\x89PNG no")},
        "images": {"train": pictures()},
    }
    write_report(path, **(content | changes))
    return Page(path.read_text(encoding="utf-8"))
