"""What every record must be, whoever wrote it: as docs/record.md says, for the study to take it.

The records are those of a training run, of loops of others through `jagree.Recorder`, told in
NumPy's arrays or in PyTorch's tensors, of members that were joined, and of several labels.
"""

import json
import re
import shutil
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
import xarray as xr
from ml_collections import ConfigDict

import jagree
from jagree import analysis, data, stages
from jagree.configs import default
from jagree.record import correct, open_record
from tests.conftest import REPOSITORY
from tests.training.runs import shrink

DOCUMENT = (REPOSITORY / "docs/record.md").read_text()
MEMBERS, EPOCHS = 2, (1, 2)


@dataclass(frozen=True)
class Case:
    """A record, and what it was to be of."""

    run: Path
    ids: Mapping[str, np.ndarray]
    label: Mapping[str, np.ndarray]  # in the order of ids
    network: str
    way: str

    @property
    def path(self) -> Path:
        return self.run / "record.zarr"

    @property
    def several(self) -> bool:
        return self.label["train"].ndim == 2

    def split(self, name: str) -> xr.Dataset:
        """As docs/record.md opens it."""
        return xr.open_zarr(self.path, group=name, consolidated=False)


def logits(epoch: int, member: int, label: np.ndarray, classes: int) -> np.ndarray:
    """Of somebody's network, [N, C]; in another order than the labels' if the member is another."""
    rng = np.random.default_rng([epoch, member, len(label)])
    towards = label if label.ndim == 2 else np.eye(classes, dtype=bool)[label]
    return 3 * rng.normal(size=(len(label), classes)) + 2 * epoch * towards


def tell(
    run: Path,
    splits: Mapping[str, Any],
    *,
    members: range = range(MEMBERS),
    array: Callable[[np.ndarray], Any] = np.asarray,
    classes: int = 10,
    **about: Any,
) -> None:
    """A loop of somebody: batches in an order that differs between members."""
    recorder = jagree.Recorder(run, **about, **splits)
    for epoch in EPOCHS:
        for position, member in enumerate(members):
            for name, told in splits.items():
                label = told.label if isinstance(told, jagree.Examples) else told
                scores = logits(epoch, member, label, classes)
                for index in np.array_split(
                    np.random.default_rng(member).permutation(len(label)), 3
                ):
                    recorder.add(name, array(index), array(scores[index]), member=position)
        recorder.commit(epoch)


def options() -> ConfigDict:
    """The data that all of one label are of."""
    options = default.get_config().data
    options.train_size, options.test_size = 100, 40
    return options


def trained(run: Path, splits: Mapping[str, data.Split]) -> None:
    """By this program's own training."""
    with pytest.MonkeyPatch.context() as patch:
        config = shrink(default.get_config(), patch)
        config.optimizer.learning_rate = 0.1
        stages.run(config, run, ["train"], "a test")
    (run / "run.json").unlink()  # as if somebody else had made it


def recorded(run: Path, splits: Mapping[str, data.Split], **how: Any) -> None:
    """By the recorder, in every respect as the training run says it."""
    examples = {n: jagree.Examples(s.label, id=s.id, image=s.image) for n, s in splits.items()}
    about = {"networks": ["tiny_a"] * len(how.get("members", range(MEMBERS)))}
    tell(run, examples, data="controlled", class_names=splits["train"].class_names, **about, **how)


def in_torch(run: Path, splits: Mapping[str, data.Split]) -> None:
    """With tensors that belong to a graph, in the precision of a training."""
    torch = pytest.importorskip("torch")

    def tensor(array: np.ndarray) -> Any:
        made = torch.from_numpy(array)
        return made.float().requires_grad_() * 1 if made.is_floating_point() else made

    recorded(run, splits, array=tensor)


def joined(run: Path, splits: Mapping[str, data.Split]) -> None:
    """Member for member, then put together."""
    folders = [run / f"member{k}" for k in range(MEMBERS)]
    for k, folder in enumerate(folders):
        recorded(folder, splits, members=range(k, k + 1))
    jagree.join_records(run, folders)


WAYS = {"trainer": trained, "NumPy": recorded, "PyTorch": in_torch, "joined": joined}


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Callable[[str], Case]:
    """The record of each way, made once."""
    cases: dict[str, Case] = {}

    def make(way: str) -> Case:
        if way in cases:
            return cases[way]
        run = tmp_path_factory.mktemp("run")
        if way == "several labels":
            rng = np.random.default_rng(0)
            label = {"train": rng.random((30, 4)) < 0.4, "test": rng.random((20, 4)) < 0.4}
            tell(run, label, classes=4, networks=["a"] * MEMBERS)
            ids = {n: np.array([f"{n}_{i:07d}" for i in range(len(y))]) for n, y in label.items()}
            cases[way] = Case(run, ids, label, "a", way)
        else:
            splits = data.load(options())
            WAYS[way](run, splits)
            cases[way] = Case(
                run,
                {n: s.id for n, s in splits.items()},
                {n: s.label for n, s in splits.items()},
                "tiny_a",
                way,
            )
        return cases[way]

    return make


