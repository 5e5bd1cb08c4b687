import pickle
from pathlib import Path

import numpy as np
import pytest
from ml_collections import ConfigDict

from jagree.configs import default
from jagree.data import load as load_both
from jagree.data.decode import decode
from jagree.data.sources.kth_tips2b import load
from jagree.data.split import Split
from jagree.errors import UsageError
from tests.data import archives


def options(folder: Path, sample: str = "a") -> ConfigDict:
    options = default.get_config().data
    options.name = "kth_tips2b"
    options.dir = str(folder)
    options.test_sample = sample
    options.train_size = options.test_size = 0
    return options


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The data set at 2 of its 9 scales, small images of noise."""
    return archives.prepared_kth(tmp_path_factory.mktemp("kth"))


def splits(folder: Path, sample: str) -> dict[str, Split]:
    return {name: load(name, options(folder, sample)) for name in ("train", "test")}


@pytest.mark.parametrize("sample", ["a", "b", "c", "d"])
def test_one_sample_is_tested_on_and_the_others_trained_on(folder: Path, sample: str) -> None:
    """Against what the names of the files say."""
    expected: dict[str, dict[str, bytes]] = {"train": {}, "test": {}}
    for path, content in archives.kth_members((2, 10)).items():
        label, of, name = path.split("/")
        split = "test" if of == f"sample_{sample}" else "train"
        expected[split][f"{label}/{name[:-4]}"] = content
    for name, split in splits(folder, sample).items():
        assert split.name == name
        assert split.id.tolist() == sorted(expected[name])
        assert [split.image.encoded(i) for i in range(len(split))] == [
            expected[name][example] for example in split.id
        ]
        classes = [split.class_names[label] for label in split.label]
        assert classes == [example.split("/")[0] for example in split.id]
        assert set(split.metadata["sample"].values) == (
            {sample} if name == "test" else set("abcd") - {sample}
        )
    assert split.class_names == tuple(archives.CLASSES)


def test_each_image_has_its_light_its_side_and_its_scale(folder: Path) -> None:
    seen = set()
    for split in splits(folder, "a").values():
        for position, example in enumerate(split.id):
            _, scale, _, number, _ = example.rsplit("/", 1)[1].replace("-scale", "").split("_")
            number = int(number)
            if number in (10, 11, 12):
                light, side = "ambient", ("frontal", "right", "left")[number - 10]
            else:
                light = {1: "frontal", 2: "top", 0: "side"}[number % 3]
                side = "frontal" if number <= 3 else "right" if number <= 6 else "left"
            row = {key: column.values[position] for key, column in split.metadata.items()}
            letter = example.rsplit("/", 1)[1][2]
            assert row == {
                "illumination": light, "rotation": side, "sample": letter, "scale": float(scale)
            }  # fmt: skip
            seen.add((light, side))
    assert len(seen) == 12


def test_columns_say_what_they_are(folder: Path) -> None:
    for split in splits(folder, "b").values():
        for key in ("illumination", "rotation", "sample"):
            assert split.metadata[key].values.dtype.kind == "U"
        assert split.metadata["scale"].values.dtype == np.float64
        for column in split.metadata.values():
            assert column.unit == ""
            assert column.description


def test_images_are_decoded_when_they_are_taken_out(folder: Path) -> None:
    split = load("test", options(folder))
    again = pickle.loads(pickle.dumps(split.image))
    for position in (0, 7, len(split) - 1):
        expected = decode(split.image.encoded(position), "")
        assert expected.shape == (6, 6, 3)
        np.testing.assert_array_equal(split.image[position], expected)
        np.testing.assert_array_equal(again[position], expected)


def test_all_of_it_is_there_whatever_sample_is_tested_on(folder: Path) -> None:
    count = len(archives.kth_members((2, 10)))
    sizes = {s: {n: len(x) for n, x in splits(folder, s).items()} for s in "abcd"}
    assert {sum(size.values()) for size in sizes.values()} == {count}
    # Two samples have fewer images than the others: cork b and wool d.
    assert [sizes[s]["test"] for s in "abcd"] == [264, 256, 264, 256]


def test_no_other_sample_can_be_asked_for(folder: Path) -> None:
    for sample in ("e", "", "A", "ab"):
        with pytest.raises(UsageError, match=r"data\.test_sample must be one of a, b, c, d, not '"):
            load("train", options(folder, sample))


def test_missing_data_is_said_with_the_remedy(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="no 'kth_tips2b' data in") as caught:
        load("train", options(tmp_path))
    assert "python -m jagree.data --prepare=kth_tips2b" in str(caught.value)


def test_sizes_and_fingerprints_are_those_of_any_source(folder: Path) -> None:
    chosen = options(folder)
    chosen.train_size, chosen.test_size = 120, 40
    one, two = load_both(chosen), load_both(chosen)
    assert {name: len(split) for name, split in one.items()} == {"train": 120, "test": 40}
    for name, split in one.items():
        assert split.fingerprint == two[name].fingerprint
    assert (
        load_both(options(folder, "b"))["test"].fingerprint != load_both(chosen)["test"].fingerprint
    )
