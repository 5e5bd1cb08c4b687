"""``python -m jagree.data``: data sets from their official archives, for TFDS's reader.

    python -m jagree.data --prepare=cifar10
    python -m jagree.data --prepare=voc --dir=/data/tfds
    python -m jagree.data --prepare=imagenet2012 --archives=/data/archives

Sizes: cifar10 0.2 GB, voc (2007 and 2012) 4.8 GB, kth_tips2b 0.4 GB, imagenet2012 155 GB; the
archives and what is made of them take as much each. Without --archives they are downloaded, but
for ImageNet's, which are given only to those who register. What is there already is left as it is.
"""

from collections.abc import Sequence

from absl import app, flags

from jagree import commandline
from jagree.errors import UsageError

_PREPARE = flags.DEFINE_string("prepare", None, "The data set to prepare.")
_DIR = flags.DEFINE_string(
    "dir", "", "TFDS folder to put it in; default TFDS_DATA_DIR or ~/tensorflow_datasets."
)
_ARCHIVES = flags.DEFINE_string(
    "archives", "", "Folder that holds the official archives; default: they are downloaded."
)
_CHECK = flags.DEFINE_bool(
    "check", True, "Refuse archives that do not have the official checksum (mirrors repack)."
)


def main(argv: Sequence[str]) -> int:
    """Prepare what the flags ask for; the exit code."""
    try:
        commandline.refuse_arguments(argv)
        if not _PREPARE.value:
            print(__doc__)
            return commandline.WRONG_USE
        from jagree.data.builders import prepare

        prepare(_PREPARE.value, _DIR.value, _ARCHIVES.value, _CHECK.value)
    except UsageError as error:
        return commandline.fail(str(error))
    except KeyboardInterrupt:
        return commandline.interrupted("the archives that are there")
    return 0


if __name__ == "__main__":
    app.run(main, flags_parser=commandline.parse)
