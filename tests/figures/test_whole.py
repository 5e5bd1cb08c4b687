"""All figures of studies of small records, whatever these have."""

import re
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import xarray as xr

from jagree.errors import UsageError
from jagree.figures import PAPER, SAFE, Drawn, draw_study, save, to_png
from jagree.study.whole import Study, study_record
from tests.figures.tables import check_layout
from tests.study.records import write

SIZES = {"train": 120, "test": 60}
WITHOUT_STATISTICS = ["right_counts_train", "classes_train", "right_counts_test", "classes_test"]
OF_STATISTICS = ["curves", "types", "density"]


def labels(classes: int = 3) -> dict[str, np.ndarray]:
    return {name: np.arange(n) % classes for name, n in SIZES.items()}


def predictions(truth: dict[str, np.ndarray], epochs: int, members: int) -> dict[str, np.ndarray]:
    """Of members that learn: [E, K, N], or [E, K, N, C] where labels are sets."""
    rng = np.random.default_rng(0)
    found = {}
    for name, y in truth.items():
        p = np.linspace(0.3, 0.95, epochs).reshape(-1, 1, 1)
        right = rng.random((epochs, members, len(y))) < p * np.linspace(1, 0.6, len(y))
        if y.ndim == 2:
            found[name] = np.where(right[..., None], y, ~y).astype(np.int8)
        else:
            found[name] = np.where(right, y, (y + 1) % 3)
    return found


