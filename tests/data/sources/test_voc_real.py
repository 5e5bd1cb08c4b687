"""Pascal VOC's own images and annotations, told by another reader and one value after another."""

import functools
import math
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pytest
import tensorflow_datasets as tfds

from jagree.data.decode import decode
from jagree.data.sources.voc import load
from jagree.errors import UsageError
from tests.data.sets import options_of

options = functools.partial(options_of, "voc")


@dataclass(frozen=True)
class Annotation:
    """An image as another reader gives it."""

    shape: tuple[int, int, int]
    objects: list[tuple[str, bool, tuple[int, int, int, int]]]  # class, difficult, box in pixels


@pytest.fixture(scope="module")
def annotations(real_data: Path) -> dict[str, dict[str, Annotation]]:
    """By split and id, read by TFDS and decoded, one value after the other."""
    found: dict[str, dict[str, Annotation]] = {"train": {}, "test": {}}
    for split, year, part in [
        ("train", "2007", "train"),
        ("train", "2007", "validation"),
        ("train", "2012", "train"),
        ("train", "2012", "validation"),
        ("test", "2007", "test"),
    ]:
        builder = tfds.builder_from_directory(real_data / "tfds/voc" / year / "5.0.0")
        names = builder.info.features["objects"].feature["label"].names
        decoders = {"image": tfds.decode.SkipDecoding()}
        for record in builder.as_data_source(part, decoders=decoders):
            shape = decode(record["image"], "").shape
            objects = []
            for n in range(len(record["objects"]["label"])):
                y0, x0, y1, x1 = map(float, record["objects"]["bbox"][n])
                box = (x0 * shape[1], y0 * shape[0], x1 * shape[1], y1 * shape[0])
                for value in box:
                    assert abs(value - round(value)) < 1e-3
                objects.append(
                    (
                        names[record["objects"]["label"][n]],
                        bool(record["objects"]["is_difficult"][n]),
                        tuple(map(round, box)),
                    )
                )
            name = f"voc{year}/{record['image/filename'].decode().removesuffix('.jpg')}"
            found[split][name] = Annotation(shape, objects)
    return found


@pytest.mark.parametrize("ignored", [(), ("test",), ("train", "test")])
@pytest.mark.parametrize("split", ["train", "test"])
def test_the_real_annotations_are_told_as_they_are(
    real_data: Path,
    annotations: dict[str, dict[str, Annotation]],
    split: str,
    ignored: tuple[str, ...],
) -> None:
    found = load(split, options(real_data / "tfds", ignore_difficult=ignored))
    assert found.id.tolist() == sorted(annotations[split])
    assert len(found) == {"train": 210, "test": 40}[split]
    without = 0
    for i, name in enumerate(found.id.tolist()):
        height, width, _ = annotations[split][name].shape
        counted = [o for o in annotations[split][name].objects if split not in ignored or not o[1]]
        for number, kind in enumerate(found.class_names):
            assert found.label[i, number] == any(o[0] == kind for o in counted)
        without += not counted
        painted = np.zeros((height, width), bool)
        total = 0
        for _, _, (left, top, right, bottom) in counted:
            painted[top - 1 : bottom, left - 1 : right] = True
            total += (right - left + 1) * (bottom - top + 1)
        assert {k: c.values[i] for k, c in found.metadata.items()} == {
            "instances": len(counted),
            "labels": len({o[0] for o in counted}),
            "box_area": painted.sum() / painted.size,
            "box_area_sum": pytest.approx(total / painted.size, rel=1e-12),
            "difficult_instances": sum(o[1] for o in annotations[split][name].objects),
        }
    assert bool(found.notes) == bool(without)


def test_the_real_images_are_there_in_full(
    real_data: Path, annotations: dict[str, dict[str, Annotation]]
) -> None:
    found = load("test", options(real_data / "tfds"))
    assert found.class_names[:3] == ("aeroplane", "bicycle", "bird")
    assert len(found.class_names) == 20
    shapes = [image.shape for image in found.originals(np.arange(40))]
    assert shapes == [annotations["test"][name].shape for name in found.id]
    assert len(set(shapes)) > 10


def test_search_difficulty_is_found_for_each_real_image_that_has_one(real_data: Path) -> None:
    path = real_data / "vsd/VSD_dataset.csv"
    table = dict(line.split(",") for line in path.read_text().split())
    found = load("train", options(real_data / "tfds", search_difficulty=str(path)))
    values = found.metadata["search_difficulty"].values
    known = 0
    for example, value in zip(found.id.tolist(), values.tolist(), strict=True):
        image = example.split("/")[1]
        if image in table:
            known += 1
            assert value == float(table[image])
        else:
            assert math.isnan(value)
    assert known == 150
    assert found.notes[-1] == "search difficulty is known of 150 of 210 images"


def test_the_set_of_2012_alone_is_no_training_set(real_data: Path, tmp_path: Path) -> None:
    (tmp_path / "voc").mkdir()
    (tmp_path / "voc/2012").symlink_to(real_data / "tfds/voc/2012")
    with pytest.raises(UsageError, match=r"no 'voc/2007' data in"):
        load("train", options(tmp_path))
