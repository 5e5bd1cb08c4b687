"""The table: each image once, whoever measures it, in whatever pieces."""

import json
import os
import shutil
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import xarray as xr
from ml_collections import ConfigDict

from jagree import registry
from jagree.configs import default
from jagree.data.sources.controlled import load
from jagree.data.split import Column, Split
from jagree.errors import UsageError
from jagree.statistics import dct, edges, entropy, inputs, parts, segments
from jagree.statistics.store import Store
from jagree.statistics.table import failures, joined, measure, open_tables, table, write_tables
from tests.statistics import workers


@pytest.fixture(autouse=True)
def _more_statistics(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("sum", "drawn"):
        entry = f"tests.statistics.workers:{name.upper()}"
        monkeypatch.setitem(registry.TABLE["statistic"], name, entry)


@pytest.fixture
def options() -> ConfigDict:
    options = default.get_config().statistics
    options.workers = 1
    options.names = ("sum",)
    return options


@pytest.fixture(scope="module")
def split() -> Split:
    config = default.get_config().data
    config.train_size = 30
    return load("train", config)


class Counted:
    """A split that notes which images are read, and fails where it is told to."""

    def __init__(self, split: Split) -> None:
        self.split, self.read, self.broken = split, list[str](), set[str]()
        self.name, self.id, self.fingerprint = split.name, split.id, split.fingerprint
        self.metadata = split.metadata

    def originals(self, positions: np.ndarray) -> "Reading":
        return Reading(self, positions)


class Reading:
    def __init__(self, counted: Counted, positions: np.ndarray) -> None:
        self.counted, self.positions = counted, positions

    def __getitem__(self, i: int) -> np.ndarray:
        example = str(self.counted.id[self.positions[i]])
        self.counted.read.append(example)
        if example in self.counted.broken:
            raise OSError("image file is truncated")
        return self.counted.split.image[self.positions[i]]


@pytest.fixture
def counted(split: Split) -> Counted:
    return Counted(split)


@pytest.fixture
def _small_parts(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(workers, "SUM", replace(workers.SUM, per_part=4))


def test_every_statistic_is_that_of_the_image_with_its_id(
    split: Split, options: ConfigDict, tmp_path: Path
) -> None:
    options.names = default.get_config().statistics.names
    found = table(split, options, store=tmp_path, source="controlled")
    assert [n for n, v in found.data_vars.items() if v.kind == "statistic"] == list(options.names)
    for i in (0, 17, 29):
        image, row = split.image[i], found.isel(example=i)
        assert row["id"].item() == split.id[i]
        assert row["entropy"] == entropy.mean_local_entropy(image)
        assert row["entropy_uint8"] == entropy.mean_local_entropy(image, rounded=True)
        assert row["dct_share"] == dct.dct_share(image)
        assert row["dct_share_ac"] == dct.dct_share(image, include_dc=False)
        assert row["segments"] == segments.segment_count(image)
        assert row["gradient_strength"] == edges.gradient_strength(image)
        assert row["edge_strength"] > 0
    assert found.attrs["fingerprint"] == split.fingerprint
    assert found.attrs["data"] == "controlled"
    assert found["entropy"].attrs["units"] == "bit"
    assert found["dct_share"].attrs["fraction"] == 1
    assert json.loads(found["edge_strength"].attrs["settings"]) == {
        "preset": "speedy", "seed": 0, "repeats": 1
    }  # fmt: skip
    assert found["clutter"].attrs["kind"] == "metadata"
    assert found["clutter"].attrs["assigned"] == 1
    np.testing.assert_array_equal(found["clutter"], split.metadata["clutter"].values)


def test_repeats_give_a_mean_and_its_standard_error(
    split: Split, options: ConfigDict, tmp_path: Path
) -> None:
    from jagree import seeds

    options.names = ("edge_strength",)
    options.edges.examples = 1
    one = table(split, options, store=tmp_path)["edge_strength"].values
    position = parts.measuring_order(split.id)[0]
    options.edges.repeats = 3
    several = table(split, options, store=tmp_path).isel(example=position)
    seed = seeds.of_example(0, "edge_strength", str(split.id[position]))
    sums = edges.edge_strengths(split.image[position], "speedy", seed, 3)
    assert one[position] == sums[0]
    assert several["edge_strength"] == pytest.approx(sums.mean())
    assert several["edge_strength_se"] == pytest.approx(sums.std(ddof=1) / np.sqrt(3))


def test_input_options_and_where_they_apply(
    split: Split, options: ConfigDict, tmp_path: Path
) -> None:
    options.names = ("entropy", "segments")
    options.jpeg75 = True
    options.resize = 16
    options.resized = ("entropy",)
    found = table(split, options, store=tmp_path)
    jpeg = inputs.jpeg75(split.image[3])
    assert found["entropy"][3] == entropy.mean_local_entropy(inputs.resize(jpeg, 16))
    assert found["segments"][3] == segments.segment_count(jpeg)
    assert json.loads(found["entropy"].attrs["settings"]) == {"jpeg75": True, "resize": 16}
    assert json.loads(found["segments"].attrs["settings"]) == {"jpeg75": True}


def test_several_processes_give_the_same(
    split: Split, options: ConfigDict, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    options.names = ("entropy", "gradient_strength", "edge_strength")
    options.edges.examples = 3  # its parts are of 50, more than there are
    one = table(split, options, store=tmp_path / "one")
    options.workers = 2
    xr.testing.assert_identical(one, table(split, options, store=tmp_path / "two"))


@pytest.mark.usefixtures("_small_parts")
def test_a_second_call_measures_nothing_and_a_longer_list_only_what_is_new(
    counted: Counted, options: ConfigDict, tmp_path: Path
) -> None:
    first = table(counted, options, store=tmp_path)
    assert sorted(counted.read) == counted.id.tolist()
    counted.read.clear()
    xr.testing.assert_identical(first, table(counted, options, store=tmp_path))
    assert counted.read == []
    options.names = ("sum", "drawn")
    options.edges.examples = 8
    more = table(counted, options, store=tmp_path)
    assert len(counted.read) == 8
    np.testing.assert_array_equal(more["sum"], first["sum"])


@pytest.mark.usefixtures("_small_parts")
def test_each_image_is_read_once_for_all_statistics(
    counted: Counted, options: ConfigDict, tmp_path: Path
) -> None:
    options.names = ("sum", "drawn")
    table(counted, options, store=tmp_path)
    assert sorted(counted.read) == counted.id.tolist()


def test_part_of_the_examples_is_a_random_part_and_grows(
    split: Split, options: ConfigDict, tmp_path: Path
) -> None:
    options.names = ("drawn",)
    found = []
    for examples in (5, 16, 0):
        options.edges.examples = examples
        found.append(table(split, options, store=tmp_path)["drawn"].values)
    few, more, every = (set(np.flatnonzero(~np.isnan(values))) for values in found)
    assert (len(few), len(more), len(every)) == (8, 16, 30)  # whole parts of 4
    assert few < more
    assert few != set(range(8))
    for values in found[:2]:
        known = ~np.isnan(values)
        np.testing.assert_array_equal(values[known], found[2][known])
    assert len(set(found[2])) == 30  # each image its own random numbers
    for examples, known in ((0, 30), (1, 4), (4, 4), (5, 8), (28, 28), (29, 30), (31, 30)):
        options.edges.examples = examples
        assert parts.measured(parts.request("drawn", options), 30) == known
    assert parts.measured(parts.request("drawn", options), 0) == 0


def test_random_numbers_belong_to_the_image_not_to_its_place(
    split: Split, options: ConfigDict, tmp_path: Path
) -> None:
    options.names = ("drawn",)
    whole = table(split, options, store=tmp_path)
    keep = np.array([2, 11, 25])
    metadata = {k: Column(c.values[keep], "", "") for k, c in split.metadata.items()}
    some = replace(
        split,
        id=split.id[keep],
        label=split.label[keep],
        true_label=split.label[keep],
        image=split.image[keep],
        metadata=metadata,
    )
    np.testing.assert_array_equal(
        table(some, options, store=tmp_path)["drawn"], whole["drawn"][keep]
    )
    options.edges.seed = 1
    assert not np.isin(table(some, options, store=tmp_path)["drawn"], whole["drawn"]).any()


@pytest.mark.usefixtures("_small_parts")
@pytest.mark.parametrize("shards", [1, 3, 8, 20])
def test_shards_on_machines_of_their_own_join_to_the_same_table(
    shards: int, counted: Counted, options: ConfigDict, tmp_path: Path
) -> None:
    options.names = ("sum", "drawn")
    alone = table(counted, options, store=tmp_path / "alone")
    counted.read.clear()
    for shard in range(shards):
        measure(
            Store(tmp_path / f"machine{shard}", "data", counted), options, shard=(shard, shards)
        )
        if (tmp_path / f"machine{shard}").exists():
            shutil.copytree(tmp_path / f"machine{shard}", tmp_path / "together", dirs_exist_ok=True)
    assert sorted(counted.read) == counted.id.tolist()  # nothing twice, nothing left out
    together = Store(tmp_path / "together", "data", counted)
    xr.testing.assert_identical(joined(together, options), alone)


@pytest.mark.usefixtures("_small_parts")
def test_a_missing_shard_is_named(counted: Counted, options: ConfigDict, tmp_path: Path) -> None:
    store = Store(tmp_path, "data", counted)
    measure(store, options, shard=(1, 3))
    with pytest.raises(UsageError, match=r"'sum' lacks 5 parts of 8 in '.*'; run the"):
        joined(store, options)
    for shard in (0, 2):
        measure(store, options, shard=(shard, 3))
    (store.folder / parts.file_of(parts.request("sum", options), 7)).unlink()
    with pytest.raises(UsageError, match=r"'sum' lacks 1 part of 8 in "):
        joined(store, options)


@pytest.mark.usefixtures("_small_parts")
def test_an_unreadable_image_is_named_and_the_rest_goes_on_and_is_tried_again(
    counted: Counted, split: Split, options: ConfigDict, tmp_path: Path
) -> None:
    counted.broken = {str(split.id[7])}
    found = table(counted, options, store=tmp_path)
    assert np.flatnonzero(np.isnan(found["sum"])).tolist() == [7]
    assert failures(found) == {split.id[7]: "sum: OSError: image file is truncated"}
    counted.read.clear()
    counted.broken.clear()
    mended = table(counted, options, store=tmp_path)
    assert len(counted.read) == 4  # the part that it is in
    assert failures(mended) == {}
    assert not np.isnan(mended["sum"]).any()


def test_one_statistic_that_fails_does_not_take_the_others_with_it(
    split: Split, options: ConfigDict, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fails(image: np.ndarray, settings: object, seed: int) -> tuple[float]:
        raise ZeroDivisionError("flat")

    monkeypatch.setattr(workers, "SUM", replace(workers.SUM, measure=fails))
    options.names = ("entropy", "sum")
    found = table(split, options, store=tmp_path)
    assert np.isnan(found["sum"]).all()
    assert not np.isnan(found["entropy"]).any()
    assert failures(found)[split.id[0]] == "sum: ZeroDivisionError: flat"


@pytest.mark.usefixtures("_small_parts")
@pytest.mark.parametrize("content", [b"", b"rubbish", None])
def test_a_damaged_part_is_measured_again(
    content: bytes | None, counted: Counted, options: ConfigDict, tmp_path: Path
) -> None:
    first = table(counted, options, store=tmp_path)
    files = sorted(tmp_path.rglob("*.npz"))
    files[2].write_bytes(files[2].read_bytes()[:-9] if content is None else content)
    counted.read.clear()
    xr.testing.assert_identical(table(counted, options, store=tmp_path), first)
    assert len(counted.read) == 4


@pytest.mark.usefixtures("_small_parts")
def test_a_part_of_other_examples_is_not_used(
    counted: Counted, options: ConfigDict, tmp_path: Path
) -> None:
    first = table(counted, options, store=tmp_path)
    one, two = sorted(tmp_path.rglob("*.npz"))[:2]
    shutil.copy(one, two)
    xr.testing.assert_identical(table(counted, options, store=tmp_path), first)


def test_other_data_settings_and_versions_have_parts_of_their_own(
    split: Split, options: ConfigDict, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def folders() -> int:
        table(split, options, store=tmp_path)
        return len({p.parent for p in tmp_path.rglob("*.npz")})

    assert folders() == 1
    options.jpeg75 = True
    assert folders() == 2
    monkeypatch.setattr(workers, "SUM", replace(workers.SUM, version=2))
    assert folders() == 3
    changed = replace(split, image=255 - split.image)
    table(changed, options, store=tmp_path)
    assert len({p.parent for p in tmp_path.rglob("*.npz")}) == 4


@pytest.mark.usefixtures("_small_parts")
def test_a_write_that_fails_leaves_what_was_kept(
    counted: Counted, options: ConfigDict, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    written = iter(range(100))
    write_bytes = Path.write_bytes

    def full(path: Path, content: bytes) -> int:
        if next(written) >= 3:
            write_bytes(path, content[: len(content) // 2])
            raise OSError(28, "No space left on device")
        return write_bytes(path, content)

    monkeypatch.setattr(Path, "write_bytes", full)
    with pytest.raises(OSError, match="No space left"):
        table(counted, options, store=tmp_path)
    assert len(list(tmp_path.rglob("*.npz"))) == 3
    assert list(tmp_path.rglob("*.partial")) == []
    monkeypatch.undo()


def test_equal_parts_are_equal_bytes() -> None:
    part = parts.Part(np.array(["a", "b"]), {"x": np.array([1.0, np.nan])}, {"b": "broken"})
    again = parts.Part.from_bytes(part.to_bytes())
    assert again.to_bytes() == part.to_bytes()
    assert again.failed == {"b": "broken"}
    np.testing.assert_array_equal(again.values["x"], part.values["x"])


@pytest.fixture
def tables(split: Split, options: ConfigDict, tmp_path: Path) -> dict[str, xr.Dataset]:
    return {"train": table(split, options, store=tmp_path / "store")}


def test_tables_are_stored_as_xarray_reads_them(
    tables: dict[str, xr.Dataset], split: Split, tmp_path: Path
) -> None:
    write_tables(tables, tmp_path / "statistics.zarr")
    plain = xr.open_zarr(tmp_path / "statistics.zarr", group="train", consolidated=False)
    assert plain["id"].values.tolist() == split.id.tolist()
    np.testing.assert_array_equal(plain["sum"], tables["train"]["sum"])
    ours = open_tables(tmp_path / "statistics.zarr")["train"]
    xr.testing.assert_equal(ours, tables["train"])
    assert ours.attrs == tables["train"].attrs
    assert list(ours.data_vars) == list(tables["train"].data_vars)  # Zarr has no order
    assert ours["id"].dtype == object  # not NumPy's string type, which pandas cannot index
    assert ours["sum"].attrs == tables["train"]["sum"].attrs
    # Written anew, it holds the new tables and nothing else.
    write_tables({"test": tables["train"]}, tmp_path / "statistics.zarr")
    assert list(open_tables(tmp_path / "statistics.zarr")) == ["test"]


def test_text_columns_survive(split: Split, options: ConfigDict, tmp_path: Path) -> None:
    light = Column(np.array(["front", "top"] * 15), "", "where the light comes from")
    named = replace(split, metadata={"light": light})
    write_tables({"train": table(named, options, store=tmp_path / "s")}, tmp_path / "t.zarr")
    assert open_tables(tmp_path / "t.zarr")["train"]["light"].values.tolist()[:3] == [
        "front", "top", "front"
    ]  # fmt: skip


def test_metadata_must_not_hide_a_statistic(
    split: Split, options: ConfigDict, tmp_path: Path
) -> None:
    named = replace(split, metadata={"sum": split.metadata["clutter"]})
    with pytest.raises(UsageError, match="has a metadata column 'sum', as the statistic is called"):
        table(named, options, store=tmp_path)


def test_what_is_no_table_is_not_replaced(tables: dict[str, xr.Dataset], tmp_path: Path) -> None:
    (tmp_path / "thesis").mkdir()
    (tmp_path / "thesis/chapter.txt").write_text("all of it")
    with pytest.raises(UsageError, match="holds no image statistics"):
        write_tables(tables, tmp_path / "thesis")
    assert (tmp_path / "thesis/chapter.txt").exists()


def test_a_newer_schema_is_refused(tables: dict[str, xr.Dataset], tmp_path: Path) -> None:
    path = tmp_path / "statistics.zarr"
    write_tables(tables, path)
    about = json.loads((path / "zarr.json").read_text())
    about["attributes"]["schema_version"] = 9
    (path / "zarr.json").write_text(json.dumps(about))
    with pytest.raises(UsageError, match="schema version 9, newer than this program's 1"):
        open_tables(path)


def test_two_writers_of_one_table_do_not_disturb_each_other(
    tables: dict[str, xr.Dataset], tmp_path: Path
) -> None:
    path = tmp_path / "statistics.zarr"
    with ThreadPoolExecutor(4) as pool:
        done = [pool.submit(write_tables, tables, path) for _ in range(24)]
    for one in done:
        try:
            one.result()
        except UsageError as error:  # looked at just when it was being replaced
            pytest.fail(str(error))
    xr.testing.assert_equal(open_tables(path)["train"], tables["train"])
    assert [p.name for p in tmp_path.iterdir() if "partial" in p.name] == []


def test_old_debris_of_writers_is_swept(tables: dict[str, xr.Dataset], tmp_path: Path) -> None:
    old, new = (tmp_path / f"statistics.zarr.{name}.partial" for name in ("old", "new"))
    for debris in (old, new):
        debris.mkdir()
        (debris / "zarr.json").write_text("half")
    os.utime(old, (0, 0))
    write_tables(tables, tmp_path / "statistics.zarr")
    assert not old.exists()
    assert new.exists()  # another process may be at it


def test_a_damaged_table_is_named_with_its_remedy_and_can_be_written_anew(
    tables: dict[str, xr.Dataset], tmp_path: Path
) -> None:
    path = tmp_path / "statistics.zarr"
    write_tables(tables, path)
    (chunk,) = (path / "train/sum/c").iterdir()
    chunk.write_bytes(b"rubbish")
    with pytest.raises(UsageError, match=r"is damaged .* run the stage 'statistics' again"):
        open_tables(path)
    write_tables(tables, path)
    xr.testing.assert_equal(open_tables(path)["train"], tables["train"])


def test_an_interrupt_inside_compiled_code_is_no_failure_of_the_image(
    split: Split, options: ConfigDict, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def interrupted(image: np.ndarray, settings: object, seed: int) -> tuple[float]:
        try:
            raise KeyboardInterrupt
        except KeyboardInterrupt as error:
            raise SystemError("returned a result with an exception set") from error

    monkeypatch.setattr(workers, "SUM", replace(workers.SUM, measure=interrupted))
    with pytest.raises(KeyboardInterrupt):
        table(split, options, store=tmp_path)
    assert list(tmp_path.rglob("*.npz")) == []


def test_an_image_that_fails_is_told_once_with_all_that_it_lacks(
    counted: Counted, split: Split, options: ConfigDict, tmp_path: Path
) -> None:
    counted.broken = {str(split.id[7])}
    options.names = ("sum", "drawn")
    found = table(counted, options, store=tmp_path)
    assert failures(found) == {split.id[7]: "sum, drawn: OSError: image file is truncated"}
