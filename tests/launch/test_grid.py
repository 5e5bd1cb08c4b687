"""What varies in a sweep: read from flags and from files, typed, combined, refused."""

import doctest
import itertools
from pathlib import Path

import pytest

from jagree.errors import UsageError
from jagree.sweep import grid
from jagree.sweep.grid import Grid
from tests.conftest import REPOSITORY


def test_values_have_the_type_of_their_field() -> None:
    found = grid.parse(
        [
            "batch_size=32, 128",
            "optimizer.learning_rate=1,1e-2,inf",
            "recording.untrained=true,False",
            "data.set=mnist,uoft-cs/cifar10",
            "per_member.network=lenet5,vgg16; resnet50,lenet5",
            "per_member.learning_rate=0.1,1;()",
            "study.leave_out=0;1,2",
            "data.leave_out=train_1,2;3",
            "statistics.names=entropy",
        ]
    )
    assert found == Grid(
        {
            "batch_size": (32, 128),
            "optimizer.learning_rate": (1.0, 0.01, float("inf")),
            "recording.untrained": (True, False),
            "data.set": ("mnist", "uoft-cs/cifar10"),
            "per_member.network": (("lenet5", "vgg16"), ("resnet50", "lenet5")),
            "per_member.learning_rate": ((0.1, 1), ()),
            "study.leave_out": ((0,), (1, 2)),
            "data.leave_out": (("train_1", "2"), ("3",)),
            "statistics.names": (("entropy",),),
        }
    )
    assert [type(v) for v in found.values["optimizer.learning_rate"]] == [float] * 3
    assert [type(v) for v in found.values["recording.untrained"]] == [bool] * 2
    assert [type(v) for v in found.values["study.leave_out"][1]] == [int] * 2


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("batchsize=1", "unknown config field 'batchsize', did you mean 'batch_size'"),
        ("learning_rate=1", "'learning_rate', did you mean 'optimizer.learning_rate'"),
        ("optimizer=sgd", "unknown config field 'optimizer'"),
        ("batch_size=1,x", "batch_size is a whole number, not 'x'"),
        ("batch_size=1.0", "batch_size is a whole number, not '1.0'"),
        ("optimizer.momentum=a", "optimizer.momentum is a number, not 'a'"),
        ("recording.untrained=1", "recording.untrained is true or false, not '1'"),
        ("batch_size=", "a value is missing"),
        ("batch_size=1,,2", "a value is missing"),
        ("data.set=a,", "a value is missing"),
        ("per_member.network=;lenet5", "a value is missing"),
        ("per_member.network=lenet5,,vgg16", "in which a value is missing"),
        ("batch_size", "a grid is field=a,b,c"),
        ("=1", "a grid is field=a,b,c"),
        ("name=a,b", "name cannot vary"),
    ],
)
def test_what_is_no_grid_is_refused(text: str, message: str) -> None:
    with pytest.raises(UsageError) as refused:
        grid.parse([text])
    assert message in str(refused.value)


def test_a_field_that_is_named_twice_is_refused() -> None:
    with pytest.raises(UsageError, match="--grid has seed twice"):
        grid.parse(["seed=0", "batch_size=3", "seed=1"])


def test_product_is_every_combination_the_last_field_first() -> None:
    found = Grid({"batch_size": (32, 128), "seed": (0, 1, 2), "epochs": (5,)}).points()
    assert found == [
        {"batch_size": b, "seed": s, "epochs": 5} for b in (32, 128) for s in (0, 1, 2)
    ]
    assert all(list(point) == ["batch_size", "seed", "epochs"] for point in found)


def test_zip_goes_through_all_fields_at_once() -> None:
    values = {"batch_size": (32, 128, 512), "optimizer.learning_rate": (0.1, 0.2, 0.2)}
    found = Grid(values, "zip").points()
    assert found == [
        {"batch_size": 32, "optimizer.learning_rate": 0.1},
        {"batch_size": 128, "optimizer.learning_rate": 0.2},
        {"batch_size": 512, "optimizer.learning_rate": 0.2},
    ]


