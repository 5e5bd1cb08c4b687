"""KTH-TIPS2-b: photographs of 11 materials, of each of which there are four samples.

Trained on three of the samples and tested on the fourth, as in the paper: what is to be recognised
is the material, not the piece of it.
"""

from typing import Any

import numpy as np

from jagree.data.split import Column, Split
from jagree.data.tfds_reader import open_split
from jagree.errors import UsageError

SAMPLES = ("a", "b", "c", "d")

# How the 12 images of a sample at a scale were taken: number from 1 on -> illumination, rotation.
ILLUMINATION = (*("frontal", "top", "side") * 3, "ambient", "ambient", "ambient")
ROTATION = (*["frontal"] * 3, *["right"] * 3, *["left"] * 3, "frontal", "right", "left")


def load(split: str, options: Any) -> Split:
    """Open one split; images are decoded when they are taken out.

    Parameters
    ----------
    split : {"train", "test"}
    options : ConfigDict
        ``config.data``: `dir` (TFDS folder, "" for TFDS's own default), `test_sample` (whose images
        are the test split).

    Returns
    -------
    Split
        Ids are of the form ``wool/22a-scale_2_im_1_col``. Metadata: illumination, rotation, sample,
        scale.

    Raises
    ------
    UsageError
        If the data has not been prepared, or there is no such sample.
    """
    if options.test_sample not in SAMPLES:
        raise UsageError(
            f"data.test_sample must be one of {', '.join(SAMPLES)}, not '{options.test_sample}'"
        )
    records = open_split("kth_tips2b", options.dir, "train")
    columns = records.columns(["file_name", "label", "sample", "scale", "number"])
    class_names = records.class_names("label")
    ids = np.array(
        [
            f"{class_names[label]}/{name.decode().removesuffix('.png')}"
            for label, name in zip(columns["label"], columns["file_name"], strict=True)
        ]
    )
    sample = np.array([letter.decode() for letter in columns["sample"]])
    here = np.flatnonzero((sample == options.test_sample) == (split == "test"))
    chosen = here[np.argsort(ids[here])]
    number = np.array(columns["number"])[chosen] - 1
    return Split(
        name=split,
        id=ids[chosen],
        label=np.array(columns["label"], np.int32)[chosen],
        image=records.images().take(chosen),
        class_names=class_names,
        metadata={
            "illumination": Column(
                np.array(ILLUMINATION)[number], "", "direction from which the light came"
            ),
            "rotation": Column(np.array(ROTATION)[number], "", "side to which the sample faced"),
            "sample": Column(sample[chosen], "", "which of the material's four samples it is"),
            "scale": Column(
                np.array(columns["scale"], np.float64)[chosen],
                "",
                "number of the scale at which it was taken, 2 to 10",
            ),
        },
    )
