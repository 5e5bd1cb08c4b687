"""Data sets of the Hugging Face hub, by name, or in a folder of parquet files of its form.

Needs the package ``datasets``, the extra ``hf``; all of it is imported late.
"""

import hashlib
from collections.abc import Sequence
from pathlib import Path, PurePosixPath, PureWindowsPath
from typing import Any

import numpy as np

from jagree.data.files import CONTROL, content, stamp
from jagree.data.identify import content_ids
from jagree.data.images import Encoded, digests
from jagree.data.sources.hf_columns import Labels, class_names, column, kind_of
from jagree.data.sources.hf_reader import FolderOfParquet, Hub, Reader, library, quiet, reason
from jagree.data.split import Split
from jagree.errors import UsageError

_SPLITS = {"train": ("train",), "test": ("test", "validation", "valid", "val")}
_ID_COLUMNS = ("id", "image_id", "file_name", "filename", "path")


class StoredImages(Encoded):
    """Images in a column of a data set, each decoded when it is taken out.

    Parameters
    ----------
    dataset : datasets.Dataset
        Of one column, an Image that is not decoded: bytes, or the path of a file.
    rows : int array [N]
        Which row each image is.
    ids : str array [N]
    folder : Path
        What relative paths start from.
    origin : str
        Stamp of the files that the data set was read from.
    """

    def __init__(
        self, dataset: Any, rows: np.ndarray, ids: np.ndarray, folder: Path, origin: str
    ) -> None:
        self._dataset = dataset
        self._column = dataset.column_names[0]
        self._rows = rows
        self._ids = ids
        self._folder = folder
        self._origin = origin

    def __len__(self) -> int:
        return len(self._rows)

    def encoded(self, position: int) -> bytes:
        """The bytes of one image; OSError where there are none."""
        cell = self._dataset[int(self._rows[position])][self._column] or {}
        if cell.get("bytes") is not None:
            return bytes(cell["bytes"])
        if not cell.get("path"):
            raise OSError(f"'{self.name(position)}' has no image in column '{self._column}'")
        return content(self._folder / cell["path"])

    def renamed(self, ids: np.ndarray) -> "StoredImages":
        """The same images under other ids."""
        return StoredImages(self._dataset, self._rows, ids, self._folder, self._origin)

    def name(self, position: int) -> str:
        """The example's id."""
        return str(self._ids[position])

    def take(self, positions: np.ndarray) -> "StoredImages":
        """The images at these positions."""
        return StoredImages(
            self._dataset, self._rows[positions], self._ids[positions], self._folder, self._origin
        )

    @property
    def stamp(self) -> str:
        """Of the files that the data set was read from, and of the rows."""
        digest = hashlib.sha256(f"{self._origin} {self._column} {len(self)} ".encode())
        digest.update(self._rows.astype("<i8").data)
        return digest.hexdigest()


def load(split: str, options: Any) -> Split:
    """Read one split; its images are left encoded.

    Parameters
    ----------
    split : {"train", "test"}
    options : ConfigDict
        ``config.data``: `dir`, a folder of parquet files; without it `set`, the name on the hub,
        "OWNER/NAME" or "OWNER/NAME:CONFIG", from where it is downloaded unless the library has it
        in its cache; `train_split` and `test_split` ("": ``train``; ``test``, ``validation``,
        ``valid`` or ``val``); `image` ("": the only Image column); `label` ("": the only ClassLabel
        or sequence of them). A label column that is named may also be of integers or strings: its
        values in the train split, in ascending order, are the classes.

    Returns
    -------
    Split
        Ids are those of a column ``id``, ``image_id``, ``file_name``, ``filename`` or ``path``, the
        first that is unique; else the file names in the image column, if unique; else
        `jagree.data.identify.content_ids`; all begin with "train/" or "test/". A sequence of labels
        makes the split multi-label.

    Raises
    ------
    UsageError
        If the package, the data, the split or a column is missing or not as it should be.
    """
    datasets = library()
    with quiet(datasets):
        reader = _reader(datasets, options)
        train = _split_name(reader, "train", options)
        here = train if split == "train" else _split_name(reader, "test", options)
        if split == "test" and here == train:
            raise UsageError(
                f"split '{here}' of {reader.name} cannot be both train and test; name another with "
                "data.test_split, or hold out a part of it with --config.data.test_share=0.2"
            )
        dataset = reader.read(here)
        if not len(dataset):
            raise UsageError(f"split '{here}' of {reader.name} has no example; name another")
        of_train = dataset if here == train else reader.read(train)
        image, label = (
            column(datasets, reader.name, of_train.features, what, options[what])
            for what in ("image", "label")
        )
        classes = class_names(datasets, of_train, label)
        _check_alike(datasets, reader, (of_train, train), (dataset, here), (image, label))
        labels = Labels(datasets, dataset, label, classes)
        stored, paths = _stored(datasets, reader, dataset, here, image)
        ids, notes = _ids(datasets, dataset, split, (image, label), paths, stored, labels.array)
    labels.check(f"split '{here}' of {reader.name}", ids, reader.splits)
    order = np.argsort(ids)
    if split == "test" and here != "test" and not options.test_split:
        notes = [f"the test split is '{here}'", *notes]
    return Split(
        name=split,
        id=ids[order],
        label=labels.array[order],
        image=stored.renamed(ids).take(order),
        class_names=classes,
        notes=(*notes, *labels.notes),
    )