@pytest.mark.parametrize(
    ("values", "combine", "message"),
    [
        ({"seed": (0, 1), "epochs": (1, 2, 3)}, "zip", "and seed has 2, epochs has 3"),
        ({"seed": (0, 1, 0)}, "product", "seed=0 twice"),
        ({"seed": (0, 1, 0), "epochs": (1, 1, 1)}, "zip", "seed=0, epochs=1 twice"),
        ({"seed": (0,), "epochs": ()}, "product", "no value for epochs"),
        ({}, "product", "no field"),
        ({"seed": (0,)}, "sum", "unknown combination 'sum'; known: product, zip"),
    ],
)
def test_what_cannot_be_combined_is_refused(
    values: dict[str, tuple[int, ...]], combine: str, message: str
) -> None:
    with pytest.raises(UsageError) as refused:
        Grid(values, combine).points()
    assert message in str(refused.value)


def file(folder: Path, grid_returned: str) -> Path:
    path = folder / "mine.py"
    path.write_text(f"def get_grid():\n    return {grid_returned}\n")
    return path


def test_a_file_may_have_a_grid(tmp_path: Path) -> None:
    path = file(tmp_path, "{'seed': range(2), 'optimizer.momentum': [0, 0.9]}, 'zip'")
    found = grid.of_file(path)
    assert found == Grid({"seed": (0, 1), "optimizer.momentum": (0.0, 0.9)}, "zip")
    assert type(found.values["optimizer.momentum"][0]) is float
    path = file(tmp_path, "{'per_member.network': [['lenet5', 'vgg16']]}, 'product'")
    assert grid.of_file(path) == Grid({"per_member.network": (("lenet5", "vgg16"),)})
    assert grid.of_file(REPOSITORY / "configs/quickstart.py") is None


@pytest.mark.parametrize(
    ("returned", "message"),
    [
        ("{'seed': (0, 1)}", r"get_grid\(\) of .* must return fields with their values, and"),
        ("[('seed', (0, 1))], 'zip'", "must return fields with their values"),
        ("{'seed': 3}, 'zip'", "a list of values for seed, not 3"),
        ("{'network': 'lenet5'}, 'zip'", "a list of values for network, not 'lenet5'"),
        ("{'seed': ('0',)}, 'zip'", "gives seed the value '0'; it must be of type int"),
        ("{'seed': (True,)}, 'zip'", "gives seed the value True"),
        ("{'seed': (1.0,)}, 'zip'", "gives seed the value 1.0"),
        ("{'recording.untrained': (1,)}, 'zip'", "must be of type bool"),
        ("{'sead': (1,)}, 'zip'", "did you mean 'seed'"),
        ("{'name': ('a',)}, 'zip'", "name cannot vary"),
    ],
)
def test_a_file_with_a_wrong_grid_is_refused(tmp_path: Path, returned: str, message: str) -> None:
    with pytest.raises(UsageError, match=message):
        grid.of_file(file(tmp_path, returned))


def test_flags_add_to_the_grid_of_a_file() -> None:
    own = Grid({"batch_size": (32, 128), "seed": (0, 1)})
    assert grid.together(own, [], None) == own
    more = grid.together(own, ["epochs=1,2", "seed=5"], None)
    assert more == Grid({"batch_size": (32, 128), "seed": (5,), "epochs": (1, 2)})
    assert grid.together(own, [], "zip").points() == [
        {"batch_size": 32, "seed": 0},
        {"batch_size": 128, "seed": 1},
    ]
    zipped = Grid(own.values, "zip")
    assert grid.together(zipped, [], None) == zipped
    assert grid.together(zipped, [], "product") == own
    with pytest.raises(UsageError, match="the config zips batch_size, seed, so --grid can add"):
        grid.together(zipped, ["epochs=1"], None)
    assert grid.together(None, ["epochs=1,2"], None) == Grid({"epochs": (1, 2)})
    assert grid.together(None, ["epochs=1,2"], "zip").combine == "zip"
    with pytest.raises(UsageError, match="say what is to vary"):
        grid.together(None, [], None)


def test_a_grid_in_a_line() -> None:
    assert doctest.testmod(grid).attempted == 1
    two = {"batch_size": (32, 128), "seed": (0, 1)}
    assert grid.describe(Grid(two)).endswith(
        f": {len(list(itertools.product((0, 1), repeat=2)))} runs"
    )
    assert grid.describe(Grid(two, "zip")) == "batch_size 32, 128 with seed 0, 1: 2 runs"
    assert grid.describe(Grid({"seed": (3,)})) == "seed 3: 1 run"
