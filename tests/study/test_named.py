"""Names of run folders, and the folder that holds them all."""

from pathlib import Path

import pytest

from jagree.paths import as_path
from jagree.study.named import common_parent, named, place


def test_a_folder_is_called_by_its_name_or_where_it_lies(tmp_path: Path) -> None:
    paths = [tmp_path / "x/run", tmp_path / "y/run", tmp_path / "y/../z", tmp_path / "x/./run"]
    found = named(paths)
    assert list(found) == ["x/run", "y/run", "z"]
    assert [place(path) for path in found.values()] == [place(p) for p in paths[:3]]
    assert named([]) == {}


def test_urls_have_names_too() -> None:
    found = named(["memory://bucket/x/run", "memory://bucket/y/run", "memory://bucket/y/b"])
    assert list(found) == ["x/run", "y/run", "b"]
    assert list(named(["memory://a/run", "memory://b/run"])) == [
        "memory://a/run",
        "memory://b/run",
    ]


def test_a_link_keeps_its_name_and_is_no_second_run(tmp_path: Path) -> None:
    (tmp_path / "run").mkdir()
    (tmp_path / "link").symlink_to(tmp_path / "run")
    assert list(named([tmp_path / "link", tmp_path / "run"])) == ["link"]


@pytest.mark.parametrize(
    ("folders", "parent"),
    [
        (["/runs/a", "/runs/b"], "/runs"),
        (["/runs/a", "/runs/a/b"], "/runs"),
        (["/runs/s/a", "/runs/b"], "/runs"),
        (["/runs/a"], "/runs"),
        (["/runs/s/../a", "/runs/b"], "/runs"),
        (["/runs/a", "/other/b"], None),
        (["memory://x/runs/a", "memory://x/runs/s/b"], "memory://x/runs"),
        (["memory://x/a", "memory://y/b"], None),
        (["memory://x/a", "/x/b"], None),
    ],
)
def test_the_deepest_folder_that_holds_all(folders: list[str], parent: str | None) -> None:
    found = common_parent([as_path(folder) for folder in folders])
    assert found == (None if parent is None else as_path(parent))
