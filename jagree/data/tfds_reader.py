"""Reading a prepared TensorFlow Datasets folder without TensorFlow."""

import logging
import os
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from jagree.errors import UsageError

_AT_ONCE = 2_000  # records asked for together: four times as fast as one by one, memory bounded


def folder_of(directory: str) -> Path:
    """The TFDS folder: `directory`, or where TFDS itself would look if it is empty."""
    default = os.environ.get("TFDS_DATA_DIR", "~/tensorflow_datasets")
    return Path(directory or default).expanduser()


def read(
    name: str, directory: str, split: str, features: Sequence[str]
) -> tuple[dict[str, list[Any]], tuple[str, ...]]:
    """Decode all records of a split.

    Parameters
    ----------
    name : str
        TFDS name.
    directory : str
        TFDS folder, "" for the default one.
    split : str
    features : sequence of str
        Which to return.

    Returns
    -------
    columns : dict of str to list
        In the order of the files, which means nothing: sort by an id.
    class_names : tuple of str
        Of the feature ``label``.

    Raises
    ------
    UsageError
        If the data is not there in a form that can be read. Nothing is ever downloaded.
    """
    folder = folder_of(directory)
    # Looked for here, because TFDS reports missing and unreadable data with one misleading error.
    if not any((folder / name).glob("*.*.*/dataset_info.json")):
        raise UsageError(_how_to_prepare(name, folder, f"no '{name}' data in '{folder}'"))
    # TFDS says at each start that OpenCV would decode faster; Pillow is exact and fast enough here.
    logging.getLogger("absl").addFilter(lambda r: "OpenCV is not installed" not in r.getMessage())
    import tensorflow_datasets as tfds

    try:
        builder = tfds.builder(name, data_dir=folder)
        source = builder.as_data_source(split)
    except NotImplementedError as error:
        what = f"the '{name}' data in '{folder}' is of another version or not in array_record"
        raise UsageError(_how_to_prepare(name, folder, what)) from error
    columns: dict[str, list[Any]] = {feature: [] for feature in features}
    for start in range(0, len(source), _AT_ONCE):
        records = source.__getitems__(range(start, min(start + _AT_ONCE, len(source))))
        for feature, values in columns.items():
            values.extend(record[feature] for record in records)
    return columns, tuple(builder.info.features["label"].names)


def _how_to_prepare(name: str, folder: Path, what: str) -> str:
    return (
        f"{what}; say where it is with --config.data.dir=FOLDER, or prepare it once on a machine "
        'with internet: pip install tensorflow-cpu && python -c "import tensorflow_datasets as '
        f"tfds; tfds.builder('{name}', data_dir='{folder}', file_format='array_record')"
        '.download_and_prepare()"'
    )
