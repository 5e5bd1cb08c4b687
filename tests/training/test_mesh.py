"""Members and batches over a mesh of devices: the record of one device, and who talks to whom."""

import json
import shutil
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from jax.experimental import multihost_utils

from jagree.errors import UsageError
from jagree.record import open_record
from jagree.training import mesh
from jagree.training.mesh import (
    MeshShape,
    Placement,
    choose_mesh,
    members_of_rows,
    spare,
)
from tests.training.meshes import on_devices, run_on
from tests.training.runs import arrays

MESHES = ("1x1", "5x1", "8x1", "4x2", "1x8")
MIXED = ("tiny_b", "tiny_a", "tiny_b", "tiny_b", "tiny_a")


def case(shape: str, members: int, engine: str = "vmap", **more: Any) -> dict[str, Any]:
    return {"training.mesh": shape, "members": members, "training.engine": engine, **more}


def check_equal(found: dict[str, Any], one: dict[str, Any]) -> None:
    """The same predictions; parameters, momenta and losses up to rounding."""
    assert found.keys() == one.keys()
    assert any(name.startswith("state/") for name in one)
    for name in one.keys() - {"programs"}:
        if name.endswith("/prediction"):
            np.testing.assert_array_equal(found[name], one[name], err_msg=name)
        elif name.startswith("state/"):
            np.testing.assert_allclose(found[name], one[name], rtol=0, atol=1e-5, err_msg=name)
        else:
            np.testing.assert_allclose(found[name], one[name], rtol=1e-4, atol=1e-4, err_msg=name)


def check_collectives(found: dict[str, Any], columns: int) -> None:
    """Members never talk; the parts of a batch talk in training, to add up."""
    assert found["programs"]["train"]
    for of_program in found["programs"]["eval"]:
        assert of_program == {}
    for of_program in found["programs"]["train"]:
        assert set(of_program) == ({"all-reduce"} if columns > 1 else set())


# One process for all: it takes longer to start than to train.
CASES = {
    **{f"{shape} of 5": case(shape, 5) for shape in MESHES},
    "8x1 of 1": case("8x1", 1),
    "1x8 of 1": case("1x8", 1),
    "4x2 of 8": case("4x2", 8, "loop"),
    "8x1 in turn": case("8x1", 5, "loop"),
    "4x2 streamed, online": case(
        "4x2", 5, "loop", **{"training.feed": "stream", "recording.mode": "online"}
    ),
    "4x2 mixed": case("4x2", 5, **{"per_member.network": MIXED}),
    "1x1 mixed": case("1x1", 5, "loop", **{"per_member.network": MIXED}),
    "1x1 of 8": case("1x1", 8, "loop"),
    "1x1 online": case("1x1", 5, "loop", **{"recording.mode": "online"}),
}


