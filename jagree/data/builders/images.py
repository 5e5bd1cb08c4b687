"""Whether a member of an archive is an image."""

import io
import warnings

from PIL import Image

from jagree.data.builders.archives import Files
from jagree.data.decode import decode


def whole(files: Files, member: str) -> bytes:
    """The bytes of a member that is decoded to see that all of it is there.

    Raises
    ------
    UsageError
        If it cannot be read or decoded.
    """
    content = files.read(member)
    try:
        decode(content, member)
    except (OSError, ValueError) as error:
        raise files.wrong(member, "is no image, or a damaged one") from error
    return content


def begun(content: bytes) -> bool:
    """Whether bytes begin as an image of a known format, which takes no decoding."""
    try:
        with warnings.catch_warnings():  # of many pixels
            warnings.simplefilter("ignore")
            Image.open(io.BytesIO(content)).close()
    except Exception:  # whatever the headers of the many formats make Pillow raise
        return False
    return True
