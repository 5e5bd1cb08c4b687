"""What a user may not do, tested even where root runs the tests."""

import contextlib
import os
from collections.abc import Iterator
from pathlib import Path

_NOBODY = 65534


@contextlib.contextmanager
def unprivileged(folder: Path) -> Iterator[None]:
    """Be a user who owns a folder and nothing else, if it is root who runs the tests.

    Whatever is imported in the meantime must have been before: nobody may read it.
    """
    if os.geteuid() != 0:
        yield
        return
    for path in (folder, *folder.rglob("*")):
        os.chown(path, _NOBODY, -1)
    os.seteuid(_NOBODY)
    try:
        yield
    finally:
        os.seteuid(0)