@pytest.fixture(scope="module")
def found(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    return on_devices(CASES, tmp_path_factory.mktemp("meshes"))


@pytest.mark.parametrize("name", CASES)
def test_a_mesh_gives_the_record_of_one_device(name: str, found: dict[str, Any]) -> None:
    kind = {"4x2 streamed, online": "1x1 online", "4x2 mixed": "1x1 mixed"}
    one = found[kind.get(name, name if name.startswith("1x1") else "1x1 of 8")]
    members = CASES[name]["members"]
    first = {n: x if n == "programs" else x[:members] for n, x in one.items()}
    check_equal(found[name], first)
    check_collectives(found[name], int(CASES[name]["training.mesh"].partition("x")[2]))


@pytest.mark.slow
def test_every_mesh_with_every_number_of_members(tmp_path: Path) -> None:
    cases = {
        f"{shape} {members} {engine}": case(shape, members, engine)
        for shape in MESHES
        for members in (1, 5, 8)
        for engine in ("vmap", "loop")
    }
    found = on_devices(cases, tmp_path)
    for name, fields in cases.items():
        check_equal(found[name], found[f"1x1 {fields['members']} loop"])
        check_collectives(found[name], int(fields["training.mesh"].partition("x")[2]))


@pytest.mark.slow
def test_lenet5_in_double_precision_on_every_mesh() -> None:
    differences = json.loads(run_on(8, "tests.training.meshes_double"))
    assert len(differences) == 15
    assert max(differences.values()) < 1e-12, differences


@pytest.mark.slow
def test_a_run_of_eight_devices_goes_on_with_four_and_with_one(tmp_path: Path) -> None:
    """Stopped within an epoch, on a mesh that has two members in a row and two parts of a batch."""

    def run(devices: int, folder: str, stop: int, **fields: Any) -> str:
        chosen = json.dumps({"members": 5, "network": "tiny_b"} | fields)
        arguments = (tmp_path / folder, chosen, str(stop))
        return run_on(devices, "tests.training.resumed_on", *arguments)

    said = run(8, "eight", 11, **{"training.mesh": "4x2", "training.engine": "vmap"})
    assert "stopped by SIGTERM in epoch 2 at step 2 of 4" in said
    for folder in ("four", "one"):
        shutil.copytree(tmp_path / "eight", tmp_path / folder)
    run(4, "four", 0, **{"training.mesh": "3x1"})
    run(1, "one", 0)
    run(8, "eight", 0, **{"training.mesh": "1x8"})
    run(1, "alone", 0)
    for folder in ("eight", "four", "one"):
        for split, expected in open_record(tmp_path / "alone/record.zarr").items():
            found = open_record(tmp_path / folder / "record.zarr")[split]
            np.testing.assert_array_equal(found["prediction"], expected["prediction"])
        ours, theirs = arrays(tmp_path / folder), arrays(tmp_path / "alone")
        assert ours.keys() == theirs.keys()
        for name, array in theirs.items():
            np.testing.assert_allclose(ours[name], array, rtol=0, atol=1e-5, err_msg=name)


@pytest.mark.parametrize(
    ("members", "devices", "rows"),
    [
        ((5,), 1, 1),
        ((5,), 8, 5),
        ((8,), 8, 8),
        ((1,), 8, 1),
        ((5,), 4, 3),  # two turns, with four rows as well
        ((25,), 8, 7),
        ((2, 2), 4, 2),  # two networks come one after the other
        ((3, 1), 4, 3),
    ],
)
def test_the_mesh_is_of_the_fewest_devices_that_are_as_fast(
    members: tuple[int, ...], devices: int, rows: int
) -> None:
    assert choose_mesh("auto", members, devices, batch_size=7) == MeshShape(rows, 1)
    of_two = choose_mesh("auto", members, 2 * devices, batch_size=7, processes=2)
    assert of_two == MeshShape(2 * devices, 1)  # every process has to take part


@pytest.mark.parametrize(
    ("wanted", "processes", "message"),
    [
        ("3x3", 1, r"training.mesh=3x3 takes 9 devices, and there are 8; choose another, or auto"),
        ("2x2", 2, r"takes 4 devices, and there are 8, which have to be the mesh's in a run of"),
        ("1x8", 1, r"over 8 devices, which do not divide batch_size=36; choose parts that do"),
        ("8", 1, r"rows of devices for members x parts of a batch, as 8x1 or 4x2, not '8'"),
        ("0x2", 1, r"not '0x2'"),
        ("ax2", 1, r"not 'ax2'"),
        ("-1x2", 1, r"not '-1x2'"),
    ],
)
def test_a_mesh_that_cannot_be_is_refused(wanted: str, processes: int, message: str) -> None:
    with pytest.raises(UsageError, match=message):
        choose_mesh(wanted, [5], 8, batch_size=36, processes=processes)


def test_a_mesh_that_is_asked_for() -> None:
    assert choose_mesh("4x2", [5], 8, batch_size=36) == MeshShape(4, 2)
    assert choose_mesh("1x4", [5], 8, batch_size=36) == MeshShape(1, 4)
    assert choose_mesh("4x2", [5], 8, batch_size=36, processes=2) == MeshShape(4, 2)
    assert str(choose_mesh("12x10", [5], 120, batch_size=20)) == "12x10"


def test_devices_without_work_are_said() -> None:
    assert spare(MeshShape(8, 1), [8], 8) == ""
    assert spare(MeshShape(4, 2), [4], 8) == ""
    assert spare(MeshShape(5, 1), [5], 8) == (
        "8 devices, 5 members: 3 idle; 8 members take the same time"
    )
    assert spare(MeshShape(7, 1), [25], 8) == (
        "8 devices, 25 members: 1 idle, 3 places of 28 without a member; 32 members take the same "
        "time"
    )
    assert spare(MeshShape(4, 2), [3], 8) == (
        "8 devices, 3 members: 1 place of 4 without a member; 4 members take the same time"
    )
    assert spare(MeshShape(2, 1), [2, 2], 3) == "3 devices, 4 members: 1 idle"


def test_neighbours_are_in_one_row_and_the_last_member_fills_up() -> None:
    assert members_of_rows(5, 2).tolist() == [[0, 1, 2], [3, 4, 4]]
    assert members_of_rows(6, 3).tolist() == [[0, 1], [2, 3], [4, 5]]
    assert members_of_rows(1, 3).tolist() == [[0], [0], [0]]


class Elsewhere:
    """A mesh of devices of two processes."""

    def __init__(self, rows: list[list[int]]) -> None:
        self.devices = [[SimpleNamespace(process_index=p) for p in row] for row in rows]


def test_a_process_needs_the_images_of_the_members_in_its_rows() -> None:
    placement = Placement(MeshShape(1, 1))
    placement.shape = MeshShape(2, 2)
    groups = [[0, 2, 5], [1, 3, 4, 6]]
    placement.mesh = Elsewhere([[0, 0], [1, 1]])  # type: ignore[assignment]
    assert placement.own(groups) == [0, 1, 2, 3]
    placement.mesh = Elsewhere([[1, 1], [0, 0]])  # type: ignore[assignment]
    assert placement.own(groups) == [4, 5, 6]
    placement.mesh = Elsewhere([[0, 1], [0, 1]])  # type: ignore[assignment]
    assert placement.own(groups) == [0, 1, 2, 3, 4, 5, 6]


@pytest.mark.parametrize("piece", [1, 40, 100, 10_000])
def test_what_processes_tell_one_another_is_put_together_from_pieces(
    piece: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    array, sizes = jnp.arange(3 * 4 * 5, dtype=jnp.float32).reshape(3, 4, 5), []

    def told(part: jax.Array, *, tiled: bool) -> np.ndarray:
        assert tiled
        sizes.append(part.nbytes)
        return np.asarray(part)

    monkeypatch.setattr(multihost_utils, "process_allgather", told)
    monkeypatch.setattr(jax, "process_count", lambda: 2)
    monkeypatch.setattr(mesh, "PIECE", piece)
    found = mesh.gather({"a": array})["a"]
    np.testing.assert_array_equal(found, array, strict=True)
    assert sum(sizes) == array.nbytes
    assert max(sizes) <= max(piece, 12)  # a column of all members, at least
    assert len(sizes) == {1: 20, 40: 7, 100: 3, 10_000: 1}[piece]
