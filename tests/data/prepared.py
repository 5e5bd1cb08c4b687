"""Prepared TFDS folders, written without TFDS's own writers and in any of its formats."""

import json
import shutil
import struct
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import google_crc32c
import numpy as np
from array_record.python.array_record_module import ArrayRecordReader, ArrayRecordWriter

FORMATS = ("array_record", "tfrecord", "parquet")


def checksum(data: bytes) -> bytes:
    """The masked one of TFRecord."""
    crc = int.from_bytes(google_crc32c.Checksum(data).digest(), "big")
    rotated = (crc >> 15) + ((crc % 2**15) << 17)
    return ((rotated + 0xA282EAD8) % 2**32).to_bytes(4, "little")


def framed(record: bytes) -> bytes:
    """A record as a TFRecord file holds it."""
    length = struct.pack("<Q", len(record))
    return length + checksum(length) + record + checksum(record)


def write_shard(path: Path, file_format: str, records: Sequence[bytes]) -> None:
    if file_format == "array_record":
        writer = ArrayRecordWriter(str(path), "group_size:1")
        for record in records:
            writer.write(record)
        writer.close()
    elif file_format == "tfrecord":
        path.write_bytes(b"".join(map(framed, records)))
    elif file_format == "parquet":
        import pyarrow
        import pyarrow.parquet

        table = pyarrow.table({"data": pyarrow.array(records, pyarrow.binary())})
        pyarrow.parquet.write_table(
            table, path, row_group_size=3, write_page_checksum=True, write_statistics=False
        )
    else:
        path.write_bytes(b"whatever")


def write_records(
    folder: Path, splits: Mapping[str, Sequence[Sequence[bytes]]], file_format: str = "array_record"
) -> None:
    """Files of records, and what dataset_info.json says of them: a list per shard.

    The folder is that of a version, as in mnist/3.0.1.
    """
    folder.mkdir(parents=True, exist_ok=True)
    name = next(p.name for p in folder.parents if p.parent.name in ("sets", "tfds"))
    for split, shards in splits.items():
        for number, records in enumerate(shards):
            file = f"{name}-{split}.{file_format}-{number:05d}-of-{len(shards):05d}"
            write_shard(folder / file, file_format, records)
    info = {
        "name": name,
        "version": folder.name,
        "fileFormat": file_format,
        "moduleName": "elsewhere",
        "splits": [
            {
                "name": split,
                "numBytes": "1",
                "shardLengths": [str(len(records)) for records in shards],
                "filepathTemplate": "{DATASET}-{SPLIT}.{FILEFORMAT}-{SHARD_X_OF_Y}",
            }
            for split, shards in splits.items()
        ],
    }
    (folder / "dataset_info.json").write_text(json.dumps(info))


def write(
    folder: Path,
    features: Any,
    splits: Mapping[str, Sequence[Mapping[str, Any]]],
    file_format: str = "array_record",
    shards: int = 1,
) -> None:
    """Examples as a data set, shard by shard."""
    records = {
        split: [features.serialize_example(dict(example)) for example in examples]
        for split, examples in splits.items()
    }
    write_records(folder, {s: parted(r, shards) for s, r in records.items()}, file_format)
    features.save_config(folder)


def parted(records: Sequence[bytes], shards: int) -> list[list[bytes]]:
    """Parts one after the other, of different lengths."""
    ends = [len(records) * (i + 1) ** 2 // shards**2 for i in range(shards)]
    return [list(records[a:b]) for a, b in zip([0, *ends], ends, strict=False)]


def stored(folder: Path) -> dict[str, list[bytes]]:
    """All records of an array_record data set, by split, in order of the files."""
    info = json.loads((folder / "dataset_info.json").read_text())
    return {
        split["name"]: [
            record
            for path in sorted(folder.glob(f"*-{split['name']}.array_record-*"))
            for record in ArrayRecordReader(str(path)).read_all()
        ]
        for split in info["splits"]
    }


def rewritten(source: Path, target: Path, file_format: str, shards: int, seed: int | None) -> None:
    """The same data in another format, in so many shards, and in another order if there is a seed.

    Versions are folders such as voc/2007/5.0.0 below `source`, and come to be such below `target`.
    """
    for info in source.rglob("dataset_info.json"):
        folder = target / info.parent.relative_to(source)
        splits = stored(info.parent)
        if seed is not None:
            splits = {s: shuffled(records, seed) for s, records in splits.items()}
        write_records(folder, {s: parted(r, shards) for s, r in splits.items()}, file_format)
        for path in [info.parent / "features.json", *info.parent.glob("*.labels.txt")]:
            shutil.copyfile(path, folder / path.name)


def shuffled(values: Sequence[Any], seed: int) -> list[Any]:
    return [values[i] for i in np.random.default_rng(seed).permutation(len(values))]
