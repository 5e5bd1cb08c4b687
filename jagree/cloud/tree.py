"""What is put on a machine: this checkout, or a repository by its address."""

import shlex
import tarfile
from pathlib import Path

from jagree.errors import UsageError

PARTS = ("pyproject.toml", "README.md", "LICENSE", "jagree", "configs", "launch")
ARCHIVE = "jagree.tar.gz"  # in the home folder of the machine


def is_address(source: str) -> bool:
    """Whether a source is the address of a repository rather than a folder."""
    return "://" in source


def check(source: str) -> None:
    """Raise a UsageError unless a source is an address or a checkout of jagree."""
    if is_address(source):
        return
    missing = [part for part in PARTS if not Path(source, part).exists()]
    if missing:
        raise UsageError(
            f"--source={source} is no checkout of jagree, it has no {missing[0]}; say "
            "--source=FOLDER or the address of a git repository, https://...[#BRANCH]"
        )


def pack(source: str, target: Path) -> None:
    """Write the parts of a checkout that a run needs, uncommitted changes included.

    Raises
    ------
    UsageError
        The folder is no checkout of jagree.
    """
    check(source)
    with tarfile.open(target, "w:gz") as archive:
        for part in PARTS:
            archive.add(Path(source, part), part, filter=_wanted)


def _wanted(entry: tarfile.TarInfo) -> tarfile.TarInfo | None:
    return None if Path(entry.name).name == "__pycache__" else entry


def unpacking(source: str, extra: str) -> str:
    """The line of shell that puts a source into ~/jagree and installs it with an extra.

    It does nothing where a job runs, whose code must not change. What was there before goes, but
    for the run folders, which lie in ~/runs. It exits with 70 where it fails: 1 would mean that the
    connection was lost.
    """
    if is_address(source):
        address, _, branch = source.partition("#")
        fetch = ["git", "clone", "--depth=1", *(["--branch", branch] if branch else []), address]
        get = f"{shlex.join(fetch)} ~/jagree"
    else:
        get = f"mkdir ~/jagree && tar --extract --gzip --file={ARCHIVE} --directory=jagree"
    keep = "mkdir -p ~/runs && ln --symbolic ~/runs ~/jagree/runs"
    install = f"bash ~/jagree/launch/install.sh {shlex.quote(extra)}"
    steps = f"cd && rm -rf ~/jagree && {get} && {keep} && {install}"
    return (
        "mkdir -p ~/job && flock --nonblock --conflict-exit-code=99 ~/job/lock "
        f"bash -c {shlex.quote(steps)}; test $? = 0 -o $? = 99 || exit 70"
    )
