"""What a report is made of, small and by hand, and a reader of the page."""

from dataclasses import dataclass, field
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from jagree.report import write_report

VOID = {"meta", "img", "br"}


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
        }
    )  # fmt: skip
    return table.iloc[:n]


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

    def __post_init__(self) -> None:
        super().__init__()
        self.feed(self.html)
        self.close()
        assert not self.open_tags
        self.text = " ".join(self.text.replace("\N{NO-BREAK SPACE}", " ").split())

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, {name: value or "" for name, value in attrs}))
        if tag not in VOID:
            self.open_tags.append(tag)

    def handle_endtag(self, tag: str) -> None:
        assert self.open_tags.pop() == tag

    def handle_data(self, data: str) -> None:
        if self.open_tags[-1:] != ["style"]:
            self.text += " " + data

    def all(self, tag: str) -> list[dict[str, str]]:
        return [attributes for name, attributes in self.tags if name == tag]


def write(path: Path, **changes: Any) -> Page:
    """Write a report of the above, with changes, and read it."""
    content: dict[str, Any] = {
        "about": about(),
        "agreement": agreement(),
        "examples": {"train": examples()},
        "members": members(),
        "diverged": diverged(),
        "figures": {"Agreement": b"\x89PNG not really"},
        "captions": {},
        "images": {"train": pictures()},
    }
    write_report(path, **(content | changes))
    return Page(path.read_text(encoding="utf-8"))