def statistics(name: str, **more: Any) -> xr.Dataset:
    rng = np.random.default_rng(1)
    n = SIZES[name]
    columns: dict[str, Any] = {
        "entropy": ("example", rng.normal(6, 0.3, n), {"units": "bit"}),
        "edge_strength_se": ("example", rng.random(n), {"units": "pixel"}),
        "segments": ("example", rng.integers(1, 9, n), {"units": ""}),
        "height": ("example", np.full(n, 32), {"units": "pixel"}),
        "noise": ("example", rng.random(n), {"units": "grey levels", "assigned": 1}),
        "light": ("example", np.array(["left", "right"] * (n // 2), object), {}),
    }
    ids = np.array([f"{name}_{i}" for i in range(n)], object)
    return xr.Dataset(columns | more, {"id": ("example", ids)})


def images() -> dict[str, np.ndarray]:
    rng = np.random.default_rng(2)
    return {name: rng.integers(0, 256, (n, 8, 8, 3), np.uint8) for name, n in SIZES.items()}


def make_study(
    path: Path,
    *,
    epochs: int = 9,
    members: int = 4,
    measured: bool = True,
    truth: dict[str, np.ndarray] | None = None,
    splits: tuple[str, ...] = ("train", "test"),
    **more: Any,
) -> Study:
    truth = {name: y for name, y in (truth or labels()).items() if name in splits}
    record = write(path, truth, predictions(truth, epochs, members), epochs=range(1, epochs + 1))
    tables = {name: statistics(name, **more) for name in splits} if measured else {}
    return study_record(record, tables, resamples=20)


def check(drawn: dict[str, Drawn]) -> None:
    """What holds for every figure."""
    for name, one in drawn.items():
        assert re.fullmatch("[a-z_]+", name)
        assert one.title
        sentences = re.findall(r"[.?](?: |$)", one.caption)
        assert 1 <= len(sentences) <= 5, name
        assert one.caption.endswith(".")
        assert not set(one.caption + one.title) & set("<>{}$_"), name
        check_layout(one.figure) if not name.startswith("wall") else to_png(one.figure)


def test_everything_there_is_has_a_figure_agreement_first(tmp_path: Path) -> None:
    drawn = draw_study(make_study(tmp_path, members=10), images())
    # Ten members, but each of a network of its own: there are no groups.
    assert list(drawn) == [
        "agreement",
        "pabak",
        *WITHOUT_STATISTICS,
        *(f"{name}_{split}" for split in SIZES for name in OF_STATISTICS),
        "correlations",
        *(f"{name}_{split}" for split in SIZES for name in ("responses", "wall", "data_map")),
    ]
    check(drawn)
    assert len({one.title for one in drawn.values()}) == len(drawn)
    assert "training" in drawn["curves_train"].title
    assert drawn["agreement"].figure.axes[0].get_title(loc="left") == "train, K = 10"


def test_captions_claim_no_more_than_is_drawn(tmp_path: Path) -> None:
    drawn = draw_study(make_study(tmp_path, splits=("train",)), {})
    assert drawn["responses_train"].caption.endswith(
        "Values were drawn at random for each example, so what differs between doses is caused by "
        "the factor, but for chance (intervals: 95 %)."
    )
    assert "it is a cause" not in drawn["responses_train"].caption
    assert "(p 0.05 or more, adjusted" in drawn["correlations"].caption


def test_groups_of_networks_have_a_figure(tmp_path: Path) -> None:
    truth = labels()
    record = write(tmp_path, truth, predictions(truth, 4, 10), epochs=range(1, 5))
    same = {n: s.assign_coords(network=("member", ["net"] * 10)) for n, s in record.items()}
    drawn = draw_study(study_record(same, {}, resamples=5), {})
    assert "groups" in drawn
    check(drawn)


def test_a_record_alone(tmp_path: Path) -> None:
    drawn = draw_study(make_study(tmp_path, measured=False), {})
    maps = ["data_map_train", "data_map_test"]
    assert list(drawn) == ["agreement", "pabak", *WITHOUT_STATISTICS, *maps]
    check(drawn)


def test_one_epoch(tmp_path: Path) -> None:
    drawn = draw_study(make_study(tmp_path, epochs=1), images())
    assert not {"curves_train", "curves_test"} & set(drawn)
    assert {"agreement", "types_train", "wall_test", "responses_train"} <= set(drawn)
    check(drawn)


def test_one_member(tmp_path: Path) -> None:
    drawn = draw_study(make_study(tmp_path, members=1), images())
    assert "pabak" not in drawn
    assert {"agreement", "curves_train", "right_counts_train"} <= set(drawn)
    check(drawn)


def test_several_labels(tmp_path: Path) -> None:
    rng = np.random.default_rng(3)
    truth = {name: rng.random((n, 3)) < 0.4 for name, n in SIZES.items()}
    drawn = draw_study(make_study(tmp_path, truth=truth), images())
    assert {"classes_train", "curves_train", "wall_train"} <= set(drawn)
    check(drawn)


def test_nobody_is_ever_right(tmp_path: Path) -> None:
    truth = labels()
    wrong = {name: np.broadcast_to((y + 1) % 3, (8, 3, len(y))) for name, y in truth.items()}
    record = write(tmp_path, truth, wrong, epochs=range(1, 9))
    tables = {name: statistics(name) for name in SIZES}
    drawn = draw_study(study_record(record, tables, resamples=5), images())
    assert not {"classes_train", "curves_train", "correlations"} & set(drawn)
    assert {"agreement", "wall_train", "density_train"} <= set(drawn)
    check(drawn)


def test_odd_columns(tmp_path: Path) -> None:
    """Without any value, with few, called like a column of the study, and with odd names."""
    n = SIZES["train"]
    few = np.where(np.arange(n) < 3, np.arange(n), np.nan)
    odd: dict[str, Any] = {
        "nothing": ("example", np.full(n, np.nan), {}),
        "few": ("example", few, {"units": "$"}),
        "loss": ("example", np.random.default_rng(4).random(n), {"units": "nat"}),
        "confidence": ("example", np.random.default_rng(5).random(n), {}),
        "_$price in 円": ("example", np.arange(n), {"units": "円"}),
        "kind": ("example", np.array(["$", "_x", "", "犬"] * (n // 4), object), {}),
    }
    truth = labels()
    record = write(tmp_path, truth, predictions(truth, 9, 3), epochs=range(1, 10))
    tables = {"train": statistics("train", **odd)}
    check(draw_study(study_record(record, tables, resamples=5), images()))


def test_colours_are_those_of_the_palette(tmp_path: Path) -> None:
    study = make_study(tmp_path, splits=("train",))
    safe, paper = (draw_study(study, images(), palette) for palette in (SAFE, PAPER))
    assert list(safe) == list(paper)
    unaffected = {name for name in safe if to_png(safe[name].figure) == to_png(paper[name].figure)}
    assert unaffected <= {"data_map_train", "wall_train"}


def test_the_same_study_gives_the_same_files(tmp_path: Path) -> None:
    study = make_study(tmp_path, splits=("train",))
    written = [
        {
            path.name: path.read_bytes()
            for name, one in draw_study(study, images()).items()
            for path in save(one.figure, tmp_path / again / name)
        }
        for again in ("first", "second")
    ]
    assert len(written[0]) == 2 * 11
    assert written[0] == written[1]


def test_no_epoch_is_refused(tmp_path: Path) -> None:
    study = make_study(tmp_path)
    with pytest.raises(UsageError, match="no epoch is recorded yet"):
        draw_study(Study(**{**vars(study), "agreement": study.agreement.iloc[:0]}), {})
