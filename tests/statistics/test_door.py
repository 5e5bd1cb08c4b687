"""``python -m jagree.statistics`` as a person uses it: garbage, shards, kills."""

import os
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import xarray as xr
from PIL import Image

from jagree.statistics.table import open_tables
from tests.conftest import REPOSITORY

QUICK = f"--config={REPOSITORY / 'configs/quickstart.py'}"
FEW = ("--config.data.train_size=128", "--config.data.test_size=40")
CHEAP = "--config.statistics.names=entropy,segments"


def call(folder: Path, *arguments: str) -> subprocess.CompletedProcess:
    command = [sys.executable, "-m", "jagree.statistics", *arguments]
    return subprocess.run(command, cwd=folder, capture_output=True, text=True, timeout=300)


@pytest.fixture(scope="module")
def photos(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("data") / "photos"
    (folder / "more").mkdir(parents=True)
    rng = np.random.default_rng(0)
    for i, size in enumerate([(40, 30), (64, 64), (9, 9), (33, 50)]):
        pixels = rng.integers(0, 255, (*size, 3), np.uint8)
        Image.fromarray(pixels).save(folder / "more" / f"{i}.png")
    return folder


def test_a_folder_of_images_of_any_size(photos: Path, tmp_path: Path) -> None:
    done = call(tmp_path, f"--images={photos}", "--panel=more/1.png,more/2.png")
    assert done.returncode == 0, done.stderr
    assert done.stderr == ""
    out = tmp_path / "runs/statistics/photos"
    assert f"statistics: {out.relative_to(tmp_path)}" in done.stdout
    found = open_tables(out / "statistics.zarr")["photos"]
    assert found["id"].values.tolist() == [f"more/{i}.png" for i in range(4)]
    # A 9x9 image has no 10x10 window, which is no failure.
    assert np.isnan(found["entropy"]).values.tolist() == [False, False, True, False]
    assert not np.isnan(found["segments"]).any()
    summary = pd.read_csv(out / "statistics.csv").set_index("statistic")
    assert summary.loc["entropy", "examples"] == 3
    assert summary.loc["entropy", "without_value"] == 1
    assert summary.loc["segments", "mean"] == pytest.approx(found["segments"].values.mean())
    for name in ("histograms_photos.png", "histograms_photos.pdf", "panel_photos.png"):
        assert (out / "figures" / name).stat().st_size > 5_000


def test_an_unreadable_image_is_named_and_the_exit_code_says_so(
    photos: Path, tmp_path: Path
) -> None:
    broken = shutil.copytree(photos, tmp_path / "broken")
    (broken / "more/0.png").write_bytes((photos / "more/0.png").read_bytes()[:-200])
    done = call(tmp_path, f"--images={broken}")
    assert done.returncode == 3
    assert "no value for 'more/0.png'" in done.stdout
    assert "1 image could not be measured, nan in the table" in done.stdout
    found = open_tables(tmp_path / "runs/statistics/broken/statistics.zarr")["broken"]
    for name in ("entropy", "segments", "edge_strength"):
        assert np.isnan(found[name].values[0])
    assert not np.isnan(found["edge_strength"].values[1:]).any()


def test_it_says_what_it_counts_and_what_it_rounds_up(photos: Path, tmp_path: Path) -> None:
    few = ("--config.statistics.names=edge_strength", "--config.statistics.edges.examples=3")
    done = call(tmp_path, f"--images={photos}", *few)
    assert "reading 4 files to tell" in done.stdout
    assert "  edge_strength of 4 (photos) images: statistics.edges.examples=3 is" in done.stdout
    (tmp_path / "one").mkdir()
    shutil.copy(photos / "more/1.png", tmp_path / "one")
    done = call(tmp_path, "--images=one", *few)
    assert "reading 1 file to tell" in done.stdout
    assert "rounded" not in done.stdout


def test_shards_and_what_they_say(tmp_path: Path) -> None:
    for shard in (1, 0):
        done = call(tmp_path, QUICK, *FEW, CHEAP, f"--shard={shard}/2")
        assert done.returncode == 0, done.stderr
        assert f"shard {shard} of 0 to 1 is done" in done.stdout
        assert not (tmp_path / "runs/statistics/quickstart").exists()
    assert call(tmp_path, QUICK, *FEW, CHEAP).returncode == 0
    assert call(tmp_path, QUICK, *FEW, CHEAP, "--config.statistics.dir=alone").returncode == 0
    one = open_tables(tmp_path / "runs/statistics/quickstart/statistics.zarr")
    two = open_tables(tmp_path / "alone/quickstart/statistics.zarr")
    assert list(one) == ["train", "test"]
    for name in one:
        xr.testing.assert_identical(one[name], two[name])


def test_results_are_not_measured_as_images_and_do_not_hide_others(
    photos: Path, tmp_path: Path
) -> None:
    here = shutil.copytree(photos, tmp_path / "photos")
    names = "--config.statistics.names=segments"
    for _ in range(2):  # the second time there are figures below it
        done = call(here, "--images=.", names, "--panel=more/1.png")
        assert done.returncode == 0, done.stderr
        table = open_tables(here / "runs/statistics/photos/statistics.zarr")["photos"]
        assert table["id"].size == 4
        assert list(table.data_vars) == ["segments"]
    other = shutil.copytree(photos / "more", tmp_path / "other/photos")
    refused = call(here, f"--images={other}", names)
    assert refused.returncode == 2
    assert "holds the statistics of other images; choose another --out" in refused.stderr
    assert len(list((here / "runs/statistics/parts/images").iterdir())) == 1  # measured nothing


@pytest.mark.parametrize("taken", ["file", "thesis"])
def test_what_is_not_ours_is_not_overwritten(taken: str, photos: Path, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("kept")
    (tmp_path / "thesis").mkdir()
    (tmp_path / "thesis/statistics.csv").write_text("kept")
    refused = call(tmp_path, f"--images={photos}", f"--out={taken}")
    assert refused.returncode == 2
    assert refused.stderr.count("\n") == 1
    assert "choose another --out=FOLDER" in refused.stderr
    assert not (tmp_path / "runs").exists()
    assert (tmp_path / "thesis/statistics.csv").read_text() == "kept"


def test_after_a_kill_while_the_table_was_put_in_place_the_same_command_goes_on(
    photos: Path, tmp_path: Path
) -> None:
    arguments = (f"--images={photos}", "--config.statistics.names=segments")
    assert call(tmp_path, *arguments).returncode == 0
    out = tmp_path / "runs/statistics/photos"
    (out / "statistics.zarr").rename(out / "statistics.zarr.0f3c.partial")  # between two renames
    again = call(tmp_path, *arguments)
    assert again.returncode == 0, again.stderr
    assert open_tables(out / "statistics.zarr")["photos"]["id"].size == 4


def test_an_image_of_the_panel_that_cannot_be_read_stops_nothing(
    photos: Path, tmp_path: Path
) -> None:
    folder = shutil.copytree(photos, tmp_path / "p")
    (folder / "$x^$y.png").write_bytes((photos / "more/1.png").read_bytes())
    (folder / "broken.png").write_text("no")
    (folder / "lost.png").symlink_to(tmp_path / "nowhere.png")
    done = call(
        tmp_path,
        "--images=p",
        "--config.statistics.names=segments",
        "--panel=broken.png,$x^$y.png",
    )
    assert done.returncode == 3, done.stderr
    assert done.stderr == ""
    assert "--panel: 'broken.png' cannot be drawn" in done.stdout
    for name in ("broken.png", "lost.png"):
        assert f"no value for '{name}': segments: " in done.stdout
    assert (tmp_path / "runs/statistics/p/figures/panel_p.png").exists()


WRONG = {
    "of what": ((), "say of what"),
    "shard": ((QUICK, "--shard=8/8"), "--shard must be I/N with I from 0 to N - 1"),
    "shard text": ((QUICK, "--shard=a"), "--shard must be I/N"),
    "folder": (("--images=nowhere",), "nowhere"),
    "no images": (("--images=.",), "no image"),
    "empty": (("--images=",), "say of what"),
    "statistic": (
        (QUICK, "--config.statistics.names=entropy,edge"),
        "unknown statistic 'edge'",
    ),
    "twice": ((QUICK, "--config.statistics.names=entropy,entropy"), "twice"),
    "preset": ((QUICK, "--config.statistics.edges.preset=fast"), "unknown edge preset 'fast'"),
    "repeats": ((QUICK, "--config.statistics.edges.repeats=0"), "must be 1 or more"),
    "resize": ((QUICK, "--config.statistics.resize=-1"), "must be 0 or more"),
    "panel": ((QUICK, *FEW, "--panel=zebra"), "--panel: no image 'zebra'; ids look like 'train_"),
    "argument": ((QUICK, "zebra"), "unexpected argument 'zebra'"),
    "flag": (("--stages=train",), "Unknown command line flag 'stages'"),
}


@pytest.mark.parametrize("case", WRONG, ids=str)
def test_garbage_is_refused_in_one_line_before_anything_is_written(
    case: str, tmp_path: Path
) -> None:
    arguments, message = WRONG[case]
    done = call(tmp_path, *arguments)
    assert done.returncode == 2
    assert done.stderr.startswith("jagree: ")
    assert done.stderr.count("\n") == 1
    assert message in done.stderr
    assert list(tmp_path.iterdir()) == []


@pytest.mark.slow
def test_killed_at_any_moment_it_goes_on_and_measures_nothing_twice(tmp_path: Path) -> None:
    # Edge strengths are kept in parts of 20: 300 + 50 images make 18 of them.
    arguments = [
        QUICK,
        "--config.data.train_size=300",
        "--config.data.test_size=50",
        "--config.statistics.names=edge_strength",
        "--config.statistics.edges.examples=0",
    ]
    command = [sys.executable, "-m", "jagree.statistics", *arguments]
    kept: dict[Path, int] = {}
    for enough in (2, 6):
        with subprocess.Popen(command, cwd=tmp_path, stdout=subprocess.DEVNULL) as process:
            deadline = time.monotonic() + 240
            while len(list(tmp_path.rglob("*.npz"))) < enough:
                assert process.poll() is None
                assert time.monotonic() < deadline
                time.sleep(0.01)
            os.kill(process.pid, signal.SIGKILL)
        for file in tmp_path.rglob("*.npz"):
            written = file.stat().st_mtime_ns
            assert kept.setdefault(file, written) == written  # never written again
    assert len(kept) < 18
    assert call(tmp_path, *arguments).returncode == 0
    for file, written in kept.items():
        assert file.stat().st_mtime_ns == written
    assert call(tmp_path, *arguments, "--config.statistics.dir=alone").returncode == 0
    one = open_tables(tmp_path / "runs/statistics/quickstart/statistics.zarr")
    two = open_tables(tmp_path / "alone/quickstart/statistics.zarr")
    for name in one:
        xr.testing.assert_identical(one[name], two[name])
        assert not np.isnan(one[name]["edge_strength"]).any()
