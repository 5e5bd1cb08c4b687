"""KTH-TIPS2-b (Caputo, Hayman and Mallikarjuna 2005) from its tar or the unpacked folder."""

import re
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from jagree.data.builders.archives import Archive, Files, Tree
from jagree.data.builders.fetching import File
from jagree.data.builders.images import whole
from jagree.data.builders.writing import Content, Examples, Recipe
from jagree.errors import UsageError

FOLDER = "KTH-TIPS2-b"
SITE = "https://www.csc.kth.se/cvap/databases/kth-tips/"
ARCHIVE = "kth-tips2-b_col_200x200.tar"
MD5 = "00470a104a57f5a5be22cc8a0f234c4e"
CLASSES = {  # name -> its number in the names of files
    "aluminium_foil": 15,
    "brown_bread": 48,
    "corduroy": 42,
    "cork": 16,
    "cotton": 46,
    "cracker": 60,
    "lettuce_leaf": 23,
    "linen": 44,
    "white_bread": 52,
    "wood": 54,
    "wool": 22,
}
SAMPLES = ("a", "b", "c", "d")
_NAME = re.compile(r"(\d+)([a-d])-scale_([2-9]|10)_im_([1-9]|1[0-2])_col\.png", re.ASCII)


def recipes() -> list[Recipe]:
    """KTH-TIPS2-b, a data set that TFDS does not have, as version 1.0.0."""
    return [
        Recipe(
            name="kth_tips2b",
            config="",
            version="1.0.0",
            files=(File(ARCHIVE, SITE + ARCHIVE, "md5", MD5, folder=FOLDER),),
            base=_base,
            read=_content,
        )
    ]


def _base() -> Any:
    import numpy as np
    import tensorflow_datasets as tfds

    class KthTips2b(tfds.core.ShardBasedBuilder, skip_registration=True):  # type: ignore[call-arg]
        """Describes the data set."""

        name = "kth_tips2b"
        VERSION = tfds.core.Version("1.0.0")
        pkg_dir_path = None

        def _info(self) -> Any:
            text, number = tfds.features.Text(), np.int64
            return tfds.core.DatasetInfo(
                builder=self,
                description=(
                    "Photographs of 11 materials. Of each there are 4 samples, taken at 9 scales, "
                    "in 3 rotations and under 4 illuminations."
                ),
                features=tfds.features.FeaturesDict(
                    {
                        "image": tfds.features.Image(),
                        "label": tfds.features.ClassLabel(names=list(CLASSES)),
                        "file_name": text,  # 22a-scale_2_im_1_col.png
                        "sample": text,  # a, b, c or d
                        "scale": number,  # 2 to 10
                        "number": number,  # 1 to 12: rotation and illumination
                    }
                ),
                supervised_keys=("image", "label"),
                homepage=SITE,
                citation=(
                    "@inproceedings{caputo2005class,\n"
                    "  title={Class-specific material categorisation},\n"
                    "  author={Caputo, Barbara and Hayman, Eric and Mallikarjuna, P.},\n"
                    "  booktitle={IEEE International Conference on Computer Vision},\n"
                    "  year={2005}\n"
                    "}"
                ),
            )

    return KthTips2b


@contextmanager
def _content(paths: Mapping[str, Path], features: Any) -> Iterator[Content]:
    path = paths[ARCHIVE]
    if path.is_dir():
        tree = Tree(path)
        yield Content({"train": _examples(tree, [(name, name) for name in tree.names()])})
        return
    with Archive.open(path) as archive:
        inside = [name for name in archive.names() if name.startswith(f"{FOLDER}/")]
        members = [(name.removeprefix(f"{FOLDER}/"), name) for name in inside]
        yield Content({"train": _examples(archive, members)})


def _examples(files: Files, members: list[tuple[str, str]]) -> Examples:
    """All images, of (path below KTH-TIPS2-b, name of the member)."""
    found = []
    for path, member in members:
        if path.lower().endswith(".png") and not path.rsplit("/", 1)[-1].startswith("."):
            found.append((member, *_values(files, path, member)))
    _check_whole(files, {(values["label"], values["sample"]) for _, _, values in found})

    def read(position: int) -> dict[str, Any]:
        member, _, values = found[position]
        return {"image": whole(files, member), **values}

    sizes = [files.size(member) for member, _, _ in found]
    return Examples([key for _, key, _ in found], sizes, read)


def _values(files: Files, path: str, member: str) -> tuple[str, dict[str, Any]]:
    """An image's key, and what its name says of it."""
    above = path.split("/")
    label, folder, name = above if len(above) == 3 else ("", "", "")
    parts = _NAME.fullmatch(name)
    if label not in CLASSES or not parts:
        raise files.wrong(
            member,
            "is not named as the images are, such as wool/sample_a/22a-scale_2_im_1_col.png with a "
            f"scale of 2 to 10 and a number of 1 to 12, in a folder of {', '.join(CLASSES)}",
        )
    number, sample, scale, image = parts.groups()
    if int(number) != CLASSES[label] or folder != f"sample_{sample}":
        raise files.wrong(
            member,
            f"lies in another folder than its name says: images of {label} begin with "
            f"{CLASSES[label]} and the letter of their sample",
        )
    values = {
        "label": label,
        "file_name": name,
        "sample": sample,
        "scale": int(scale),
        "number": int(image),
    }
    return f"{label}/{name.removesuffix('.png')}", values


def _check_whole(files: Files, found: set[tuple[str, str]]) -> None:
    """Raise a UsageError unless each class has all samples; of images there may be any number."""
    for label in CLASSES:
        missing = [sample for sample in SAMPLES if (label, sample) not in found]
        if missing:
            lacks = "image" if len(missing) == len(SAMPLES) else f"sample {', '.join(missing)}"
            raise UsageError(f"'{files.where}' has no {lacks} of {label}; get the official data")
