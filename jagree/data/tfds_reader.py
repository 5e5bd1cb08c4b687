"""Reading a prepared TensorFlow Datasets folder without TensorFlow."""

import functools
import hashlib
import os
import re
import shlex
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, Self

import numpy as np

from jagree.data.decode import decode
from jagree.data.images import Encoded
from jagree.data.shards import FORMATS, Shard
from jagree.errors import UsageError

_AT_ONCE = 128  # records read together: twice as fast as one by one, and memory stays bounded
_OWN = ("cifar10", "voc", "kth_tips2b", "imagenet2012")  # prepared by python -m jagree.data


def folder_of(directory: str) -> Path:
    """The TFDS folder: `directory`, or where TFDS itself would look if it is empty."""
    default = os.environ.get("TFDS_DATA_DIR", "~/tensorflow_datasets")
    return Path(directory or default).expanduser()


def split_names(name: str, directory: str) -> tuple[str, ...]:
    """Splits that a prepared data set has, in alphabetical order; raises what `open_split` does."""
    return tuple(sorted(_builder(_newest(name, folder_of(directory))).info.splits))


def open_split(name: str, directory: str, split: str) -> "Records":
    """Open one split of a prepared data set; nothing is read yet, nothing is ever downloaded.

    Parameters
    ----------
    name : str
        TFDS name, with the config if there are several: "cifar10", "voc/2012".
    directory : str
        TFDS folder, "" for the default one. The newest version in it is taken.
    split : str
        Or a part ("train[:80%]", by position in the files) or a sum ("train+validation").

    Raises
    ------
    UsageError
        If the data is not there in a form that can be read, or has no such split.
    """
    folder = _newest(name, folder_of(directory))
    builder = _builder(folder)
    try:
        instructions = builder.info.splits[split].file_instructions
    except (ValueError, KeyError) as error:
        known = ", ".join(sorted(builder.info.splits))
        raise UsageError(
            f"'{name}' in '{folder}' has no split '{split}'; it has {known}, and parts of them, "
            "such as train[:80%]"
        ) from error
    if not sum(i.take for i in instructions):
        raise UsageError(f"split '{split}' of '{name}' in '{folder}' holds no record")
    file_format = builder.info.file_format.value
    if file_format not in FORMATS:
        raise UsageError(
            f"'{name}' in '{folder}' is in {file_format}, which needs TensorFlow; read are "
            f"{', '.join(FORMATS)}: {_how_to_prepare(name, folder_of(directory))}"
        )
    parts = [
        (_shard(Path(i.filename), file_format, i.examples_in_shard), i.skip, i.take)
        for i in instructions
    ]
    return Records(name, folder, split, builder.info.features, parts)


