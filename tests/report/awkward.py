"""A page that asks much of whoever shows it."""

from pathlib import Path

import numpy as np
import pandas as pd

from jagree.report import FigureOnPage
from tests.report.pages import checks, correlations, diverged, effects, moves, write

PAYLOAD = "</script><img src=x onerror=\"window.ran='yes'\"><script>window.ran='yes'</script>"
CLASSES = (
    "cat",
    PAYLOAD,
    "كلب \u202eright to left\u202c \"quoted\" 'too' & 火",
    "a_class_of_an_ontology_" + "whose_names_know_no_end_" * 8,
)


def awkward(n: int = 400) -> pd.DataFrame:
    """Every kind in every class; names that would do harm; numbers that are missing."""
    rng = np.random.default_rng(5)
    label = rng.integers(0, len(CLASSES), n)
    good = rng.choice([1.0, 2.0, 3.0, np.nan], n, p=[0.2, 0.1, 0.2, 0.5])
    entropy = np.where(rng.random(n) < 0.2, np.nan, rng.normal(scale=1e3, size=n))
    rows = pd.DataFrame(
        {
            "id": [f"{'deep/' * 12}{i:04d}<b>{PAYLOAD if i % 7 == 0 else 'x'}" for i in range(n)],
            "label": label,
            "label_name": np.array(CLASSES, object)[label],
            "agreed_for_good": good,
            "ever_agreed": ~np.isnan(good) | (rng.random(n) < 0.3),
            "accessibility": rng.integers(0, 8, n) / 8,
            "most_common_prediction": (label + 1) % len(CLASSES),
            "most_common_prediction_name": np.array(CLASSES, object)[(label + 1) % len(CLASSES)],
            "most_common_prediction_members": 3,
            "same_mistake": np.isnan(good) & (rng.random(n) < 0.4),
            "entropy": entropy,
            "<b>meta</b>": rng.integers(0, 5, n),
        }
    )  # fmt: skip
    return rows.sample(frac=1, random_state=1)


def classes() -> pd.DataFrame:
    rows = [("train", 4, code, name, 1, 1, 0.5) for code, name in enumerate(CLASSES)]
    columns = ["split", "epoch", "class", "class_name", "examples", "agreed", "share"]
    return pd.DataFrame(rows, columns=columns)


def write_awkward(path: Path) -> None:
    """The report of all this."""
    write(
        path,
        examples={"train": awkward()},
        classes=classes(),
        effects=effects(),
        moves=moves(),
        correlations=correlations(),
        checks=checks(),
        diverged=diverged((0, PAYLOAD, 1)),
        figures={
            str(i): FigureOnPage(f"{PAYLOAD} {i}", "Caption. " * 30, b"\x89PNG no")
            for i in range(4)
        },
        images={"train": np.random.default_rng(0).integers(0, 256, (400, 8, 8, 3), np.uint8)},
    )