@pytest.fixture(params=[*WAYS, "several labels"])
def case(request: pytest.FixtureRequest, made: Callable[[str], Case]) -> Case:
    return made(request.param)


@pytest.fixture(params=["train", "test"])
def name(request: pytest.FixtureRequest) -> str:
    return request.param


def table(heading: str) -> dict[str, list[str]]:
    """The rows of the document's table with this heading: names to the other cells."""
    text = DOCUMENT[DOCUMENT.index(f"| {heading} |") :].split("\n\n")[0]
    rows = [[c.strip() for c in line.strip("|").split(" | ")] for line in text.splitlines()[2:]]
    return {n: cells for first, *cells in rows for n in re.findall(r"`(\w+)`", first)}


def variables(case: Case, name: str) -> dict[str, list[str]]:
    """What the document says of each variable, in a record of this kind."""
    found = table("variable")
    if name != "train" or case.way != "trainer":
        del found["loss"]
    if case.several:
        del found["sum_sq_other"]
    return found


def test_the_document_has_its_tables() -> None:
    assert {"split", "fingerprint", "recording", "correctness"} < set(table("attribute"))
    assert {"prediction", "log_prob", "loss"} < set(table("variable"))
    assert {"epoch", "id", "label", "seed"} < set(table("coordinate"))


def test_the_root_says_what_it_is_and_how_much_is_committed(case: Case) -> None:
    root = json.loads((case.path / "zarr.json").read_text())
    assert root["zarr_format"] == 3
    assert root["attributes"] == {
        "schema": "jagree-record",
        "schema_version": 1,
        "epochs_committed": len(EPOCHS),
    }
    groups = {p.parent.name for p in case.path.glob("*/zarr.json")}
    assert groups == {"train", "test"}


def test_the_attributes_are_those_of_the_document(case: Case, name: str) -> None:
    attrs = case.split(name).attrs
    assert set(attrs) == set(table("attribute"))
    assert attrs["split"] == name
    assert attrs["correctness"] == ("exact_match" if case.several else "single_label")
    assert attrs["recording"] == "epoch_end"
    assert attrs["data"]
    assert re.fullmatch("[0-9a-f]{64}", attrs["fingerprint"])
    assert attrs["class_names"] == case.split("test").attrs["class_names"]
    assert len(set(attrs["class_names"])) == len(attrs["class_names"])
    assert (
        attrs["fingerprint"]
        != case.split({"train": "test", "test": "train"}[name]).attrs["fingerprint"]
    )


def test_the_variables_are_those_of_the_document(case: Case, name: str) -> None:
    split, expected = case.split(name), variables(case, name)
    assert set(split.data_vars) == set(expected)
    for variable, (dimensions, stored, _) in expected.items():
        found = split[variable]
        dims, dtype = tuple(dimensions.split(", ")), stored.split(",")[0]
        if case.several and variable == "prediction":
            dims, dtype = (*dims, "class"), "int8"
        assert found.dims == dims, variable
        assert found.dtype == dtype, variable
        assert found.attrs["description"]
        if "," in stored:
            assert found.attrs["units"] == stored.split(", ")[1]


def test_the_coordinates_are_those_of_the_document(case: Case, name: str) -> None:
    split = case.split(name)
    assert set(split.coords) == set(table("coordinate"))
    for coordinate, (dimension, _) in table("coordinate").items():
        several = case.several and coordinate in ("label", "true_label")
        assert split[coordinate].dims == ((dimension, "class") if several else (dimension,))
    assert split["epoch"].values.tolist() == list(EPOCHS)
    assert split["member"].values.tolist() == list(range(MEMBERS))
    assert split["network"].values.tolist() == [case.network] * MEMBERS
    assert split["seed"].values.tolist() == [0] * MEMBERS
    ids = split["id"].values.tolist()
    assert ids == sorted(set(ids))


def test_each_example_is_there_once_with_its_own_label(case: Case, name: str) -> None:
    split = case.split(name)
    np.testing.assert_array_equal(split["id"], case.ids[name])
    for label in ("label", "true_label"):
        np.testing.assert_array_equal(split[label], case.label[name])
    assert (split["prediction"] >= 0).all()  # nobody's network diverged, and no chunk is missing
    for variable in ("log_prob", "margin"):
        assert np.isfinite(split[variable]).all()