class Records:
    """The records of one split, in the order of the files, which means nothing.

    Attributes
    ----------
    name, split : str
    folder : Path
        Of the version.
    features : tensorflow_datasets.features.FeaturesDict
    """

    def __init__(
        self,
        name: str,
        folder: Path,
        split: str,
        features: Any,
        parts: Sequence[tuple[Shard, int, int]],
    ) -> None:
        self.name, self.folder, self.split, self.features = name, folder, split, features
        self._parts = parts  # shard, first record, number of records

    def __len__(self) -> int:
        return sum(take for _, _, take in self._parts)

    def shared(self, other: "Records") -> int:
        """How many records are in both splits."""
        return sum(
            max(0, min(skip + take, skip_2 + take_2) - max(skip, skip_2))
            for shard, skip, take in self._parts
            for shard_2, skip_2, take_2 in other._parts
            if shard.path == shard_2.path
        )

    def rows(self, names: Sequence[str]) -> Iterator[dict[str, Any]]:
        """One record after the other: the named features as they are stored, nothing decoded.

        A scalar is a Python int, float, bool or bytes (text, an image's file), a sequence an array
        of its spec's shape and dtype, a nested feature a dict of them, and an optional feature that
        a record does not have None.

        Raises
        ------
        UsageError
            If there is no such feature, or a record cannot be read; the message names the file.
        """
        parse = self._parser(names)
        for shard, skip, take in self._parts:
            for start in range(skip, skip + take, _AT_ONCE):
                positions = range(start, min(start + _AT_ONCE, skip + take))
                try:
                    records = shard.read(positions)
                except OSError as error:
                    raise UsageError(f"{error}; copy or prepare '{self.name}' again") from error
                for position, record in zip(positions, records, strict=True):
                    try:
                        row = parse(record)
                    except Exception as error:  # of protocol buffers, or whatever the parser raises
                        raise UsageError(
                            f"'{shard.path}': record {position} does not hold what features.json "
                            f"says; copy or prepare '{self.name}' again"
                        ) from error
                    yield row

    def _parser(self, names: Sequence[str]) -> Callable[[bytes], dict[str, Any]]:
        from tensorflow_datasets.core.example_parser import ExampleParserNp

        for name in names:
            if name not in self.features:
                raise UsageError(
                    f"'{self.name}' in '{self.folder}' has no feature '{name}'; it has "
                    f"{', '.join(sorted(self.features))}"
                )
        specs = {name: self.features[name].get_serialized_info() for name in self.features}
        wanted = {name: specs[name] for name in names}
        # The parser cannot do without the others where sequences lie within sequences.
        parser = ExampleParserNp(specs if any(map(_ragged, specs.values())) else wanted)
        return lambda record: _filled(parser.parse_example(record), wanted)

    def columns(self, names: Sequence[str]) -> dict[str, list[Any]]:
        """All records' values of the named features: `rows`, turned."""
        columns: dict[str, list[Any]] = {name: [] for name in names}
        for row in self.rows(names):
            for name, value in row.items():
                columns[name].append(value)
        return columns

    def class_names(self, feature: str) -> tuple[str, ...]:
        """Names of the classes of a ClassLabel, of a sequence of them, or of "objects/label"."""
        found: Any = self.features
        if feature in found:
            found = found[feature]
        else:
            for key in feature.split("/"):
                found = getattr(found, "feature", found)[key]
        return tuple(getattr(found, "feature", found).names)

    def images(self, feature: str = "image") -> "TfdsImages":
        """The images of all records, to be decoded when they are taken out."""
        number = [np.full(take, i, np.int32) for i, (_, _, take) in enumerate(self._parts)]
        record = [np.arange(skip, skip + take) for _, skip, take in self._parts]
        shards = tuple(shard for shard, _, _ in self._parts)
        return TfdsImages(shards, np.concatenate(number), np.concatenate(record), feature)


def decoded(content: bytes, shape: tuple[int, int], name: str) -> np.ndarray:
    """An image that must have a known height and width, uint8 [H, W, 3]; else a UsageError."""
    try:
        image = decode(content, name)
    except (OSError, ValueError) as error:
        raise UsageError(f"{error}; copy or prepare the data set again") from error
    if image.shape[:2] != shape:
        raise UsageError(
            f"'{name}' holds an image of {image.shape[1]}x{image.shape[0]} pixels, but "
            f"features.json says {shape[1]}x{shape[0]}; copy or prepare the data set again"
        )
    return image


class TfdsImages(Encoded):
    """Images in the records of a prepared data set, read at random.

    Parameters
    ----------
    shards : tuple of Shard
    shard : int array [N]
        Which of them holds an image, and
    record : int array [N]
        where in it.
    feature : str
    """

    def __init__(
        self, shards: tuple[Shard, ...], shard: np.ndarray, record: np.ndarray, feature: str
    ) -> None:
        self._shards, self._shard, self._record = shards, shard, record
        self._feature = feature

    @classmethod
    def joined(cls, parts: Sequence["TfdsImages"]) -> "TfdsImages":
        """Images of several splits or data sets, one after the other; of one feature's name."""
        (feature,) = {part._feature for part in parts}
        first = np.cumsum([0, *(len(part._shards) for part in parts)])
        return cls(
            tuple(shard for part in parts for shard in part._shards),
            np.concatenate([p._shard + first[i] for i, p in enumerate(parts)]).astype(np.int32),
            np.concatenate([part._record for part in parts]),
            feature,
        )

    def __len__(self) -> int:
        return len(self._record)

    def encoded(self, position: int) -> bytes:
        """The bytes of one image's file; OSError where they cannot be read."""
        from tensorflow_datasets.proto import tf_example_pb2

        shard = self._shards[self._shard[position]]
        (record,) = shard.read([int(self._record[position])])
        try:
            example = tf_example_pb2.Example.FromString(record)
            return example.features.feature[self._feature].bytes_list.value[0]
        except Exception as error:  # the decoder's own, and one for a missing feature
            raise OSError(f"'{self.name(position)}' holds no '{self._feature}'") from error

    def name(self, position: int) -> str:
        """The file and the number of the record in it, from 0."""
        return f"{self._shards[self._shard[position]].path} record {self._record[position]}"

    def take(self, positions: np.ndarray) -> Self:
        """The images at these positions, in this order."""
        return type(self)(
            self._shards, self._shard[positions], self._record[positions], self._feature
        )

    @functools.cached_property
    def stamp(self) -> str:
        """Hash of feature, positions, and the shards' paths, sizes and times of change."""
        files = [(str(s.path), s.size, s.changed) for s in self._shards]
        digest = hashlib.sha256(repr((self._feature, files)).encode())
        digest.update(self._shard.astype("<i4").tobytes() + self._record.astype("<i8").tobytes())
        return digest.hexdigest()


