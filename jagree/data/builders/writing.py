"""Writing examples as TensorFlow Datasets stores them, without TensorFlow.

TFDS's own writer sorts examples by a hash of their keys, and for more than a gigabyte of them needs
TensorFlow. Here the keys are sorted first and the examples read in that order, file by file.
"""

import hashlib
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from types import SimpleNamespace
from typing import Any

from tqdm import tqdm

from jagree.data.builders.fetching import File
from jagree.errors import UsageError

FORMAT = "array_record"


@dataclass(frozen=True)
class Examples:
    """The examples of one split, to be read one by one.

    Attributes
    ----------
    keys : sequence of str or int
        By which TFDS shuffles; unique.
    sizes : sequence of int
        Bytes of each, about: they decide on the number of files.
    read : callable
        Position -> value of each feature. Called once for each, in an order of its own.
    """

    keys: Sequence[str] | Sequence[int]
    sizes: Sequence[int]
    read: Callable[[int], dict[str, Any]]


@dataclass(frozen=True)
class Content:
    """What is to be written: splits, and the class names that only the archive knows."""

    splits: Mapping[str, Examples]
    class_names: Mapping[str, Sequence[str]] = field(default_factory=dict)


@dataclass(frozen=True)
class Recipe:
    """A data set, or one config of it, and what it is made from.

    Attributes
    ----------
    name, config, version : str
        As TFDS has them; config "" for none.
    files : tuple of File
        What it is made from.
    base : callable
        Gives the TFDS class that describes it.
    read : callable
        (where the files are, by name; the features of `base`) -> context that gives the Content.
    official : mapping of str to int
        Number of examples of each split, where there is an official one.
    how_to_get : str
        For what cannot be downloaded: what a person can do.
    note : str
        What a person should know of the result.
    """

    name: str
    config: str
    version: str
    files: tuple[File, ...]
    base: Callable[[], Any]
    read: Callable[[Mapping[str, Path], Any], AbstractContextManager[Content]]
    official: Mapping[str, int] = field(default_factory=dict)
    how_to_get: str = ""
    note: str = ""

    @property
    def folder(self) -> Path:
        """Where it lies in a TFDS folder."""
        return Path(self.name, self.config, self.version)


def in_order(split: str, keys: Sequence[str] | Sequence[int]) -> list[int]:
    """Positions of the keys in the order in which TFDS stores them: of MD5(split, key)."""
    names = (f"{split}{key}".encode() for key in keys)
    digests = [hashlib.md5(name, usedforsecurity=False).digest() for name in names]
    return sorted(range(len(keys)), key=digests.__getitem__)


def write(recipe: Recipe, paths: Mapping[str, Path], folder: Path) -> dict[str, int]:
    """Write a data set.

    Parameters
    ----------
    recipe : Recipe
    paths : mapping of str to path
        Where its files are, by name.
    folder : path
        TFDS folder in which it is not yet.

    Returns
    -------
    dict of str to int
        Number of examples of each split.

    Raises
    ------
    UsageError
        If something is wrong with the files, TFDS has another version of the data set, or the disk
        is full.
    """
    builder = _builder_class(recipe)(data_dir=folder, config=recipe.config or None)
    if str(builder.version) != recipe.version:
        raise UsageError(
            f"the installed TensorFlow Datasets has version {builder.version} of '{recipe.name}', "
            f"jagree knows how to prepare {recipe.version}; install tensorflow-datasets 4.9.10"
        )
    with recipe.read(paths, builder.info.features) as content:
        for feature, names in content.class_names.items():
            builder.info.features[feature].names = list(names)
        for split, examples in content.splits.items():
            if not examples.keys:
                raise UsageError(f"there is no image for '{split}' in {_listed(paths)}")
        builder.splits = content.splits
        try:
            builder.download_and_prepare(file_format=FORMAT)
        except RuntimeError as error:  # what array_record makes of a full disk
            why = str(error).partition(";")[0]
            raise UsageError(
                f"cannot write to '{folder}' ({why}); make room there, or choose another --dir"
            ) from error
        return {split: len(examples.keys) for split, examples in content.splits.items()}


def _listed(paths: Mapping[str, Path]) -> str:
    return ", ".join(f"'{path}'" for path in paths.values())


def _builder_class(recipe: Recipe) -> Any:
    """A TFDS class that writes what it is given and is described by the recipe's."""
    import tensorflow_datasets as tfds

    base = recipe.base()
    of_shards = tfds.core.ShardBasedBuilder
    bases = (base,) if issubclass(base, of_shards) else (of_shards, base)

    class Prepared(*bases, skip_registration=True):  # type: ignore[misc, call-arg]
        """Not registered, so that TFDS goes on to read with its own class."""

        name = recipe.name
        pkg_dir_path = base.pkg_dir_path
        splits: Mapping[str, Examples]

        def _info(self) -> Any:
            info = super()._info()
            # TFDS would make a temporary folder, and leave it, to ask for it in the cloud.
            info.initialize_from_bucket = lambda: None
            return info

        def _make_download_manager(self, **_: Any) -> Any:
            # TFDS's imports an undeclared package, and makes folders, for downloads it does not do.
            return SimpleNamespace(downloaded_size=sum(file.size for file in recipe.files))

        def _log_download_bytes(self) -> None:
            """Nothing, in place of a line about sizes that TFDS does not know."""

        def _log_download_done(self) -> None:
            """Nothing: whoever prepares says so."""

        def _shard_iterators_per_split(self, _: Any) -> dict[str, list[Callable[[], Any]]]:
            return {split: _shards(split, examples) for split, examples in self.splits.items()}

    return Prepared


def _shards(split: str, examples: Examples) -> list[Callable[[], Iterator[tuple[Any, Any]]]]:
    """For each file that TFDS would write, what gives its examples."""
    from tensorflow_datasets.core.utils import shard_utils

    count = shard_utils.ShardConfig().get_number_shards(sum(examples.sizes), len(examples.keys))
    ends = shard_utils.get_shard_boundaries(len(examples.keys), count)
    order = in_order(split, examples.keys)
    bar = tqdm(total=len(order), desc=split, unit=" images", leave=False, disable=None, delay=0.5)
    return [
        partial(_shard, examples, order[start:end], bar)
        for start, end in zip([0, *ends], ends, strict=False)
    ]


def _shard(examples: Examples, order: list[int], bar: Any) -> Iterator[tuple[Any, Any]]:
    # Read in the order in which they lie, for the sake of disks, and kept until they are written,
    # as TFDS's writer does: some 100 MB.
    found = {}
    for position in sorted(order):
        found[position] = examples.read(position)
        bar.update()
    if bar.n == bar.total:
        bar.close()
    for position in order:
        yield examples.keys[position], found[position]
