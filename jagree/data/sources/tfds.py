"""Any prepared data set of TensorFlow Datasets that has images and classes."""

from collections.abc import Callable
from typing import Any

import numpy as np

from jagree.data.identify import content_ids
from jagree.data.images import Images, digests
from jagree.data.split import Split
from jagree.data.tfds_reader import Records, decoded, open_split, split_names
from jagree.errors import UsageError
from jagree.words import counted

IDENTIFYING = ("id", "file_name", "image/filename", "filename", "image_id")
_IN_MEMORY = 2**31  # bytes of pixels; above, images of one size stay encoded like all others
_JPEG = b"\xff\xd8\xff"


def load(split: str, options: Any) -> Split:
    """Read one split of the set that ``data.set`` names.

    Parameters
    ----------
    split : {"train", "test"}
    options : ConfigDict
        ``config.data``: `set` (TFDS name, with config and version where wanted: "mnist",
        "oxford_flowers102", "voc/2012:5.0.0"), `dir` (TFDS folder), `train_split` ("": train),
        `test_split` ("": test, else validation), `image` and `label` (features; "": the only ones).

    Returns
    -------
    Split
        One class each where the label is a ClassLabel, any number where it is a sequence of them.
        Ids are those of the first of `IDENTIFYING` that the set has and that tells all examples
        apart, else made of the images (`content_ids`), after the split's name: "train/00017".
        Images of one size that are not JPEG are decoded into memory, up to 2 GiB; all others stay
        encoded.

    Raises
    ------
    UsageError
        If data, split or features are missing, ambiguous or damaged, or examples have no label.
    """
    if not options.set:
        raise UsageError("data.set must name a data set of TFDS, such as data.set=mnist")
    records = open_split(options.set, options.dir, _stored(split, options))
    if split == "test":
        _check_apart(records, options)
    image = _feature(records, _is_image, "image", options.image)
    label_feature = _feature(records, _is_label, "label", options.label)
    naming = [name for name in IDENTIFYING if _may_identify(records, name)]
    columns = records.columns((label_feature, *naming))
    class_names = records.class_names(label_feature)
    label, notes = _labels(columns[label_feature], len(class_names), split, options.set)
    images = _images(records, image)
    ids = _stored_ids(columns, naming)
    if ids is None:
        ids = content_ids(digests(images, None), label)
    ids = np.char.add(f"{split}/", ids)
    order = np.argsort(ids)
    return Split(
        name=split,
        id=ids[order],
        label=label[order],
        image=images[order] if isinstance(images, np.ndarray) else images.take(order),
        class_names=class_names,
        notes=notes,
    )


def _check_apart(records: Records, options: Any) -> None:
    """Raise a UsageError if examples to test on are trained on."""
    train = open_split(options.set, options.dir, _stored("train", options))
    if shared := records.shared(train):
        raise UsageError(
            f"{counted(shared, 'example')} of '{options.set}' would be in both train "
            f"('{train.split}') and test ('{records.split}'); choose data.train_split and "
            "data.test_split that share none"
        )


def _stored(split: str, options: Any) -> str:
    """The TFDS split to read."""
    if options[f"{split}_split"]:
        return options[f"{split}_split"]
    known = split_names(options.set, options.dir)
    for name in ("train",) if split == "train" else ("test", "validation"):
        if name in known:
            return name
    also = ", or hold out a share of the training examples with data.test_share=0.2"
    raise UsageError(
        f"'{options.set}' has no {split} split, but {', '.join(known)}; choose with "
        f"data.{split}_split{also if split == 'test' else ''}"
    )


def _feature(records: Records, fits: Callable[[Any], bool], field: str, wanted: str) -> str:
    """Name of the only feature that fits, or of the one that is wanted."""
    features = sorted(records.features.items())
    fitting = [name for name, feature in features if fits(feature)]
    if wanted in fitting:
        return wanted
    if len(fitting) == 1 and not wanted:
        return fitting[0]
    what = f"'{records.name}' has no feature '{wanted}' that can be the {field}"
    if not wanted:
        what = f"'{records.name}' has {len(fitting) or 'no'} features that can be the {field}"
    if not fitting:
        has = ", ".join(f"{n} ({type(f).__name__})" for n, f in features)
        raise UsageError(f"{what}; it has {has}; choose another data set")
    raise UsageError(f"{what}; choose with data.{field} among {', '.join(fitting)}")


def _is_image(feature: Any) -> bool:
    import tensorflow_datasets as tfds

    # Not its subclasses, which are maps of labels, nor depth maps of floats.
    return (
        type(feature) is tfds.features.Image
        and len(feature.shape) == 3
        and feature.np_dtype in (np.uint8, np.uint16)
    )


def _is_label(feature: Any) -> bool:
    import tensorflow_datasets as tfds

    if isinstance(feature, tfds.features.Sequence):
        feature = feature.feature
    return isinstance(feature, tfds.features.ClassLabel) and bool(feature.num_classes)


def _may_identify(records: Records, name: str) -> bool:
    """Whether there is such a feature, a text or a whole number."""
    import tensorflow_datasets as tfds

    if name not in records.features:
        return False
    feature = records.features[name]
    return isinstance(feature, tfds.features.Text) or (
        isinstance(feature, tfds.features.Tensor)
        and not isinstance(feature, tfds.features.ClassLabel)
        and feature.shape == ()
        and np.issubdtype(feature.np_dtype, np.integer)
    )


def _labels(
    values: list[Any], classes: int, split: str, name: str
) -> tuple[np.ndarray, tuple[str, ...]]:
    """Labels, int [N] or bool [N, C], and what is to be said of them."""
    single = np.ndim(values[0]) == 0
    owner = np.repeat(np.arange(len(values)), [1 if single else len(v) for v in values])
    flat = np.array(values) if single else np.concatenate(values)
    without = np.unique(owner[(flat < 0) | (flat >= classes)])
    if len(without):
        raise UsageError(
            f"in the {split} split of '{name}' {len(without):,} of {len(values):,} examples have a "
            f"label that is none of the classes 0 to {classes - 1} (-1 says that it is unknown); "
            f"choose another split with data.{split}_split"
        )
    if single:
        return flat.astype(np.int32), ()
    label = np.zeros((len(values), classes), bool)
    label[owner, flat] = True
    empty = int((~label.any(1)).sum())
    verb = "has" if empty == 1 else "have"
    note = f"{counted(empty, 'image')} {verb} no label; right where nothing is predicted"
    return label, (note,) if empty else ()


def _images(records: Records, feature: str) -> Images:
    """In memory if they are few and small, of one size, and decode to the same pixels anywhere."""
    images = records.images(feature)
    height, width, _ = records.features[feature].shape
    if None in (height, width) or len(records) * height * width * 3 > _IN_MEMORY:
        return images
    pixels = np.empty((len(records), height, width, 3), np.uint8)
    for i, row in enumerate(records.rows((feature,))):
        if row[feature].startswith(_JPEG):  # decoders differ by a grey level
            return images
        pixels[i] = decoded(row[feature], (height, width), images.name(i))
    return pixels


def _stored_ids(columns: dict[str, list[Any]], naming: list[str]) -> np.ndarray | None:
    """Values of the first feature that tells all examples apart."""
    for name in naming:
        try:
            texts = [v.decode() if isinstance(v, bytes) else str(v) for v in columns[name]]
        except UnicodeDecodeError:
            continue
        ids = np.array(texts, np.str_)
        if len(np.unique(ids)) == len(ids):
            return ids
    return None