def _ragged(spec: Any) -> bool:
    """Whether a feature holds sequences within sequences."""
    if isinstance(spec, Mapping):
        return any(_ragged(part) for part in spec.values())
    return spec.sequence_rank > 1


def _filled(found: Mapping[str, Any], specs: Mapping[str, Any]) -> dict[str, Any]:
    """What was found, with an empty array for a sequence that is not in the record at all."""
    filled = {}
    for name, spec in specs.items():
        value = found[name]
        if isinstance(spec, Mapping):
            value = _filled(value, spec)
        elif value is None and None in spec.shape:
            value = np.empty([length or 0 for length in spec.shape], spec.np_dtype)
        elif value is None and not spec.optional:
            raise ValueError(f"no '{name}'")
        filled[name] = value
    return filled


def _newest(name: str, directory: Path) -> Path:
    """Folder of the version in a name like "mnist:3.0.1", or else of the newest one."""
    name, _, version = name.partition(":")
    found = {
        path.parent.name: path.parent
        for path in (directory / name).glob("*/dataset_info.json")
        if re.fullmatch(r"\d+\.\d+\.\d+", path.parent.name)  # half-prepared ones are called longer
    }
    if version in found:
        return found[version]
    if found and not version:
        return max(found.values(), key=lambda folder: [int(n) for n in folder.name.split(".")])
    configs = {path.parents[1].name for path in (directory / name).glob("*/*/dataset_info.json")}
    if found:
        what = f"no version {version} of '{name}' in '{directory}', but {', '.join(sorted(found))}"
    elif configs:
        known = ", ".join(f"{name}/{config}" for config in sorted(configs))
        what = f"'{directory}' holds more than one '{name}': {known}; name one of them"
    else:
        what = f"no '{name}' data in '{directory}'"
    raise UsageError(f"{what}; {_how_to_prepare(name, directory)}")


def _builder(folder: Path) -> Any:
    import tensorflow_datasets as tfds

    try:
        return tfds.builder_from_directory(folder)
    except ImportError as error:  # videos, say, need TensorFlow
        raise UsageError(
            f"the data set in '{folder}' has a feature that cannot be read here ({error}); choose "
            "another data set"
        ) from error
    except Exception as error:  # of JSON, of protocol buffers, of features of an unknown kind
        why = str(error).partition("\n")[0]
        raise UsageError(
            f"cannot read what data is in '{folder}' ({why}); copy or prepare it again"
        ) from error


def _shard(path: Path, file_format: str, length: int) -> Shard:
    try:
        status = path.stat()
    except OSError as error:
        raise UsageError(
            f"cannot find '{path}' ({error.strerror}); copy or prepare the data set again"
        ) from error
    return Shard(path.absolute(), file_format, length, status.st_size, status.st_mtime_ns)


def _how_to_prepare(name: str, directory: Path) -> str:
    own = name.split("/")[0]
    if own in _OWN:
        command = f"python -m jagree.data --prepare={own} --dir={shlex.quote(str(directory))}"
    else:
        python = (
            f"import tensorflow_datasets as tfds; tfds.builder({name!r}, data_dir="
            f"{str(directory)!r}, file_format='array_record').download_and_prepare()"
        )
        command = f"pip install tensorflow-cpu && python -c {shlex.quote(python)}"
    return f"say where it is with --config.data.dir=FOLDER, or prepare it once: {command}"
