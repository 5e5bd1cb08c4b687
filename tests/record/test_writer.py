import dataclasses
import errno
import hashlib
import shutil
from pathlib import Path

import numpy as np
import pytest
import xarray as xr
import zarr

from jagree.errors import UsageError
from jagree.record import RecordWriter, correct, is_debris, open_record, schema
from tests.record.conftest import K, N, make_fields, make_recorder, make_splits


def digest(path: Path) -> str:
    files = sorted(p for p in path.rglob("*") if p.is_file())
    content = b"".join(str(p.relative_to(path)).encode() + p.read_bytes() for p in files)
    return hashlib.sha256(content).hexdigest()


def test_what_is_written_is_read_back(recorder: RecordWriter) -> None:
    written = {epoch: make_fields(epoch) for epoch in (1, 2)}
    for epoch, fields in written.items():
        recorder.append(epoch, fields)
    for name, split in open_record(recorder.path).items():
        np.testing.assert_array_equal(split["epoch"], [1, 2])
        assert dict(split.sizes) == {"epoch": 2, "member": K, "example": N[name]}
        for position, epoch in enumerate((1, 2)):
            for variable, values in written[epoch][name].items():
                found = split[variable].values[position]
                rtol = {"float16": 1e-3, "float32": 1e-6}.get(str(found.dtype), 0)
                np.testing.assert_allclose(found, values, rtol=rtol)


def test_the_public_interface_is_plain_xarray(recorder: RecordWriter) -> None:
    recorder.append(1, make_fields(1))
    split = xr.open_zarr(recorder.path, group="train", consolidated=False)
    examples = make_splits()["train"]
    assert set(split.coords) == {
        "epoch", "member", "id", "label", "true_label", "network", "seed"
    }  # fmt: skip
    np.testing.assert_array_equal(split["id"], examples.id)
    np.testing.assert_array_equal(split["label"], examples.label)
    np.testing.assert_array_equal(split["true_label"], examples.true_label)
    assert not np.array_equal(examples.true_label, examples.label)
    np.testing.assert_array_equal(split["network"], ["lenet5"] * K)
    np.testing.assert_array_equal(split["seed"], [5] * K)
    np.testing.assert_array_equal(split["member"], range(K))
    assert split.attrs["class_names"] == ["a", "b", "c"]
    assert split.attrs["recording"] == "online"
    assert split.attrs["data"] == "toy"
    assert split.attrs["split"] == "train"
    assert split.attrs["fingerprint"] == examples.fingerprint
    assert split["margin"].attrs["units"] == "logit"


def test_a_record_without_an_epoch_can_be_read(recorder: RecordWriter) -> None:
    assert open_record(recorder.path)["test"].sizes["epoch"] == 0


def test_correct_follows_the_rule(recorder: RecordWriter) -> None:
    fields = make_fields(1)
    recorder.append(1, fields)
    split = open_record(recorder.path)["train"]
    expected = fields["train"]["prediction"] == make_splits()["train"].label
    assert expected.any()
    np.testing.assert_array_equal(correct(split, 0), expected)


def test_a_multi_label_record(tmp_path: Path) -> None:
    recorder = make_recorder(tmp_path / "r.zarr", multi_label=True)
    fields = make_fields(1, multi_label=True)
    label = make_splits(multi_label=True)["train"].label
    fields["train"]["prediction"][0] = label
    recorder.append(1, fields)
    split = open_record(recorder.path)["train"]
    assert split["prediction"].dims == ("epoch", "member", "example", "class")
    assert "sum_sq_other" not in split
    expected = (fields["train"]["prediction"] == label).all(-1)
    np.testing.assert_array_equal(correct(split, 0), expected)
    assert expected[0].all()