def _reader(datasets: Any, options: Any) -> Reader:
    if options.dir and options.set:
        raise UsageError(
            f"source hf: data.set='{options.set}' names a set of the Hugging Face hub and "
            f"data.dir='{options.dir}' a folder of parquet files; give one of them"
        )
    if options.dir:
        return FolderOfParquet(datasets, Path(options.dir).expanduser())
    if options.set:
        return Hub(datasets, options.set)
    raise UsageError(
        "source hf: say which data with --config.data.set=OWNER/NAME, of the Hugging Face hub, or "
        "with --config.data.dir=FOLDER, of parquet files"
    )


def _split_name(reader: Reader, split: str, options: Any) -> str:
    """What the data set calls one of our splits."""
    named = options[f"{split}_split"]
    for name in (named,) if named else _SPLITS[split]:
        if name in reader.splits:
            return name
    share = ", or hold out a part of train with --config.data.test_share=0.2"
    raise UsageError(
        f"{reader.name} has no split '{named or split}' but {', '.join(reader.splits)}; name one "
        f"with --config.data.{split}_split{share if split == 'test' else ''}"
    )


def _check_alike(
    datasets: Any,
    reader: Reader,
    one: tuple[Any, str],
    other: tuple[Any, str],
    columns: Sequence[str],
) -> None:
    """Raise a UsageError unless two splits have the same kinds of columns and the same classes."""
    for name in columns:
        kinds = [kind_of(datasets, set.features.get(name)) for set, _ in (one, other)]
        if kinds[0] != kinds[1]:
            raise UsageError(
                f"column '{name}' of {reader.name} is of kind {kinds[0]} in split '{one[1]}' and "
                f"{kinds[1]} in split '{other[1]}'; the splits must be alike"
            )
    label = columns[-1]
    if kind_of(datasets, one[0].features[label]) in ("class", "classes") and class_names(
        datasets, one[0], label
    ) != class_names(datasets, other[0], label):
        raise UsageError(
            f"column '{label}' of {reader.name} has other classes in split '{other[1]}' than in "
            f"split '{one[1]}'; the splits must be alike"
        )


def _stored(
    datasets: Any, reader: Reader, dataset: Any, split: str, image: str
) -> tuple[StoredImages, list[str | None]]:
    """The images in the order of the rows, and the path that is stored with each."""
    import pyarrow.compute as pc

    try:
        dataset = dataset.select_columns([image]).cast_column(image, datasets.Image(decode=False))
        cells = dataset.with_format("arrow")[:].column(0)
        paths = pc.struct_field(cells, "path").to_pylist()
        in_files = pc.struct_field(cells, "bytes").is_null().to_pylist()
    except Exception as error:  # of many libraries
        raise UsageError(
            f"column '{image}' of {reader.name} holds no images that can be read "
            f"({reason(error)}); name another with data.image"
        ) from error
    files = [path for path, in_file in zip(paths, in_files, strict=True) if path and in_file]
    origin = f"{reader.origin(split)} {stamp(reader.folder, files)}"
    rows = np.arange(len(dataset))
    unnamed = np.array([f"{split}, row {row}" for row in rows.tolist()])
    return StoredImages(dataset, rows, unnamed, reader.folder, origin), paths


def _ids(
    datasets: Any,
    dataset: Any,
    split: str,
    taken: Sequence[str],
    paths: Sequence[str | None],
    images: StoredImages,
    label: np.ndarray,
) -> tuple[np.ndarray, list[str]]:
    """Id of each row, and what there is to say of them."""
    for name in _ID_COLUMNS:
        feature = dataset.features.get(name)
        if name in taken or kind_of(datasets, feature) not in ("integer", "string"):
            continue
        values = dataset.select_columns([name]).with_format("arrow")[:].column(0).to_pylist()
        if _can_be_ids(values):
            return np.array([f"{split}/{value}" for value in values]), []
    if _can_be_ids(paths):
        return np.array([f"{split}/{path}" for path in paths]), []
    ids = content_ids(digests(images, None), label)
    note = "ids are made of the images' content, because nothing else names them"
    return np.array([f"{split}/{i}" for i in ids.tolist()]), [note]


def _can_be_ids(values: Sequence[int | str | None]) -> bool:
    """Whether values tell the examples apart, on any machine."""
    return len(set(values)) == len(values) and all(
        value is not None and _can_be_id(str(value)) for value in values
    )


def _can_be_id(value: str) -> bool:
    absolute = PurePosixPath(value).is_absolute() or PureWindowsPath(value).is_absolute()
    return value == value.strip() != "" and not absolute and not CONTROL.search(value)