def test_what_it_says_of_an_example_fits_together(case: Case, name: str) -> None:
    """One variable computed of other scores than the next would contradict it."""
    split = case.split(name).load()
    right = (split["prediction"] == split["label"]).values
    log_p, margin = (split[v].values.astype(float) for v in ("log_prob", "margin"))
    assert (log_p <= 0).all()
    if case.several:
        np.testing.assert_array_equal(right.all(-1), margin > 0)
        return
    classes = len(split.attrs["class_names"])
    assert (split["prediction"] < classes).all()
    assert len(np.unique(split["prediction"])) > 1
    np.testing.assert_array_equal(right, margin > 0)
    # The likeliest other class has a probability of p exp(-margin); the squares of all of them are
    # at least its own, and at most what they are if it takes all that it may.
    other = np.exp(log_p - margin)
    rest, squares = -np.expm1(log_p), split["sum_sq_other"].values.astype(float)
    near = 0.02
    assert (squares >= other**2 * (1 - near) - 1e-6).all()
    assert (squares <= other * rest * (1 + near) + 1e-6).all()


def test_plain_xarray_reads_what_the_package_reads(case: Case, name: str) -> None:
    plain, own = case.split(name), open_record(case.path)[name]
    xr.testing.assert_identical(plain.load(), own.load())
    right = plain["prediction"] == plain["label"]
    right = right.all("class") if case.several else right
    for position in range(len(EPOCHS)):
        np.testing.assert_array_equal(correct(own, position), right.values[position])


def test_a_chunk_is_one_epoch_of_all_members(case: Case, name: str) -> None:
    n = len(case.ids[name])
    for variable in variables(case, name):
        stored = json.loads((case.path / name / variable / "zarr.json").read_text())
        chunk = stored["chunk_grid"]["configuration"]["chunk_shape"]
        classes = [4] if case.several and variable == "prediction" else []
        assert chunk == ([1, MEMBERS] if variable == "loss" else [1, MEMBERS, n, *classes])
        assert stored["codecs"][-1]["name"] == "zstd"
        assert stored["codecs"][-1]["configuration"]["checksum"] is True
        files = [p for p in (case.path / name / variable / "c").rglob("*") if p.is_file()]
        assert len(files) == len(EPOCHS)


def test_the_pointer_alone_commits_an_epoch(case: Case, name: str, tmp_path: Path) -> None:
    copy = shutil.copytree(case.path, tmp_path / "record.zarr")
    root = json.loads((copy / "zarr.json").read_text())
    root["attributes"]["epochs_committed"] = 1
    (copy / "zarr.json").write_text(json.dumps(root))
    whole, less = open_record(case.path)[name], open_record(copy)[name]
    xr.testing.assert_identical(less.load(), whole.isel(epoch=slice(0, 1)).load())


def test_the_study_takes_it(case: Case) -> None:
    analysis.analyse_run(case.run)
    assert (case.run / "report.html").exists()
    rows = pd.read_csv(case.run / "results/agreement.csv")
    assert rows.groupby("split")["epoch"].apply(list).to_dict() == {
        name: list(EPOCHS) for name in ("train", "test")
    }
    for row in rows.to_dict("records"):
        right = correct(open_record(case.path)[row["split"]], EPOCHS.index(row["epoch"]))
        assert row["accuracy_mean"] == pytest.approx(right.mean())


@pytest.mark.parametrize("way", [way for way in WAYS if way != "trainer"])
def test_its_files_are_described_as_those_of_a_training_run(
    made: Callable[[str], Case], way: str
) -> None:
    """Byte for byte: shapes, chunks, codecs, attributes, fingerprints, all but the loss."""

    def described(case: Case) -> dict[str, str]:
        return {
            str(p.relative_to(case.path)): p.read_text()
            for p in case.path.rglob("zarr.json")
            if p.parent.name != "loss"
        }

    ours, theirs = described(made("trainer")), described(made(way))
    assert len(ours) > 20
    assert theirs == ours


def test_tensors_leave_the_record_that_arrays_leave(made: Callable[[str], Case]) -> None:
    for name in ("train", "test"):
        one, other = (made(way).split(name).load() for way in ("NumPy", "PyTorch"))
        xr.testing.assert_equal(one["prediction"], other["prediction"])
        for variable in ("log_prob", "margin", "sum_sq_other"):  # float32 is told, float16 stored
            xr.testing.assert_allclose(
                one[variable].astype(float), other[variable].astype(float), rtol=2e-3, atol=1e-5
            )


def test_a_chunk_has_65536_examples_at_most(tmp_path: Path) -> None:
    n = 65_536 + 3
    label = np.arange(n) % 7
    recorder = jagree.Recorder(tmp_path, train=label)
    recorder.add("train", np.arange(n)[::-1], (label[::-1] + 1) % 7)
    recorder.commit(1)
    path = tmp_path / "record.zarr"
    stored = json.loads((path / "train/prediction/zarr.json").read_text())
    assert stored["chunk_grid"]["configuration"]["chunk_shape"] == [1, 1, 65_536]
    files = [p for p in (path / "train/prediction/c").rglob("*") if p.is_file()]
    assert len(files) == 2
    split = xr.open_zarr(path, group="train", consolidated=False)
    np.testing.assert_array_equal(split["prediction"][0, 0], (split["label"] + 1) % 7)