def test_large_splits_are_cut_into_chunks(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(schema, "EXAMPLES_PER_CHUNK", 3)
    recorder = make_recorder(tmp_path / "r.zarr")
    fields = make_fields(1)
    recorder.append(1, fields)
    assert (tmp_path / "r.zarr/train/prediction/c/0/0/2").exists()
    found = open_record(recorder.path)["train"]["prediction"].values[0]
    np.testing.assert_array_equal(found, fields["train"]["prediction"])


def test_a_new_epoch_touches_no_recorded_one(recorder: RecordWriter) -> None:
    recorder.append(1, make_fields(1))
    before = {p: p.read_bytes() for p in recorder.path.rglob("c/0/0/0")}
    assert len(before) == 8
    recorder.append(2, make_fields(2))
    assert before == {p: p.read_bytes() for p in before}


@pytest.mark.parametrize("epoch", [0, 1, 2])
def test_epochs_ascend(recorder: RecordWriter, epoch: int) -> None:
    recorder.append(2, make_fields(1))
    with pytest.raises(ValueError, match=f"epoch {epoch} is not after epoch 2"):
        recorder.append(epoch, make_fields(1))


def test_wrong_variables_and_shapes_are_refused(recorder: RecordWriter) -> None:
    fields = make_fields(1)
    del fields["test"]["margin"]
    with pytest.raises(ValueError, match="split 'test' takes the variables"):
        recorder.append(1, fields)
    fields = make_fields(1)
    fields["train"]["margin"] = fields["train"]["margin"][:, :-1]
    with pytest.raises(ValueError, match=r"'margin' of split 'train' must have shape \[3, 7\]"):
        recorder.append(1, fields)
    fields = make_fields(1)
    fields["train"]["prediction"][0, 0] = 2**15
    with pytest.raises(ValueError, match=r"'prediction' must lie in -32768\.\.32767"):
        recorder.append(1, fields)
    assert recorder.epochs == []


def test_values_beyond_half_precision_stay_finite(recorder: RecordWriter) -> None:
    fields = make_fields(1)
    fields["train"]["margin"][0, :3] = [1e9, -1e9, np.nan]
    recorder.append(1, fields)
    margin = open_record(recorder.path)["train"]["margin"].values[0, 0]
    np.testing.assert_array_equal(margin[:3], np.float16([65504, -65504, np.nan]))


class FullDisk:
    """Lets `writes` writes to a store pass and fails the next as a full disk does.

    All further ones fail, too, or with `once` none of them: somebody made room.
    """

    def __init__(self, monkeypatch: pytest.MonkeyPatch, writes: int, *, once: bool = False) -> None:
        self.left = writes
        real = zarr.storage.LocalStore.set

        async def limited(store: object, key: str, *args: object, **kwargs: object) -> None:
            if self.left == 0:
                self.left -= once
                raise OSError(errno.ENOSPC, "No space left on device")
            self.left -= 1
            await real(store, key, *args, **kwargs)  # type: ignore[arg-type]

        monkeypatch.setattr(zarr.storage.LocalStore, "set", limited)


def writes_of_an_append(tmp_path: Path) -> int:
    recorder = make_recorder(tmp_path / "count.zarr")
    with pytest.MonkeyPatch.context() as patch:
        disk = FullDisk(patch, 1_000)
        recorder.append(1, make_fields(1))
    return 1_000 - disk.left


def test_a_disk_that_fills_at_any_write_leaves_the_committed_epochs(tmp_path: Path) -> None:
    writes = writes_of_an_append(tmp_path)
    assert writes > 20
    for allowed in range(writes):
        path = tmp_path / f"{allowed}.zarr"
        recorder = make_recorder(path)
        recorder.append(1, make_fields(1))
        before = open_record(path)["train"].load()
        with pytest.MonkeyPatch.context() as patch:
            FullDisk(patch, allowed)
            with pytest.raises(OSError, match="No space left"):
                recorder.append(2, make_fields(2))
        xr.testing.assert_identical(open_record(path)["train"].load(), before)
        again = RecordWriter(path)  # repairs, and can go on
        plain = xr.open_zarr(path, group="train", consolidated=False).load()
        xr.testing.assert_identical(plain, before)
        again.append(2, make_fields(2))
        np.testing.assert_array_equal(
            open_record(path)["test"]["prediction"].values[1], make_fields(2)["test"]["prediction"]
        )


def test_after_a_passing_failure_plain_xarray_reads_the_committed_epochs(tmp_path: Path) -> None:
    for allowed in range(writes_of_an_append(tmp_path)):
        recorder = make_recorder(tmp_path / f"{allowed}.zarr")
        recorder.append(1, make_fields(1))
        with pytest.MonkeyPatch.context() as patch:
            FullDisk(patch, allowed, once=True)
            with pytest.raises(OSError, match="No space left"):
                recorder.append(2, make_fields(2))
        for name in N:
            split = xr.open_zarr(recorder.path, group=name, consolidated=False)
            np.testing.assert_array_equal(split["epoch"], [1])
        recorder.append(2, make_fields(2))
        assert recorder.epochs == [1, 2]


def test_a_rewind_that_is_stopped_at_any_write_leaves_whole_epochs(tmp_path: Path) -> None:
    whole = make_recorder(tmp_path / "whole.zarr")
    for epoch in (1, 2, 3):
        whole.append(epoch, make_fields(epoch))
    before = open_record(whole.path)["train"].load()
    for allowed in range(12):
        path = tmp_path / f"{allowed}.zarr"
        shutil.copytree(whole.path, path)
        recorder = RecordWriter(path)
        with pytest.MonkeyPatch.context() as patch:
            FullDisk(patch, allowed)
            with pytest.raises(OSError, match="No space left"):
                recorder.rewind(1)
        found = open_record(path)["train"].load()
        assert found.sizes["epoch"] in (1, 3)
        xr.testing.assert_identical(found, before.isel(epoch=slice(0, found.sizes["epoch"])))


def test_a_disk_that_fills_among_the_chunks_leaves_plain_xarray_readable(
    recorder: RecordWriter, monkeypatch: pytest.MonkeyPatch
) -> None:
    recorder.append(1, make_fields(1))
    FullDisk(monkeypatch, 5)
    with pytest.raises(OSError, match="No space left"):
        recorder.append(2, make_fields(2))
    split = xr.open_zarr(recorder.path, group="test", consolidated=False)
    np.testing.assert_array_equal(split["epoch"], [1])


def test_rewind_and_append_again_gives_the_same_bytes(tmp_path: Path) -> None:
    one, two = (make_recorder(tmp_path / f"{i}.zarr") for i in range(2))
    for epoch in (1, 2, 3):
        one.append(epoch, make_fields(epoch))
        two.append(epoch, make_fields(epoch + (epoch > 1)))
    assert digest(one.path) != digest(two.path)
    two.rewind(1)
    assert two.epochs == [1]
    for epoch in (2, 3):
        two.append(epoch, make_fields(epoch))
    assert digest(one.path) == digest(two.path)


def test_a_flipped_byte_is_an_error_and_not_data(recorder: RecordWriter) -> None:
    recorder.append(1, make_fields(1))
    chunk = recorder.path / "train/prediction/c/0/0/0"
    content = bytearray(chunk.read_bytes())
    content[len(content) // 2] ^= 1
    chunk.write_bytes(content)
    with pytest.raises(RuntimeError, match="decompress"):
        open_record(recorder.path)["train"]["prediction"].load()


def test_a_newer_schema_is_refused_for_reading_and_writing(recorder: RecordWriter) -> None:
    root = zarr.open_group(recorder.path)
    root.update_attributes({"schema_version": schema.VERSION + 1})
    message = rf"schema version {schema.VERSION + 1}, this jagree reads up to {schema.VERSION}"
    for use in (open_record, RecordWriter):
        with pytest.raises(UsageError, match=message):
            use(recorder.path)


def test_what_is_no_record_is_refused(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="no record at"):
        open_record(tmp_path / "nothing.zarr")
    zarr.create_group(tmp_path / "other.zarr")
    with pytest.raises(UsageError, match="not a record of jagree"):
        open_record(tmp_path / "other.zarr")


def test_a_record_whose_making_was_stopped_at_any_write_is_made_anew(tmp_path: Path) -> None:
    with pytest.MonkeyPatch.context() as patch:
        disk = FullDisk(patch, 1_000)
        whole = make_recorder(tmp_path / "whole.zarr")
    assert 1_000 - disk.left > 30
    for allowed in range(1_000 - disk.left):
        path = tmp_path / f"{allowed}.zarr"
        with pytest.MonkeyPatch.context() as patch:
            FullDisk(patch, allowed)
            with pytest.raises(OSError, match="No space left"):
                make_recorder(path)
        if path.exists():
            assert is_debris(path)
            with pytest.raises(UsageError):
                open_record(path)
        make_recorder(path)
        assert digest(path) == digest(whole.path)


def test_create_replaces_nothing_that_is_not_debris(tmp_path: Path) -> None:
    recorder = make_recorder(tmp_path / "record.zarr")
    recorder.append(1, make_fields(1))
    zarr.create_group(tmp_path / "other.zarr")
    (tmp_path / "thesis").mkdir()
    (tmp_path / "thesis/thesis.tex").write_text("kept")
    before = digest(tmp_path)
    for name in ("record.zarr", "other.zarr", "thesis"):
        with pytest.raises(UsageError, match=f"{name}' exists already; nothing was changed"):
            make_recorder(tmp_path / name)
    assert digest(tmp_path) == before


def test_what_a_killed_write_left_is_swept_away(recorder: RecordWriter) -> None:
    debris = recorder.path / "train/prediction/c/0/0/0.abc.partial"
    debris.parent.mkdir(parents=True)
    debris.write_text("half")
    RecordWriter(recorder.path)
    assert not debris.exists()


def test_other_data_is_refused(recorder: RecordWriter) -> None:
    splits = make_splits()
    recorder.check_same_data(splits)
    changed = splits["test"].image.copy()
    changed[0, 0, 0, 0] ^= 1
    other = {**splits, "test": dataclasses.replace(splits["test"], image=changed)}
    with pytest.raises(UsageError, match="the 'test' data differs from what"):
        recorder.check_same_data(other)


def test_more_classes_than_can_be_told_apart_are_refused(tmp_path: Path) -> None:
    splits = make_splits()
    many = tuple(map(str, range(32_768)))
    large = {name: dataclasses.replace(s, class_names=many) for name, s in splits.items()}
    options = {"networks": ["a"], "seed": 0, "correctness": "single_label", "data": "toy"}
    recording = dict.fromkeys(splits, "epoch_end")
    with pytest.raises(UsageError, match="32,768 classes, of which a record can tell 32,767"):
        RecordWriter.create(tmp_path / "r.zarr", large, recording=recording, **options)
    assert not (tmp_path / "r.zarr").exists()
