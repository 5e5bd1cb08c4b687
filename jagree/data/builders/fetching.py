"""The files that data sets are made from: found, or downloaded, and verified."""

import hashlib
import http.client
import urllib.error
import urllib.request
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from tqdm import tqdm

from jagree.errors import UsageError
from jagree.words import counted

_AT_ONCE = 1 << 20  # bytes
_PATIENCE = 60  # seconds without a byte, after which a connection counts as broken
_NETWORK = (OSError, http.client.HTTPException)


@dataclass(frozen=True)
class File:
    """One file that a data set is made from.

    Attributes
    ----------
    name : str
        The archive's official name.
    url : str
        Where it is downloaded from; "" if it cannot be.
    algorithm, digest : str
        Of its checksum: as hashlib calls it, and in hexadecimal digits.
    size : int
        Bytes; 0 if that is not known.
    folder : str
        Name of the folder that it unpacks to, where that serves as well; "" where not.
    optional : bool
        Whether most can be prepared without it.
    """

    name: str
    url: str
    algorithm: str
    digest: str
    size: int = 0
    folder: str = ""
    optional: bool = False


def of_tfds(table: str) -> dict[str, File]:
    """Files by name, with the addresses and checksums that TFDS has.

    Parameters
    ----------
    table : str
        A file in TFDS's package. Its lines hold an address, a number of bytes and an SHA-256.
    """
    import tensorflow_datasets as tfds

    found = {}
    for line in tfds.core.tfds_path(table).read_text().splitlines():
        url, size, digest = line.split()[:3]
        name = url.rsplit("/", 1)[-1]
        found[name] = File(name, url, "sha256", digest, int(size))
    return found


def find(files: Sequence[File], folder: Path) -> dict[str, Path]:
    """Where in a folder the files are, by name; without those optional ones that are not there.

    Raises
    ------
    UsageError
        If there is no such folder, or not all that is needed is in it.
    """
    if not folder.is_dir():
        raise UsageError(f"--archives: there is no folder '{folder}'")
    found = {}
    for file in files:
        if (folder / file.name).is_file():
            found[file.name] = folder / file.name
        elif file.folder and (folder / file.folder).is_dir():
            found[file.name] = folder / file.folder
        elif file.folder and folder.resolve().name == file.folder:
            found[file.name] = folder
        elif not file.optional:
            unpacked = f" (nor the folder '{file.folder}' it unpacks to)" if file.folder else ""
            raise UsageError(f"--archives: '{folder}' has no '{file.name}'{unpacked}")
    return found


def verify(file: File, path: Path) -> None:
    """Raise a UsageError unless the file has the bytes it should have."""
    remedy = (
        "it is not used; remove it and get it again, or, as some mirrors pack anew, say --nocheck "
        "if you trust it"
    )
    size = path.stat().st_size
    if file.size and size != file.size:
        raise UsageError(
            f"'{path}' has {counted(size, 'byte')}, expected are {file.size:,}: {remedy}"
        )
    digest = hashlib.new(file.algorithm, usedforsecurity=False)
    with path.open("rb") as content, _bar(f"checking {file.name}", size) as bar:
        while block := content.read(_AT_ONCE):
            digest.update(block)
            bar.update(len(block))
    if digest.hexdigest() != file.digest:
        name = {"sha256": "SHA-256", "md5": "MD5"}[file.algorithm]
        raise UsageError(
            f"'{path}' has the {name} {digest.hexdigest()}, expected is {file.digest}: {remedy}"
        )


def download(file: File, folder: Path) -> Path:
    """Download a file to a folder, unless it is there; what was cut short goes on.

    Returns
    -------
    path
        Of the file, which is there whole or not at all, as far as the server tells its size.

    Raises
    ------
    UsageError
        If it cannot be reached, or the connection breaks.
    OSError
        If the file cannot be written.
    """
    path = folder / file.name
    if path.is_file():
        return path
    partial = path.with_name(f"{file.name}.partial")
    have = partial.stat().st_size if partial.is_file() else 0
    headers = {"User-Agent": "jagree"} | ({"Range": f"bytes={have}-"} if have else {})
    print(f"downloading {file.url} to '{folder}'", flush=True)
    try:
        request = urllib.request.Request(file.url, headers=headers)
        response = urllib.request.urlopen(request, timeout=_PATIENCE)
    except urllib.error.HTTPError as error:
        error.close()
        if error.code == 416:  # nothing is left to send: it was cut short when it was renamed
            partial.replace(path)
            return path
        raise _unreachable(file, f"{error.code} {error.reason}") from error
    except _NETWORK as error:
        raise _unreachable(file, str(getattr(error, "reason", error))) from error
    with response:
        if response.status != 206:  # the server sends it from the beginning
            have = 0
        folder.mkdir(parents=True, exist_ok=True)
        _receive(file, response, partial, have)
    partial.replace(path)
    return path


def _receive(file: File, response: http.client.HTTPResponse, partial: Path, have: int) -> None:
    """Write what a server sends behind the first bytes, which are here."""
    announced = response.headers.get("Content-Length")
    total = have + int(announced) if announced else None
    with (
        partial.open("ab" if have else "wb") as out,
        _bar(file.name, total or file.size or None) as bar,
    ):
        bar.update(have)
        while True:
            try:
                block = response.read(_AT_ONCE)
            except _NETWORK as error:
                block, reason = b"", str(error)
            else:
                reason = "the server closed it"
            if not block:
                break
            out.write(block)
            have += len(block)
            bar.update(len(block))
    if total is not None and have < total:
        raise UsageError(
            f"the connection to {file.url} broke after {have:,} of {total:,} bytes ({reason}); the "
            "same command goes on from there"
        )


def _unreachable(file: File, reason: str) -> UsageError:
    return UsageError(
        f"cannot download {file.url} ({reason}); get '{file.name}' by other means, and say "
        "--archives=FOLDER"
    )


def _bar(what: str, total: int | None) -> "tqdm[None]":
    return tqdm(total=total, desc=what, unit="B", unit_scale=True, leave=False, disable=None)
